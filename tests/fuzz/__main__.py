"""``python -m fuzz``, which ``invoke fuzz`` runs."""

import sys

from fuzz.long_run import main

if __name__ == "__main__":
    sys.exit(main())

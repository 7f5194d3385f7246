"""Check that requirements.lock satisfies pyproject.toml, and that no package in it has a known vulnerability."""

import re
import subprocess
import sys
import tomllib
import urllib.request
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
#: Where pip-audit looks vulnerabilities up.
DATABASE = "https://pypi.org/pypi/pip/json"
_SECONDS = 10.0
_UNKNOWN = "could not be audited"
#: How the last line of pip-audit's traceback begins where it lost its connection.
_NO_CONNECTION = "requests.exceptions."
_PINNED = re.compile(r"^([\w.-]+)==([^\s;\\]+)", re.MULTILINE)


def read_pins(lock: str) -> dict[str, str]:
    """Return the version of each package in the text of a lock file."""
    return {canonicalize_name(name): version for name, version in _PINNED.findall(lock)}


def find_mismatches(dependencies: list[str], pins: dict[str, str]) -> list[str]:
    """Return a sentence for each dependency whose pinned version is missing or out of its range.

    Args:
        dependencies: the requirements of pyproject.toml.
        pins: the version of each package.
    """
    mismatches = []
    for requirement in map(Requirement, dependencies):
        version = pins.get(canonicalize_name(requirement.name))
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        if version is None:
            mismatches.append(f"{requirement} is not pinned.")
        elif not requirement.specifier.contains(version, prereleases=True):
            mismatches.append(f"{requirement} is pinned to {version}.")
    return mismatches


def is_reachable(address: str = DATABASE) -> bool:
    """Return whether an address answers."""
    try:
        # A new opener reads the proxy of today; urlopen keeps the one of its first call in the process.
        with urllib.request.build_opener().open(address, timeout=_SECONDS):
            return True
    except OSError:
        return False


def audit(lock: Path) -> int:
    """Look the packages of a lock file up, and return the exit code of pip-audit, or 0 without a connection."""
    not_reached = "Known vulnerabilities were not looked up: pypi.org cannot be reached."
    if not is_reachable():
        print(not_reached)
        return 0
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--disable-pip", "--progress-spinner=off"]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    if ended.returncode and ended.stderr.rstrip().rpartition("\n")[2].startswith(_NO_CONNECTION):
        print(not_reached)
        return 0
    # A mirror of PyPI has the packages, but not what is known of them.
    lines = ended.stdout.splitlines()
    num_unknown = sum(_UNKNOWN in line for line in lines)
    if num_unknown:
        print(f"Known vulnerabilities of {num_unknown} packages were not looked up: pypi.org does not know them here.")
    if ended.returncode:
        print(*(line for line in lines if _UNKNOWN not in line), ended.stderr, sep="\n")
    elif not num_unknown:
        print("No known vulnerabilities were found.")
    return ended.returncode


def main() -> int:
    """Print what is wrong with the lock file, and return 1 if something is."""
    lock, project = ROOT / "requirements.lock", tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    pins = read_pins(lock.read_text(encoding="utf-8"))
    mismatches = find_mismatches(project["project"]["dependencies"], pins)
    for mismatch in mismatches:
        print(f"requirements.lock must satisfy pyproject.toml: {mismatch} Remedy: make it anew, docs/contributing.md.")
    if not mismatches:
        print(f"requirements.lock pins {len(pins)} packages and satisfies pyproject.toml.")
    return 1 if audit(lock) or mismatches else 0


if __name__ == "__main__":
    sys.exit(main())

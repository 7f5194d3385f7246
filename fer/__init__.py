"""FER-DL: facial-expression recognition with Keras 3, from FER2013 to a live camera.

Public names are loaded on first use, so that ``import fer`` is fast and imports no backend. Keras runs on JAX unless
``KERAS_BACKEND`` is set or Keras was imported before this package.

Example:
    >>> import fer, skimage.data
    >>> [face.label for face in fer.Analyzer().analyze(skimage.data.astronaut())]
    ['happy']
"""

import os
import sys
from typing import TYPE_CHECKING

if "keras" not in sys.modules:
    os.environ.setdefault("KERAS_BACKEND", "jax")

from fer import reports
from fer.errors import FerError
from fer.labels import EXPRESSIONS
from fer.lazy import export_lazily

if TYPE_CHECKING:
    from fer.analysis import Analyzer, Face
    from fer.inference import Classifier
    from fer.vision.annotation import draw

__version__ = "0.1.0"
__all__ = ["EXPRESSIONS", "Analyzer", "Classifier", "Face", "FerError", "draw", "reports"]

_LAZY = {
    "Analyzer": "fer.analysis",
    "Classifier": "fer.inference",
    "Face": "fer.analysis",
    "draw": "fer.vision.annotation",
}

__getattr__ = export_lazily(__name__, _LAZY)


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])

"""``metrics.json``: its one form on disk, and the comparison of two of them."""

import json
from pathlib import Path
from typing import Any

from fer.errors import ModelError
from fer.files import write_atomically

METRICS_FILE = "metrics.json"
#: What may differ between two evaluations of the same network on the same data.
CIRCUMSTANCES = ("seconds", "versions", "git_commit")
_DIGITS = 6


def round_figures(figures: Any) -> Any:
    """Return nested figures with every float rounded to six decimals, in the same order."""
    if isinstance(figures, dict):
        return {key: round_figures(value) for key, value in figures.items()}
    if isinstance(figures, list | tuple):
        return [round_figures(value) for value in figures]
    return round(figures, _DIGITS) if isinstance(figures, float) else figures


def write_metrics(metrics: dict[str, Any], run_folder: str | Path) -> Path:
    """Write ``metrics.json`` into a run folder, whole or not at all, and return its path."""
    path = Path(run_folder) / METRICS_FILE
    write_atomically(path, json.dumps(metrics, indent=2, allow_nan=False) + "\n")
    return path


def read_metrics(run_folder: str | Path) -> dict[str, Any]:
    """Return the figures of a run.

    Raises:
        ModelError: the file is missing or is no JSON object.
    """
    path = Path(run_folder) / METRICS_FILE
    remedy = f"Remedy: run `invoke evaluate` on {Path(run_folder)}."
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"A run must have been evaluated. Received: {path} ({error.strerror}). {remedy}") from None
    except ValueError as error:
        raise ModelError(f"The figures of a run must be JSON. Received: {path} ({error}). {remedy}") from None
    if not isinstance(metrics, dict):
        raise ModelError(f"The figures of a run must be one JSON object. Received: {path}. {remedy}")
    return metrics


def compare_metrics(first: dict[str, Any], second: dict[str, Any], *, tolerance: float = 0.0) -> list[str]:
    """Return every difference between two sets of figures, apart from time, versions and commit.

    Args:
        first: content of a ``metrics.json``.
        second: content of another.
        tolerance: largest difference of two floats that still counts as none; whole numbers and text must be equal.

    Returns:
        A line a difference, such as ``test.accuracy: 0.66 and 0.67``; empty where the figures agree.
    """
    kept = [{key: value for key, value in metrics.items() if key not in CIRCUMSTANCES} for metrics in (first, second)]
    return _compare("", *kept, tolerance=tolerance)


def _compare(place: str, first: Any, second: Any, *, tolerance: float) -> list[str]:
    if isinstance(first, dict) and isinstance(second, dict):
        keys = list(dict.fromkeys([*first, *second]))
        pairs = [(f"{place}.{key}".lstrip("."), first.get(key, "missing"), second.get(key, "missing")) for key in keys]
    elif isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        pairs = [(f"{place}[{index}]", *pair) for index, pair in enumerate(zip(first, second, strict=True))]
    else:
        return [] if _agree(first, second, tolerance) else [f"{place}: {first} and {second}"]
    return [line for name, one, other in pairs for line in _compare(name, one, other, tolerance=tolerance)]


def _agree(first: Any, second: Any, tolerance: float) -> bool:
    numbers = all(isinstance(value, float | int) and not isinstance(value, bool) for value in (first, second))
    # A float that happens to be whole is read back from JSON as a float, so one float of the two makes it a measure.
    if numbers and (isinstance(first, float) or isinstance(second, float)):
        return abs(first - second) <= tolerance
    return type(first) is type(second) and first == second

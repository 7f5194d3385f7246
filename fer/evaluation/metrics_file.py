"""``metrics.json``: writing, reading and comparing the figures of a run."""

import json
from pathlib import Path
from typing import Any

from fer.errors import ModelError, SettingsError, shorten
from fer.files import name_missing_keys, write_atomically
from fer.joint import check_prior
from fer.runs import Run

#: Keys that may differ between two evaluations of the same network on the same data.
CIRCUMSTANCES = ("seconds", "versions", "git_commit")
_DIGITS = 6


def round_figures(figures: Any) -> Any:
    """Return nested figures with every float rounded to six decimals, in the same order."""
    if isinstance(figures, dict):
        return {key: round_figures(value) for key, value in figures.items()}
    if isinstance(figures, list | tuple):
        return [round_figures(value) for value in figures]
    return round(figures, _DIGITS) if isinstance(figures, float) else figures


def write_metrics(metrics: dict[str, Any], run_folder: str | Path) -> None:
    """Write ``metrics.json`` atomically into a run folder."""
    write_atomically(Run(Path(run_folder)).metrics, json.dumps(metrics, indent=2, allow_nan=False) + "\n")


def read_metrics(run_folder: str | Path) -> dict[str, Any]:
    """Return the figures of a run.

    Raises:
        ModelError: ``metrics.json`` is missing or is not a JSON object, or its default answer has no valid
            prior; or, later, it lacks a key that is looked up.

    Example:
        >>> read_metrics("artifacts/xception")["test"]["n"]
        3589
    """
    path = Run(Path(run_folder)).metrics
    remedy = f"Remedy: run `invoke evaluate` on {Path(run_folder)}."
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"The run must have been evaluated. Received: {path} ({error.strerror}). {remedy}") from None
    except ValueError as error:
        raise ModelError(f"The figures of a run must be JSON. Received: {path} ({error}). {remedy}") from None
    if not isinstance(metrics, dict):
        raise ModelError(f"The figures of a run must be one JSON object. Received: {path}. {remedy}")
    _check_default(metrics.get("default", {}), path, remedy)
    return name_missing_keys(metrics, path, remedy.removeprefix("Remedy: ").removesuffix("."))


def _check_default(default: object, path: Path, remedy: str) -> None:
    """Check that the default answer's figures are an object whose prior, if it has one, is valid."""
    if not isinstance(default, dict):
        raise ModelError(
            f"The figures of the default answer must be a JSON object. Received: {shorten(repr(default))} in {path}."
            f" {remedy}"
        )
    prior = default.get("prior")
    try:
        if prior is not None:
            check_prior(prior)
    except SettingsError:
        raise ModelError(
            f"The default answer must have null or a valid prior. Received: {shorten(repr(prior))} in {path}. {remedy}"
        ) from None


def compare_metrics(first: dict[str, Any], second: dict[str, Any], *, tolerance: float = 0.0) -> list[str]:
    """Return the differences between two sets of figures, ignoring time, versions and commit.

    Args:
        first: content of a ``metrics.json``.
        second: content of another.
        tolerance: largest difference between two floats that counts as equal; integers and text must be equal.

    Returns:
        One line per difference, such as ``test.accuracy: 0.66 and 0.67``.
    """
    kept = [{key: value for key, value in metrics.items() if key not in CIRCUMSTANCES} for metrics in (first, second)]
    return _compare("", *kept, tolerance=tolerance)


def _compare(key: str, first: Any, second: Any, *, tolerance: float) -> list[str]:
    if isinstance(first, dict) and isinstance(second, dict):
        names = list(dict.fromkeys([*first, *second]))
        pairs = [
            (f"{key}.{name}".lstrip("."), first.get(name, "missing"), second.get(name, "missing")) for name in names
        ]
    elif isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        pairs = [(f"{key}[{index}]", *pair) for index, pair in enumerate(zip(first, second, strict=True))]
    else:
        return [] if _are_equal(first, second, tolerance) else [f"{key}: {first} and {second}"]
    return [line for name, one, other in pairs for line in _compare(name, one, other, tolerance=tolerance)]


def _are_equal(first: Any, second: Any, tolerance: float) -> bool:
    numbers = all(isinstance(value, float | int) and not isinstance(value, bool) for value in (first, second))
    if numbers and (isinstance(first, float) or isinstance(second, float)):
        return bool(abs(first - second) <= tolerance)
    return bool(type(first) is type(second) and first == second)

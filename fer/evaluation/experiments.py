"""Records of past experiments as Markdown tables.

A record is a JSON file in ``docs/experiments/records/``. Its ``columns`` are the columns of the table; its ``rows``
hold text, numbers, lists of numbers (one per seed) or null, and also the ``source`` and ``date`` of the figures.
"""

from pathlib import Path
from typing import Any

from fer.config import read_json
from fer.errors import DataError

#: The records of this repository.
RECORDS = Path("docs/experiments/records")


def render_experiments(record: dict[str, Any]) -> str:
    """Return the content of a record as a Markdown table; columns of numbers are right-aligned."""
    columns, rows = record["columns"], record["rows"]
    rules = ["---" if any(isinstance(row[name], str) for row in rows) else "---:" for name in columns]
    cells = [[_format(row[name]) for name in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in [columns, rules, *cells])


def render_records(folder: str | Path = RECORDS) -> dict[str, str]:
    """Return the table of each record of a folder, by its section in a document, ``experiments:<name of the file>``.

    Raises:
        DataError: the folder holds no record.
        SettingsError: a record is not JSON.
    """
    paths = sorted(Path(folder).glob("*.json"))
    if not paths:
        raise DataError(
            f"Records of experiments must exist. Received: {folder} without one. Remedy: run it in a checkout."
        )
    return {f"experiments:{path.stem}": render_experiments(read_json(path)) for path in paths}


def _format(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_format(figure) for figure in value)
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, int):
        return f"{value:,}"
    return value or "-"

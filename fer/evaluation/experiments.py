"""Records of past experiments as Markdown tables.

A record is a JSON file in ``docs/experiments/records/``. Its ``columns`` are the columns of the table, its ``rows`` hold
text, numbers, lists of numbers (one per seed), or null; each row also names its ``source`` and its ``date``.
"""

from pathlib import Path
from typing import Any

from fer.config import read_json
from fer.evaluation.documents import update_document

#: The records of this repository, and the document that shows them.
RECORDS = Path("docs/experiments/records")
DOCUMENT = Path("docs/training.md")


def render_experiments(record: dict[str, Any]) -> str:
    """Return the content of a record as a Markdown table; columns of numbers are right-aligned."""
    columns, rows = record["columns"], record["rows"]
    rules = ["---" if any(isinstance(row[name], str) for row in rows) else "---:" for name in columns]
    cells = [[_format(row[name]) for name in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in [columns, rules, *cells])


def render_records(folder: str | Path = RECORDS) -> dict[str, str]:
    """Return the table of each record of a folder, by its section in a document: ``experiments:<name of the file>``."""
    paths = sorted(Path(folder).glob("*.json"))
    return {f"experiments:{path.stem}": render_experiments(read_json(path)) for path in paths}


def update_experiments(document: str | Path = DOCUMENT, folder: str | Path = RECORDS) -> None:
    """Replace the tables of experiments in a document by those of the records.

    Raises:
        DataError: the document marks none of the records.
        SettingsError: a record is not JSON.
    """
    update_document(document, render_records(folder))


def _format(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_format(figure) for figure in value)
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, int):
        return f"{value:,}"
    return value or "-"

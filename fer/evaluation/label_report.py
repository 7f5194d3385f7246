"""The files of a check of labels: a CSV table of suspects and a sheet of faces, which is not to be published."""

from pathlib import Path

import pandas as pd

from fer.data.dataset import Dataset
from fer.errors import SettingsError
from fer.evaluation.label_check import check_labels
from fer.evaluation.label_sheet import plot_label_sheet
from fer.files import check_writable, write_atomically
from fer.inference import Classifier


def report_labels(dataset: Dataset, classifier: Classifier, out: str | Path) -> str:
    """Write the suspects of a data set as a CSV table, and the most doubtful ones as a sheet of faces beside it.

    Args:
        dataset: a prepared data set.
        classifier: the network.
        out: the table, ``.csv``; the sheet has the suffix ``.png``.

    Returns:
        The numbers per expression as Markdown.

    Raises:
        DataError: the data set has no faces.
        SettingsError: ``out`` is no CSV file.
        OutputError: a file cannot be written; this is checked before any work.
    """
    out = Path(out)
    if out.suffix.lower() != ".csv":
        raise SettingsError(f"--out of a check of labels must end in .csv. Received: {out}.")
    sheet = out.with_suffix(".png")
    for path in (out, sheet):
        check_writable(path)
    check = check_labels(dataset, classifier)
    write_atomically(out, check.suspects.to_csv(index=False, lineterminator="\n"))
    plot_label_sheet(dataset.faces, check.suspects, sheet, title=dataset.name)
    return render_summary(check.summary)


def render_summary(summary: pd.DataFrame) -> str:
    """Return the numbers of suspects per expression as a Markdown table."""
    names = [str(name) for name in summary]
    rules = ["---" if isinstance(summary[name].iloc[0], str) else "---:" for name in names]
    rows = [
        [f"{value:,}" if isinstance(value, int) else str(value) for value in row]
        for row in zip(*(summary[name].tolist() for name in names), strict=True)
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [names, rules, *rows])

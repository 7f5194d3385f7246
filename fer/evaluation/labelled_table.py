"""Labelled tables: a user's CSV file with faces, their expressions and the groups that they belong to.

A row has its face in the column ``image``, a path relative to the table, or in ``pixels``, 48x48 grey values as in
FER2013. Its expression is in the column ``label`` or ``expression``, by name, or in ``emotion``, by FER2013's number.
"""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fer.data.sources.names import EXPRESSION_NAMES, normalize
from fer.data.sources.tables import USAGE_TO_SPLIT, parse_pixels
from fer.errors import DataError, SettingsError, shorten
from fer.files import show_path
from fer.labels import EXPRESSIONS, FACE_SIZE

#: More groups than this are names or numbers of single faces rather than groups.
MAX_GROUPS = 40
_DELIMITERS = ",;\t"
#: Largest number of characters of the header that are looked at for the delimiter.
_MAX_HEADER = 1 << 16
#: Largest length of a number of an expression.
_MAX_DIGITS = 4
_LABEL_COLUMNS = ("label", "expression", "emotion")
_NUM_LISTED = 3


@dataclass(frozen=True, eq=False)
class LabelledTable:
    """The rows of a table that have a label and a group.

    Args:
        path: the file.
        sources: the face of each row: a path, or uint8 (48, 48).
        y_true: int64 (N,), indices into ``EXPRESSIONS``.
        groups: the group of each row.
        is_faces: whether the rows are faces already, rather than images in which they must be detected.
        notes: what was left out.
    """

    path: Path
    sources: tuple[Any, ...]
    y_true: np.ndarray
    groups: tuple[str, ...]
    is_faces: bool
    notes: tuple[str, ...] = ()


def read_labelled_table(path: str | Path, group: str) -> LabelledTable:
    """Read a labelled table.

    Rows without a group are left out, and so are the training rows of a table with FER2013's column ``Usage``; both are
    counted in the notes. White space around a group's name does not count.

    Args:
        path: a CSV file, separated by commas, semicolons or tabs.
        group: the column of the groups.

    Raises:
        DataError: the file cannot be read, lacks a column or rows, has two columns of one name, or has a row whose face
            or label cannot be used.
        SettingsError: the column of the groups has one value or too many.
    """
    path = Path(path)
    table = _read_csv(path)
    face, label = _find_columns(path, table, group)
    table, notes = _drop_rows(table, group)
    if table.empty:
        raise DataError(
            f"A labelled table must have rows with a group. Received: {show_path(path)} without one in column"
            f" {shorten(repr(group))}.{''.join(f' {note}' for note in notes)} Remedy: check its rows, and that each has"
            " as many fields as the header."
        )
    _check_groups(table[group], group)
    sources, y_true, bad = [], [], []
    for row, face_text, label_text in zip(table.index, table[face], table[label], strict=True):
        try:
            sources.append(_parse_face(face, face_text, path.parent))
            y_true.append(_parse_label(label, label_text))
        except ValueError as error:
            bad.append(f"row {row + 1}: {error}")
    if bad:
        listed = "; ".join(bad[:_NUM_LISTED])
        raise DataError(
            f"Every row must have a face and a label. Received: {show_path(path)} with {len(bad)} bad rows ({listed})."
            " Remedy: correct or remove them."
        )
    groups = tuple(table[group])
    return LabelledTable(path, tuple(sources), np.array(y_true, np.int64), groups, face == "pixels", tuple(notes))


def _read_csv(path: Path) -> pd.DataFrame:
    if path.suffix == ".npz" or not os.path.isfile(path):
        raise DataError(
            f"An audit needs a CSV table with images or pixels, labels and groups. Received: {show_path(path)}"
            f" ({'a prepared data set has no groups' if path.suffix == '.npz' else 'missing'})."
            " Remedy: give the path of the table."
        )
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            delimiter = max(_DELIMITERS, key=stream.readline(_MAX_HEADER).count)
        table = pd.read_csv(path, sep=delimiter, dtype=str, keep_default_na=False, skipinitialspace=True)
    except (OSError, ValueError) as error:
        raise DataError(
            f"A labelled table must be a readable CSV file. Received: {show_path(path)} ({shorten(error, 120)})."
            " Remedy: save it as CSV in UTF-8."
        ) from None
    # A first column without a name in the header is pandas' index, which is read as one.
    return table.rename(columns=lambda name: str(name).strip()).reset_index(drop=True)


def _find_columns(path: Path, table: pd.DataFrame, group: str) -> tuple[str, str]:
    if repeated := table.columns[table.columns.duplicated()].tolist():
        raise DataError(
            f"Every column of a labelled table must have a name of its own. Received: {show_path(path)} with"
            f" {shorten(repr(repeated[0]))} twice. Remedy: rename one of them."
        )
    face = next((name for name in ("image", "pixels") if name in table), None)
    label = next((name for name in _LABEL_COLUMNS if name in table and name != group), None)
    if face is None or label is None or group not in table:
        raise DataError(
            f"A labelled table needs the columns image or pixels, {' or '.join(_LABEL_COLUMNS)}, and"
            f" {shorten(repr(group))}. Received: {show_path(path)} with"
            f" {shorten(', '.join(map(repr, table.columns)), 120)}. Remedy: rename its columns, or name"
            " another with --group."
        )
    return face, label


def _drop_rows(table: pd.DataFrame, group: str) -> tuple[pd.DataFrame, list[str]]:
    notes = []
    if "Usage" in table:
        training = table["Usage"].map(USAGE_TO_SPLIT.get) == "train"
        table = table[~training]
        notes += [f"{training.sum():,} training rows are left out."] if training.any() else []
    table = table.assign(**{group: table[group].map(lambda name: " ".join(name.split()))})
    grouped = table[group] != ""
    notes += [] if grouped.all() else [f"{(~grouped).sum():,} rows without a group are left out."]
    return table[grouped], notes


def _check_groups(groups: pd.Series, group: str) -> None:
    num_groups = groups.nunique()
    if not 2 <= num_groups <= MAX_GROUPS:
        raise SettingsError(
            f"--group must name a column with 2 to {MAX_GROUPS} different values. Received: {shorten(repr(group))} with"
            f" {num_groups}. Remedy: name another column, or put its values into fewer groups."
        )


def _parse_face(column: str, text: str, folder: Path) -> Path | np.ndarray:
    if column == "pixels":
        return parse_pixels(text).reshape(FACE_SIZE, FACE_SIZE)
    path = folder / text.strip()
    if not os.path.isfile(path):  # Unlike Path.is_file, it raises nothing for a name that is too long.
        raise ValueError(f"no file {shorten(repr(text.strip()), 80)}")
    return path


def _parse_label(column: str, text: str) -> int:
    text = text.strip()
    is_number = text.isdecimal() and len(text) <= _MAX_DIGITS
    if column == "emotion" and is_number and int(text) < len(EXPRESSIONS):
        return int(text)
    # A number by itself may follow any of several orders.
    expression = None if is_number else EXPRESSION_NAMES.get(normalize(text))
    if expression is None:
        raise ValueError(f"the {column} must be an expression; it is {text[:20]!r}")
    return EXPRESSIONS.index(expression)


def count_groups(table: LabelledTable) -> dict[str, int]:
    """Return the number of rows of each group, the largest first."""
    return dict(Counter(table.groups).most_common())

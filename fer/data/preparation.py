"""From a raw source to a prepared file: read, check, guard the splits, write."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fer import labels
from fer.data.dataset import Dataset, check_name, save_dataset, write_prepared
from fer.data.drawn.sample import draw_sample
from fer.data.leaks import LeakReport, find_leaks
from fer.data.sources.archives import is_table_file
from fer.data.sources.folders import read_folder
from fer.data.sources.kaggle import PREFIX, download_kaggle
from fer.data.sources.tables import RawData, Reject, read_table, read_votes
from fer.errors import DataError, SettingsError

#: The name of the FER+ votes that are taken when they stand beside a table.
VOTES_NAME = "fer2013new.csv"

_SHOWN = 3


@dataclass(frozen=True, eq=False)
class Preparation:
    """What :func:`prepare_dataset` wrote.

    Args:
        path: the prepared file.
        fingerprint: sha256 of its arrays, in hex.
        counts: int64 (3, 7), faces of each split and expression.
        num_votes: rows with FER+ votes.
        leaks: what the split guard found.
        num_clean: clean faces of each split.
        rejects: the rows or pictures that were left out.
        rejects_path: the file that lists them; None where there are none.
        is_sample: whether the faces are the package's own drawings.
        notes: further lines to be told.
    """

    path: Path
    fingerprint: str
    counts: np.ndarray
    num_votes: int
    leaks: LeakReport
    num_clean: tuple[int, ...]
    rejects: tuple[Reject, ...] = ()
    rejects_path: Path | None = None
    is_sample: bool = False
    notes: tuple[str, ...] = ()


def prepare_dataset(
    source: str | Path | None,
    name: str,
    folder: str | Path = "data",
    *,
    votes: str | Path | None = None,
    mapping: Mapping[str, str] | None = None,
    skip_bad: bool = False,
    allow_download: bool = False,
    seed: int = 0,
) -> Preparation:
    """Read a source, check every row, guard the splits and write ``<folder>/<name>.npz``.

    Args:
        source: a FER2013 table, plain or packed; a folder tree of pictures; a folder that holds such a table;
            ``kaggle:<owner>/<name>``; or None for the drawn sample.
        name: of the prepared file.
        folder: of the prepared file.
        votes: FER+ votes of a table; by default ``fer2013new.csv`` beside it, where it exists.
        mapping: expression of each folder name of a tree.
        skip_bad: leave bad rows out and list them in ``<folder>/<name>.rejects.csv``, instead of writing nothing.
        allow_download: consent to reach the network for a source on Kaggle.
        seed: of the drawn sample, or of the validation part that a tree lacks.

    Raises:
        DataError: the source cannot be read, a split is empty, or, without ``skip_bad``, a row is bad.
        SettingsError: an option is malformed or does not belong to the source.
    """
    check_name(name)
    if source is None:
        _refuse_options(votes=votes, mapping=mapping)
        return _write(draw_sample(name=name, seed=seed), folder)
    path = _locate(str(source), allow_download)
    if path.is_dir():
        _refuse_options(votes=votes)
        raw = read_folder(path, mapping=mapping, seed=seed)
    else:
        _refuse_options(mapping=mapping)
        raw = read_table(path)
    _check_rejects(raw, skip_bad)
    _check_parts(raw, path)
    return _write(_build(raw, name, path, votes), folder, raw.rejects, raw.notes)


def format_preparation(preparation: Preparation) -> str:
    """Return the lines that tell a user what was written."""
    lines = []
    if preparation.is_sample:
        lines.append(
            "This is a drawn sample, evidence of mechanics only; for FER2013 give it its table:"
            " invoke preprocess --source fer2013.csv.gz"
        )
    lines += _format_counts(preparation.counts)
    lines += _format_leaks(preparation)
    lines.append(f"FER+ votes: {preparation.num_votes} of {int(preparation.counts.sum())} faces.")
    lines += preparation.notes
    if preparation.rejects_path:
        lines.append(f"Left out: {len(preparation.rejects)} bad rows, listed in {preparation.rejects_path}.")
    lines.append(f"Wrote {preparation.path}, fingerprint {preparation.fingerprint[:16]}.")
    return "\n".join(lines)


def _refuse_options(**options: object) -> None:
    for option, value in options.items():
        if value is not None:
            owner = "a FER2013 table" if option == "votes" else "a folder tree"
            raise SettingsError(f"The option '{option}' belongs to {owner}. Received: {value!r} for another source.")


def _locate(source: str, allow_download: bool) -> Path:
    """Return the table or the folder tree that a source means; a FER2013 table inside a folder goes before the tree."""
    path = download_kaggle(source, allow_download=allow_download) if source.startswith(PREFIX) else Path(source)
    inside = [entry for depth in ("*", "*/*") for entry in sorted(path.glob(depth))] if path.is_dir() else []
    return next(filter(is_table_file, inside), path)


def _check_rejects(raw: RawData, skip_bad: bool) -> None:
    if raw.rejects and not skip_bad:
        first = "; ".join(f"{reject.place}: {reject.reason}" for reject in raw.rejects[:_SHOWN])
        rest = "; …" if len(raw.rejects) > _SHOWN else ""
        raise DataError(
            f"Every row must be usable. Received: {len(raw.rejects)} bad ({first}{rest})."
            " Nothing was written. Remedy: mend them, or add `--skip-bad`."
        )


def _check_parts(raw: RawData, path: Path) -> None:
    counts = np.bincount(raw.split, minlength=len(labels.SPLITS))
    if not counts.all():
        received = ", ".join(f"{count} {split}" for split, count in zip(labels.SPLITS, counts, strict=True))
        raise DataError(f"A source must have faces in every split. Received: {path} with {received}.")


def _build(raw: RawData, name: str, path: Path, votes: str | Path | None) -> Dataset:
    counted = np.zeros((len(raw.faces), len(labels.FERPLUS_COLUMNS)), np.uint8)
    is_table = not path.is_dir()
    if is_table and votes is None and path.with_name(VOTES_NAME).is_file():
        votes = path.with_name(VOTES_NAME)
    if votes is not None:
        counted = read_votes(votes, raw)
    clean = np.ones(len(raw.faces), bool)
    return Dataset(name, raw.faces, raw.labels, raw.split, counted, clean, source="csv" if is_table else "folder")


def _write(
    dataset: Dataset, folder: str | Path, rejects: tuple[Reject, ...] = (), notes: tuple[str, ...] = ()
) -> Preparation:
    leaks = find_leaks(dataset.faces, dataset.split)
    dataset = replace(dataset, clean=leaks.clean)
    rejects_path = _write_rejects(rejects, Path(folder) / f"{dataset.name}.rejects.csv")
    return Preparation(
        path=save_dataset(dataset, folder),
        fingerprint=dataset.fingerprint,
        counts=dataset.count_classes(),
        num_votes=int(dataset.votes.any(axis=1).sum()),
        leaks=leaks,
        num_clean=tuple(int(dataset.part(split).clean.sum()) for split in labels.SPLITS),
        rejects=rejects,
        rejects_path=rejects_path,
        is_sample=dataset.is_sample,
        notes=notes,
    )


def _write_rejects(rejects: tuple[Reject, ...], path: Path) -> Path | None:
    if not rejects:
        # The list of an earlier preparation would be taken for this one's.
        path.unlink(missing_ok=True)
        return None
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["place", "reason"])
    writer.writerows((reject.place, reject.reason) for reject in rejects)
    write_prepared(path, text.getvalue())
    return path


def _format_counts(counts: np.ndarray) -> list[str]:
    header = "".join(f"{expression:>9}" for expression in labels.EXPRESSIONS)
    lines = [f"{'':10}{header}{'all':>9}"]
    for split, row in zip(labels.SPLITS, counts, strict=True):
        lines.append(f"{split:10}" + "".join(f"{int(count):>9}" for count in [*row, row.sum()]))
    return lines


def _format_leaks(preparation: Preparation) -> list[str]:
    leaks, sizes = preparation.leaks, preparation.counts.sum(axis=1)
    lines = [
        f"Equal faces: {leaks.equal_groups} groups of {leaks.equal_faces} faces;"
        f" {leaks.crossing_groups} groups cross the splits."
    ]
    for (split, other), exact in leaks.exact.items():
        size = sizes[labels.SPLITS.index(split)]
        near = leaks.near[split, other]
        lines.append(f"Of {size} {split} faces, {exact} stand in {other}, and {near} have a near-equal one there.")
    clean = ", ".join(f"{number} {split}" for number, split in zip(preparation.num_clean, labels.SPLITS, strict=True))
    lines.append(f"Clean faces, without a twin across the border of train: {clean}.")
    return lines

"""Preparation of a data set: read a source, check every row, find leaks, write the prepared file."""

import csv
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fer.data.dataset import SPLITS, Dataset, build_path, check_replaceable, save_dataset
from fer.data.drawn.sample import draw_unguarded_sample
from fer.data.ferplus import FERPLUS_COLUMNS
from fer.data.leaks import LeakReport, find_leaks
from fer.data.sources.archives import is_archive_of_images, is_table_file
from fer.data.sources.folders import read_folder
from fer.data.sources.kaggle import PREFIX, download_kaggle
from fer.data.sources.raw import RawData, Reject
from fer.data.sources.tables import read_table, read_votes
from fer.errors import DataError, SettingsError, shorten, shorten_path
from fer.files import check_apart, check_writable, write_atomically
from fer.labels import EXPRESSIONS
from fer.wording import format_count

#: Name of the file beside a table from which FER+ votes are read by default.
VOTES_NAME = "fer2013new.csv"

#: Number of bad rows that an error message lists.
_NUM_LISTED = 3


@dataclass(frozen=True, eq=False)
class Preparation:
    """Result of :func:`prepare_dataset`.

    Args:
        path: the prepared file.
        fingerprint: sha256 of its arrays, in hex.
        counts: int64 (3, 7), faces per split and expression.
        num_votes: number of faces with FER+ votes.
        leaks: result of the duplicate guard.
        num_clean: clean faces per split.
        rejects: the rows or images that were skipped.
        rejects_path: the file that lists the rejects; None if there are none.
        is_sample: whether the faces were drawn by this package.
        notes: further messages for the user.
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
    mapping: Mapping[str, str | None] | None = None,
    detect: bool = False,
    group_by: str | None = None,
    skip_bad: bool = False,
    allow_download: bool = False,
    overwrite: bool = False,
    progress: bool = False,
    seed: int = 0,
) -> Preparation:
    """Read a source, check every row, find leaks and write ``<folder>/<name>.npz``.

    Args:
        source: a FER2013 table, plain or packed; a folder, .zip or .tar archive of images; a folder that holds such a
            table; ``kaggle:<owner>/<name>``; or None for the drawn sample.
        name: name of the prepared file.
        folder: folder of the prepared file; created if it is missing.
        votes: FER+ votes of a table; by default ``fer2013new.csv`` beside the table, if it exists.
        mapping: expression of each folder name of a tree, or None to leave out the images of a folder.
        detect: the images of a tree are whole photos: detect, align and crop every face. A photo without a face is a
            bad row.
        group_by: what keeps images of a tree in one split when splits are drawn: 'folder', 'name' or 'none'; None takes
            folders of persons, if there are such.
        skip_bad: skip bad rows and list them in ``<folder>/<name>.rejects.csv``; otherwise one bad row is an error and
            nothing is written.
        allow_download: consent to network access for a source on Kaggle.
        overwrite: replace another data set of this name.
        progress: show a progress bar while faces are detected.
        seed: seed of the drawn sample, or of the validation and test splits of a source that has none.

    Raises:
        DataError: the source cannot be read, a split is empty, the file holds another data set and ``overwrite`` is not
            set, or, without ``skip_bad``, a row is bad.
        SettingsError: an option is malformed or does not apply to the source.
        OutputError: the prepared file cannot be written; this is checked before the source is read.

    Example:
        >>> preparation = prepare_dataset("fer2013.csv.gz", "fer2013")  # doctest: +SKIP
        >>> preparation.counts.sum(axis=1).tolist()  # doctest: +SKIP
        [28709, 3589, 3589]
    """
    prepared = build_path(name, folder)
    inputs = [file for file in (source, votes) if file is not None]
    check_apart(inputs, [prepared, prepared.with_suffix(".rejects.csv")])
    check_writable(prepared)
    tree_options = {"mapping": mapping, "detect": detect or None, "group_by": group_by}
    if source is None:
        _refuse_options(votes=votes, **tree_options)
        return _write(draw_unguarded_sample(name=name, seed=seed), folder, overwrite)
    path = _locate(str(source), allow_download)
    is_tree = path.is_dir() or is_archive_of_images(path)
    if is_tree:
        _refuse_options(votes=votes)
        raw = read_folder(
            path, mapping=mapping, detect=detect, group_by=group_by, progress=progress, seed=seed, scratch=folder
        )
    else:
        _refuse_options(**tree_options)
        raw = read_table(path, seed=seed, scratch=folder)
        votes = _find_votes(path) if votes is None else votes
    _check_rejects(raw, skip_bad)
    _check_splits(raw, path)
    dataset = _build(raw, name, "folder" if is_tree else "csv", votes)
    return _write(dataset, folder, overwrite, raw.rejects, raw.notes)


def format_preparation(preparation: Preparation) -> str:
    """Return a summary for the user, as lines of text.

    Example:
        >>> print(format_preparation(prepare_dataset(None, "sample")))  # doctest: +SKIP
    """
    lines = []
    if preparation.is_sample:
        lines.append(
            "This is a drawn sample, which only shows that the code works. For FER2013 run"
            " `invoke preprocess --source fer2013.csv.gz`."
        )
    lines += _format_counts(preparation.counts)
    lines += _format_leaks(preparation)
    lines.append(f"FER+ votes: {preparation.num_votes} of {int(preparation.counts.sum())} faces.")
    lines += preparation.notes
    if preparation.rejects_path:
        lines.append(f"Skipped {len(preparation.rejects)} bad rows, listed in {preparation.rejects_path}.")
    lines.append(f"Wrote {preparation.path}, fingerprint {preparation.fingerprint[:16]}.")
    return "\n".join(lines)


def _refuse_options(**options: object) -> None:
    for option, value in options.items():
        if value is not None:
            owner = "a FER2013 table" if option == "votes" else "a folder tree"
            raise SettingsError(
                f"The option '{option}' applies only to {owner}. Received: {value!r} with another source."
            )


def _locate(source: str, allow_download: bool) -> Path:
    """Return the path of a table or folder tree; a FER2013 table inside a folder takes precedence over the tree."""
    path = download_kaggle(source, allow_download=allow_download) if source.startswith(PREFIX) else Path(source)
    entries = [entry for depth in ("*", "*/*") for entry in sorted(path.glob(depth))] if path.is_dir() else []
    return next(filter(is_table_file, entries), path)


def _check_rejects(raw: RawData, skip_bad: bool) -> None:
    if raw.rejects and not skip_bad:
        raise DataError(
            f"Every row must be usable. Received: {len(raw.rejects)} bad ({_list_rejects(raw.rejects)})."
            " Nothing was written. Remedy: correct them, or add `--skip-bad`."
        )


def _list_rejects(rejects: tuple[Reject, ...]) -> str:
    """Return the first rejects as text, one per reason."""
    counts = Counter(reject.reason for reject in rejects)
    firsts = list({reject.reason: reject for reject in reversed(rejects)}.values())[::-1]
    listed = []
    for reject in firsts[:_NUM_LISTED]:
        others = f" and {counts[reject.reason] - 1} more" if counts[reject.reason] > 1 else ""
        listed.append(f"{shorten_path(reject.location, 40)}{others}: {shorten(reject.reason, 90)}")
    return shorten("; ".join(listed) + ("; …" if len(firsts) > _NUM_LISTED else ""), 190)


def _check_splits(raw: RawData, path: Path) -> None:
    counts = np.bincount(raw.split, minlength=len(SPLITS))
    if not counts.all():
        received = ", ".join(f"{count} {split}" for split, count in zip(SPLITS, counts, strict=True))
        raise DataError(
            f"A source must have faces in every split. Received: {shorten_path(path)} with {received}."
            " Remedy: add faces of the missing split."
        )


def _find_votes(table: Path) -> Path | None:
    """Return the file of FER+ votes beside a table, or None."""
    votes = table.with_name(VOTES_NAME)
    return votes if votes.is_file() else None


def _build(raw: RawData, name: str, source: str, votes: str | Path | None) -> Dataset:
    none = np.zeros((len(raw.faces), len(FERPLUS_COLUMNS)), np.uint8)
    counts = read_votes(votes, raw) if votes is not None else raw.votes if raw.votes is not None else none
    clean = np.ones(len(raw.faces), bool)
    return Dataset(name, raw.faces, raw.labels, raw.split, counts, clean, source=source)


def _write(
    dataset: Dataset,
    folder: str | Path,
    overwrite: bool,
    rejects: tuple[Reject, ...] = (),
    notes: tuple[str, ...] = (),
) -> Preparation:
    leaks = find_leaks(dataset.faces, dataset.split)
    dataset = replace(dataset, clean=leaks.clean)
    if not overwrite:
        check_replaceable(dataset, folder)
    rejects_path = _write_rejects(rejects, Path(folder) / f"{dataset.name}.rejects.csv")
    return Preparation(
        path=save_dataset(dataset, folder),
        fingerprint=dataset.fingerprint,
        counts=dataset.count_classes(),
        num_votes=int(dataset.votes.any(axis=1).sum()),
        leaks=leaks,
        num_clean=tuple(int((dataset.clean & dataset.is_in(split)).sum()) for split in SPLITS),
        rejects=rejects,
        rejects_path=rejects_path,
        is_sample=dataset.is_sample,
        notes=notes,
    )


def _write_rejects(rejects: tuple[Reject, ...], path: Path) -> Path | None:
    if not rejects:
        # A list from an earlier preparation would be mistaken for one from this.
        path.unlink(missing_ok=True)
        return None
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["place", "reason"])
    writer.writerows((reject.location, reject.reason) for reject in rejects)
    write_atomically(path, text.getvalue())
    return path


def _format_counts(counts: np.ndarray) -> list[str]:
    header = "".join(f"{expression:>9}" for expression in EXPRESSIONS)
    lines = [f"{'':10}{header}{'all':>9}"]
    for split, row in zip(SPLITS, counts, strict=True):
        lines.append(f"{split:10}" + "".join(f"{int(count):>9}" for count in [*row, row.sum()]))
    return lines


def _format_leaks(preparation: Preparation) -> list[str]:
    leaks, sizes = preparation.leaks, dict(zip(SPLITS, preparation.counts.sum(axis=1), strict=True))
    lines = [
        f"Duplicates: {format_count(leaks.duplicate_faces, 'face')} in {format_count(leaks.duplicate_groups, 'group')};"
        f" {format_count(leaks.crossing_groups, 'group')} across splits."
    ]
    for (split, other), exact in leaks.exact.items():
        lines.append(
            f"{split}: {exact} of {sizes[split]} faces with an exact duplicate in {other},"
            f" {leaks.near[split, other]} with a near-duplicate."
        )
    clean = ", ".join(f"{count} {split}" for count, split in zip(preparation.num_clean, SPLITS, strict=True))
    lines.append(f"Clean faces, without a duplicate between train and the other splits: {clean}.")
    return lines

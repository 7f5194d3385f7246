"""Reader of folder trees ``<split>/<expression>/*.png`` of pictures of any size, grey or colour.

A label comes from the folder's name, never from its place in the alphabet: FER2013's names and their other spellings,
RAF-DB's number codes, or a mapping given. Folders and files are read in the order of their names.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from fer import labels
from fer.data.leaks import group_equal_faces
from fer.data.sources.tables import RawData, Reject
from fer.errors import DataError, ImageError, SettingsError
from fer.labels import FACE_SIZE
from fer.vision.decoding import IMAGE_SUFFIXES

#: Folder names, in lower case, of each split.
SPLIT_FOLDERS: dict[str, str] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "publictest": "validation",
    "test": "test",
    "privatetest": "test",
}

#: Share of the training part that becomes the validation part where a tree has none.
VALIDATION_SHARE = 0.1

_DEEPEST = 3


def read_folder(path: str | Path, *, mapping: Mapping[str, str] | None = None, seed: int = 0) -> RawData:
    """Read a folder tree of pictures.

    Args:
        path: the folder that holds ``train``, ``val`` (or ``valid``, ``validation``) and ``test``, or one folder in
            which that folder is alone.
        mapping: expression of each folder name, used before the built-in names.
        seed: of the stratified validation part, drawn from train where the tree has none.

    Raises:
        DataError: the folder is missing, or has no train or no test part with pictures. A picture that cannot be used
            does not raise; it is returned.
        SettingsError: the mapping names an unknown expression.
    """
    root = _find_root(Path(path))
    expressions = _check_mapping(mapping or {})
    splits = _find_splits(root)
    names = [folder.name for _, folder in _list_classes(splits)]
    _check_number_codes(root, names, expressions)
    raw, left_aside = _read_images(root, splits, expressions)
    notes = [f"{left_aside} files that are no pictures were left aside."] if left_aside else []
    if "validation" not in splits:
        raw, note = _split_validation(raw, seed)
        notes.append(note)
    return RawData(raw.faces, raw.labels, raw.split, raw.rows, (), raw.rejects, tuple(notes))


def parse_expression(name: str, mapping: Mapping[str, str] | None = None) -> str | None:
    """Return the expression that a folder's name means, or None where it means none."""
    known = {expression: expression for expression in labels.EXPRESSIONS} | labels.ALIASES | labels.RAFDB_CODES
    return (mapping or {}).get(name) or known.get(name.strip().lower())


def _find_root(path: Path) -> Path:
    if not path.is_dir():
        raise DataError(f"A source must exist. Received: {path} (no such folder).")
    for _ in range(_DEEPEST):
        if _find_splits(path):
            break
        folders = _list_folders(path)
        if len(folders) != 1:
            break
        path = folders[0]
    found = _find_splits(path)
    for needed in ("train", "test"):
        if needed not in found:
            raise DataError(
                f"A folder tree must have a '{needed}' part. Received: {path} with {', '.join(found) or 'no part'}."
                f" Remedy: put pictures in {needed}/<expression>/ that stand in no other part."
            )
    return path


def _find_splits(root: Path) -> dict[str, list[Path]]:
    splits: dict[str, list[Path]] = {}
    for folder in _list_folders(root):
        split = SPLIT_FOLDERS.get(folder.name.lower())
        if split:
            splits.setdefault(split, []).append(folder)
    return splits


def _list_folders(path: Path) -> list[Path]:
    return sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _list_classes(splits: Mapping[str, list[Path]]) -> Iterator[tuple[str, Path]]:
    for split in labels.SPLITS:
        for folder in splits.get(split, []):
            for class_folder in _list_folders(folder):
                yield split, class_folder


def _check_mapping(mapping: Mapping[str, str]) -> dict[str, str]:
    for name, expression in mapping.items():
        if expression not in labels.EXPRESSIONS:
            known = ", ".join(labels.EXPRESSIONS)
            raise SettingsError(f"A mapping must name one of {known}. Received: {name!r} to {expression!r}.")
    return dict(mapping)


def _check_number_codes(root: Path, names: list[str], mapping: Mapping[str, str]) -> None:
    # Read by RAF-DB's codes 1..7, a tree coded 0..6 would get wrong labels for every class but one.
    if "0" in names and "0" not in mapping:
        raise DataError(
            f"Folders named by numbers must have RAF-DB's codes 1..7. Received: {root} with '0'."
            " Remedy: give a mapping from each number to its expression."
        )


def _read_images(root: Path, splits: Mapping[str, list[Path]], mapping: Mapping[str, str]) -> tuple[RawData, int]:
    faces, good, rejects = bytearray(), [], []
    left_aside = number = 0
    for split, folder in _list_classes(splits):
        expression = parse_expression(folder.name, mapping)
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() not in IMAGE_SUFFIXES or path.name.startswith("."):
                left_aside += 1
                continue
            try:
                faces += _read_face(path, expression).tobytes()
            except (ImageError, ValueError) as error:
                rejects.append(Reject(str(path.relative_to(root)), str(error)))
            else:
                good.append((number, labels.EXPRESSIONS.index(str(expression)), labels.SPLITS.index(split)))
            number += 1
    table = np.array(good, np.int64).reshape(-1, 3)
    pictures = np.frombuffer(faces, np.uint8).reshape(-1, FACE_SIZE, FACE_SIZE)
    split_codes = table[:, 2].astype(np.uint8)
    return RawData(pictures, table[:, 1].copy(), split_codes, table[:, 0].copy(), (), tuple(rejects)), left_aside


def _read_face(path: Path, expression: str | None) -> np.ndarray:
    # Not at import: the vision room brings OpenCV, which tables and the sample do without.
    from fer.vision.images import decode_image, prepare_face

    if expression is None:
        raise ValueError(f"the folder's name must be an expression; it is {path.parent.name!r}")
    return prepare_face(decode_image(path))


def _split_validation(raw: RawData, seed: int) -> tuple[RawData, str]:
    """Move a stratified share of train to validation; exactly equal faces stay on one side."""
    from sklearn.model_selection import train_test_split

    rows = np.flatnonzero(raw.split == labels.SPLITS.index("train"))
    share = max(round(VALIDATION_SHARE * len(rows)), len(labels.EXPRESSIONS))
    try:
        _, chosen = train_test_split(rows, test_size=share, stratify=raw.labels[rows], random_state=seed)
    except ValueError as error:
        raise DataError(
            f"A stratified validation part must fit into train. Received: {len(rows)} pictures ({error})."
            " Remedy: add a validation part."
        ) from None
    groups = group_equal_faces(raw.faces[rows])
    moved = np.isin(rows, chosen)
    _, first = np.unique(groups, return_index=True)
    moved = moved[first][groups]
    split = raw.split.copy()
    split[rows[moved]] = labels.SPLITS.index("validation")
    note = (
        f"No validation part: {int(moved.sum())} of {len(rows)} training pictures, stratified, seed {seed}, became it."
    )
    return RawData(raw.faces, raw.labels, split, raw.rows, (), raw.rejects), note

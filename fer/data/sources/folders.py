"""Reader of folder trees ``<split>/<expression>/*.png`` with images of any size, grey or colour.

The label is the name of the folder, never its alphabetical position: an expression of FER2013 or another spelling of
it, a number code of RAF-DB, or a name from a given mapping. Folders and files are read in alphabetical order.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from fer.data.dataset import SPLITS
from fer.data.leaks import group_duplicates
from fer.data.sources.crops import FaceCropper, build_face_cropper, crop_whole_image
from fer.data.sources.raw import RawData, Reject
from fer.errors import DataError, ImageError, SettingsError
from fer.labels import EXPRESSIONS
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

#: Other spellings of the expressions, in lower case.
ALIASES: dict[str, str] = {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "afraid": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "surprised": "surprise",
}

#: Number codes of RAF-DB (Li et al., 2017, "Reliable Crowdsourcing and Deep Locality-Preserving Learning").
RAFDB_CODES: dict[str, str] = {
    "1": "surprise",
    "2": "fear",
    "3": "disgust",
    "4": "happy",
    "5": "sad",
    "6": "angry",
    "7": "neutral",
}

#: Share of train that becomes validation if a tree has no validation split.
VALIDATION_SHARE = 0.1

_FOLDER_NAMES = {expression: expression for expression in EXPRESSIONS} | ALIASES | RAFDB_CODES
_MAX_DEPTH = 3


def read_folder(
    path: str | Path, *, mapping: Mapping[str, str] | None = None, detect: bool = False, seed: int = 0
) -> RawData:
    """Read a folder tree of images.

    Args:
        path: the folder that holds ``train``, ``val`` (or ``valid``, ``validation``) and ``test``; it may be nested in
            up to three folders that hold no other folder.
        mapping: expression of each folder name; it takes precedence over the built-in names.
        detect: the images are whole photos: detect, align and crop every face, as :class:`fer.Analyzer` does. Each face
            gets the label of its folder; a photo without a face is a reject. Otherwise every image is one face.
        seed: seed of the stratified validation split, which is drawn from train if the tree has none.

    Raises:
        DataError: the folder is missing, or has no train or test split. Images that cannot be used do not raise; they
            are returned as rejects.
        SettingsError: the mapping names an unknown expression.
    """
    mapping = mapping or {}
    _check_mapping(mapping)
    root = _find_root(Path(path))
    splits = _find_splits(root)
    _check_number_codes(root, splits, mapping)
    raw = _read_images(root, splits, mapping, build_face_cropper() if detect else crop_whole_image)
    return raw if "validation" in splits else _draw_validation(raw, seed)


def parse_expression(name: str, mapping: Mapping[str, str] | None = None) -> str | None:
    """Return the expression that a folder name denotes, or None if the name is unknown."""
    return (mapping or {}).get(name) or _FOLDER_NAMES.get(name.strip().lower())


def _check_mapping(mapping: Mapping[str, str]) -> None:
    for name, expression in mapping.items():
        if expression not in EXPRESSIONS:
            raise SettingsError(
                f"A mapping must use the expressions {', '.join(EXPRESSIONS)}. Received: {name!r} to {expression!r}."
            )


def _find_root(path: Path) -> Path:
    if not path.is_dir():
        raise DataError(f"A source must exist. Received: {path} (no such folder). Remedy: check the path.")
    for _ in range(_MAX_DEPTH):
        folders = _list_folders(path)
        if _find_splits(path) or len(folders) != 1:
            break
        path = folders[0]
    splits = _find_splits(path)
    for split in ("train", "test"):
        if split not in splits:
            raise DataError(
                f"A folder tree must have a '{split}' folder. Received: {path} with {', '.join(splits) or 'no split'}."
                f" Remedy: put images that belong to no other split into {split}/<expression>/."
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
    for split in SPLITS:
        for folder in splits.get(split, []):
            for class_folder in _list_folders(folder):
                yield split, class_folder


def _check_number_codes(root: Path, splits: Mapping[str, list[Path]], mapping: Mapping[str, str]) -> None:
    # Codes 0..6 are not those of RAF-DB: read as 1..7, all labels but one would be wrong.
    if "0" not in mapping and any(folder.name == "0" for _, folder in _list_classes(splits)):
        raise DataError(
            f"Folders named by numbers must use RAF-DB's codes 1..7. Received: {root} with '0'."
            " Remedy: give a mapping from each number to its expression."
        )


def _read_images(
    root: Path, splits: Mapping[str, list[Path]], mapping: Mapping[str, str], crop: FaceCropper
) -> RawData:
    files = [(split, path) for split, folder in _list_classes(splits) for path in sorted(folder.iterdir())]
    images = [(split, path) for split, path in files if _is_image(path)]
    pixels, codes, rejects, num_shared = bytearray(), [], [], 0
    for index, (split, path) in enumerate(images):
        try:
            faces, label = _read_faces(path, mapping, crop)
        except (ImageError, ValueError) as error:
            rejects.append(Reject(str(path.relative_to(root)), str(error)))
        else:
            pixels += faces.tobytes()
            codes += [(index, label, SPLITS.index(split))] * len(faces)
            num_shared += len(faces) > 1
    num_ignored = len(files) - len(images)
    notes = [f"Ignored {num_ignored} files that are not images."] if num_ignored else []
    if num_shared:
        shown = "1 photo shows" if num_shared == 1 else f"{num_shared} photos show"
        notes.append(f"{shown} several faces; each face has the label of its folder.")
    return RawData.build(pixels, codes, rejects, notes=notes)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def _read_faces(path: Path, mapping: Mapping[str, str], crop: FaceCropper) -> tuple[np.ndarray, int]:
    # Imported here so that tables and the sample work without loading OpenCV.
    from fer.vision.images import decode_image

    expression = parse_expression(path.parent.name, mapping)
    if expression is None:
        raise ValueError(f"the folder name must be an expression; it is {path.parent.name!r}")
    return crop(decode_image(path)), EXPRESSIONS.index(expression)


def _draw_validation(raw: RawData, seed: int) -> RawData:
    """Move a stratified share of train to validation; exact duplicates stay in the same split."""
    rows = np.flatnonzero(raw.split == SPLITS.index("train"))
    drawn = np.isin(rows, _draw_rows(rows, raw.labels[rows], seed))
    groups = group_duplicates(raw.faces[rows])
    _, first = np.unique(groups, return_index=True)
    # Every face follows the first of its duplicates.
    moved = rows[drawn[first][groups]]
    split = raw.split.copy()
    split[moved] = SPLITS.index("validation")
    note = f"No validation split: moved {len(moved)} of {len(rows)} training images to it, stratified, seed {seed}."
    return replace(raw, split=split, notes=(*raw.notes, note))


def _draw_rows(rows: np.ndarray, labels: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.model_selection import train_test_split

    count = max(round(VALIDATION_SHARE * len(rows)), len(EXPRESSIONS))
    try:
        _, drawn = train_test_split(rows, test_size=count, stratify=labels, random_state=seed)
    except ValueError as error:
        raise DataError(
            f"Train must be large enough for a stratified validation split. Received: {len(rows)} images ({error})."
            " Remedy: add a validation folder."
        ) from None
    return np.asarray(drawn)

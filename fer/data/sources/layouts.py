"""The layout of a data set of images: which folders are splits, which are classes, and which are persons.

Folders are recognised by their names at every depth, so ``train/happy/1.png``, ``happy/1.png``, ``happy/train/1.png``
and ``train/happy/person1/1.png`` are all read, also inside folders that hold everything.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fer.data.dataset import SPLITS
from fer.data.sources.files import SourceFile
from fer.data.sources.names import CODES, Names, describe_codes, normalize, parse_split, suggest
from fer.errors import DataError, shorten
from fer.wording import format_count

#: Names of RAF-DB's list of labels; the first one is its authors' spelling.
RAFDB_LISTS = ("list_patition_label.txt", "list_partition_label.txt")
_RAFDB_IMAGE = re.compile(r"(train|test)_\d+_aligned\.\w+")
_NUM_LISTED = 3


@dataclass(frozen=True)
class PlacedImage:
    """One image and what its folders say about it.

    Args:
        file: the image.
        split: 'train', 'validation' or 'test'.
        class_name: the name of its class folder.
        person: the names of the other folders, such as one per person; '' if there are none.
        votes: the FER+ votes of the image; empty without such.
    """

    file: SourceFile
    split: str
    class_name: str
    person: str = ""
    votes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Layout:
    """The images of a data set.

    Args:
        images: the images in class folders.
        names: the expression of each class name.
        notes: messages for the user.
    """

    images: tuple[PlacedImage, ...]
    names: Names
    notes: tuple[str, ...] = ()


def find_layout(files: Sequence[SourceFile], names: Names, source: str) -> Layout:
    """Find the split, class and person of each image.

    Args:
        files: all files of the source.
        names: the expression of each class name.
        source: the source in error messages.

    Raises:
        DataError: there is no image, no folder names an expression, a folder beside the splits is none, numbered
            folders have no mapping, or there are splits but no train split.
    """
    images = [file for file in files if file.is_image]
    if not images:
        raise DataError(
            f"A source must hold images in class folders. Received: {source} with {format_count(len(files), 'file')}"
            " and no image."
        )
    start = _count_common_folders(images, names)
    folders = [file.parts[start:-1] for file in images]
    class_depth, is_numbered = _find_class_depth(folders, names, source)
    notes = []
    if is_numbered:
        names, note = _add_codes(
            files, names, {path[class_depth] for path in folders if len(path) > class_depth}, source
        )
        notes.append(note)
    notes += _describe_numbers(names, {path[class_depth] for path in folders if len(path) > class_depth}, is_numbered)
    split_depth = _find_split_depth(folders, class_depth)
    splits = [parse_split(path[split_depth]) if len(path) > split_depth >= 0 else None for path in folders]
    if split_depth >= 0:
        _check_split_names(folders, split_depth, splits, source)
        splits, eval_notes = _resolve_eval(splits)
        notes += eval_notes
    placed = [
        PlacedImage(file, split or "train", path[class_depth], _name_person(path, class_depth, split_depth))
        for file, path, split in zip(images, folders, splits, strict=True)
        if len(path) > max(class_depth, split_depth)
    ]
    notes += count_ignored(len(files) - len(images), len(images) - len(placed))
    placed.sort(key=lambda image: (SPLITS.index(image.split), image.file.parts))
    return Layout(tuple(placed), names, tuple(notes))


def _count_common_folders(images: Sequence[SourceFile], names: Names) -> int:
    """Return the number of folders that hold all images and are neither a split nor a class."""
    first = images[0].parts[:-1]
    for depth, name in enumerate(first):
        is_common = all(len(file.parts) > depth + 1 and file.parts[depth] == name for file in images)
        if not is_common or parse_split(name) or normalize(name) in names or _is_number(name):
            return depth
    return len(first)


def _find_class_depth(folders: Sequence[tuple[str, ...]], names: Names, source: str) -> tuple[int, bool]:
    """Return the depth of the class folders, and whether they are numbers without names."""
    known = Counter(depth for path in folders for depth, name in enumerate(path) if normalize(name) in names)
    if known:
        return max(known, key=lambda depth: (known[depth], -depth)), False
    for depth in range(max(map(len, folders))):
        at_depth = {path[depth] for path in folders if len(path) > depth}
        if all(map(_is_number, at_depth)):
            return depth, True
    received = sorted({name for path in folders for name in path if not parse_split(name)})[:_NUM_LISTED]
    listed = ", ".join(shorten(repr(name), 30) + suggest(name, names) for name in received) or "no folder"
    raise DataError(
        f"Class folders must name expressions. Received: {source} with {listed}. Remedy: rename them, or give a mapping"
        " from each name to its expression."
    )


def _add_codes(
    files: Sequence[SourceFile], names: Names, numbers: set[str], source: str
) -> tuple[Mapping[str, str | None], str]:
    """Return the names with RAF-DB's codes; other numbered trees do not say whose codes they have."""
    codes = CODES["rafdb"]
    images = [file.name for file in files if file.is_image]
    labels = {file.name for file in files} >= {"train_labels.csv", "test_labels.csv"}
    if not numbers <= set(codes) or not (labels or all(map(_RAFDB_IMAGE.fullmatch, images))):
        listed = ", ".join(sorted(numbers)[:8])
        raise DataError(
            f"Folders named by numbers need a mapping, as data sets differ. Received: {source} with {listed}."
            f" Remedy: add `--mapping` with {', '.join(CODES)}, or a file from each number to its expression."
        )
    return {**names, **codes}, f"Numbered folders have the codes of RAF-DB: {describe_codes(codes)}."


def _describe_numbers(names: Names, classes: set[str], is_numbered: bool) -> list[str]:
    """Return a sentence on the numbers that a mapping gives."""
    codes = {number: names[normalize(number)] for number in sorted(classes) if _is_number(number) and number in names}
    if is_numbered or not codes:
        return []
    return [f"Numbered folders are read by the mapping: {describe_codes(codes)}."]


def _find_split_depth(folders: Sequence[tuple[str, ...]], class_depth: int) -> int:
    """Return the depth of the split folders, or -1 if there are none."""
    depths = {
        depth for path in folders for depth, name in enumerate(path) if depth != class_depth and parse_split(name)
    }
    return min(depths, default=-1)


def _check_split_names(
    folders: Sequence[tuple[str, ...]], depth: int, splits: Sequence[str | None], source: str
) -> None:
    others = Counter(
        path[depth] for path, split in zip(folders, splits, strict=True) if split is None and len(path) > depth
    )
    if others:
        listed = ", ".join(
            f"{shorten(repr(name), 40)} ({format_count(count, 'image')})" for name, count in others.most_common(3)
        )
        raise DataError(
            f"Folders beside a split must be splits, such as train, val and test. Received: {source} with {listed}."
            " Remedy: rename it, or move it elsewhere."
        )
    if "train" not in splits:
        received = ", ".join(sorted({split for split in splits if split}))
        raise DataError(
            f"A folder tree must have a 'train' folder. Received: {source} with {received}."
            " Remedy: put the images to train on into train/<expression>/."
        )


def _resolve_eval(splits: Sequence[str | None]) -> tuple[list[str | None], list[str]]:
    """Read 'eval' as test, or as validation if there is a test split already."""
    if "eval" not in splits:
        return list(splits), []
    meaning = "validation" if "test" in splits else "test"
    return [meaning if split == "eval" else split for split in splits], [f"The folder 'eval' is the {meaning} split."]


def _name_person(path: tuple[str, ...], class_depth: int, split_depth: int) -> str:
    return "/".join(name for depth, name in enumerate(path) if depth not in (class_depth, split_depth))


def count_ignored(num_files: int, num_images: int) -> list[str]:
    """Return messages on files that are not images, and on images that belong to no class."""
    notes = []
    if num_files:
        notes.append(
            f"Ignored {format_count(num_files, 'file')} that"
            f" {'is not an image' if num_files == 1 else 'are not images'}."
        )
    if num_images:
        notes.append(f"Ignored {format_count(num_images, 'image')} outside class folders.")
    return notes


def _is_number(name: str) -> bool:
    return name.strip().isdecimal() and len(name.strip()) <= 2


def find_rafdb_layout(files: Sequence[SourceFile], names: Names, *, aligned: bool) -> tuple[Layout, list[str]] | None:
    """Return the layout of RAF-DB as its authors publish it, or None if its list of labels is missing.

    The list has lines such as ``train_00001.jpg 5``; the images are ``train_00001.jpg`` (whole photos) and
    ``train_00001_aligned.jpg``.

    Args:
        files: all files of the source.
        names: the expression of each class name; a mapping of the numbers takes precedence.
        aligned: take the aligned faces, otherwise the whole photos; the others if those are missing.

    Returns:
        The layout, and the listed images that are missing.
    """
    labels = next((file for file in files if file.name.lower() in RAFDB_LISTS), None)
    if labels is None:
        return None
    lines = [line.split() for line in labels.read().decode("utf-8-sig", errors="replace").splitlines()]
    listed = {line[0].rsplit(".", 1)[0]: line[1] for line in lines if len(line) == 2}
    by_kind: dict[bool, dict[str, SourceFile]] = {True: {}, False: {}}
    for file in files:
        if file.is_image:
            stem = file.name.rsplit(".", 1)[0]
            by_kind[stem.endswith("_aligned")][stem.removesuffix("_aligned")] = file
    chosen = by_kind[aligned] or by_kind[not aligned]
    images = [
        PlacedImage(chosen[stem], parse_split(stem.split("_")[0]) or "train", number)
        for stem, number in listed.items()
        if stem in chosen
    ]
    codes = CODES["rafdb"]
    notes = [f"Labels are those of {labels.name}, with the codes of RAF-DB: {describe_codes(codes)}."]
    notes += count_ignored(sum(not file.is_image for file in files) - 1, sum(stem not in listed for stem in chosen))
    return Layout(tuple(images), {**codes, **names}, tuple(notes)), [stem for stem in listed if stem not in chosen]

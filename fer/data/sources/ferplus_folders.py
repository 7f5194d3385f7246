"""FER+ as its code unpacks it: the images of each split in a folder, beside a list of the annotators' votes."""

import csv
from collections.abc import Mapping, Sequence

import numpy as np

from fer.data.dataset import SPLITS
from fer.data.ferplus import FERPLUS_COLUMNS, compute_ferplus_majority
from fer.data.sources.files import SourceFile
from fer.data.sources.layouts import Layout, PlacedImage, count_ignored
from fer.data.sources.names import EXPRESSION_NAMES
from fer.errors import DataError, shorten
from fer.labels import EXPRESSIONS
from fer.wording import format_count

#: Name of the list in each folder; its lines are the image's name, the face's box, and ten numbers of votes.
LIST_NAME = "label.csv"
_SPLITS = {"fer2013train": "train", "fer2013valid": "validation", "fer2013test": "test"}
_NUM_FIELDS = 2 + len(FERPLUS_COLUMNS)


def find_ferplus_layout(files: Sequence[SourceFile]) -> tuple[Layout, list[str]] | None:
    """Return the layout of FER2013Train, FER2013Valid and FER2013Test, or None if their lists are missing.

    The label of an image is the one that FER+'s majority rule gives its votes; images without a majority for one of the
    seven expressions are left out and counted.

    Args:
        files: all files of the source.

    Returns:
        The layout, and the listed images that are missing.

    Raises:
        DataError: a line of a list is none of FER+.

    Reference:
        github.com/microsoft/FERPlus, src/generate_training_data.py.
    """
    lists = [file for file in files if file.name == LIST_NAME and file.parts[-2:][0].lower() in _SPLITS]
    if not lists:
        return None
    by_path = {file.parts: file for file in files if file.is_image}
    images, missing, num_left_out = [], [], 0
    listed: set[tuple[str, ...]] = set()
    for labels in lists:
        votes = _read_votes(labels)
        codes = compute_ferplus_majority(np.array(list(votes.values()), np.uint8).reshape(-1, len(FERPLUS_COLUMNS)))
        split = _SPLITS[labels.parts[-2].lower()]
        for (name, counts), code in zip(votes.items(), codes, strict=True):
            path = (*labels.parts[:-1], name)
            listed.add(path)
            if path not in by_path:
                missing.append("/".join(path))
            elif code < 0:
                num_left_out += 1
            else:
                images.append(PlacedImage(by_path[path], split, EXPRESSIONS[code], votes=counts))
    images.sort(key=lambda image: (SPLITS.index(image.split), image.file.parts))
    notes = [f"Labels are the majority of the votes in {format_count(len(lists), 'list')} of FER+."]
    if num_left_out:
        notes.append(f"Left out, without a majority for an expression: {format_count(num_left_out, 'image')}.")
    notes += count_ignored(len(files) - len(by_path) - len(lists), len(by_path.keys() - listed))
    return Layout(tuple(images), EXPRESSION_NAMES, tuple(notes)), missing


def _read_votes(labels: SourceFile) -> Mapping[str, tuple[int, ...]]:
    """Return the votes of each image of a list."""
    votes = {}
    for row in csv.reader(labels.read().decode("utf-8-sig", errors="replace").splitlines()):
        counts = row[2:]
        if len(row) != _NUM_FIELDS or not all(count.strip().isdecimal() and int(count) < 256 for count in counts):
            raise DataError(
                f"A FER+ list must have lines with an image, a box and {len(FERPLUS_COLUMNS)} numbers of votes."
                f" Received: {shorten(','.join(row), 60)} in {shorten(labels.location)}. Remedy: copy it again."
            )
        votes[row[0].strip()] = tuple(map(int, counts))
    return votes

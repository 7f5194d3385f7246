"""Reader of data sets of images of any size, grey or colour, in folders or in an archive.

The label is the name of a class folder, never its alphabetical position: an expression of FER2013 or another spelling
of it, or a name from a given mapping. Images are read split by split, in alphabetical order of
their paths.
"""

import re
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from fer.data.dataset import SPLITS
from fer.data.mapped import FaceFile, open_face_file
from fer.data.sources.crops import FaceCropper, build_face_cropper, crop_whole_image
from fer.data.sources.ferplus_folders import find_ferplus_layout
from fer.data.sources.files import SourceFile, list_files
from fer.data.sources.layouts import Layout, PlacedImage, find_layout, find_rafdb_layout
from fer.data.sources.names import Names, build_names, normalize, suggest
from fer.data.sources.raw import RawData, Reject
from fer.data.sources.splitting import draw_missing_splits
from fer.errors import DataError, ImageError, SettingsError, shorten, shorten_path
from fer.labels import EXPRESSIONS
from fer.progress import Progress

#: What keeps images in one split when splits are drawn: their folder beside split and class, such as one per person;
#: the beginning of their file name, up to the first character that is neither letter nor digit; or nothing.
GroupBy = Literal["folder", "name", "none"]


def read_folder(
    path: str | Path,
    *,
    mapping: Mapping[str, Any] | None = None,
    detect: bool = False,
    group_by: str | None = None,
    progress: bool = False,
    seed: int = 0,
    scratch: str | Path | None = None,
) -> RawData:
    """Read a data set of images in class folders, with or without split folders.

    Args:
        path: a folder, .zip or .tar archive, with ``<split>/<expression>/<image>``, ``<expression>/<image>``, further
            folders such as one per person, or RAF-DB or FER+ as their authors publish them.
        mapping: expression of each folder name, in any case, or None to leave out its images; it takes precedence over
            the built-in names.
        detect: the images are whole photos: detect, align and crop every face, as :class:`fer.Analyzer` does. Each face
            gets the label of its folder; a photo without a face is a reject. Otherwise every image is one face.
        group_by: what keeps images in one split if validation or test are drawn from train; None takes the folders
            of persons if there are such.
        progress: show a progress bar while faces are detected.
        seed: seed of the draw of validation and test, if they are missing.
        scratch: folder of the temporary file that holds the faces; None takes the system's.

    Raises:
        OutputError: the temporary file cannot be written.
        DataError: the source is missing, its layout is not known, or train is too small to draw from. Images that
            cannot be used do not raise; they are returned as rejects.
        SettingsError: the mapping or ``group_by`` is not valid.
    """
    names, path = build_names(mapping), Path(path)
    if group_by not in (None, *get_args(GroupBy)):
        raise SettingsError(
            f"Images are grouped by folder, name or none. Received: {shorten(repr(group_by), 40)}."
            f"{suggest(group_by, get_args(GroupBy))}"
        )
    if not path.exists():
        raise DataError(
            f"A source must exist. Received: {shorten_path(path)} (no such folder). Remedy: check the path."
        )
    with ExitStack() as stack:
        files = list_files(path, stack)
        layout, missing = _find_layout(files, names, path, detect)
        crop = build_face_cropper() if detect else crop_whole_image
        faces = stack.enter_context(open_face_file(scratch))
        raw, images = _read_images(layout, crop, faces, progress=progress and detect)
    notes = [*raw.notes, *_list_unused(mapping, layout)]
    rejects = [*raw.rejects, *(Reject(stem, "the image is in the list of labels, but missing") for stem in missing)]
    raw = replace(raw, rejects=tuple(rejects), notes=tuple(notes))
    return draw_missing_splits(raw, _find_persons(images, group_by, path), seed=seed)


def _find_layout(files: list[SourceFile], names: Names, path: Path, detect: bool) -> tuple[Layout, list[str]]:
    known = find_rafdb_layout(files, names, aligned=not detect) or find_ferplus_layout(files)
    return known or (find_layout(files, names, shorten_path(path)), [])


@dataclass
class _Rows:
    """The rows that have been read so far."""

    faces: FaceFile
    codes: "array[int]" = field(default_factory=lambda: array("q"))
    images: list[PlacedImage] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    num_shared: int = 0


def _read_images(
    layout: Layout, crop: FaceCropper, store: FaceFile, *, progress: bool
) -> tuple[RawData, list[PlacedImage]]:
    """Return the faces, and the image of each."""
    rows = _Rows(store)
    for index, image in enumerate(Progress(layout.images, unit=" images", disable=not progress)):
        try:
            _read_image(rows, index, image, layout.names, crop)
        except (ImageError, ValueError) as error:
            rows.rejects.append(Reject(image.file.location, shorten(error, 300)))
    notes = list(layout.notes)
    if rows.left_out:
        listed = ", ".join(f"{count} of {shorten(repr(name), 40)}" for name, count in rows.left_out.items())
        notes.append(f"Left out by the mapping: {listed}.")
    if rows.num_shared:
        shown = "1 photo shows" if rows.num_shared == 1 else f"{rows.num_shared} photos show"
        notes.append(f"{shown} several faces; each face has the label of its folder.")
    raw = RawData.build(rows.faces, rows.codes, rows.rejects, notes=notes)
    if any(image.votes for image in rows.images):
        raw = replace(raw, votes=np.array([image.votes for image in rows.images], np.uint8))
    return raw, rows.images


def _read_image(rows: _Rows, index: int, image: PlacedImage, names: Names, crop: FaceCropper) -> None:
    name = normalize(image.class_name)
    if name not in names:
        known = [known for known, expression in names.items() if expression]
        received = shorten(repr(image.class_name), 40)
        raise ValueError(f"the folder name must be an expression; it is {received}{suggest(name, known)}")
    expression = names[name]
    if expression is None:
        rows.left_out[image.class_name] += 1
        return
    faces = crop(image.file.decode())
    rows.faces.append(faces)
    rows.codes.extend((index, EXPRESSIONS.index(expression), SPLITS.index(image.split)) * len(faces))
    rows.images += [image] * len(faces)
    rows.num_shared += len(faces) > 1


def _list_unused(mapping: Mapping[str, Any] | None, layout: Layout) -> list[str]:
    used = {normalize(image.class_name) for image in layout.images}
    unused = [shorten(repr(name), 40) for name in mapping or {} if normalize(name) not in used]
    return [f"The mapping names {', '.join(unused[:3])}, which no folder has."] if unused else []


def _find_persons(images: Sequence[PlacedImage], group_by: str | None, path: Path) -> list[str] | None:
    """Return the person of each face, or None if persons are not known."""
    if group_by == "name":
        return [re.split(r"[\W_]", image.file.name, maxsplit=1)[0] for image in images]
    persons = [image.person or image.file.location for image in images]
    if group_by == "none" or not any(image.person for image in images):
        if group_by == "folder":
            raise SettingsError(
                "Grouping by folder needs folders inside or around those of the classes, such as one per person."
                f" Received: {shorten_path(path)} without. Remedy: leave the option out."
            )
        return None
    return persons

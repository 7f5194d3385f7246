"""Tables of faces, and the entry point that turns pictures into one.

A table has a row a face, a row for a picture or frame with none, and a row with an ``error`` for what cannot be read.
"""

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import pandas as pd
from tqdm import tqdm

from fer.analysis import Analyzer, Face, Picture
from fer.errors import ImageError, SettingsError
from fer.files import write_atomically
from fer.labels import EXPRESSIONS
from fer.vision.annotation import draw_activation, draw_faces
from fer.vision.decoding import IMAGE_SUFFIXES
from fer.vision.images import write_image

#: The columns that describe a face, in order.
FACE_COLUMNS: tuple[str, ...] = (
    "face",
    "track_id",
    "label",
    "confidence",
    "uncertain",
    *EXPRESSIONS,
    "x_min",
    "y_min",
    "x_max",
    "y_max",
    "detection_score",
    "warnings",
)
#: The same with the frame's own probabilities beside the smoothed ones.
STREAM_COLUMNS: tuple[str, ...] = (*FACE_COLUMNS, *(f"raw_{name}" for name in EXPRESSIONS))


@dataclass(frozen=True)
class PredictionSummary:
    """What :func:`predict_files` did.

    Args:
        path: the table that was written.
        num_images: pictures given.
        num_faces: faces found in them.
        num_without_face: readable pictures in which no face was found.
        num_errors: pictures that could not be read.
        labels: faces of each expression.
    """

    path: Path
    num_images: int
    num_faces: int
    num_without_face: int
    num_errors: int
    labels: dict[str, int]

    def describe(self) -> str:
        """Return the summary in words, one line a fact."""
        pictures, faces = _count(self.num_images, "picture"), _count(self.num_faces, "face")
        lines = [f"{pictures}, {faces}: {self.path}"]
        found = {name: count for name, count in self.labels.items() if count}
        if found:
            lines.append(", ".join(f"{name} {count}" for name, count in found.items()))
        if self.num_without_face:
            lines.append(f"No face was found in {self.num_without_face} of them.")
        if self.num_errors:
            lines.append(f"{self.num_errors} could not be read: see the column 'error'.")
        return "\n".join(lines)


def build_face_row(face: Face, number: int, columns: Sequence[str] = FACE_COLUMNS) -> dict[str, Any]:
    """Return one face as a row: columns of :data:`FACE_COLUMNS` or :data:`STREAM_COLUMNS`.

    Args:
        face: the face.
        number: its number in its picture, from 1.
        columns: the columns wanted.
    """
    row: dict[str, Any] = {
        "face": number,
        "track_id": face.track_id,
        "label": face.label,
        "confidence": round(face.confidence, 4),
        "uncertain": bool(face.uncertain),
        "detection_score": round(face.detection_score, 4),
        "warnings": " ".join(face.warnings),
    }
    corners = ("x_min", "y_min", "x_max", "y_max")
    row |= {name: round(value, 1) for name, value in zip(corners, face.box, strict=True)}
    row |= {name: round(float(p), 4) for name, p in zip(EXPRESSIONS, face.probabilities, strict=True)}
    row |= {f"raw_{name}": round(float(p), 4) for name, p in zip(EXPRESSIONS, face.raw_probabilities, strict=True)}
    return {name: row[name] for name in columns}


def faces_to_table(faces: Iterable[Face]) -> pd.DataFrame:
    """Return the faces of a picture as a table, one row a face, with the columns of :data:`FACE_COLUMNS`."""
    rows = [build_face_row(face, number) for number, face in enumerate(faces, start=1)]
    return _fix_types(pd.DataFrame(rows, columns=list(FACE_COLUMNS)))


def predict_files(
    inputs: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    analyzer: Analyzer | None = None,
    annotate: str | Path | None = None,
    explain: bool = False,
    progress: bool = True,
) -> PredictionSummary:
    """Analyze pictures and write one table, with drawn pictures where asked.

    Args:
        inputs: a file, a folder (searched with its subfolders), a glob pattern, or several of these.
        out: the table; its ending decides the format: .csv, .json or .parquet. It is written whole or not at all.
        analyzer: None builds one with the shipped model.
        annotate: a folder for pictures with the faces drawn in; None draws none.
        explain: also write every face's activation map there.
        progress: show a bar.

    Raises:
        SettingsError: the ending is not known, or maps are asked for without a folder.
        ImageError: the inputs name no picture at all.
    """
    write = choose_table_writer(out)
    if explain and annotate is None:
        raise SettingsError("Activation maps need a folder. Received: explain without annotate. Remedy: name one.")
    paths = find_images(inputs)
    analyzer = Analyzer() if analyzer is None else analyzer
    pictures = analyzer.analyze_pictures(tqdm(paths, desc="pictures", unit="picture", disable=not progress))
    rows, counts = [], {"faces": 0, "empty": 0, "errors": 0}
    names = _name_drawings(paths)
    for path, picture in zip(paths, pictures, strict=True):
        rows += _build_picture_rows(path, picture)
        counts["faces"] += len(picture.faces)
        counts["errors"] += picture.error is not None
        counts["empty"] += picture.error is None and not picture.faces
        if annotate is not None and picture.image is not None:
            _write_drawings(analyzer, picture, Path(annotate) / names[path], explain)
    table = _fix_types(pd.DataFrame(rows, columns=["image", *FACE_COLUMNS, "error"]))
    write_atomically(out, lambda stream: write(table, stream))
    labels = {name: int((table["label"] == name).sum()) for name in EXPRESSIONS}
    return PredictionSummary(Path(out), len(paths), counts["faces"], counts["empty"], counts["errors"], labels)


def find_images(inputs: str | Path | Sequence[str | Path]) -> list[Path]:
    """Return the files that the inputs name, in order and without repeats.

    Args:
        inputs: a file, a folder, a glob pattern, or several of these. A file given by name may have any ending.

    Raises:
        ImageError: one of them names no picture.
    """
    given = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    found = [path for each in given for path in _find_images_of(str(each))]
    if not found:
        raise ImageError("At least one picture must be named. Received: none. Remedy: give a file, folder or pattern.")
    return list(dict.fromkeys(found))


def choose_table_writer(path: str | Path) -> Callable[[pd.DataFrame, IO[bytes]], object]:
    """Return what writes a table in the format that a path's ending names.

    Raises:
        SettingsError: the ending is none of .csv, .json, .parquet, or Parquet's package is not installed.
    """
    writers: dict[str, Callable[[pd.DataFrame, IO[bytes]], object]] = {
        ".csv": lambda table, stream: table.to_csv(stream, index=False),
        ".json": lambda table, stream: table.to_json(stream, orient="records", indent=1),
        ".parquet": lambda table, stream: table.to_parquet(stream, index=False),
    }
    ending = Path(path).suffix.lower()
    if ending not in writers:
        raise SettingsError(f"A table must end in .csv, .json or .parquet. Received: {path}.")
    if ending == ".parquet" and find_spec("pyarrow") is None:
        raise SettingsError(
            "A Parquet table needs pyarrow, which is not installed. Remedy: pip install 'fer-dl[parquet]'."
        )
    return writers[ending]


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


def _find_images_of(given: str) -> list[Path]:
    path = Path(given)
    if path.is_dir():
        found = sorted(each for each in path.rglob("*") if each.suffix.lower() in IMAGE_SUFFIXES and each.is_file())
    elif path.exists():
        return [path]
    else:
        found = sorted(Path(each) for each in glob.glob(given, recursive=True) if os.path.isfile(each))
    if not found:
        raise ImageError(
            f"An input must be a picture, a folder with some, or a pattern that matches some. Received: {given}."
        )
    return found


def _build_picture_rows(path: Path, picture: Picture) -> list[dict[str, Any]]:
    place = {"image": str(path), "error": picture.error}
    rows = [build_face_row(face, number) | place for number, face in enumerate(picture.faces, start=1)]
    return rows or [place]


def _name_drawings(paths: list[Path]) -> dict[Path, str]:
    """Give every picture a name for its drawing, numbering those that would overwrite another's."""
    names: dict[Path, str] = {}
    taken: set[str] = set()
    for path in paths:
        name, number = path.stem, 1
        while name.lower() in taken:
            number += 1
            name = f"{path.stem}_{number}"
        taken.add(name.lower())
        names[path] = name
    return names


def _write_drawings(analyzer: Analyzer, picture: Picture, stem: Path, explain: bool) -> None:
    assert picture.image is not None
    write_image(draw_faces(picture.image, picture.faces), stem.with_name(f"{stem.name}.png"))
    for number, face in enumerate(picture.faces if explain else [], start=1):
        name = f"{stem.name}_face{number}_{face.label}.png"
        write_image(draw_activation(face.crop, analyzer.explain(face)), stem.with_name(name))


def _fix_types(table: pd.DataFrame) -> pd.DataFrame:
    """Give columns that may be empty their own type, so that a number stays whole and a flag stays a flag."""
    whole = {name: "Int64" for name in ("face", "track_id") if name in table}
    numbers = {name: "float64" for name in table.columns if name in (*EXPRESSIONS, "confidence", "detection_score")}
    corners = {name: "float64" for name in ("x_min", "y_min", "x_max", "y_max") if name in table}
    texts = {name: "string" for name in ("image", "label", "warnings", "error") if name in table}
    return table.astype(whole | numbers | corners | texts | {"uncertain": "boolean"})


def iterate_rows(faces: Sequence[Face], place: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a frame's rows with :data:`STREAM_COLUMNS`: one a face, or one empty row.

    Args:
        faces: the frame's faces.
        place: columns that say which frame it is.
    """
    if not faces:
        yield place
    for number, face in enumerate(faces, start=1):
        yield place | build_face_row(face, number, STREAM_COLUMNS)

"""Analysis of image files into a table, annotated copies and activation maps."""

import glob
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from fer.analysis import Analyzer
from fer.errors import ImageError, SettingsError
from fer.files import check_writable, write_atomically
from fer.labels import EXPRESSIONS
from fer.reports.tables import IMAGE_COLUMNS, build_image_rows, build_table, choose_table_writer
from fer.vision.annotation import draw_activation, draw_faces
from fer.vision.decoding import IMAGE_SUFFIXES
from fer.vision.faces import AnalyzedImage
from fer.vision.images import write_image


@dataclass(frozen=True)
class PredictionSummary:
    """What :func:`predict_files` found.

    Args:
        path: the table.
        num_images: number of images.
        num_faces: number of faces in all images.
        num_without_face: number of readable images without a face.
        num_errors: number of images that could not be read.
        labels: number of faces per expression.
    """

    path: Path
    num_images: int
    num_faces: int
    num_without_face: int
    num_errors: int
    labels: dict[str, int]

    def describe(self) -> str:
        """Return the summary as text, one fact per line."""
        images, faces = _format_count(self.num_images, "image"), _format_count(self.num_faces, "face")
        lines = [f"{images}, {faces}: {self.path}"]
        if self.num_faces:
            lines.append(", ".join(f"{name} {count}" for name, count in self.labels.items() if count))
        if self.num_without_face:
            lines.append(f"No face was found in {self.num_without_face} of them.")
        if self.num_errors:
            lines.append(f"{self.num_errors} could not be read: see the column 'error'.")
        return "\n".join(lines)


def predict_files(
    inputs: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    analyzer: Analyzer | None = None,
    annotate: str | Path | None = None,
    explain: bool = False,
    progress: bool = True,
) -> PredictionSummary:
    """Analyze image files and write one table, and annotated copies if asked for.

    Args:
        inputs: a file, a folder (searched with its subfolders), a glob pattern, or several of these.
        out: the table, in the format of its suffix: .csv, .json or .parquet. It is written atomically at the end.
        analyzer: detects and classifies the faces; None builds one with the shipped network.
        annotate: folder for copies with the faces drawn in; None draws none.
        explain: also write the activation map of each face to that folder.
        progress: show a progress bar.

    Raises:
        ImageError: the inputs contain no image.
        OutputError: the table or the folder cannot be written; nothing is analyzed before this is checked.
        SettingsError: the table's suffix is unknown, or ``explain`` is set without ``annotate``.

    Example:
        >>> print(predict_files("photos", "faces.csv").describe())  # doctest: +SKIP
        12 images, 15 faces: faces.csv
    """
    write = choose_table_writer(out)
    if explain and annotate is None:
        raise SettingsError("Activation maps need a folder. Received: explain without annotate. Remedy: name a folder.")
    if annotate is not None:
        check_writable(Path(annotate) / "annotated.png")
    paths = find_images(inputs)
    analyzer = Analyzer() if analyzer is None else analyzer
    rows: list[dict[str, Any]] = []
    names = _choose_names(paths)
    bar = tqdm(paths, desc="images", unit="image", disable=not progress)
    for path, analyzed in zip(paths, analyzer.analyze_images(bar), strict=True):
        rows += build_image_rows(path, analyzed)
        if annotate is not None:
            _write_drawings(analyzer, analyzed, Path(annotate) / names[path], explain)
    table = build_table(rows, IMAGE_COLUMNS)
    write_atomically(out, lambda stream: write(table, stream))
    return _summarize(table, Path(out), len(paths))


def find_images(inputs: str | Path | Sequence[str | Path]) -> list[Path]:
    """Return the image files that the inputs name, in order and without repeats.

    Args:
        inputs: a file, a folder, a glob pattern, or several of these. A file that is named itself may have any suffix.

    Raises:
        ImageError: one of the inputs matches no file.
    """
    names = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    paths = [path for name in names for path in _expand(str(name))]
    if not paths:
        raise ImageError("At least one image must be named. Received: none. Remedy: give a file, folder or pattern.")
    return list(dict.fromkeys(paths))


def _expand(name: str) -> list[Path]:
    path = Path(name)
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file())
    elif path.exists():
        files = [path]
    else:
        files = sorted(file for file in map(Path, glob.glob(name, recursive=True)) if file.is_file())
    if not files:
        raise ImageError(
            f"An input must be an image, a folder with images, or a pattern that matches images. Received: {name}."
            " Remedy: check the path."
        )
    return files


def _summarize(table: pd.DataFrame, path: Path, num_images: int) -> PredictionSummary:
    has_face, has_error = table["face"].notna(), table["error"].notna()
    counts = Counter(table["label"].dropna())
    return PredictionSummary(
        path=path,
        num_images=num_images,
        num_faces=int(has_face.sum()),
        num_without_face=int((~has_face & ~has_error).sum()),
        num_errors=int(has_error.sum()),
        labels={name: counts[name] for name in EXPRESSIONS},
    )


def _choose_names(paths: Sequence[Path]) -> dict[Path, str]:
    """Return a name for the annotated copy of each image: its stem, numbered if another image has the same stem."""
    names: dict[Path, str] = {}
    used: set[str] = set()
    for path in paths:
        name, number = path.stem, 1
        while name.lower() in used:
            number += 1
            name = f"{path.stem}_{number}"
        used.add(name.lower())
        names[path] = name
    return names


def _write_drawings(analyzer: Analyzer, analyzed: AnalyzedImage, stem: Path, explain: bool) -> None:
    if analyzed.image is None:
        return
    write_image(draw_faces(analyzed.image, analyzed.faces), stem.with_name(f"{stem.name}.png"))
    for number, face in enumerate(analyzed.faces if explain else [], start=1):
        activation = draw_activation(face.crop, analyzer.explain(face))
        write_image(activation, stem.with_name(f"{stem.name}_face{number}_{face.label}.png"))


def _format_count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"

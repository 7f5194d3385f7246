"""Analysis of image files into a table, annotated copies and activation maps."""

import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial as partial_function
from pathlib import Path

import pandas as pd

from fer.analysis import Analyzer
from fer.errors import InterruptedWork, OutputError, SettingsError
from fer.files import check_apart, check_writable, encode_path, show_path, write_atomically
from fer.labels import EXPRESSIONS
from fer.progress import Progress
from fer.reports.inputs import FoundImages, scan_inputs
from fer.reports.output_names import number_stems
from fer.reports.partial import PartialTable
from fer.reports.tables import IMAGE_COLUMNS, build_image_rows, build_table, choose_table_writer
from fer.vision.annotation import draw_activation, draw_faces
from fer.vision.drawings import is_drawing, write_drawing
from fer.vision.faces import AnalyzedImage
from fer.wording import format_count, format_probability

#: Largest number of faces of which each has a line in the summary.
MAX_ANSWERS = 20
#: End of the stem of an activation map.
_MAP_END = re.compile(rf"_face\d+_({'|'.join(EXPRESSIONS)})$", re.IGNORECASE)


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
        left_aside: a sentence about the files of the folders that are no photos; empty without such.
        answers: one line per face, for the first :data:`MAX_ANSWERS` of them.
        annotated: folder of the annotated copies, or None.
    """

    path: Path
    num_images: int
    num_faces: int
    num_without_face: int
    num_errors: int
    labels: dict[str, int]
    left_aside: str = ""
    answers: tuple[str, ...] = ()
    annotated: Path | None = None

    def describe(self) -> str:
        """Return the summary as text, one fact per line: each face of a few, or the number of each expression."""
        images, faces = format_count(self.num_images, "image"), format_count(self.num_faces, "face")
        lines = [*self.answers, f"{images}, {faces}: {show_path(self.path)}"]
        if self.annotated is not None:
            lines.append(f"Annotated copies: {show_path(self.annotated)}")
        if self.num_faces > len(self.answers):
            lines.append(", ".join(f"{name} {count}" for name, count in self.labels.items() if count))
        if self.num_without_face:
            lines.append(f"No face was found in {self.num_without_face} of them.")
        if self.num_errors:
            lines.append(f"{self.num_errors} could not be read: see the column 'error'.")
        if self.left_aside:
            lines.append(self.left_aside)
        return "\n".join(lines)


def predict_files(
    inputs: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    analyzer: Analyzer | Callable[[], Analyzer] | None = None,
    annotate: str | Path | None = None,
    explain: bool = False,
    resume: bool = False,
    settings: Mapping[str, object] | None = None,
    progress: bool = True,
) -> PredictionSummary:
    """Analyze image files and write one table, and annotated copies if asked for.

    The rows so far are kept in ``<out>.partial``. Ctrl-C writes the table of these; with ``resume``, the next run adds
    the other images. A killed run can be resumed too.

    Args:
        inputs: a file, a folder (searched with its subfolders), a glob pattern, or several of these.
        out: the table, in the format of its suffix: .csv, .xlsx, .json or .parquet. It is written atomically.
        analyzer: detects and classifies the faces, or a function that builds it, which is called after all checks; None
            builds one with the shipped network.
        annotate: folder for annotated copies; None writes none.
        explain: also write the activation map of each face to that folder.
        resume: continue an interrupted run.
        settings: what else the rows depend on, such as the network's name; a resumed run must have the same.
        progress: show a progress bar.

    Raises:
        ImageError: the inputs contain no image.
        OutputError: the table or the folder cannot be written, or would replace an input or a file that is no annotated
            copy; nothing is analyzed before this is checked.
        SettingsError: the table's suffix is unknown, ``explain`` is set without ``annotate``, or there is nothing to
            resume.

    Example:
        >>> print(predict_files("photos", "faces.csv").describe())  # doctest: +SKIP
        12 images, 15 faces: faces.csv
    """
    out, folder = Path(out), None if annotate is None else Path(annotate)
    if explain and folder is None:
        raise SettingsError("Activation maps need a folder. Received: explain without annotate. Remedy: name a folder.")
    found = scan_inputs(inputs)
    names = _choose_names(found.paths, explain)
    check_apart(found.paths, [out])
    write = choose_table_writer(out)
    if folder is not None:
        _check_drawings(found.paths, folder, names)
    partial = PartialTable(out, dict(settings or {}) | {"annotate": folder is not None, "explain": explain})
    if resume:
        partial.resume()
    built = analyzer if isinstance(analyzer, Analyzer) else (analyzer or Analyzer)()
    draw = None if folder is None else partial_function(_write_drawings, built, folder, explain)
    stopped = False
    with partial.open():
        try:
            _analyze(found.paths, built, partial, names, draw, progress)
        except KeyboardInterrupt:
            stopped = True
        table = build_table(partial.list_rows(), IMAGE_COLUMNS)
        write_atomically(out, lambda stream: write(table, stream))
        summary = _summarize(table, out, len(partial.rows), found, folder)
        if stopped:
            missing = len(found.paths) - len(partial.rows)
            raise InterruptedWork(
                f"Stopped with {format_count(missing, 'image')} left. {show_path(out)} has the rows so far."
                " Continue with --resume."
            )
    return summary


def _analyze(
    paths: Sequence[Path],
    analyzer: Analyzer,
    partial: PartialTable,
    names: Mapping[Path, str],
    draw: Callable[[AnalyzedImage, str], None] | None,
    progress: bool,
) -> None:
    """Add the rows of each image that has none yet, and draw its copy."""
    paths = [path for path in paths if encode_path(path) not in partial.rows]
    num_faces = num_errors = 0
    with Progress(total=len(paths), desc="images", unit=" images", disable=not progress) as bar:
        for path, analyzed in zip(paths, analyzer.analyze_images(paths), strict=True):
            if draw is not None:
                draw(analyzed, names[path])
            partial.add(encode_path(path), build_image_rows(path, analyzed))
            num_faces, num_errors = num_faces + len(analyzed.faces), num_errors + (analyzed.error is not None)
            bar.set_postfix_str(
                f"{format_count(num_faces, 'face')}, {format_count(num_errors, 'error')}", refresh=False
            )
            bar.update()


def _check_drawings(paths: Sequence[Path], folder: Path, names: Mapping[Path, str]) -> None:
    """Check that annotated copies can be written, and replace nothing but annotated copies."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(
            f"Annotated copies need a folder. Received: {show_path(folder)}, a file. Remedy: name a folder."
        )
    if os.path.realpath(folder) in {os.path.realpath(path.parent) for path in paths}:
        raise OutputError(
            f"Annotated copies must not be in a folder of the images. Received: {show_path(folder)}. Remedy: name"
            " another folder; one inside it will do."
        )
    targets = [path for path in folder.glob("*.png") if _is_target(path.stem, set(names.values()))]
    for target in targets:
        if not is_drawing(target):
            raise OutputError(
                f"An annotated copy must not replace another file. Received: {show_path(target)}. Remedy: name another"
                " folder."
            )
    check_apart(paths, targets)
    check_writable(folder / "annotated.png")


def _is_target(stem: str, names: set[str]) -> bool:
    """Return whether a file of this stem may be written: a copy, or the activation map of a face in it."""
    return stem in names or stem.rpartition("_face")[0] in names


def _summarize(
    table: pd.DataFrame, path: Path, num_images: int, found: FoundImages, folder: Path | None
) -> PredictionSummary:
    has_face, has_error = table["face"].notna(), table["error"].notna()
    counts = Counter(table["label"].dropna())
    return PredictionSummary(
        path=path,
        num_images=num_images,
        num_faces=int(has_face.sum()),
        num_without_face=int((~has_face & ~has_error).sum()),
        num_errors=int(has_error.sum()),
        labels={name: counts[name] for name in EXPRESSIONS},
        left_aside=found.describe_left_aside(),
        answers=_list_answers(table[has_face]) if has_face.sum() <= MAX_ANSWERS else (),
        annotated=folder,
    )


def _list_answers(faces: pd.DataFrame) -> tuple[str, ...]:
    """Return a line per face: "photo.jpg, face 1: happy 97 %"."""
    lines = []
    for row in faces.fillna({"warnings": ""}).to_dict("records"):
        doubts = ["uncertain"] * bool(row["uncertain"]) + str(row["warnings"]).split()
        doubt = f" ({', '.join(doubts)})" if doubts else ""
        answer = f"{row['label']} {format_probability(row['confidence'])}"
        lines.append(f"{show_path(row['image'])}, face {int(row['face'])}: {answer}{doubt}")
    return tuple(lines)


def _choose_names(paths: Sequence[Path], explain: bool) -> dict[Path, str]:
    """Return the stem of the annotated copy of each image, which is not that of an activation map either."""
    stems = [path.stem for path in paths]
    maps = [stem for stem in stems if _MAP_END.search(stem)] if explain else []
    return dict(zip(paths, number_stems(stems, taken=maps), strict=True))


def _write_drawings(analyzer: Analyzer, folder: Path, explain: bool, analyzed: AnalyzedImage, name: str) -> None:
    if analyzed.image is None:
        return
    faces = [face.resize(analyzed.scale) for face in analyzed.faces]
    write_drawing(draw_faces(analyzed.image, faces), folder / f"{name}.png")
    for number, face in enumerate(faces if explain else [], start=1):
        activation = draw_activation(face.crop, analyzer.explain(face))
        write_drawing(activation, folder / f"{name}_face{number}_{face.label}.png")

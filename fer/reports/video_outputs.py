"""Checks of the settings and outputs of videos, before any work, and the names of these."""

from collections.abc import Sequence
from pathlib import Path

from fer.errors import SettingsError
from fer.files import check_apart, check_writable
from fer.reports.output_names import number_stems
from fer.vision.containers import is_camera, is_network
from fer.vision.sources import Source, name_stem
from fer.vision.yunet import check_max_side


def check_settings(analyzer: object, every: int, max_side: int | None) -> None:
    """Check the settings of an analysis.

    Raises:
        SettingsError: a setting is out of range, or the size of the copy is given twice.
    """
    if every < 1:
        raise SettingsError(f"The step between frames must be at least 1. Received: {every}.")
    check_max_side(max_side)
    if max_side is not None and analyzer is not None:
        raise SettingsError(
            f"max_side belongs to the analyzer. Received: max_side={max_side} and an analyzer."
            " Remedy: pass max_side to the Analyzer."
        )


def check_outputs(
    source: Source,
    csv: str | Path | None,
    annotated: str | Path | None,
    plot: str | Path | None,
    photo: Path | None = None,
) -> None:
    """Check the outputs of one video, and of a neutral photo if there is one, before any work.

    Raises:
        OutputError: an output cannot be written, or is the video or the photo itself.
        SettingsError: an output has the wrong suffix.
    """
    for path, suffix, kind in (
        (csv, ".csv", "A video's table"),
        (annotated, ".mp4", "An annotated video"),
        (plot, ".png", "A video's plot"),
    ):
        if path is not None and Path(path).suffix.lower() != suffix:
            raise SettingsError(f"{kind} must end in {suffix}. Received: {path}.")
    for path in (csv, annotated, plot):
        if path is not None:
            _check_output(path, [source, photo or ""])


def check_folders(
    sources: Sequence[Source],
    csv: str | Path,
    annotated: str | Path | None,
    plot: str | Path | None,
    photo: Path | None = None,
) -> None:
    """Check the table and the folders of many videos, and of a neutral photo if there is one, before any work.

    Raises:
        OutputError: an output cannot be written, or is one of the videos or the photo.
        SettingsError: an output has the wrong suffix.
    """
    check_outputs("", csv, None, None)
    stems = choose_stems(sources)
    for folder, suffix in ((annotated, ".mp4"), (plot, ".png")):
        if folder is not None and Path(folder).suffix:
            raise SettingsError(f"The copies and plots of many videos need a folder. Received: {folder}.")
        if folder is not None:
            for stem in stems:
                _check_output(Path(folder) / f"{stem}{suffix}", [*sources, photo or ""])
    _check_output(csv, [*sources, photo or ""])


def choose_stems(sources: Sequence[Source]) -> list[str]:
    """Return a name for the files of each video: its own without suffix, numbered if another one has the same."""
    return number_stems(map(name_stem, sources))


def _check_output(path: str | Path, sources: Sequence[Source]) -> None:
    files = [str(source) for source in sources if source and not is_camera(source) and not is_network(source)]
    check_apart(files, [path])
    check_writable(path)

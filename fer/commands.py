"""What each task does, as one function of plain values: settings are gathered, rooms are called, results are said."""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer.config import Config, load_config, parse_config, read_json
from fer.data import Dataset, format_preparation, load_dataset, prepare_dataset
from fer.errors import ModelError, SettingsError

if TYPE_CHECKING:
    from fer.analysis import Analyzer

ARTIFACTS = Path("artifacts")
#: The prepared set of the package's own drawings, and the preset and run that belong to it.
SAMPLE = "sample"
Say = Callable[[str], None]


def preprocess(
    source: str | None = None,
    name: str | None = None,
    *,
    votes: str | None = None,
    mapping: str | None = None,
    skip_bad: bool = False,
    allow_download: bool = False,
    seed: int = 0,
    say: Say = print,
) -> Path:
    """Prepare a data set and say what it holds.

    Args:
        source: see :func:`fer.data.prepare_dataset`.
        name: of the prepared set; by default ``fer2013``, or ``sample`` without a source.
        votes: file of FER+ votes.
        mapping: JSON file from folder names to expressions.
        skip_bad: leave bad rows out.
        allow_download: consent to reach the network.
        seed: of what is drawn at random.
        say: receives the lines to be told.

    Returns:
        The prepared file.
    """
    preparation = prepare_dataset(
        source,
        name or (SAMPLE if source is None else "fer2013"),
        votes=votes,
        mapping=read_json(mapping) if mapping else None,
        skip_bad=skip_bad,
        allow_download=allow_download,
        seed=seed,
    )
    say(format_preparation(preparation))
    return preparation.path


def train(
    preset: str | None = None,
    *,
    config: str | None = None,
    settings: Iterable[str] = (),
    data: str | None = None,
    run: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
    say: Say = print,
) -> Path:
    """Train a network, after the teachers that it lacks, plot its history and return its run folder.

    Args:
        preset: name of the settings to start from; by default ``small``.
        config: JSON file of settings that override the preset's.
        settings: ``section.key=value`` strings that override both.
        data: name of the prepared set, overriding the settings'.
        run: name of the run under ``artifacts/``, or a folder; by default the preset's name.
        resume: go on with the run, with the settings that it began with.
        overwrite: remove a run that stands in the folder.
        quiet: show no progress bar.
        say: receives the lines to be told.

    Raises:
        SettingsError: settings are given together with ``resume``, or are not valid.
    """
    from fer.training import loop as training
    from fer.training.curves import plot_history

    folder = find_run(run or preset or "small")
    if resume and (config or preset or tuple(settings) or overwrite):
        raise SettingsError(
            "A resumed run keeps its settings. Received: --resume with others. Remedy: give only --run."
        )
    chosen = _read_run_config(folder) if resume else load_config(preset or "small", config, settings)
    dataset = load_dataset(data or chosen.data.name)
    chosen = chosen.model_copy(update={"data": chosen.data.model_copy(update={"name": dataset.name})})
    # Before hours go into teachers.
    training.check_teachers_stand_outside(chosen, folder)
    if not overwrite:
        training.check_folder(folder, resume=resume)
    _train_missing_teachers(chosen, quiet=quiet, say=say)
    if overwrite and folder.is_dir():
        # What cannot be trained must not cost the run that stands there.
        training.fit_settings(chosen, dataset, folder, say=lambda _: None)
        shutil.rmtree(folder)
    say(f"Training {chosen.model.name!r} on {dataset.name!r} for {chosen.training.epochs} epochs into {folder}.")
    result = training.train(dataset, chosen, folder, resume=resume, progress=not quiet, say=say)
    plot_history(result.history, folder / "curves.png")
    say(
        f"Kept epoch {result.best_epoch} of {len(result.history)},"
        f" validation accuracy {result.validation_accuracy:.4f}. Next: invoke evaluate --run {folder.name}"
    )
    return folder


def _train_missing_teachers(config: Config, *, quiet: bool, say: Say) -> None:
    """Train each missing teacher by the preset for teachers, or go on with it where it was begun.

    Raises:
        ModelError: a teacher that is there was trained on another data set, whose splits may be others.
    """
    from fer.training.loop import has_begun

    distillation = config.distillation
    for seed, teacher in enumerate(distillation.teacher if distillation.teacher_preset else ()):
        if (Path(teacher) / "model.keras").exists():
            _check_teachers_data(Path(teacher), config.data.name)
            continue
        say(f"The teacher {teacher} is missing: training it first.")
        shared: dict[str, Any] = {"run": f"{teacher}/", "quiet": quiet, "say": say}
        if has_begun(Path(teacher)):
            train(resume=True, data=config.data.name, **shared)
        else:
            train(distillation.teacher_preset, settings=[f"training.seed={seed}"], data=config.data.name, **shared)


def _check_teachers_data(teacher: Path, name: str) -> None:
    known = _read_run_config(teacher).data.name
    if known != name:
        raise ModelError(
            f"A preset's teachers are trained on the data set of their pupil, {name!r}. Received: {teacher}, which was"
            f" trained on {known!r}. Remedy: move it away, or name other folders in distillation.teacher."
        )


def evaluate(run: str = "xception", *, data: str | None = None, say: Say = print) -> dict[str, Any]:
    """Measure a run on validation and test, write its reports, and say the figures.

    Args:
        run: name of the run under ``artifacts/``, or a folder.
        data: name of the prepared set; by default the one that the run was trained on.
        say: receives the lines to be told.

    Returns:
        The content of ``metrics.json``.
    """
    from fer.evaluation.evaluate import evaluate_run
    from fer.evaluation.model_card import render_figures_table

    folder = find_run(run)
    dataset = load_dataset(data or _read_run_config(folder).data.name)
    metrics = evaluate_run(folder, dataset)
    say(render_figures_table(metrics))
    say(f"Reports are in {folder}.")
    return metrics


def check_photos(
    run: str = "xception",
    *,
    data: str | None = None,
    limit: int | None = None,
    document: str | None = None,
    quiet: bool = False,
    say: Say = print,
) -> dict[str, Any]:
    """Compare a run's accuracy on faces shown as photos with that on their own pixels, and say both.

    Args:
        run: name of the run under ``artifacts/``, or a folder.
        data: name of the prepared set; by default the one that the run was trained on.
        limit: take only the first so many validation faces; None takes all.
        document: a Markdown file whose marked figures are replaced by the new ones.
        quiet: show no progress bar.
        say: receives the lines to be told.

    Returns:
        The content of ``photo_check.json``.
    """
    from fer.evaluation.model_card import update_marked_section
    from fer.evaluation.photo_check import PHOTO_CHECK_FILE, check_run, render_photo_check

    folder = find_run(run)
    dataset = load_dataset(data or _read_run_config(folder).data.name)
    figures = check_run(folder, dataset, limit=limit, progress=not quiet)
    say(render_photo_check(figures))
    if document is not None:
        update_marked_section(document, render_photo_check(figures))
    say(f"Wrote {folder / PHOTO_CHECK_FILE}.")
    return figures


def run_pipeline(
    source: str | None = None,
    preset: str | None = None,
    *,
    run: str | None = None,
    settings: Iterable[str] = (),
    quiet: bool = False,
    say: Say = print,
) -> dict[str, Any]:
    """Prepare, train and evaluate with one set of settings; without data at hand, on the drawn sample.

    Args:
        source: data to prepare; None for the prepared FER2013 where there is one, else the drawn sample.
        preset: name of the settings; by default ``small``, or ``sample`` for the sample.
        run: name of the run; by default the preset's name. A run on the sample replaces the one before it.
        settings: ``section.key=value`` strings.
        quiet: show no progress bar.
        say: receives the lines to be told.

    Returns:
        The content of ``metrics.json``.
    """
    dataset = _prepare_for_pipeline(source, say)
    preset = preset or (SAMPLE if dataset.is_sample else "small")
    name = run or preset
    overwrite = dataset.is_sample and name == SAMPLE
    train(preset, settings=settings, data=dataset.name, run=name, overwrite=overwrite, quiet=quiet, say=say)
    return evaluate(name, say=say)


def find_run(name: str) -> Path:
    """Return the folder of a run given by its name under ``artifacts/`` or by a path."""
    return Path(name) if "/" in name or "\\" in name else ARTIFACTS / name


def _prepare_for_pipeline(source: str | None, say: Say) -> Dataset:
    prepared = Path("data") / "fer2013.npz"
    if source is None and prepared.is_file():
        say(f"Using {prepared}.")
        return load_dataset("fer2013")
    return load_dataset(preprocess(source, say=say))


def _read_run_config(folder: Path) -> Config:
    path = folder / "config.json"
    if not path.is_file():
        raise ModelError(f"A run folder holds config.json. Received: {folder}, without it. Remedy: run `invoke train`.")
    return parse_config(read_json(path))


def predict(
    inputs: str,
    out: str,
    *,
    run: str | None = None,
    annotate: str | None = None,
    explain: bool = False,
    whole_image: bool = False,
    quiet: bool = False,
    say: Say = print,
) -> None:
    """Analyze pictures into one table, and drawn copies where asked.

    Args:
        inputs: a file, a folder or a glob pattern.
        out: the table, .csv, .json or .parquet.
        run: name of the run or its folder; None for the shipped one.
        annotate: folder for drawn pictures.
        explain: also draw each face's activation map there.
        whole_image: every picture already is one face.
        quiet: show no progress bar.
        say: receives the lines to be told.
    """
    from fer.reports import predict_files

    analyzer = _build_analyzer(run, whole_image=whole_image)
    summary = predict_files(inputs, out, analyzer=analyzer, annotate=annotate, explain=explain, progress=not quiet)
    say(summary.describe())


def analyze_video(
    source: str,
    *,
    csv: str | None = None,
    annotated: str | None = None,
    plot: str | None = None,
    every: int = 1,
    max_side: int | None = None,
    run: str | None = None,
    quiet: bool = False,
    say: Say = print,
) -> None:
    """Analyze a video, or the camera whose number is given, into a table, a drawn copy and a plot.

    Args:
        source: a video file, or the number of a camera.
        csv: the table, a row a face and a row for a frame with none.
        annotated: the drawn copy, .mp4.
        plot: a picture of each person's expressions over time.
        every: look at each frame whose index is a multiple of this.
        max_side: longer side, in pixels, of the copy that is searched for faces.
        run: name of the run or its folder; None for the shipped one.
        quiet: show no progress bar.
        say: receives the lines to be told.
    """
    from fer.reports import process_video

    summary = process_video(
        source,
        analyzer=_build_analyzer(run, max_side=max_side or 640),
        csv=csv,
        annotated=annotated,
        plot=plot,
        every=every,
        progress=not quiet,
    )
    say(summary.describe())


def build_space(out: str, *, push: str | None = None, dry_run: bool = False, say: Say = print) -> None:
    """Assemble the folder of a Hugging Face Space, and send it where asked.

    Args:
        out: the folder.
        push: owner/name of the Space to send it to.
        dry_run: only say what would be sent.
        say: receives the lines to be told.

    Raises:
        SettingsError: ``dry_run`` is given without ``push``.
    """
    from fer.app import space

    if dry_run and push is None:
        raise SettingsError("A dry run says what would be sent. Received: --dry-run without --push owner/name.")
    files = space.build_space(out)
    say(f"{len(files)} files are in {out}. It runs there: python {space.APP_FILE}")
    if push is not None:
        space.push_space(out, push, dry_run=dry_run, say=say)


def _build_analyzer(run: str | None, **settings: Any) -> "Analyzer":
    from fer.analysis import Analyzer
    from fer.inference import Classifier

    return Analyzer(Classifier.load(None if run is None else find_run(run)), **settings)

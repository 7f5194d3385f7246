"""Commands that train: train, average, finetune and pipeline."""

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast, get_args

from fer import evaluation, training
from fer.commands.data import preprocess
from fer.commands.evaluation import evaluate
from fer.commands.options import Log, check_positive
from fer.config import FINETUNE_EPOCHS, Layers, load_config
from fer.data import Dataset, load_dataset
from fer.data.dataset import build_path
from fer.errors import InterruptedWork, SettingsError
from fer.evaluation.documents import check_document, update_document
from fer.runs import Run

#: Name of the prepared set of drawn faces, and of the preset and run that belong to it.
SAMPLE = "sample"


def train(
    preset: str | None = None,
    *,
    config: str | None = None,
    set: Iterable[str] | None = None,
    data: str | None = None,
    run: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
    log: Log = print,
) -> Path:
    """Train a network and return its run folder.

    Raises:
        SettingsError: a setting is not valid, or is given together with ``resume``.
    """
    target = Run.find(run or preset or "small")
    overrides = tuple(set or ())
    with training.connect_hosts() as hosts:
        log = hosts.choose_log(log)
        with hosts.agree():
            _check_resumed(resume, config or preset or overrides or overwrite, "--run")
            settings = target.read_config() if resume else load_config(preset or "small", config, overrides)
            dataset = load_dataset(data or settings.data.name)
        source = f" --data {shlex.quote(data)}" if data and Path(data).suffix == ".npz" else ""
        try:
            result = training.train(
                dataset, settings, target.folder, resume=resume, overwrite=overwrite, progress=not quiet, log=log
            )
        except KeyboardInterrupt:
            if not target.is_begun:
                raise
            raise InterruptedWork(
                f"Stopped. Continue after the last whole epoch with: invoke train --run {target.argument} --resume"
                f"{source}"
            ) from None
    log(
        f"Kept epoch {result.best_epoch} of {len(result.history)}, validation accuracy"
        f" {result.validation_accuracy:.4f}, in {target.folder}. Next: invoke evaluate --run {target.argument}{source}"
    )
    return target.folder


def average(
    runs: Iterable[str],
    out: str,
    *,
    data: str | None = None,
    overwrite: bool = False,
    log: Log = print,
) -> Path:
    """Average the weights of runs and return the folder of the new run."""
    sources, target = [Run.find_trained(name) for name in runs], Run.find(out)
    if len(sources) < 2:
        raise SettingsError("At least two runs are averaged. Remedy: invoke average --runs one --runs two --out mean.")
    dataset = load_dataset(data or sources[-1].read_config().data.name)
    figures = training.average(dataset, sources, target.folder, overwrite=overwrite)
    for name, row in figures.items():
        log(f"{name}: " + ", ".join(f"{key.replace('_', ' ')} {value:.4f}" for key, value in row.items()))
    log(f"Wrote {target.folder}. Next: invoke evaluate --run {target.argument}")
    return target.folder


def finetune(
    data: str,
    run: str | None = None,
    *,
    name: str | None = None,
    layers: str = "all",
    epochs: int = FINETUNE_EPOCHS,
    set: Iterable[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    document: str | None = None,
    quiet: bool = False,
    log: Log = print,
) -> dict[str, Any]:
    """Train a run further on a small data set, compare both on held-out faces, return ``comparison.json``."""
    from fer.evaluation.comparison import render_comparison

    check_positive("--epochs", epochs)
    _check_resumed(resume, set or overwrite or layers != "all" or epochs != FINETUNE_EPOCHS, "--data and --name")
    target = Run.find(name or data)
    section = f"finetune:{target.name}"
    if document is not None:
        check_document(document, [section])
    initial = _find_initial(run or (target.read_config().training.initial_run if resume else None))
    dataset = load_dataset(data)
    reference = _load_reference(dataset, log)
    training.finetune(
        dataset,
        initial,
        target.folder,
        layers=_check_layers(layers),
        epochs=epochs,
        overrides=tuple(set or ()),
        resume=resume,
        overwrite=overwrite,
        progress=not quiet,
        log=log,
    )
    figures = evaluation.compare_runs(initial, target, dataset, reference)
    log(render_comparison(figures))
    if document is not None:
        update_document(document, {section: render_comparison(figures)})
    log(f"Wrote {target.folder}. Next: invoke predict --input photo.jpg --run {target.argument}")
    return figures


def pipeline(
    source: str | None = None,
    preset: str | None = None,
    *,
    run: str | None = None,
    set: Iterable[str] | None = None,
    quiet: bool = False,
    log: Log = print,
) -> dict[str, Any]:
    """Prepare, train and evaluate.

    Without a source or preset, this takes minutes, on drawn faces, and replaces the previous run on them. With a preset
    and no source, it uses the prepared FER2013 if there is one.
    """
    training.refuse_hosts("pipeline")
    dataset = _prepare_for_pipeline(source, preset, log)
    preset = preset or (SAMPLE if dataset.is_sample else "small")
    name = run or preset
    overwrite = dataset.is_sample and name == SAMPLE
    train(preset, set=set, data=dataset.name, run=name, overwrite=overwrite, quiet=quiet, log=log)
    return evaluate(name, log=log)


def _prepare_for_pipeline(source: str | None, preset: str | None, log: Log) -> Dataset:
    prepared = Path("data") / "fer2013.npz"
    if source is not None or not prepared.is_file():
        return load_dataset(preprocess(source, log=log))
    if preset is None:
        # Training on FER2013 takes hours, which nobody starts by a bare command.
        log(f"To train on {prepared}, name a preset: invoke pipeline --preset small.")
        return load_dataset(preprocess(None, log=log))
    log(f"Using {prepared}.")
    return load_dataset("fer2013")


def _check_resumed(resume: bool, changes: object, kept: str) -> None:
    if resume and changes:
        raise SettingsError(
            "A resumed run keeps its settings. Received: --resume together with options that change them."
            f" Remedy: give only {kept}."
        )


def _check_layers(layers: str) -> Layers:
    if layers not in get_args(Layers):
        raise SettingsError(f"--layers is one of {', '.join(get_args(Layers))}. Received: {layers!r}.")
    return cast(Layers, layers)


def _find_initial(name: str | None) -> Run:
    """Return a run by its name; without one the shipped run, by its name too if it is found by that."""
    if name is not None:
        return Run.find_trained(name)
    shipped = Run.find_shipped()
    named = Run.find(shipped.name)
    return named if named.folder.resolve() == shipped.folder.resolve() else shipped


def _load_reference(dataset: Dataset, log: Log) -> Dataset | None:
    """Load the prepared FER2013, on which a fine-tuned run shows what it forgot; None if there is none."""
    path = build_path("fer2013", "data")
    if not path.is_file():
        log(f"The accuracy on FER2013 is not compared: {path} is missing. Remedy: prepare it with invoke preprocess.")
        return None
    reference = load_dataset("fer2013")
    if reference.fingerprint == dataset.fingerprint:
        log("The accuracy on FER2013 is not compared: the network was trained further on FER2013 itself.")
        return None
    return reference

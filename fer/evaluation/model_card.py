"""The model card of a run, in sections of Markdown; every figure comes from ``metrics.json``.

``metrics`` is the content of a ``metrics.json``, as :func:`fer.evaluation.evaluate.evaluate_run` returns it.
"""

from collections.abc import Mapping
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from fer.config import Config
from fer.evaluation.figures import (
    BLOCKS,
    FERPLUS_RULE,
    render_calibrations,
    render_class_table,
    render_figures_table,
)
from fer.evaluation.metrics_file import read_metrics
from fer.evaluation.robustness_figures import read_robustness, render_robustness
from fer.files import write_atomically
from fer.labels import EXPRESSIONS
from fer.runs import Run

#: The heading of each section but the introduction, which follows the title of the card.
HEADINGS = {
    "figures": "Figures",
    "classes": "Per expression, test split",
    "calibration": "Calibration",
    "robustness": "Robustness",
    "protocol": "Protocol",
    "data": "Data",
    "training": "Training",
    "limits": "Limits",
    "origin": "Origin",
}

#: The names of all sections, in order.
SECTIONS = ("introduction", *HEADINGS)

LIMITS = """\
- **An expression is not a feeling.** The network recognises what a face shows. It says nothing about what a person
  feels, thinks, intends or will do, and must not be used to infer it or to make decisions about a person.
- **Posed web faces.** FER2013 was collected by web searches for emotion words: mostly posed, frontal faces of 48×48
  pixels. Expect lower accuracy on everyday photos, on turned, covered, small or blurred faces, and on children.
- **Noisy labels.** People agree with FER2013's labels on about 65 ± 5 % of the faces (Goodfellow et al., 2013), so some
  of the errors measured here are errors of the labels.
- **Unknown population.** The age, sex, origin and skin colour of the people shown were not recorded. Do not assume
  equal performance across groups of people.
- **Law.** In the European Union the AI Act (Regulation (EU) 2024/1689, Article 5(1)(f)) has prohibited AI systems that
  infer emotions at work and in education since 2 February 2025, except for medical or safety reasons."""

_PROTOCOL = (
    "Settings, epoch and calibration were chosen on validation. Only the evaluation read the test split. Each face"
    " counts once. Intervals are 95 % percentile bootstrap intervals over faces. Flip-averaged predictions are the mean"
    " of the probabilities of a face and its mirror image. ECE is the expected calibration error in 15 bins of equal"
    f" width. FER+ majority (Barsoum et al., 2016, arXiv:1608.01041): {FERPLUS_RULE}. Published FER2013 figures include"
    " leaked faces: compare them with the standard test, not with the clean one."
)

_FER2013 = (
    'FER2013 (Goodfellow et al., 2013, "Challenges in Representation Learning") was collected by web searches and'
    " published for research with the ICML 2013 challenge. It is not redistributed with this model, and no image of it"
    " is shown here. The FER+ votes (microsoft/FERPlus) are under the MIT licence; so are the code and the weights of"
    " this model."
)


def render_sections(
    metrics: dict[str, Any],
    config: Config | None,
    teachers: Mapping[str, str],
    robustness: dict[str, Any] | None = None,
    averaged: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the sections of a model card as Markdown without headings.

    Args:
        metrics: the content of the run's ``metrics.json``.
        config: the settings of the run, if they are known.
        teachers: the sha256 of each teacher's network, by its path.
        robustness: the content of the run's ``robustness.json``, if it has one.
        averaged: the sha256 of each network of whose weights the run has the mean, by the name of its run.

    Returns:
        The text of each of :data:`SECTIONS`.
    """
    return {
        "introduction": _render_introduction(metrics),
        "figures": render_figures_table(metrics),
        "classes": render_class_table(metrics),
        "calibration": render_calibrations(metrics),
        "robustness": render_robustness(robustness),
        "protocol": _PROTOCOL,
        "data": _render_data(metrics),
        "training": _render_training(config, teachers, averaged or {})
        if config
        else "The settings of this run are not known.",
        "limits": LIMITS,
        "origin": _render_origin(metrics),
    }


def render_run_sections(run: Run) -> dict[str, str]:
    """Return the sections of the model card of an evaluated run, as :func:`render_sections` does.

    Raises:
        ModelError: the run has no ``metrics.json`` or no ``config.json``.
    """
    metrics = read_metrics(run.folder)
    return render_sections(metrics, run.read_config(), *_read_sources(run, metrics))


def write_model_card(run: Run, metrics: dict[str, Any], config: Config | None) -> None:
    """Write the model card of a run with these figures and settings; its other files are read."""
    write_atomically(run.model_card, render_model_card(metrics, config, *_read_sources(run, metrics)))


def _read_sources(run: Run, metrics: dict[str, Any]) -> tuple[dict[str, str], dict[str, Any] | None, dict[str, str]]:
    """Return the teachers, the robustness and the averaged runs of a run, as :func:`render_sections` takes them."""
    provenance = run.read_provenance()
    robustness = read_robustness(run, metrics["model_sha256"])
    return provenance.get("teachers", {}), robustness, provenance.get("averaged_runs", {})


def render_model_card(
    metrics: dict[str, Any],
    config: Config | None,
    teachers: Mapping[str, str],
    robustness: dict[str, Any] | None = None,
    averaged: Mapping[str, str] | None = None,
) -> str:
    """Return a model card with the front matter that Hugging Face reads.

    Args:
        metrics: as for :func:`render_sections`.
        config: likewise.
        teachers: likewise.
        robustness: likewise.
        averaged: likewise.

    Reference:
        https://huggingface.co/docs/hub/model-cards, for the front matter.
    """
    sections = render_sections(metrics, config, teachers, robustness, averaged)
    title = f"# FER-DL `{metrics['model']}`: facial expression recognition"
    parts = [title, sections["introduction"]]
    parts += [f"## {heading}\n\n{sections[name]}" for name, heading in HEADINGS.items()]
    return f"---\n{_build_front_matter(metrics).to_yaml()}\n---\n\n" + "\n\n".join(parts) + "\n"


def _build_front_matter(metrics: dict[str, Any]) -> ModelCardData:
    return ModelCardData(
        license="mit",
        library_name="keras",
        pipeline_tag="image-classification",
        tags=["facial-expression-recognition", "keras", "jax", "xception"],
        metrics=["accuracy", "recall"],
        model_name=f"fer-dl-{metrics['model']}",
        eval_results=[
            result for name in ("test", "test_clean") if metrics[name] for result in _build_results(metrics, name)
        ],
    )


def _build_results(metrics: dict[str, Any], name: str) -> list[EvalResult]:
    figures, head = metrics["default"][name], metrics["heads"][0]
    values = [
        ("recall", "Mean recall, default answer", figures["mean_recall"]),
        ("accuracy", "Accuracy, default answer", figures["accuracy"]),
        ("accuracy", f"Accuracy, head {head}", metrics[name]["accuracy"]),
        ("accuracy", f"Accuracy, head {head}, flip-averaged", metrics[name]["flip"]["accuracy"]),
    ]
    return [
        EvalResult(
            task_type="image-classification",
            task_name="Facial expression recognition",
            dataset_type=metrics["data"],
            dataset_name=f"{metrics['data']}, {BLOCKS[name]}",
            # Hugging Face takes results with the same type, config and split as one result.
            dataset_config=name,
            dataset_split="test",
            metric_type=kind,
            metric_name=title,
            metric_value=value,
        )
        for kind, title, value in values
    ]


def _render_introduction(metrics: dict[str, Any]) -> str:
    heads = metrics["heads"]
    per_head = f" for each of its heads {' and '.join(f'`{head}`' for head in heads)}" if len(heads) > 1 else ""
    return (
        f"A network of the Xception family (Chollet, 2017, arXiv:1610.02357) with {metrics['params']:,} parameters. It"
        " reads one grey face of 48×48 pixels, values 0 to 255 (the network scales them itself), and returns seven"
        f" probabilities{per_head}, in the order {', '.join(EXPRESSIONS)}. `model.keras` holds stock Keras layers only"
        " and loads with plain Keras 3 on JAX, TensorFlow and torch. Use it through `fer.Classifier` or `fer.Analyzer`,"
        " which apply the calibration; `fer.Analyzer` also marks uncertain predictions."
    )


def _render_data(metrics: dict[str, Any]) -> str:
    if metrics["is_sample"]:
        return "Schematic faces that this package drew from a seed; they are not photographs of people."
    prepared = f"Prepared data set `{metrics['data']}`, sha256 `{metrics['data_sha256']}`."
    return f"{prepared} {_FER2013}" if metrics["data_source"] == "csv" else prepared


def _render_training(config: Config, teachers: Mapping[str, str], averaged: Mapping[str, str]) -> str:
    data, training = config.data, config.training
    phases = "; ".join(
        f"{phase.name}, {phase.epochs} epochs with a peak learning rate of {phase.learning_rate:g}"
        for phase in training.phases
    )
    leaked = "left out" if data.drop_leaked else "kept"
    sentences = [
        *_list_averaged(averaged),
        f"Phases: {phases}.",
        f"Batch size {training.batch_size}, optimizer {training.optimizer}, seed {training.seed}.",
        f"Heads: {', '.join(config.model.heads)}.",
        f"Share of the FER+ vote distribution in the targets of `labels`: {data.ferplus_weight:g}.",
        f"Label smoothing: {data.label_smoothing:g}.",
        *_list_distillation(config, teachers),
        f"Training faces with a duplicate in validation or test were {leaked}.",
        "All settings are in `config.json`, the course of the training in `history.csv` and `curves.png`.",
    ]
    return " ".join(sentences)


def _list_averaged(averaged: Mapping[str, str]) -> list[str]:
    if not averaged:
        return []
    return [
        f"The weights are the mean of those of {_name_networks(averaged)}. What follows describes the last of them."
    ]


def _name_networks(digests: Mapping[str, str]) -> str:
    return ", ".join(f"`{name}` (sha256 `{digest[:12]}`)" for name, digest in digests.items())


def _list_distillation(config: Config, teachers: Mapping[str, str]) -> list[str]:
    distillation = config.distillation
    if not distillation.teacher:
        return []
    faces = "each augmented face" if distillation.consistent else "each training face before augmentation"
    if distillation.consistent and distillation.views:
        faces = f"each of {distillation.views} augmented views of a face"
    return [
        f"Share of the teachers' mean prediction for {faces} in the targets: {distillation.weight:g}.",
        f"Teachers: {_name_networks(teachers)}.",
    ]


def _render_origin(metrics: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in metrics["versions"].items())
    commit = metrics["git_commit"] or "none (not in a git repository)"
    return (
        f"Written by `invoke evaluate` from `metrics.json`. Versions: {versions}. Commit: {commit}. sha256 of"
        f" `model.keras`: `{metrics['model_sha256']}`."
    )

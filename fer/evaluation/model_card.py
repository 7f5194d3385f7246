"""What people read of an evaluation: the table of figures and the model card, all figures out of ``metrics.json``.

``metrics`` is always the content of a ``metrics.json``, as :func:`fer.evaluation.evaluate.evaluate_run` returns it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fer.config import Config
from fer.errors import DataError
from fer.files import write_atomically
from fer.labels import EXPRESSIONS

BEGIN = "<!-- figures:begin -->"
END = "<!-- figures:end -->"

FERPLUS_RULE = (
    "single votes are dropped; a face is kept when one expression holds more than half of the votes that remain and is"
    " one of the seven; ties and faces whose winner is unknown, not a face or contempt are left out"
)

_PARTS = {
    "validation": "validation",
    "test": "test",
    "test_clean": "test, clean",
    "ferplus_test": "test, FER+ majority",
}


def render_figures_table(metrics: dict[str, Any]) -> str:
    """Return the accuracy of every part, with and without flip averaging, as a Markdown table with its legend."""
    lines = [
        "| part | faces | accuracy (95 % interval) | flip-averaged (95 % interval) | macro F1 | ECE |",
        "| --- | ---: | --- | --- | ---: | ---: |",
    ]
    lines += [_render_part(title, metrics[part]) for part, title in _PARTS.items() if metrics[part]]
    return "\n".join([*lines, "", _render_legend(metrics)])


def render_class_table(metrics: dict[str, Any]) -> str:
    """Return precision, recall and F1 of each expression on the test part as a Markdown table."""
    test, flip, clean = metrics["test"], metrics["test"]["flip"], metrics["test_clean"]
    lines = [
        "| expression | faces | precision | recall | F1 | recall, flip-averaged | recall, clean test |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name in EXPRESSIONS:
        row = test["per_class"][name]
        recalls = [row["recall"], flip["per_class"][name]["recall"]]
        last = f"{clean['per_class'][name]['recall']:.3f}" if clean else "-"
        figures = f"{row['precision']:.3f} | {recalls[0]:.3f} | {row['f1']:.3f} | {recalls[1]:.3f} | {last}"
        lines.append(f"| {name} | {row['support']:,} | {figures} |")
    return "\n".join(lines)


def render_calibration_table(calibration: dict[str, Any]) -> str:
    """Return what the calibration does on validation and test, one block of metrics, as a Markdown table."""
    lines = [
        "| part | accuracy | lowest recall | ECE | by chance | log loss | certain | accuracy, certain |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for part in ("validation", "test"):
        row = calibration[part]
        names = ("accuracy", "worst_recall", "ece", "log_loss")
        changes = [f"{row[f'{name}_before']:.3f} → {row[f'{name}_after']:.3f}" for name in names]
        changes.insert(3, f"{row['ece_by_chance']:.3f}")
        certain = "-" if row["accuracy_certain"] is None else f"{row['accuracy_certain']:.3f}"
        lines.append(f"| {part} | {' | '.join(changes)} | {100 * row['coverage']:.1f} % | {certain} |")
    return "\n".join(lines)


def render_calibration(metrics: dict[str, Any]) -> str:
    """Return what calibration was chosen and what they do, head by head, as Markdown."""
    if "calibration_votes" not in metrics:
        return _render_calibrated_head(metrics["calibration"])
    labels, votes = (_render_calibrated_head(metrics[name]) for name in ("calibration", "calibration_votes"))
    return (
        f"Head `labels`, under the data set's labels. {labels}\n\n"
        f"Head `votes`, on the faces with a FER+ majority and under it. {votes}"
    )


def write_model_card(
    metrics: dict[str, Any], path: str | Path, config: Config | None = None, teachers: Mapping[str, str] | None = None
) -> None:
    """Write the model card of a run, with the front matter that Hugging Face reads.

    Args:
        metrics: the content of the run's ``metrics.json``; every figure of the card is one of these.
        path: the Markdown file to write.
        config: the settings of the run, for the section on training; left out where there are none.
        teachers: sha256 of each teacher's network, by its path.
    """
    sections = render_sections(metrics, config, teachers)
    write_atomically(path, "\n\n".join([_render_front_matter(metrics), *sections.values()]) + "\n")


def render_sections(
    metrics: dict[str, Any], config: Config | None = None, teachers: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the sections of the model card as Markdown with their headings, by name, in order.

    Args:
        metrics: the content of the run's ``metrics.json``.
        config: the settings of the run; None leaves out the section "training".
        teachers: sha256 of each teacher's network, by its path.
    """
    sections = {
        "introduction": _render_introduction(metrics),
        "figures": f"## Figures\n\n{BEGIN}\n{render_figures_table(metrics)}\n{END}",
        "classes": f"### Each expression, test part\n\n{render_class_table(metrics)}",
        "calibration": f"## Calibration\n\n{render_calibration(metrics)}",
        "protocol": _render_protocol(),
        "data": _render_data(metrics),
        "training": _render_training(config, teachers or {}) if config else "",
        "limits": _LIMITS,
        "origin": _render_origin(metrics),
    }
    return {name: text for name, text in sections.items() if text}


def read_marked_section(path: str | Path) -> str:
    """Return what stands between the two marks of a Markdown file.

    Raises:
        DataError: the file does not hold each mark once, in order.
    """
    return _split_at_marks(path)[1]


def update_marked_section(path: str | Path, text: str) -> None:
    """Put ``text`` between the two marks of a Markdown file; the rest of the file stays as it is.

    Args:
        path: a file with the lines ``<!-- figures:begin -->`` and ``<!-- figures:end -->``.
        text: Markdown, without the marks.

    Raises:
        DataError: the file does not hold each mark once, in order.
    """
    before, _, after = _split_at_marks(path)
    write_atomically(path, f"{before}{BEGIN}\n{text}\n{END}{after}")


def _split_at_marks(path: str | Path) -> tuple[str, str, str]:
    content = Path(path).read_text(encoding="utf-8")
    if content.count(BEGIN) != 1 or content.count(END) != 1 or content.index(BEGIN) > content.index(END):
        raise DataError(f"A file with figures must hold {BEGIN} and {END} once, in this order. Received: {path}.")
    before, rest = content.split(BEGIN)
    section, after = rest.split(END)
    return before, section.removeprefix("\n").removesuffix("\n"), after


def _render_part(title: str, figures: dict[str, Any]) -> str:
    accuracies = f"{_render_accuracy(figures)} | {_render_accuracy(figures['flip'])}"
    return f"| {title} | {figures['n']:,} | {accuracies} | {figures['macro_f1']:.3f} | {figures['ece']:.3f} |"


def _render_accuracy(figures: dict[str, Any]) -> str:
    low, high = figures["accuracy_ci95"]
    return f"{figures['accuracy']:.3f} ({low:.3f}-{high:.3f})"


def _render_legend(metrics: dict[str, Any]) -> str:
    sentences = [
        f"Data set `{metrics['data']}`, fingerprint `{metrics['data_sha256'][:12]}`; network `{metrics['model']}`,"
        f" {metrics['params']:,} parameters. On FER2013, validation is PublicTest and test is PrivateTest. *Clean*"
        " leaves out the test faces that have an equal or near-equal face in training. Macro F1 and ECE (15 bins) are"
        " without flip averaging."
    ]
    if metrics["ferplus_test"]:
        sentences.append(f"FER+ majority: {FERPLUS_RULE}.")
    if len(metrics.get("heads", ())) > 1:
        sentences.append(
            "The network has two heads on the same features: the head `labels`, which was taught the data set's labels,"
            " gives every row but that of the FER+ majority; this is the one of the head `votes`, which was taught the"
            " FER+ votes and answers in `fer.Classifier` and `fer.Analyzer` unless the other one is asked for."
        )
    sentences += [f"No figure for *{_PARTS[part]}*: {reason}." for part, reason in metrics["left_out"].items()]
    if metrics["is_sample"]:
        sentences.append(
            "**The faces are the package's own drawings: these figures show that the machinery works, and nothing about"
            " photographs.**"
        )
    return " ".join(sentences)


def _render_front_matter(metrics: dict[str, Any]) -> str:
    parts = [part for part in ("test", "test_clean") if metrics[part]]
    # YAML holds JSON as it is, so nested values need no writer of their own.
    results = "\n".join(f"  - {json.dumps(_build_result(metrics, part))}" for part in parts)
    tags = "\n".join(f"- {tag}" for tag in ("facial-expression-recognition", "keras", "jax", "xception"))
    return (
        "---\nlicense: mit\nlibrary_name: keras\npipeline_tag: image-classification\n"
        f"tags:\n{tags}\nmetrics:\n- accuracy\n- f1\n"
        f"model-index:\n- name: {json.dumps('fer-dl-' + metrics['model'])}\n  results:\n{results}\n---"
    )


def _build_result(metrics: dict[str, Any], part: str) -> dict[str, Any]:
    figures = metrics[part]
    return {
        "task": {"type": "image-classification", "name": "Facial expression recognition"},
        "dataset": {"type": metrics["data"], "name": f"{metrics['data']}, {_PARTS[part]}", "split": "test"},
        "metrics": [
            {"type": "accuracy", "name": "Accuracy", "value": figures["accuracy"]},
            {"type": "accuracy", "name": "Accuracy, flip-averaged", "value": figures["flip"]["accuracy"]},
            {"type": "f1", "name": "Macro F1", "value": figures["macro_f1"]},
        ],
    }


def _render_introduction(metrics: dict[str, Any]) -> str:
    names = metrics.get("heads", ["labels"])
    heads = f", a row for each of the heads {' and '.join(names)}" if len(names) > 1 else ""
    return (
        f"# FER-DL `{metrics['model']}`: the expression a face shows\n\n"
        f"A network of the Xception family (Chollet, 2017, arXiv:1610.02357) with {metrics['params']:,} parameters. It"
        " reads one grey face of 48×48 pixels, values 0 to 255 (scaling is inside the network), and gives seven"
        f" probabilities in the order {', '.join(EXPRESSIONS)}{heads}. `model.keras` holds stock Keras layers only and"
        " loads with plain Keras 3 on JAX, TensorFlow and torch. Use it through `fer.Classifier` or `fer.Analyzer`,"
        " which apply the calibration and say when an answer is uncertain."
    )


def _render_calibrated_head(chosen: dict[str, Any]) -> str:
    return (
        f"Chosen on validation: the share {chosen['smoothing']:.3f} of the uniform distribution, which smoothed and"
        " mixed targets left in the answers and which is taken off; offsets of the logits"
        f" ({_render_offsets(chosen['offsets'])}), with which each expression is answered there as often as it occurs;"
        f" then the temperature {chosen['temperature']:.3f} (Guo et al., 2017, arXiv:1706.04599); then the confidence"
        f" {chosen['uncertain_below']:.3f} below which an answer is called uncertain, so that"
        f" {100 * chosen['coverage']:.0f} % of these validation faces keep a certain one. Before → after; *by chance*"
        " is the ECE that perfect confidences would show on so many faces:\n\n"
        f"{render_calibration_table(chosen)}"
    )


def _render_offsets(offsets: list[float]) -> str:
    return ", ".join(f"{name} {offset:+.2f}" for name, offset in zip(EXPRESSIONS, offsets, strict=True))


def _render_protocol() -> str:
    return (
        "## Protocol\n\n"
        "Epoch, settings and calibration were chosen on validation. The test part was read by the evaluation"
        " alone. Every face counts once. Intervals are 95 % percentile bootstrap intervals over faces. Flip-averaged"
        " means the mean of the probabilities of a face and its mirror image. ECE is the expected calibration error in"
        f" 15 bins of equal width. FER+ majority (Barsoum et al., 2016, arXiv:1608.01041): {FERPLUS_RULE}. Published"
        " FER2013 figures include the leaked faces: compare them with the standard test, not with the clean one."
    )


def _render_data(metrics: dict[str, Any]) -> str:
    if metrics["is_sample"]:
        return "## Data\n\nSchematic faces drawn by the package itself from a seed; they are not photographs of people."
    prepared = f"## Data\n\nPrepared set `{metrics['data']}`, sha256 `{metrics['data_sha256']}`."
    return f"{prepared} {_FER2013}" if metrics["data_source"] == "csv" else prepared


_FER2013 = (
    'FER2013 (Goodfellow et al., 2013, "Challenges in Representation Learning") was gathered by web search and'
    " published for research with the ICML 2013 challenge. It is not redistributed with this model, and no image of it"
    " is shown here. The FER+ votes (microsoft/FERPlus) are under the MIT licence; so are the code and the weights of"
    " this model."
)


def _render_training(config: Config, teachers: Mapping[str, str]) -> str:
    phases = "; ".join(
        f"{phase.name}, {phase.epochs} epochs with a peak learning rate of {phase.learning_rate:g}"
        for phase in config.training.phases
    )
    leaked = "were left out" if config.data.drop_leaked else "were kept"
    return (
        "## Training\n\n"
        f"Phases: {phases}. Batches of {config.training.batch_size}, {config.training.optimizer}, seed"
        f" {config.training.seed}. Heads: {', '.join(config.model.heads)}; share of the FER+ vote distribution in the"
        f" targets of `labels`: {config.data.ferplus_weight:g};{_render_teacher(config, teachers)}"
        f" label smoothing: {config.data.label_smoothing:g}. Training faces that stand again in validation or test"
        f" {leaked}. All settings are in `config.json`, the course in `history.csv` and `curves.png`."
    )


def _render_teacher(config: Config, digests: Mapping[str, str]) -> str:
    distillation = config.distillation
    if not distillation.teacher:
        return ""
    teachers = ", ".join(f"`{path}` (sha256 `{digest[:12]}`)" for path, digest in digests.items())
    when = "every changed and mixed face" if distillation.consistent else "each training face, once"
    return f" share of the mean answer of the teachers {teachers} to {when}: {distillation.weight:g};"


_LIMITS = """## Limits and what not to do with it

- **Posed and picked faces.** FER2013 was found by searching the web for words of emotion: mostly posed, frontal faces
  of 48×48 pixels. Expect lower figures on everyday pictures, on turned, covered, small or blurred faces, on children.
- **Noisy labels.** People agree with FER2013's labels on about 65 ± 5 % of the faces (Goodfellow et al., 2013), so part
  of what counts as a mistake here is the label's.
- **Unknown population.** Nobody recorded the age, sex, origin or skin colour of the people shown. Figures for groups of
  people cannot be given, and equal performance must not be assumed.
- **An expression is not a feeling.** The network names the expression that a face shows. It says nothing about what a
  person feels, thinks, intends or will do, and must not be used to infer it or to decide about a person.
- **Law.** In the European Union the AI Act (Regulation (EU) 2024/1689, Article 5(1)(f)) forbids AI systems that infer
  the emotions of people at work and in education, save for medical or safety reasons, since 2 February 2025."""


def _render_origin(metrics: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in metrics["versions"].items())
    commit = metrics["git_commit"] or "none (not in a git repository)"
    return (
        f"## Origin\n\nWritten by `invoke evaluate` from `metrics.json`. Versions: {versions}. Commit: {commit}."
        f" `model.keras` sha256: `{metrics['model_sha256']}`."
    )

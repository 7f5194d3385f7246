"""The figures of ``metrics.json`` as Markdown tables.

``metrics`` is the content of a ``metrics.json``, as :func:`fer.evaluation.evaluate.evaluate_run` returns it.
"""

from typing import Any

from fer.evaluation.metrics import list_absent
from fer.joint import PRIOR_POWER
from fer.labels import EXPRESSIONS

FERPLUS_RULE = (
    "single votes are dropped; a face is kept if more than half of the remaining votes name the same one of the seven"
    " expressions; ties, and faces whose winner is unknown, not a face or contempt, are left out"
)

BLOCKS = {
    "validation": "validation",
    "test": "test",
    "test_clean": "test, clean",
    "ferplus_test": "test, FER+ majority",
}

_HEADS = {
    "labels": "Head `labels`, measured against the labels of the data set.",
    "votes": "Head `votes`, measured against the FER+ majority, on the faces that have one.",
}


def render_figures_table(metrics: dict[str, Any]) -> str:
    """Return the figures of the default answer, then those of the single heads, as Markdown tables with a legend."""
    default = metrics["default"]
    lines = [
        f"The default answer{_name_answer(metrics)}:",
        "",
        "| split | faces | mean recall | accuracy (95 % interval) | flip-averaged | ECE, balanced | certain | right if"
        " certain |",
        "| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: |",
        *(_render_default(title, default[name]) for name, title in BLOCKS.items() if default[name]),
        "",
        "Single heads, for comparison with published figures:",
        "",
        "| split | head | faces | accuracy (95 % interval) | flip-averaged (95 % interval) | macro F1 | ECE |",
        "| --- | --- | ---: | --- | --- | ---: | ---: |",
        *(_render_block(name, title, metrics) for name, title in BLOCKS.items() if metrics[name]),
    ]
    return "\n".join([*lines, "", _render_legend(metrics)])


def render_class_table(metrics: dict[str, Any]) -> str:
    """Return precision, recall and F1 of the default answer per expression, on the test split, as a Markdown table.

    An expression without faces has dashes.
    """
    default = metrics["default"]
    test, clean = default["test"]["per_class"], (default["test_clean"] or {}).get("per_class")
    flip = default["test"]["flip"]["per_class"]
    lines = [
        "| expression | faces | precision | recall | F1 | recall, flip-averaged | recall, clean test |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name in EXPRESSIONS:
        row = test[name]
        figures = [row["precision"], row["recall"], row["f1"], flip[name]["recall"]]
        cells = [f"{figure:.3f}" if row["support"] else "-" for figure in figures]
        cells.append(f"{clean[name]['recall']:.3f}" if clean and clean[name]["support"] else "-")
        lines.append(f"| {name} | {row['support']:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def render_calibration_table(calibration: dict[str, Any]) -> str:
    """Return the effect of one head's calibration on validation and test as a Markdown table."""
    lines = [
        "| split | accuracy | lowest recall | ECE | by chance | log loss | certain | accuracy, certain |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for split in ("validation", "test"):
        row = calibration[split]
        cells = [
            *(_render_change(row, name) for name in ("accuracy", "worst_recall", "ece")),
            f"{row['ece_by_chance']:.3f}",
            _render_change(row, "log_loss"),
            f"{100 * row['coverage']:.1f} %",
            "-" if row["accuracy_certain"] is None else f"{row['accuracy_certain']:.3f}",
        ]
        lines.append(f"| {split} | {' | '.join(cells)} |")
    return "\n".join(lines)


def render_calibrations(metrics: dict[str, Any]) -> str:
    """Return the calibration of each head and its effect as Markdown."""
    heads = [f"{_HEADS[head]} {_render_calibration(block)}" for head, block in metrics["calibration"].items()]
    return "\n\n".join([_describe_default(metrics), *heads])


def _name_answer(metrics: dict[str, Any]) -> str:
    if len(metrics["heads"]) == 1:
        return ""
    is_joint = metrics["default"]["prior"] is not None
    return ", of all heads together" if is_joint else f", of the head `{metrics['heads'][-1]}` alone"


def _describe_default(metrics: dict[str, Any]) -> str:
    default = metrics["default"]
    if default["prior"] is None:
        return f"The default answer is that of the head `{metrics['heads'][-1]}`, with its own calibration."
    return (
        "The default answer: each head's probabilities, its smoothing removed, are divided by the share of each"
        f" expression in its training targets to the power {PRIOR_POWER}, multiplied by a factor for each"
        " expression, averaged over the heads, and given the"
        f" temperature {default['temperature']:.3f}; below the confidence {default['uncertain_below']:.3f} an answer is"
        " called uncertain. Both were fitted on validation with expressions of equal weight."
    )


def _render_default(title: str, figures: dict[str, Any]) -> str:
    cells = [
        title,
        f"{figures['n']:,}",
        f"{figures['mean_recall']:.3f}",
        _render_accuracy(figures),
        f"{figures['flip']['accuracy']:.3f}",
        f"{figures['ece_balanced']:.3f}",
        f"{100 * figures['certain']:.0f} %",
        "-" if figures["accuracy_certain"] is None else f"{figures['accuracy_certain']:.3f}",
    ]
    return f"| {' | '.join(cells)} |"


def _render_block(name: str, title: str, metrics: dict[str, Any]) -> str:
    figures, heads = metrics[name], metrics["heads"]
    head = heads[-1] if name == "ferplus_test" else heads[0]
    accuracies = f"{_render_accuracy(figures)} | {_render_accuracy(figures['flip'])}"
    rest = f"{figures['macro_f1']:.3f} | {figures['ece']:.3f}"
    return f"| {title} | `{head}` | {figures['n']:,} | {accuracies} | {rest} |"


def _render_accuracy(figures: dict[str, Any]) -> str:
    low, high = figures["accuracy_ci95"]
    return f"{figures['accuracy']:.3f} ({low:.3f}-{high:.3f})"


def _render_change(row: dict[str, Any], name: str) -> str:
    return f"{row[f'{name}_before']:.3f} → {row[f'{name}_after']:.3f}"


def _describe_absent(metrics: dict[str, Any]) -> list[str]:
    """Return a sentence for each block without faces of some expression."""
    absent = {title: list_absent(metrics[name]["per_class"]) for name, title in BLOCKS.items() if metrics[name]}
    return [
        f"No face of *{title}* is {' or '.join(names)}: mean recall and macro F1 there are means over the"
        f" {len(EXPRESSIONS) - len(names)} other expressions."
        for title, names in absent.items()
        if names
    ]


def _render_legend(metrics: dict[str, Any]) -> str:
    absent = _describe_absent(metrics)
    sentences = [
        f"Data set `{metrics['data']}`, fingerprint `{metrics['data_sha256'][:12]}`; network `{metrics['model']}`,"
        f" {metrics['params']:,} parameters. On FER2013, validation is PublicTest and test is PrivateTest. *Clean*"
        " leaves out the test faces that have an exact or near-duplicate in train. All columns but flip-averaged ones"
        f" are of single predictions. Mean recall is the mean over the {'' if absent else 'seven '}expressions"
        f"{' with faces' if absent else ''}; balanced ECE (15 bins) gives each expression the same weight. *Certain* is"
        " the share of faces whose answer is not called uncertain.",
        *absent,
    ]
    if metrics["ferplus_test"]:
        sentences.append(f"FER+ majority: {FERPLUS_RULE}.")
    if len(metrics["heads"]) > 1:
        sentences.append(
            "The network has two heads on the same features: `labels` was trained on the labels of the data set,"
            " `votes` on the FER+ votes."
        )
    if len(metrics["heads"]) > 1 and metrics["default"]["prior"] == "balanced":
        sentences.append(
            "By default both answer together, and every expression is taken to be equally"
            " likely (`prior='balanced'`), which serves a person in front of a camera and costs accuracy on FER2013,"
            " where happy and neutral faces are frequent."
        )
    sentences += [f"No figure for *{BLOCKS[name]}*: {reason}." for name, reason in metrics["left_out"].items()]
    if metrics["is_sample"]:
        sentences.append(
            "**The faces are drawings made by this package: the figures show that the code works, and are not evidence"
            " about photographs.**"
        )
    return " ".join(sentences)


def _render_calibration(calibration: dict[str, Any]) -> str:
    return (
        f"Fitted on validation, in this order: the smoothing {calibration['smoothing']:.3f}, the share of the uniform"
        " distribution that training on smoothed and mixed targets left in the probabilities, which is removed; the"
        f" temperature {calibration['temperature']:.3f} (Guo et al., 2017,"
        f" arXiv:1706.04599); the confidence {calibration['uncertain_below']:.3f} below which a prediction is called"
        f" uncertain, which {100 * calibration['coverage']:.0f} % of the validation faces reach. Figures are given"
        " before → after calibration; *by chance* is the expected ECE of a perfectly calibrated network with these"
        f" confidences on as many faces:\n\n{render_calibration_table(calibration)}"
    )

"""``robustness.json``: reading it, and its figures as Markdown."""

from typing import Any

import numpy as np

from fer.config import read_json
from fer.data.drawn.sample import draw_sample_face
from fer.files import name_missing_keys
from fer.runs import Run
from fer.vision.corruptions import NUM_SEVERITIES, corrupt_faces

#: What the model card says of a run without these figures.
NOT_MEASURED = "Not measured for this network. `invoke robustness` measures it."
#: The drawn face that shows the severities: a clear one of those with this expression.
_SHOWN_EXPRESSION, _SHOWN_INDEX = "happy", 0


def read_robustness(run: Run, model_sha256: str) -> dict[str, Any] | None:
    """Return the content of a run's ``robustness.json``; None if there is none, or if it is of another network.

    Args:
        run: the run.
        model_sha256: digest of its network.

    Raises:
        SettingsError: the file is damaged.
        ModelError: it lacks a key, here or when the key is looked up.
    """
    if not run.robustness.is_file():
        return None
    figures = name_missing_keys(read_json(run.robustness), run.robustness, f"run `invoke robustness` on {run.folder}")
    return figures if figures["model_sha256"] == model_sha256 else None


def render_robustness(figures: dict[str, Any] | None) -> str:
    """Return the content of a ``robustness.json`` as Markdown: the means, then a table with a row per corruption."""
    if figures is None:
        return NOT_MEASURED
    heads = [kind for kind in figures["clean"] if kind != "default"]
    lines = [
        _render_means(figures, heads),
        "",
        f"| corruption | severities | 1 | 2 | 3 | 4 | 5 | mean | mean recall |{''.join(f' `{h}` |' for h in heads)}",
        f"| --- | --- |{' ---: |' * (7 + len(heads))}",
        *(_render_row(block, heads) for block in figures["corruptions"].values()),
    ]
    return "\n".join([*lines, "", _render_legend(figures, heads)])


def draw_severities(name: str) -> np.ndarray:
    """Return a drawn face as it is and in each severity of a corruption, uint8 (6, 48, 48)."""
    face = draw_sample_face(_SHOWN_EXPRESSION, _SHOWN_INDEX)[None]
    return np.concatenate([face, *(corrupt_faces(face, name, severity) for severity in range(1, NUM_SEVERITIES + 1))])


def _render_means(figures: dict[str, Any], heads: list[str]) -> str:
    mean, clean = figures["mean"], figures["clean"]
    low, high = mean["default"]["accuracy_ci95"]
    single = ", ".join(f"`{h}` {mean[h]['accuracy']:.3f} (clean {clean[h]['accuracy']:.3f})" for h in heads)
    return (
        f"**Mean corruption accuracy {mean['default']['accuracy']:.3f}** ({low:.3f}-{high:.3f}) of the default answer,"
        f" where faces as they are give {clean['default']['accuracy']:.3f}; mean recall"
        f" {mean['default']['mean_recall']:.3f}, clean {clean['default']['mean_recall']:.3f}. Accuracy of single heads,"
        f" each against its own targets: {single}."
    )


def _render_row(block: dict[str, Any], heads: list[str]) -> str:
    default = block["default"]
    values = ", ".join(f"{value:g}" for value in block["values"])
    cells = [block["title"], f"{block['unit']}: {values}", *(f"{figure:.3f}" for figure in default["accuracy"])]
    means = [default["accuracy"], default["mean_recall"], *(block[head]["accuracy"] for head in heads)]
    return f"| {' | '.join(cells + [f'{np.mean(figures):.3f}' for figures in means])} |"


def _render_legend(figures: dict[str, Any], heads: list[str]) -> str:
    sentences = [
        f"Data set `{figures['data']}`, {figures['part']}, {figures['n']:,} faces, fingerprint"
        f" `{figures['data_sha256'][:12]}`; network `{figures['model']}`, `{figures['model_sha256'][:12]}`; seed"
        f" {figures['seed']}. Columns 1 to 5 and *mean* are the accuracy of the default answer, *mean recall* its mean"
        f" recall over all severities{', the last columns the mean accuracy of each head' if heads else ''}. Intervals"
        " are 95 % intervals over faces."
    ]
    for block in figures["corruptions"].values():
        if "detected" in block:
            shares = ", ".join(f"{100 * share:.0f}" for share in block["detected"])
            sentences.append(
                f"Under {block['title'].lower()}, an answer is right only if the face is also detected: {shares} % of"
                f" the faces are, and {100 * figures['clean_detected']:.0f} % of faces as they are."
            )
    if figures["is_sample"]:
        sentences.append("**The faces are drawings made by this package.**")
    return " ".join(sentences)

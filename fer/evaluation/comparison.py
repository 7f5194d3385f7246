"""A fine-tuned run against the run that it started from: on held-out faces, and on FER2013, for what it forgot."""

import json
from typing import Any

import numpy as np

from fer.data.dataset import Dataset
from fer.data.leaks import find_near_duplicates
from fer.evaluation.metrics import compute_wilson_interval, summarize
from fer.evaluation.metrics_file import round_figures
from fer.evaluation.photo_check import compute_difference
from fer.files import compute_digest, write_atomically
from fer.inference import Classifier
from fer.runs import Run


def compare_runs(initial: Run, run: Run, dataset: Dataset, reference: Dataset | None = None) -> dict[str, Any]:
    """Measure the default answers of two runs on the same faces and write ``comparison.json`` into the second's folder.

    Args:
        initial: the run before fine-tuning.
        run: the fine-tuned run.
        dataset: the data set of the fine-tuning; its test split is held out.
        reference: the data set of the initial run, usually FER2013; its validation split shows what was forgotten.

    Returns:
        ``held_out`` and ``reference``, each with ``n``, ``dropped`` (faces with a near-duplicate among those that the
        other network was trained on), ``before`` and ``after`` (figures of the default answers), and the difference
        of their accuracies in percentage points with its 95 % interval. A block without faces is None.
    """
    networks = [Classifier.load(folder, runtime="keras") for folder in (initial.folder, run.folder)]
    train = dataset.faces[dataset.is_in("train")]
    held_out = dataset.part("test")
    seen = reference.faces[reference.is_in("train")] if reference is not None else train[:0]
    figures: dict[str, Any] = {
        "initial_run": initial.name,
        "initial_sha256": compute_digest(initial.model),
        "model_sha256": compute_digest(run.model),
        "data": dataset.name,
        "data_sha256": dataset.fingerprint,
        "layers": run.read_config().training.layers,
        "train_faces": len(train),
        "held_out": _compare(networks, held_out, seen),
        "reference_data": None,
        "reference": None,
    }
    if reference is not None:
        figures["reference_data"] = reference.name
        figures["reference"] = _compare(networks, reference.part("validation"), train)
    figures = round_figures(figures)
    write_atomically(run.comparison, json.dumps(figures, indent=2, allow_nan=False) + "\n")
    return figures


def render_comparison(figures: dict[str, Any]) -> str:
    """Return the content of a ``comparison.json`` as a Markdown table with a legend."""
    lines = [
        "| faces | network | accuracy (95 % interval) | mean recall | ECE |",
        "| --- | --- | --- | ---: | ---: |",
    ]
    differences = []
    names = {"held_out": f"`{figures['data']}`, test", "reference": f"`{figures['reference_data']}`, validation"}
    for key, name in names.items():
        block = figures[key]
        if block is None:
            continue
        for moment in ("before", "after"):
            row = block[moment]
            low, high = row["accuracy_ci95"]
            lines.append(
                f"| {name}, {block['n']:,} | {moment} | {row['accuracy']:.3f} ({low:.3f}-{high:.3f})"
                f" | {row['mean_recall']:.3f} | {row['ece']:.3f} |"
            )
        low, high = block["difference_ci95"]
        differences.append(f"{name}: {block['difference_points']:+.1f} points of accuracy ({low:+.1f} to {high:+.1f})")
    return "\n".join([*lines, "", _render_legend(figures, differences)])


def _render_legend(figures: dict[str, Any], differences: list[str]) -> str:
    layers = "all layers" if figures["layers"] == "all" else "the last layer alone"
    if not differences:
        differences = ["No face is left to compare: each has a near-duplicate among training faces"]
    dropped = sum(figures[key]["dropped"] for key in ("held_out", "reference") if figures[key])
    return (
        f"Trained further from `{figures['initial_run']}` on {figures['train_faces']:,} faces of `{figures['data']}`"
        f" (fingerprint `{figures['data_sha256'][:12]}`): {layers}. Figures are of the default answer; accuracies have"
        f" Wilson's interval. {'; '.join(differences)}. Left out as near-duplicates of training faces: {dropped}."
    )


def _compare(networks: list[Classifier], split: Dataset, seen: np.ndarray) -> dict[str, Any] | None:
    """Return the figures of both networks on the faces of a split without a near-duplicate among the seen ones."""
    kept = ~find_near_duplicates(split.faces, seen)[0]
    if not kept.any():
        return None
    faces, y_true = split.faces[kept], split.labels[kept]
    before, after = (network.predict(faces) for network in networks)
    difference, interval = compute_difference(before.argmax(axis=1) == y_true, after.argmax(axis=1) == y_true)
    return {
        "n": len(faces),
        "dropped": int((~kept).sum()),
        "before": _summarize(before, y_true),
        "after": _summarize(after, y_true),
        "difference_points": difference,
        "difference_ci95": interval,
    }


def _summarize(probabilities: np.ndarray, y_true: np.ndarray) -> dict[str, Any]:
    figures = summarize(probabilities, y_true)
    num_correct = int((probabilities.argmax(axis=1) == y_true).sum())
    kept = {name: figures[name] for name in ("accuracy", "mean_recall", "ece")}
    return kept | {"accuracy_ci95": compute_wilson_interval(num_correct, len(y_true))}

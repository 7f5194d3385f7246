"""Which labels of a data set may be wrong? Faces whose label a network and the FER+ annotators both contradict.

A network has learnt the labels of its own training faces, so its disagreement with one of them is strong evidence, and
its agreement is weak evidence. Suspects are to be looked at: nothing is changed.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from fer.data.dataset import SPLITS, Dataset
from fer.data.ferplus import compute_ferplus_distribution, compute_ferplus_majority, compute_not_face
from fer.data.leaks import group_duplicates
from fer.errors import DataError
from fer.inference import Classifier
from fer.labels import EXPRESSIONS

#: The columns of the table of suspects; ``row`` counts the rows of the prepared data set from 0.
COLUMNS = (
    "row",
    "split",
    "label",
    "suggested",
    "doubt",
    "reasons",
    "network",
    "network_label",
    "votes",
    "votes_label",
    "duplicates",
)


@dataclass(frozen=True, eq=False)
class LabelCheck:
    """Result of :func:`check_labels`.

    Args:
        suspects: one row per suspect with :data:`COLUMNS`, by label and falling doubt.
        summary: one row per expression and one for all: numbers of faces, of suspects by reason, and what the suspects
            are taken for most often.
    """

    suspects: pd.DataFrame
    summary: pd.DataFrame


def check_labels(dataset: Dataset, classifier: Classifier) -> LabelCheck:
    """Find the faces whose labels may be wrong.

    A face is a suspect for one or more reasons. ``disagreement``: the network's most probable expression is not the
    label, and neither is that of most annotators; without votes, the network must be certain. ``not a face``: most
    annotators say so. ``duplicate``: an equal image has another label.

    Args:
        dataset: a prepared data set.
        classifier: the network; its head 'labels' answers, if it has one, so that the answer is not that of the votes
            again.

    Raises:
        DataError: the data set has no faces.
    """
    if not len(dataset):
        raise DataError(f"A check of labels needs faces. Received: data set {dataset.name!r} with none.")
    judge = classifier.with_head(classifier.heads[0])
    probabilities = judge.predict(dataset.faces)
    has_votes = np.asarray(dataset.votes.any(axis=1))
    shares, majority = compute_ferplus_distribution(dataset.votes), compute_ferplus_majority(dataset.votes)
    rows, labels = np.arange(len(dataset)), dataset.labels
    network = probabilities.argmax(axis=1)
    certain = probabilities.max(axis=1) >= judge.calibration.uncertain_below
    contradicted = np.where(has_votes, (majority >= 0) & (majority != labels), certain)
    evidence = np.where(has_votes[:, None], (probabilities + shares) / 2.0, probabilities)
    duplicates = find_unequal_duplicates(dataset)
    reasons = {
        "disagreement": (network != labels) & contradicted,
        "not a face": has_votes & compute_not_face(dataset.votes),
        "duplicate": np.array([bool(others) for others in duplicates]),
    }
    table = pd.DataFrame(
        {
            "row": rows,
            "split": np.array(SPLITS)[dataset.split],
            "label": _name(labels),
            "suggested": np.where(reasons["not a face"], "", _name(evidence.argmax(axis=1))),
            "doubt": (1.0 - evidence[rows, labels]).round(4),
            "reasons": _join_reasons(reasons),
            "network": _name(network),
            "network_label": probabilities[rows, labels].round(4),
            "votes": np.where(majority >= 0, _name(np.maximum(majority, 0)), ""),
            "votes_label": np.where(has_votes, shares[rows, labels].round(4), np.nan),
            "duplicates": duplicates,
        },
        columns=list(COLUMNS),
    )
    order = np.lexsort((rows, -table["doubt"].to_numpy(), labels))
    suspects = table.iloc[order[np.logical_or.reduce(list(reasons.values()))[order]]].reset_index(drop=True)
    return LabelCheck(suspects, _summarize(table, suspects, reasons))


def find_unequal_duplicates(dataset: Dataset) -> list[str]:
    """Return for each face the rows and labels of equal images with another label, such as ``12 sad, 40 sad``."""
    groups = group_duplicates(dataset.faces)
    members: dict[int, list[int]] = {}
    for row, group in enumerate(groups.tolist()):
        members.setdefault(group, []).append(row)
    return [
        ", ".join(
            f"{other} {EXPRESSIONS[dataset.labels[other]]}"
            for other in members[group]
            if dataset.labels[other] != dataset.labels[row]
        )
        for row, group in enumerate(groups.tolist())
    ]


def _name(classes: np.ndarray) -> np.ndarray:
    names: np.ndarray = np.array(EXPRESSIONS)[classes]
    return names


def _join_reasons(reasons: dict[str, np.ndarray]) -> list[str]:
    rows = zip(*reasons.values(), strict=True)
    return [", ".join(name for name, applies in zip(reasons, row, strict=True) if applies) for row in rows]


def _summarize(table: pd.DataFrame, suspects: pd.DataFrame, reasons: dict[str, np.ndarray]) -> pd.DataFrame:
    rows = []
    for name in (*EXPRESSIONS, "all"):
        is_in = (table["label"] == name).to_numpy() | (name == "all")
        disagreeing = suspects[suspects["reasons"].str.contains("disagreement")]
        if name != "all":
            disagreeing = disagreeing[disagreeing["label"] == name]
        counts = {reason: int((applies & is_in).sum()) for reason, applies in reasons.items()}
        taken_for = disagreeing["suggested"].value_counts()
        rows.append(
            {"label": name, "faces": int(is_in.sum())}
            | counts
            | {"most often taken for": taken_for.index[0] if len(taken_for) and name != "all" else ""}
        )
    return pd.DataFrame(rows)

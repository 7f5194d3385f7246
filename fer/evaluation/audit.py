"""Audit of groups: does a network serve each group of a user's labelled faces equally well?

Shares have Wilson's 95 % interval. Means and differences of shares have the interval that follows from those of their
parts (the method of variance estimates recovery).

References:
    Wilson, 1927, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22.
    Newcombe, 1998, "Interval Estimation for the Difference between Independent Proportions", Statistics in Medicine 17.
    Zou and Donner, 2008, "Construction of Confidence Limits about Effect Measures", Statistics in Medicine 27.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from fer.analysis import Analyzer
from fer.errors import DataError
from fer.evaluation.labelled_table import LabelledTable, count_groups
from fer.evaluation.metrics import compute_wilson_interval
from fer.files import show_path
from fer.labels import EXPRESSIONS
from fer.vision.images import ImageSource

#: The name of all rows together, as if they were a group.
ALL = "(all)"
#: A group of fewer faces is too small to be called the best or the worst.
FEW_FACES = 30


@dataclass(frozen=True)
class Share:
    """A share, or a mean or difference of shares, with its 95 % interval.

    Args:
        value: the estimate.
        low: lower end of the interval.
        high: its upper end.
        n: number of faces.
    """

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class GroupFigures:
    """The figures of one group.

    Args:
        name: the group.
        n: number of faces.
        detected: share of the faces that were detected; None if the table holds faces already.
        accuracy: share of right answers; a face that is not detected has none.
        recalls: the same for the faces of each expression that the group has.
        mean_recall: mean of the recalls.
    """

    name: str
    n: int
    detected: Share | None
    accuracy: Share
    recalls: dict[str, Share]
    mean_recall: Share


@dataclass(frozen=True)
class Audit:
    """Result of :func:`audit_groups`.

    Args:
        total: the figures of all rows together.
        groups: those of each group, the largest first.
        notes: what was left out, and why.
    """

    total: GroupFigures
    groups: tuple[GroupFigures, ...]
    notes: tuple[str, ...] = ()

    @property
    def worst_and_best(self) -> tuple[GroupFigures, GroupFigures]:
        """The groups of lowest and highest accuracy, among those that are large enough if two are."""
        ordered = sorted(self.groups, key=lambda figures: figures.accuracy.value)
        large = [figures for figures in ordered if figures.n >= FEW_FACES]
        compared = large if len(large) > 1 else ordered
        return compared[0], compared[-1]


def audit_groups(table: LabelledTable, analyzer: Analyzer, images: Iterable[ImageSource] | None = None) -> Audit:
    """Measure an analyzer on each group of a labelled table.

    In an image with several faces, the one that is detected with the highest score counts.

    Args:
        table: faces or images with labels and groups.
        analyzer: predicts them; it takes whole images if the table holds faces.
        images: the sources of the table, if they are to be read through a progress bar.

    Raises:
        DataError: no image of the table can be read.
    """
    y_pred = np.full(len(table.groups), -1)
    errors: list[tuple[int, str]] = []
    for row, analyzed in enumerate(analyzer.analyze_images(table.sources if images is None else images)):
        if analyzed.error is not None:
            errors.append((row, analyzed.error))
        elif analyzed.faces:
            y_pred[row] = EXPRESSIONS.index(analyzed.faces[0].label)
    readable = np.ones(len(y_pred), bool)
    readable[[row for row, _ in errors]] = False
    if not readable.any():
        raise DataError(
            f"An audit needs images that can be read. Received: {show_path(table.path)} with none ({errors[0][1]})."
        )
    notes = [*table.notes]
    if errors:
        listed = ", ".join(show_path(table.sources[row].name) for row, _ in errors[:3]) + ", …" * (len(errors) > 3)
        notes.append(f"{len(errors):,} images cannot be read and are left out: {listed}.")
    groups = np.array(table.groups)

    def measure(name: str, rows: np.ndarray) -> GroupFigures:
        return compute_group(name, table.y_true[rows], y_pred[rows], is_detected=not table.is_faces)

    names = [name for name in count_groups(table) if (readable & (groups == name)).any()]
    figures = tuple(measure(name, readable & (groups == name)) for name in names)
    return Audit(measure(ALL, readable), figures, tuple(notes))


def compute_group(name: str, y_true: np.ndarray, y_pred: np.ndarray, *, is_detected: bool = False) -> GroupFigures:
    """Return the figures of one group.

    Args:
        name: the group.
        y_true: int (N,), class indices 0..6, N above 0.
        y_pred: int (N,), predicted classes; -1 where no face was detected.
        is_detected: whether faces had to be detected.
    """
    correct = y_true == y_pred
    recalls = {EXPRESSIONS[label]: compute_share(correct[y_true == label]) for label in np.unique(y_true)}
    weights = [1.0 / len(recalls)] * len(recalls)
    return GroupFigures(
        name=name,
        n=len(y_true),
        detected=compute_share(y_pred >= 0) if is_detected else None,
        accuracy=compute_share(correct),
        recalls=recalls,
        mean_recall=combine_shares(list(recalls.values()), weights),
    )


def compute_share(hits: np.ndarray) -> Share:
    """Return the share of true values among bool (N,), N above 0, with Wilson's interval."""
    n, count = len(hits), int(hits.sum())
    return Share(count / n, *compute_wilson_interval(count, n), n)


def combine_shares(shares: Sequence[Share], weights: Sequence[float]) -> Share:
    """Return the weighted sum of independent shares: a mean, or with weights 1 and -1 a difference."""
    value = sum(weight * share.value for share, weight in zip(shares, weights, strict=True))
    below = above = 0.0
    for share, weight in zip(shares, weights, strict=True):
        to_low, to_high = weight * (share.value - share.low), weight * (share.high - share.value)
        # A negative weight exchanges the ends.
        below += to_low**2 if weight > 0 else to_high**2
        above += to_high**2 if weight > 0 else to_low**2
    return Share(value, value - below**0.5, value + above**0.5, sum(share.n for share in shares))


def compute_gap(audit: Audit) -> Share:
    """Return the accuracy of the best group minus that of the worst."""
    worst, best = audit.worst_and_best
    return combine_shares([best.accuracy, worst.accuracy], [1.0, -1.0])

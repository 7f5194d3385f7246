"""Evaluation of trained networks: figures, plots, model cards, the photo check and the documents that show them."""

from typing import TYPE_CHECKING

from fer.lazy import export_lazily

if TYPE_CHECKING:
    from fer.evaluation.evaluate import evaluate_run
    from fer.evaluation.metrics_file import read_metrics

__all__ = ["evaluate_run", "read_metrics"]

__getattr__ = export_lazily(
    __name__, {"evaluate_run": "fer.evaluation.evaluate", "read_metrics": "fer.evaluation.metrics_file"}
)

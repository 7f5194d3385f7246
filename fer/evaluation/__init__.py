"""Evaluation of trained networks: figures, plots, model cards, the photo check and the documents that show them."""

from typing import TYPE_CHECKING

from fer.lazy import export_lazily

if TYPE_CHECKING:
    from fer.evaluation.comparison import compare_runs
    from fer.evaluation.evaluate import evaluate_run
    from fer.evaluation.metrics_file import read_metrics

__all__ = ["compare_runs", "evaluate_run", "read_metrics"]

__getattr__ = export_lazily(
    __name__,
    {
        "compare_runs": "fer.evaluation.comparison",
        "evaluate_run": "fer.evaluation.evaluate",
        "read_metrics": "fer.evaluation.metrics_file",
    },
)

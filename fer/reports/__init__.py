"""What ``invoke predict`` and ``invoke video`` write: tables, annotated copies, summaries and timelines.

The names are imported on first use, so that ``fer.reports.timeline`` does not import pandas.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fer.reports.images import predict_files
    from fer.reports.tables import faces_to_table
    from fer.reports.videos import process_video

__all__ = ["faces_to_table", "predict_files", "process_video"]

_MODULES = {"faces_to_table": "tables", "predict_files": "images", "process_video": "videos"}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"fer.reports.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'fer.reports' has no attribute {name!r}")

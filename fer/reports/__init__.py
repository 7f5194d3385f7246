"""What ``invoke predict`` and ``invoke video`` write: tables, annotated copies, summaries and timelines.

The names are exported lazily: pandas takes long to import, and the live tab needs only the bins of a timeline.
"""

from typing import TYPE_CHECKING

from fer.lazy import export_lazily

if TYPE_CHECKING:
    from fer.reports.images import predict_files
    from fer.reports.tables import faces_to_table
    from fer.reports.videos import process_video, process_videos

__all__ = ["faces_to_table", "predict_files", "process_video", "process_videos"]

__getattr__ = export_lazily(
    __name__,
    {
        "faces_to_table": "fer.reports.tables",
        "predict_files": "fer.reports.images",
        "process_video": "fer.reports.videos",
        "process_videos": "fer.reports.videos",
    },
)

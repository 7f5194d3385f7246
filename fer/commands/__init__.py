"""One function per task: build the settings, call the package, print the result.

Options are those of the task of the same name in ``fer/tasks/``, which describes them. ``log`` is called with each line
of output.

The names are exported lazily, so that a command imports only what it needs.
"""

from typing import TYPE_CHECKING

from fer.lazy import export_lazily

if TYPE_CHECKING:
    from fer.commands.analysis import batch, predict, video
    from fer.commands.data import preprocess, relight
    from fer.commands.evaluation import audit, evaluate, experiments, labels, photos, robustness
    from fer.commands.formats import export
    from fer.commands.speed import bench
    from fer.commands.training import average, finetune, pipeline, train
    from fer.commands.web import app, space

__all__ = [
    "app",
    "audit",
    "average",
    "batch",
    "bench",
    "evaluate",
    "experiments",
    "export",
    "finetune",
    "labels",
    "photos",
    "pipeline",
    "predict",
    "preprocess",
    "relight",
    "robustness",
    "space",
    "train",
    "video",
]

__getattr__ = export_lazily(
    __name__,
    {
        "app": "fer.commands.web",
        "audit": "fer.commands.evaluation",
        "average": "fer.commands.training",
        "batch": "fer.commands.analysis",
        "bench": "fer.commands.speed",
        "evaluate": "fer.commands.evaluation",
        "experiments": "fer.commands.evaluation",
        "export": "fer.commands.formats",
        "finetune": "fer.commands.training",
        "labels": "fer.commands.evaluation",
        "photos": "fer.commands.evaluation",
        "pipeline": "fer.commands.training",
        "predict": "fer.commands.analysis",
        "preprocess": "fer.commands.data",
        "relight": "fer.commands.data",
        "robustness": "fer.commands.evaluation",
        "space": "fer.commands.web",
        "train": "fer.commands.training",
        "video": "fer.commands.analysis",
    },
)

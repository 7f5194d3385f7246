"""The tasks of the package: names, options and their help, for ``invoke`` in a checkout and for ``fer-dl`` anywhere.

A task calls the function of the same name in :mod:`fer.commands` with its options.
"""

from fer.tasks.analysis import batch, predict, video
from fer.tasks.data import preprocess, relight
from fer.tasks.evaluation import audit, evaluate, experiments, labels, photos, robustness
from fer.tasks.formats import export
from fer.tasks.speed import bench
from fer.tasks.training import average, finetune, pipeline, train
from fer.tasks.web import app, space

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

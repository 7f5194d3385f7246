"""From a data set to a run: augmentation, batches, distillation, the training loop, checkpoints and curves."""

from typing import TYPE_CHECKING

from fer.lazy import export_lazily

if TYPE_CHECKING:
    from fer.training.loop import TrainedRun, train

__all__ = ["TrainedRun", "train"]

__getattr__ = export_lazily(__name__, {"TrainedRun": "fer.training.loop", "train": "fer.training.loop"})

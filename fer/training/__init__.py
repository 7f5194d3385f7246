"""From a data set to a run: augmentation, batches, distillation, the training loop, checkpoints and curves."""

from typing import TYPE_CHECKING

from fer.lazy import export_lazily

if TYPE_CHECKING:
    from fer.training.averaging import average
    from fer.training.connection import connect_hosts
    from fer.training.finetuning import finetune
    from fer.training.hosts import refuse_hosts
    from fer.training.loop import TrainedRun, train
    from fer.training.recalibration import recalibrate

__all__ = ["TrainedRun", "average", "connect_hosts", "finetune", "recalibrate", "refuse_hosts", "train"]

__getattr__ = export_lazily(
    __name__,
    {
        "TrainedRun": "fer.training.loop",
        "average": "fer.training.averaging",
        "connect_hosts": "fer.training.connection",
        "finetune": "fer.training.finetuning",
        "recalibrate": "fer.training.recalibration",
        "refuse_hosts": "fer.training.hosts",
        "train": "fer.training.loop",
    },
)

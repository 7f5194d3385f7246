"""Layers that keep their initial weights while others are trained."""

import keras

from fer.config import Layers
from fer.model.xception import LOGITS_LAYER


def freeze_layers(model: keras.Model, layers: Layers) -> None:
    """Make a network train only the layers that a setting names; a frozen batch normalisation keeps its statistics.

    Args:
        model: a network whose optimiser is not built yet.
        layers: every layer, or the last one alone.
    """
    if layers == "head":
        for layer in model.layers:
            layer.trainable = layer.name == LOGITS_LAYER

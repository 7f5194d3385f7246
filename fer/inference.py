"""The one way from faces to probabilities: training's reports, the command line and the web app all pass here."""

import copy
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fer.calibration import Calibration, Calibrations, apply_calibration
from fer.config import HEADS, Config, Head
from fer.errors import ImageError, ModelError
from fer.labels import EXPRESSIONS
from fer.model.compile_cache import use_compile_cache
from fer.model.forward import compile_forward, run_in_batches
from fer.model.layers import use_fast_layers
from fer.model.saved import load_model
from fer.model.xception import FEATURES_LAYER, IMAGE_SHAPE, LOGITS_LAYER
from fer.runs import Run
from fer.vision.images import prepare_face


class Classifier:
    """A trained network that turns faces into calibrated probabilities of the seven expressions.

    A network may have two heads on the same features: 'labels' was taught the data set's labels, 'votes' what the ten
    annotators of FER+ saw. Annotators agree more with each other than with FER2013's labels, so 'votes' answers where
    both are there; :meth:`with_head` asks the other one.

    Args:
        model: a functional network from (N, 48, 48, 1), 0..255, to probabilities (N, 7), or (N, heads, 7).
        config: settings of the run that it came from, where they are known.
        calibrations: the calibration of each head, where they are known.

    Attributes:
        heads: the network's heads, in order.
        head: the one that answers.
        num_params: number of weights of the network.
    """

    def __init__(
        self, model: keras.Model, config: Config | None = None, calibrations: Calibrations | None = None
    ) -> None:
        _check_shapes(model)
        self.config = config
        self.calibrations = calibrations or {}
        self.heads = config.model.heads if config is not None else HEADS[: _count_heads(model)]
        if len(self.heads) != _count_heads(model):
            raise ModelError(
                f"A network must have the heads of its settings, {', '.join(self.heads)}. Received: a network with"
                f" {_count_heads(model)}. Remedy: use the config.json that was written with it."
            )
        self.head: Head = "votes" if "votes" in self.heads else self.heads[0]
        self.num_params = int(model.count_params())
        self.model = use_fast_layers(model)
        self._forward = compile_forward(self.model)
        self._map_features: Callable[[np.ndarray], np.ndarray] | None = None
        # The backends' own caches are not promised to be safe under several threads, and one network uses all cores.
        self._lock = threading.Lock()

    @classmethod
    def load(cls, path: str | Path | None = None) -> "Classifier":
        """Load a network.

        Args:
            path: a run folder or a ``.keras`` file; None for the shipped run.

        Raises:
            ModelError: there is no such network, the file is damaged, or it is not one of this package's form.
        """
        if keras.backend.backend() == "jax":
            # Keras draws fresh weights before it reads saved ones, and JAX compiles a program for each of their shapes.
            use_compile_cache()
        run = Run.find_shipped() if path is None else Run(Path(path))
        if not run.folder.is_dir():
            return cls(load_model(run.folder))
        config = run.read_config()
        return cls(load_model(run.model), config, run.read_calibrations())

    @property
    def calibration(self) -> Calibration:
        """Calibration of the head that answers; one that changes nothing where it is not known."""
        return self.calibrations.get(self.head, Calibration())

    def with_head(self, head: Head) -> "Classifier":
        """Return a classifier on the same network in which the given head answers.

        Raises:
            ModelError: the network has no such head.
        """
        if head not in self.heads:
            raise ModelError(
                f"A head must be one of the network's: {', '.join(self.heads)}. Received: {head!r}."
                " Remedy: train with model.heads."
            )
        other = copy.copy(self)
        other.head = head
        return other

    def predict(self, faces: np.ndarray, flip: bool = False) -> np.ndarray:
        """Return calibrated probabilities.

        Args:
            faces: uint8 (N, H, W) grey or (N, H, W, 3) RGB, 0..255; resized to 48 by 48 where they are not.
            flip: average the probabilities of each face and its mirror image.

        Returns:
            float32 (N, 7), rows summing to 1, in the order of ``fer.EXPRESSIONS``.

        Raises:
            ImageError: the array has another type or shape.
        """
        faces = prepare_faces(faces)
        probabilities = self._calibrate(self._run(faces))
        if flip:
            probabilities = (probabilities + self._calibrate(self._run(faces[:, :, ::-1]))) / 2.0
        return probabilities

    def predict_raw(self, faces: np.ndarray, flip: bool = False) -> np.ndarray:
        """Return the network's own probabilities, as they are before the calibration."""
        faces = prepare_faces(faces)
        probabilities = self._run(faces)
        return (probabilities + self._run(faces[:, :, ::-1])) / 2.0 if flip else probabilities

    def predict_heads(self, faces: np.ndarray) -> np.ndarray:
        """Return the network's own probabilities of every head, before calibration.

        Args:
            faces: as for :meth:`predict`.

        Returns:
            float32 (N, heads, 7), in the order of ``heads`` and of ``fer.EXPRESSIONS``; rows sum to 1.

        Raises:
            ImageError: the array has another type or shape.
        """
        faces = prepare_faces(faces)
        shape = len(faces), len(self.heads), len(EXPRESSIONS)
        if not len(faces):
            return np.zeros(shape, np.float32)
        with self._lock:
            return run_in_batches(self._forward, faces).reshape(shape)

    def explain(self, faces: np.ndarray, class_index: int | np.ndarray | None = None) -> np.ndarray:
        """Return class activation maps: where in each face the evidence for an expression lies.

        The network ends in global average pooling and a dense layer, so the map, the last feature maps summed with the
        weights of the class, is exact up to its scale; negative evidence is set to 0 and each map is scaled to reach 1.

        Args:
            faces: as for :meth:`predict`.
            class_index: the class, one for all or int (N,); None for each face's most probable one.

        Returns:
            float32 (N, 48, 48), 0..1.

        Raises:
            ModelError: the network does not end in this way.

        Reference:
            Zhou et al., 2016, "Learning Deep Features for Discriminative Localization", arXiv:1512.04150, equation 2.
        """
        faces = prepare_faces(faces)
        if not len(faces):
            return np.zeros((0, *IMAGE_SHAPE[:2]), np.float32)
        chosen = self.predict(faces).argmax(axis=1) if class_index is None else class_index
        classes = np.broadcast_to(chosen, len(faces))
        first = self.heads.index(self.head) * len(EXPRESSIONS)
        kernel = np.asarray(self._get_layer(LOGITS_LAYER).kernel)[:, first : first + len(EXPRESSIONS)]
        with self._lock:
            maps = np.einsum("nhwc,cn->nhw", self._read_features(faces), kernel[:, classes])
        maps = np.maximum(maps, 0.0)
        maps /= np.maximum(maps.max(axis=(1, 2), keepdims=True), 1e-12)
        resized = keras.ops.image.resize(maps[..., None].astype(np.float32), IMAGE_SHAPE[:2], interpolation="bilinear")
        return np.clip(keras.ops.convert_to_numpy(resized)[..., 0], 0.0, 1.0)

    def _run(self, faces: np.ndarray) -> np.ndarray:
        return self.predict_heads(faces)[:, self.heads.index(self.head)]

    def _calibrate(self, probabilities: np.ndarray) -> np.ndarray:
        return apply_calibration(probabilities, self.calibration)

    def _read_features(self, faces: np.ndarray) -> np.ndarray:
        if self._map_features is None:
            features = keras.Model(self.model.inputs, self._get_layer(FEATURES_LAYER).output)
            self._map_features = compile_forward(features)
        return run_in_batches(self._map_features, faces)

    def _get_layer(self, name: str) -> Any:
        try:
            return self.model.get_layer(name)
        except ValueError:
            raise ModelError(
                f"An explanation needs a network that ends in layers {FEATURES_LAYER!r} and {LOGITS_LAYER!r}."
                f" Received: one without {name!r}. Remedy: train one with `invoke train`."
            ) from None


def prepare_faces(faces: np.ndarray) -> np.ndarray:
    """Return faces as uint8 (N, 48, 48), converted by the one function that prepares every face.

    Args:
        faces: uint8 (N, H, W) or (N, H, W, 3).

    Raises:
        ImageError: the array has another type or shape.
    """
    faces = np.asarray(faces)
    grey = faces.ndim == 3
    if faces.dtype != np.uint8 or not (grey or (faces.ndim == 4 and faces.shape[-1] == 3)):
        raise ImageError(
            "Faces must be a uint8 array (N, H, W) or (N, H, W, 3), 0..255."
            f" Received: {faces.dtype} {faces.shape}. Remedy: pass a batch, unscaled."
        )
    if grey and faces.shape[1:] == IMAGE_SHAPE[:2]:
        return faces
    prepared = [prepare_face(face) for face in faces]
    return np.stack(prepared) if prepared else np.zeros((0, *IMAGE_SHAPE[:2]), np.uint8)


def _count_heads(model: keras.Model) -> int:
    return 1 if len(model.output_shape) == 2 else int(model.output_shape[1])


def _check_shapes(model: keras.Model) -> None:
    inputs, outputs = (None, *IMAGE_SHAPE), (None, len(EXPRESSIONS))
    received = getattr(model, "input_shape", None), getattr(model, "output_shape", None)
    if received not in ((inputs, outputs), (inputs, (None, len(HEADS), len(EXPRESSIONS)))):
        raise ModelError(
            f"A network must map {inputs} to {outputs}. Received: {received[0]} to {received[1]}."
            " Remedy: train one with `invoke train`."
        )

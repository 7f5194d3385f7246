"""`Classifier`: faces to probabilities, for teachers, the evaluation, the command line and the web app."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fer.calibration import Calibration, Calibrations, apply_calibration
from fer.config import HEADS, Config, Head
from fer.errors import ImageError, ModelError
from fer.joint import HEAD_WEIGHTS, JointCalibration, OperatingPoint, Prior, apply_joint, check_prior, combine_heads
from fer.labels import EXPRESSIONS
from fer.model.compile_cache import use_compile_cache
from fer.model.forks import check_not_forked
from fer.model.forward import BATCH_SIZES, compile_forward, compile_heads, run_in_batches
from fer.model.layers import use_fast_layers
from fer.model.saved import load_model
from fer.model.xception import FEATURES_LAYER, IMAGE_SHAPE, LOGITS_LAYER
from fer.runs import Run
from fer.vision.images import convert_array, prepare_face


class Classifier:
    """A trained network that turns faces into calibrated probabilities of the seven expressions.

    A network may have two heads on the same features: 'labels' was trained on the data set's labels, 'votes' on the
    votes of the ten FER+ annotators. By default all heads answer together (:mod:`fer.joint`), under a prior by which
    every expression is equally likely. :meth:`with_prior` selects another prior, :meth:`with_head` a single head.

    Args:
        model: a functional network from (N, 48, 48, 1), 0..255, to probabilities (N, 7), or (N, heads, 7).
        config: settings of the run it comes from, if known.
        calibrations: the calibration of each head, if known.
        joint: the calibration of all heads together, if known. Without it, the head 'votes' answers alone, or
            'labels' in a network without it.

    Attributes:
        heads: the network's heads, in order.
        head: the head that answers alone; None if all heads answer together.
        prior: what the answer of all heads is for: 'balanced', 'dataset', or seven shares.
        num_params: number of weights of the network.

    Example:
        >>> import numpy as np
        >>> classifier = Classifier.load()
        >>> classifier.predict(np.zeros((2, 48, 48), np.uint8)).shape
        (2, 7)
    """

    def __init__(
        self,
        model: keras.Model,
        config: Config | None = None,
        calibrations: Calibrations | None = None,
        joint: JointCalibration | None = None,
    ) -> None:
        _check_shapes(model)
        self.config = config
        self.calibrations = calibrations or {}
        self.joint = joint
        self.prior: Prior = "balanced"
        self.heads = config.model.heads if config is not None else HEADS[: _count_heads(model)]
        if len(self.heads) != _count_heads(model):
            raise ModelError(
                f"A network must have the heads of its settings, {', '.join(self.heads)}. Received: a network with"
                f" {_count_heads(model)}. Remedy: use the config.json that was written with it."
            )
        self.head: Head | None = None if joint else self.heads[-1]
        self.num_params = int(model.count_params())
        self.model = use_fast_layers(model)
        self._forward = compile_heads(self.model)
        self._map_features: Callable[[np.ndarray], np.ndarray] | None = None

    @classmethod
    def load(cls, path: str | Path | None = None, *, prior: Prior = "balanced") -> "Classifier":
        """Load a network.

        Args:
            path: a run folder or a ``.keras`` file; None for the shipped run.
            prior: see :meth:`with_prior`.

        Raises:
            ModelError: the file is missing, damaged, or not a network of this package's form.
            SettingsError: the prior is not valid.
        """
        check_not_forked()
        prior = check_prior(prior)
        if keras.backend.backend() == "jax":
            # Building a network runs many small JAX programs; the cache keeps them between processes.
            use_compile_cache()
        run = Run.find_shipped() if path is None else Run(Path(path))
        if not run.folder.is_dir():
            return cls(load_model(run.folder)).with_prior(prior)
        config = run.read_config()
        classifier = cls(load_model(run.model), config, run.read_calibrations(), run.read_joint_calibration())
        return classifier.with_prior(prior)

    @property
    def calibration(self) -> Calibration | OperatingPoint:
        """Calibration of the answer; one that changes nothing if it is not known."""
        if self.head is None and self.joint is not None:
            return self.joint.choose_point(self.prior)
        return self.calibrations.get(self.head or self.heads[-1], Calibration())

    def with_prior(self, prior: Prior) -> "Classifier":
        """Return a classifier on the same network that answers with all heads under a prior.

        Args:
            prior: 'balanced' if every expression is equally likely, as in front of a camera; 'dataset' for the shares
                of the training data; or seven positive numbers in the order of ``fer.EXPRESSIONS``.

        Raises:
            SettingsError: the prior is not valid.
        """
        other = copy.copy(self)
        other.prior, other.head = check_prior(prior), None if self.joint else self.heads[-1]
        return other

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
            faces: uint8 (N, H, W) or (N, H, W, 1) grey or (N, H, W, 3) RGB, 0..255, or fractions 0..1; resized to 48 by
                48 if they have another size.
            flip: average the probabilities of each face and its mirror image.

        Returns:
            float32 (N, 7), rows summing to 1, in the order of ``fer.EXPRESSIONS``.

        Raises:
            ImageError: the array has another type or shape.

        Example:
            >>> import numpy as np
            >>> bool(abs(Classifier.load().predict(np.zeros((1, 48, 48), np.uint8)).sum() - 1) < 1e-5)
            True
        """
        faces = prepare_faces(faces)
        probabilities = self.calibrate(self.predict_heads(faces))
        if flip:
            probabilities = (probabilities + self.calibrate(self.predict_heads(faces[:, :, ::-1]))) / 2.0
        return probabilities

    def combine(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the answer as :meth:`calibrate` does, but before its temperature; of a single head, uncalibrated."""
        if self.head is None and self.joint is not None:
            shares = self.joint.class_shares
            return combine_heads(probabilities, self.heads, self.calibrations, shares, self.prior).astype(np.float32)
        return probabilities[:, self.heads.index(self.head or self.heads[-1])]

    def calibrate(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the answer, float32 (N, 7), to the heads' probabilities (N, heads, 7) of :meth:`predict_heads`."""
        if self.head is None and self.joint is not None:
            return apply_joint(probabilities, self.heads, self.calibrations, self.joint, self.prior)
        head = self.head or self.heads[-1]
        return apply_calibration(probabilities[:, self.heads.index(head)], self.calibrations.get(head, Calibration()))

    def predict_heads(self, faces: np.ndarray, *, batch_sizes: tuple[int, ...] = BATCH_SIZES) -> np.ndarray:
        """Return the probabilities of every head before calibration.

        Args:
            faces: uint8 or float32 (N, 48, 48), 0..255.
            batch_sizes: sizes that the network is compiled for, ascending.

        Returns:
            float32 (N, heads, 7).
        """
        check_not_forked()
        if not len(faces):
            return np.zeros((0, len(self.heads), len(EXPRESSIONS)), np.float32)
        return run_in_batches(self._forward, faces, batch_sizes=batch_sizes)

    def explain(self, faces: np.ndarray, class_index: int | np.ndarray | None = None) -> np.ndarray:
        """Return class activation maps: where in each face the evidence for an expression lies.

        The network ends in global average pooling and a dense layer, so the map, the last feature maps summed with the
        weights of the class, is exact up to its scale; negative evidence is set to 0 and each map is scaled to reach 1.

        Args:
            faces: as for :meth:`predict`.
            class_index: one class for all faces, or int (N,); None for the most probable class of each face.

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
        indices = self.predict(faces).argmax(axis=1) if class_index is None else class_index
        classes = np.broadcast_to(indices, len(faces))
        maps = np.einsum("nhwc,cn->nhw", self._read_features(faces), self._read_kernel()[:, classes])
        maps = np.maximum(maps, 0.0)
        maps /= np.maximum(maps.max(axis=(1, 2), keepdims=True), 1e-12)
        resized = keras.ops.image.resize(maps[..., None].astype(np.float32), IMAGE_SHAPE[:2], interpolation="bilinear")
        return np.asarray(np.clip(keras.ops.convert_to_numpy(resized)[..., 0], 0.0, 1.0))

    def _read_kernel(self) -> np.ndarray:
        """Return the weights from features to logits, (C, 7): of the head that answers, or the weighted mean of all."""
        kernel = np.asarray(self._get_layer(LOGITS_LAYER).kernel)
        by_head = kernel.reshape(len(kernel), len(self.heads), len(EXPRESSIONS))
        if self.head is not None:
            return by_head[:, self.heads.index(self.head)]
        weights = np.array([HEAD_WEIGHTS[head] for head in self.heads])
        return np.asarray(np.einsum("chd,h->cd", by_head, weights / weights.sum()))

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
    """Return faces as uint8 (N, 48, 48), converted by :func:`fer.vision.images.prepare_face`.

    Args:
        faces: (N, H, W), (N, H, W, 1) or (N, H, W, 3), uint8 or fractions 0..1.

    Raises:
        ImageError: the array has another type or shape.
    """
    faces = convert_array(np.asarray(faces))
    grey = faces.ndim == 3
    if faces.dtype != np.uint8 or not (grey or (faces.ndim == 4 and faces.shape[-1] == 3)):
        raise ImageError(
            "Faces must be a uint8 array (N, H, W), (N, H, W, 1) or (N, H, W, 3), 0..255, or fractions 0..1."
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

"""`Classifier`: faces to probabilities, for teachers, the evaluation, the command line and the web app."""

import copy
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fer.calibration import Calibration, Calibrations, apply_calibration
from fer.config import HEADS, Config, Head
from fer.errors import ModelError, SettingsError, shorten
from fer.joint import (
    HEAD_WEIGHTS,
    JointCalibration,
    OperatingPoint,
    Prior,
    apply_joint,
    check_prior,
    combine_heads,
    select_prior,
)
from fer.labels import EXPRESSIONS, FACE_SIZE
from fer.model.batching import BATCH_SIZES
from fer.model.runtimes import Runtime, RuntimeName, check_runtime_name, load_runtime, wrap_model
from fer.runs import Run, parse_calibrations
from fer.vision.images import prepare_faces, resize_maps

if TYPE_CHECKING:
    import keras


class Classifier:
    """A trained network that turns faces into calibrated probabilities of the seven expressions.

    A network may have two heads on the same features: 'labels' was trained on the data set's labels, 'votes' on the
    votes of the ten FER+ annotators. By default all heads answer together (:mod:`fer.joint`), under a prior by which
    every expression is equally likely. :meth:`with_prior` selects another prior, :meth:`with_head` a single head.

    Args:
        model: a functional Keras network from (N, 48, 48, 1), 0..255, to probabilities (N, 7), or (N, heads, 7); or
            what runs one, from :func:`fer.model.runtimes.load_runtime`.
        config: settings of the run it comes from, if known.
        calibrations: the calibration of each head, if known.
        joint: the calibration of all heads together, if known. Without it, the head 'votes' answers alone, or
            'labels' in a network without it.

    Attributes:
        heads: the network's heads, in order.
        head: the head that answers alone; None if all heads answer together.
        prior: what the answer of all heads is for: 'balanced', 'dataset', or seven shares.
        num_params: number of weights of the network.
        runtime: what runs the network.
        folder: the run folder that it was loaded from; None if it was not.

    Example:
        >>> import numpy as np
        >>> classifier = Classifier.load()
        >>> classifier.predict(np.zeros((2, 48, 48), np.uint8)).shape
        (2, 7)
    """

    def __init__(
        self,
        model: "keras.Model | Runtime",
        config: Config | None = None,
        calibrations: Calibrations | None = None,
        joint: JointCalibration | None = None,
    ) -> None:
        self.runtime = wrap_model(model)
        self.folder: Path | None = None
        self.config = config
        self.calibrations = calibrations or {}
        self.joint = joint
        self.prior: Prior = "balanced"
        self.heads = config.model.heads if config is not None else HEADS[: self.runtime.num_heads]
        if len(self.heads) != self.runtime.num_heads:
            raise ModelError(
                f"A network must have the heads of its settings, {', '.join(self.heads)}. Received: a network with"
                f" {self.runtime.num_heads}. Remedy: use the config.json that was written with it."
            )
        if joint and not set(self.heads) <= set(joint.class_shares):
            raise ModelError(
                f"The calibration of all heads must name the shares of {', '.join(self.heads)}. Received:"
                f" {', '.join(joint.class_shares) or 'none'}. Remedy: restore calibration.json."
            )
        self.head: Head | None = None if joint else self.heads[-1]
        self.num_params = self.runtime.num_params

    def __repr__(self) -> str:
        answers = f"prior={self.prior!r}" if self.head is None else f"head={self.head!r}"
        name = self.config.model.name if self.config else "a single file"
        return f"<Classifier of {name}: {self.num_params:,} parameters, {answers}, {self.runtime.name}>"

    @classmethod
    def load(
        cls, path: str | Path | None = None, *, prior: Prior = "balanced", runtime: RuntimeName = "auto"
    ) -> "Classifier":
        """Load a network.

        Args:
            path: a run folder, or a ``.keras`` or ``.onnx`` file; None for the shipped run.
            prior: see :meth:`with_prior`.
            runtime: what runs the network of a run folder: 'onnx', 'keras', or 'auto', see
                :func:`fer.model.runtimes.load_runtime`.

        Raises:
            ModelError: the file is missing, damaged, or not a network of this package's form; or has no calibration for
                the prior.
            SettingsError: the prior or the runtime is not valid.
        """
        prior = check_prior(prior)
        if not isinstance(path, str | os.PathLike | None):
            raise ModelError(
                f"A saved network must be named by a path. Received: {shorten(repr(path))}. Remedy: pass a str or Path."
            )
        if path == "":
            raise ModelError("A saved network must exist. Received: an empty path. Remedy: None for the shipped run.")
        run = Run.find_shipped() if path is None else Run(Path(path))
        if not os.path.isdir(run.folder):
            loaded = load_runtime(run.folder, runtime)
            return cls(loaded, None, *parse_calibrations(loaded.calibrations)).with_prior(prior)
        config = run.read_config()
        loaded = load_runtime(run.folder, runtime)
        classifier = cls(loaded, config, run.read_calibrations(), run.read_joint_calibration()).with_prior(prior)
        classifier.folder = run.folder
        return classifier

    @classmethod
    def from_pretrained(
        cls, repo: str, *, revision: str | None = None, prior: Prior = "balanced", runtime: RuntimeName = "auto"
    ) -> "Classifier":
        """Download a run from the Hugging Face Hub, or find it in the client's cache, and load it.

        Args:
            repo: owner/name.
            revision: branch, tag or commit; None for the main branch. A commit always gives the same files.
            prior: see :meth:`with_prior`.
            runtime: see :meth:`load`.

        Raises:
            ModelError: the Hub cannot be reached, or the repository holds no run whose network matches its digest.
            SettingsError: the name, the prior or the runtime is not valid.
        """
        from fer.hub import download_run

        prior, runtime = check_prior(prior), check_runtime_name(runtime)
        return cls.load(download_run(repo, revision=revision), prior=prior, runtime=runtime)

    def push_to_hub(self, repo: str, *, private: bool = False) -> str:
        """Upload the run that this classifier was loaded from to the Hugging Face Hub, and return its address.

        Args:
            repo: owner/name; a repository of models, created if there is none.
            private: whether a new repository is private.

        Raises:
            ModelError: the classifier was not loaded from a run folder, or the Hub refuses the upload.
            SettingsError: the name is not valid.
        """
        from fer.hub import upload_run

        if self.folder is None:
            raise ModelError(
                "A run folder is uploaded. Received: a classifier that was not loaded from one."
                " Remedy: Classifier.load with the path of a run."
            )
        return upload_run(self.folder, repo, private=private)

    @property
    def model(self) -> "keras.Model":
        """The Keras network.

        Raises:
            ModelError: ONNX Runtime runs it.
        """
        model = getattr(self.runtime, "model", None)
        if model is None:
            raise ModelError(
                "The Keras network is there if Keras runs it. Received: a classifier in ONNX Runtime."
                " Remedy: Classifier.load(runtime='keras')."
            )
        return model

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
            ModelError: the network has no calibration of all heads, so that a single head answers without a prior.
        """
        other = copy.copy(self)
        other.prior, other.head = select_prior(prior, self.joint), None if self.joint else self.heads[-1]
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
            batch_sizes: sizes that Keras compiles the network for, ascending.

        Returns:
            float32 (N, heads, 7).
        """
        if not len(faces):
            return np.zeros((0, len(self.heads), len(EXPRESSIONS)), np.float32)
        return self.runtime.predict_heads(faces, batch_sizes=batch_sizes)

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
            SettingsError: an index is not one of ``fer.EXPRESSIONS``.

        Reference:
            Zhou et al., 2016, "Learning Deep Features for Discriminative Localization", arXiv:1512.04150, equation 2.
        """
        faces = prepare_faces(faces)
        if not len(faces):
            return np.zeros((0, FACE_SIZE, FACE_SIZE), np.float32)
        classes = _check_classes(self.predict(faces).argmax(axis=1) if class_index is None else class_index, len(faces))
        evidence = np.einsum("nhkyx,h->nkyx", self.runtime.compute_evidence(faces), self._weigh_heads())
        maps = np.maximum(evidence[np.arange(len(faces)), classes], 0.0)
        maps /= np.maximum(maps.max(axis=(1, 2), keepdims=True), 1e-12)
        return resize_maps(maps.astype(np.float32))

    def _weigh_heads(self) -> np.ndarray:
        """Return the share of each head in the answer, float64 (heads,)."""
        if self.head is not None:
            return np.asarray(np.eye(len(self.heads))[self.heads.index(self.head)])
        weights = np.array([HEAD_WEIGHTS[head] for head in self.heads])
        return np.asarray(weights / weights.sum())


def _check_classes(indices: int | np.ndarray, num_faces: int) -> np.ndarray:
    classes = np.asarray(indices)
    is_index = classes.dtype.kind in "iu" and np.isin(classes, range(len(EXPRESSIONS))).all()
    if not is_index or classes.shape not in ((), (num_faces,)):
        raise SettingsError(
            f"class_index must be 0..{len(EXPRESSIONS) - 1}, for all faces or one per face. Received:"
            f" {shorten(repr(indices))}. Remedy: fer.EXPRESSIONS.index('happy')."
        )
    return np.broadcast_to(classes, num_faces)

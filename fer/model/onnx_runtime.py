"""A network in ONNX Runtime, from a file that `invoke export` wrote; neither Keras nor its backend is imported."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

# ONNX Runtime 1.30 and newer send statistics of their use to Microsoft unless this is set before they are imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

from fer.config import HEADS, read_json
from fer.errors import ModelError, shorten, shorten_path
from fer.files import compute_digest
from fer.labels import EXPRESSIONS, FACE_SIZE
from fer.model.batching import BATCH_SIZES
from fer.model.runtimes import Runtime
from fer.runs import name_card

#: Faces per call: more gain nothing, and their feature maps leave the processor's cache.
_CHUNK = 16
#: Most threads of one call.
_MAX_THREADS = 8
#: Level of ONNX Runtime's log: errors are raised as well.
_FATAL = 4


class OnnxRuntime(Runtime):
    """A network in ONNX Runtime.

    A session runs in the thread of its caller, and the chunks of a large batch run beside each other. It has no threads
    of its own, which would not survive a fork; a process of ``multiprocessing`` that was forked
    opens the file again. ``OMP_NUM_THREADS`` limits the threads of one call.

    Args:
        path: a file that `invoke export` wrote; if its card is beside it, the digest there must match.

    Raises:
        ModelError: the file is missing, damaged, or of another form.
    """

    name = "ONNX Runtime"

    def __init__(self, path: Path) -> None:
        if not os.path.isfile(path):  # Unlike Path.is_file, it raises nothing for a name that is too long.
            raise ModelError(
                f"An exported network must exist. Received: {shorten_path(path)} (missing)."
                " Remedy: run `invoke export`."
            )
        _check_digest(path)
        self._path = path
        self._sessions = {os.getpid(): open_session(path)}
        try:
            self._read_form(self._get_session())
        # Names and texts that are no UTF-8, no number or no JSON.
        except (ValueError, TypeError, RecursionError) as error:
            raise _build_damage_error(path, error) from None
        self._check_answer()

    def __reduce__(self) -> "tuple[type[OnnxRuntime], tuple[Path]]":
        """Return what opens the file again: a session can be neither pickled nor copied."""
        return type(self), (self._path.absolute(),)

    def predict_heads(self, faces: np.ndarray, *, batch_sizes: tuple[int, ...] = BATCH_SIZES) -> np.ndarray:
        """See :meth:`Runtime.predict_heads`; batches are not padded."""
        return self._run("heads", faces, min(batch_sizes[-1], _CHUNK))

    def compute_evidence(self, faces: np.ndarray) -> np.ndarray:
        """See :meth:`Runtime.compute_evidence`."""
        if "evidence" not in self._shapes:
            raise ModelError(
                f"An explanation needs a network with the output 'evidence'. Received: {self._path}, without it."
                " Remedy: export a network of `invoke train`."
            )
        return self._run("evidence", faces, _CHUNK)

    def _run(self, output: str, faces: np.ndarray, size: int) -> np.ndarray:
        session, images = self._get_session(), faces.astype(np.float32)[..., None]
        chunks = [images[start : start + size] for start in range(0, len(images), size)]

        def run(chunk: np.ndarray) -> np.ndarray:
            return np.asarray(session.run([output], {"faces": chunk})[0])

        if len(chunks) == 1:
            return run(chunks[0])
        with ThreadPoolExecutor(min(len(chunks), _count_processors(), _MAX_THREADS)) as executor:
            return np.concatenate(list(executor.map(run, chunks)))

    def _get_session(self) -> Any:
        process = os.getpid()
        if process not in self._sessions:
            self._sessions[process] = open_session(self._path)
        return self._sessions[process]

    def _read_form(self, session: Any) -> None:
        texts = dict(session.get_modelmeta().custom_metadata_map)
        inputs = [(value.name, tuple(value.shape[1:])) for value in session.get_inputs()]
        self._shapes = {output.name: tuple(output.shape[1:]) for output in session.get_outputs()}
        heads = self._shapes.get("heads", ())
        is_ours = inputs == [("faces", (FACE_SIZE, FACE_SIZE, 1))] and {"num_params", "calibrations"} <= set(texts)
        if not is_ours or heads not in [(number, len(EXPRESSIONS)) for number in range(1, len(HEADS) + 1)]:
            raise ModelError(
                f"An exported network takes 'faces' and returns 'heads'. Received: {shorten_path(self._path)}, which"
                " does not. Remedy: write it with `invoke export`."
            )
        self.num_heads = int(heads[0])
        self.num_params = int(texts["num_params"])
        self.calibrations = json.loads(texts["calibrations"])
        if not isinstance(self.calibrations, dict):
            raise TypeError("the calibrations are not an object")

    def _check_answer(self) -> None:
        """Check that the network can be run: ONNX Runtime opens many a damaged file."""
        face = np.zeros((1, FACE_SIZE, FACE_SIZE), np.uint8)
        try:
            heads = self.predict_heads(face)
            evidence = self.compute_evidence(face) if "evidence" in self._shapes else heads
        # As in :func:`open_session`.
        except Exception as error:
            raise _build_damage_error(self._path, error) from None
        is_probable = heads.shape == (1, self.num_heads, len(EXPRESSIONS)) and np.allclose(
            heads.sum(-1), 1.0, atol=1e-3
        )
        if not is_probable or not np.isfinite(evidence).all():
            raise _build_damage_error(self._path, ValueError("its outputs are not probabilities"))


def _check_digest(path: Path) -> None:
    card = name_card(path)
    if card.is_file() and read_json(card).get("sha256") != compute_digest(path):
        raise ModelError(
            f"An exported network must match the digest in its card. Received: {path}, which differs from {card.name}."
            " Remedy: run `invoke export`."
        )


def open_session(path: Path) -> Any:
    """Return a session of ONNX Runtime on a file.

    Raises:
        ModelError: the file is damaged, or of another kind.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    options.intra_op_num_threads = 1
    try:
        # The fallback prints to the terminal and tries the same again.
        # Its content: ONNX Runtime takes no path that is not UTF-8.
        return onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
    # ONNX Runtime's errors have no common class but that of all errors.
    except Exception as error:
        raise _build_damage_error(path, error) from None


def _build_damage_error(path: Path, error: Exception) -> ModelError:
    """Return the error of a file that ONNX Runtime cannot read or run."""
    lines = str(error).strip().splitlines()
    return ModelError(
        f"An exported network must be a whole .onnx file. Received: {shorten_path(path, 80)}"
        f" ({shorten(lines[0] if lines else type(error).__name__, 70)}). Remedy: run `invoke export`."
    )


def _count_processors() -> int:
    limit = os.environ.get("OMP_NUM_THREADS", "")
    if limit.isdecimal() and int(limit):
        return int(limit)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

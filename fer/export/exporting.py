"""The way from a run to exported files: checks, conversion, parity on the validation split, cards."""

import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from fer.data import Dataset
from fer.errors import SettingsError
from fer.export.card import Export, measure_parity, write_card
from fer.files import check_writable
from fer.inference import Classifier
from fer.runs import Run

Format = Literal["onnx", "litert", "openvino"]
#: Packages that each format needs, by their modules.
_PACKAGES: dict[str, dict[str, str]] = {
    "onnx": {"onnx": "onnx", "onnxruntime": "onnxruntime"},
    "litert": {"tensorflow": "tensorflow-cpu", "ai_edge_litert": "ai-edge-litert"},
    "openvino": {"onnx": "onnx", "openvino": "openvino"},
}
#: Training faces that the ranges of 8-bit numbers are fitted on.
NUM_CALIBRATION_FACES = 512


def export_run(
    run: Run,
    dataset: Dataset,
    format: Format = "onnx",
    *,
    int8: bool = False,
    out: Path | None = None,
    seed: int = 0,
    log: Callable[[str], None] = print,
) -> list[dict[str, Any]]:
    """Write a run's network with its calibrated answer in a format, measure it, and return the cards.

    Args:
        run: a run folder with a network.
        dataset: a prepared data set: parity and accuracy are measured on its validation faces, and the ranges of 8-bit
            numbers are fitted on its training faces.
        format: 'onnx' (``model.onnx``), 'litert' (``model.tflite``) or 'openvino' (``openvino/model.xml``).
        int8: also write a file with 8-bit weights and activations.
        out: folder to write to; None for the run folder.
        seed: seed of the draw of training faces.
        log: called with a line about each file.

    Raises:
        SettingsError: the format is unknown, has no 8-bit form here, or its packages are missing.
        ModelError: the run has no network that can be exported.
        OutputError: a file cannot be written.
    """
    check_format(format, int8)
    files = _name_files(format, out or run.folder, int8)
    for path in files.values():
        check_writable(path)
    classifier = Classifier.load(run.folder, runtime="keras")
    validation = dataset.part("validation")
    expected = classifier.predict(validation.faces)
    faces = _draw_faces(dataset, seed) if int8 else None
    cards = []
    with tempfile.TemporaryDirectory() as folder:
        temporary = {precision: Path(folder) / path.name for precision, path in files.items()}
        _convert(format, run, classifier, temporary, faces)
        for precision, path in files.items():
            predict = _open(format, temporary[precision])
            parity = measure_parity(predict(validation.faces), expected, validation.labels, dataset)
            export = Export(format, precision, path, temporary[precision])
            cards.append(write_card(export, run, classifier, parity))
            log(f"{path}: {parity.describe()}")
    return cards


def check_format(format: Format, int8: bool) -> None:
    """Raise a :class:`~fer.errors.SettingsError` if a format is unknown, or needs what is not there."""
    if format not in get_args(Format):
        raise SettingsError(f"--format is one of {', '.join(get_args(Format))}. Received: {format!r}.")
    missing = [package for module, package in _PACKAGES[format].items() if find_spec(module) is None]
    if missing:
        raise SettingsError(
            f"--format {format} needs other packages. Received: an environment without {', '.join(missing)}."
            f" Remedy: pip install {' '.join(missing)}"
        )
    if int8 and format == "openvino":
        raise SettingsError(
            "--int8 is for onnx and litert. Received: --format openvino. Remedy: OpenVINO reads the int8 .onnx file."
        )


def _name_files(format: Format, folder: Path, int8: bool) -> dict[str, Path]:
    """Return the path of the file of each precision."""
    if format == "openvino":
        return {"float32": folder / "openvino" / "model.xml"}
    suffix = {"onnx": "onnx", "litert": "tflite"}[format]
    files = {"float32": folder / f"model.{suffix}"}
    return files | ({"int8": folder / f"model.int8.{suffix}"} if int8 else {})


def _draw_faces(dataset: Dataset, seed: int) -> np.ndarray:
    faces = dataset.part("train").faces
    if not len(faces):
        raise SettingsError("--int8 needs training faces. Received: a data set without any. Remedy: another --data.")
    rows = np.random.default_rng(seed).permutation(len(faces))[:NUM_CALIBRATION_FACES]
    return faces[rows]


def _convert(
    format: Format, run: Run, classifier: Classifier, files: dict[str, Path], faces: np.ndarray | None
) -> None:
    if format == "litert":
        from fer.export.litert import write_litert

        write_litert(run, classifier, files, faces)
        return
    from fer.export.onnx_file import quantize_onnx, write_onnx

    path = files["float32"].with_name("model.onnx")
    write_onnx(run, classifier, path)
    if format == "openvino":
        from fer.export.openvino_file import write_openvino

        write_openvino(path, files["float32"])
    elif faces is not None:
        quantize_onnx(path, files["int8"], faces)


def _open(format: Format, path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from uint8 faces (N, 48, 48) to the file's answer, float32 (N, 7)."""
    if format == "litert":
        from fer.export.litert import open_litert

        return open_litert(path)
    if format == "openvino":
        from fer.export.openvino_file import open_openvino

        return open_openvino(path)
    from fer.export.onnx_file import open_onnx

    return open_onnx(path)

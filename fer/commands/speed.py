"""The command that measures speed."""

from fer import bench as benchmarks


def bench(
    *,
    app: bool = False,
    gpu: bool = False,
    export: bool = False,
    batch: bool = False,
    data: bool = False,
    seconds: int = 60,
    faces: int = 80_000,
) -> None:
    """Measure and print speed."""
    benchmarks.run_bench(app=app, gpu=gpu, export=export, batch=batch, data=data, seconds=seconds, faces=faces)

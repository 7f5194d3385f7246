"""The command that measures speed."""

from fer import bench as benchmarks


def bench(
    *, app: bool = False, gpu: bool = False, export: bool = False, batch: bool = False, seconds: int = 60
) -> None:
    """Measure and print speed."""
    benchmarks.run_bench(app=app, gpu=gpu, export=export, batch=batch, seconds=seconds)

"""Analysis of more images and videos than one process can handle: shards, workers, and Parquet parts of one result."""

from typing import TYPE_CHECKING

from fer.lazy import export_lazily

if TYPE_CHECKING:
    from fer.batch.driver import run_batch

__all__ = ["run_batch"]

__getattr__ = export_lazily(__name__, {"run_batch": "fer.batch.driver"})

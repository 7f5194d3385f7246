"""A run's network in formats that other programs and languages run, each with a card that says how equal it is."""

from typing import TYPE_CHECKING

from fer.lazy import export_lazily

if TYPE_CHECKING:
    from fer.export.exporting import export_run

__all__ = ["export_run"]

__getattr__ = export_lazily(__name__, {"export_run": "fer.export.exporting"})

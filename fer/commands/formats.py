"""The command that writes a network for other programs."""

from pathlib import Path
from typing import Any, cast

from fer.commands.options import Log, load_dataset_of
from fer.export import export_run
from fer.export.exporting import Format, check_format
from fer.runs import Run, name_card


def export(
    run: str = "xception",
    *,
    format: str = "onnx",
    int8: bool = False,
    data: str | None = None,
    out: str | None = None,
    log: Log = print,
) -> list[dict[str, Any]]:
    """Write a run's network in another format, print how equal it is, and return the cards of the files."""
    chosen = cast(Format, format)
    check_format(chosen, int8)
    target = Run.find_trained(run)
    folder = Path(out) if out is not None else target.folder
    cards = export_run(target, load_dataset_of(target, data), chosen, int8=int8, out=folder, log=log)
    log(f"Cards are beside the files: {', '.join(name_card(Path(card['file'])).name for card in cards)}.")
    return cards

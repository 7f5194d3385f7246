"""Commands that write data sets: preprocess and relight."""

from pathlib import Path

from fer.commands.options import Log, check_positive
from fer.data import choose_name, format_preparation, load_dataset, prepare_dataset
from fer.data.sources.names import read_mapping
from fer.errors import SettingsError


def preprocess(
    source: str | None = None,
    name: str | None = None,
    *,
    votes: str | None = None,
    mapping: str | None = None,
    detect: bool = False,
    group_by: str | None = None,
    skip_bad: bool = False,
    allow_download: bool = False,
    overwrite: bool = False,
    seed: int = 0,
    log: Log = print,
) -> Path:
    """Prepare a data set, print what it holds, and return its file.

    Raises:
        DataError: the name holds another data set, and ``overwrite`` is not set.
    """
    if seed < 0:
        raise SettingsError(f"--seed must be at least 0. Received: {seed}.")
    preparation = prepare_dataset(
        source,
        name or choose_name(source),
        votes=votes,
        mapping=read_mapping(mapping) if mapping else None,
        detect=detect,
        group_by=group_by,
        skip_bad=skip_bad,
        allow_download=allow_download,
        overwrite=overwrite,
        progress=True,
        seed=seed,
    )
    log(format_preparation(preparation))
    return preparation.path


def relight(
    out: str = "build/lit", *, data: str = "fer2013", train: int = 100, test: int = 700, seed: int = 0, log: Log = print
) -> None:
    """Write validation faces as photos under one hard light, in a folder tree to try fine-tuning on."""
    from fer.data.lit_photos import write_lit_photos

    check_positive("--train", train)
    check_positive("--test", test)
    write_lit_photos(load_dataset(data), out, num_train=train, num_test=test, seed=seed)
    log(f"Wrote {train + test} photos. Next: invoke preprocess --source {out} --detect --skip-bad")

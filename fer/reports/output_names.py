"""Names of output files that are made from those of the inputs."""

import os
from collections.abc import Iterable

#: Largest stem, in bytes. File systems allow 255 for a name, and a number, "_face12_surprise" and the suffix of a
#: temporary file follow.
MAX_STEM_BYTES = 200


def number_stems(stems: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """Return a stem for the output of each input: its own, shortened if it is too long, and numbered if it is taken.

    Two stems that differ in case alone are one, as on the file systems of Windows and macOS.

    Args:
        stems: the stems of the inputs.
        taken: stems that are not used.

    Example:
        >>> number_stems(["a_2", "a", "a", "A"])
        ['a_2', 'a', 'a_3', 'A_4']
    """
    used = {stem.lower() for stem in taken}
    numbers: dict[str, int] = {}
    numbered = []
    for stem in map(_shorten, stems):
        name, number = stem, numbers.get(stem.lower(), 1)
        while name.lower() in used:
            number += 1
            name = f"{stem}_{number}"
        numbers[stem.lower()] = number
        used.add(name.lower())
        numbered.append(name)
    return numbered


def _shorten(stem: str) -> str:
    while len(os.fsencode(stem)) > MAX_STEM_BYTES:
        stem = stem[:-1]
    return stem

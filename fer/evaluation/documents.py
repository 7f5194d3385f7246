"""Marked sections of Markdown documents: text between two marks that a task replaces.

A section is named ``<kind>:<name>``, such as ``figures:xception``; it lies between the lines
``<!-- figures:xception:begin -->`` and ``<!-- figures:xception:end -->``.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from fer.errors import DataError
from fer.files import write_atomically

_MARK = re.compile(r"<!-- [\w.-]+:[\w.-]+:(?:begin|end) -->")
_SECTION = re.compile(
    r"(?P<begin><!-- (?P<name>[\w.-]+:[\w.-]+):begin -->)(?P<text>.*?)(?P<end><!-- (?P=name):end -->)", re.DOTALL
)


def read_sections(path: str | Path) -> dict[str, str]:
    """Return the text of each marked section of a document, by the name of the section.

    Args:
        path: a Markdown document.

    Raises:
        DataError: the document cannot be read, or its marks are not in pairs.
    """
    return _find_sections(path, _read(path))


def check_document(path: str | Path, names: Iterable[str]) -> None:
    """Raise a :class:`~fer.errors.DataError` if a document has none of the named sections."""
    names, marked = tuple(names), read_sections(path)
    if marked.keys().isdisjoint(names):
        raise DataError(
            f"A document must mark a section of this run. Received: {path}, which marks"
            f" {', '.join(marked) or 'no section'}. Remedy: add <!-- {names[0]}:begin --> and <!-- {names[0]}:end -->,"
            " each on its own line."
        )


def update_document(path: str | Path, sections: Mapping[str, str]) -> None:
    """Replace marked sections of a document; everything else is left as it is.

    Args:
        path: a Markdown document that marks at least one of the sections.
        sections: the new text of each section, by its name.

    Raises:
        DataError: the document cannot be read, its marks are not in pairs, or it marks none of the sections.
    """
    check_document(path, sections)

    def replace(match: re.Match[str]) -> str:
        text = sections.get(match["name"])
        return match[0] if text is None else f"{match['begin']}\n{text}\n{match['end']}"

    write_atomically(path, _SECTION.sub(replace, _read(path)))


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise DataError(f"A document must be a readable Markdown file. Received: {path} ({reason}).") from None


def _find_sections(path: str | Path, content: str) -> dict[str, str]:
    sections = {match["name"]: match["text"].strip("\n") for match in _SECTION.finditer(content)}
    if len(_MARK.findall(content)) != 2 * len(sections):
        raise DataError(
            f"Each section of a document must begin and end with its marks, once. Received: {path}."
            " Remedy: pair every <!-- kind:name:begin --> with <!-- kind:name:end -->."
        )
    return sections

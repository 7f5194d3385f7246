"""Documents and sources use the words of the glossary in docs/contributing.md."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SUFFIXES = {".css", ".html", ".json", ".md", ".py"}
#: Patterns of words to avoid; a word ends at a digit, a space or an underscore.
BANNED = {
    "pupil": r"pupils?",
    "said aloud": r"said aloud",
    "stands again": r"stands? again",
    "gone on with": r"(?:go|goes|going|gone|went) on with",
    "a row a": r"a row an?(?= )",
    "picture": r"pictures?",
    "the one way": r"the one way",
    # Free space may be called room: "there is no room", "room for".
    "room": r"(?<!no )(?<!is )(?<!make )(?<!makes )rooms?(?! for)",
}
#: Targets of links, the HTML element, and names of image files.
ALLOWED = r"\]\([^)\s]*\)|</?picture>|[\w-]*pictures?\.(?:jpe?g|png|webp|gif)\b"
#: The drawn face has eyes with pupils.
DRAWN = ("fer/data/drawn/", "tests/data/drawn/")


def find_banned(word: str, text: str) -> list[str]:
    """Return the uses of a banned word in a text, also if a line break or a comment sign is within."""
    text = re.sub(r"\s*\n[ \t]*(?:#:?[ \t])?[ \t]*", " ", re.sub(ALLOWED, " ", text))
    return re.findall(rf"(?i)(?<![a-z]){BANNED[word]}(?![a-z])", text)


def read_sources() -> dict[str, str]:
    """Return the texts to check by path: not the changelog, this file, or the glossary."""
    folders = [ROOT / name for name in ("docs", "fer", "tests")]
    paths = [ROOT / "README.md", ROOT / "tasks.py", ROOT / "gradio_app.py"]
    paths += [path for folder in folders for path in folder.rglob("*") if path.suffix in SUFFIXES]
    sources = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths}
    del sources["tests/test_words.py"]
    before, _, glossary = sources["docs/contributing.md"].partition("## Glossary")
    sources["docs/contributing.md"] = before + glossary.partition("\n## ")[2]
    return sources


@pytest.mark.parametrize("word", BANNED)
def test_banned_word_is_not_used(word):
    sources = read_sources()
    exempt = DRAWN if word == "pupil" else ()
    uses = {path: len(find_banned(word, text)) for path, text in sources.items() if not path.startswith(exempt)}
    assert sum(uses.values()) == 0, "\n".join(f"{path}: {count}" for path, count in uses.items() if count)


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("pupil", "A Pupil learns."),
        ("said aloud", "skipped, said\n# aloud, and counted"),
        ("stands again", "faces that stand again in validation"),
        ("gone on with", "go on with the run"),
        ("a row a", "a row a face"),
        ("picture", "def read_pictures(picture_1):"),
        ("the one way", "The one way into the network."),
        ("room", "rooms are called; room = 1"),
    ],
)
def test_find_banned_finds_the_word(word, text):
    assert find_banned(word, text)


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("picture", "<picture></picture> `one_picture.jpg` [link](0016-picture.md)"),
        ("room", "zoom; there is room for a label; takes no room; [link](in-a-room-of-its-own.md)"),
        ("a row a", "one row per face, a row above"),
    ],
)
def test_find_banned_ignores_allowed_uses(word, text):
    assert find_banned(word, text) == []

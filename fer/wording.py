"""Small words in messages: counts, probabilities, and the known name nearest to a mistyped one."""

import difflib
from collections.abc import Iterable


def format_count(number: int, noun: str) -> str:
    """Return a count with its noun in the singular or plural.

    Example:
        >>> format_count(1, "group"), format_count(2, "group")
        ('1 group', '2 groups')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def format_probability(probability: float) -> str:
    """Return a probability as a percentage; no prediction is shown as certain or impossible.

    Args:
        probability: 0 to 1.

    Example:
        >>> format_probability(0.874), format_probability(1.0), format_probability(0.0)
        ('87 %', '> 99 %', '< 1 %')
    """
    if probability > 0.99:
        return "> 99 %"
    return "< 1 %" if probability < 0.01 else f"{probability * 100:.0f} %"


def suggest_name(received: str, known: Iterable[str]) -> str:
    """Return a sentence with the known name that is nearest to a mistyped one, or nothing if none is near.

    Example:
        >>> suggest_name("epoch", ["epochs", "seed"])
        " Did you mean 'epochs'?"
    """
    matches = difflib.get_close_matches(received, list(known), n=1)
    return f" Did you mean {matches[0]!r}?" if matches else ""


def shorten_message(message: str, most: int = 300) -> str:
    r"""Return a message as one line of printable characters, with its middle left out if it is too long.

    Example:
        >>> shorten_message("two\nlines")
        'two lines'
    """
    line = " ".join(message.encode("utf-8", "backslashreplace").decode("utf-8").split())
    line = "".join(character if character.isprintable() else repr(character)[1:-1] for character in line)
    tail = most // 3
    return line if len(line) <= most else f"{line[: most - tail - 3]} … {line[-tail:]}"

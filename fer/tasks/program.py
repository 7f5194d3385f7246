"""The console script ``fer-dl``: the tasks of the package as a program of their own, in any folder.

Unlike ``invoke``, it runs one task, and all words without a flag are values of the task's ``word``:
``fer-dl predict *.jpg`` is ``invoke predict --input one.jpg --input two.jpg``.
"""

import sys

from invoke.collection import Collection
from invoke.config import Config
from invoke.exceptions import ParseError
from invoke.parser import Parser, ParseResult
from invoke.parser.context import ParserContext
from invoke.program import Program
from invoke.tasks import Task

import fer
from fer import tasks
from fer.errors import shorten

NAME = "fer-dl"
_HELP = {"--help", "-h"}


class FerConfig(Config):
    """Invoke's configuration under the program's own name, so that files for ``invoke`` do not apply."""

    prefix = NAME


class FerProgram(Program):
    """Invoke's program with words without a flag, and with help after a task's name too."""

    namespace: Collection

    def normalize_argv(self, argv: list[str] | None) -> None:
        """Set the arguments; ``fer-dl predict --help`` becomes ``fer-dl --help predict``."""
        super().normalize_argv(argv)
        words = self.argv[1:]
        if words and words[0] in self.namespace.tasks and _HELP & {*words}:
            self.argv = [self.argv[0], "--help", words[0]]

    def _make_parser(self) -> Parser:
        parser = super()._make_parser()
        words = {name: getattr(self.namespace.tasks[name], "word", None) for name in parser.contexts}
        return _WordParser(parser, words)


class _WordParser(Parser):
    """A parser that gives the words without a flag to one option of the task.

    Args:
        parser: the parser of the tasks.
        words: the option that takes the words, by task; None if it takes none.
    """

    def __init__(self, parser: Parser, words: dict[str, str | None]) -> None:
        super().__init__(initial=parser.initial, contexts=parser.contexts.values())
        self.words = words

    def parse_argv(self, argv: list[str]) -> ParseResult:
        if argv and argv[0] in self.contexts:
            argv = place_words(argv, self.contexts[argv[0]], self.words[argv[0]])
        return super().parse_argv(argv)


def place_words(argv: list[str], context: ParserContext, option: str | None) -> list[str]:
    """Return a command line with its words without a flag as values of an option.

    Args:
        argv: the task's name and its arguments.
        context: the options of the task.
        option: the option that takes the words, or None.

    Raises:
        ParseError: there are more words than the task takes.
    """
    placed, words, flags = [argv[0]], [], iter(argv[1:])
    for text in flags:
        if text.startswith("-") and text != "-":
            placed.append(text)
            # Invoke's mapping has short flags as aliases, which its get() does not find.
            if text in context.flags and context.flags[text].takes_value:
                placed += [value for value in [next(flags, None)] if value is not None]
        else:
            words.append(text)
    is_list = option is not None and context.args[option].kind is list
    if len(words) > (sys.maxsize if is_list else option is not None):
        limit = f"one word, its --{option}" if option else "no word without a flag"
        raise ParseError(f"error: {NAME} {argv[0]} takes {limit}. Received: {shorten(' '.join(words), 120)}.", context)
    return placed + [f"--{option}={word}" for word in words]


def build_program() -> FerProgram:
    """Build the program; without a task's name it prints its help."""
    collection = Collection()
    for name in tasks.__all__:
        made = getattr(tasks, name)
        assert isinstance(made, Task)
        collection.add_task(made, default=False)
    return FerProgram(
        version=fer.__version__,
        namespace=collection,
        name="FER-DL",
        binary=NAME,
        binary_names=[NAME],
        config_class=FerConfig,
    )


def main() -> None:
    """Run the program with the arguments of the command line."""
    build_program().run()

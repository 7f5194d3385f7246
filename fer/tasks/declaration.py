"""The decorator that makes a task of the package, and the conversion of its options."""

import contextlib
import copy
import functools
import inspect
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from types import FrameType
from typing import Any, get_args

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.parser.argument import Argument
from invoke.program import Program
from invoke.tasks import Task, task

from fer.backend import check_backend, explain_missing_packages
from fer.errors import FerError, InterruptedWork, SettingsError
from fer.wording import shorten_message

#: Exit codes of a command that was stopped by Ctrl-C or by SIGTERM, as of a shell's.
INTERRUPTED, TERMINATED = 130, 143
#: Bytes of the longest name of a file on common file systems, and of the longest path with some room for what is added.
LONGEST_NAME, LONGEST_PATH = 255, 3800


class FerTask(Task[Any]):
    """A task whose required option may be a word without a flag, also if it takes several values.

    Attributes:
        word: the option that takes the words without a flag in ``fer-dl``, see :mod:`fer.tasks.program`.
    """

    word: str | None = None

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        """Return the options as arguments of Invoke's parser."""
        arguments = super().get_arguments(ignore_unknown_help)
        for argument in arguments:
            if argument.positional and argument.kind is list:
                argument.__class__ = _RequiredList
        return arguments


class _RequiredList(Argument):
    """A repeatable option without a default. Invoke's is empty, and so never missing, if it is not given."""

    @property
    def value(self) -> Any:
        return self._value or None

    @value.setter
    def value(self, value: Any) -> None:
        self.set_value(value)

    def set_value(self, value: Any, cast: bool = True) -> None:
        self.raw_value = value
        self._value = [*(self._value or []), value]


def fer_task(*, word: str | None = None, **settings: Any) -> Callable[[Callable[..., None]], Any]:
    """Make a task that runs the command of its name; errors of the package end it with one line and exit code 2.

    Args:
        word: the option that takes words without a flag in ``fer-dl``.
        settings: options of ``invoke.task``.
    """

    def decorate(declaration: Callable[..., None]) -> Any:
        declared = inspect.signature(declaration)

        @functools.wraps(declaration)
        def run(*arguments: Any, **keywords: Any) -> None:
            options = declared.bind(*arguments, **keywords).arguments
            program = _read_program(options.pop("c"))
            if _asks_for_help(options.values()):
                fresh = Collection(task(**copy.deepcopy(settings))(run))
                Program(namespace=fresh).run([program, "--help", run.__name__], exit=False)
                return
            with _interrupt_on_termination() as termination:
                try:
                    _run_command(declaration.__name__, options, declared, program)
                except InterruptedWork as error:
                    raise Exit(_format_error(error, program), code=termination.code) from None
                except FerError as error:
                    raise Exit(_format_error(error, program), code=2) from None
                except KeyboardInterrupt:
                    raise Exit(f"error: Stopped by {termination.cause}.", code=termination.code) from None
                if termination.received:
                    raise Exit("error: Stopped by SIGTERM; what was written is complete up to there.", TERMINATED)

        # Invoke converts numbers itself, and ends a mistyped one with a traceback: it gets them as text.
        texts = [
            option.replace(default=str(option.default)) if type(option.default) is int else option
            for option in declared.parameters.values()
        ]
        run.__signature__ = declared.replace(parameters=texts)  # type: ignore[attr-defined]
        # Invoke empties the help texts when it parses a command line.
        made = task(klass=FerTask, **copy.deepcopy(settings))(run)
        made.word = word
        return made

    return decorate


class _Termination:
    """Whether SIGTERM was received.

    Attributes:
        received: whether it was.
    """

    received = False

    @property
    def cause(self) -> str:
        return "SIGTERM" if self.received else "Ctrl-C"

    @property
    def code(self) -> int:
        return TERMINATED if self.received else INTERRUPTED


@contextlib.contextmanager
def _interrupt_on_termination() -> Iterator[_Termination]:
    """Let SIGTERM end a command as Ctrl-C does, so that files are completed or removed; only in the main thread."""
    termination = _Termination()
    if threading.current_thread() is not threading.main_thread():
        yield termination
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        termination.received = True
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            # A shell lets its background jobs ignore Ctrl-C.
            raise KeyboardInterrupt
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield termination
    finally:
        signal.signal(signal.SIGTERM, before)


def _run_command(name: str, options: dict[str, Any], declared: inspect.Signature, program: str) -> None:
    values = {option: _convert(option, value, declared) for option, value in options.items()}
    check_backend()
    with explain_missing_packages(name):
        command = getattr(import_module("fer.commands"), name)
        if program != "invoke" and "log" in inspect.signature(command).parameters:
            values["log"] = lambda line: print(name_program(line, program))
        command(**values)


def _read_program(context: Context) -> str:
    """Return the name of the program that runs a task: ``invoke``, or ``fer-dl``."""
    return str(type(context.config).prefix)


def name_program(text: str, program: str) -> str:
    """Return a message with the commands that it names as those of a program: "invoke train" becomes "fer-dl train"."""
    tasks = "|".join(import_module("fer.commands").__all__)
    return re.sub(rf"\binvoke (?=(?:{tasks})\b)", f"{program} ", text)


def _format_error(error: FerError, program: str) -> str:
    return shorten_message(name_program(f"error: {error}", program))


def _asks_for_help(values: Any) -> bool:
    """Return whether Invoke took "--help" for the value of an option that is required."""
    texts = [text for value in values for text in (value if isinstance(value, list) else [value])]
    return any(text in ("--help", "-h") for text in texts if isinstance(text, str))


def _convert(name: str, value: Any, declared: inspect.Signature) -> Any:
    """Return an option's value as a number if it is declared as one, and text with the home folder for ``~``."""
    kinds, flag = declared.parameters[name].annotation, name.replace("_", "-")
    if isinstance(value, list) and declared.parameters[name].default is inspect.Parameter.empty:
        return [_convert(name, text, declared) for text in value]
    if not isinstance(value, str):
        return value
    if int not in (kinds, *get_args(kinds)):
        if not value and declared.parameters[name].default != "":
            # An unset variable of a shell; as a path it would be the present folder.
            raise SettingsError(f"--{flag} must not be empty. Received: ''. Remedy: give a value, or leave it out.")
        _check_name(flag, value)
        return os.path.expanduser(value)
    try:
        return int(value)
    except ValueError:
        raise SettingsError(f"--{flag} takes a whole number. Received: {value!r}.") from None


def _check_name(flag: str, value: str) -> None:
    """Check that a text can be the name of a file; to the operating system it would be another kind of error."""
    content = os.fsencode(value)
    is_long = len(content) > LONGEST_PATH or any(len(part) > LONGEST_NAME for part in content.split(b"/"))
    if is_long or b"\0" in content:
        raise SettingsError(
            f"--{flag} takes names of at most {LONGEST_NAME} bytes in a path of {LONGEST_PATH}, without NUL."
            f" Received: {value[:40]!r}…."
        )

"""The harness of the fuzzers: draws inputs, has them read, and counts inputs, refusals and faults.

An input is a file, drawn from the name of its kind and its number, so it can be drawn again. It is *read*, or *refused*
by one line, or it is a *fault*: an exception that is no FerError, a message of several lines or more than 300
characters, more time or memory than the limit, or an answer that must not be.
"""

import contextlib
import io
import random
import shutil
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from fer.errors import FerError

#: Characters of the longest message.
LONGEST_MESSAGE = 300
#: Seconds of CPU that reading one input may take, unless its kind has another limit; and bytes above those before.
MOST_SECONDS, MOST_MEMORY = 5.0, 1_200_000_000

_STATUS, _PEAK_RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class WrongAnswer(AssertionError):
    """An input was read as something that it is not."""


@dataclass(frozen=True)
class Input:
    """One hostile input.

    Args:
        content: the bytes of its file.
        name: the name of the file, whose suffix may matter.
    """

    content: bytes
    name: str


class Fuzzer(Protocol):
    """A kind of input.

    Attributes:
        name: the name of the kind.
        most_seconds: seconds of CPU that reading one input may take.
    """

    name: str
    most_seconds: float

    def draw(self, random: random.Random) -> Input:
        """Draw an input."""

    def read(self, path: Path) -> None:
        """Read an input as the package does; the folder of the file is empty but for it.

        Raises:
            FerError: the input is refused.
            WrongAnswer: it is read as something that it is not.
        """


@dataclass(frozen=True)
class Fault:
    """An input that was neither read nor refused in one line.

    Args:
        kind: the kind of input.
        number: the number of the input.
        reason: what happened, in one line.
        details: the traceback or message.
        input: the input.
    """

    kind: str
    number: int
    reason: str
    details: str
    input: Input


#: What happened to an input: 'read', 'refused', or a fault.
Outcome = str | Fault


@dataclass
class Counts:
    """What happened to the inputs of a kind."""

    num_read: int = 0
    num_refused: int = 0
    faults: list[Fault] = field(default_factory=list)

    @property
    def num_inputs(self) -> int:
        """Number of inputs."""
        return self.num_read + self.num_refused + len(self.faults)

    def add(self, outcome: Outcome) -> None:
        """Count an input."""
        if isinstance(outcome, Fault):
            self.faults.append(outcome)
        elif outcome == "read":
            self.num_read += 1
        else:
            self.num_refused += 1


def draw_input(fuzzer: Fuzzer, number: int) -> Input:
    """Draw an input; the same kind and number always give the same one."""
    return fuzzer.draw(random.Random(f"{fuzzer.name} {number}"))


def run_fuzzer(fuzzer: Fuzzer, numbers: Iterator[int] | range) -> Counts:
    """Draw and read the inputs of some numbers."""
    counts = Counts()
    for number in numbers:
        counts.add(try_input(fuzzer, number))
    return counts


def try_input(fuzzer: Fuzzer, number: int) -> Outcome:
    """Draw an input and read it; return 'read', 'refused', or the fault."""
    drawn = draw_input(fuzzer, number)
    outcome, reason, details = judge(fuzzer, drawn)
    return outcome if outcome != "fault" else Fault(fuzzer.name, number, reason, details, drawn)


def judge(fuzzer: Fuzzer, drawn: Input) -> tuple[str, str, str]:
    """Read an input and return the outcome, the reason of a fault, and its details."""
    # A short path: the limit is for the message, not for the folder.
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        path = folder / drawn.name
        path.write_bytes(drawn.content)
        outcome, reason, details, seconds, memory = _measure(lambda: fuzzer.read(path))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if outcome != "fault" and seconds > fuzzer.most_seconds:
        return "fault", f"took {seconds:.1f} s", ""
    if outcome != "fault" and memory > MOST_MEMORY:
        return "fault", f"took {memory / 1e6:.0f} MB", ""
    return outcome, reason, details


def _measure(read: Callable[[], None]) -> tuple[str, str, str, float, int]:
    before = _reset_peak()
    start = time.process_time()
    outcome, reason, details = "read", "", ""
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            read()
    except FerError as error:
        message = str(error)
        is_short = len(message) <= LONGEST_MESSAGE and message.isprintable() and message
        outcome = "refused" if is_short else "fault"
        reason, details = f"message of {len(message)} characters", message
    except (Exception, SystemExit) as error:
        name = f"{type(error).__module__}.{type(error).__qualname__}"
        outcome, reason, details = "fault", f"{name}: {error!s:.200}", traceback.format_exc()
    return outcome, reason, details, time.process_time() - start, _read_status("VmHWM") - before


def _reset_peak() -> int:
    """Forget the peak of the resident memory where the system can, and return the memory now."""
    with contextlib.suppress(OSError):
        _PEAK_RESET.write_text("5")
        return _read_status("VmRSS")
    return _read_status("VmHWM")


def _read_status(name: str) -> int:
    if not _STATUS.is_file():
        return 0
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024

"""Training in several processes, one on each host: who writes, which part of a batch a process computes, how all end.

Every process runs the same command. Process 0 runs JAX's coordination service, writes all files and prints. What can
fail is checked on every process, and the results are exchanged, so that all stop with one line each. A process that
disappears is noticed by a closed connection, or by the missing heartbeat of a host that no longer answers.
"""

import contextlib
import itertools
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import keras
import numpy as np

from fer.errors import FerError, HostError, SettingsError, shorten

Value = TypeVar("Value")

#: The variables of Keras that describe the processes.
ADDRESS, COUNT, INDEX = (f"KERAS_DISTRIBUTION_{name}" for name in ("JOB_ADDRESSES", "NUM_PROCESSES", "PROCESS_ID"))
#: How long the others may take for a check, such as reading a large data set, in seconds; a lost one ends it before.
_CHECK_SECONDS = 24 * 3600


@dataclass
class Hosts:
    """The processes of a training; by default there is one.

    Args:
        count: number of processes.
        index: number of this process, from 0.
        address: host and port of process 0.

    Attributes:
        is_connected: whether it has reached the others.
        has_agreed: whether all processes know of the error that ends them.
        is_terminated: whether this process received SIGTERM.

    Example:
        >>> Hosts(2, 1, "10.0.0.1:4321").take_share(np.arange(6))
        array([3, 4, 5])
    """

    count: int = 1
    index: int = 0
    address: str = ""
    is_connected: bool = False
    has_agreed: bool = False
    is_terminated: bool = False
    _numbers: Iterator[int] = field(default_factory=itertools.count, repr=False)

    @property
    def is_writer(self) -> bool:
        """Whether this process writes files and prints."""
        return self.index == 0

    def choose_log(self, log: Callable[[str], None]) -> Callable[[str], None]:
        """Return a log for process 0, and one that prints nothing for the others."""
        return log if self.is_writer else _ignore

    def take_share(self, rows: np.ndarray) -> np.ndarray:
        """Return the rows of a global batch that this process computes; their number is divisible by ``count``."""
        size = len(rows) // self.count
        return rows[self.index * size : (self.index + 1) * size]

    @contextlib.contextmanager
    def agree(self) -> Iterator[None]:
        """Run a check, or work that one process does while the others wait; no computation on all devices inside.

        Raises:
            FerError: the check failed on this process.
            HostError: it failed on another one.
        """
        if self.count == 1:
            yield
            return
        own: FerError | None = None
        try:
            yield
        except FerError as error:
            own = error
        messages = self._gather(None if own is None else str(own))
        self.has_agreed = any(message is not None for message in messages)
        if own is not None:
            raise own
        for index, message in enumerate(messages):
            if message is not None:
                raise HostError(f"On process {index} of {self.count}: {message}")

    def compare(self, facts: dict[str, object]) -> None:
        """Check that facts are the same on all processes.

        Args:
            facts: a text for each name, such as the fingerprint of ``"data set"``.

        Raises:
            HostError: one differs.
        """
        if self.count == 1:
            return
        answers = self._gather({name: str(value) for name, value in facts.items()})
        for name in facts:
            values = [answer[name] for answer in answers]
            if len(set(values)) > 1:
                self.has_agreed = True
                received = ", ".join(f"{shorten(value)} on process {index}" for index, value in enumerate(values))
                raise HostError(
                    f"All processes of a training must have the same {name}. Received: {received}."
                    " Remedy: start the same command with the same files on every host."
                )

    def share(self, value: Value) -> Value:
        """Return the value of process 0, of JSON types."""
        result: Value = value if self.count == 1 else self._gather(value)[0]
        return result

    def share_arrays(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """Return the arrays of process 0, whose shapes are known to all."""
        if self.count == 1:
            return arrays
        from jax.experimental.multihost_utils import broadcast_one_to_all

        return [np.asarray(array) for array in broadcast_one_to_all(arrays)]

    def describe_loss(self, *, is_aborted: bool = False) -> str:
        """Return the message of a lost connection; a library that aborts the process may have another reason."""
        doubt = ", or a library aborted it: TF_CPP_MIN_LOG_LEVEL=0 shows why" if is_aborted else ""
        return (
            f"A training on several hosts needs all of its processes. Received: process {self.index} of {self.count}"
            f" lost the connection to another one{doubt}. Remedy: read the output of the others, then start all with"
            " --resume."
        )

    def _gather(self, value: Any) -> list[Any]:
        """Return the values of all processes, of JSON types; each process calls this in the same order."""
        client, number = get_client(), next(self._numbers)
        client.key_value_set(f"fer/{number}/{self.index}", json.dumps({"value": value}))
        values = []
        for index in range(self.count):
            answer = json.loads(client.blocking_key_value_get(f"fer/{number}/{index}", 1000 * _CHECK_SECONDS))
            if "error" in answer:
                raise HostError(f"On process {index} of {self.count}: {answer['error']}")
            values.append(answer["value"])
        return values

    def announce(self, error: BaseException) -> None:
        """Send an error that ends this process to those that wait for its next answer."""
        message = str(error) if isinstance(error, FerError) else shorten(repr(error), 120)
        # Where the service cannot be reached any more, the others notice the lost connection.
        with contextlib.suppress(RuntimeError):
            key = f"fer/{next(self._numbers)}/{self.index}"
            get_client().key_value_set(key, json.dumps({"error": message}))


_current = Hosts()


def current_hosts() -> Hosts:
    """Return the processes that this one is connected to, or one alone."""
    return _current


@contextlib.contextmanager
def use_hosts(hosts: Hosts) -> Iterator[None]:
    """Let :func:`current_hosts` return these processes in a block."""
    global _current
    before, _current = _current, hosts
    try:
        yield
    finally:
        _current = before


def read_hosts() -> Hosts:
    """Return the processes that the variables ``KERAS_DISTRIBUTION_*`` describe; one if none is set.

    Raises:
        SettingsError: a variable is missing or wrong, or the backend is not JAX.
    """
    values = {name: os.environ.get(name, "") for name in (ADDRESS, COUNT, INDEX)}
    if not any(values.values()):
        return Hosts()
    address = values[ADDRESS].split(",")[0]
    host, _, port = address.rpartition(":")
    numbers = [values[name] for name in (COUNT, INDEX)]
    is_valid = host and all(text.isascii() and text.isdecimal() for text in (port, *numbers))
    if not is_valid or not 0 < int(port) < 65536 or int(values[INDEX]) >= int(values[COUNT]):
        received = ", ".join(repr(shorten(value, 40)) for value in values.values())
        raise SettingsError(
            f"{ADDRESS}, {COUNT} and {INDEX} are host:port of process 0, a number N, and one from 0 to N-1."
            f" Received: {received}. Remedy: set all three on every host, or none."
        )
    if keras.backend.backend() != "jax" and int(values[COUNT]) > 1:
        raise SettingsError(
            f"Training on several hosts needs JAX. Received: the backend {keras.backend.backend()!r} and {COUNT}."
            " Remedy: KERAS_BACKEND=jax, or unset that variable."
        )
    return Hosts(int(values[COUNT]), int(values[INDEX]), address)


def refuse_hosts(task: str) -> None:
    """Raise a :class:`~fer.errors.SettingsError` if a task that needs one process is started on several hosts."""
    count = read_hosts().count
    if count > 1:
        raise SettingsError(
            f"On several hosts, only `invoke train` works. Received: {task} with {COUNT}={count}."
            f" Remedy: unset {COUNT}, {INDEX} and {ADDRESS}."
        )


def get_client() -> Any:
    """Return the client of JAX's coordination service, whose values arrive even while devices wait for each other."""
    from jax._src.distributed import global_state

    return global_state.client


def _ignore(line: str) -> None:
    """Print nothing."""

"""Connecting the processes of a training on several hosts, and ending this one if another is lost."""

import atexit
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

import keras

from fer.errors import HostError, InterruptedWork, shorten
from fer.training.hosts import ADDRESS, COUNT, INDEX, Hosts, current_hosts, get_client, read_hosts, use_hosts
from fer.training.process_abort import end_on_abort

#: How long a process waits for the others at the start, in seconds.
START_SECONDS = 120
#: After this time without a heartbeat, a process counts as lost, in seconds.
HEARTBEAT_SECONDS = 30
#: Words in the errors of JAX and its libraries if the connection to another process is lost.
_LOST_WORDS = ("Gloo", "NCCL", "oordination", "UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED")


@contextlib.contextmanager
def connect_hosts() -> Iterator[Hosts]:
    """Connect the processes that the variables ``KERAS_DISTRIBUTION_*`` describe, until the end of the block.

    Does nothing for one process, and inside another such block.

    Raises:
        SettingsError: the variables are wrong, or the backend is not JAX.
        HostError: the processes cannot reach each other, or the connection was lost.
    """
    current = current_hosts()
    hosts = read_hosts() if current.count == 1 else current
    if hosts.count == 1 or hosts is current:
        yield hosts
        return
    import jax

    from fer.model.compile_cache import use_compile_cache

    use_compile_cache()  # sets the level of JAX's log, and so does the next block
    try:
        with end_on_abort(_describe_start(hosts)) as describe_abort:
            _connect(hosts)
            describe_abort(hosts.describe_loss(is_aborted=True))
            hosts.is_connected = True
            with use_hosts(hosts):
                yield hosts
            jax.distributed.shutdown()
    except BaseException as error:
        if hosts.has_agreed:
            with contextlib.suppress(RuntimeError):  # another process ended before; the error below says why
                jax.distributed.shutdown()
        else:
            if hosts.is_connected:
                hosts.announce(error)
            is_stopped = isinstance(error, (KeyboardInterrupt, InterruptedWork))
            _leave_at_exit((143 if hosts.is_terminated else 130) if is_stopped else 2)
        if isinstance(error, (RuntimeError, ValueError)) and any(word in str(error) for word in _LOST_WORDS):
            raise HostError(hosts.describe_loss()) from None
        raise


def _connect(hosts: Hosts) -> None:
    import jax

    try:
        # Keras' own function has no limits of time. Without "deactivate", Slurm hides all but one GPU of a host.
        jax.distributed.initialize(
            hosts.address,
            hosts.count,
            hosts.index,
            cluster_detection_method="deactivate",
            initialization_timeout=START_SECONDS,
            heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
            shutdown_timeout_seconds=HEARTBEAT_SECONDS,
        )
        if threading.current_thread() is threading.main_thread():
            # JAX takes SIGTERM for a notice of preemption, and would ignore it.
            signal.signal(signal.SIGTERM, _note_termination(hosts, signal.getsignal(signal.SIGTERM)))
        _check_count(hosts)
        num_devices = jax.local_device_count()
    except RuntimeError as error:
        raise HostError(f"{_describe_start(hosts)} JAX: {shorten(error, 120)}") from None
    versions = f"JAX {jax.__version__}, Keras {keras.__version__}"
    hosts.compare({"versions": versions, "number of devices": num_devices})


def _note_termination(hosts: Hosts, handler: Any) -> Any:
    """Return a handler of SIGTERM that sets ``hosts.is_terminated`` before it calls another one."""
    if not callable(handler):
        return handler

    def terminate(number: int, frame: FrameType | None) -> None:
        hosts.is_terminated = True
        handler(number, frame)

    return terminate


def _describe_start(hosts: Hosts) -> str:
    return (
        f"All {hosts.count} processes must reach process 0 at {shorten(hosts.address)} within {START_SECONDS} s."
        f" Received: process {hosts.index} could not. Remedy: start all of them, check {ADDRESS}, {COUNT} and {INDEX}"
        " on each host, and that nothing blocks or uses the port."
    )


def _check_count(hosts: Hosts) -> None:
    """Check that all processes were told the same number; before, none may wait for a process that does not exist."""
    client = get_client()
    client.key_value_set(f"fer/count/{hosts.index}", str(hosts.count))
    indices = range(hosts.count) if hosts.is_writer else [0]
    for index in indices:
        count = int(client.blocking_key_value_get(f"fer/count/{index}", 1000 * START_SECONDS))
        if count != hosts.count:
            hosts.has_agreed = True
            raise HostError(
                f"All processes of a training must have the same {COUNT}. Received: {hosts.count} on process"
                f" {hosts.index}, {count} on process {index}. Remedy: set the same number on every host."
            )


def _leave_at_exit(code: int) -> None:
    """End this process without JAX's shutdown, which would wait for processes that do not know of the error."""

    def leave() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    atexit.register(leave)

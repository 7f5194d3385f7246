"""Processes that train together on this machine, as they would on several hosts.

They are forked from one server that has imported the package, which is much faster than starting Python for each; the
server itself has not used JAX, so that its children may.
"""

import atexit
import contextlib
import multiprocessing
import os
import signal
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from fer.tasks.program import NAME

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["fer.commands.training", "fer.training.loop", "fer.tasks.program", "host_faults"])


@dataclass
class HostProcess:
    """A process and the files with its output."""

    process: multiprocessing.Process
    stdout: Path
    stderr: Path

    def wait(self, seconds=120):
        """Wait for the end and return the exit code; a signal's number is negative."""
        self.process.join(seconds)
        assert self.process.exitcode is not None, f"still running after {seconds} s"
        return self.process.exitcode

    @property
    def errors(self):
        return self.stderr.read_text("utf-8")

    @property
    def lines(self):
        """The printed lines, without those of JAX's library for communication."""
        return [line for line in self.stdout.read_text("utf-8").splitlines() if not line.startswith("[Gloo]")]


def find_free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def run_hosts(folder, *words, folders=None, options=((), ()), environments=({}, {}), faults=(None, None)):
    """Start ``fer-dl train`` in two processes, yield both, and leave none behind.

    Args:
        folder: the working directory.
        words: the words of the command.
        folders: other working directories, one for each.
        options: further words of each.
        environments: further variables of each; None removes one.
        faults: what happens in each, a function of ``host_faults`` by its name and arguments.
    """
    port = find_free_port()
    started = []
    try:
        for index in range(2):
            variables = {
                "KERAS_DISTRIBUTION_JOB_ADDRESSES": f"127.0.0.1:{port}",
                "KERAS_DISTRIBUTION_NUM_PROCESSES": "2",
                "KERAS_DISTRIBUTION_PROCESS_ID": str(index),
            }
            started.append(
                start(
                    (folders or (folder, folder))[index],
                    [*words, *options[index]],
                    folder / f"host{index}",
                    variables | environments[index],
                    faults[index],
                )
            )
        yield started
    finally:
        for host in started:
            stop(host.process)


def run_alone(folder, *words, environment=None):
    """Run ``fer-dl train`` in one process and return it after its end."""
    host = start(folder, words, folder / "alone", environment or {}, None)
    try:
        host.wait()
    finally:
        stop(host.process)
    return host


def start(folder, words, name, environment, fault):
    stdout, stderr = name.with_suffix(".out"), name.with_suffix(".err")
    process = _CONTEXT.Process(target=_run, args=(str(folder), list(words), stdout, stderr, environment, fault))
    process.start()
    return HostProcess(process, stdout, stderr)


def stop(process):
    if process.exitcode is None:
        os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    process.close()


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not so after {seconds} s"
        time.sleep(0.02)


def _run(folder, words, stdout, stderr, variables, fault):
    """Run the program as its console script does, with its output in files."""
    for path, number in ((stdout, 1), (stderr, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.stdout, sys.stderr = (os.fdopen(os.dup(number), "w", buffering=1) for number in (1, 2))
    os.chdir(folder)
    for name, value in variables.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    import host_faults

    from fer.tasks.program import build_program

    if fault is not None:
        name, *arguments = fault
        getattr(host_faults, name)(*arguments)
    code = 0
    try:
        build_program().run([NAME, "train", *words])
    except SystemExit as ended:
        code = ended.code
    # A child of multiprocessing leaves without these.
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(code or 0)

"""The long run: ``invoke fuzz --minutes 60 --kinds images,videos`` draws new inputs until the time is over."""

import argparse
import multiprocessing
import sys
import time
from collections.abc import Iterator
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path

from fuzz.harness import Counts, Fault, Input, Outcome, draw_input, judge, try_input
from fuzz.kinds import FUZZERS

#: Seconds after which a process that reads one input is stopped.
_PATIENCE = 300.0


def main() -> int:
    """Run the fuzzers of the command line, print the counts of each, and return 1 if there is a fault."""
    parser = argparse.ArgumentParser(prog="invoke fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="time for all kinds together")
    parser.add_argument("--kinds", default="", help=f"some of {','.join(FUZZERS)}")
    parser.add_argument("--inputs", type=int, default=sys.maxsize, help="most inputs of a kind")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--out", type=Path, default=Path("build/fuzz"), help="folder for inputs that are faults")
    parser.add_argument("--repeat", type=Path, help="read one saved input again, build/fuzz/<kind>/<number>-<name>")
    options = parser.parse_args()
    if options.repeat is not None:
        return _repeat(options.repeat)
    kinds = options.kinds.split(",") if options.kinds else list(FUZZERS)
    if unknown := set(kinds) - set(FUZZERS):
        parser.error(f"--kinds takes some of {','.join(FUZZERS)}. Received: {','.join(sorted(unknown))}.")
    print(f"{'kind':10}{'inputs':>8}{'read':>8}{'refused':>9}{'faults':>8}{'seconds':>9}", flush=True)
    num_inputs = num_faults = 0
    for kind in kinds:
        start = time.monotonic()
        counts = _run_kind(kind, start + options.minutes * 60 / len(kinds), options.first, options.inputs, options.out)
        num_inputs, num_faults = num_inputs + counts.num_inputs, num_faults + len(counts.faults)
        figures = f"{counts.num_inputs:8}{counts.num_read:8}{counts.num_refused:9}{len(counts.faults):8}"
        print(f"{kind:10}{figures}{time.monotonic() - start:9.0f}", flush=True)
    print(f"{num_inputs} inputs, {num_faults} faults." + (f" They are in {options.out}." if num_faults else ""))
    return 1 if num_faults else 0


def _run_kind(kind: str, deadline: float, first: int, most: int, out: Path) -> Counts:
    counts = Counts()
    for outcome in _read_all(kind, first, deadline):
        counts.add(outcome)
        if isinstance(outcome, Fault):
            _write_fault(outcome, out / kind)
        if counts.num_inputs >= most:
            break
    return counts


def _read_all(kind: str, first: int, deadline: float) -> Iterator[Outcome]:
    """Yield the outcome of each input, read in a process that is started again after a crash."""
    context = multiprocessing.get_context("spawn")
    number = first
    while time.monotonic() < deadline:
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(kind, number, sender), daemon=True)
        process.start()
        sender.close()
        try:
            while time.monotonic() < deadline and receiver.poll(_PATIENCE):
                yield receiver.recv()
                number += 1
            if time.monotonic() < deadline:
                yield _describe_loss(kind, number, f"no answer for {_PATIENCE:.0f} s")
                number += 1
        except EOFError:
            process.join()
            yield _describe_loss(kind, number, f"the process ended with code {process.exitcode}")
            number += 1
        finally:
            process.kill()
            process.join()


def _work(kind: str, first: int, sender: Connection) -> None:
    for number in count(first):
        sender.send(try_input(FUZZERS[kind], number))


def _describe_loss(kind: str, number: int, reason: str) -> Fault:
    return Fault(kind, number, reason, "", draw_input(FUZZERS[kind], number))


def _write_fault(fault: Fault, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{fault.number:06}-{fault.input.name}"
    path.write_bytes(fault.input.content)
    path.with_name(f"{path.name}.fault.txt").write_text(f"{fault.reason}\n{fault.details}\n", errors="backslashreplace")


def _repeat(path: Path) -> int:
    fuzzer = FUZZERS[path.parent.name]
    saved = Input(path.read_bytes(), path.name.partition("-")[2])
    outcome, reason, details = judge(fuzzer, saved)
    print(f"{path}: {outcome} {reason}\n{details}")
    return 1 if outcome == "fault" else 0

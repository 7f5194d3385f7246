"""A short run of each fuzzer, and the harness; ``invoke fuzz`` runs them for longer."""

import random
import time

import pytest

from fer.errors import DataError
from fuzz.harness import Fault, Input, draw_input, judge, run_fuzzer
from fuzz.kinds import FUZZERS
from fuzz.mutators import mutate_bytes

#: Inputs of each kind in a test run; those that take seconds are few.
NUM_INPUTS = {
    "tables": 80,
    "votes": 120,
    "npz": 150,
    "states": 150,
    "config": 150,
    "set": 150,
    "mapping": 150,
    "keras": 20,
    "onnx": 100,
    "images": 200,
    "videos": 120,
    "detector": 20,
    "commands": 20,
    "kill": 1,
}


@pytest.mark.filterwarnings("default")  # libraries warn of damage as they read it
@pytest.mark.parametrize("kind", NUM_INPUTS)
def test_hostile_inputs_are_read_or_refused_in_one_line(kind):
    counts = run_fuzzer(FUZZERS[kind], range(NUM_INPUTS[kind]))
    assert counts.num_inputs == NUM_INPUTS[kind]
    assert [f"{fault.number}: {fault.reason} {fault.details}" for fault in counts.faults] == []


def test_every_fuzzer_has_a_short_run():
    assert set(NUM_INPUTS) == set(FUZZERS)


@pytest.mark.parametrize("kind", NUM_INPUTS)
def test_an_input_is_drawn_again_from_its_number(kind):
    assert draw_input(FUZZERS[kind], 7) == draw_input(FUZZERS[kind], 7)


class Stub:
    """A kind of input that is read by a function."""

    name, most_seconds = "stub", 0.2

    def __init__(self, read):
        self.read = read

    def draw(self, random):
        return Input(mutate_bytes(random, b"content"), "stub.bin")


def refuse(message):
    def read(path):
        raise DataError(message)

    return read


def spend(path):
    start = time.process_time()
    while time.process_time() < start + 0.3:
        pass


@pytest.mark.parametrize(
    ("read", "outcome", "reason"),
    [
        (lambda path: None, "read", ""),
        (refuse("A rule. Received: x."), "refused", ""),
        (refuse("two\nlines"), "fault", "message of 9 characters"),
        (refuse("x" * 301), "fault", "message of 301 characters"),
        (refuse(""), "fault", "message of 0 characters"),
        (lambda path: 1 // 0, "fault", "builtins.ZeroDivisionError"),
        (lambda path: exit(3), "fault", "builtins.SystemExit: 3"),
        (spend, "fault", "took 0."),
    ],
    ids=["read", "refused", "two lines", "long", "empty", "exception", "exit", "slow"],
)
def test_the_harness_tells_read_refused_and_faults_apart(read, outcome, reason):
    received, given, _ = judge(Stub(read), Input(b"content", "stub.bin"))
    assert received == outcome
    if outcome == "fault":
        assert given.startswith(reason)


def test_the_harness_counts_inputs_and_keeps_those_that_are_faults():
    def read(path):
        if len(path.read_bytes()) < 7:
            raise ValueError("short")

    counts = run_fuzzer(Stub(read), range(50))
    assert counts.num_inputs == 50
    assert counts.faults
    assert all(isinstance(fault, Fault) and len(fault.input.content) < 7 for fault in counts.faults)
    assert counts.num_read == 50 - len(counts.faults)


def test_a_change_of_bytes_depends_on_the_seed_alone():
    assert mutate_bytes(random.Random(1), b"x" * 100) == mutate_bytes(random.Random(1), b"x" * 100)
    assert len({mutate_bytes(random.Random(seed), b"x" * 100) for seed in range(20)}) > 10

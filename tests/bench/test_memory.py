import os
import subprocess
import sys

import pytest

from fer.bench import memory
from fer.bench.memory import read_memory


def test_resident_pages_are_the_second_number_of_statm(tmp_path, monkeypatch):
    (tmp_path / "42").mkdir()
    (tmp_path / "42" / "statm").write_text("90000 12500 3000 1 0 40000 0\n")
    monkeypatch.setattr(memory, "_PROC", tmp_path)
    monkeypatch.setattr(memory.os, "sysconf", {"SC_PAGE_SIZE": 4096}.get)
    assert read_memory(42) == pytest.approx(51.2)
    assert read_memory(42, exclude_mapped=True) == pytest.approx(51.2 - 3000 * 4096 / 1e6)


def test_memory_is_none_without_proc(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_PROC", tmp_path)
    assert read_memory(os.getpid()) is None


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")
def test_memory_is_that_of_the_named_process():
    script = "block = bytearray(b'x') * 300_000_000; print(len(block), flush=True); input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", script], **pipes) as process:
        process.stdout.readline()
        assert 300 < read_memory(process.pid) < 400
        process.communicate(b"\n")

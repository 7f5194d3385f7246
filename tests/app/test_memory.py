import subprocess
import sys

import pytest

from fer.app import memory


@pytest.mark.skipif(sys.platform != "linux", reason="needs the C library of Linux")
def test_freed_memory_is_returned():
    code = """
import ctypes, os
from fer.app.memory import return_memory
from fer.bench.memory import read_memory
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
blocks = [libc.malloc(60_000) for _ in range(3000)]
for block in blocks:
    ctypes.memset(block, 1, 60_000)
last = libc.malloc(60_000)  # keeps the heap from shrinking by itself
for block in blocks:
    libc.free(block)
before = read_memory(os.getpid())
return_memory()
print(before - read_memory(os.getpid()))
"""
    code = code.replace("ctypes.memset(block", "ctypes.memset(ctypes.c_void_p(block)")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(result.stdout) > 100


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    monkeypatch.setattr(memory.ctypes, "CDLL", None)
    memory.limit_heaps()
    memory.return_memory()


@pytest.mark.skipif(sys.platform != "linux", reason="needs the C library of Linux")
def test_heaps_are_limited(monkeypatch):
    calls = []
    monkeypatch.setattr(memory, "_find", lambda name: lambda *arguments: calls.append((name, *arguments)))
    memory.limit_heaps()
    assert calls == [("mallopt", -8, 2)]

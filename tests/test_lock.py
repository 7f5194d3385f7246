"""The check of requirements.lock that ``invoke lock`` runs."""

import importlib.util
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def check_lock():
    spec = importlib.util.spec_from_file_location("check_lock", ROOT / ".ci" / "check_lock.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_lock_file_satisfies_the_project(check_lock):
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    pins = check_lock.read_pins((ROOT / "requirements.lock").read_text("utf-8"))
    assert len(pins) > len(dependencies)
    assert check_lock.find_mismatches(dependencies, pins) == []


def test_missing_and_wrong_versions_are_named(check_lock):
    pins = check_lock.read_pins("keras==3.1 \\\n    --hash=sha256:00\nHuggingface_Hub==1.0\n")
    wanted = ["keras>=3.13,<4", "huggingface-hub>=1", "scipy>=1", "pywin32; sys_platform == 'plan9'"]
    assert check_lock.find_mismatches(wanted, pins) == ["keras<4,>=3.13 is pinned to 3.1.", "scipy>=1 is not pinned."]


NO_CONNECTION = "Known vulnerabilities were not looked up: pypi.org cannot be reached.\n"


def test_without_a_connection_one_line_says_so(check_lock, monkeypatch, capsys):
    # urlopen keeps the proxy of its first call in the process; here that call found no proxy.
    monkeypatch.setattr(check_lock.urllib.request, "_opener", check_lock.urllib.request.build_opener())
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    assert check_lock.main() == 0
    assert "satisfies pyproject.toml" in capsys.readouterr().out.splitlines()[0]
    assert check_lock.audit(ROOT / "requirements.lock") == 0
    assert capsys.readouterr().out == NO_CONNECTION


def test_a_connection_lost_during_the_audit_is_no_vulnerability(check_lock, monkeypatch, capsys):
    traceback = "Traceback (most recent call last):\n  ...\nrequests.exceptions.ProxyError: Max retries exceeded\n"
    ended = SimpleNamespace(returncode=1, stdout="", stderr=traceback)
    monkeypatch.setattr(check_lock, "is_reachable", lambda: True)
    monkeypatch.setattr(check_lock.subprocess, "run", lambda *command, **options: ended)
    assert check_lock.audit(ROOT / "requirements.lock") == 0
    assert capsys.readouterr().out == NO_CONNECTION


UNKNOWN = "a  Dependency not found on PyPI and could not be audited: a (1.0)\n"


@pytest.mark.parametrize(
    ("code", "found", "said"),
    [
        (0, "", "No known vulnerabilities were found."),
        (1, "b 1.0 CVE-2026-1\n", "b 1.0 CVE-2026-1"),
        (0, UNKNOWN, "Known vulnerabilities of 1 packages were not looked up"),
        (1, UNKNOWN + "b 1.0 CVE-2026-1\n", "b 1.0 CVE-2026-1"),
    ],
)
def test_a_known_vulnerability_is_a_failure(check_lock, monkeypatch, capsys, code, found, said):
    commands = []

    def run(command, **options):
        commands.append(command)
        return SimpleNamespace(returncode=code, stdout=found, stderr="")

    monkeypatch.setattr(check_lock, "is_reachable", lambda: True)
    monkeypatch.setattr(check_lock.subprocess, "run", run)
    assert check_lock.main() == code
    assert commands[0][1:3] == ["-m", "pip_audit"]
    shown = capsys.readouterr().out
    assert said in shown
    assert ("No known" in shown) == (not found)

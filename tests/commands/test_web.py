from pathlib import Path

import pytest
from training_runs import ignore

from fer import commands
from fer.errors import SettingsError


@pytest.fixture
def pushed(monkeypatch):
    """The arguments of each push, instead of an upload."""
    calls = []
    monkeypatch.setattr("fer.app.space.build_space", lambda out: [Path(out) / "app.py"])
    monkeypatch.setattr("fer.app.space.push_space", lambda *arguments, **options: calls.append((arguments, options)))
    return calls


def test_a_space_is_built_without_a_push(pushed):
    lines = []
    commands.space("out", log=lines.append)
    assert lines[0].startswith("1 files are in out.")
    assert pushed == []


def test_a_space_is_pushed_on_request(pushed):
    commands.space("out", push="owner/name", dry_run=True, log=ignore)
    [(arguments, options)] = pushed
    assert arguments == ("out", "owner/name")
    assert options["dry_run"] is True


def test_a_dry_run_without_a_push_is_refused(pushed):
    with pytest.raises(SettingsError, match="--push owner/name"):
        commands.space("out", dry_run=True, log=ignore)


def test_app_serves_at_the_address(monkeypatch):
    served = []
    monkeypatch.setattr("gradio_app.run_app", lambda **options: served.append(options))
    commands.app(host="127.0.0.1", port=7000)
    assert served == [{"host": "127.0.0.1", "port": 7000, "log": None}]

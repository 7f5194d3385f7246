import zipfile

import numpy as np
import pytest

from fer.errors import ModelError
from fer.training.state import RunState, load_state, remove_states, save_state


def make_state(epoch):
    return RunState(epoch, [np.full(3, epoch), np.ones((2, 2))], [np.zeros(2)], [{"epoch": epoch, "phase": "main"}])


def save_states(folder, epochs=(1, 2, 3)):
    return [save_state(folder, make_state(epoch)) for epoch in epochs]


def test_a_state_reads_back_equal(tmp_path):
    expected = make_state(7)
    save_state(tmp_path, expected)
    state = load_state(tmp_path)
    assert (state.epoch, state.history) == (7, expected.history)
    for received, values in ((state.variables, expected.variables), (state.best, expected.best)):
        for value, saved in zip(received, values, strict=True):
            np.testing.assert_array_equal(value, saved)


def test_more_than_ten_variables_keep_their_order(tmp_path):
    save_state(tmp_path, RunState(1, [np.array(index) for index in range(12)], [], []))
    assert [int(value) for value in load_state(tmp_path).variables] == list(range(12))


def test_only_the_newest_two_states_are_kept(tmp_path):
    assert [path.exists() for path in save_states(tmp_path)] == [False, True, True]


def test_the_newest_state_is_loaded(tmp_path):
    save_states(tmp_path)
    assert load_state(tmp_path).epoch == 3


@pytest.mark.parametrize(
    "damage",
    [lambda content: content[: len(content) // 2], lambda content: b"", lambda content: content[:-200] + bytes(200)],
    ids=["truncated", "empty", "overwritten"],
)
def test_a_damaged_state_falls_back_to_the_previous_one_with_a_message(tmp_path, damage):
    path = save_states(tmp_path)[2]
    path.write_bytes(damage(path.read_bytes()))
    lines = []
    state = load_state(tmp_path, log=lines.append)
    assert state.epoch == 2
    np.testing.assert_array_equal(state.variables[0], np.full(3, 2))
    assert len(lines) == 1
    assert "state-00003.npz is damaged" in lines[0]


def test_a_folder_without_a_whole_state_is_refused(tmp_path):
    for path in save_states(tmp_path, (1, 2)):
        path.write_bytes(b"")
    lines = []
    with pytest.raises(ModelError, match="whole checkpoint"):
        load_state(tmp_path, log=lines.append)
    assert len(lines) == 2


def test_removing_states_removes_their_folder(tmp_path):
    folder = tmp_path / "state"
    save_states(folder)
    remove_states(folder)
    assert not folder.exists()


def test_removing_states_removes_an_unfinished_write(tmp_path):
    folder = tmp_path / "state"
    save_states(folder)
    (folder / "state-00004.npz.123.tmp").write_bytes(b"half")
    remove_states(folder)
    assert not folder.exists()


def test_removing_states_keeps_other_files(tmp_path):
    save_states(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    remove_states(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_removing_states_of_a_run_without_any_does_nothing(tmp_path):
    remove_states(tmp_path / "state")
    assert not (tmp_path / "state").exists()


def write_members(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def read_members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("name", ["variable1.npy", "best0.npy", "history.npy"])
@pytest.mark.parametrize("change", ["remove", "rename", "shorten", "no array", "header"])
def test_a_state_without_one_of_its_arrays_falls_back_to_the_previous_one(tmp_path, name, change):
    path = save_states(tmp_path)[2]
    members = read_members(path)
    content = members.pop(name)
    changes = {
        "rename": {f"x{name}": content},
        "shorten": {name: content[:-3]},
        "no array": {name: b"text"},
        "header": {name: content.replace(b"{", b"(", 1)},
    }
    write_members(path, members | changes.get(change, {}))
    lines = []
    assert load_state(tmp_path, log=lines.append).epoch == 2
    assert len(lines) == 1
    assert "\n" not in lines[0]


def test_a_state_of_before_the_counts_is_read(tmp_path):
    path = save_states(tmp_path)[2]
    members = read_members(path)
    del members["counts.npy"]
    write_members(path, members)
    assert load_state(tmp_path).epoch == 3

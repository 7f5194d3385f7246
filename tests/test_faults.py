"""Faults of the machine: a full disk, folders without permission, signals, and two trainings at once."""

import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from training_runs import SHORT, ignore, make_config

import fer
from fer import commands, tasks
from fer.config import load_config
from fer.data import draw_sample
from fer.data.dataset import load_dataset, save_dataset
from fer.errors import FerError, ModelError, OutputError
from fer.files import write_atomically
from fer.model.saved import load_model, save_model
from fer.model.xception import build_xception
from fer.reports.tables import VideoTable
from fer.runs import Run
from fer.tasks.program import NAME, build_program
from fer.training import train
from fer.training.lock import lock_run
from fer.training.state import RunState, load_state, save_state
from fer.vision.faces import AnalyzedFrame
from fer.vision.frames import VideoFrame
from fer.vision.images import write_image
from fer.vision.video_writer import VideoWriter

ROOT = Path(__file__).parents[1]
#: Root may write into any folder; without this capability it may not.
WITHOUT_RIGHTS = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"]


# A full disk


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a file system of one MiB, and a function that leaves it a number of bytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("a small file system cannot be mounted here")

    def leave(num_bytes):
        status = os.statvfs(folder)
        (folder / "ballast").write_bytes(bytes(max(0, status.f_bavail * status.f_frsize - num_bytes)))

    yield folder, leave
    subprocess.run(["umount", "-l", str(folder)], check=True)


def make_state(epoch):
    return RunState(epoch, [np.full(50_000, epoch, np.float32)], [], [{"epoch": epoch}])


def draw_image(side):
    return np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)


def list_others(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != "ballast")


def test_a_checkpoint_on_a_full_disk_leaves_the_one_before(small_disk):
    folder, leave = small_disk
    save_state(folder, make_state(1))
    leave(100_000)
    with pytest.raises(OutputError, match="No space left"):
        save_state(folder, make_state(2))
    assert list_others(folder) == ["state-00001.npz"]
    assert load_state(folder).epoch == 1


def test_a_network_on_a_full_disk_leaves_the_one_before(small_disk):
    folder, leave = small_disk
    first, second = (build_xception(load_config("sample").model, seed=seed) for seed in (1, 2))
    save_model(first, folder / "model.keras")
    leave(50_000)
    with pytest.raises(OutputError, match="No space left"):
        save_model(second, folder / "model.keras")
    assert list_others(folder) == ["model.keras", "model.keras.sha256"]
    np.testing.assert_array_equal(load_model(folder / "model.keras").get_weights()[0], first.get_weights()[0])


def test_a_data_set_on_a_full_disk_leaves_the_one_before(small_disk):
    folder, leave = small_disk
    path = save_dataset(draw_sample(140, name="mine"), folder)
    leave(100_000)
    with pytest.raises(OutputError, match="No space left"):
        save_dataset(draw_sample(140, name="mine", seed=2), folder)
    assert list_others(folder) == ["mine.npz"]
    assert load_dataset(path).fingerprint == draw_sample(140, name="mine").fingerprint


@pytest.mark.parametrize("name", ["faces.csv", "copy.png"])
def test_a_table_or_annotated_copy_on_a_full_disk_leaves_the_one_before(small_disk, name):
    folder, leave = small_disk
    image = draw_image(200)
    (folder / name).write_bytes(b"before")
    leave(20_000)
    with pytest.raises(OutputError, match="No space left"):
        write_image(image, folder / name) if name == "copy.png" else write_atomically(folder / name, "x" * 50_000)
    assert (folder / name).read_bytes() == b"before"
    assert list_others(folder) == [name]


def test_a_table_of_a_video_on_a_full_disk_ends_with_one_error(small_disk):
    folder, leave = small_disk
    face = fer.Face((0, 0, 9, 9), 0.9, None, np.full(7, 1 / 7, np.float32), "happy", 0.5, False)
    image = np.zeros((8, 8, 3), np.uint8)
    rows = AnalyzedFrame(VideoFrame(0, 0.0, image), [face] * 5, 0.04)
    leave(20_000)

    def write_all():
        with VideoTable(folder / "t.csv") as table:
            for _ in range(10_000):
                table.write(rows)

    with pytest.raises(OutputError, match="No space left"):
        write_all()
    text = (folder / "t.csv").read_text()
    assert text.endswith("\n")
    assert {line.count(",") for line in text.splitlines()} == {text.split("\n")[0].count(",")}


def test_an_annotated_video_on_a_full_disk_ends_with_one_error(small_disk):
    folder, leave = small_disk
    draw = np.random.default_rng(0)
    leave(200_000)

    def write_all():
        with VideoWriter(folder / "o.mp4", 25.0) as writer:
            for _ in range(300):
                writer.write(draw.integers(0, 256, (120, 160, 3), dtype=np.uint8))

    with pytest.raises(OutputError, match="No space left"):
        write_all()
    assert list_others(folder) == []


# Folders without permission, and an unusual environment


def run_program(folder, *arguments, prelude="", command=(), **environment):
    """Run ``fer-dl`` in a folder and a bare environment."""
    script = f"{prelude}\nfrom fer.tasks.program import build_program\nbuild_program().run({[NAME, *arguments]!r})"
    variables = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "KERAS_BACKEND": "jax"} | environment
    return subprocess.run(
        [*command, sys.executable, "-c", script],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("setpriv") is None, reason="needs setpriv")
@pytest.mark.parametrize(
    "arguments",
    [("preprocess",), ("train", "sample", "--quiet"), ("predict", "photo.png"), ("labels", "sample")],
    ids=lambda arguments: arguments[0],
)
def test_a_folder_without_permission_is_one_line(tmp_path, arguments):
    write_image(draw_image(48), tmp_path / "photo.png")
    save_dataset(draw_sample(140), tmp_path / "data")
    for folder in (tmp_path, tmp_path / "data"):
        folder.chmod(0o555)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    ended = run_program(tmp_path, *arguments, command=WITHOUT_RIGHTS)
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.count("\n") == 1
    assert "Permission denied" in ended.stderr
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize(
    "environment",
    [{}, {"HOME": "/proc/none"}, {"HOME": "/nowhere", "XDG_CACHE_HOME": "/proc/none"}, {"TMPDIR": "/nowhere"}],
    ids=["no home", "home that cannot be written", "cache that cannot be written", "no temporary folder"],
)
def test_prediction_works_without_home_cache_and_temporary_folder(tmp_path, environment):
    write_image(draw_image(48), tmp_path / "photo.png")
    prelude = (
        "import tempfile; tempfile._candidate_tempdir_list = lambda: ['/nowhere']" if "TMPDIR" in environment else ""
    )
    words = ("predict", "photo.png", "--whole-image", "--quiet", "--run", str(ROOT / "artifacts/mini"))
    ended = run_program(tmp_path, *words, prelude=prelude, **environment)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "1 face" in ended.stdout
    assert (tmp_path / "predictions.csv").is_file()


# Signals


@pytest.fixture
def interruptible():
    """Ctrl-C as in a terminal: a shell lets its background jobs, such as a run of the tests, ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("name", tasks.__all__)
@pytest.mark.usefixtures("interruptible")
def test_a_signal_ends_each_task_with_one_line(monkeypatch, capsys, name, number, code):
    def wait(*arguments, **options):
        signal.raise_signal(number)
        raise AssertionError("the signal was ignored")

    monkeypatch.setattr(commands, name, wait)
    needed = {
        "average": ["one", "two", "--out", "mean"],
        "batch": ["a.csv", "--out", "out"],
        "predict": ["a.jpg"],
        "video": ["a.mp4"],
        "finetune": ["mine"],
        "audit": ["t.csv", "--group", "age"],
    }
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended:
        build_program().run([NAME, name, *needed.get(name, [])])
    assert ended.value.code == code
    errors = capsys.readouterr().err
    assert errors.startswith("error: Stopped by")
    assert errors.count("\n") == 1
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN], ids=["in a terminal", "in the background"])
def test_sigterm_stops_a_training_that_can_be_resumed(tmp_path, handler):
    save_dataset(draw_sample(140), tmp_path / "data")
    words = [NAME, "train", "sample", "--run", "./run", "--quiet", "--set", 'training.phases=[{"name":"a","epochs":500,'
             '"learning_rate":0.001}]']  # fmt: skip
    start = "from fer.tasks.program import build_program; build_program()"
    if handler is signal.SIG_IGN:
        start = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); {start}"
    else:
        start = f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler); {start}"
    script = f"{start}.run({words!r})"
    running = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    state = tmp_path / "run" / "state"
    while running.poll() is None and not any(state.glob("state-*.npz")):
        signal.sigtimedwait([], 0.05)
    running.send_signal(signal.SIGTERM)
    _, errors = running.communicate(timeout=120)
    assert running.returncode == 143, errors
    assert errors.startswith("error: Stopped. Continue after the last whole epoch with: fer-dl train --run ")
    assert errors.count("\n") == 1
    assert not list((tmp_path / "run").rglob("*.tmp*"))
    assert Run(tmp_path / "run").is_begun
    assert not (tmp_path / "run" / "train.lock").exists()


# Two trainings at once, and the clock


def test_two_trainings_into_one_folder_are_refused_in_one_line(tmp_path):
    run = Run(tmp_path / "run")
    with lock_run(run), pytest.raises(ModelError, match="another process trains") as refused:
        train(draw_sample(140), make_config(), run.folder, progress=False, log=ignore)
    assert "\n" not in str(refused.value)
    assert not run.folder.exists()


def test_a_lock_that_a_killed_training_left_is_taken_over(tmp_path):
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    run.lock.touch()
    (run.folder / "config.json.123.tmp").write_text("half")
    with lock_run(run):
        assert not (run.folder / "config.json.123.tmp").exists()
    assert not run.lock.exists()


def test_a_refused_training_leaves_no_folder(tmp_path):
    with pytest.raises(FerError):
        train(draw_sample(140).part("train"), make_config(), tmp_path / "new" / "run", progress=False)
    assert list(tmp_path.iterdir()) == []


def test_a_clock_that_is_set_back_does_not_change_a_training(tmp_path, monkeypatch):
    import time

    data, config = draw_sample(140), load_config("sample", overrides=SHORT)
    train(data, config, tmp_path / "a", progress=False, log=ignore)
    now = iter(range(10**9, 0, -1000))
    monkeypatch.setattr(time, "time", partial(next, now))
    train(data, config, tmp_path / "b", progress=False, log=ignore)
    first, second = (load_model(tmp_path / name / "model.keras").get_weights() for name in "ab")
    for value, expected in zip(second, first, strict=True):
        np.testing.assert_array_equal(value, expected)


def test_a_state_whose_time_is_older_is_still_the_newest(tmp_path):
    paths = [save_state(tmp_path, make_state(epoch)) for epoch in (1, 2)]
    os.utime(paths[1], (1, 1))
    assert load_state(tmp_path).epoch == 2

"""Hostile command lines of ``fer-dl`` and ``invoke``, run in this process and in a folder of their own."""

import contextlib
import functools
import inspect
import io
import json
import os
import random
import re
import shutil
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from unittest import mock

import numpy as np
from data_sources import FERPLUS_HEADER, format_table, make_rows
from invoke.collection import Collection
from invoke.program import Program
from PIL import Image

from fer import tasks
from fer.data import draw_sample
from fer.data.dataset import save_dataset
from fer.errors import FerError
from fer.runs import Run
from fer.tasks.program import NAME, build_program
from fuzz.harness import LONGEST_MESSAGE, Input, WrongAnswer
from fuzz.media import _encode_video
from fuzz.mutators import NUMBERS, TEXTS

#: Values that lead somewhere, by the name of an option; no address, and no path outside the folder that could be
#: written.
_VALUES = {
    "input": ("photo.jpg", "photos", "talk.mp4", "*.jpg", "[.jpg", "photos/%03d.png", "0", "99", "table.csv"),
    "source": ("table.csv", "photos", "tree", "data"),
    "votes": ("votes.csv", "table.csv"),
    "mapping": ("rafdb", "mapping.json", "table.csv"),
    "config": ("mapping.json", "table.csv"),
    "preset": ("sample", "mini", "smal"),
    "run": ("mini", "run", "./run", "xception"),
    "name": ("mine", "sample", "..", "a/b", "mine.npz"),
    "data": ("sample", "data/sample.npz", "fer2013", "audit.csv"),
    "group": ("age", "path", ""),
    "layers": ("all", "head"),
    "document": ("notes.md", "photo.jpg"),
    "set": ("training.seed=1", "training.seed=x", "model.stages=[]", "training.phases=[]"),
    "baseline": ("0:00-0:01", "photo.jpg", "1:00-0:00", "0-", "9:99-99:99"),
    "push": ("owner/name", "owner"),
    "port": ("0", "99999"),
}
_PATHS = (
    "out.csv", "out.xlsx", "out.json", "out.mp4", "out.png", "out.xyz", "out", "photo.jpg", "photos", "link.csv",
    "new/deep/out.csv", "table.csv/out.csv", "/proc/self/out.csv", "/proc/out.mp4", "/sys/out.png", "/sys/x/y",
    "x" * 252 + ".csv", "x" * 256, "y" * 5000, "d/" * 3000 + "out.csv", "é" * 130 + ".csv", "a\nb.csv",
    "", ".", "data", "closed/out.csv", "closed/out.mp4", "closed/out.png", "closed", "-", "--", "--help", "-h",
)  # fmt: skip
_TEXTS = tuple(text for text in TEXTS if text not in ("/", "..", "../../etc/passwd", "\0", "a\0b", "\ud800"))
_SMALL_NUMBERS = ("1", "2", "0", "-1", "x", "1.5", "٣", "1e3", "99999999999999999999999", "")
_PROGRESS = re.compile(r"[\w ]+: .*(left|images/s|faces/s|it/s)")
_SKIPPED = ("allow_download",)


class _Reached(Exception):
    """All checks are passed, and hours of work would begin."""


class CommandLines:
    """Each task with hostile values of its options."""

    name = "commands"
    most_seconds = 60.0

    def draw(self, random: random.Random) -> Input:
        """Draw a command line."""
        task = random.choice(tasks.__all__)
        declared = list(inspect.signature(inspect.unwrap(getattr(tasks, task).body)).parameters.values())[1:]
        needed = [option for option in declared if option.default is inspect.Parameter.empty]
        others = [option for option in declared if option not in needed and option.name not in _SKIPPED]
        chosen = needed + random.sample(others, min(len(others), random.randrange(5)))
        words = [random.choice((NAME, "invoke")), task]
        for option in chosen:
            if random.random() < 0.02:
                continue
            flag = f"--{option.name.replace('_', '-')}"
            words += [flag] if option.annotation is bool else [f"{flag}={self._draw_value(random, option)}"]
        if random.random() < 0.1:
            words.insert(random.randrange(2, len(words) + 1), random.choice((*_TEXTS, *_PATHS, "--sed=1", "-z")))
        return Input(json.dumps(words).encode(), "arguments.json")

    def _draw_value(self, random: random.Random, option: inspect.Parameter) -> str:
        is_number = "int" in str(option.annotation)
        if random.random() < 0.6:
            return random.choice(_SMALL_NUMBERS if is_number else _VALUES.get(option.name, _PATHS))
        return str(random.choice((*_TEXTS, *map(_write_number, NUMBERS)) if is_number else (*_TEXTS, *_PATHS)))

    def read(self, path: Path) -> None:
        """Run the command line; it ends with success, or with one line on standard error."""
        words = json.loads(path.read_bytes())
        folder = path.with_name("work")
        shutil.copytree(_build_folder(), folder, symlinks=True)
        shown, errors = io.StringIO(), io.StringIO()
        with _stay_inside(folder), contextlib.redirect_stdout(shown), contextlib.redirect_stderr(errors):
            code, worked = _run(words)
        # A progress bar is no message.
        lines = [line for line in errors.getvalue().strip().split("\n") if not _PROGRESS.match(line.split("\r")[-1])]
        lines = lines or [""]
        if code and (len(lines) != 1 or not lines[0] or len(lines[0]) > LONGEST_MESSAGE or not lines[0].isprintable()):
            raise WrongAnswer(f"exit code {code} with {len(lines)} lines: {errors.getvalue()[:2000]!r}")
        if code not in (0, 1, 2):
            raise WrongAnswer(f"exit code {code}: {lines[0]}")
        if code == 2 and worked and "output" in lines[0].lower():
            raise WrongAnswer(f"found after the work: {lines[0]}")
        if code:
            raise FerError(lines[0])


def _write_number(number: float) -> str:
    return f"1{'0' * 400}" if number == 10**400 else str(number)


def _run(words: list[str]) -> tuple[int, bool]:
    """Run a command line and return its exit code, and whether a network predicted before."""
    from fer.inference import Classifier

    with contextlib.ExitStack() as stack:
        predict = stack.enter_context(
            mock.patch.object(Classifier, "predict_heads", autospec=True, side_effect=Classifier.predict_heads)
        )
        for place in (
            "fer.training.loop.Trainer",
            "gradio_app.run_app",
            "fer.bench.run_bench",
            "fer.app.space.push_space",
        ):
            stack.enter_context(mock.patch(place, side_effect=_Reached))
        try:
            if words[0] == NAME:
                build_program().run(words)
            else:
                made = Collection(*(getattr(tasks, name) for name in tasks.__all__))
                Program(namespace=made, name="invoke", binary="invoke").run(words)
        except _Reached:
            return 0, False
        except SystemExit as ended:
            return int(ended.code or 0), predict.called
    return 0, predict.called


@contextlib.contextmanager
def _stay_inside(folder: Path) -> Iterator[None]:
    """Work in a folder, which is also the home folder."""
    # Modules that set variables for the libraries they import do so outside of the patch, which would remove them.
    import_module("gradio_app")
    with contextlib.chdir(folder), mock.patch.dict(os.environ, {"HOME": str(folder)}):
        yield


@functools.cache
def _build_folder() -> Path:
    """Build a folder with one input of each kind."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-work-"))
    draw = np.random.default_rng(1)
    Image.fromarray(draw.integers(0, 256, (40, 60, 3), dtype=np.uint8)).save(folder / "photo.jpg")
    (folder / "talk.mp4").write_bytes(_encode_video("mp4"))
    (folder / "table.csv").write_bytes(format_table(make_rows()))
    (folder / "votes.csv").write_text(FERPLUS_HEADER + "\n")
    (folder / "mapping.json").write_text('{"1": "happy"}')
    (folder / "audit.csv").write_text("path,label,age\nphoto.jpg,happy,9\n")
    (folder / "notes.md").write_text("# Notes\n")
    (folder / "link.csv").symlink_to("nowhere/out.csv")
    for name in ("photos", "tree/train/happy", "tree/test/happy", "tree/val/happy", "artifacts"):
        (folder / name).mkdir(parents=True)
        if name != "artifacts":
            shutil.copy(folder / "photo.jpg", folder / name / "001.jpg")
    (folder / "closed").write_text("a file where a folder is expected")
    save_dataset(draw_sample(140), folder / "data")
    shutil.copytree(Run.find_trained("mini").folder, folder / "run")
    return folder

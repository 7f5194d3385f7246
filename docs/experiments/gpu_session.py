"""Train teachers, a student of all teachers and a smaller one, on one GPU within a given number of seconds.

Usage, from the root of a checkout with a prepared ``data/fer2013.npz``:

    python docs/experiments/gpu_session.py run --seconds 600       # the students, into a temporary folder
    python docs/experiments/gpu_session.py run --train teacher-2 teacher-3      # these teachers before them
    python docs/experiments/gpu_session.py collect OUT [RUN ...]   # the results so far, into the folder OUT
    python docs/experiments/gpu_session.py unpack artifacts        # the kept teachers as runs, for invoke train

``run`` trains the named teachers side by side. These and the other teachers, from ``docs/experiments/teachers/``, then
predict the views of the training faces. The student trains for as many epochs as fit into the rest of the time, and the
smaller network after it. The programs of each part are compiled while the part before it runs. All files are in
``fer-session`` in the folder of temporary files, or in the folder that the variable ``FER_SESSION`` names; it must be
new. The exit code is 1 if a part failed or had to be stopped.

``collect`` writes the best weights of every run, with settings and history, and the logs once a minute. It may be
called several times while ``run`` is at work, each time with an empty folder OUT.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median

KEPT = Path(__file__).parent / "teachers"
ROOT = Path(os.environ.get("FER_SESSION") or Path(tempfile.gettempdir()) / "fer-session")
os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / "xla"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "1")

PLAIN = {
    "name": "plain",
    "convolution": "plain",
    "stages": [
        {"filters": [64, 64], "downsample": "none", "identity_blocks": 2},
        {"filters": [128, 128], "identity_blocks": 2},
        {"filters": [256, 256], "identity_blocks": 2},
    ],
}
#: Stronger than the preset's.
AUGMENTATION = {"rotation": 18.0, "zoom": 0.2, "contrast": 0.3, "mixup": 0.3}
#: Name: model, seed, learning rate, batch size, memory of the moving average, augmentation, epochs.
TEACHERS = {
    "teacher-0": ({"batch_norm_momentum": 0.99}, 10, 0.004, 512, 0.998, AUGMENTATION, 100),
    "teacher-1": (PLAIN | {"batch_norm_momentum": 0.99}, 12, 0.003, 512, 0.998, AUGMENTATION, 100),
    "teacher-2": ({"batch_norm_momentum": 0.995}, 20, 0.003, 256, 0.999, {}, 120),
    "teacher-3": (PLAIN | {"batch_norm_momentum": 0.995}, 21, 0.0025, 256, 0.999, {}, 120),
}
#: Name: preset.
STUDENTS = {"student": "base", "mini": "mini"}
#: What the command line may name first; ``run`` starts the last four as processes.
PARTS = ("run", "collect", "unpack", "teacher", "probe", "views", "student")


# Settings and data


def build_config(name, epochs, *, views=48, smoke=False):
    """Return the settings of a teacher or a student."""
    from fer.config import _merge, load_config, parse_config

    if name in TEACHERS:
        model, seed, rate, batch_size, memory, augmentation, _ = TEACHERS[name]
        phase = {"name": "main", "learning_rate": rate}
        training = {"batch_size": batch_size, "ema_momentum": memory, "seed": seed, "dtype_policy": "mixed_bfloat16"}
        settings = {"model": model, "augmentation": augmentation, "training": training}
        config = load_config("teacher").model_dump()
    else:
        folders = [ROOT / teacher for teacher in TEACHERS]
        teachers = [str(folder) for folder in folders if (folder / "model.keras").is_file()]
        settings = {"distillation": {"teacher": teachers, "teacher_preset": "", "views": views}, "training": {}}
        config = load_config(STUDENTS[name]).model_dump()
        phase = config["training"]["phases"][0]
    phases = [phase | {"epochs": epochs, "warmup_epochs": min(5, epochs // 4)}]
    settings["training"] |= {"engine": "device", "phases": phases}
    if smoke:
        settings["training"] |= {"batch_size": 16, "dtype_policy": "mixed_bfloat16"}
        small = {"stem": [[8, 5, 4]], "stages": [{"filters": [8, 8]}, {"filters": [8, 8]}]}
        settings["model"] = settings.get("model", {}) | small
    return parse_config(_merge(config, settings))


def load_data(smoke):
    """Return the data set, or every hundred and fiftieth face."""
    from dataclasses import replace

    from fer.data import load_dataset

    dataset = load_dataset("fer2013")
    if not smoke:
        return dataset
    fields = ("faces", "labels", "split", "votes", "clean")
    return replace(dataset, **{field: getattr(dataset, field)[::150] for field in fields})


# Parts, each in a process of its own


def train_teacher(name, smoke):
    """Train a teacher."""
    from fer.training import train

    epochs = 4 if smoke else TEACHERS[name][-1]
    train(load_data(smoke), build_config(name, epochs, smoke=smoke), ROOT / name, progress=False, log=print)


def train_student(name, epochs, views, smoke):
    """Compile the epoch of a student, wait for the views and for the student before it, then train it."""
    from fer.training import train
    from fer.training.device_epochs import DeviceEpochs

    trainer = prepare(name, epochs, views, smoke)
    DeviceEpochs(trainer.model, trainer.optimizer, trainer.batches).compile()
    del trainer
    say(f"{name}: compiled for {epochs} epochs")
    require("views")
    if name != "student":
        require("student")
    train(load_data(smoke), build_config(name, epochs, views=views, smoke=smoke), ROOT / name, progress=False, log=say)
    (ROOT / f"{name}.done").touch()


def probe(epochs, views, smoke):
    """Compile the programs of the student; once the teachers are trained, measure its seconds per epoch."""
    from fer.training.device_epochs import DeviceEpochs

    trainer = prepare("student", epochs, views, smoke)
    results = DeviceEpochs(trainer.model, trainer.optimizer, trainer.batches).run(0, 8)
    seconds = []
    for epoch in range(8):
        start = time.perf_counter()
        trainer.end_epoch(next(results), 1.0, 0.0)
        seconds.append(time.perf_counter() - start)
        if epoch == 1:
            say("probe: compiled")
            trainer._estimate_statistics = lambda: None  # only the first epochs need it
            require("teachers")
    results.close()
    (ROOT / "probe.json").write_text(json.dumps(median(seconds[3:])))


def prepare(name, epochs, views, smoke):
    """Return the trainer of a student with made-up predictions."""
    import numpy as np

    from fer.runs import Run
    from fer.training.batches import TrainingBatches
    from fer.training.devices import choose_dtype_policy, use_dtype_policy
    from fer.training.trainer import Trainer
    from fer.training.validation import Validation

    config, dataset = build_config(name, epochs, views=views, smoke=smoke), load_data(smoke)
    with use_dtype_policy(choose_dtype_policy(config.training.dtype_policy)):
        batches = TrainingBatches(dataset, config)
        batches._views = views
        batches._predictions = np.full((views, len(batches), 2, 7), 1 / 7, np.float16)
        validation = Validation.build(dataset.part("validation"), ("labels", "votes"))
        trainer = Trainer(Run(ROOT / "probe"), batches, validation, print)
        trainer._checkpoint_seconds = 1e9
        return trainer


def predict_views(views, smoke):
    """Let the teachers predict all views, for all students."""
    from fer.training.batches import TrainingBatches
    from fer.training.distillation import Teachers

    config = build_config("student", 8, views=views, smoke=smoke)
    say(f"views of {', '.join(Path(name).name for name in config.distillation.teacher)}")
    TrainingBatches(load_data(smoke), config, Teachers(config.distillation, config.model.heads))
    (ROOT / "views.done").touch()


def unpack_teachers(folder, names):
    """Write the run folders of kept teachers into a folder."""
    import numpy as np

    from fer.config import parse_config
    from fer.model.saved import save_model
    from fer.model.xception import build_xception
    from fer.runs import Run

    for name in names:
        if not (KEPT / f"{name}.npz").is_file():
            raise SystemExit(f"A kept teacher is one of {', '.join(TEACHERS)}. Received: {name}.")
        if (Path(folder) / name).exists():
            raise SystemExit(f"A run must not be overwritten. Received: {Path(folder) / name}. Remedy: remove it.")
    for name in names:
        with np.load(KEPT / f"{name}.npz") as content:
            texts = json.loads(str(content["texts"]))
            weights = [content[key].astype(np.float32) for key in sorted(content.files) if key != "texts"]
        model = build_xception(parse_config(json.loads(texts["config"])).model)
        model.set_weights(weights)
        run = Run(Path(folder) / name)
        run.folder.mkdir(parents=True)
        run.config.write_text(texts["config"])
        save_model(model, run.model)


# The session


def say(text):
    """Add a line to the log of the session."""
    with (ROOT / "session.log").open("a") as stream:
        stream.write(f"{time.time() - float(os.environ['FER_STARTED']):6.0f} s  {text}\n")


def wait_for(part, seconds):
    """Wait until a part of the session is done or the time is up; return whether it is done."""
    end = time.time() + seconds
    while not (ROOT / f"{part}.done").exists() and time.time() < end:
        time.sleep(0.1)
    return (ROOT / f"{part}.done").exists()


def require(part):
    """Wait until a part of the session is done; end the process if that takes an hour."""
    if not wait_for(part, 3600.0):
        raise SystemExit(f"The part {part!r} of the session was not done within an hour.")


def launch(part, *values, smoke=False):
    """Start a part of the session as a process."""
    command = [sys.executable, __file__, part, *map(str, values)] + ["--smoke"] * smoke
    with (ROOT / f"{part}-{Path(str(values[0])).name}.log").open("w") as log:
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)


def run_session(options):
    """Run all parts, stop what is still running when the time is up, and raise an error if a part did not succeed."""
    if any(path.name != "xla" for path in ROOT.iterdir()):
        raise SystemExit(
            f"A session must begin in a new folder. Received: {ROOT}, which has files of an earlier one. Remedy: remove"
            " it, or name another with the environment variable FER_SESSION."
        )
    started, running = time.time(), {}
    os.environ["FER_STARTED"] = str(started)
    say("start")
    try:
        run_parts(options, started, running)
    finally:
        for process in running.values():
            process.kill()
        codes = {name: process.wait() for name, process in running.items()}
        say(f"end: exit codes {codes}")
        (ROOT / "session.done").touch()
    if failed := [name for name, code in codes.items() if code]:
        raise SystemExit(f"Failed or stopped: {', '.join(failed)}. See the logs in {ROOT}.")


def run_parts(options, started, running):
    """Start all parts, each as soon as it can begin, as processes in ``running``; return when they end."""
    start, views = partial(launch, smoke=options.smoke), options.views
    end = started + options.seconds + options.mini_seconds
    running["probe"] = start("probe", 8, views)
    running |= {name: start("teacher", name) for name in options.train}
    kept = [name for name in TEACHERS if name not in options.train]
    if kept:
        wait_for_files([KEPT / f"{name}.npz" for name in kept])
        running["unpack"] = start("unpack", ROOT, *kept)
    if not all_succeed([process for name, process in running.items() if name != "probe"], end):
        raise SystemExit(f"A teacher is missing, so no student can be trained. See the logs in {ROOT}.")
    say("teachers: ready")
    (ROOT / "teachers.done").touch()
    running["views"] = start("views", views)
    is_measured = all_succeed([running["probe"]], end)
    seconds = json.loads((ROOT / "probe.json").read_text()) if is_measured else options.epoch_seconds
    until = float((ROOT / "until").read_text()) if (ROOT / "until").exists() else started + options.seconds
    left = until - time.time() - options.reserve
    epochs = max(int(left / seconds), 8)
    say(f"student: {seconds:.3f} s per epoch (measured: {is_measured}), {epochs} epochs in {left:.0f} s")
    running["student"] = start("student", "student", epochs, views)
    running["mini"] = start("student", "mini", options.mini_epochs, views)
    follow_students(running, max(end, until + options.mini_seconds))


def all_succeed(processes, end):
    """Wait until processes end or the time is up; return whether all have ended with exit code 0."""
    while time.time() < end and any(process.poll() is None for process in processes):
        time.sleep(0.1)
    return all(process.poll() == 0 for process in processes)


def follow_students(running, end):
    """Wait until all parts end, the time is up, or the views, which students need, have failed."""
    while time.time() < end and any(process.poll() is None for process in running.values()):
        if running["views"].poll():
            return
        if running["student"].poll() is not None:
            (ROOT / "student.done").touch()  # the smaller network is trained even if the student has failed
        time.sleep(0.5)


def wait_for_files(paths, seconds=150.0):
    """Wait for the kept teachers, which may be copied to the machine while others are trained."""
    end = time.time() + seconds
    if all(path.is_file() for path in paths):
        return
    while not all(path.is_file() for path in paths):
        if time.time() > end:
            raise SystemExit(f"Kept teachers are missing: {', '.join(str(path) for path in paths)}.")
        time.sleep(0.5)
    time.sleep(2.0)  # until they are whole


# Results


def collect(out, names, seconds):
    """Write the results once a minute until the session ends or the time is up, and print the session's log.

    The student is trained for as many epochs as fit into the time of the first call.
    """
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        raise SystemExit(
            f"Results must not be overwritten. Received: {out}, which is not empty. Remedy: another folder."
        )
    end, log, printed, packed = time.time() + seconds, ROOT / "session.log", 0, set()
    while not log.exists():
        if time.time() >= end:
            raise SystemExit(f"There is no session in {ROOT}. Remedy: start one with the part 'run'.")
        time.sleep(0.1)
    if not (ROOT / "until").exists():
        (ROOT / "until").write_text(str(end - 15.0))
    while True:
        is_last = wait_for("session", min(60.0, max(end - time.time(), 0.0))) or time.time() >= end
        failed = pack_all(out, names, packed)
        paths = sorted(ROOT.glob("*.log"), key=lambda path: path.stat().st_mtime)
        texts = [f"== {path.name}\n{path.read_text(errors='replace')[-6000:]}\n" for path in paths]
        (out / "logs.txt").write_text("".join(texts))
        lines = log.read_text().splitlines()
        print("\n".join(lines[printed:]), flush=True)
        printed = len(lines)
        if is_last:
            break
    if failed:
        raise SystemExit(f"Not written at the end: {', '.join(failed)}. Files of them are those of a minute before.")


def pack_all(out, names, packed):
    """Write all results that are not in ``packed``, and return the names of those that could not be written."""
    tasks = {name: partial(pack_run, out, name) for name in names or (*TEACHERS, *STUDENTS)}
    if not names:
        tasks["views"] = partial(pack_views, out)
    failed = []
    for name in tasks.keys() - packed:
        try:
            if tasks[name]():
                packed.add(name)
        except Exception as error:  # a file that is being replaced: the next minute writes it
            print(f"{name} was not written: {error!r}", flush=True)
            failed.append(name)
    return failed


def pack_run(out, name):
    """Write the best weights of a run so far, with its settings and history; of teachers in float16.

    Returns:
        Whether the run is finished.
    """
    import keras
    import numpy as np

    from fer.runs import Run
    from fer.training.state import load_state

    run = Run(ROOT / name)
    if not run.history.is_file():  # not begun, or a kept teacher
        return False
    is_finished = run.is_finished
    if is_finished:
        values = keras.models.load_model(run.model).get_weights()
    else:
        values = load_state(run.state, log=lambda text: None).best
    texts = {"finished": is_finished}
    for key, source in (("config", run.config), ("history", run.history), ("provenance", run.provenance)):
        texts[key] = source.read_text() if source.is_file() else ""
    kind = np.float16 if name in TEACHERS else np.float32
    arrays = {f"w{index:04d}": np.asarray(value, kind) for index, value in enumerate(values)}
    partial_path = out / f"{name}.partial"
    with partial_path.open("wb") as stream:
        np.savez(stream, texts=json.dumps(texts), **arrays)
    partial_path.replace(out / f"{name}.npz")
    return is_finished


def pack_views(out):
    """Write the predictions of all views in eight bits, the square root of a probability times 255, in two files each.

    Returns:
        Whether there are any.
    """
    import numpy as np

    if not (ROOT / "views.done").exists():
        return False
    for path in Path("data/teacher_predictions").glob("*.npy"):
        for number, half in enumerate(np.array_split(np.load(path), 2)):
            roots = np.uint8(np.rint(np.sqrt(half.astype(np.float32)) * 255))
            np.savez_compressed(out / f"views-{path.stem}-{number}.npz", key=path.stem, roots=roots)
    return True


def main():
    """Run the part of the session that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("values", nargs="*")
    parser.add_argument(
        "--seconds", type=float, default=600.0, help="until the student must be trained; of collect, until it ends"
    )
    parser.add_argument("--mini-seconds", type=float, default=200.0, help="for the smaller network after it")
    parser.add_argument("--reserve", type=float, default=80.0, help="seconds of predicting views and of starting")
    parser.add_argument("--epoch-seconds", type=float, default=0.8, help="of the student, if they are not measured")
    parser.add_argument("--train", nargs="*", default=[], choices=list(TEACHERS), help="teachers to train first")
    parser.add_argument("--mini-epochs", type=int, default=450)
    parser.add_argument("--views", type=int, default=48)
    parser.add_argument("--smoke", action="store_true", help="a few faces and tiny networks, to try the script")
    options = parser.parse_args()
    if options.part != "run" and not options.values:
        parser.error(f"{options.part} needs a further value")
    ROOT.mkdir(parents=True, exist_ok=True)
    part, values, smoke = options.part, options.values, options.smoke
    if part in ("collect", "unpack"):
        os.environ["JAX_PLATFORMS"] = "cpu"  # the GPU is left to the others
    if part == "run":
        run_session(options)
    elif part == "collect":
        collect(Path(values[0]), values[1:], options.seconds)
    elif part == "unpack":
        unpack_teachers(values[0], values[1:] or TEACHERS)
    elif part == "teacher":
        train_teacher(values[0], smoke)
    elif part == "student":
        train_student(values[0], int(values[1]), int(values[2]), smoke)
    elif part == "probe":
        probe(int(values[0]), int(values[1]), smoke)
    elif part == "views":
        predict_views(int(values[0]), smoke)


if __name__ == "__main__":
    main()

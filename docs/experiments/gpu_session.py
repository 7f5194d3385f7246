"""Train teachers and students on one GPU within a given number of minutes.

Usage, from the root of a checkout with a prepared ``data/fer2013.npz``:

    python docs/experiments/gpu_session.py speed OUT      # seconds per epoch of each network and technique
    python docs/experiments/gpu_session.py train OUT --teacher-epochs 100 --student-epochs 240
    python docs/experiments/gpu_session.py train OUT --kept-teachers --student-epochs 600 --skip-clean
    python docs/experiments/gpu_session.py unpack artifacts     # the kept teachers as runs, for invoke train

``speed`` compiles all programs in parallel and times them one after the other. ``train`` trains the teachers, three at
a time, then lets them predict the views of the training faces, then trains the students side by side. With
``--kept-teachers``, the teachers are those of ``docs/experiments/teachers/``. Called again on the same machine, it
resumes what it had to stop. Both write their results into the folder OUT: the best weights of every run so far, with
settings and history, once a minute.
"""

import argparse
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

KEPT = Path(__file__).parent / "teachers"
ROOT = Path(os.environ.get("FER_SESSION") or Path(tempfile.gettempdir()) / "fer-session")
os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / "xla"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "1")

AUGMENTATION = {"rotation": 18.0, "shift": 0.1, "zoom": 0.2, "contrast": 0.3, "erasing": 0.25, "mixup": 0.3}
DEGRADATION = {
    "blur": 0.25,
    "low_resolution": 0.25,
    "jpeg": 0.25,
    "noise": 0.25,
    "gamma": 0.5,
    "light": 0.25,
    "occlusion": 0.15,
}
PLAIN = {
    "name": "plain",
    "convolution": "plain",
    "stages": [
        {"filters": [64, 64], "downsample": "none", "identity_blocks": 2},
        {"filters": [128, 128], "identity_blocks": 2},
        {"filters": [256, 256], "identity_blocks": 2},
    ],
}
STUDENT = {
    "name": "base",
    "stages": [
        {"filters": [96, 96], "downsample": "none", "identity_blocks": 2},
        {"filters": [208, 208], "identity_blocks": 4},
        {"filters": [368, 368], "identity_blocks": 3},
    ],
    "stochastic_depth": 0.1,
    "dropout": 0.2,
}
SGD = {"optimizer": "sgd", "weight_decay": 5e-4}
TEACHERS = {
    "teacher-adamw": ({}, {"seed": 10}, 0.004),
    "teacher-plain-sgd": (PLAIN, SGD | {"seed": 13}, 0.1),
    "teacher-sgd": ({}, SGD | {"seed": 11}, 0.1),
    "teacher-plain-adamw": (PLAIN, {"seed": 12}, 0.003),
}
MINI = {
    "name": "mini",
    "stem": [[12, 3, 1], [24, 3, 2]],
    "stages": [
        {"filters": [24, 24], "downsample": "none"},
        {"filters": [48, 48], "identity_blocks": 1},
        {"filters": [96, 96], "identity_blocks": 1},
    ],
    "squeeze_ratio": 0,
    "stochastic_depth": 0.0,
    "dropout": 0.0,
}
STUDENTS = {
    "student-robust": (STUDENT, {"seed": 0}, 0.005, DEGRADATION),
    "student-clean": (STUDENT, {"seed": 1}, 0.005, {}),
    "mini-robust": (MINI, {"seed": 0, "weight_decay": 0.02}, 0.01, DEGRADATION),
}


def build_config(name, epochs, *, batch_size=512, views=32, dtype="mixed_bfloat16", smoke=False):
    """Return the settings of a teacher or a student."""
    from fer.config import _merge, load_config, parse_config

    if name in TEACHERS:
        model, training, rate, *_ = TEACHERS[name]
        degradation, distillation = {}, {}
    else:
        model, training, rate, degradation = STUDENTS[name]
        teachers = [str(ROOT / name) for name in TEACHERS if (ROOT / name / "model.keras").is_file()]
        teachers.append("artifacts/xception")
        distillation = {"teacher": teachers, "weight": 0.9, "consistent": True, "views": views}
    phase = {"name": "main", "epochs": epochs, "learning_rate": rate, "warmup_epochs": min(5, epochs // 4)}
    settings = {
        "data": {"label_smoothing": 0.05},
        "model": {"batch_norm_momentum": 0.99} | model,
        "augmentation": AUGMENTATION,
        "degradation": degradation,
        "distillation": distillation,
        "training": {
            "batch_size": batch_size,
            "dtype_policy": dtype,
            "ema_momentum": 0.998,
            "engine": "device",
            "phases": [phase],
        }
        | training,
    }
    if smoke:
        settings["training"] |= {"dtype_policy": "float32", "batch_size": 16}
        settings["model"]["stem"] = [[8, 5, 4]]
        settings["model"]["stages"] = [
            stage | {"filters": [8, 8], "identity_blocks": min(1, stage.get("identity_blocks", 0))}
            for stage in settings["model"].get("stages", STUDENT["stages"])
        ]
    return parse_config(_merge(load_config("teacher").model_dump(), settings))


def load_data(smoke):
    """Return the data set, or a few of its faces."""
    from fer.data import load_dataset

    dataset = load_dataset("fer2013")
    return dataset if not smoke else thin(dataset)


def thin(dataset):
    """Return every hundred and fiftieth face."""
    from dataclasses import replace

    fields = ("faces", "labels", "split", "votes", "clean")
    return replace(dataset, **{field: getattr(dataset, field)[::150] for field in fields})


# Speed


def time_epochs(name, technique, dtype, batch_size, out, smoke):
    """Compile the epoch of one network, wait for the other programs, then time it alone."""
    import jax
    import numpy as np

    from fer.model import layers
    from fer.runs import Run
    from fer.training.batches import TrainingBatches
    from fer.training.device_epochs import DeviceEpochs
    from fer.training.devices import use_dtype_policy
    from fer.training.trainer import Trainer
    from fer.training.validation import Validation

    techniques = {"stock": (), "matmul": ("pointwise",), "shifts": ("pointwise", "depthwise")}
    config = build_config(name, 240 if name in STUDENTS else 100, batch_size=batch_size, dtype=dtype, smoke=smoke)
    dataset = load_data(smoke)
    started = time.perf_counter()
    with use_dtype_policy(dtype), layers.use_techniques(techniques[technique]):
        batches = TrainingBatches(dataset, config)
        if name in STUDENTS:
            batches._views = 32
            batches._predictions = np.full((32, len(batches), 2, 7), 1 / 7, np.float16)
        trainer = Trainer(
            Run(ROOT / "none"), batches, Validation.build(dataset.part("validation"), ("labels", "votes")), print
        )
        epochs = DeviceEpochs(trainer.model, trainer.optimizer, batches)
        draws = epochs._draw(0)
        groups = (trainer.model.trainable_variables, trainer.model.non_trainable_variables, trainer.optimizer.variables)
        state = [[v.value for v in group] for group in groups]
        program = epochs._run.lower(state, epochs._data, draws).compile()
        compiled = time.perf_counter() - started
        ready = ROOT / "ready"
        ready.mkdir(exist_ok=True)
        (ready / f"{os.getpid()}").touch()
        deadline = time.time() + 120
        while len(list(ready.iterdir())) < int(os.environ.get("FER_PARTIES", "1")) and time.time() < deadline:
            time.sleep(0.2)
        with (ROOT / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            seconds, losses = [], []
            for epoch in range(3):
                draws = epochs._draw(epoch)
                start = time.perf_counter()
                state, (loss, _) = program(state, epochs._data, draws)
                losses.append(float(loss[-10:].mean()))
                jax.block_until_ready(state)
                seconds.append(time.perf_counter() - start)
    peak = (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use", 0) / 2**30
    line = (
        f"{name:20} {technique:7} {dtype:15} batch {batch_size:4} flags {os.environ.get('XLA_FLAGS', '-')[:40]:40}"
        f" compile {compiled:5.1f} s, epoch {min(seconds):6.3f} s, peak {peak:5.1f} GiB,"
        f" losses {' '.join(f'{loss:.3f}' for loss in losses)}"
    )
    print(line, flush=True)
    with (Path(out) / "speed.txt").open("a") as stream:
        stream.write(line + "\n")


def measure_speed(out, smoke):
    """Time all variants."""
    graphs = "--xla_gpu_enable_command_buffer=FUSION,CUBLAS,CUBLASLT,CUDNN,CUSTOM_CALL --xla_gpu_graph_min_graph_size=1"
    bf16 = "mixed_bfloat16"
    jobs = [
        ("teacher-adamw", "stock", bf16, 512, ""),
        ("teacher-adamw", "matmul", bf16, 512, ""),
        ("teacher-adamw", "shifts", bf16, 512, ""),
        ("teacher-adamw", "matmul", bf16, 512, graphs),
        ("teacher-sgd", "matmul", bf16, 512, ""),
        ("teacher-plain-sgd", "stock", bf16, 512, ""),
        ("teacher-plain-adamw", "stock", bf16, 512, ""),
        ("student-robust", "matmul", bf16, 512, ""),
        ("mini-robust", "matmul", bf16, 512, ""),
    ]
    if smoke:
        jobs = [jobs[6], jobs[8]]
    # What an earlier call on the same machine left: its programs are no longer there to wait for.
    shutil.rmtree(ROOT / "ready", ignore_errors=True)
    processes = []
    for name, technique, dtype, batch_size, flags in jobs:
        environment = dict(os.environ, FER_PARTIES=str(len(jobs)))
        if flags:
            environment["XLA_FLAGS"] = flags
        size = 32 if smoke else batch_size
        arguments = ["time", name, technique, dtype, str(size), str(out)] + ["--smoke"] * smoke
        log = (ROOT / f"time-{len(processes)}.log").open("w")
        processes.append(
            subprocess.Popen([sys.executable, __file__, *arguments], env=environment, stdout=None, stderr=log)
        )
    for process in processes:
        process.wait()
    pack(out)


# Training


def unpack_teachers(folder):
    """Write the run folders of the kept teachers into a folder."""
    import numpy as np

    from fer.config import parse_config
    from fer.model.saved import save_model
    from fer.model.xception import build_xception
    from fer.runs import Run

    for path in sorted(KEPT.glob("*.npz")):
        run = Run(Path(folder) / path.stem)
        run.folder.mkdir(parents=True, exist_ok=True)
        with np.load(path) as content:
            texts = json.loads(str(content["texts"]))
            weights = [content[name].astype(np.float32) for name in sorted(content.files) if name != "texts"]
        run.config.write_text(texts["config"])
        model = build_xception(parse_config(json.loads(texts["config"])).model)
        model.set_weights(weights)
        save_model(model, run.model)


def train_one(name, epochs, views, smoke):
    """Train one network into its run folder."""
    from fer.runs import Run
    from fer.training import train

    config = build_config(name, epochs, batch_size=32 if smoke else 512, views=views, smoke=smoke)
    started = time.perf_counter()
    run = Run(ROOT / name)
    if run.is_finished:
        return
    log = partial(print, name)
    result = train(load_data(smoke), config, run.folder, resume=run.is_begun, progress=False, log=log)
    last = result.history.iloc[-1]
    best = result.history.iloc[result.best_epoch - 1]
    print(
        f"{name}: {epochs} epochs in {time.perf_counter() - started:.0f} s,"
        f" {result.history['seconds'].median():.3f} s/epoch; best epoch {result.best_epoch}:"
        f" labels {best['validation_accuracy']:.4f} votes {best['validation_accuracy_votes']:.4f}"
        f" loss {best['validation_loss']:.4f}; last: {last['validation_accuracy']:.4f}"
        f" {last['validation_accuracy_votes']:.4f} {last['validation_loss']:.4f} train {last['train_loss']:.4f}",
        flush=True,
    )


def predict_views(views, smoke):
    """Let the teachers predict all views once, for all students."""
    from fer.training.batches import TrainingBatches
    from fer.training.distillation import Teachers

    config = build_config("student-robust", 1, batch_size=32 if smoke else 512, views=views, smoke=smoke)
    start = time.perf_counter()
    TrainingBatches(load_data(smoke), config, Teachers(config.distillation, config.model.heads))
    print(f"views: {views} in {time.perf_counter() - start:.0f} s", flush=True)


def launch(out, *arguments, smoke=False):
    """Start a part of the session as a process of its own."""
    log = (ROOT / f"{arguments[1]}.log").open("a")
    command = [sys.executable, __file__, *arguments] + ["--smoke"] * smoke
    return subprocess.Popen(command, stdout=None, stderr=log)


def wait(processes, out, deadline):
    """Wait for processes; pack results once a minute; stop what runs past the deadline."""
    packed = time.time()
    while any(process.poll() is None for process in processes):
        time.sleep(0.5)
        if time.time() - packed > 60:
            pack(out)
            packed = time.time()
        if time.time() > deadline:
            for process in processes:
                process.kill()
    pack(out)


GROUPS = {
    "teachers": ["teacher-adamw", "teacher-sgd"],
    "plain-sgd": ["teacher-plain-sgd"],
    "plain-adamw": ["teacher-plain-adamw"],
    "students": list(STUDENTS),
}


def read_weights(name):
    """Return the best weights so far, and settings, history and state of a run."""
    import keras

    from fer.runs import Run
    from fer.training.state import load_state

    run = Run(ROOT / name)
    if run.is_finished:
        values = keras.models.load_model(run.model).get_weights()
    elif run.state.is_dir() and any(run.state.glob("state-*.npz")):
        values = load_state(run.state, log=lambda text: None).best
    else:
        return {}
    paths = {"config": run.config, "history": run.history}
    texts = {key: path.read_text() for key, path in paths.items() if path.is_file()}
    arrays = {f"{name}/w{index:04d}": value for index, value in enumerate(values)}
    return arrays | {f"{name}/texts": json.dumps(texts | {"finished": run.is_finished})}


def pack(out):
    """Write the best weights of each run, with settings and history, and the logs into OUT."""
    import numpy as np

    for group, names in GROUPS.items():
        arrays = {}
        for name in names:
            try:
                arrays |= read_weights(name)
            except Exception as error:  # a file that is being replaced: the next minute packs it
                print("pack", name, error, flush=True)
        if group != "students":
            arrays = {key: np.float16(v) if getattr(v, "dtype", None) == np.float32 else v for key, v in arrays.items()}
        if arrays:
            with (Path(out) / f"{group}.partial").open("wb") as stream:
                np.savez(stream, **arrays)
            (Path(out) / f"{group}.partial").replace(Path(out) / f"{group}.npz")
    logs = sorted(ROOT.glob("*.log"))
    text = "".join(f"== {path.name}\n{path.read_text(errors='replace')[-6000:]}\n" for path in logs)
    (Path(out) / "logs.txt").write_text(text)


def pack_views(out):
    """Write the predictions of all views in eight bits: the square root of a probability times 255."""
    import numpy as np

    for path in Path("data/teacher_predictions").glob("*.npy"):
        predictions = np.load(path).astype(np.float32)
        np.savez_compressed(Path(out) / "views.npz", key=path.stem, roots=np.uint8(np.rint(np.sqrt(predictions) * 255)))


def train_all(out, options):
    """Train teachers and students within a number of seconds."""
    started = time.time()
    start = partial(launch, out, smoke=options.smoke)
    views = str(options.views)
    if options.kept_teachers:
        unpack_teachers(ROOT)
    else:
        train_teachers(start, str(options.teacher_epochs), views)
    print(f"teachers done after {time.time() - started:.0f} s", flush=True)
    pack(out)
    start("views", views).wait()
    pack_views(out)
    print(f"views done after {time.time() - started:.0f} s", flush=True)
    names = ["student-robust", "mini-robust"] + ["student-clean"] * (not options.skip_clean)
    epochs = {name: str(options.mini_epochs if "mini" in name else options.student_epochs) for name in names}
    wait([start("one", name, epochs[name], views) for name in names], out, started + options.seconds)
    print(f"students done after {time.time() - started:.0f} s", flush=True)


def train_teachers(start, epochs, views):
    """Train the teachers, three at a time."""
    queue, running = list(TEACHERS), []
    while queue or running:
        while queue and len(running) < 3:
            running.append(start("one", queue.pop(0), epochs, views))
        running = [process for process in running if process.poll() is None]
        time.sleep(0.2)


def main():
    """Run the part of the session that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part")
    parser.add_argument("values", nargs="*")
    parser.add_argument("--teacher-epochs", type=int, default=100)
    parser.add_argument("--student-epochs", type=int, default=240)
    parser.add_argument("--mini-epochs", type=int, default=300)
    parser.add_argument("--views", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=570)
    parser.add_argument("--skip-clean", action="store_true", help="no student of faces that are not degraded")
    parser.add_argument("--kept-teachers", action="store_true", help="the teachers of docs/experiments/teachers")
    parser.add_argument("--smoke", action="store_true", help="a few faces and tiny networks, to try the script")
    options = parser.parse_args()
    ROOT.mkdir(parents=True, exist_ok=True)
    values = options.values
    if options.part == "speed":
        measure_speed(values[0], options.smoke)
    elif options.part == "time":
        time_epochs(*values[:3], int(values[3]), values[4], options.smoke)
    elif options.part == "one":
        train_one(values[0], int(values[1]), int(values[2]), options.smoke)
    elif options.part == "views":
        predict_views(int(values[0]), options.smoke)
    elif options.part == "unpack":
        unpack_teachers(values[0])
    elif options.part == "train":
        train_all(values[0], options)


if __name__ == "__main__":
    main()

import keras
import numpy as np
import pytest
from training_runs import PHASES, make_config

from fer.config import load_config, parse_config
from fer.data import draw_sample
from fer.errors import SettingsError
from fer.model.saved import load_model, save_model
from fer.model.xception import build_xception
from fer.runs import Run
from fer.training import distillation, train
from fer.training.batches import TrainingBatches
from fer.training.devices import runs_on_device
from fer.training.distillation import Teachers
from fer.training.trainer import Trainer
from fer.training.validation import Validation

needs_jax = pytest.mark.skipif(keras.backend.backend() != "jax", reason="the programs are written for JAX")
PLAIN_PHASE = PHASES[0] | {"augmentation_strength": 0.0, "mixup": False, "epochs": 2}


def make_student(teacher, engine, **settings):
    config = make_config(phases=[PHASES[0]], engine=engine).model_dump()
    config["distillation"] = {"teacher": str(teacher), "consistent": True, "views": 2} | settings
    return parse_config(config)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    folder = tmp_path_factory.mktemp("teacher")
    config = load_config("sample")
    save_model(build_xception(config.model, seed=5), folder / "model.keras")
    Run(folder).write_config(config)
    return folder


@pytest.fixture
def views_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(distillation, "_VIEWS_FOLDER", tmp_path / "views")
    return tmp_path / "views"


def read_weights(folder):
    return load_model(folder / "model.keras").get_weights()


@needs_jax
def test_an_epoch_on_the_device_trains_as_batches_from_the_host_do(dataset, tmp_path):
    for engine in ("host", "device"):
        train(dataset, make_config(phases=[PLAIN_PHASE], engine=engine), tmp_path / engine, progress=False)
    host, device = (read_weights(tmp_path / engine) for engine in ("host", "device"))
    for expected, received in zip(host, device, strict=True):
        np.testing.assert_allclose(received, expected, atol=2e-3 * max(1.0, float(np.abs(expected).max())))


@needs_jax
def test_a_resumed_run_on_the_device_ends_with_the_weights_of_an_uninterrupted_one(dataset, tmp_path, monkeypatch):
    config = make_config(engine="device")
    monkeypatch.setattr("fer.training.trainer._CHECKPOINT_SECONDS", 0.0)
    train(dataset, config, tmp_path / "whole", progress=False)
    with monkeypatch.context() as patch:
        _stop_after_epoch(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            train(dataset, config, tmp_path / "resumed", progress=False)
    train(dataset, config, tmp_path / "resumed", resume=True, progress=False)
    whole, resumed = (read_weights(tmp_path / name) for name in ("whole", "resumed"))
    for expected, received in zip(whole, resumed, strict=True):
        np.testing.assert_array_equal(received, expected)


def _stop_after_epoch(patch, epochs):
    end_epoch = Trainer.end_epoch

    def stop(self, *arguments):
        end_epoch(self, *arguments)
        if self.epoch == epochs:
            raise KeyboardInterrupt

    patch.setattr(Trainer, "end_epoch", stop)


@needs_jax
def test_compiling_an_epoch_ahead_changes_nothing(dataset, tmp_path):
    from fer.training.device_epochs import DeviceEpochs

    results = []
    for is_ahead in (False, True):
        batches = TrainingBatches(dataset, make_config(phases=[PLAIN_PHASE], engine="device"))
        trainer = Trainer(Run(tmp_path), batches, Validation.build(dataset.part("validation"), ("labels",)), print)
        epochs = DeviceEpochs(trainer.model, trainer.optimizer, batches)
        weights = trainer.model.get_weights()
        if is_ahead:
            epochs.compile()
        for value, expected in zip(trainer.model.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(value, expected)
        results.append(list(epochs.run(0, 1)))
    assert results[0] == results[1]


@needs_jax
def test_checkpoints_on_the_device_are_written_at_intervals(dataset, tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(Trainer, "_write_checkpoint", lambda self: written.append(self.epoch))
    monkeypatch.setattr("fer.training.trainer.time.monotonic", lambda: 0.0)
    train(dataset, make_config(engine="device"), tmp_path / "run", progress=False)
    assert set(written) <= {1, 2, 3, 4}
    assert written[-1] == 4


@needs_jax
@pytest.mark.parametrize("epoch", [1, 3])
@pytest.mark.parametrize("heads", ['["labels"]', '["labels","votes"]'])
def test_a_batch_on_the_device_is_that_of_the_host(teacher, views_folder, heads, epoch):
    from fer.training.device_epochs import _Data, build_batch, convert_plan

    dataset = draw_sample(140, seed=1)
    config = make_student(teacher, "host").model_dump()
    config["model"]["heads"] = ["labels"] if heads == '["labels"]' else ["labels", "votes"]
    config["degradation"] = {"blur": 0.5, "noise": 0.5, "light": 0.5}
    if heads != '["labels"]':
        config["distillation"] = {}
    config = parse_config(config)
    teachers = Teachers(config.distillation, config.model.heads) if config.distillation.teacher else None
    batches = TrainingBatches(dataset, config, teachers)
    expected = next(batches.read(epoch, epoch + 1))
    plan = batches.plan(epoch)
    assert plan.mirrored == bool(teachers and epoch == 3)
    data = _Data(batches.load_faces(), batches.targets, batches.weights)
    draws = convert_plan(plan, batches.predictions_of(epoch))
    faces, targets, weights = build_batch(data, draws, draws.order[0], config.distillation.weight)
    assert np.abs(np.asarray(faces) - expected[0]).mean() < 0.05
    np.testing.assert_allclose(targets, expected[1].reshape(targets.shape), atol=1e-3)
    np.testing.assert_allclose(np.ravel(weights), np.ravel(expected[2]))


@needs_jax
@pytest.mark.parametrize("engine", ["host", "device"])
def test_views_are_predicted_once_and_repeat(dataset, teacher, views_folder, engine, monkeypatch):
    config = make_student(teacher, engine)
    teachers = Teachers(config.distillation, config.model.heads)
    batches = TrainingBatches(dataset, config, teachers)
    plan = batches.plan(1)
    rows = np.arange(len(batches))
    faces, _ = batches.augment(rows, plan.augmentation)
    np.testing.assert_allclose(batches.predictions_of(1), teachers.predict(faces), atol=5e-3)
    np.testing.assert_array_equal(plan.augmentation.angle, batches.plan(3).augmentation.angle)
    assert (plan.augmentation.angle != batches.plan(2).augmentation.angle).any()
    monkeypatch.setattr(Teachers, "_average", lambda *_: pytest.fail("the predictions are in the file"))
    again = TrainingBatches(dataset, config, teachers)
    np.testing.assert_array_equal(again.predictions_of(1), batches.predictions_of(1))
    assert len(list(views_folder.iterdir())) == 1


@needs_jax
def test_views_on_the_device_are_predicted_in_the_precision_of_the_run(dataset, teacher, views_folder):
    predictions = []
    for policy in ("float32", "mixed_bfloat16"):
        config = make_student(teacher, "device").model_dump()
        config["training"]["dtype_policy"] = policy
        config = parse_config(config)
        teachers = Teachers(config.distillation, config.model.heads)
        predictions.append(TrainingBatches(dataset, config, teachers).predictions_of(1).astype(np.float32))
    assert 0 < np.abs(predictions[0] - predictions[1]).max() < 0.02


@needs_jax
def test_an_ensemble_on_the_device_predicts_the_mean_of_its_teachers(dataset, teacher, views_folder, tmp_path):
    save_model(build_xception(load_config("sample").model, seed=6), tmp_path / "second.keras")
    settings = make_student(teacher, "device", temperature=2.0).model_dump()
    settings["distillation"]["teacher"] = (str(teacher), str(tmp_path / "second.keras"))
    config = parse_config(settings)
    teachers = Teachers(config.distillation, config.model.heads)
    batches = TrainingBatches(dataset, config, teachers)
    faces, _ = batches.augment(np.arange(len(batches)), batches.plan(1).augmentation)
    np.testing.assert_allclose(batches.predictions_of(1), teachers.predict(faces), atol=5e-3)


@pytest.mark.parametrize(("flip", "expected"), [(True, [0, 0, 1, 1, 0]), (False, [0] * 5)])
def test_every_second_pass_over_the_views_is_mirrored(dataset, teacher, views_folder, flip, expected):
    config = make_student(teacher, "host").model_dump()
    config["augmentation"]["flip"] = flip
    config = parse_config(config)
    batches = TrainingBatches(dataset, config, Teachers(config.distillation, config.model.heads))
    assert [batches.plan(epoch).mirrored for epoch in range(5)] == expected


def test_mirrored_faces_keep_their_targets(dataset, teacher, views_folder, monkeypatch):
    config = make_student(teacher, "host")
    batches = TrainingBatches(dataset, config, Teachers(config.distillation, config.model.heads))
    faces, targets, _ = next(batches.read(3, 4))
    monkeypatch.setattr(TrainingBatches, "_is_mirrored", lambda *_: False)
    plain, expected, _ = next(batches.read(3, 4))
    np.testing.assert_array_equal(faces, plain[:, :, ::-1])
    assert (faces != plain).any()
    np.testing.assert_array_equal(targets, expected)


@needs_jax
def test_a_student_of_views_trains_on_the_device(dataset, teacher, views_folder, tmp_path):
    lines = []
    result = train(dataset, make_student(teacher, "device"), tmp_path / "student", log=lines.append)
    assert len(result.history) == 3
    assert np.isfinite(result.history["train_loss"]).all()
    assert any(line.endswith("predict the training faces once in 2 views.") for line in lines)


def test_other_teachers_or_views_have_another_file(dataset, teacher, views_folder):
    for views in (1, 2):
        config = make_student(teacher, "host", views=views)
        TrainingBatches(dataset, config, Teachers(config.distillation, config.model.heads))
    assert len(list(views_folder.iterdir())) == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-40],
        lambda content: content[:7],
        lambda content: b"no array",
        lambda content: content.replace(b"<f2", b"<i2"),
        lambda content: content[:-2] + b"\x00\x7e",
    ],
    ids=["truncated", "header", "text", "type", "nan"],
)
def test_a_damaged_file_of_predictions_is_computed_again(dataset, teacher, views_folder, damage):
    config, lines = make_student(teacher, "host"), []
    teachers = Teachers(config.distillation, config.model.heads, lines.append)
    expected = TrainingBatches(dataset, config, teachers).predictions_of(1)
    (path,) = views_folder.iterdir()
    content = path.read_bytes()
    path.write_bytes(damage(content))
    np.testing.assert_array_equal(TrainingBatches(dataset, config, teachers).predictions_of(1), expected)
    assert path.read_bytes() == content
    (line,) = lines
    assert f"{path.name} is damaged" in line


@needs_jax
def test_the_host_and_the_device_have_files_of_their_own(dataset, teacher, views_folder):
    names = []
    for engine in ("host", "auto", "device"):
        config = make_student(teacher, engine)
        batches = TrainingBatches(dataset, config)
        names.append(Teachers(config.distillation, config.model.heads)._compute_key(batches, 2))
    assert names[0] == names[1] != names[2]


def test_views_need_phases_with_the_same_augmentation(teacher):
    config = make_config().model_dump()
    config["distillation"] = {"teacher": str(teacher), "consistent": True, "views": 2}
    with pytest.raises(SettingsError, match=r"Setting 'distillation\.views' is not valid: .*\. Received: 2\."):
        parse_config(config)


def test_the_device_engine_needs_jax(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    assert not runs_on_device("auto")
    with pytest.raises(SettingsError, match="needs JAX"):
        runs_on_device("device")


def test_on_a_cpu_batches_come_from_the_host():
    assert not runs_on_device("auto")


def test_views_repeat_only_with_consistent_teachers(dataset, teacher):
    config = make_student(teacher, "host", consistent=False)
    batches = TrainingBatches(dataset, config, Teachers(config.distillation, config.model.heads))
    assert batches.predictions_of(1) is None
    assert (batches.plan(1).augmentation.angle != batches.plan(3).augmentation.angle).any()

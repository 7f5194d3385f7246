from types import SimpleNamespace

import keras
import numpy as np
import pytest
from training_runs import make_config

from fer.calibration import Calibration
from fer.config import load_config
from fer.errors import ModelError, SettingsError
from fer.joint import JointCalibration
from fer.model.saved import save_model
from fer.model.xception import build_xception
from fer.runs import Run
from fer.training.batches import TrainingBatches
from fer.training.schedule import PhaseSchedule
from fer.training.trainer import Trainer, read_initial_weights
from fer.training.validation import Validation


class ScriptedValidation:
    """A validation whose scores are given, one per epoch."""

    def __init__(self, faces, scores):
        self.faces, self.scores = faces, iter(scores)

    def measure(self, outputs):
        score = next(self.scores)
        return {"validation_loss": 1.0, "validation_accuracy": score, "validation_score": score}

    def calibrate(self, outputs, class_shares):
        return {"labels": Calibration(temperature=2.0)}, JointCalibration(class_shares=class_shares)


def build_trainer(dataset, folder, config=None, *, scores=None, log=print):
    config = config or make_config()
    part = dataset.part("validation")
    validation = ScriptedValidation(part.faces, scores) if scores else Validation.build(part, config.model.heads)
    return Trainer(Run(folder), TrainingBatches(dataset, config), validation, log)


def stop_after(monkeypatch, epochs):
    """Interrupt training after a number of epochs; return a list that receives the weights after each of them."""
    snapshots, end_epoch = [], Trainer.end_epoch

    def end_and_stop(trainer, *arguments):
        end_epoch(trainer, *arguments)
        snapshots.append(take_snapshot(trainer))
        if trainer.epoch == epochs:
            raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "end_epoch", end_and_stop)
    return snapshots


def take_snapshot(trainer):
    averages = [variable for variable in trainer.optimizer.variables if variable.name.endswith("_average")]
    return SimpleNamespace(
        variables=copy_values(trainer.variables),
        network=trainer.model.get_weights(),
        trainable=copy_values(trainer.model.trainable_variables),
        averaged=trainer.averaged.get_weights(),
        averaged_trainable=copy_values(trainer.averaged.trainable_variables),
        averages=copy_values(averages),
    )


def copy_values(variables):
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def assert_equal(first, second):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


# Epochs


def test_the_weights_of_the_best_epoch_are_kept(dataset, tmp_path, monkeypatch):
    trainer = build_trainer(dataset, tmp_path, scores=[0.3, 0.5, 0.5])
    snapshots = stop_after(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(progress=False)
    assert_equal(trainer.best, snapshots[1].averaged)
    trainer.finish()
    saved = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    assert_equal(saved.get_weights(), snapshots[1].averaged)


def test_the_averaged_weights_are_the_moving_averages_of_the_optimiser(dataset, tmp_path, monkeypatch):
    trainer, snapshots = build_trainer(dataset, tmp_path), stop_after(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(progress=False)
    assert_equal(snapshots[0].averaged_trainable, snapshots[0].averages)


def test_averaging_leaves_the_trained_weights_as_they_are(dataset, tmp_path, monkeypatch):
    trainer, snapshots = build_trainer(dataset, tmp_path), stop_after(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(progress=False)
    pairs = zip(snapshots[0].trainable, snapshots[0].averages, strict=True)
    assert all((a != b).any() for a, b in pairs)


def test_without_averages_the_network_itself_is_kept(dataset, tmp_path, monkeypatch):
    trainer, snapshots = build_trainer(dataset, tmp_path, make_config(ema_momentum=0.0)), stop_after(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(progress=False)
    assert_equal(snapshots[0].averaged_trainable, snapshots[0].trainable)


@pytest.mark.parametrize(
    ("heads", "expected"), [(("votes",), "votes 0.7000,"), (("labels", "votes"), "labels 0.7000, votes 0.8000,")]
)
def test_the_line_of_an_epoch_names_the_accuracy_of_each_head(dataset, tmp_path, heads, expected):
    trainer = build_trainer(dataset, tmp_path)
    trainer.validation = SimpleNamespace(heads=heads)
    row = {"epoch": 2, "train_accuracy": 0.6, "train_loss": 1.1, "validation_loss": 0.9, "validation_accuracy": 0.7}
    trainer.history = [row | {"validation_accuracy_votes": 0.8}]
    assert f"epoch 2: training accuracy 0.6000, loss 1.1000; validation accuracy {expected}" in (
        trainer.describe_last_epoch()
    )


def read_statistics(model):
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    return np.concatenate([np.array(keras.ops.convert_to_numpy(layer.moving_variance)) for layer in norms])


def test_batch_statistics_are_estimated_while_the_moving_ones_are_young(dataset, tmp_path, monkeypatch):
    config = make_config()
    config = config.model_copy(update={"model": config.model.model_copy(update={"batch_norm_momentum": 0.9999})})
    trainer, _ = build_trainer(dataset, tmp_path, config), stop_after(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(progress=False)
    # Moving variances start at 1 and hardly move in an epoch.
    assert np.abs(read_statistics(trainer.model) - 1).max() < 0.3
    assert np.abs(read_statistics(trainer.averaged) - 1).max() > 0.5
    assert trainer.averaged.layers[-1].get_config() == trainer.model.layers[-1].get_config()


def test_old_moving_statistics_are_kept(dataset, tmp_path):
    config = make_config()
    config = config.model_copy(update={"model": config.model.model_copy(update={"batch_norm_momentum": 0.5})})
    trainer = build_trainer(dataset, tmp_path, config)
    assert not trainer.has_converged_statistics
    trainer.epoch = 4
    assert trainer.has_converged_statistics


def test_a_restored_trainer_has_the_state_of_the_stopped_one(dataset, tmp_path, monkeypatch):
    trainer, snapshots, lines = build_trainer(dataset, tmp_path), stop_after(monkeypatch, 1), []
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(progress=False)
    restored = build_trainer(dataset, tmp_path, log=lines.append)
    restored.restore()
    assert (restored.epoch, restored.history) == (1, trainer.history)
    assert_equal(copy_values(restored.variables), snapshots[0].variables)
    assert_equal(restored.best, trainer.best)
    assert lines == ["Resuming after epoch 1 of 4."]


def test_the_state_includes_dropout_seeds_and_optimiser_but_no_metrics(dataset, tmp_path):
    trainer = build_trainer(dataset, tmp_path)
    names = [variable.path for variable in trainer.variables]
    assert any("seed_generator_state" in name for name in names)
    assert any(name.endswith("iteration") for name in names)
    assert not any("accuracy" in name or "loss" in name for name in names)


def test_a_run_whose_epochs_are_done_is_not_trained_further(dataset, tmp_path):
    trainer = build_trainer(dataset, tmp_path, scores=[0.5])
    trainer.epoch = trainer.config.training.epochs
    trainer.fit(progress=False)
    assert trainer.history == []


def test_finishing_writes_network_and_calibration_and_removes_checkpoints(dataset, tmp_path, monkeypatch):
    trainer = build_trainer(dataset, tmp_path, scores=[0.5])
    stop_after(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(progress=False)
    assert trainer.run.is_begun
    history = trainer.finish()
    assert list(history["epoch"]) == [1]
    assert trainer.run.read_calibrations() == {"labels": Calibration(temperature=2.0)}
    assert trainer.run.is_finished
    assert not trainer.run.state.exists()


def test_the_learning_rate_in_the_history_is_that_of_the_last_step(finished, dataset):
    config = make_config()
    steps = TrainingBatches(dataset, config).steps_per_epoch
    schedule = PhaseSchedule(config.training.phases, steps)
    expected = [float(schedule(epoch * steps - 1)) for epoch in finished.history["epoch"]]
    np.testing.assert_allclose(finished.history["learning_rate"], expected, rtol=1e-5)


# Initial weights


def test_training_starts_from_the_weights_of_another_run(finished, dataset, tmp_path):
    trainer = build_trainer(dataset, tmp_path, make_config(initial_run=str(finished.folder)))
    trainer.start()
    expected = keras.saving.load_model(finished.folder / "model.keras", compile=False).get_weights()
    assert_equal(trainer.model.get_weights(), expected)


def test_a_resumed_run_does_not_read_its_initial_weights_again(dataset, tmp_path):
    build_trainer(dataset, tmp_path, make_config(initial_run=str(tmp_path / "moved")))


def test_initial_weights_are_read_from_a_file(finished):
    model = build_xception(make_config().model, seed=1)
    by_file = read_initial_weights(str(finished.folder / "model.keras"), model)
    assert_equal(by_file, read_initial_weights(str(finished.folder), model))


def test_initial_weights_of_another_architecture_are_refused(finished):
    with pytest.raises(SettingsError, match="which differs"):
        read_initial_weights(str(finished.folder), build_xception(load_config("mini").model))


def test_initial_weights_of_other_heads_are_refused(tmp_path):
    config = load_config("sample", overrides=['model.heads=["labels","votes"]'])
    save_model(build_xception(config.model), tmp_path / "model.keras")
    with pytest.raises(SettingsError, match="which differs"):
        read_initial_weights(str(tmp_path), build_xception(load_config("sample").model))


def test_missing_initial_weights_are_refused(tmp_path):
    with pytest.raises(ModelError, match="missing"):
        read_initial_weights(str(tmp_path / "none"), build_xception(load_config("sample").model))

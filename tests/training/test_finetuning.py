import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest
from training_runs import ONE_EPOCH

from fer.config import load_config
from fer.data import draw_sample
from fer.errors import DataError, ModelError, SettingsError
from fer.files import compute_digest
from fer.inference import Classifier
from fer.runs import Run
from fer.training import finetune, train
from fer.training.finetuning import build_finetune_config, describe_splits, keep_calibration
from fer.training.targets import complete_votes
from fer.training.trainer import Trainer


@pytest.fixture(scope="module")
def initial(dataset, tmp_path_factory):
    """A run with both heads, on data that has votes."""
    config = load_config("sample", overrides=['model.heads=["labels","votes"]', ONE_EPOCH])
    voted = complete_votes(
        dataset, config.model_copy(update={"training": config.training.model_copy(update={"initial_run": "x"})})
    )
    return Run(train(voted, config, tmp_path_factory.mktemp("runs") / "initial", progress=False).folder)


@pytest.fixture(scope="module")
def own_set():
    """A data set without votes, with fewer happy faces in train than of the others."""
    dataset = draw_sample(140, name="own", seed=5)
    split = dataset.split.copy()
    split[np.flatnonzero(dataset.is_in("train") & (dataset.labels == 3))[3:]] = 2
    return replace(dataset, split=split)


@pytest.fixture(scope="module")
def tuned(own_set, initial, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "own"
    return Run(finetune(own_set, initial, folder, epochs=2, progress=False).folder)


def ignore(line):
    """Receive a line of output."""


def read_weights(run):
    return keras.saving.load_model(run.model, compile=False).get_weights()


# The new run


def test_the_new_run_answers_with_the_heads_of_the_initial_one(own_set, initial, tuned):
    classifier = Classifier.load(tuned.folder)
    assert classifier.heads == Classifier.load(initial.folder).heads
    assert classifier.joint is not None
    np.testing.assert_allclose(classifier.predict(own_set.faces[:5]).sum(axis=1), 1.0, atol=1e-5)


def test_the_provenance_names_the_initial_run_and_the_data(own_set, initial, tuned):
    provenance = tuned.read_provenance()
    assert provenance["initial_run"] == {initial.reference: compute_digest(initial.model)}
    assert provenance["data_sha256"] == own_set.fingerprint


def test_all_layers_are_trained_by_default(initial, tuned):
    pairs = zip(read_weights(initial), read_weights(tuned), strict=True)
    assert sum(not np.array_equal(a, b) for a, b in pairs) > 2


def test_the_head_alone_is_trained_on_request(own_set, initial, tmp_path):
    run = Run(finetune(own_set, initial, tmp_path / "run", layers="head", epochs=1, progress=False).folder)
    pairs = zip(read_weights(initial), read_weights(run), strict=True)
    assert sum(not np.array_equal(a, b) for a, b in pairs) == 2


def test_few_validation_faces_leave_the_calibration_but_not_the_class_shares(initial, tuned):
    assert tuned.read_calibrations() == initial.read_calibrations()
    before, after = initial.read_joint_calibration(), tuned.read_joint_calibration()
    assert after.balanced == before.balanced
    assert after.class_shares != before.class_shares


def test_many_validation_faces_fit_a_new_calibration(own_set, initial, tmp_path, monkeypatch):
    monkeypatch.setattr("fer.training.finetuning.MIN_CALIBRATION_FACES", 10)
    run = Run(finetune(own_set, initial, tmp_path / "run", epochs=1, progress=False).folder)
    assert run.read_calibrations() != initial.read_calibrations()


def test_a_former_initial_run_has_no_calibration_to_keep(initial, tuned, tmp_path):
    former, run = (Run(shutil.copytree(source.folder, tmp_path / source.name)) for source in (initial, tuned))
    former.write_calibrations(initial.read_calibrations())
    before = run.calibration.read_bytes()
    assert not keep_calibration(former, run)
    assert run.calibration.read_bytes() == before
    assert keep_calibration(initial, run)


# Settings and splits


def test_the_initial_run_may_be_in_a_folder_with_a_space(own_set, initial, tmp_path):
    spaced = Run(shutil.copytree(initial.folder, tmp_path / "my runs" / "initial"))
    name = build_finetune_config(spaced, own_set).training.initial_run
    assert Run.find(name).folder == spaced.folder


def test_settings_are_those_of_the_initial_run_unless_they_suit_few_faces(own_set, initial):
    before, config = initial.read_config(), build_finetune_config(initial, own_set)
    assert (config.model, config.augmentation) == (before.model, before.augmentation)
    assert config.data == before.data.model_copy(update={"name": "own", "drop_leaked": True})
    assert config.training.kept_epoch == "last"


def test_settings_can_be_overridden(own_set, initial):
    assert build_finetune_config(initial, own_set, overrides=["training.seed=3"]).training.seed == 3
    with pytest.raises(SettingsError, match=r"training\.sede"):
        build_finetune_config(initial, own_set, overrides=["training.sede=3"])


def test_the_batch_fits_a_small_training_split(own_set, initial):
    rows = np.flatnonzero(own_set.is_in("train"))
    split = own_set.split.copy()
    split[rows[12:]] = 2
    assert build_finetune_config(initial, replace(own_set, split=split)).training.batch_size == 12


def test_few_held_out_faces_duplicates_and_missing_expressions_are_reported(own_set, initial):
    rows = np.flatnonzero(own_set.is_in("train"))
    clean, split = own_set.clean.copy(), own_set.split.copy()
    clean[rows[0]] = False
    split[rows[own_set.labels[rows] == 2]] = 1
    dataset = replace(own_set, clean=clean, split=split)
    text = "\n".join(describe_splits(dataset, build_finetune_config(initial, dataset)))
    assert f"{dataset.is_in('test').sum()} held-out faces are few" in text
    assert "Dropped 1 training faces" in text
    assert "no training face shows fear" in text


# Resuming


def test_a_resumed_fine_tuning_ends_with_the_weights_of_an_uninterrupted_one(
    own_set, initial, tuned, tmp_path, monkeypatch
):
    end_epoch = Trainer.end_epoch

    def end_and_stop(*arguments):
        end_epoch(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(Trainer, "end_epoch", end_and_stop)
        with pytest.raises(KeyboardInterrupt):
            finetune(own_set, initial, tmp_path / "run", epochs=2, progress=False)
    run = Run(finetune(own_set, initial, tmp_path / "run", resume=True, progress=False).folder)
    for a, b in zip(read_weights(run), read_weights(tuned), strict=True):
        np.testing.assert_array_equal(a, b)
    assert run.read_joint_calibration() == tuned.read_joint_calibration()


def test_a_fine_tuning_is_not_resumed_from_another_run(own_set, initial, tuned, tmp_path):
    run = Run(tmp_path / "run")
    run.write_provenance(tuned.read_provenance())
    with pytest.raises(ModelError, match="the run that it started from"):
        finetune(own_set, tuned, run.folder, resume=True)


# Refusals


def test_a_run_is_not_replaced_by_its_own_fine_tuning(own_set, initial):
    before = initial.model.read_bytes()
    with pytest.raises(ModelError, match="must not replace the run that it starts from"):
        finetune(own_set, initial, initial.folder, overwrite=True)
    assert initial.model.read_bytes() == before


def test_a_data_set_without_a_held_out_split_is_refused(own_set, initial, tmp_path):
    split = np.where(own_set.is_in("test"), 0, own_set.split).astype(np.uint8)
    with pytest.raises(DataError, match="held-out test split"):
        finetune(replace(own_set, split=split), initial, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_missing_initial_run_is_refused(own_set, tmp_path):
    with pytest.raises(ModelError, match="finished run"):
        finetune(own_set, Run(tmp_path / "none"), tmp_path / "run", log=ignore)

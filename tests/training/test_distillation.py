import shutil

import numpy as np
import pytest

from fer.calibration import apply_temperature
from fer.config import DistillationConfig, load_config
from fer.data import draw_sample
from fer.errors import ModelError, SettingsError
from fer.files import compute_digest
from fer.model.saved import load_model, save_model
from fer.model.xception import build_xception
from fer.runs import Run
from fer.training.batches import TrainingBatches
from fer.training.distillation import Teachers, find_teacher
from fer.training.loop import train
from fer.training.state import RunState, save_state

LABELS = ("labels",)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return save_teacher(tmp_path_factory.mktemp("teacher"), seed=5)


@pytest.fixture(scope="module")
def faces():
    return draw_sample(140, seed=1).faces[:20]


def save_teacher(folder, *overrides, seed):
    config = load_config("sample", overrides=overrides)
    save_model(build_xception(config.model, seed=seed), folder / "model.keras")
    Run(folder).write_config(config)
    return folder


def make_config(teacher, *overrides):
    phases = 'training.phases=[{"name": "main", "epochs": 2, "learning_rate": 0.002}]'
    return load_config("sample", overrides=[f"distillation.teacher={teacher}", phases, *overrides])


def predict(folder, faces):
    """Return the probabilities of a saved network, (N, heads, 7)."""
    outputs = load_model(folder / "model.keras").predict(faces.astype(np.float32)[..., None], verbose=0)
    return outputs.reshape(len(faces), -1, 7)


def test_flip_averaged_predictions_are_the_mean_over_face_and_mirror_image(teacher, faces):
    views = [predict(teacher, view) for view in (faces, faces[:, :, ::-1])]
    config = DistillationConfig(teacher=str(teacher), temperature=2.0)
    expected = np.mean([apply_temperature(view, 2.0) for view in views], axis=0)
    np.testing.assert_allclose(Teachers(config, LABELS).predict_flip_averaged(faces), expected, atol=1e-5)


def test_an_ensemble_predicts_the_mean_of_its_teachers(teacher, faces, tmp_path):
    save_teacher(tmp_path, seed=6)
    config = DistillationConfig(teacher=(str(teacher), str(tmp_path)))
    expected = (predict(teacher, faces) + predict(tmp_path, faces)) / 2
    np.testing.assert_allclose(Teachers(config, LABELS).predict(faces), expected, atol=1e-5)


def test_targets_are_blended_by_the_weight(teacher):
    targets, predictions = np.eye(7, dtype=np.float32)[:, None], np.full((7, 1, 7), 1 / 7, np.float32)
    blended = Teachers(DistillationConfig(teacher=str(teacher), weight=0.6), LABELS).blend(targets, predictions)
    np.testing.assert_allclose(blended, 0.4 * targets + 0.6 * predictions, atol=1e-6)


@pytest.mark.parametrize("heads", [("labels", "votes"), ("labels",), ("votes",)])
def test_a_student_learns_from_the_same_heads_of_its_teacher(faces, tmp_path, heads):
    save_teacher(tmp_path, 'model.heads=["labels","votes"]', seed=5)
    expected = predict(tmp_path, faces)[:, [("labels", "votes").index(head) for head in heads]]
    predictions = Teachers(DistillationConfig(teacher=str(tmp_path)), heads).predict(faces)
    np.testing.assert_allclose(predictions, expected, atol=1e-5)


def test_a_teacher_with_fewer_heads_than_its_student_is_refused(teacher):
    with pytest.raises(SettingsError, match="heads of its student"):
        Teachers(DistillationConfig(teacher=str(teacher)), ("labels", "votes"))


def test_a_teacher_with_another_head_is_refused(teacher, tmp_path):
    votes_alone = shutil.copytree(teacher, tmp_path / "votes")
    Run(votes_alone).write_config(load_config("sample", overrides=['model.heads=["votes"]']))
    with pytest.raises(SettingsError, match=r"which has votes"):
        Teachers(DistillationConfig(teacher=str(votes_alone)), LABELS)


def build_batches(dataset, config):
    teachers = Teachers(config.distillation, config.model.heads) if config.distillation.teacher else None
    return TrainingBatches(dataset, config, teachers)


def test_predictions_are_blended_into_the_targets_once(teacher):
    dataset = draw_sample(140, seed=1)
    alone, taught = (build_batches(dataset, make_config(path)) for path in ("", teacher))
    assert np.abs(alone.targets - taught.targets).max() > 0.1
    np.testing.assert_allclose(taught.targets.sum(axis=-1), 1.0, atol=1e-5)


def test_a_consistent_teacher_predicts_the_augmented_faces(teacher):
    dataset = draw_sample(140, seed=1)
    settings = ("augmentation.mixup=0.5", "training.batch_size=16", "distillation.weight=0.6")
    alone = build_batches(dataset, make_config("", *settings))
    taught = build_batches(dataset, make_config(teacher, *settings, "distillation.consistent=true"))
    np.testing.assert_array_equal(alone.targets, taught.targets)
    pairs = list(zip(alone.read(1, 2), taught.read(1, 2), strict=True))
    assert len(pairs) == taught.steps_per_epoch > 4
    for (expected_faces, targets, _), (faces, blended, _) in pairs:
        np.testing.assert_array_equal(faces, expected_faces)
        expected = 0.4 * targets + 0.6 * predict(teacher, faces[..., 0])[:, 0]
        np.testing.assert_allclose(blended, expected, atol=1e-5)


def test_the_provenance_holds_the_digests_of_the_teachers(teacher, tmp_path):
    lines = []
    run = train(draw_sample(140, seed=1), make_config(teacher), tmp_path / "run", progress=False, log=lines.append)
    assert str(teacher) in lines[0]
    assert Run(run.folder).read_provenance()["teachers"] == {str(teacher): compute_digest(teacher / "model.keras")}


def test_a_missing_teacher_is_refused(tmp_path):
    with pytest.raises(ModelError, match="missing"):
        train(draw_sample(140, seed=1), make_config(tmp_path / "nowhere"), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["", "model.keras"], ids=["folder", "file"])
def test_a_teacher_is_found_by_its_folder_or_file(teacher, name):
    assert find_teacher(str(teacher / name)) == Run(teacher)


def test_a_teacher_may_be_a_file_without_settings(teacher, faces, tmp_path):
    path = shutil.copy(teacher / "model.keras", tmp_path / "alone.keras")
    predictions = Teachers(DistillationConfig(teacher=str(path)), LABELS).predict(faces)
    np.testing.assert_allclose(predictions, predict(teacher, faces), atol=1e-5)


def test_a_missing_file_is_no_teacher(tmp_path):
    with pytest.raises(ModelError, match=r"alone\.keras \(missing\)"):
        find_teacher(str(tmp_path / "alone.keras"))


def test_a_run_is_not_resumed_with_other_teachers(teacher, tmp_path):
    dataset, run = draw_sample(140, seed=1), Run(tmp_path / "run")
    save_state(run.state, RunState(1, [], [], []))
    run.write_config(make_config(teacher))
    run.write_provenance({"data_sha256": dataset.fingerprint, "teachers": {str(teacher): "0" * 64}})
    with pytest.raises(ModelError, match="teachers changed"):
        train(dataset, make_config(teacher), run.folder, resume=True, progress=False)

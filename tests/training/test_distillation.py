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
from fer.training.batches import TrainingBatches
from fer.training.distillation import Teachers, identify_teachers
from fer.training.loop import train, write_settings

LABELS = ("labels",)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    folder = tmp_path_factory.mktemp("teacher")
    save_model(build_xception(load_config("sample").model, seed=5), folder / "model.keras")
    return folder


@pytest.fixture(scope="module")
def faces():
    return draw_sample(140, seed=1).faces[:20]


def make_config(teacher, *overrides):
    phases = 'training.phases=[{"name": "main", "epochs": 2, "learning_rate": 0.002}]'
    return load_config("sample", overrides=[f"distillation.teacher={teacher}", phases, *overrides])


def predict(folder, faces):
    return load_model(folder / "model.keras").predict(faces.astype(np.float32)[..., None], verbose=0)


def answer_once(faces, config, heads=LABELS):
    return Teachers(config, heads).answer_once(faces)


def test_the_answer_once_is_the_mean_over_face_and_mirror_image(teacher, faces):
    views = [predict(teacher, view) for view in (faces, faces[:, :, ::-1])]
    config = DistillationConfig(teacher=str(teacher), temperature=2.0)
    expected = np.mean([apply_temperature(view, 2.0) for view in views], axis=0)
    np.testing.assert_allclose(answer_once(faces, config), expected, atol=1e-5)


def test_several_teachers_answer_with_their_mean(teacher, faces, tmp_path):
    save_model(build_xception(load_config("sample").model, seed=6), tmp_path / "model.keras")
    config = DistillationConfig(teacher=(str(teacher), str(tmp_path)))
    expected = (predict(teacher, faces) + predict(tmp_path, faces)) / 2
    np.testing.assert_allclose(Teachers(config, LABELS).answer(faces), expected, atol=1e-5)


def test_a_target_is_blended_by_the_set_share(teacher):
    targets, answers = np.eye(7, dtype=np.float32), np.full((7, 7), 1 / 7, np.float32)
    blended = Teachers(DistillationConfig(teacher=str(teacher), weight=0.6), LABELS).blend(targets, answers)
    np.testing.assert_allclose(blended, 0.4 * targets + 0.6 * answers, atol=1e-6)


@pytest.mark.parametrize("heads", [("labels", "votes"), ("labels",), ("votes",)])
def test_a_pupil_is_taught_by_the_same_heads_of_its_teacher(faces, tmp_path, heads):
    config = load_config("sample", overrides=['model.heads=["labels","votes"]'])
    save_model(build_xception(config.model, seed=5), tmp_path / "model.keras")
    write_settings(config, tmp_path)
    both = predict(tmp_path, faces)
    expected = {2: both, 1: both[:, ("labels", "votes").index(heads[0])]}[len(heads)]
    answers = Teachers(DistillationConfig(teacher=str(tmp_path)), heads).answer(faces)
    np.testing.assert_allclose(answers, expected, atol=1e-5)


def test_a_teacher_of_other_heads_is_refused(teacher, tmp_path):
    with pytest.raises(SettingsError, match="heads of its pupil"):
        Teachers(DistillationConfig(teacher=str(teacher)), ("labels", "votes"))
    votes_alone = shutil.copytree(teacher, tmp_path / "votes")
    write_settings(load_config("sample", overrides=['model.heads=["votes"]']), votes_alone)
    with pytest.raises(SettingsError, match=r"labels, .* which answers votes"):
        Teachers(DistillationConfig(teacher=str(votes_alone)), LABELS)


def test_batches_carry_the_teachers_answers_given_once(teacher):
    dataset = draw_sample(140, seed=1)
    alone, taught = (TrainingBatches(dataset, make_config(path)) for path in ("", teacher))
    assert np.abs(alone.targets - taught.targets).max() > 0.1
    np.testing.assert_allclose(taught.targets.sum(axis=-1), 1.0, atol=1e-5)


def test_a_consistent_teacher_is_asked_about_the_very_faces_that_the_pupil_sees(teacher):
    dataset = draw_sample(140, seed=1)
    settings = ("augmentation.mixup=0.5", "training.batch_size=16", "distillation.weight=0.6")
    alone = TrainingBatches(dataset, make_config("", *settings))
    taught = TrainingBatches(dataset, make_config(teacher, *settings, "distillation.consistent=true"))
    np.testing.assert_array_equal(alone.targets, taught.targets)
    pairs = list(zip(alone.read_epoch(1), taught.read_epoch(1), strict=True))
    assert len(pairs) == taught.steps_per_epoch > 4
    for (faces, targets, _), (same_faces, blended, _) in pairs:
        np.testing.assert_array_equal(faces, same_faces)
        expected = 0.4 * targets + 0.6 * predict(teacher, faces[..., 0])
        np.testing.assert_allclose(blended, expected, atol=1e-5)


def test_the_digests_of_the_teachers_are_kept_and_a_missing_one_refused(teacher, tmp_path):
    dataset = draw_sample(140, seed=1)
    said = []
    run = train(dataset, make_config(teacher), tmp_path / "run", progress=False, say=said.append)
    assert str(teacher) in said[0]
    kept = load_config("sample", run.folder / "config.json").distillation
    assert kept.sha256 == (compute_digest(teacher / "model.keras"),)
    with pytest.raises(ModelError, match="missing"):
        train(dataset, make_config(tmp_path / "nowhere"), tmp_path / "other", progress=False)


def test_another_teacher_than_the_runs_is_refused(teacher):
    known = identify_teachers(make_config(teacher))
    assert identify_teachers(known) == known
    alone = make_config("", "distillation.sha256=" + "0" * 64)
    assert identify_teachers(alone) == alone
    with pytest.raises(ModelError, match="keeps its teachers"):
        identify_teachers(make_config(teacher, "distillation.sha256=" + "0" * 64))

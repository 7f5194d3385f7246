import shutil

import numpy as np
import pytest

from fer.calibration import apply_temperature
from fer.config import DistillationConfig, load_config
from fer.data import draw_sample
from fer.errors import ModelError, SettingsError
from fer.files import compute_digest
from fer.model.batches import TrainingBatches
from fer.model.distillation import blend_with_teacher, identify_teacher
from fer.model.saved import load_model, save_model
from fer.model.training import train, write_settings
from fer.model.xception import build_xception

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


def test_a_target_is_blended_with_the_mean_answer_to_face_and_mirror_image(teacher, faces):
    targets = np.eye(7, dtype=np.float32)[np.arange(20) % 7]
    model = load_model(teacher / "model.keras")
    views = [model.predict(view.astype(np.float32)[..., None], verbose=0) for view in (faces, faces[:, :, ::-1])]
    answers = np.mean([apply_temperature(view, 2.0) for view in views], axis=0)
    config = DistillationConfig(teacher=str(teacher), weight=0.6, temperature=2.0)
    np.testing.assert_allclose(
        blend_with_teacher(targets, faces, config, LABELS), 0.4 * targets + 0.6 * answers, atol=1e-5
    )
    np.testing.assert_array_equal(blend_with_teacher(targets, faces, DistillationConfig(), LABELS), targets)


def test_two_heads_are_taught_by_the_teachers_two_in_order(faces, tmp_path):
    heads = ("labels", "votes")
    model = build_xception(load_config("sample", overrides=['model.heads=["labels","votes"]']).model, seed=5)
    save_model(model, tmp_path / "model.keras")
    targets = np.random.default_rng(0).dirichlet(np.ones(7), (20, 2)).astype(np.float32)
    views = [model.predict(view.astype(np.float32)[..., None], verbose=0) for view in (faces, faces[:, :, ::-1])]
    config = DistillationConfig(teacher=str(tmp_path), weight=0.6)
    expected = 0.4 * targets + 0.6 * np.mean(views, axis=0)
    np.testing.assert_allclose(blend_with_teacher(targets, faces, config, heads), expected, atol=1e-5)


@pytest.mark.parametrize("index", [0, 1])
def test_a_pupil_of_one_head_is_taught_by_that_head_of_two(faces, tmp_path, index):
    config = load_config("sample", overrides=['model.heads=["labels","votes"]'])
    model = build_xception(config.model, seed=5)
    save_model(model, tmp_path / "model.keras")
    write_settings(config, tmp_path)
    targets = np.eye(7, dtype=np.float32)[np.arange(20) % 7]
    views = [model.predict(view.astype(np.float32)[..., None], verbose=0) for view in (faces, faces[:, :, ::-1])]
    distillation = DistillationConfig(teacher=str(tmp_path), weight=0.6)
    blended = blend_with_teacher(targets, faces, distillation, (config.model.heads[index],))
    np.testing.assert_allclose(blended, 0.4 * targets + 0.6 * np.mean(views, axis=0)[:, index], atol=1e-5)


def test_a_teacher_of_other_heads_is_refused(teacher, faces, tmp_path):
    config = DistillationConfig(teacher=str(teacher))
    with pytest.raises(SettingsError, match="heads of its pupil"):
        blend_with_teacher(np.zeros((20, 2, 7), np.float32), faces, config, ("labels", "votes"))
    votes_alone = shutil.copytree(teacher, tmp_path / "votes")
    write_settings(load_config("sample", overrides=['model.heads=["votes"]']), votes_alone)
    config = DistillationConfig(teacher=str(votes_alone))
    with pytest.raises(SettingsError, match=r"labels. Received: .* which answers votes"):
        blend_with_teacher(np.zeros((20, 7), np.float32), faces, config, LABELS)


def test_batches_carry_the_teachers_answers(teacher):
    dataset = draw_sample(140, seed=1)
    alone, taught = (TrainingBatches(dataset, make_config(path)) for path in ("", teacher))
    assert np.abs(alone.targets - taught.targets).max() > 0.1
    np.testing.assert_allclose(taught.targets.sum(axis=-1), 1.0, atol=1e-5)


def test_the_digest_of_the_teacher_is_kept_and_a_missing_one_refused(teacher, tmp_path):
    dataset = draw_sample(140, seed=1)
    said = []
    run = train(dataset, make_config(teacher), tmp_path / "run", progress=False, say=said.append)
    assert str(teacher) in said[0]
    kept = load_config("sample", run.folder / "config.json").distillation
    assert kept.sha256 == compute_digest(teacher / "model.keras")
    with pytest.raises(ModelError, match="missing"):
        train(dataset, make_config(tmp_path / "nowhere"), tmp_path / "other", progress=False)


def test_another_teacher_than_the_runs_is_refused(teacher):
    known = identify_teacher(make_config(teacher))
    assert identify_teacher(known) == known
    with pytest.raises(ModelError, match="keeps its teacher"):
        identify_teacher(make_config(teacher, "distillation.sha256=" + "0" * 64))

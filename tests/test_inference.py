import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import keras
import numpy as np
import pytest
from scipy.special import softmax

from fer.calibration import Calibration, apply_calibration
from fer.config import load_config
from fer.errors import FerError, ImageError, ModelError, SettingsError
from fer.inference import Classifier
from fer.joint import JointCalibration, OperatingPoint, apply_joint
from fer.model.saved import load_model, save_model
from fer.model.xception import build_xception
from fer.runs import Run

OFFSETS = (0.1, 0.0, -0.1, 0.2, 0.0, 0.0, -0.2)

MINI = Path(__file__).parents[1] / "artifacts" / "mini"


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    config = load_config("sample")
    calibration = Calibration(offsets=OFFSETS, temperature=1.6, uncertain_below=0.3, coverage=0.9)
    Run(folder).write_config(config)
    Run(folder).write_calibrations({"labels": calibration})
    save_model(build_xception(config.model, seed=3), folder / "model.keras")
    return folder


@pytest.fixture(scope="module")
def classifier(run_folder):
    return Classifier.load(run_folder)


def make_faces(num_faces, seed=0, shape=(48, 48)):
    return np.random.default_rng(seed).integers(0, 256, (num_faces, *shape), dtype=np.uint8)


@pytest.mark.parametrize("num_faces", [1, 2, 7, 8, 9, 65, 300])
def test_any_number_of_faces_gives_one_row_per_face_in_order(classifier, num_faces):
    faces = make_faces(num_faces)
    probabilities = classifier.predict(faces)
    assert probabilities.shape == (num_faces, 7)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-5)
    last = classifier.predict(faces[-1:])[0]
    np.testing.assert_allclose(probabilities[-1], last, atol=1e-5)


def test_no_faces_give_no_rows(classifier):
    faces = make_faces(0)
    assert classifier.predict(faces).shape == (0, 7)
    assert classifier.predict(faces, flip=True).shape == (0, 7)
    assert classifier.explain(faces).shape == (0, 48, 48)


def predict_with_keras(folder, faces):
    """Return the probabilities of the saved file without this package, float32 (N, 7) or (N, heads, 7)."""
    model = keras.saving.load_model(folder / "model.keras", compile=False)
    return model.predict(faces.astype(np.float32)[..., None], verbose=0)


def test_raw_probabilities_equal_plain_keras(classifier, run_folder):
    faces = make_faces(5)
    np.testing.assert_allclose(classifier.predict_heads(faces)[:, 0], predict_with_keras(run_folder, faces), atol=1e-5)


def test_probabilities_are_calibrated(classifier, run_folder):
    faces = make_faces(5)
    plain = predict_with_keras(run_folder, faces)
    np.testing.assert_allclose(classifier.predict(faces), apply_calibration(plain, classifier.calibration), atol=1e-5)
    assert np.abs(classifier.predict(faces) - plain).max() > 1e-3


def test_flip_averages_the_face_and_its_mirror_image(classifier):
    faces = make_faces(4)
    mean = (classifier.predict(faces) + classifier.predict(faces[:, :, ::-1])) / 2
    np.testing.assert_allclose(classifier.predict(faces, flip=True), mean, atol=1e-6)


def test_with_flip_a_face_and_its_mirror_image_are_predicted_alike(classifier):
    faces = make_faces(4)
    mirrored = classifier.predict(faces[:, :, ::-1], flip=True)
    np.testing.assert_allclose(classifier.predict(faces, flip=True), mirrored, atol=1e-6)


def test_grey_and_equal_colour_channels_are_predicted_alike(classifier):
    faces = make_faces(3)
    np.testing.assert_array_equal(classifier.predict(np.stack([faces] * 3, axis=-1)), classifier.predict(faces))


@pytest.mark.parametrize(
    "faces",
    [
        np.zeros((48, 48), np.uint8),
        np.zeros((2, 48, 48), np.float64)[:, :, :, None, None],
        np.zeros((2, 48, 48, 4), np.uint8),
        np.zeros((2, 48, 48, 1), np.int64),
    ],
)
def test_faces_of_another_type_or_shape_are_refused_in_one_line(classifier, faces):
    with pytest.raises(ImageError, match="Faces must be a uint8 array") as caught:
        classifier.predict(faces)
    assert "\n" not in str(caught.value)


def test_one_rgb_face_is_not_taken_for_a_batch_of_its_rows(classifier):
    with pytest.raises(ImageError, match="Faces must be a uint8 array"):
        classifier.predict(np.zeros((48, 48, 3), np.uint8))


def test_faces_of_several_sizes_are_refused_in_one_line(classifier):
    with pytest.raises(ImageError, match="one size"):
        classifier.predict([np.zeros((50, 60, 3), np.uint8), np.zeros((48, 48), np.uint8)])


@pytest.mark.parametrize("class_index", [7, -1, 1.0, "happy", True, [1, 2], np.array([0, 1, 7])])
def test_a_class_that_does_not_exist_is_not_explained(classifier, class_index):
    with pytest.raises(SettingsError, match="class_index"):
        classifier.explain(make_faces(3), class_index)


def test_activation_maps_lie_between_zero_and_one(classifier):
    maps = classifier.explain(make_faces(3))
    assert maps.shape == (3, 48, 48)
    assert maps.dtype == np.float32
    assert (maps >= 0).all()
    assert (maps <= 1).all()


def compute_evidence(classifier, faces):
    """Return the feature maps times the weights of the logits, float32 (N, h, w, outputs)."""
    features = keras.Model(classifier.model.inputs, classifier.model.get_layer("features").output)
    maps = features.predict(faces.astype(np.float32)[..., None], verbose=0)
    return maps @ np.asarray(classifier.model.get_layer("logits").kernel.value)


def build_maps(evidence):
    """Return maps scaled to reach 1 without negative evidence, resized to a face."""
    maps = np.maximum(evidence, 0.0)
    maps /= np.maximum(maps.max(axis=(1, 2), keepdims=True), 1e-12)
    return keras.ops.image.resize(maps[..., None], (48, 48), interpolation="bilinear")[..., 0]


def test_the_mean_of_the_evidence_is_the_logit(classifier):
    faces = make_faces(3)
    bias = np.asarray(classifier.model.get_layer("logits").bias.value)
    logits = compute_evidence(classifier, faces).mean(axis=(1, 2)) + bias
    np.testing.assert_allclose(softmax(logits, axis=1), classifier.predict_heads(faces)[:, 0], atol=1e-5)


def test_an_activation_map_is_the_evidence_of_the_class(classifier):
    faces = make_faces(3)
    expected = build_maps(compute_evidence(classifier, faces)[..., 2])
    np.testing.assert_allclose(classifier.explain(faces, 2), expected, atol=1e-4)


def test_each_face_may_have_its_own_class(classifier):
    faces = make_faces(3)
    maps = classifier.explain(faces, np.array([2, 0, 5]))
    for row, class_index in enumerate([2, 0, 5]):
        np.testing.assert_allclose(maps[row], classifier.explain(faces, class_index)[row], atol=1e-6)


def test_by_default_the_most_probable_class_is_explained(classifier):
    faces = make_faces(3)
    classes = classifier.predict(faces).argmax(axis=1)
    np.testing.assert_array_equal(classifier.explain(faces), classifier.explain(faces, classes))


def test_a_network_without_the_named_layers_is_not_explained():
    inputs = keras.Input((48, 48, 1))
    outputs = keras.layers.Dense(7, activation="softmax")(keras.layers.GlobalAveragePooling2D()(inputs))
    with pytest.raises(ModelError, match="An explanation needs"):
        Classifier(keras.Model(inputs, outputs)).explain(make_faces(1), 0)


def test_threads_predict_like_one_thread(classifier):
    batches = [make_faces(9, seed=seed) for seed in range(8)]
    expected = [classifier.predict(batch) for batch in batches]
    received = [None] * len(batches)

    def work(index):
        received[index] = classifier.predict(batches[index])

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(batches))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for a, b in zip(expected, received, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_network_of_another_shape_is_refused(tmp_path):
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(7)])
    model.save(tmp_path / "other.keras")
    with pytest.raises(ModelError, match="must map"):
        Classifier.load(tmp_path / "other.keras")


def test_a_file_without_its_folder_is_not_calibrated(run_folder):
    classifier = Classifier.load(run_folder / "model.keras")
    assert classifier.config is None
    assert classifier.calibration.temperature == 1.0


def test_fer_model_names_the_network_that_is_loaded_by_default(run_folder, monkeypatch):
    monkeypatch.setenv("FER_MODEL", str(run_folder))
    assert Classifier.load().calibration.temperature == 1.6


def test_a_missing_fer_model_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_MODEL", str(tmp_path / "none"))
    with pytest.raises(ModelError, match="FER_MODEL"):
        Classifier.load()


@pytest.mark.parametrize("name", ["none", "none.keras"])
def test_a_missing_network_is_refused(tmp_path, name):
    with pytest.raises(ModelError, match="missing"):
        Classifier.load(tmp_path / name)


def test_a_folder_without_settings_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"config\.json"):
        Classifier.load(tmp_path)


def test_a_folder_without_a_network_is_refused(tmp_path):
    Run(tmp_path).write_config(load_config("sample"))
    with pytest.raises(ModelError, match="missing"):
        Classifier.load(tmp_path)


def test_the_number_of_parameters_is_that_of_the_network(classifier):
    assert classifier.num_params == 14_423


@pytest.fixture(scope="module")
def two_headed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two-headed")
    config = load_config("sample", overrides=['model.heads=["labels","votes"]'])
    calibrations = {
        "labels": Calibration(temperature=1.6),
        "votes": Calibration(offsets=OFFSETS, temperature=0.8),
    }
    Run(folder).write_config(config)
    Run(folder).write_calibrations(calibrations)
    save_model(build_xception(config.model, seed=3), folder / "model.keras")
    return folder


def test_a_classifier_lists_the_heads_of_its_settings(two_headed):
    assert Classifier.load(two_headed).heads == ("labels", "votes")


def test_without_settings_the_heads_are_counted(two_headed):
    assert Classifier.load(two_headed / "model.keras").heads == ("labels", "votes")


def test_without_a_joint_calibration_the_head_votes_answers(two_headed):
    classifier, faces = Classifier.load(two_headed), make_faces(5)
    plain = predict_with_keras(two_headed, faces)
    assert plain.shape == (5, 2, 7)
    assert (classifier.head, classifier.calibration.temperature) == ("votes", 0.8)
    expected = apply_calibration(plain[:, 1], classifier.calibration)
    np.testing.assert_allclose(classifier.predict(faces), expected, atol=1e-5)


def test_another_head_can_be_selected(two_headed):
    classifier, faces = Classifier.load(two_headed).with_head("labels"), make_faces(5)
    assert (classifier.head, classifier.calibration.temperature) == ("labels", 1.6)
    expected = apply_calibration(predict_with_keras(two_headed, faces)[:, 0], classifier.calibration)
    np.testing.assert_allclose(classifier.predict(faces), expected, atol=1e-5)


def test_selecting_a_head_leaves_the_classifier_as_it_is(two_headed):
    classifier = Classifier.load(two_headed)
    classifier.with_head("labels")
    assert classifier.head == "votes"


@pytest.fixture(scope="module")
def joined(two_headed, tmp_path_factory):
    """The network with two heads and a joint calibration."""
    folder = shutil.copytree(two_headed, tmp_path_factory.mktemp("joined") / "run")
    shares = {"labels": (0.1, 0.02, 0.1, 0.3, 0.1, 0.1, 0.28), "votes": (0.1, 0.01, 0.03, 0.3, 0.1, 0.06, 0.4)}
    balanced = OperatingPoint(temperature=1.3, uncertain_below=0.4, coverage=0.9)
    joint = JointCalibration(class_shares=shares, balanced=balanced, dataset=OperatingPoint(temperature=0.7))
    run = Run(folder)
    run.write_calibrations(run.read_calibrations(), joint)
    return folder


def test_all_heads_answer_together_by_default(joined):
    classifier, faces = Classifier.load(joined), make_faces(5)
    assert (classifier.head, classifier.prior, classifier.calibration.uncertain_below) == (None, "balanced", 0.4)
    run = Run(joined)
    expected = apply_joint(
        predict_with_keras(joined, faces), classifier.heads, run.read_calibrations(), run.read_joint_calibration()
    )
    np.testing.assert_allclose(classifier.predict(faces), expected, atol=1e-5)


@pytest.mark.parametrize("prior", ["dataset", (1, 1, 1, 2, 1, 1, 8)])
def test_another_prior_can_be_selected(joined, prior):
    classifier, faces = Classifier.load(joined), make_faces(5)
    selected = Classifier.load(joined, prior=prior).predict(faces)
    np.testing.assert_array_equal(selected, classifier.with_prior(prior).predict(faces))
    assert np.abs(selected - classifier.predict(faces)).max() > 1e-3


def test_selecting_a_prior_leaves_the_classifier_as_it_is(joined):
    classifier = Classifier.load(joined)
    classifier.with_prior("dataset")
    assert classifier.prior == "balanced"


def test_each_prior_has_its_own_threshold(joined):
    classifier = Classifier.load(joined)
    assert classifier.with_prior("dataset").calibration.uncertain_below == 0.0
    assert classifier.with_prior([1, 1, 1, 1, 1, 1, 2]).calibration.uncertain_below == 0.4


def test_a_larger_prior_makes_a_class_more_probable(joined):
    classifier, faces = Classifier.load(joined), make_faces(5)
    frequent = classifier.with_prior([1, 1, 1, 1, 1, 1, 5]).predict(faces)
    assert (frequent[:, 6] > classifier.predict(faces)[:, 6]).all()


@pytest.mark.parametrize("prior", ["dataset", (1, 1, 1, 2, 1, 1, 8)])
def test_without_a_joint_calibration_other_priors_are_refused(two_headed, prior):
    with pytest.raises(ModelError, match="recalibrate") as caught:
        Classifier.load(two_headed, prior=prior)
    assert "\n" not in str(caught.value)


def test_without_a_joint_calibration_the_default_prior_can_be_named(two_headed):
    classifier, faces = Classifier.load(two_headed), make_faces(5)
    selected = Classifier.load(two_headed, prior="balanced")
    np.testing.assert_array_equal(selected.predict(faces), classifier.predict(faces))


def test_a_head_of_a_joined_network_can_answer_alone(joined, two_headed):
    faces = make_faces(5)
    expected = Classifier.load(two_headed).with_head("votes").predict(faces)
    np.testing.assert_allclose(Classifier.load(joined).with_head("votes").predict(faces), expected, atol=1e-6)


def test_a_wrong_prior_is_refused_before_the_network_is_read(tmp_path):
    with pytest.raises(SettingsError, match="'balanced', 'dataset' or seven"):
        Classifier.load(tmp_path / "missing", prior="even")


def test_the_joint_answer_is_explained_by_the_weighted_heads(joined):
    classifier, faces = Classifier.load(joined), make_faces(4)
    evidence = compute_evidence(classifier, faces)
    expected = build_maps(0.3 * evidence[..., 2] + 0.7 * evidence[..., 7 + 2])
    np.testing.assert_allclose(classifier.explain(faces, 2), expected, atol=1e-4)


def test_both_heads_are_predicted_in_order(two_headed):
    faces = make_faces(5)
    expected = predict_with_keras(two_headed, faces)
    np.testing.assert_allclose(Classifier.load(two_headed).predict_heads(faces), expected, atol=1e-5)


@pytest.mark.parametrize(("head", "first"), [("labels", 0), ("votes", 7)])
def test_a_head_explains_its_own_prediction(two_headed, head, first):
    classifier, faces = Classifier.load(two_headed).with_head(head), make_faces(4)
    expected = build_maps(compute_evidence(classifier, faces)[..., first + 2])
    np.testing.assert_allclose(classifier.explain(faces, 2), expected, atol=1e-4)


def test_a_head_that_the_network_lacks_is_refused(classifier):
    with pytest.raises(ModelError, match="Received: 'votes'"):
        classifier.with_head("votes")


def test_settings_of_another_network_are_refused(two_headed, run_folder):
    with pytest.raises(ModelError, match="must have the heads of its settings"):
        Classifier(load_model(run_folder / "model.keras"), Run(two_headed).read_config())


# Input whose meaning is clear, and processes


def test_one_channel_and_fractions_are_predicted_as_bytes_are():
    classifier = Classifier.load()
    faces = np.random.default_rng(0).integers(0, 256, (3, 48, 48), dtype=np.uint8)
    expected = classifier.predict(faces)
    np.testing.assert_array_equal(classifier.predict(faces[..., None]), expected)
    np.testing.assert_array_equal(classifier.predict(faces / 255.0), expected)
    np.testing.assert_array_equal(classifier.predict((faces / 255.0).astype(np.float32)[..., None]), expected)
    with pytest.raises(ImageError, match="astype"):
        classifier.predict(faces.astype(np.float32))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_network_in_a_forked_process_is_an_error_and_does_not_hang():
    script = """
import multiprocessing, numpy as np, fer
classifier = fer.Classifier.load(runtime="keras")
classifier.predict(np.zeros((1, 48, 48), np.uint8))
load = lambda: fer.Classifier.load(runtime="keras")
def use(queue):
    for call in (lambda: classifier.predict(np.zeros((1, 48, 48), np.uint8)), load):
        try:
            queue.put(str(call()))
        except fer.FerError as error:
            queue.put(str(error))
context = multiprocessing.get_context("fork")
queue = context.Queue()
process = context.Process(target=use, args=(queue,), daemon=True)
process.start()
print(queue.get(timeout=60), queue.get(timeout=60))
"""
    command = [sys.executable, "-W", "ignore", "-c", script]
    result = subprocess.run(command, capture_output=True, text=True, timeout=240, cwd=Path(__file__).parents[1])
    assert result.stdout.count("spawn") == 2, result.stderr


@pytest.mark.parametrize("shares", [[0.1] * 8, [0.1] * 6, [2.0] * 7, [-0.1] * 7, "many"])
def test_a_calibration_with_wrong_shares_is_refused(tmp_path, shares):
    folder = shutil.copytree(MINI, tmp_path / "run")
    path = folder / "calibration.json"
    content = json.loads(path.read_text())
    content["joint"]["class_shares"]["votes"] = shares
    path.write_text(json.dumps(content))
    with pytest.raises(FerError, match="class_shares"):
        Classifier.load(folder)


def test_a_calibration_without_the_shares_of_a_head_is_refused(tmp_path):
    folder = shutil.copytree(MINI, tmp_path / "run")
    path = folder / "calibration.json"
    content = json.loads(path.read_text())
    del content["joint"]["class_shares"]["votes"]
    path.write_text(json.dumps(content))
    with pytest.raises(ModelError, match="shares of labels, votes"):
        Classifier.load(folder)


@pytest.mark.parametrize("path", [3, b"artifacts/mini", ["artifacts/mini"]])
def test_a_path_of_a_wrong_type_is_refused_in_one_line(path):
    with pytest.raises(ModelError, match=r"named by a path\. Received: .*Remedy"):
        Classifier.load(path)

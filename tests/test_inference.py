import threading

import keras
import numpy as np
import pytest

from fer.calibration import Calibration, apply_calibration
from fer.config import load_config
from fer.errors import ImageError, ModelError
from fer.inference import Classifier
from fer.model.forward import BATCH_SIZES, run_in_batches
from fer.model.saved import load_model, save_model
from fer.model.xception import build_xception
from fer.runs import Run

OFFSETS = (0.1, 0.0, -0.1, 0.2, 0.0, 0.0, -0.2)


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
def test_any_number_of_faces_gets_one_row_each_in_order(classifier, num_faces):
    faces = make_faces(num_faces)
    probabilities = classifier.predict(faces)
    assert probabilities.shape == (num_faces, 7)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-5)
    last = classifier.predict(faces[-1:])[0]
    np.testing.assert_allclose(probabilities[-1], last, atol=1e-5)


def test_no_faces_give_no_rows(classifier):
    none = make_faces(0)
    assert classifier.predict(none).shape == (0, 7)
    assert classifier.predict(none, flip=True).shape == (0, 7)
    assert classifier.explain(none).shape == (0, 48, 48)


def test_probabilities_are_those_of_plain_keras_on_the_saved_file_as_calibrated(classifier, run_folder):
    model = keras.saving.load_model(run_folder / "model.keras", compile=False)
    faces = make_faces(5)
    plain = model.predict(faces.astype(np.float32)[..., None], verbose=0)
    np.testing.assert_allclose(classifier.predict_raw(faces), plain, atol=1e-5)
    np.testing.assert_allclose(classifier.predict(faces), apply_calibration(plain, classifier.calibration), atol=1e-5)
    assert np.abs(classifier.predict(faces) - plain).max() > 1e-3


def test_flip_averages_the_face_and_its_mirror_image(classifier):
    faces = make_faces(4)
    mean = (classifier.predict(faces) + classifier.predict(faces[:, :, ::-1])) / 2
    np.testing.assert_allclose(classifier.predict(faces, flip=True), mean, atol=1e-6)
    np.testing.assert_allclose(
        classifier.predict(faces, flip=True), classifier.predict(faces[:, :, ::-1], flip=True), atol=1e-6
    )


def test_grey_and_equal_colour_channels_give_the_same_answer(classifier):
    faces = make_faces(3)
    np.testing.assert_array_equal(classifier.predict(np.stack([faces] * 3, axis=-1)), classifier.predict(faces))


@pytest.mark.parametrize(
    "faces",
    [
        np.zeros((48, 48), np.uint8),
        np.zeros((2, 48, 48), np.float32),
        np.zeros((2, 48, 48, 4), np.uint8),
        np.zeros((2, 48, 48, 1), np.int64),
    ],
)
def test_faces_of_another_form_are_refused_in_one_line(classifier, faces):
    with pytest.raises(ImageError, match="Faces must be a uint8 array") as caught:
        classifier.predict(faces)
    assert "\n" not in str(caught.value)


def test_the_activation_map_is_the_weighted_sum_whose_mean_is_the_logit(classifier):
    faces = make_faces(3)
    maps = classifier.explain(faces)
    assert maps.shape == (3, 48, 48)
    assert maps.dtype == np.float32
    assert (maps >= 0).all()
    assert (maps <= 1).all()
    features = classifier._read_features(faces)
    layer = classifier.model.get_layer("logits")
    exact = np.einsum("nhwc,cd->nhwd", features, np.asarray(layer.kernel.value))
    logits = exact.mean(axis=(1, 2)) + np.asarray(layer.bias.value)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(powers / powers.sum(axis=1, keepdims=True), classifier.predict_raw(faces), atol=1e-5)
    winners = classifier.predict(faces).argmax(axis=1)
    np.testing.assert_array_equal(classifier.explain(faces, winners), maps)


def test_batches_are_padded_to_the_fixed_sizes_only():
    sizes = []

    def forward(batch):
        sizes.append(len(batch))
        return batch[:, 0, 0]

    for num_faces in (1, 2, 8, 9, 64, 65, 256, 257, 600):
        assert len(run_in_batches(forward, make_faces(num_faces))) == num_faces
    assert set(sizes) == set(BATCH_SIZES)
    for num_faces, expected in ((65, [64, 1]), (5, [8]), (3, [1, 1, 1]), (127, [64, 64]), (300, [256, 64])):
        sizes.clear()
        run_in_batches(forward, make_faces(num_faces))
        assert sizes == expected


def test_threads_get_the_answers_of_one(classifier):
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


def test_damaged_missing_and_changed_networks_are_told_apart(run_folder, tmp_path):
    content = (run_folder / "model.keras").read_bytes()
    path = tmp_path / "model.keras"
    with pytest.raises(ModelError, match="missing"):
        load_model(path)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match="damaged"):
        load_model(path)
    path.write_bytes(content)
    path.with_name("model.keras.sha256").write_text("0" * 64 + "  model.keras\n", encoding="ascii")
    with pytest.raises(ModelError, match="digest"):
        load_model(path)


def test_a_network_of_another_shape_is_refused(tmp_path):
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(7)])
    model.save(tmp_path / "other.keras")
    with pytest.raises(ModelError, match="must map"):
        Classifier.load(tmp_path / "other.keras")


def test_a_file_alone_loads_without_calibration(run_folder):
    classifier = Classifier.load(run_folder / "model.keras")
    assert classifier.config is None
    assert classifier.calibration.temperature == 1.0


def test_the_shipped_network_can_be_chosen_by_the_environment(run_folder, monkeypatch, tmp_path):
    monkeypatch.setenv("FER_MODEL", str(run_folder))
    assert Classifier.load().calibration.temperature == 1.6
    monkeypatch.setenv("FER_MODEL", str(tmp_path / "none"))
    with pytest.raises(ModelError, match="FER_MODEL"):
        Classifier.load()


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


def test_the_head_of_the_votes_answers_unless_the_other_is_asked(two_headed):
    classifier = Classifier.load(two_headed)
    plain = keras.saving.load_model(two_headed / "model.keras", compile=False).predict(
        make_faces(5).astype(np.float32)[..., None], verbose=0
    )
    assert plain.shape == (5, 2, 7)
    labels = classifier.with_head("labels")
    assert (classifier.calibration.temperature, labels.calibration.temperature) == (0.8, 1.6)
    assert (classifier.head, labels.head, classifier.heads) == ("votes", "labels", ("labels", "votes"))
    for asked, answers in ((classifier, plain[:, 1]), (labels, plain[:, 0])):
        expected = apply_calibration(answers, asked.calibration)
        np.testing.assert_allclose(asked.predict(make_faces(5)), expected, atol=1e-5)
    assert Classifier.load(two_headed / "model.keras").heads == ("labels", "votes")


def test_each_head_explains_its_own_answer(two_headed):
    classifier, faces = Classifier.load(two_headed), make_faces(4)
    maps = classifier.explain(faces, 2), classifier.with_head("labels").explain(faces, 2)
    assert maps[0].shape == maps[1].shape == (4, 48, 48)
    assert np.abs(maps[0] - maps[1]).max() > 1e-3
    kernel = np.asarray(classifier.model.get_layer("logits").kernel)
    features = keras.Model(classifier.model.inputs, classifier.model.get_layer("features").output)
    evidence = np.maximum(features.predict(faces.astype(np.float32)[..., None], verbose=0) @ kernel[:, 7 + 2], 0.0)
    evidence /= evidence.max(axis=(1, 2), keepdims=True)
    expected = keras.ops.image.resize(evidence[..., None], (48, 48), interpolation="bilinear")[..., 0]
    np.testing.assert_allclose(maps[0], expected, atol=1e-4)


def test_a_head_that_is_not_there_and_settings_of_another_network_are_refused(classifier, two_headed, run_folder):
    with pytest.raises(ModelError, match="Received: 'votes'"):
        classifier.with_head("votes")
    with pytest.raises(ModelError, match="must have the heads of its settings"):
        Classifier(load_model(run_folder / "model.keras"), Classifier.load(two_headed).config)


def test_a_network_is_loaded_without_drawing_weights_and_with_those_that_were_saved(run_folder, monkeypatch):
    expected = keras.saving.load_model(run_folder / "model.keras", compile=False).get_weights()

    def draw(*_, **__):
        raise AssertionError("initial weights were drawn")

    for initializer in (keras.initializers.HeNormal, keras.initializers.GlorotUniform):
        monkeypatch.setattr(initializer, "__call__", draw)
    for value, saved in zip(load_model(run_folder / "model.keras").get_weights(), expected, strict=True):
        np.testing.assert_array_equal(value, saved)

import contextlib
import json
import zipfile

import keras
import numpy as np
import pytest

from fer.config import load_config
from fer.errors import ModelError
from fer.files import compute_digest
from fer.model.saved import load_model, save_model
from fer.model.xception import build_xception


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "model.keras"
    save_model(build_xception(load_config("sample").model, seed=3), path)
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.keras"


def write_archive(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


# Saving


def test_a_saved_network_has_the_same_weights(saved):
    expected = build_xception(load_config("sample").model, seed=3).get_weights()
    for value, weights in zip(load_model(saved).get_weights(), expected, strict=True):
        np.testing.assert_array_equal(value, weights)


def test_saving_writes_the_network_and_its_digest_only(saved):
    assert {file.name for file in saved.parent.iterdir()} == {"model.keras", "model.keras.sha256"}


def test_the_digest_has_the_format_of_sha256sum(saved):
    assert saved.with_name("model.keras.sha256").read_text() == f"{compute_digest(saved)}  model.keras\n"


def test_saving_replaces_the_former_network_and_digest(path):
    for seed in (1, 2):
        save_model(build_xception(load_config("sample").model, seed=seed), path)
    expected = build_xception(load_config("sample").model, seed=2).get_weights()
    np.testing.assert_array_equal(load_model(path).get_weights()[0], expected[0])


# Loading


def test_loading_draws_no_initial_weights(saved, monkeypatch):
    expected = keras.saving.load_model(saved, compile=False).get_weights()

    def draw(*_, **__):
        raise AssertionError("initial weights were drawn")

    for initializer in (keras.initializers.HeNormal, keras.initializers.GlorotUniform):
        monkeypatch.setattr(initializer, "__call__", draw)
    for value, weights in zip(load_model(saved).get_weights(), expected, strict=True):
        np.testing.assert_array_equal(value, weights)


def test_a_network_without_a_digest_beside_it_is_loaded(saved, path):
    path.write_bytes(saved.read_bytes())
    np.testing.assert_array_equal(load_model(path).get_weights()[0], load_model(saved).get_weights()[0])


def test_a_missing_network_is_refused(path):
    with pytest.raises(ModelError, match=r"missing.*invoke train"):
        load_model(path)


def test_a_truncated_network_is_refused(saved, path):
    path.write_bytes(saved.read_bytes()[: saved.stat().st_size // 2])
    with pytest.raises(ModelError, match="damaged"):
        load_model(path)


@pytest.mark.parametrize("digest", [b"0" * 64 + b"  model.keras\n", b"", b"\xff\xfe"], ids=["other", "empty", "binary"])
def test_a_network_that_does_not_match_its_digest_is_refused(saved, path, digest):
    path.write_bytes(saved.read_bytes())
    path.with_name("model.keras.sha256").write_bytes(digest)
    with pytest.raises(ModelError, match="must match the digest"):
        load_model(path)


@pytest.mark.parametrize(
    "members",
    [
        {"notes.txt": "no network"},
        {"config.json": "{"},
        {"config.json": "[]"},
        {"config.json": "{}"},
        {"config.json": json.dumps({"module": "keras", "class_name": "Nothing", "config": {}})},
        {"config.json": json.dumps({"module": "keras.layers", "class_name": "Dense", "config": {"units": 1}})},
    ],
    ids=["other content", "damaged settings", "a list", "no class", "unknown class", "a layer"],
)
def test_an_archive_of_something_else_is_an_error_of_one_line(path, members):
    write_archive(path, members)
    with pytest.raises(ModelError, match=r"must be a whole \.keras file") as caught:
        load_model(path)
    assert "\n" not in str(caught.value)


def test_an_archive_without_weights_is_refused(saved, path):
    with zipfile.ZipFile(saved) as archive:
        write_archive(path, {"config.json": archive.read("config.json")})
    with pytest.raises(ModelError, match=r"must be a whole \.keras file"):
        load_model(path)


def test_code_in_a_network_is_not_run(path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x)])
    model.save(path)
    with pytest.raises(ModelError, match=r"must be a whole \.keras file"):
        load_model(path)


# Hostile files


def rewrite(saved, path, change):
    """Write a saved network with its configuration changed, and without a digest."""
    with zipfile.ZipFile(saved) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["config.json"] = change(members["config.json"])
    write_archive(path, members)


def deepen(content):
    return content[:-1] + b', "a": ' + b"[" * 100_000


def enlarge(content):
    config = json.loads(content)
    for layer in config["config"]["layers"]:
        if layer["class_name"] == "Dense":
            layer["config"]["units"] = 50_000_000
    return json.dumps(config).encode()


def upsample(content):
    config = json.loads(content)
    layers = config["config"]["layers"]
    index = next(index for index, layer in enumerate(layers) if layer["class_name"] == "Activation")
    layers[index] = layers[index] | {"class_name": "UpSampling2D", "module": "keras.layers"}
    layers[index]["config"] = {"name": layers[index]["config"]["name"], "size": [5000, 5000]}
    layers[index].pop("build_config", None)
    return json.dumps(config).encode()


@pytest.mark.parametrize(
    "change",
    [deepen, enlarge, upsample, lambda content: b"[]", lambda content: b'"text"', lambda content: content * 40],
    ids=["deep", "large", "upsampled", "list", "text", "many bytes"],
)
def test_a_hostile_configuration_is_refused_in_one_short_line(saved, path, change):
    rewrite(saved, path, change)
    with pytest.raises(ModelError) as refused:
        load_model(path)
    assert len(str(refused.value)) <= 300
    assert str(refused.value).isprintable()


def test_damage_anywhere_in_the_index_of_the_weights_raises_no_other_error(saved, path):
    with zipfile.ZipFile(saved) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    content = members["model.weights.h5"]
    for start in range(100, 3000, 150):
        members["model.weights.h5"] = content[:start] + b"\xff" * 60 + content[start + 60 :]
        write_archive(path, members)
        with contextlib.suppress(ModelError):
            load_model(path)


def test_weights_that_are_no_numbers_are_refused(saved, path):
    model = load_model(saved)
    model.set_weights([np.full_like(value, np.nan) for value in model.get_weights()])
    save_model(model, path)
    with pytest.raises(ModelError, match="not finite numbers"):
        load_model(path)


def test_a_network_that_is_saved_again_has_stock_initializers(saved, path):
    save_model(load_model(saved), path)
    with zipfile.ZipFile(path) as archive:
        assert b"Bounded" not in archive.read("config.json")
    load_model(path)

import json

import pytest

from fer.config import Config, list_presets, load_config, parse_config
from fer.errors import SettingsError


@pytest.mark.parametrize("preset", list_presets())
def test_every_preset_reads_back_from_its_own_json(preset):
    config = load_config(preset)
    assert parse_config(json.loads(config.to_json())) == config


def test_file_overrides_preset_and_flags_override_the_file(tmp_path):
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({"training": {"batch_size": 16, "seed": 3}}))
    config = load_config("small", path, ["training.seed=7", "model.name=mine"])
    assert (config.training.batch_size, config.training.seed, config.model.name) == (16, 7, "mine")
    assert config.training.phases == load_config("small").training.phases


@pytest.mark.parametrize(
    ("override", "place"),
    [
        ("training.batch=16", "training.batch"),
        ("training.batch_size=many", "training.batch_size"),
        ("training.batch_size=0", "training.batch_size"),
        ("data.label_smoothing=1.5", "data.label_smoothing"),
        ("training.phases=[]", "training.phases"),
        ("augmentation.zoom=1", "augmentation.zoom"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(override, place):
    with pytest.raises(SettingsError, match="Received") as caught:
        load_config("small", overrides=[override])
    assert place in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"preset": "huge"}, "Unknown preset"),
        ({"path": "missing.json"}, "must be readable"),
        ({"overrides": ["training.seed"]}, "section.key=value"),
    ],
)
def test_a_wrong_source_of_settings_says_the_rule(arguments, message):
    with pytest.raises(SettingsError, match=message):
        load_config(**arguments)


def test_a_settings_file_that_is_no_object_is_refused(tmp_path):
    for text in ("[1]", "{"):
        path = tmp_path / "settings.json"
        path.write_text(text)
        with pytest.raises(SettingsError, match="must"):
            load_config("small", path)


def test_phases_follow_each_other():
    training = load_config("small").training
    first, second = training.phases
    assert training.epochs == first.epochs + second.epochs
    assert training.phase_at(first.epochs - 1) is first
    assert training.phase_at(first.epochs) is second
    assert training.phase_at(training.epochs + 5) is second


def test_settings_are_frozen():
    config = load_config("small")
    with pytest.raises(ValueError, match="frozen"):
        config.training = None
    assert isinstance(config, Config)

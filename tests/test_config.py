import json

import pytest

from fer.config import DegradationConfig, list_presets, load_config, parse_config
from fer.errors import SettingsError


@pytest.mark.parametrize("preset", list_presets())
def test_every_preset_reads_back_from_its_own_json(preset):
    config = load_config(preset)
    assert parse_config(json.loads(config.to_json())) == config


@pytest.fixture
def settings_file(tmp_path):
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({"training": {"batch_size": 16, "seed": 3}}))
    return path


def test_a_file_overrides_the_preset(settings_file):
    config = load_config("small", settings_file)
    assert (config.training.batch_size, config.training.seed) == (16, 3)


def test_a_file_keeps_what_it_does_not_name(settings_file):
    assert load_config("small", settings_file).training.phases == load_config("small").training.phases


def test_a_single_setting_overrides_the_file(settings_file):
    config = load_config("small", settings_file, ["training.seed=7"])
    assert (config.training.batch_size, config.training.seed) == (16, 7)


def test_the_last_of_two_equal_settings_applies():
    assert load_config("small", overrides=["training.seed=1", "training.seed=2"]).training.seed == 2


@pytest.mark.parametrize(
    ("override", "value"), [("model.name=mine", "mine"), ('model.name="mine"', "mine"), ("model.name=a=b", "a=b")]
)
def test_the_value_of_a_setting_is_json_or_text(override, value):
    assert load_config("small", overrides=[override]).model.name == value


def test_a_list_replaces_the_list_of_the_preset():
    config = load_config("small", overrides=['training.phases=[{"name": "only", "epochs": 2, "learning_rate": 0.1}]'])
    assert [phase.name for phase in config.training.phases] == ["only"]


@pytest.mark.parametrize(
    ("override", "name"),
    [
        ("training.batch=16", "training.batch"),
        ("training.batch_size=many", "training.batch_size"),
        ("training.batch_size=0", "training.batch_size"),
        ("data.label_smoothing=1.5", "data.label_smoothing"),
        ("training.phases=[]", "training.phases"),
        ("training.seed=NaN", "training.seed"),
        ("training.weight_decay=Infinity", "training.weight_decay"),
        ("augmentation.zoom=1", "augmentation.zoom"),
        ("degradation.gamma=4", "degradation.gamma"),
    ],
)
def test_a_wrong_setting_is_an_error_of_one_line_that_names_it(override, name):
    with pytest.raises(SettingsError, match="Received") as caught:
        load_config("small", overrides=[override])
    assert f"'{name}'" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"preset": "huge"}, "Unknown preset"),
        ({"path": "missing.json"}, "must be readable"),
        ({"overrides": ["training.seed"]}, "section.key=value"),
    ],
)
def test_a_wrong_source_of_settings_names_the_rule(arguments, message):
    with pytest.raises(SettingsError, match=message):
        load_config(**arguments)


@pytest.mark.parametrize(("text", "message"), [("[1]", "must hold one object"), ("{", "must hold valid JSON")])
def test_a_file_that_is_no_json_object_is_refused(tmp_path, text, message):
    path = tmp_path / "settings.json"
    path.write_text(text)
    with pytest.raises(SettingsError, match=message):
        load_config("small", path)


@pytest.mark.parametrize("heads", ['["votes","labels"]', '["labels","labels"]', "[]", '["other"]'])
def test_heads_must_be_in_order_and_unique(heads):
    with pytest.raises(SettingsError, match=r"model\.heads"):
        load_config("sample", overrides=[f"model.heads={heads}"])


def test_the_rule_of_a_validator_follows_the_name_of_the_setting():
    with pytest.raises(SettingsError, match=r"Setting 'model\.heads' is not valid: heads must be"):
        load_config("sample", overrides=['model.heads=["votes","labels"]'])


def test_a_warmup_as_long_as_its_phase_is_refused():
    phases = '[{"name": "main", "epochs": 2, "learning_rate": 0.1, "warmup_epochs": 2}]'
    expected = (
        r"'training\.phases\.0\.warmup_epochs' is not valid: warmup_epochs must be below epochs \(2\)\. Received: 2\."
    )
    with pytest.raises(SettingsError, match=expected):
        load_config("small", overrides=[f"training.phases={phases}"])


@pytest.mark.parametrize(
    ("value", "teachers"), [("", ()), ("artifacts/one", ("artifacts/one",)), ('["one","two"]', ("one", "two"))]
)
def test_teachers_are_a_list_or_one_text(value, teachers):
    assert load_config("small", overrides=[f"distillation.teacher={value}"]).distillation.teacher == teachers


@pytest.mark.parametrize(("settings", "is_active"), [({}, False), ({"blur": 0.0}, False), ({"noise": 0.1}, True)])
def test_degradation_is_active_if_any_can_happen(settings, is_active):
    assert DegradationConfig(**settings).is_active is is_active


def test_a_temperature_that_divides_logits_beyond_all_numbers_is_refused():
    with pytest.raises(SettingsError, match=r"distillation\.temperature"):
        load_config("small", overrides=["distillation.temperature=1e-308"])


def test_epochs_are_the_sum_over_the_phases():
    training = load_config("small").training
    assert training.epochs == sum(phase.epochs for phase in training.phases)


def test_an_epoch_belongs_to_its_phase():
    training = load_config("small").training
    first, second = training.phases
    assert training.phase_at(0) is training.phase_at(first.epochs - 1) is first
    assert training.phase_at(first.epochs) is training.phase_at(training.epochs - 1) is second


def test_an_epoch_after_the_last_belongs_to_the_last_phase():
    training = load_config("small").training
    assert training.phase_at(training.epochs + 5) is training.phases[-1]


def test_settings_are_frozen():
    config = load_config("small")
    with pytest.raises(ValueError, match="frozen"):
        config.training = None


# Hostile values


@pytest.mark.parametrize(
    "override",
    [
        "training.seed=4294967296",
        "training.seed=10000000000000000000000",
        "training.seed=-1",
        "training.seed=1" + "0" * 400,
        "training.seed=1" + "0" * 5000,
        "model.stages=[]",
        'model.stages=[{"filters": []}]',
        "model.stem=[[10000000000, 5, 2]]",
        "model.name=" + "[" * 100_000,
        "model.name=" + json.dumps("a\0b"),
        "training.initial_run=\udcff",
        "model.name=\ud800",
        "model." + "x" * 5000 + "=1",
        "model.a\nb=1",
        "." * 5000 + "=1",
        "x" * 5000,
        "training.batch_size=1e308",
        "training.phases=" + json.dumps([{"name": "a", "epochs": 10**22, "learning_rate": 1e308}]),
    ],
    ids=lambda override: override[:30].encode("ascii", "replace").decode().replace("\n", " ").replace("\0", " "),
)
def test_a_hostile_value_is_refused_in_one_short_line(override):
    with pytest.raises(SettingsError) as refused:
        load_config("sample", overrides=[override])
    assert len(str(refused.value)) <= 300
    assert str(refused.value).isprintable()


def test_a_config_with_long_or_broken_names_is_refused_in_one_short_line(tmp_path):
    path = tmp_path / "config.json"
    for name in ("x" * 5000, "a\nb", "é" * 400):
        path.write_text(json.dumps({"training": {name: 1}}))
        with pytest.raises(SettingsError) as refused:
            load_config("sample", path)
        assert len(str(refused.value)) <= 300
        assert str(refused.value).isprintable()

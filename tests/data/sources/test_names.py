import json

import pytest

from fer.data.sources.names import CODES, build_names, parse_split, read_mapping, suggest
from fer.errors import SettingsError


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"),
        ("FER2013Train", "train"),
        ("val_set", "validation"),
        ("dev", "validation"),
        ("PublicTest", "validation"),
        ("Testing", "test"),
        ("test-images", "test"),
        ("eval", "eval"),
        ("holdout", None),
        ("trains", None),
        ("", None),
    ],
)
def test_folder_names_become_splits(name, split):
    assert parse_split(name) == split


@pytest.mark.parametrize(
    ("name", "expression"), [("anger", "angry"), ("surprise", "surprise"), ("joy", "happy"), ("happiness", "happy")]
)
def test_folder_names_become_expressions(name, expression):
    assert build_names(None)[name] == expression


def test_numbers_and_contempt_are_no_expressions():
    assert not {"contempt", "4"} & set(build_names(None))


def test_a_mapping_is_read_in_any_case():
    names = build_names({"Gloom ": "SAD", "Smile": "joy", "contempt": None})
    assert (names["gloom"], names["smile"], names["contempt"]) == ("sad", "happy", None)


@pytest.mark.parametrize("value", [7, ["happy"], {"happy": 1}, "", "x" * 90_000, True])
def test_a_mapping_to_anything_else_is_refused_with_one_short_line(value):
    with pytest.raises(SettingsError, match="must use null or the expressions") as caught:
        build_names({"gloom" * 1000: value})
    assert len(str(caught.value)) <= 300
    assert "\n" not in str(caught.value)


def test_a_misspelt_expression_in_a_mapping_names_the_nearest():
    with pytest.raises(SettingsError, match="'gloom' to 'suprise'; did you mean 'surprise'"):
        build_names({"gloom": "suprise"})


def test_two_expressions_for_one_name_are_refused():
    with pytest.raises(SettingsError, match="one expression"):
        build_names({"gloom": "sad", "Gloom": "fear"})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_a_mapping_in_any_unicode_encoding_is_read(tmp_path, encoding):
    path = tmp_path / "names.json"
    path.write_text(json.dumps({"fröhlich": "happy", "contempt": None}, ensure_ascii=False), encoding=encoding)
    assert read_mapping(path) == {"fröhlich": "happy", "contempt": None}


def test_the_name_of_a_data_set_gives_its_codes():
    assert read_mapping("AffectNet") == CODES["affectnet"]
    assert read_mapping("rafdb")["1"] == "surprise"


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b'{"a": ' * 100_000, b"\xff\xfe\x00", b"\x00", b"3", b"", b"{'a': 1}"]
)
def test_a_damaged_mapping_is_refused_with_one_short_line(tmp_path, content):
    path = tmp_path / "names.json"
    path.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        read_mapping(path)
    assert len(str(caught.value)) <= 300
    assert "\n" not in str(caught.value)


def test_a_path_with_a_null_character_is_refused():
    with pytest.raises(SettingsError):
        read_mapping("names\0.json")


def test_the_nearest_spelling_is_suggested():
    assert suggest("Suprise", ["surprise", "sad"]) == "; did you mean 'surprise'?"
    assert suggest("contempt", ["surprise", "sad"]) == ""

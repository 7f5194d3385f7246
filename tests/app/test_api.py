import json

import jsonschema
import numpy as np
import pytest
from app_media import build_stub_analyzer
from stream_media import write_irregular_video
from vision_media import draw_frames, write_video

from fer.app import api
from fer.errors import VideoError
from fer.labels import EXPRESSIONS
from fer.vision.streams import Limits


def check(value, schema):
    """Check a value against its JSON schema, and that it has every property."""
    jsonschema.validate(value, require_all(schema))


def require_all(schema):
    if isinstance(schema, list):
        return [require_all(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {name: require_all(item) for name, item in schema.items()}
    if schema.get("type") == "object":
        strict |= {"required": list(schema["properties"]), "additionalProperties": False}
    return strict


def test_an_image_matches_its_schema_and_is_json():
    image = np.full((64, 80, 3), 90, np.uint8)
    result = api.describe_image(image, build_stub_analyzer().analyze(image))
    check(result, api.IMAGE_SCHEMA)
    assert json.loads(json.dumps(result)) == result
    assert (result["width"], result["height"]) == (80, 64)


def test_a_face_has_the_probability_of_its_label_as_confidence():
    (face,) = build_stub_analyzer().analyze(np.full((64, 80, 3), 90, np.uint8))
    described = api.describe_face(face)
    assert list(described["probabilities"]) == list(EXPRESSIONS)
    assert sum(described["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    assert described["confidence"] == described["probabilities"][described["label"]]


@pytest.fixture
def video(tmp_path):
    return write_video(tmp_path / "v.avi", draw_frames(20), rate=10.0)


def test_a_video_has_every_frame_and_every_person(video):
    result = api.analyze_video(video, build_stub_analyzer(), every=2)
    check(result, api.VIDEO_SCHEMA)
    assert [frame["frame"] for frame in result["frames"]] == list(range(0, 20, 2))
    assert result["people"][0]["seconds"] == pytest.approx(2.0, abs=0.05)
    assert sum(result["people"][0]["shares"].values()) == pytest.approx(1, abs=1e-3)
    assert result["cut"] is False


def test_a_video_without_faces_has_no_people(video):
    assert api.analyze_video(video, build_stub_analyzer(find=()))["people"] == []


def test_time_on_screen_follows_a_variable_frame_rate(tmp_path):
    path = write_irregular_video(tmp_path / "v.mkv")
    (person,) = api.analyze_video(path, build_stub_analyzer())["people"]
    assert person["seconds"] == pytest.approx(1.5)


def test_a_long_video_is_cut(video):
    result = api.analyze_video(video, build_stub_analyzer(), limits=Limits(seconds=1.0))
    assert (len(result["frames"]), result["cut"]) == (10, True)


def test_an_error_names_the_visitors_file(tmp_path):
    (tmp_path / "v.avi").write_bytes(b"")
    with pytest.raises(VideoError, match=r"mine\.avi"):
        api.analyze_video(tmp_path / "v.avi", build_stub_analyzer(), name="mine.avi")

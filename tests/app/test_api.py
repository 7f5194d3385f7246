import json

import numpy as np
import pytest
from app_media import build_stub_analyzer
from vision_media import draw_frames, write_video

from fer.app import api
from fer.errors import VideoError
from fer.labels import EXPRESSIONS


def check(value, schema, nullable=("track_id",)):
    """Hold a value against the parts of JSON schema that the answers use."""
    kinds = {"object": dict, "array": list, "integer": int, "number": int | float, "string": str, "boolean": bool}
    assert isinstance(value, kinds[schema["type"]])
    if schema["type"] == "object":
        assert value.keys() == schema["properties"].keys()
        for name, each in value.items():
            if each is None:
                assert name in nullable
            else:
                check(each, schema["properties"][name])
    if schema["type"] == "array":
        for each in value:
            check(each, schema["items"])
    if "enum" in schema:
        assert value in schema["enum"]


def test_a_picture_answer_is_as_its_schema_says_and_json_takes_it():
    image = np.full((64, 80, 3), 90, np.uint8)
    answer = api.describe_image(image, build_stub_analyzer().analyze(image))
    check(answer, api.IMAGE_SCHEMA)
    assert json.loads(json.dumps(answer)) == answer
    assert (answer["width"], answer["height"]) == (80, 64)
    (face,) = answer["faces"]
    assert list(face["probabilities"]) == list(EXPRESSIONS)
    assert sum(face["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    assert face["confidence"] == face["probabilities"][face["label"]]


def test_a_video_answer_has_every_frame_and_every_person(tmp_path):
    path = write_video(tmp_path / "v.avi", draw_frames(20), rate=10.0)
    answer = api.analyze_video(path, build_stub_analyzer(), every=2)
    check(answer, api.VIDEO_SCHEMA)
    assert [frame["frame"] for frame in answer["frames"]] == list(range(0, 20, 2))
    assert answer["people"][0]["seconds"] == pytest.approx(2.0, abs=0.05)
    assert sum(answer["people"][0]["shares"].values()) == pytest.approx(1, abs=1e-3)
    assert answer["cut"] is False
    assert api.analyze_video(path, build_stub_analyzer(find=()))["people"] == []


def test_a_long_video_is_cut_and_says_so(tmp_path, monkeypatch):
    path = write_video(tmp_path / "v.avi", draw_frames(20), rate=10.0)
    monkeypatch.setattr(api, "MAX_SECONDS", 1.0)
    answer = api.analyze_video(path, build_stub_analyzer())
    assert (len(answer["frames"]), answer["cut"]) == (10, True)
    path.write_bytes(b"")
    with pytest.raises(VideoError, match="mine"):
        api.analyze_video(path, build_stub_analyzer(), name="mine.avi")

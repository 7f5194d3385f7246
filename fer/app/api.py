"""Results of the web app's endpoints as JSON values, with their schemas."""

from pathlib import Path
from typing import Any

import numpy as np

from fer.analysis import Analyzer
from fer.app.video_jobs import LIMITS, check_size
from fer.labels import EXPRESSIONS
from fer.reports.timeline import Timeline
from fer.vision.faces import AnalyzedFrame, Face
from fer.vision.streams import Limits, Stream
from fer.vision.video import VideoReader

_SHARES = {"type": "object", "properties": {name: {"type": "number"} for name in EXPRESSIONS}}
_FACE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "box": {"type": "array", "items": {"type": "number"}, "description": "x_min, y_min, x_max, y_max in pixels"},
        "label": {"type": "string", "enum": list(EXPRESSIONS)},
        "confidence": {"type": "number", "description": "probability of the label, 0 to 1"},
        "uncertain": {"type": "boolean"},
        "probabilities": _SHARES,
        "detection_score": {"type": "number"},
        "warnings": {"type": "array", "items": {"type": "string"}},
        "track_id": {
            "anyOf": [{"type": "integer"}, {"type": "null"}],
            "description": "number of the person in a video; null in an image",
        },
    },
}

#: JSON schema of :func:`describe_image`.
IMAGE_SCHEMA: dict[str, Any] = {
    "title": "Image",
    "type": "object",
    "properties": {
        "width": {"type": "integer"},
        "height": {"type": "integer"},
        "faces": {"type": "array", "items": _FACE},
    },
}

#: JSON schema of :func:`analyze_video`.
VIDEO_SCHEMA: dict[str, Any] = {
    "title": "Video",
    "type": "object",
    "properties": {
        "frames": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "frame": {"type": "integer"},
                    "seconds": {"type": "number"},
                    "faces": {"type": "array", "items": _FACE},
                },
            },
        },
        "people": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "track_id": {"type": "integer"},
                    "seconds": {"type": "number", "description": "time on screen"},
                    "shares": _SHARES,
                },
            },
        },
        "cut": {"type": "boolean", "description": "whether the analysis ended before the video, at a limit"},
    },
}


def describe_image(image: np.ndarray, faces: list[Face]) -> dict[str, Any]:
    """Return the size of an image and its faces as a value that matches :data:`IMAGE_SCHEMA`.

    Args:
        image: uint8 (H, W, 3), the decoded image.
        faces: its faces.
    """
    return {"width": image.shape[1], "height": image.shape[0], "faces": [describe_face(face) for face in faces]}


def describe_face(face: Face) -> dict[str, Any]:
    """Return a face as a JSON value."""
    return {
        "box": [round(value, 1) for value in face.box],
        "label": face.label,
        "confidence": round(face.confidence, 4),
        "uncertain": bool(face.uncertain),
        "probabilities": {name: round(float(p), 4) for name, p in zip(EXPRESSIONS, face.probabilities, strict=True)},
        "detection_score": round(face.detection_score, 4),
        "warnings": list(face.warnings),
        "track_id": face.track_id,
    }


def analyze_video(
    path: Path, analyzer: Analyzer, *, every: int = 1, name: str = "video", limits: Limits = LIMITS
) -> dict[str, Any]:
    """Analyze a video for the endpoint.

    Args:
        path: the file.
        analyzer: detects and classifies the faces.
        every: analyze only frames whose index is a multiple of this.
        name: name of the file on the visitor's device.
        limits: how much of the video to analyze.

    Returns:
        A value that matches :data:`VIDEO_SCHEMA`.

    Raises:
        VideoError: the file is no video, or too large.
    """
    check_size(path, name)
    frames: list[dict[str, Any]] = []
    timeline = Timeline()
    with VideoReader(path) as video:
        stream = Stream(video, every=every, limits=limits)
        for analyzed in analyzer.analyze_stream(stream):
            timeline.add(analyzed)
            frames.append(_describe_frame(analyzed))
    return {"frames": frames, "people": _describe_people(timeline), "cut": stream.ending == "limit"}


def _describe_frame(analyzed: AnalyzedFrame) -> dict[str, Any]:
    faces = [describe_face(face) for face in analyzed.faces]
    return {"frame": analyzed.frame.index, "seconds": round(analyzed.frame.seconds, 3), "faces": faces}


def _describe_people(timeline: Timeline) -> list[dict[str, Any]]:
    return [
        {
            "track_id": track_id,
            "seconds": round(person.seconds, 3),
            "shares": {name: round(share, 4) for name, share in person.shares.items()},
        }
        for track_id, person in sorted(timeline.people.items())
    ]

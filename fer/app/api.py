"""What the web app's endpoints answer: plain values that JSON takes, and the schemas that describe them."""

from pathlib import Path
from typing import Any

import numpy as np

from fer.analysis import Analyzer, Face
from fer.app.video_jobs import MAX_FRAMES, MAX_SECONDS, check_frame, check_size
from fer.labels import EXPRESSIONS
from fer.reports.timeline import Timeline
from fer.vision.tracking import Tracker
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
        "track_id": {"type": "integer", "description": "number of the person in a video; null in a picture"},
    },
}

#: JSON schema of :func:`describe_picture`.
PICTURE_SCHEMA: dict[str, Any] = {
    "title": "Picture",
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
        "cut": {"type": "boolean", "description": "whether the video goes on after what was looked at"},
    },
}


def describe_picture(image: np.ndarray, faces: list[Face]) -> dict[str, Any]:
    """Return a picture's size and faces as :data:`PICTURE_SCHEMA` says.

    Args:
        image: uint8 (H, W, 3), the decoded picture.
        faces: its faces.
    """
    return {"width": image.shape[1], "height": image.shape[0], "faces": [describe_face(face) for face in faces]}


def describe_face(face: Face) -> dict[str, Any]:
    """Return a face as values that JSON takes."""
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


def analyze_video(path: Path, analyzer: Analyzer, *, every: int = 1, name: str = "video") -> dict[str, Any]:
    """Return what a video shows, as :data:`VIDEO_SCHEMA` says.

    Args:
        path: the video; it is read up to ``MAX_SECONDS`` or ``MAX_FRAMES`` of :mod:`fer.app.video_jobs`.
        analyzer: what reads the frames.
        every: look at each frame whose index is a multiple of this.
        name: the file's name as its owner knows it.

    Raises:
        VideoError: the file is no video, or larger than a server takes.
    """
    check_size(path, name)
    frames: list[dict[str, Any]] = []
    timeline, tracker, cut = Timeline(), Tracker(), False
    with VideoReader(path) as video:
        for frame in video.read(every):
            if frame.seconds >= MAX_SECONDS or len(frames) >= MAX_FRAMES:
                cut = True
                break
            check_frame(frame.image)
            faces = analyzer.analyze_frame(frame.image, tracker, frame.seconds)
            for face in faces:
                timeline.add(face.track_id or 0, face.probabilities, frame.seconds, every / video.rate)
            described = [describe_face(face) for face in faces]
            frames.append({"frame": frame.index, "seconds": round(frame.seconds, 3), "faces": described})
    return {"frames": frames, "people": _describe_people(timeline), "cut": cut}


def _describe_people(timeline: Timeline) -> list[dict[str, Any]]:
    return [
        {
            "track_id": number,
            "seconds": round(person.seconds, 3),
            "shares": {name: round(share, 4) for name, share in person.shares.items()},
        }
        for number, person in sorted(timeline.people.items())
    ]

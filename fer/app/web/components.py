"""Gradio's components as the app needs them: uploads stay files, frames stay in memory, answers have a schema."""

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import Base64ImageData, FileData, ImageData

from fer.app.handlers import Upload
from fer.app.pages import texts


async def keep_upload(self: Any, url_or_file_path: str | Path | None) -> str:
    """Return the path of an upload; Gradio's own method downloads the file if a client sends an address."""
    if str(url_or_file_path).startswith(("http:", "https:")):
        raise gr.Error(texts.ADDRESS_TEXT, print_exception=False)
    return str(url_or_file_path)


def _read_upload(payload: ImageData | FileData | None) -> Upload | None:
    return Upload(payload.orig_name or "upload", Path(payload.path)) if payload and payload.path else None


class PhotoInput(gr.Image):
    """An image input that passes on the uploaded file, so that the package's decoder decides what an image is."""

    is_template = True
    async_move_resource_to_block_cache = keep_upload

    def preprocess(self, payload: ImageData | None) -> Upload | None:  # type: ignore[override]
        """Return the upload, or None."""
        return _read_upload(payload)


class VideoInput(gr.Video):
    """A video input that passes on the uploaded file with its name."""

    is_template = True
    async_move_resource_to_block_cache = keep_upload

    def preprocess(self, payload: FileData | None) -> Upload | None:
        """Return the upload, or None."""
        return _read_upload(payload)


class CameraInput(gr.Image):
    """A camera that passes on each frame as the browser sent it."""

    is_template = True
    async_move_resource_to_block_cache = keep_upload

    def preprocess(self, payload: ImageData | None) -> str | None:
        """Return the frame as a data URL, or None."""
        return payload.url if payload is not None else None


class MemoryImage(gr.Image):
    """An image output that, unlike gr.Image, writes no file for each frame."""

    is_template = True

    def postprocess(self, value: Any) -> Base64ImageData | None:
        """Return an image that is given as a data URL."""
        return None if value is None else Base64ImageData(url=value)


class VideoOutput(gr.Video):
    """A video output that, unlike gr.Video, never converts: Gradio's converted copy would outlive the visit."""

    is_template = True

    def postprocess(self, value: str | Path | None) -> FileData | None:
        """Return a video that is given as the path of a file."""
        return None if value is None else FileData(path=str(value), orig_name=Path(value).name)


class Answer(gr.JSON):
    """The answer of an endpoint.

    Args:
        schema: JSON schema of the answer.
    """

    is_template = True

    def __init__(self, schema: dict[str, Any], **options: Any) -> None:
        self.schema = schema
        super().__init__(**options)

    def api_info(self) -> dict[str, Any]:
        """Return the schema."""
        return self.schema

"""A folder that runs as a static Hugging Face Space: a page that analyzes images in the visitor's browser alone.

The page is in ``fer/app/browser/``. It runs the exported network and YuNet in ONNX Runtime Web, and gets every constant
of detection, crop, tracking and answer from here, as ``settings.json``.

Reference:
    https://huggingface.co/docs/hub/spaces-sdks-static
"""

import hashlib
import http.client
import io
import json
import shutil
import tarfile
import urllib.request
from pathlib import Path
from typing import Any

from huggingface_hub import SpaceCardData

from fer.app.examples import find_portrait
from fer.app.space import build_folder, list_files
from fer.config import read_json
from fer.errors import ModelError, SpaceError
from fer.files import name_missing_keys, write_atomically
from fer.labels import COLORS, EXPRESSIONS, FACE_SIZE
from fer.runs import Run, name_card
from fer.vision import alignment, detection, tracking, yunet

#: The page's own files.
PAGE = Path(__file__).parent / "browser"
INDEX_FILE = "index.html"
SETTINGS_FILE, DETECTOR_FILE, EXAMPLE_FILE = "settings.json", "detector.onnx", "example.jpg"

#: ONNX Runtime Web, by Microsoft, MIT License: the npm package, its sha256, and the files of it that the page loads.
RUNTIME_VERSION = "1.22.0"
RUNTIME_SHA256 = "e293551f9d36d003e293d0f2937fee7b3dfdcef76d71d1449b55e2d4157c7aea"
RUNTIME_URL = f"https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-{RUNTIME_VERSION}.tgz"
RUNTIME_FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
_RUNTIME_SECONDS = 60.0

#: Longer side, in pixels, of the copy of a photo that the page reads.
LARGEST_PHOTO = 2048


def build_static_space(out: str | Path, *, runtime: str | Path | None = None) -> list[Path]:
    """Build the folder of a static Space, replacing an earlier one.

    Args:
        out: a new or empty folder, or an earlier Space.
        runtime: the npm package of ONNX Runtime Web as a file; None downloads it.

    Returns:
        The files of the folder, relative to it, sorted.

    Raises:
        SettingsError: the folder holds something else, or a source of the Space.
        ModelError: there is no trained network, or it was not exported.
        SpaceError: a package or ONNX Runtime Web is missing.
    """
    run = Run.find_shipped()
    card = _read_card(run)
    detector = build_detector()
    files = read_runtime(runtime)

    def fill(folder: Path) -> None:
        shutil.copytree(PAGE, folder, dirs_exist_ok=True)
        shutil.copy(run.onnx, folder / run.onnx.name)
        shutil.copy(_find_example(), folder / EXAMPLE_FILE)
        write_atomically(folder / DETECTOR_FILE, detector)
        for name, content in files.items():
            write_atomically(folder / "ort" / name, content)
        write_atomically(folder / "README.md", render_readme())
        settings = collect_settings(folder, card, run.onnx.name)
        write_atomically(folder / SETTINGS_FILE, json.dumps(settings, indent=1) + "\n")

    return build_folder(out, run, fill)


def collect_settings(folder: Path, card: dict[str, Any], classifier: str) -> dict[str, Any]:
    """Return the settings of a page.

    Args:
        folder: the folder with all other files of the page.
        card: the card of the exported network.
        classifier: name of the network's file.
    """
    files = [path for path in list_files(folder) if path.name != "README.md"]
    digest = hashlib.sha256(b"".join((folder / path).read_bytes() for path in files))
    return {
        "version": digest.hexdigest()[:12],
        "files": ["./", SETTINGS_FILE, *(path.as_posix() for path in files)],
        "megabytes": round(sum((folder / path).stat().st_size for path in files) / 1e6, 1),
        "detector": DETECTOR_FILE,
        "classifier": classifier,
        "example": EXAMPLE_FILE,
        "expressions": card["classes"],
        "colors": {name: COLORS[name] for name in EXPRESSIONS},
        "uncertainBelow": card["uncertain_below"],
        "faceSize": FACE_SIZE,
        "frame": {
            "side": alignment.FRAME.side,
            "offset": alignment.FRAME.offset,
            "keptTilt": alignment.FRAME.kept_tilt,
        },
        "views": alignment.VIEWS,
        "mostSamples": alignment.MOST_SAMPLES,
        "scoreThreshold": yunet.SCORE_THRESHOLD,
        "mergeOverlap": detection.MERGE_OVERLAP,
        "smallestSide": yunet.SMALLEST_SIDE,
        "narrowestSide": yunet.NARROWEST_SIDE,
        "photoSide": yunet.DEFAULT_SIDE,
        "streamSide": yunet.STREAM_SIDE,
        "largestPhoto": LARGEST_PHOTO,
        "leastOverlap": tracking.LEAST_OVERLAP,
        "longestGap": tracking.LONGEST_GAP,
        "smoothingSeconds": tracking.SMOOTHING_SECONDS,
    }


def build_detector() -> bytes:
    """Return YuNet as an ONNX file that takes images of any size; the original file takes 640x640 alone.

    Raises:
        SpaceError: the package onnx is missing.
    """
    try:
        import onnx
    except ImportError:
        raise SpaceError(
            "A static Space needs the package onnx. Received: not installed. Remedy: pip install 'fer-dl[export]'."
        ) from None
    model = onnx.load_from_string(yunet.read_yunet_weights().tobytes())
    for axis, name in ((2, "height"), (3, "width")):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = name
    # Shapes of outputs and inner values, which follow from that of the input.
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    content: bytes = model.SerializeToString()
    return content


def read_runtime(package: str | Path | None = None) -> dict[str, bytes]:
    """Return the files of ONNX Runtime Web that the page loads.

    Args:
        package: the npm package as a file; None downloads it.

    Raises:
        SpaceError: the package cannot be read or downloaded, or is another one.
    """
    with tarfile.open(fileobj=io.BytesIO(fetch_runtime(package))) as archive:
        return {name: _read_member(archive, f"package/dist/{name}") for name in RUNTIME_FILES}


def fetch_runtime(package: str | Path | None = None) -> bytes:
    """Return the npm package of ONNX Runtime Web, with its digest checked.

    Args:
        package: the package as a file; None downloads it.

    Raises:
        SpaceError: the package cannot be read or downloaded, or is another one.
    """
    source = RUNTIME_URL if package is None else str(package)
    try:
        if package is None:
            with urllib.request.urlopen(RUNTIME_URL, timeout=_RUNTIME_SECONDS) as response:
                content: bytes = response.read()
        else:
            content = Path(package).read_bytes()
    except (OSError, http.client.HTTPException) as error:
        raise _build_runtime_error(f"{source} ({getattr(error, 'reason', error)})") from None
    digest = hashlib.sha256(content).hexdigest()
    if digest != RUNTIME_SHA256:
        raise _build_runtime_error(f"{source}, {digest}")
    return content


def _build_runtime_error(received: str) -> SpaceError:
    return SpaceError(
        f"A static Space contains ONNX Runtime Web {RUNTIME_VERSION}, with the sha256 {RUNTIME_SHA256}. Received:"
        f" {received}. Remedy: npm pack onnxruntime-web@{RUNTIME_VERSION}, and name the file with --runtime."
    )


def render_readme() -> str:
    """Return the Space's README.md: front matter for Hugging Face, and a text for visitors."""
    data = SpaceCardData(
        title="FER-DL in the browser",
        emoji="🙂",
        colorFrom="blue",
        colorTo="yellow",
        sdk="static",
        app_file=INDEX_FILE,
        pinned=False,
        license="mit",
        short_description="Facial expressions, on your own device",
    )
    return (
        f"---\n{data.to_yaml()}\n---\n\n# FER-DL in the browser\n\n"
        "Finds faces in a photo or a camera and names their expressions. All work is done in the visitor's browser:\n"
        "no image leaves the device. An expression is not a feeling: do not use it to judge people or to make\n"
        "decisions about them.\n\n"
        f"Contains ONNX Runtime Web {RUNTIME_VERSION} (Microsoft, MIT License) and YuNet (OpenCV Zoo, MIT License).\n"
    )


def _read_card(run: Run) -> dict[str, Any]:
    if not (run.onnx.is_file() and name_card(run.onnx).is_file()):
        raise ModelError(
            f"A static Space needs a network that was exported to ONNX. Received: {run.folder}, without"
            f" {run.onnx.name}. Remedy: run `invoke export`."
        )
    path = name_card(run.onnx)
    return name_missing_keys(read_json(path), path, "run `invoke export`")


def _find_example() -> Path:
    path = find_portrait()
    if path is None:
        raise SpaceError("A Space shows matplotlib's portrait. Received: no such file. Remedy: reinstall matplotlib.")
    return path


def _read_member(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.extractfile(name)
    assert member is not None
    return member.read()

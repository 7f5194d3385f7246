"""Hostile settings: ``config.json``, values of ``--set``, and mappings of folder names."""

import json
import random
from pathlib import Path

from fer.config import list_presets, load_config, parse_config
from fer.data.sources.names import build_names, read_mapping
from fer.labels import EXPRESSIONS
from fer.runs import Run
from fer.training.batches import count_steps
from fuzz.harness import MOST_SECONDS, Input, WrongAnswer
from fuzz.mutators import TEXTS, draw_value, dump_json, mutate_bytes, mutate_json

#: NumPy's and Keras' generators take seeds below this.
_SEEDS = 2**32
#: Rows of a data set, for settings that must fit one.
_NUM_ROWS = 1000


def _check_usable(config) -> None:
    """Check that settings that are accepted mean a network that can be built and trained."""
    if config.training.seed >= _SEEDS:
        raise WrongAnswer(f"a seed of {config.training.seed}")
    if not config.model.stages:
        raise WrongAnswer("a network without stages")
    if parse_config(json.loads(config.to_json())) != config:
        raise WrongAnswer("settings that differ once they are written and read")
    config.to_json().encode("utf-8")
    count_steps(_NUM_ROWS, config)


class ConfigFiles:
    """``config.json`` of a run, and a file of ``--config``."""

    name = "config"
    most_seconds = MOST_SECONDS

    def draw(self, random: random.Random) -> Input:
        """Draw a file."""
        settings = load_config(random.choice(list_presets())).model_dump(mode="json")
        return Input(dump_json(random, mutate_json(random, settings)), "config.json")

    def read(self, path: Path) -> None:
        """Read the file both ways."""
        _check_usable(load_config("sample", path))
        _check_usable(Run(path.parent).read_config())


class Overrides:
    """Values of ``--set``; the file has one per line."""

    name = "set"
    most_seconds = MOST_SECONDS

    def draw(self, random: random.Random) -> Input:
        """Draw one to three values."""
        lines = [self._draw_line(random) for _ in range(random.choice((1, 1, 3)))]
        return Input("\n\n\n".join(lines).encode("utf-8", "surrogatepass"), "set.txt")

    def _draw_line(self, random: random.Random) -> str:
        settings = load_config(random.choice(list_presets())).model_dump(mode="json")
        section = random.choice(list(settings))
        key = random.choice((*settings[section], *random.sample(TEXTS, 2)))
        if random.random() < 0.2:
            value: object = mutate_json(random, settings[section].get(key, {}))
        else:
            value = draw_value(random)
        text = random.choice((json.dumps(value), json.dumps(value), str(value), random.choice(TEXTS), "[" * 100_000))
        line = random.choice(
            (f"{section}.{key}={text}",) * 8 + (f"{section}={text}", f"{key}{text}", f".{key}.={text}")
        )
        if random.random() < 0.2:
            line = mutate_bytes(random, line.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogateescape")
        return line

    def read(self, path: Path) -> None:
        """Apply the values to a preset."""
        text = path.read_bytes().decode("utf-8", "surrogateescape")
        _check_usable(load_config("sample", overrides=text.split("\n\n\n")))


class Mappings:
    """Files of ``--mapping``."""

    name = "mapping"
    most_seconds = MOST_SECONDS

    def draw(self, random: random.Random) -> Input:
        """Draw a file."""
        mapping = {str(index): random.choice((*EXPRESSIONS, None)) for index in range(random.randrange(12))}
        return Input(dump_json(random, mutate_json(random, mapping)), "mapping.json")

    def read(self, path: Path) -> None:
        """Read the mapping and add the built-in names."""
        names = build_names(read_mapping(path))
        if not set(names.values()) <= {*EXPRESSIONS, None}:
            raise WrongAnswer(f"expressions {set(names.values())}")

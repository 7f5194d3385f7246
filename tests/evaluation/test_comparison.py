import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax

from fer.data import draw_sample
from fer.evaluation import comparison
from fer.evaluation.comparison import compare_runs, render_comparison
from fer.runs import Run


class Scripted:
    """A network whose answer to a face is the class that its first pixel names."""

    def __init__(self, offset):
        self.offset = offset

    def predict(self, faces):
        classes = (faces[:, 0, 0].astype(int) + self.offset) % 7
        return softmax(4.0 * np.eye(7)[classes], axis=1)


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """A run that is always wrong, and one that is always right."""
    networks = {"before": Scripted(1), "after": Scripted(0)}
    monkeypatch.setattr(comparison.Classifier, "load", lambda folder, runtime: networks[folder.name])
    monkeypatch.setattr(Run, "read_config", lambda run: comparison_config())
    pair = [Run(tmp_path / name) for name in networks]
    for run in pair:
        run.folder.mkdir()
        run.model.write_bytes(b"network")
    return pair


def comparison_config():
    from fer.config import load_config

    return load_config("sample")


def name_classes(dataset):
    faces = dataset.faces.copy()
    faces[:, 0, 0] = dataset.labels
    return replace(dataset, faces=faces)


def test_both_runs_are_measured_on_the_held_out_faces(runs):
    dataset = name_classes(draw_sample(140, name="own"))
    figures = compare_runs(*runs, dataset)
    block = figures["held_out"]
    assert (block["n"], block["dropped"]) == (21, 0)
    assert (block["before"]["accuracy"], block["after"]["accuracy"]) == (0.0, 1.0)
    assert block["difference_points"] == 100.0
    assert figures["reference"] is None
    assert json.loads(runs[1].comparison.read_text()) == figures


def test_faces_that_the_other_network_was_trained_on_are_left_out(runs):
    own, reference = (name_classes(draw_sample(140, name=name, seed=seed)) for name, seed in (("own", 0), ("fer", 3)))
    held, seen = (np.flatnonzero(data.is_in(split))[0] for data, split in ((own, "test"), (reference, "train")))
    faces = reference.faces.copy()
    faces[seen] = own.faces[held]
    faces[np.flatnonzero(reference.is_in("validation"))[:2]] = own.faces[np.flatnonzero(own.is_in("train"))[:2]]
    figures = compare_runs(*runs, own, replace(reference, faces=faces))
    assert (figures["held_out"]["n"], figures["held_out"]["dropped"]) == (20, 1)
    assert figures["reference"]["dropped"] == 2


def test_a_comparison_without_faces_left_is_none(runs):
    own = name_classes(draw_sample(140, name="own"))
    faces = own.faces.copy()
    faces[np.flatnonzero(own.is_in("train"))[:21]] = own.faces[own.is_in("test")]
    assert compare_runs(*runs, own, replace(own, name="fer", faces=faces))["held_out"] is None


def test_a_comparison_without_any_faces_left_says_so(runs):
    own = name_classes(draw_sample(140, name="own"))
    figures = compare_runs(*runs, own) | {"held_out": None}
    assert "No face is left to compare" in render_comparison(figures)


def test_the_table_has_a_row_for_each_network_and_set(runs):
    own, reference = (name_classes(draw_sample(140, name=name, seed=seed)) for name, seed in (("own", 0), ("fer", 3)))
    text = render_comparison(compare_runs(*runs, own, reference))
    assert "| `own`, test, 21 | before | 0.000 (0.000-0.155) |" in text
    assert "| `fer`, validation, 21 | after | 1.000 (0.845-1.000) |" in text
    assert "`own`, test: +100.0 points of accuracy" in text

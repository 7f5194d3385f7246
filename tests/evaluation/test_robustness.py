"""The robustness report with a stub network that reads the class from the mean grey level of a face."""

import json

import numpy as np
import pytest
from evaluation_metrics import make_metrics
from evaluation_stubs import GreyClassifier, make_grey_dataset

from fer.config import load_config
from fer.errors import DataError
from fer.evaluation import robustness as module
from fer.evaluation.metrics_file import write_metrics
from fer.evaluation.robustness import measure_robustness, report_robustness
from fer.evaluation.robustness_figures import read_robustness, render_robustness
from fer.files import compute_digest
from fer.runs import Run
from fer.vision.corruptions import CORRUPTIONS

#: Corruptions that leave a face of one grey level as it is.
WITHOUT_EFFECT = ("blur", "motion_blur", "low_resolution", "contrast", "tilt", "crop_scale", "shift")
LABELS = [0, 1, 2, 3, 4, 5, 6, 6, 6, 6]
#: The first face has no votes, the last is neutral by its label and angry to its annotators.
VOTED = [-1, 1, 2, 3, 4, 5, 6, 6, 6, 0]


@pytest.fixture(scope="module")
def figures():
    return measure_robustness(GreyClassifier(), make_grey_dataset(LABELS, voted=VOTED))


def test_faces_as_they_are_give_the_clean_figures(figures):
    assert figures["n"] == 10
    assert figures["clean"]["default"] == {"accuracy": 1.0, "mean_recall": 1.0}
    assert figures["clean"]["labels"]["accuracy"] == 1.0


def test_the_head_of_the_votes_is_measured_against_the_votes_of_the_faces_that_have_some(figures):
    assert figures["clean"]["votes"]["accuracy"] == pytest.approx(8 / 9)


def test_faces_without_votes_have_no_figures_of_that_head():
    assert set(measure_robustness(GreyClassifier(), make_grey_dataset([0, 3]))["mean"]) == {"default", "labels"}


@pytest.mark.parametrize("name", WITHOUT_EFFECT)
def test_a_corruption_without_effect_on_the_answers_keeps_the_accuracy(figures, name):
    assert figures["corruptions"][name]["default"]["accuracy"] == [1.0] * 5


def test_a_corruption_with_an_effect_costs_accuracy_and_recall(figures):
    dark = figures["corruptions"]["dark"]["default"]
    # The faces of a dark class stay in it: class 0 turns black, and is still class 0.
    assert dark["accuracy"][-1] < 0.6
    # The four faces of class 6 weigh less in the mean recall than in the accuracy.
    assert dark["mean_recall"] != dark["accuracy"]


def test_a_turned_face_that_is_not_detected_has_no_right_answer(figures):
    yaw = figures["corruptions"]["yaw"]
    assert yaw["detected"] == [0.0] * 5
    assert yaw["default"] == {"accuracy": [0.0] * 5, "mean_recall": [0.0] * 5}
    assert figures["clean_detected"] == 0.0


def test_a_turned_face_that_is_detected_counts(monkeypatch):
    monkeypatch.setattr(module, "detect_prepared", lambda faces: [object(), *[None] * (len(faces) - 1)])
    yaw = measure_robustness(GreyClassifier(), make_grey_dataset([2, 2]))["corruptions"]["yaw"]
    assert (yaw["detected"], yaw["default"]["accuracy"]) == ([0.5] * 5, [0.5] * 5)


def test_the_mean_is_that_of_all_corruptions_and_severities(figures):
    accuracies = [figures["corruptions"][name]["default"]["accuracy"] for name in CORRUPTIONS]
    mean = figures["mean"]["default"]
    assert np.shape(accuracies) == (14, 5)
    assert mean["accuracy"] == pytest.approx(np.mean(accuracies))
    low, high = mean["accuracy_ci95"]
    assert low < mean["accuracy"] < high
    assert low + high == pytest.approx(2 * mean["accuracy"])


def test_no_faces_are_a_data_error():
    with pytest.raises(DataError, match="validation"):
        measure_robustness(GreyClassifier(), make_grey_dataset([]))


@pytest.fixture
def run(tmp_path, monkeypatch):
    """An evaluated run with the stub network."""
    run = Run(tmp_path / "mine")
    run.folder.mkdir()
    run.model.write_bytes(b"weights")
    run.write_config(load_config())
    run.write_provenance({"teachers": {}})
    monkeypatch.setattr(module.Classifier, "load", lambda folder, runtime: GreyClassifier())
    return run


def test_a_report_writes_figures_and_plot(run):
    dataset = make_grey_dataset(LABELS * 2, split=[1] * 15 + [2] * 5)
    figures = report_robustness(run.folder, dataset)
    assert figures == json.loads(run.robustness.read_text())
    assert (figures["n"], figures["part"], figures["data_sha256"]) == (15, "validation", dataset.fingerprint)
    assert figures["model_sha256"] == compute_digest(run.model)
    assert run.robustness_plot.read_bytes().startswith(b"\x89PNG")
    assert not run.model_card.exists()
    assert report_robustness(run.folder, dataset) == figures


def test_a_limit_takes_the_first_faces(run):
    figures = report_robustness(run.folder, make_grey_dataset(LABELS), limit=3)
    assert figures["n"] == 3
    assert figures["clean"]["default"]["accuracy"] == 1.0


def test_the_card_of_an_evaluated_run_gets_the_section(run):
    dataset = make_grey_dataset(LABELS)
    figures = report_robustness(run.folder, dataset)
    write_metrics(make_metrics(model_sha256=figures["model_sha256"]), run.folder)
    assert report_robustness(run.folder, dataset) == figures
    assert f"\n## Robustness\n\n{render_robustness(figures)}\n" in run.model_card.read_text()


def test_figures_of_another_network_are_not_read(run):
    figures = report_robustness(run.folder, make_grey_dataset(LABELS))
    assert read_robustness(run, figures["model_sha256"]) == figures
    assert read_robustness(run, "0" * 64) is None

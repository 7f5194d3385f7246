"""The evaluation of a run against a stub network whose answers are written in the faces."""

import copy
import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from fer.calibration import Calibration, apply_calibration
from fer.config import load_config
from fer.data.dataset import Dataset
from fer.data.ferplus import FERPLUS_COLUMN_OF_EXPRESSION
from fer.errors import DataError, ModelError
from fer.evaluation import evaluate as module
from fer.evaluation.evaluate import evaluate_run, predict_part, read_git_commit
from fer.evaluation.metrics_file import compare_metrics, read_metrics, write_metrics
from fer.labels import EXPRESSIONS

FILES = {
    "metrics.json",
    "confusion_matrix.png",
    "confusion_matrix.csv",
    "classification_report.txt",
    "roc.png",
    "precision_recall.png",
    "reliability.png",
    "mistakes.png",
    "model_card.md",
}


class StubClassifier:
    """Reads a face's logits from the first seven pixels of its first row; mirrored, from the last seven."""

    calibration = Calibration(offsets=(0.5, 0, 0, 0, 0, 0, -0.5), temperature=1.5, uncertain_below=0.4, coverage=0.9)
    config = load_config()
    num_params = 12_345
    heads = ("labels",)
    head = "labels"

    def __init__(self):
        self.seen = []

    def predict_raw(self, faces, flip=False):
        self.seen.append((len(faces), flip))
        views = [faces, faces[:, :, ::-1]] if flip else [faces]
        return np.mean([self._softmax(view) for view in views], axis=0).astype(np.float32)

    def predict(self, faces, flip=False):
        return apply_calibration(self.predict_raw(faces, flip), self.calibration)

    @staticmethod
    def _softmax(faces):
        powers = np.exp(faces[:, 0, :7] / 50.0)
        return powers / powers.sum(axis=1, keepdims=True)


class TwoHeadedStub(StubClassifier):
    """Its head 'votes' reads the second row of pixels instead of the first."""

    heads = ("labels", "votes")
    head = "votes"

    @property
    def calibration(self):
        votes = Calibration(temperature=0.7, uncertain_below=0.4)
        return StubClassifier.calibration if self.head == "labels" else votes

    def with_head(self, head):
        other = copy.copy(self)
        other.head = head
        return other

    def predict_raw(self, faces, flip=False):
        return super().predict_raw(faces[:, 1:] if self.head == "votes" else faces, flip)


def make_dataset(n=600, *, votes=True, seed=0):
    rng = np.random.default_rng(seed)
    faces = rng.integers(0, 256, (n, 48, 48)).astype(np.uint8)
    labels = rng.integers(0, 7, n)
    split = np.repeat(np.array([0, 1, 2], np.uint8), n // 3)
    for view in (faces[:, 0, :7], faces[:, 0, ::-1][:, :7]):
        view[np.arange(n), labels] = np.maximum(view[np.arange(n), labels], 190)
    counts = np.zeros((n, 10), np.uint8)
    if votes:
        counts[np.arange(n), np.array(FERPLUS_COLUMN_OF_EXPRESSION)[(labels + (rng.random(n) < 0.3)) % 7]] = 9
        counts[::5] = 2  # no majority
    return Dataset("toy", faces, labels, split, counts, rng.random(n) < 0.8, source="csv")


def make_run_folder(parent):
    folder = parent / "toy-run"
    folder.mkdir()
    (folder / "model.keras").write_bytes(b"a network")
    return folder


@pytest.fixture
def run_folder(tmp_path):
    return make_run_folder(tmp_path)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """One evaluation that the tests below read and leave as it is."""
    folder = make_run_folder(tmp_path_factory.mktemp("evaluated"))
    classifier, dataset = StubClassifier(), make_dataset()
    metrics = evaluate_run(folder, dataset, classifier=classifier)
    return SimpleNamespace(
        folder=folder, dataset=dataset, classifier=classifier, metrics=metrics, seen=tuple(classifier.seen)
    )


@pytest.fixture
def without_plots(monkeypatch):
    monkeypatch.setattr(module, "write_reports", lambda *_: None)


def test_every_file_is_written_and_nothing_else(evaluated):
    assert {path.name for path in evaluated.folder.iterdir()} == FILES | {"model.keras"}


def test_metrics_file_is_what_was_returned(evaluated):
    assert read_metrics(evaluated.folder) == evaluated.metrics


def test_metrics_have_the_keys_of_the_protocol(evaluated):
    metrics = evaluated.metrics
    required = {"model", "params", "data_sha256", "versions", "seconds", "git_commit"}
    assert required | {"validation", "test", "test_clean", "ferplus_test", "calibration", "is_sample"} <= set(metrics)
    for part in ("validation", "test", "test_clean", "ferplus_test"):
        figures = {"n", "accuracy", "accuracy_ci95", "macro_f1", "ece", "per_class"}
        assert set(metrics[part]) == figures | {"flip"}
        assert set(metrics[part]["flip"]) == figures
    assert metrics["model"] == "small"
    assert metrics["params"] == 12_345
    assert metrics["data_sha256"] == evaluated.dataset.fingerprint
    assert {"fer", "keras", "numpy", "backend"} <= set(metrics["versions"])
    assert metrics["versions"]["backend"] in metrics["versions"]


def test_every_face_is_asked_once_a_view_and_training_faces_never(evaluated):
    assert evaluated.seen == ((200, False), (200, True)) * 2


def test_validation_and_test_are_not_swapped(evaluated):
    dataset, classifier = evaluated.dataset, evaluated.classifier
    for name, code in (("validation", 1), ("test", 2)):
        rows = dataset.split == code
        for flip, figures in ((False, evaluated.metrics[name]), (True, evaluated.metrics[name]["flip"])):
            y_pred = classifier.predict(dataset.faces[rows], flip).argmax(axis=1)
            assert figures["accuracy"] == pytest.approx(accuracy_score(dataset.labels[rows], y_pred), abs=1e-6)
    assert evaluated.metrics["validation"]["accuracy"] != evaluated.metrics["test"]["accuracy"]


def test_plain_probabilities_are_the_classifiers_own(evaluated):
    part = evaluated.dataset.part("test")
    answers = predict_part(evaluated.classifier, part)
    np.testing.assert_array_equal(answers.plain, evaluated.classifier.predict(part.faces))
    np.testing.assert_array_equal(answers.raw, evaluated.classifier.predict_raw(part.faces))
    np.testing.assert_array_equal(answers.flip, evaluated.classifier.predict(part.faces, flip=True))


def test_clean_and_ferplus_blocks_are_of_their_rows_and_labels(evaluated):
    part = evaluated.dataset.part("test")
    answers = evaluated.classifier.predict(part.faces).argmax(axis=1)
    clean = evaluated.metrics["test_clean"]
    assert clean["n"] == part.clean.sum() < 200
    assert clean["accuracy"] == pytest.approx((answers == part.labels)[part.clean].mean(), abs=1e-6)
    voted = (part.votes == 9).any(axis=1)
    winners = part.votes[:, FERPLUS_COLUMN_OF_EXPRESSION].argmax(axis=1)
    ferplus = evaluated.metrics["ferplus_test"]
    assert ferplus["n"] == voted.sum() == 160
    assert ferplus["accuracy"] == pytest.approx((answers == winners)[voted].mean(), abs=1e-6)


def test_calibration_block_measures_what_the_calibration_does(evaluated):
    part, block = evaluated.dataset.part("test"), evaluated.metrics["calibration"]
    confidence = evaluated.classifier.predict(part.faces).max(axis=1)
    assert (block["temperature"], block["uncertain_below"], block["coverage"]) == (1.5, 0.4, 0.9)
    assert block["test"]["coverage"] == pytest.approx((confidence >= 0.4).mean(), abs=1e-6)
    assert block["test"]["ece_after"] == evaluated.metrics["test"]["ece"]
    assert block["test"]["ece_before"] != block["test"]["ece_after"]
    raw = evaluated.classifier.predict_raw(part.faces).argmax(axis=1)
    recalls = [(raw == index)[part.labels == index].mean() for index in range(7)]
    assert block["offsets"] == [0.5, 0, 0, 0, 0, 0, -0.5]
    assert block["test"]["accuracy_before"] == pytest.approx((raw == part.labels).mean(), abs=1e-6)
    assert block["test"]["accuracy_after"] == evaluated.metrics["test"]["accuracy"] != block["test"]["accuracy_before"]
    assert block["test"]["worst_recall_before"] == pytest.approx(min(recalls), abs=1e-6)
    lowest = min(row["recall"] for row in evaluated.metrics["test"]["per_class"].values())
    assert block["test"]["worst_recall_after"] == lowest
    assert block["test"]["accuracy_certain"] > evaluated.metrics["test"]["accuracy"]


def test_confusion_table_holds_counts_and_rates(evaluated):
    with (evaluated.folder / "confusion_matrix.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["true"] for row in rows] == list(EXPRESSIONS)
    test = evaluated.metrics["test"]
    assert sum(int(row[name]) for row in rows for name in EXPRESSIONS) == test["n"]
    for row in rows:
        name = row["true"]
        assert float(row[f"{name}_rate"]) == pytest.approx(test["per_class"][name]["recall"], abs=1e-6)


def test_classification_report_is_of_the_test_part(evaluated):
    report = (evaluated.folder / "classification_report.txt").read_text(encoding="utf-8")
    accuracy = next(line for line in report.splitlines() if "accuracy" in line).split()
    assert accuracy == ["accuracy", f"{evaluated.metrics['test']['accuracy']:.4f}", "200"]


def test_second_evaluation_gives_the_same_figures_and_plots(evaluated, run_folder):
    again = evaluate_run(run_folder, make_dataset(), classifier=StubClassifier())
    assert compare_metrics(evaluated.metrics, again) == []
    for name in FILES - {"metrics.json", "model_card.md"}:
        assert (evaluated.folder / name).read_bytes() == (run_folder / name).read_bytes()


def test_data_without_votes_leaves_the_ferplus_block_out_with_a_reason(run_folder, without_plots):
    metrics = evaluate_run(run_folder, make_dataset(votes=False), classifier=StubClassifier())
    assert metrics["ferplus_test"] is None
    assert metrics["left_out"] == {"ferplus_test": "no test face has FER+ votes with a majority"}
    assert "no test face has FER+ votes" in (run_folder / "model_card.md").read_text(encoding="utf-8")


def test_data_whose_test_faces_are_all_leaked(run_folder, without_plots):
    dataset = make_dataset()
    dataset.clean[:] = False
    metrics = evaluate_run(run_folder, dataset, classifier=StubClassifier())
    assert metrics["test_clean"] is None
    assert "test_clean" in metrics["left_out"]


def test_class_missing_from_the_test_part(run_folder):
    dataset = make_dataset()
    dataset.labels[dataset.labels == 1] = 0
    metrics = evaluate_run(run_folder, dataset, classifier=StubClassifier())
    assert metrics["test"]["per_class"]["disgust"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}


@pytest.mark.parametrize(("split", "code"), [("validation", 1), ("test", 2)])
def test_missing_part_is_a_data_error_before_anything_is_written(split, code, run_folder):
    dataset = make_dataset()
    dataset.split[dataset.split == code] = 0
    with pytest.raises(DataError, match=f"'{split}' part.*'toy' with none.*invoke preprocess"):
        evaluate_run(run_folder, dataset, classifier=StubClassifier())
    assert [path.name for path in run_folder.iterdir()] == ["model.keras"]


def test_run_without_settings_is_named_by_its_folder(run_folder, without_plots):
    classifier = StubClassifier()
    classifier.config = None
    assert evaluate_run(run_folder, make_dataset(), classifier=classifier)["model"] == "toy-run"


def test_commit_is_none_outside_a_repository(monkeypatch, tmp_path):
    monkeypatch.setattr(module.fer, "__file__", str(tmp_path / "fer" / "__init__.py"))
    (tmp_path / "fer").mkdir()
    assert read_git_commit() is None


def test_commit_is_none_without_git(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert read_git_commit() is None


def test_comparison_lists_each_difference_by_its_place(evaluated):
    other = copy.deepcopy(evaluated.metrics)
    other["test"]["accuracy"] += 0.01
    other["test"]["accuracy_ci95"][1] += 0.0005
    other["params"] += 1
    other["validation"]["per_class"]["sad"]["support"] += 1
    del other["is_sample"]
    other["seconds"], other["git_commit"] = 1e9, "another"
    places = [line.split(":")[0] for line in compare_metrics(evaluated.metrics, other, tolerance=1e-3)]
    assert sorted(places) == ["is_sample", "params", "test.accuracy", "validation.per_class.sad.support"]
    assert "test.accuracy_ci95[1]" in str(compare_metrics(evaluated.metrics, other))


def test_comparison_sees_a_block_that_became_empty(evaluated):
    other = evaluated.metrics | {"ferplus_test": None}
    assert [line.split(":")[0] for line in compare_metrics(evaluated.metrics, other)] == ["ferplus_test"]


def test_metrics_file_is_ordered_and_rounded(evaluated):
    text = (evaluated.folder / "metrics.json").read_text(encoding="utf-8")
    assert list(json.loads(text)) == list(evaluated.metrics)
    figures = [word.rstrip(",") for word in text.split() if "." in word and word[0].isdigit()]
    assert figures
    assert max(len(word.partition(".")[2]) for word in figures) <= 6


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_metrics_file_that_cannot_be_used_names_the_remedy(content, tmp_path):
    if content is not None:
        (tmp_path / "metrics.json").write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match="invoke evaluate"):
        read_metrics(tmp_path)


def test_metrics_that_are_no_number_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_metrics({"accuracy": float("nan")}, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_each_head_is_measured_under_what_it_was_taught(run_folder, without_plots):
    dataset = make_dataset()
    majority = module.compute_ferplus_majority(dataset.votes)
    rows = np.flatnonzero(majority >= 0)
    for columns in (slice(0, 7), slice(-1, -8, -1)):
        dataset.faces[rows, 1, columns] = 0
        dataset.faces[rows, 1, np.arange(48)[columns][majority[rows]]] = 255
    metrics = evaluate_run(run_folder, dataset, classifier=TwoHeadedStub())
    one_head = evaluate_run(run_folder, dataset, classifier=StubClassifier())
    assert metrics["heads"] == ["labels", "votes"]
    assert metrics["ferplus_test"]["accuracy"] == 1.0
    assert one_head["ferplus_test"]["accuracy"] < 1.0
    for part in ("validation", "test", "test_clean"):
        assert metrics[part] == one_head[part]
    assert metrics["calibration"]["temperature"] == 1.5
    assert metrics["calibration_votes"]["temperature"] == 0.7
    assert "calibration_votes" not in one_head
    card = (run_folder / "model_card.md").read_text()
    assert "two heads" not in card
    module.write_model_card(metrics, run_folder / "model_card.md", TwoHeadedStub.config)
    assert "two heads" in (run_folder / "model_card.md").read_text()

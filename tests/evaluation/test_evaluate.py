"""The evaluation of a run with a stub network that reads its logits from the faces."""

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from fer.calibration import Calibration, apply_calibration
from fer.config import load_config
from fer.data.dataset import Dataset
from fer.data.ferplus import FERPLUS_COLUMN_OF_EXPRESSION, compute_ferplus_majority
from fer.errors import DataError
from fer.evaluation import evaluate as module
from fer.evaluation.evaluate import evaluate_run, render_classification_report
from fer.evaluation.metrics_file import compare_metrics, read_metrics
from fer.evaluation.predictions import predict_split
from fer.inference import Classifier
from fer.joint import EXPRESSION_WEIGHTS, JointCalibration, OperatingPoint
from fer.labels import EXPRESSIONS
from fer.runs import Run

FILES = {
    "metrics.json",
    "plots.json",
    "confusion_matrix.png",
    "confusion_matrix.csv",
    "classification_report.txt",
    "roc.png",
    "precision_recall.png",
    "reliability.png",
    "mistakes.png",
    "model_card.md",
}
BLOCKS = ("validation", "test", "test_clean", "ferplus_test")
FIGURES = {"n", "accuracy", "accuracy_ci95", "mean_recall", "macro_f1", "ece", "ece_balanced", "per_class"}
#: The files that the evaluation needs.
TRAINED = {"model.keras", "config.json"}


CALIBRATIONS = {
    "labels": Calibration(offsets=(0.5, 0, 0, 0, 0, 0, -0.5), temperature=1.5, uncertain_below=0.4, coverage=0.9),
    "votes": Calibration(temperature=0.7, uncertain_below=0.4),
}
#: Most faces are neutral to the head 'labels', and happy to the head 'votes'; few are disgusted.
CLASS_SHARES = {
    "labels": (0.1, 0.02, 0.08, 0.2, 0.1, 0.1, 0.4),
    "votes": (0.1, 0.01, 0.04, 0.45, 0.1, 0.1, 0.2),
}
POINT = OperatingPoint(temperature=1.4, uncertain_below=0.45)


class StubClassifier(Classifier):
    """Reads the logits of each head from the first seven pixels of a row: the first row for the first head."""

    def __init__(self, heads=("labels",), *, joint=True):
        self.config = load_config()
        self.num_params = 12_345
        self.heads = heads
        self.head = None if joint else heads[-1]
        self.prior = "balanced"
        self.calibrations = {head: CALIBRATIONS[head] for head in heads}
        shares = {head: CLASS_SHARES[head] for head in heads}
        self.joint = JointCalibration(class_shares=shares, balanced=POINT) if joint else None
        self.batches = []

    def predict_heads(self, faces, *, batch_sizes=()):
        self.batches.append(len(faces))
        powers = np.exp(faces[:, : len(self.heads), :7] / 50.0)
        return (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)

    def predict_head(self, faces, head="labels"):
        """Return raw, calibrated and flip-averaged probabilities of one head."""
        index = self.heads.index(head)
        raw, mirrored = (self.predict_heads(view)[:, index] for view in (faces, faces[:, :, ::-1]))
        plain, mirrored = (apply_calibration(rows, self.calibrations[head]) for rows in (raw, mirrored))
        return raw, plain, (plain + mirrored) / 2


def compute_default(faces, heads=("labels",), temperature=POINT.temperature):
    """The default answer to faces of one view, computed in logits instead of probabilities."""
    weights, logits = {"labels": 0.3, "votes": 0.7}, faces[:, : len(heads), :7] / 50.0
    factors = np.log([EXPRESSION_WEIGHTS[expression] for expression in EXPRESSIONS])
    answers = [
        weights[head] * softmax(logits[:, index] - 0.75 * np.log(CLASS_SHARES[head]) + factors, axis=1)
        for index, head in enumerate(heads)
    ]
    return softmax(np.log(sum(answers) / sum(weights[head] for head in heads)) / temperature, axis=1)


def compute_balanced_ece(probabilities, y_true):
    """The expected calibration error of rows that are repeated until every class has as many."""
    counts = np.bincount(y_true)
    repeats = (np.lcm.reduce(counts[counts > 0]) // counts[y_true]).astype(np.float64)
    confidences, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == y_true
    bins = np.ceil(confidences * 15)
    gaps = [abs((repeats * (correct - confidences))[bins == number].sum()) for number in range(1, 16)]
    return sum(gaps) / repeats.sum()


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
    Run(folder).write_config(load_config())
    return folder


@pytest.fixture
def run_folder(tmp_path):
    return make_run_folder(tmp_path)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """One evaluation, shared by the tests that only read it."""
    folder = make_run_folder(tmp_path_factory.mktemp("evaluated"))
    classifier, dataset = StubClassifier(), make_dataset()
    metrics = evaluate_run(folder, dataset, classifier=classifier)
    return SimpleNamespace(
        folder=folder, dataset=dataset, classifier=classifier, metrics=metrics, batches=tuple(classifier.batches)
    )


@pytest.fixture
def without_plots(monkeypatch):
    monkeypatch.setattr(module, "write_reports", lambda *_: None)


def test_every_file_is_written_and_nothing_else(evaluated):
    assert {path.name for path in evaluated.folder.iterdir()} == FILES | TRAINED


def test_metrics_file_is_what_was_returned(evaluated):
    assert read_metrics(evaluated.folder) == evaluated.metrics


def test_metrics_have_the_keys_of_the_protocol(evaluated):
    metrics = evaluated.metrics
    required = {"model", "params", "data_sha256", "versions", "seconds", "git_commit", "calibration", "is_sample"}
    assert required | {"default", *BLOCKS} <= set(metrics)
    for block in BLOCKS:
        assert set(metrics[block]) == FIGURES | {"flip"}
        assert set(metrics[block]["flip"]) == FIGURES
    assert metrics["model"] == "small"
    assert metrics["params"] == 12_345
    assert metrics["data_sha256"] == evaluated.dataset.fingerprint
    assert {"fer", "keras", "numpy", "backend"} <= set(metrics["versions"])
    assert metrics["versions"]["backend"] in metrics["versions"]


def test_validation_and_test_faces_are_predicted_once_per_view(evaluated):
    assert evaluated.batches == (200,) * 4


def test_two_heads_are_predicted_in_one_pass(run_folder, without_plots):
    classifier = StubClassifier(("labels", "votes"))
    evaluate_run(run_folder, make_dataset(), classifier=classifier)
    assert classifier.batches == [200] * 4


def test_validation_and_test_are_not_swapped(evaluated):
    dataset, classifier = evaluated.dataset, evaluated.classifier
    for name, code in (("validation", 1), ("test", 2)):
        rows = dataset.split == code
        _, plain, flip = classifier.predict_head(dataset.faces[rows])
        for probabilities, figures in ((plain, evaluated.metrics[name]), (flip, evaluated.metrics[name]["flip"])):
            accuracy = accuracy_score(dataset.labels[rows], probabilities.argmax(axis=1))
            assert figures["accuracy"] == pytest.approx(accuracy, abs=1e-6)
    assert evaluated.metrics["validation"]["accuracy"] != evaluated.metrics["test"]["accuracy"]


@pytest.mark.parametrize("head", ["labels", "votes"])
def test_predictions_of_a_head_are_calibrated_by_its_own_calibration(evaluated, head):
    classifier, split = StubClassifier(("labels", "votes")), evaluated.dataset.part("test")
    predictions = predict_split(classifier, split)[head]
    kept = slice(None) if head == "labels" else compute_ferplus_majority(split.votes) >= 0
    raw, plain, flip = classifier.predict_head(split.faces[kept], head)
    np.testing.assert_array_equal(predictions.raw, raw)
    np.testing.assert_array_equal(predictions.plain, plain)
    np.testing.assert_array_equal(predictions.flip, flip)


def test_clean_and_ferplus_blocks_have_their_rows_and_labels(evaluated):
    split = evaluated.dataset.part("test")
    y_pred = evaluated.classifier.predict_head(split.faces)[1].argmax(axis=1)
    clean = evaluated.metrics["test_clean"]
    assert clean["n"] == split.clean.sum() < 200
    assert clean["accuracy"] == pytest.approx((y_pred == split.labels)[split.clean].mean(), abs=1e-6)
    voted = (split.votes == 9).any(axis=1)
    winners = split.votes[:, FERPLUS_COLUMN_OF_EXPRESSION].argmax(axis=1)
    ferplus = evaluated.metrics["ferplus_test"]
    assert ferplus["n"] == voted.sum() == 160
    assert ferplus["accuracy"] == pytest.approx((y_pred == winners)[voted].mean(), abs=1e-6)


def test_calibration_block_holds_the_calibration(evaluated):
    block = evaluated.metrics["calibration"]["labels"]
    assert block.items() >= CALIBRATIONS["labels"].model_dump(exclude={"offsets", "neutral_log_odds"}).items()
    assert block["offsets"] == [0.5, 0, 0, 0, 0, 0, -0.5]


def test_calibration_block_compares_before_and_after(evaluated):
    split, test = evaluated.dataset.part("test"), evaluated.metrics["test"]
    block = evaluated.metrics["calibration"]["labels"]["test"]
    raw, plain, _ = evaluated.classifier.predict_head(split.faces)
    y_pred = raw.argmax(axis=1)
    assert block["ece_after"] == test["ece"] != block["ece_before"]
    assert block["accuracy_before"] == pytest.approx((y_pred == split.labels).mean(), abs=1e-6)
    assert block["accuracy_after"] == test["accuracy"] != block["accuracy_before"]
    recalls = [(y_pred == index)[split.labels == index].mean() for index in range(7)]
    assert block["worst_recall_before"] == pytest.approx(min(recalls), abs=1e-6)
    assert block["worst_recall_after"] == min(row["recall"] for row in test["per_class"].values())
    assert block["coverage"] == pytest.approx((plain.max(axis=1) >= 0.4).mean(), abs=1e-6)
    assert block["accuracy_certain"] > test["accuracy"]


def test_confusion_table_holds_counts_and_rates(evaluated):
    with (evaluated.folder / "confusion_matrix.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["true"] for row in rows] == list(EXPRESSIONS)
    test = evaluated.metrics["default"]["test"]
    assert sum(int(row[name]) for row in rows for name in EXPRESSIONS) == test["n"]
    for row in rows:
        name = row["true"]
        assert float(row[f"{name}_rate"]) == pytest.approx(test["per_class"][name]["recall"], abs=1e-6)


def test_classification_report_covers_the_test_split(evaluated):
    report = (evaluated.folder / "classification_report.txt").read_text(encoding="utf-8")
    accuracy = next(line for line in report.splitlines() if "accuracy" in line).split()
    assert accuracy == ["accuracy", f"{evaluated.metrics['default']['test']['accuracy']:.4f}", "200"]
    assert evaluated.metrics["default"]["test"]["accuracy"] != evaluated.metrics["test"]["accuracy"]


def test_classification_report_leaves_absent_expressions_out_of_its_means():
    y_true = np.repeat([3, 4, 6], 4)
    report = render_classification_report(np.eye(7, dtype=np.float32)[y_true], y_true)
    means = next(line for line in report.splitlines() if "macro avg" in line).split()
    assert means == ["macro", "avg", "1.0000", "1.0000", "1.0000", "12"]
    assert "No faces, in no mean: angry, disgust, fear, surprise" in report


def test_a_second_evaluation_writes_the_same_figures_and_plots(evaluated, run_folder):
    again = evaluate_run(run_folder, make_dataset(), classifier=StubClassifier())
    assert compare_metrics(evaluated.metrics, again) == []
    for name in FILES - {"metrics.json", "model_card.md"}:
        assert (evaluated.folder / name).read_bytes() == (run_folder / name).read_bytes()


def test_data_without_votes_has_no_ferplus_block_and_a_reason(run_folder, without_plots):
    metrics = evaluate_run(run_folder, make_dataset(votes=False), classifier=StubClassifier())
    assert metrics["ferplus_test"] is metrics["default"]["ferplus_test"] is None
    assert metrics["left_out"] == {"ferplus_test": "no test face has FER+ votes with a majority"}
    assert "no test face has FER+ votes" in (run_folder / "model_card.md").read_text(encoding="utf-8")


def test_data_with_leaked_test_faces_only_has_no_clean_block(run_folder, without_plots):
    dataset = make_dataset()
    dataset.clean[:] = False
    metrics = evaluate_run(run_folder, dataset, classifier=StubClassifier())
    assert metrics["test_clean"] is metrics["default"]["test_clean"] is None
    assert "test_clean" in metrics["left_out"]


def test_class_without_faces_scores_zero(run_folder):
    dataset = make_dataset()
    dataset.labels[dataset.labels == 1] = 0
    metrics = evaluate_run(run_folder, dataset, classifier=StubClassifier())
    for test in (metrics["test"], metrics["default"]["test"]):
        assert test["per_class"]["disgust"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}


@pytest.mark.parametrize(("split", "code"), [("validation", 1), ("test", 2)])
def test_missing_split_is_a_data_error_before_anything_is_written(split, code, run_folder):
    dataset = make_dataset()
    dataset.split[dataset.split == code] = 0
    with pytest.raises(DataError, match=f"'{split}' split.*invoke preprocess"):
        evaluate_run(run_folder, dataset, classifier=StubClassifier())
    assert {path.name for path in run_folder.iterdir()} == TRAINED


def test_network_without_settings_has_the_name_of_its_folder(run_folder, without_plots):
    classifier = StubClassifier()
    classifier.config = None
    assert evaluate_run(run_folder, make_dataset(), classifier=classifier)["model"] == "toy-run"


def test_each_head_is_measured_against_its_own_targets(run_folder, without_plots):
    dataset = make_dataset()
    majority = compute_ferplus_majority(dataset.votes)
    rows = np.flatnonzero(majority >= 0)
    for columns in (slice(0, 7), slice(-1, -8, -1)):
        dataset.faces[rows, 1, columns] = 0
        dataset.faces[rows, 1, np.arange(48)[columns][majority[rows]]] = 255
    metrics = evaluate_run(run_folder, dataset, classifier=StubClassifier(("labels", "votes")))
    one_head = evaluate_run(run_folder, dataset, classifier=StubClassifier())
    assert metrics["heads"] == ["labels", "votes"]
    assert metrics["ferplus_test"]["accuracy"] == 1.0 > one_head["ferplus_test"]["accuracy"]
    for block in ("validation", "test", "test_clean"):
        assert metrics[block] == one_head[block]
    assert {head: block["temperature"] for head, block in metrics["calibration"].items()} == {
        "labels": 1.5,
        "votes": 0.7,
    }
    assert metrics["calibration"]["votes"]["test"]["accuracy_after"] == 1.0
    assert list(one_head["calibration"]) == ["labels"]


def test_network_with_the_head_votes_alone_is_measured_on_it_throughout(run_folder, without_plots):
    votes, labels = (
        evaluate_run(run_folder, make_dataset(), classifier=StubClassifier((head,))) for head in ("votes", "labels")
    )
    assert votes["test"]["n"] == 200
    assert votes["calibration"]["votes"]["temperature"] == 0.7
    assert votes["calibration"]["votes"]["test"]["accuracy_after"] == votes["ferplus_test"]["accuracy"]
    assert votes["test"]["accuracy"] != labels["test"]["accuracy"]


def test_head_without_targets_has_no_calibration_block(run_folder, without_plots):
    classifier = StubClassifier(("labels", "votes"))
    metrics = evaluate_run(run_folder, make_dataset(votes=False), classifier=classifier)
    assert list(metrics["calibration"]) == ["labels"]


@pytest.fixture(scope="module")
def two_heads(tmp_path_factory):
    """An evaluation of a network with two heads, and its default answers to the test faces."""
    folder = make_run_folder(tmp_path_factory.mktemp("two-heads"))
    heads, dataset = ("labels", "votes"), make_dataset()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "write_reports", lambda *_: None)
        metrics = evaluate_run(folder, dataset, classifier=StubClassifier(heads))
    split = dataset.part("test")
    return SimpleNamespace(
        dataset=dataset,
        split=split,
        metrics=metrics,
        default=metrics["default"],
        plain=compute_default(split.faces, heads),
    )


def test_default_block_names_the_prior_and_the_operating_point(two_heads):
    default = two_heads.default
    assert (default["prior"], default["temperature"], default["uncertain_below"]) == ("balanced", 1.4, 0.45)


@pytest.mark.parametrize("block", BLOCKS)
def test_a_default_block_has_the_figures_of_a_block_and_its_certain_share(block, two_heads):
    figures = two_heads.default[block]
    assert set(figures) == FIGURES | {"flip", "certain", "accuracy_certain", "accuracy_uncertain"}
    assert set(figures["flip"]) == FIGURES


def select_block(dataset, block):
    """Faces and classes of a block of the figures."""
    split = dataset.part("validation" if block == "validation" else "test")
    if block == "ferplus_test":
        y_true = compute_ferplus_majority(split.votes)
        return split.faces[y_true >= 0], y_true[y_true >= 0]
    rows = split.clean if block == "test_clean" else np.ones(len(split), bool)
    return split.faces[rows], split.labels[rows]


@pytest.mark.parametrize("block", BLOCKS)
def test_default_block_measures_the_answer_of_all_heads(block, two_heads):
    faces, y_true = select_block(two_heads.dataset, block)
    plain, mirrored = (compute_default(view, ("labels", "votes")) for view in (faces, faces[:, :, ::-1]))
    figures = two_heads.default[block]
    assert figures["n"] == len(y_true)
    for probabilities, measured in ((plain, figures), ((plain + mirrored) / 2, figures["flip"])):
        y_pred = probabilities.argmax(axis=1)
        assert measured["accuracy"] == pytest.approx(accuracy_score(y_true, y_pred), abs=1e-6)
        assert measured["mean_recall"] == pytest.approx(balanced_accuracy_score(y_true, y_pred), abs=1e-6)
        assert measured["ece_balanced"] == pytest.approx(compute_balanced_ece(probabilities, y_true), abs=1e-6)


def test_default_answer_differs_from_each_head_and_from_their_mean(two_heads):
    others = [softmax(two_heads.split.faces[:, index, :7] / 50.0, axis=1) for index in range(2)]
    others.append(0.3 * others[0] + 0.7 * others[1])
    accuracies = [accuracy_score(two_heads.split.labels, other.argmax(axis=1)) for other in others]
    assert all(abs(two_heads.default["test"]["accuracy"] - accuracy) > 0.01 for accuracy in accuracies)
    assert two_heads.metrics["heads"] == ["labels", "votes"]


@pytest.mark.parametrize("block", BLOCKS)
def test_certain_answers_reach_the_threshold_and_are_measured_apart(block, two_heads):
    faces, y_true = select_block(two_heads.dataset, block)
    plain = compute_default(faces, ("labels", "votes"))
    certain, correct = plain.max(axis=1) >= 0.45, plain.argmax(axis=1) == y_true
    figures = two_heads.default[block]
    assert 0.1 < figures["certain"] < 0.9
    assert figures["certain"] == pytest.approx(certain.mean(), abs=1e-6)
    assert figures["accuracy_certain"] == pytest.approx(correct[certain].mean(), abs=1e-6)
    assert figures["accuracy_uncertain"] == pytest.approx(correct[~certain].mean(), abs=1e-6)


@pytest.mark.parametrize(("threshold", "missing"), [(0.0, "accuracy_uncertain"), (1.0, "accuracy_certain")])
def test_a_share_without_faces_has_no_accuracy(threshold, missing, run_folder, without_plots):
    classifier = StubClassifier(("labels", "votes"))
    point = POINT.model_copy(update={"uncertain_below": threshold})
    classifier.joint = classifier.joint.model_copy(update={"balanced": point})
    test = evaluate_run(run_folder, make_dataset(), classifier=classifier)["default"]["test"]
    assert test["certain"] == 1.0 - threshold
    assert test[missing] is None
    assert {"accuracy_certain": test["accuracy_certain"], "accuracy_uncertain": test["accuracy_uncertain"]} == {
        missing: None,
        ({"accuracy_certain", "accuracy_uncertain"} - {missing}).pop(): test["accuracy"],
    }


def test_default_block_measures_the_prior_of_the_classifier(run_folder, without_plots, two_heads):
    classifier = StubClassifier(("labels", "votes")).with_prior("dataset")
    metrics = evaluate_run(run_folder, make_dataset(), classifier=classifier)
    probabilities = softmax(two_heads.split.faces[:, :2, :7] / 50.0, axis=-1)
    y_pred = (0.3 * probabilities[:, 0] + 0.7 * probabilities[:, 1]).argmax(axis=1)
    assert metrics["default"]["prior"] == "dataset"
    assert metrics["default"]["test"]["accuracy"] == pytest.approx((y_pred == two_heads.split.labels).mean(), abs=1e-6)
    assert {block: metrics[block] for block in BLOCKS} == {block: two_heads.metrics[block] for block in BLOCKS}


def test_a_prior_of_seven_numbers_is_written_as_a_list(run_folder, without_plots):
    classifier = StubClassifier(("labels", "votes")).with_prior((1, 1, 1, 4, 1, 1, 1))
    evaluate_run(run_folder, make_dataset(), classifier=classifier)
    assert read_metrics(run_folder)["default"]["prior"] == [0.1, 0.1, 0.1, 0.4, 0.1, 0.1, 0.1]


def test_a_classifier_of_one_head_is_evaluated_with_the_same_default(run_folder, without_plots, two_heads):
    classifier = StubClassifier(("labels", "votes")).with_head("labels")
    metrics = evaluate_run(run_folder, make_dataset(), classifier=classifier)
    assert compare_metrics(metrics, two_heads.metrics) == []


def test_reports_show_the_default_answer(run_folder, monkeypatch, two_heads):
    shown = []
    monkeypatch.setattr(module, "write_reports", lambda _, test, faces: shown.append((test, faces)))
    evaluate_run(run_folder, make_dataset(), classifier=StubClassifier(("labels", "votes")))
    ((test, faces),) = shown
    np.testing.assert_array_equal(faces, two_heads.split.faces)
    np.testing.assert_array_equal(test.y_true, two_heads.split.labels)
    np.testing.assert_allclose(test.plain, two_heads.plain, atol=1e-6)
    before = compute_default(two_heads.split.faces, ("labels", "votes"), temperature=1.0)
    np.testing.assert_allclose(test.raw, before, atol=1e-6)


@pytest.mark.parametrize(("heads", "answering"), [(("labels", "votes"), "votes"), (("labels",), "labels")])
def test_without_a_joint_calibration_one_head_is_the_default(heads, answering, run_folder, without_plots, two_heads):
    metrics = evaluate_run(run_folder, make_dataset(), classifier=StubClassifier(heads, joint=False))
    default, split = metrics["default"], two_heads.split
    y_pred = StubClassifier(heads).predict_head(split.faces, answering)[1].argmax(axis=1)
    assert default["prior"] is None
    assert default["temperature"] == CALIBRATIONS[answering].temperature
    assert default["uncertain_below"] == CALIBRATIONS[answering].uncertain_below
    assert default["test"]["accuracy"] == pytest.approx((y_pred == split.labels).mean(), abs=1e-6)
    assert {key: default["ferplus_test"][key] for key in metrics["ferplus_test"]} == metrics["ferplus_test"]
    assert "answer together" not in (run_folder / "model_card.md").read_text(encoding="utf-8")


class StubNetwork:
    """A network whose heads are those of :class:`StubClassifier`."""

    input_shape, output_shape = (None, 48, 48, 1), (None, 2, 7)

    def count_params(self):
        return 12_345


def test_a_calibration_file_without_the_joint_one_is_evaluated(run_folder, without_plots, monkeypatch):
    Run(run_folder).write_calibrations(CALIBRATIONS)
    assert "joint" not in json.loads(Run(run_folder).calibration.read_text(encoding="utf-8"))
    monkeypatch.setattr("fer.model.keras_runtime.load_model", lambda _: StubNetwork())
    monkeypatch.setattr("fer.model.keras_runtime.use_fast_layers", lambda network: network)
    monkeypatch.setattr("fer.model.keras_runtime.compile_heads", lambda _: None)
    stub = StubClassifier(("labels", "votes"), joint=False)
    monkeypatch.setattr(Classifier, "predict_heads", lambda _, faces: stub.predict_heads(faces))
    metrics = evaluate_run(run_folder, make_dataset())
    assert compare_metrics(metrics, evaluate_run(run_folder, make_dataset(), classifier=stub)) == []
    assert metrics["default"]["prior"] is None

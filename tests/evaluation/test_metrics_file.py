"""``metrics.json`` is written atomically, read back equal, and compared key by key."""

import copy

import pytest

from fer.errors import ModelError
from fer.evaluation.metrics_file import compare_metrics, read_metrics, round_figures, write_metrics


def make_metrics():
    block = {"accuracy": 0.6, "accuracy_ci95": [0.58, 0.62], "per_class": {"sad": {"support": 7}}}
    return {
        "params": 10,
        "is_sample": False,
        "seconds": 1.0,
        "git_commit": None,
        "validation": copy.deepcopy(block),
        "test": copy.deepcopy(block),
        "ferplus_test": copy.deepcopy(block),
    }


def test_comparison_lists_each_difference_by_its_key():
    metrics = make_metrics()
    other = copy.deepcopy(metrics)
    other["test"]["accuracy"] += 0.01
    other["test"]["accuracy_ci95"][1] += 0.0005
    other["params"] += 1
    other["validation"]["per_class"]["sad"]["support"] += 1
    del other["is_sample"]
    other["seconds"], other["git_commit"] = 1e9, "another"
    keys = [line.split(":")[0] for line in compare_metrics(metrics, other, tolerance=1e-3)]
    assert sorted(keys) == ["is_sample", "params", "test.accuracy", "validation.per_class.sad.support"]
    assert "test.accuracy_ci95[1]" in str(compare_metrics(metrics, other))


def test_comparison_lists_a_block_that_became_null():
    metrics = make_metrics()
    other = metrics | {"ferplus_test": None}
    assert [line.split(":")[0] for line in compare_metrics(metrics, other)] == ["ferplus_test"]


def test_metrics_are_read_as_they_were_written(tmp_path):
    metrics = make_metrics()
    write_metrics(metrics, tmp_path)
    assert read_metrics(tmp_path) == metrics
    assert list(read_metrics(tmp_path)) == list(metrics)


def test_figures_are_rounded_to_six_decimals():
    assert round_figures({"a": [1 / 3, 2], "b": (True, None, "x", 1e-9)}) == {
        "a": [0.333333, 2],
        "b": [True, None, "x", 0.0],
    }


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_missing_or_damaged_metrics_file_names_the_remedy(content, tmp_path):
    if content is not None:
        (tmp_path / "metrics.json").write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match="invoke evaluate"):
        read_metrics(tmp_path)


@pytest.mark.parametrize(
    "default",
    [None, 3, [1], *({"prior": prior} for prior in (3, True, "x", {"happy": 1}, [[1], [2, 3]], [1] * 6, ["1"] * 7))],
    ids=str,
)
def test_a_default_answer_of_a_wrong_type_is_refused_in_one_line(tmp_path, default):
    write_metrics(make_metrics() | {"default": default}, tmp_path)
    with pytest.raises(ModelError, match=r"Received: .*metrics\.json.* Remedy: run `invoke evaluate`") as caught:
        read_metrics(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("prior", [None, "balanced", "dataset", [1 / 7] * 7])
def test_the_prior_of_the_default_answer_is_kept(tmp_path, prior):
    write_metrics(make_metrics() | {"default": {"prior": prior}}, tmp_path)
    assert read_metrics(tmp_path)["default"]["prior"] == prior


def test_a_missing_key_is_an_error_of_one_line_that_names_it(tmp_path):
    write_metrics(make_metrics(), tmp_path)
    metrics = read_metrics(tmp_path)
    with pytest.raises(ModelError, match=r"metrics\.json must have 'test\.flip'.*invoke evaluate") as caught:
        metrics["test"]["flip"]
    assert "\n" not in str(caught.value)


def test_metrics_that_are_not_finite_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_metrics({"accuracy": float("nan")}, tmp_path)
    assert list(tmp_path.iterdir()) == []

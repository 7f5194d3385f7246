import itertools

import numpy as np
import pytest

from fer.bench import networks
from fer.bench.networks import (
    Comparison,
    build_mini_xception,
    compare_baseline,
    compare_inference,
    compare_training,
    run_network_bench,
    time_alternately,
)
from fer.config import load_config


def test_comparison_describes_both_rates_and_their_ratio():
    comparison = Comparison("forward pass", 64, ours=0.016, other=0.040, other_name="stock layers")
    assert comparison.ratio == pytest.approx(2.5)
    assert comparison.describe() == (
        "forward pass: 4,000 images/s (16.00 ms per call) against 1,600 for stock layers: 2.50 times"
    )


def test_calls_alternate_after_one_warm_up_each():
    order = []
    time_alternately([lambda: order.append("a"), lambda: order.append("b")], repeats=3)
    assert "".join(order) == "abababab"


def test_times_are_medians_of_each_call(monkeypatch):
    # A call starts and ends: the first takes 1, 2 and 9 s, the second 5, 5 and 7 s.
    durations = [1, 5, 2, 5, 9, 7]
    clock = itertools.chain.from_iterable((0, duration) for duration in durations)
    monkeypatch.setattr(networks.time, "perf_counter", lambda: next(clock))
    assert time_alternately([lambda: None, lambda: None], repeats=3) == [2.0, 5.0]


@pytest.mark.parametrize("compare", [compare_training, compare_inference, compare_baseline])
def test_comparison_measures_both_networks(compare, monkeypatch):
    one_stage = load_config("sample", overrides=["model.stem=[[4, 5, 2]]", 'model.stages=[{"filters": [4]}]'])
    monkeypatch.setattr(networks, "load_config", lambda preset: one_stage)
    comparison = compare("sample", batch_size=2, repeats=1)
    assert comparison.images == 2
    assert 0 < comparison.ours < 60
    assert 0 < comparison.other < 60
    assert comparison.name.endswith("'sample', batch 2")
    assert comparison.other_name == ("mini-Xception, 64x64" if compare is compare_baseline else "stock layers")


def test_mini_xception_has_the_published_size():
    model = build_mini_xception()
    assert model.count_params() == 58_423, "approximately 60,000 in the paper"
    probabilities = model.predict_on_batch(np.zeros((2, 64, 64, 1), np.float32))
    assert probabilities.shape == (2, 7)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_bench_prints_one_line_per_comparison(monkeypatch):
    def compare(preset="small", *, batch_size=32):
        return Comparison(f"{preset} {batch_size}", batch_size, 0.5, 1.0, "stock layers")

    for name in ("compare_training", "compare_inference", "compare_baseline"):
        monkeypatch.setattr(networks, name, compare)
    lines = []
    comparisons = run_network_bench(log=lines.append)
    assert lines == [comparison.describe() for comparison in comparisons]
    assert len(lines) == 9
    assert lines[-1] == "mini 64: 128 images/s (500.00 ms per call) against 64 for stock layers: 2.00 times"

import numpy as np
import pytest
from export_runs import TWO_HEADS, make_run

from fer.export.answer import SMALLEST, build_answer
from fer.inference import Classifier
from fer.joint import EXPRESSION_WEIGHTS


def compute(answer, heads):
    """The formulas of the module in NumPy, float (N, 7), for heads (N, heads, 7)."""
    width, uniform = answer.width[:, None], answer.uniform[:, None]
    rest = width * np.logaddexp(0.0, (heads - uniform) / width)
    shares = rest * answer.factors / (rest * answer.factors).sum(axis=-1, keepdims=True)
    mean = (shares * answer.weights[:, None]).sum(axis=1)
    powers = np.exp((np.log(np.maximum(mean, SMALLEST)) + answer.offsets) / answer.temperature)
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("joint", [False, True])
def test_the_constants_give_the_answer_of_the_classifier(tmp_path, joint):
    run = make_run(tmp_path / "run", TWO_HEADS, joint=joint)
    classifier = Classifier.load(run.folder, runtime="keras")
    heads = np.random.default_rng(0).dirichlet(np.ones(7), (20, 2))
    np.testing.assert_allclose(compute(build_answer(classifier), heads), classifier.calibrate(heads), atol=1e-6)


def test_a_single_head_has_all_the_weight_and_no_factors(tmp_path):
    run = make_run(tmp_path / "run", TWO_HEADS, joint=True)
    answer = build_answer(Classifier.load(run.folder, runtime="keras").with_head("labels"))
    assert answer.weights.tolist() == [1.0, 0.0]
    assert (answer.factors == 1.0).all()
    assert answer.temperature == 0.8


def test_factors_of_the_dataset_are_one_and_of_a_balanced_prior_are_not(tmp_path):
    run = make_run(tmp_path / "run", joint=True)
    classifier = Classifier.load(run.folder, runtime="keras")
    assert (build_answer(classifier.with_prior("dataset")).factors == 1.0).all()
    balanced = build_answer(classifier).factors[0]
    assert balanced[1] / balanced[3] > EXPRESSION_WEIGHTS["disgust"] / EXPRESSION_WEIGHTS["happy"]

"""Figures in the form of ``metrics.json``, shared by the tests of fer.evaluation."""

import numpy as np

from fer.evaluation.metrics import summarize_views


def make_calibration(temperature=1.234):
    effect = {
        "accuracy_before": 0.662,
        "accuracy_after": 0.659,
        "worst_recall_before": 0.381,
        "worst_recall_after": 0.512,
        "ece_before": 0.11,
        "ece_after": 0.021,
        "ece_by_chance": 0.018,
        "log_loss_before": 1.21,
        "log_loss_after": 1.01,
        "coverage": 0.903,
        "accuracy_certain": 0.712,
    }
    return {
        "smoothing": 0.041,
        "offsets": [0.0] * 7,
        "temperature": temperature,
        "uncertain_below": 0.456,
        "coverage": 0.9,
        "validation": effect,
        "test": effect | {"accuracy_certain": None},
    }


def make_metrics(seed=0, **changes):
    """Figures of a network with one head; ``changes`` replace blocks."""
    rng = np.random.default_rng(seed)

    def summarize(n):
        y_true = rng.integers(0, 7, n)
        plain, flip = (rng.dirichlet(np.ones(7), n) + 0.3 * np.eye(7)[y_true] for _ in range(2))
        return summarize_views(plain / 1.3, flip / 1.3, y_true)

    def summarize_default(n):
        return summarize(n) | {"certain": 0.912, "accuracy_certain": 0.734, "accuracy_uncertain": 0.321}

    return {
        "model": "small",
        "params": 284_123,
        "model_sha256": "ab" * 32,
        "data": "fer2013",
        "data_source": "csv",
        "data_sha256": "cd" * 32,
        "is_sample": False,
        "versions": {"fer": "0.1.0", "keras": "3.15.1"},
        "seconds": 12.3,
        "git_commit": None,
        "heads": ["labels"],
        "calibration": {"labels": make_calibration()},
        "default": {
            "prior": "balanced",
            "temperature": 1.357,
            "uncertain_below": 0.468,
            "validation": summarize_default(400),
            "test": summarize_default(3589),
            "test_clean": summarize_default(3242),
            "ferplus_test": summarize_default(3137),
        },
        "validation": summarize(400),
        "test": summarize(3589),
        "test_clean": summarize(3242),
        "ferplus_test": summarize(3137),
        "left_out": {},
    } | changes


def leave_out(name, reason, **changes):
    """Figures without the faces of one block."""
    metrics = make_metrics(**changes)
    return metrics | {name: None, "default": metrics["default"] | {name: None}, "left_out": {name: reason}}

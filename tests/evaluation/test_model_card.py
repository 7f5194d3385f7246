"""The model card and the table of figures hold the figures of metrics.json and nothing typed by hand."""

import re

import numpy as np
import pytest
from huggingface_hub import ModelCard

from fer.config import load_config
from fer.errors import DataError
from fer.evaluation import model_card
from fer.evaluation.metrics import summarize_views
from fer.labels import EXPRESSIONS


def make_metrics(seed=0, **changes):
    rng = np.random.default_rng(seed)

    def summarize(n):
        y_true = rng.integers(0, 7, n)
        plain, flip = (rng.dirichlet(np.ones(7), n) + 0.3 * np.eye(7)[y_true] for _ in range(2))
        return summarize_views(plain / 1.3, flip / 1.3, y_true)

    confidence = {"ece_before": 0.11, "ece_after": 0.021, "log_loss_before": 1.21, "log_loss_after": 1.01}
    confidence |= {"accuracy_before": 0.662, "accuracy_after": 0.659, "worst_recall_before": 0.381}
    confidence |= {"worst_recall_after": 0.512, "ece_by_chance": 0.018, "coverage": 0.903, "accuracy_certain": 0.712}
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
        "calibration": {
            "smoothing": 0.041,
            "offsets": [0.1, 0.2, 0.0, 0.0, 0.0, 0.0, -0.3],
            "temperature": 1.234,
            "uncertain_below": 0.456,
            "coverage": 0.9,
            "validation": confidence,
            "test": confidence,
        },
        "validation": summarize(400),
        "test": summarize(3589),
        "test_clean": summarize(3242),
        "ferplus_test": summarize(3137),
        "left_out": {},
    } | changes


def write_card(tmp_path, metrics, config=None):
    model_card.write_model_card(metrics, tmp_path / "model_card.md", config)
    return (tmp_path / "model_card.md").read_text(encoding="utf-8")


def find_row(table, title):
    return next(line for line in table.splitlines() if line.startswith(f"| {title} |"))


@pytest.mark.parametrize(
    ("part", "title"),
    [
        ("validation", "validation"),
        ("test", "test"),
        ("test_clean", "test, clean"),
        ("ferplus_test", "test, FER+ majority"),
    ],
)
def test_table_has_a_row_a_part_with_both_views_and_intervals(part, title):
    metrics = make_metrics()
    figures = metrics[part]
    cells = [cell.strip() for cell in find_row(model_card.render_figures_table(metrics), title).strip("|").split("|")]
    low, high = figures["accuracy_ci95"]
    flip_low, flip_high = figures["flip"]["accuracy_ci95"]
    assert cells == [
        title,
        f"{figures['n']:,}",
        f"{figures['accuracy']:.3f} ({low:.3f}-{high:.3f})",
        f"{figures['flip']['accuracy']:.3f} ({flip_low:.3f}-{flip_high:.3f})",
        f"{figures['macro_f1']:.3f}",
        f"{figures['ece']:.3f}",
    ]


def test_table_states_the_ferplus_rule_wherever_the_figure_stands():
    assert model_card.FERPLUS_RULE in model_card.render_figures_table(make_metrics())


def test_table_says_why_a_part_is_left_out():
    table = model_card.render_figures_table(make_metrics(ferplus_test=None, left_out={"ferplus_test": "no votes"}))
    assert "| test, FER+ majority |" not in table
    assert "No figure for *test, FER+ majority*: no votes." in table


def test_table_of_the_sample_says_so_in_bold():
    assert "drawings" in model_card.render_figures_table(make_metrics(is_sample=True))
    assert "drawings" not in model_card.render_figures_table(make_metrics())


def test_class_table_has_every_expression_in_order():
    metrics = make_metrics()
    rows = model_card.render_class_table(metrics).splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows] == list(EXPRESSIONS)
    for row, name in zip(rows, EXPRESSIONS, strict=True):
        assert f"{metrics['test']['per_class'][name]['recall']:.3f}" in row
        assert row.endswith(f"{metrics['test_clean']['per_class'][name]['recall']:.3f} |")


def test_class_table_without_a_clean_part():
    table = model_card.render_class_table(make_metrics(test_clean=None, left_out={"test_clean": "all leaked"}))
    assert all(row.endswith("| - |") for row in table.splitlines()[2:])


def test_front_matter_is_read_by_hugging_face(tmp_path):
    metrics = make_metrics()
    data = ModelCard(write_card(tmp_path, metrics)).data
    assert data.license == "mit"
    assert data.library_name == "keras"
    assert data.pipeline_tag == "image-classification"
    values = {(result.dataset_name, result.metric_name): result.metric_value for result in data.eval_results}
    assert values[("fer2013, test", "Accuracy")] == metrics["test"]["accuracy"]
    assert values[("fer2013, test", "Accuracy, flip-averaged")] == metrics["test"]["flip"]["accuracy"]
    assert values[("fer2013, test, clean", "Macro F1")] == metrics["test_clean"]["macro_f1"]


def test_card_states_limits_law_and_licence(tmp_path):
    card = write_card(tmp_path, make_metrics())
    for phrase in (
        "65 ± 5 %",
        "(EU) 2024/1689",
        "Article 5(1)(f)",
        "mostly posed",
        "skin colour",
        "what a\n  person feels",
    ):
        assert phrase in card
    assert "not redistributed" in card
    assert model_card.FERPLUS_RULE in card


def test_card_follows_the_figures(tmp_path):
    first, second = write_card(tmp_path, make_metrics(0)), write_card(tmp_path, make_metrics(1))
    assert model_card.render_figures_table(make_metrics(0)) in first
    assert model_card.render_figures_table(make_metrics(1)) in second
    assert first != second


def test_card_describes_training_from_the_settings(tmp_path):
    config = load_config(overrides=["data.drop_leaked=true"])
    card = write_card(tmp_path, make_metrics(), config)
    for phase in config.training.phases:
        assert f"{phase.name}, {phase.epochs} epochs" in card
    assert "were left out" in card
    assert "## Training" not in write_card(tmp_path, make_metrics())


def test_card_of_other_data_claims_nothing_about_fer2013s_licence(tmp_path):
    card = write_card(tmp_path, make_metrics(data="mine", data_source="folder"))
    assert 'Goodfellow et al., 2013, "Challenges' not in card
    assert "photographs of people" in write_card(tmp_path, make_metrics(is_sample=True))


def test_card_marks_its_table_so_that_it_can_be_held_to_the_figures(tmp_path):
    metrics = make_metrics()
    write_card(tmp_path, metrics)
    assert model_card.read_marked_section(tmp_path / "model_card.md") == model_card.render_figures_table(metrics)


def test_card_has_no_empty_heading_and_no_placeholder(tmp_path):
    card = write_card(tmp_path, make_metrics(), load_config())
    assert not re.search(r"\bnan\b|\{|\bNone\b", card.split("---", 2)[2])
    assert not re.search(r"\n#+ [^\n]+\n+#", card.split("### Each")[1])


def test_marked_section_is_replaced_and_the_rest_stays(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(f"before\n\n{model_card.BEGIN}\nold\n{model_card.END}\n\nafter\n", encoding="utf-8")
    for text in ("new", "newer\nlines \\1"):
        model_card.update_marked_section(path, text)
        assert path.read_text(encoding="utf-8") == f"before\n\n{model_card.BEGIN}\n{text}\n{model_card.END}\n\nafter\n"
        assert model_card.read_marked_section(path) == text


@pytest.mark.parametrize(
    "content",
    [
        "",
        model_card.BEGIN,
        f"{model_card.END} {model_card.BEGIN}",
        f"{model_card.BEGIN} {model_card.BEGIN} {model_card.END}",
    ],
)
def test_file_without_its_marks_is_left_alone(content, tmp_path):
    path = tmp_path / "README.md"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match="figures:begin"):
        model_card.update_marked_section(path, "new")
    assert path.read_text(encoding="utf-8") == content

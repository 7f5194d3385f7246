"""The model card shows the figures of metrics.json, the settings of the run, and its limits."""

import re

import pytest
from evaluation_metrics import leave_out, make_metrics
from huggingface_hub import ModelCard

from fer.config import load_config
from fer.errors import ModelError
from fer.evaluation import model_card
from fer.evaluation.figures import FERPLUS_RULE, render_calibrations, render_class_table, render_figures_table
from fer.evaluation.metrics_file import write_metrics
from fer.runs import Run


def render(metrics, config=None, teachers=()):
    return model_card.render_model_card(metrics, config, dict(teachers))


def test_front_matter_is_read_by_hugging_face():
    metrics = make_metrics()
    data = ModelCard(render(metrics)).data
    assert (data.license, data.library_name, data.pipeline_tag) == ("mit", "keras", "image-classification")
    values = {(result.dataset_name, result.metric_name): result.metric_value for result in data.eval_results}
    assert values == {
        (f"fer2013, {title}", name): value
        for title, block in (("test", "test"), ("test, clean", "test_clean"))
        for name, value in (
            ("Mean recall, default answer", metrics["default"][block]["mean_recall"]),
            ("Accuracy, default answer", metrics["default"][block]["accuracy"]),
            ("Accuracy, head labels", metrics[block]["accuracy"]),
            ("Accuracy, head labels, flip-averaged", metrics[block]["flip"]["accuracy"]),
        )
    }


def test_front_matter_names_the_only_head():
    results = ModelCard(render(make_metrics(heads=["votes"]))).data.eval_results
    assert "Accuracy, head votes" in {result.metric_name for result in results}


def test_front_matter_without_clean_faces_has_no_result_for_them():
    metrics = leave_out("test_clean", "all leaked")
    assert {result.dataset_name for result in ModelCard(render(metrics)).data.eval_results} == {"fer2013, test"}


def test_sections_are_those_of_the_interface():
    sections = model_card.render_sections(make_metrics(), load_config(), {})
    assert tuple(sections) == model_card.SECTIONS
    assert all(text and not text.startswith("#") for text in sections.values())


def test_sections_hold_the_tables_of_the_figures():
    metrics = make_metrics()
    sections = model_card.render_sections(metrics, None, {})
    assert sections["figures"] == render_figures_table(metrics)
    assert sections["classes"] == render_class_table(metrics)
    assert sections["calibration"] == render_calibrations(metrics)


def test_card_holds_every_section_under_its_heading():
    metrics, config = make_metrics(), load_config()
    card = render(metrics, config)
    sections = model_card.render_sections(metrics, config, {})
    assert sections["introduction"] in card
    for name, heading in model_card.HEADINGS.items():
        assert f"\n## {heading}\n\n{sections[name]}\n" in card


@pytest.mark.parametrize(
    "phrase",
    ["65 ± 5 %", "(EU) 2024/1689", "Article 5(1)(f)", "mostly posed", "skin colour", "what a person\n  feels"],
)
def test_limits_are_in_the_card(phrase):
    assert phrase in render(make_metrics())


def test_card_states_the_licence_of_fer2013_and_the_ferplus_rule():
    card = render(make_metrics())
    assert "not redistributed" in card
    assert FERPLUS_RULE in card


def test_card_follows_the_figures():
    assert render(make_metrics(0)) != render(make_metrics(1))


def test_training_section_describes_the_settings():
    config = load_config(overrides=["data.drop_leaked=true"])
    text = model_card.render_sections(make_metrics(), config, {})["training"]
    for phase in config.training.phases:
        assert f"{phase.name}, {phase.epochs} epochs" in text
    assert "were left out" in text
    assert "teacher" not in text


@pytest.mark.parametrize(
    ("override", "faces"),
    [
        ("distillation.views=48", "each of 48 augmented views of a face"),
        ("distillation.views=0", "each augmented face"),
        ("distillation.consistent=false", "each training face before augmentation"),
    ],
)
def test_training_section_names_the_teachers(override, faces):
    config = load_config("mini", overrides=[override])
    text = model_card.render_sections(make_metrics(), config, {"artifacts/xception": "ab" * 32})["training"]
    assert "Teachers: `artifacts/xception` (sha256 `abababababab`)." in text
    assert f"prediction for {faces} in the targets: 0.9." in text


def test_training_section_names_the_averaged_runs():
    averaged = {"base-a": "ab" * 32, "base-b": "cd" * 32}
    sections = model_card.render_sections(make_metrics(), load_config("mini"), {}, averaged=averaged)
    expected = "the mean of those of `base-a` (sha256 `abababababab`), `base-b` (sha256 `cdcdcdcdcdcd`)."
    assert expected in sections["training"]


def test_training_section_without_settings_says_so():
    assert "not known" in model_card.render_sections(make_metrics(), None, {})["training"]


def test_data_section_of_other_data_does_not_describe_fer2013():
    sections = model_card.render_sections(make_metrics(data="mine", data_source="folder"), None, {})
    assert "Goodfellow" not in sections["data"]


def test_data_section_of_drawn_faces_says_so():
    assert "not photographs" in model_card.render_sections(make_metrics(is_sample=True), None, {})["data"]


def test_card_has_no_empty_heading_and_no_placeholder():
    body = render(make_metrics(), load_config()).split("---", 2)[2]
    assert not re.search(r"\bnan\b|\{|\bNone\b", body)
    assert not re.search(r"\n#+ [^\n]+\n+#", body)


def test_sections_of_a_run_are_rendered_from_its_files(tmp_path):
    run, metrics, config = Run(tmp_path), make_metrics(), load_config("mini")
    run.write_config(config)
    run.write_provenance({"teachers": {"artifacts/xception": "ab" * 32}, "averaged_runs": {"one": "cd" * 32}})
    write_metrics(metrics, tmp_path)
    averaged = {"one": "cd" * 32}
    expected = model_card.render_sections(metrics, config, {"artifacts/xception": "ab" * 32}, averaged=averaged)
    assert model_card.render_run_sections(run) == expected


def test_sections_of_a_run_without_figures_are_a_model_error(tmp_path):
    with pytest.raises(ModelError, match="invoke evaluate"):
        model_card.render_run_sections(Run(tmp_path))

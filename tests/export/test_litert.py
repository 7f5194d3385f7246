import pytest
from export_runs import TWO_HEADS, make_dataset, make_run

from fer.export import export_run

pytest.importorskip("tensorflow", reason="needs pip install tensorflow-cpu")
pytest.importorskip("ai_edge_litert", reason="needs pip install ai-edge-litert")


@pytest.mark.filterwarnings("ignore")
def test_litert_equals_the_classifier_and_int8_is_near_it(tmp_path):
    run = make_run(tmp_path / "run", TWO_HEADS, joint=True)
    exact, rough = export_run(run, make_dataset(), "litert", int8=True, log=lambda line: None)
    assert (exact["file"], rough["file"]) == ("model.tflite", "model.int8.tflite")
    assert exact["parity"]["largest_difference"] < 1e-5
    assert 1e-6 < rough["parity"]["largest_difference"] < 0.2
    assert "evidence" not in exact["outputs"]

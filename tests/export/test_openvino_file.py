import pytest
from export_runs import TWO_HEADS, make_dataset, make_run

from fer.export import export_run

pytest.importorskip("onnx", reason="needs pip install 'fer-dl[export]'")
pytest.importorskip("openvino", reason="needs pip install openvino")


@pytest.mark.filterwarnings("ignore")
def test_openvino_equals_the_classifier(tmp_path):
    run = make_run(tmp_path / "run", TWO_HEADS, joint=True)
    (card,) = export_run(run, make_dataset(), "openvino", log=lambda line: None)
    assert (run.folder / "openvino" / "model.bin").is_file()
    assert card["parity"]["largest_difference"] < 1e-4

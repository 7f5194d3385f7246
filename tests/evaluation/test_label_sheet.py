"""The sheet of suspects: a row of faces per expression."""

import numpy as np
import pandas as pd
from evaluation_stubs import make_grey_faces

from fer import plotting
from fer.evaluation import label_sheet as module


def test_each_expression_has_its_most_doubtful_faces_in_a_row(tmp_path, monkeypatch):
    caught = []

    def save(figure, path):
        caught.append(figure)
        plotting.save_figure(figure, path)

    monkeypatch.setattr(module, "save_figure", save)
    rows = [(row, "sad", "happy", "disagreement") for row in range(12)] + [(12, "neutral", "", "not a face")]
    suspects = pd.DataFrame(rows, columns=["row", "label", "suggested", "reasons"])
    module.plot_label_sheet(make_grey_faces([3] * 13), suspects, tmp_path / "a.png", title="mine")
    axes = np.reshape(caught[0].axes, (7, 10))
    shown = np.array([[len(cell.get_images()) for cell in line] for line in axes])
    assert shown.sum(axis=1).tolist() == [0, 0, 0, 0, 10, 0, 1]
    assert axes[4, 1].get_title() == "happy\n1"
    assert axes[6, 0].get_title() == "no face\n12"
    assert axes[4, 0].texts[0].get_text() == "label\nsad\n12 suspects"

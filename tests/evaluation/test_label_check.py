"""Labels in doubt, found with a stub network that reads the class from the mean grey level of a face."""

from dataclasses import replace

import numpy as np
import pytest
from evaluation_stubs import GreyClassifier, make_grey_dataset

from fer.calibration import Calibration
from fer.data.ferplus import FERPLUS_COLUMNS
from fer.errors import DataError
from fer.evaluation.label_check import COLUMNS, check_labels, find_unequal_duplicates

ANGRY, DISGUST, FEAR, HAPPY, SAD, SURPRISE, NEUTRAL = range(7)


def make_distinct(dataset):
    """Give each face another first pixel, so that no two are equal."""
    faces = dataset.faces.copy()
    faces[:, 0, 0] = np.arange(len(faces))
    return replace(dataset, faces=faces)


def find(dataset, classifier=None):
    return check_labels(dataset, classifier or GreyClassifier()).suspects


def test_a_label_that_network_and_votes_contradict_is_a_suspect():
    labels, shown, voted = [HAPPY] * 4, [HAPPY, SAD, SAD, HAPPY], [HAPPY, HAPPY, SAD, SAD]
    (suspect,) = find(make_distinct(make_grey_dataset(labels, shown, voted))).to_dict("records")
    assert tuple(suspect) == COLUMNS
    assert (suspect["row"], suspect["label"], suspect["suggested"]) == (2, "happy", "sad")
    assert (suspect["network"], suspect["votes"], suspect["reasons"]) == ("sad", "sad", "disagreement")
    assert suspect["split"] == "validation"
    # The network gives a sixtieth to the label, the annotators nothing.
    assert suspect["doubt"] == pytest.approx(1 - (0.1 / 6 + 0.0) / 2, abs=1e-3)


@pytest.mark.parametrize(("threshold", "count"), [(0.8, 1), (0.95, 0)])
def test_without_votes_the_network_must_be_certain(threshold, count):
    classifier = GreyClassifier()
    classifier.calibrations = {"labels": Calibration(uncertain_below=threshold)}
    assert len(find(make_distinct(make_grey_dataset([HAPPY, HAPPY], [HAPPY, SAD])), classifier)) == count


def test_the_head_of_the_labels_answers():
    class TwoMinds(GreyClassifier):
        def predict_heads(self, faces, *, batch_sizes=()):
            raw = super().predict_heads(faces)
            raw[:, 1] = np.roll(raw[:, 1], 1, axis=1)
            return raw

    assert find(make_distinct(make_grey_dataset([SAD], [HAPPY], [HAPPY])), TwoMinds())["network"].tolist() == ["happy"]


def test_an_image_that_is_no_face_to_most_annotators_is_a_suspect_without_a_suggestion():
    dataset = make_distinct(make_grey_dataset([HAPPY], voted=[HAPPY]))
    votes = np.zeros((1, 10), np.uint8)
    votes[0, FERPLUS_COLUMNS.index("NF")] = 10
    (suspect,) = find(replace(dataset, votes=votes)).to_dict("records")
    assert (suspect["reasons"], suspect["suggested"], suspect["votes"]) == ("not a face", "", "")


def test_equal_images_with_unequal_labels_are_suspects():
    dataset = make_grey_dataset([HAPPY, SAD, HAPPY, NEUTRAL], [HAPPY, HAPPY, HAPPY, NEUTRAL])
    assert find_unequal_duplicates(dataset) == ["1 sad", "0 happy, 2 happy", "1 sad", ""]
    suspects = find(dataset)
    assert sorted(suspects["row"]) == [0, 1, 2]
    assert set(suspects["reasons"]) == {"duplicate", "disagreement, duplicate"}


def test_suspects_are_ordered_by_label_and_falling_doubt():
    labels, shown = [SAD, HAPPY, HAPPY], [HAPPY, SAD, SAD]
    dataset = make_distinct(make_grey_dataset(labels, shown, voted=[HAPPY, -1, SAD]))
    suspects = find(dataset)
    assert suspects["label"].tolist() == ["happy", "happy", "sad"]
    assert suspects["doubt"].tolist()[:2] == sorted(suspects["doubt"].tolist()[:2], reverse=True)


def test_the_summary_counts_faces_and_suspects_per_label():
    labels, shown, voted = [HAPPY] * 3 + [SAD], [SAD, SAD, HAPPY, SAD], [SAD, SAD, HAPPY, SAD]
    summary = check_labels(make_distinct(make_grey_dataset(labels, shown, voted)), GreyClassifier()).summary
    rows = summary.set_index("label")
    assert rows.loc["happy"].tolist() == [3, 2, 0, 0, "sad"]
    assert rows.loc["sad"].tolist() == [1, 0, 0, 0, ""]
    assert rows.loc["all"].tolist() == [4, 2, 0, 0, ""]


def test_no_faces_are_a_data_error():
    with pytest.raises(DataError, match="none"):
        check_labels(make_grey_dataset([]), GreyClassifier())

"""Known properties of the real FER2013, checked on its file."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from fer.data import load_dataset
from fer.data.dataset import SPLITS
from fer.data.ferplus import compute_ferplus_distribution, compute_ferplus_majority, compute_not_face
from fer.data.sources.folders import read_folder
from fer.labels import EXPRESSIONS

pytestmark = pytest.mark.realdata

#: Goodfellow et al., 2013, as counted in the published file: rows train, validation, test; columns EXPRESSIONS.
COUNTS = [
    [3995, 436, 4097, 7215, 4830, 3171, 4965],
    [467, 56, 496, 895, 653, 415, 607],
    [491, 55, 528, 879, 594, 416, 626],
]

# The peak is read from /proc because the one of getrusage includes the memory of the parent at the fork.
PREPARE = """
import json, re, sys, time
from pathlib import Path
from fer.data.sources.tables import read_table
start, cpu = time.perf_counter(), time.process_time()
read_table(sys.argv[1])
usage = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu}
status = Path("/proc/self/status")
if status.exists():
    usage["peak_kib"] = int(re.search(r"VmHWM:\\s+(\\d+) kB", status.read_text())[1])
from fer.data import prepare_dataset
report = prepare_dataset(sys.argv[1], "fer2013", sys.argv[2])
pairs = [[*pair, report.leaks.exact[pair], report.leaks.near[pair]] for pair in report.leaks.exact]
groups = [report.leaks.duplicate_groups, report.leaks.duplicate_faces, report.leaks.crossing_groups]
print(json.dumps(usage | {"pairs": pairs, "groups": groups, "clean": report.num_clean, "votes": report.num_votes}))
"""


@pytest.fixture(scope="module")
def prepared(fer2013_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    arguments = [sys.executable, "-c", PREPARE, str(fer2013_folder / "fer2013.csv.gz"), str(folder)]
    result = subprocess.run(arguments, check=True, capture_output=True, text=True)
    return json.loads(result.stdout), load_dataset("fer2013", folder)


def test_number_of_faces_per_split_and_class(prepared):
    assert prepared[1].count_classes().tolist() == COUNTS


def test_the_duplicate_guard_counts_the_known_leaks(prepared):
    report = prepared[0]
    assert report["pairs"][:2] == [["validation", "train", 280, 317], ["test", "train", 288, 347]]
    assert report["groups"] == [1516, 3369, 557]


def test_clean_faces_have_no_duplicate_in_train(prepared):
    report, dataset = prepared
    # 317 validation faces have a near-duplicate in train; a black one has an exact duplicate but no correlation.
    assert report["clean"][1:] == [3589 - 318, 3589 - 347]
    train = {face.tobytes() for face in dataset.part("train").faces}
    test = dataset.part("test")
    assert not any(face.tobytes() in train for face in test.faces[test.clean])
    assert sum(face.tobytes() in train for face in test.faces) == 288


def test_ferplus_votes_belong_to_their_faces(prepared, fer2013_folder):
    if not (fer2013_folder / "fer2013new.csv").is_file():
        pytest.skip("needs fer2013new.csv beside the table")
    report, dataset = prepared
    assert report["votes"] == 35887
    majority = compute_ferplus_majority(dataset.part("test").votes)
    assert (majority >= 0).sum() == 3137
    # The majority agrees with the label on two of three faces; votes of other rows would agree only by chance.
    agree = majority == dataset.part("test").labels
    assert agree[majority >= 0].mean() > 0.6
    shifted = np.roll(majority, 1)
    assert (shifted == dataset.part("test").labels)[shifted >= 0].mean() < 0.3
    # Black images are voted "not a face".
    black = dataset.faces.max(axis=(1, 2)) == dataset.faces.min(axis=(1, 2))
    assert compute_not_face(dataset.votes)[black].all()
    assert not compute_ferplus_distribution(dataset.votes[black]).any()


def test_time_and_memory_to_read_the_table_are_bounded(prepared):
    report = prepared[0]
    assert report["cpu_seconds"] < 20
    assert report.get("peak_kib", 0) < 1.5 * 2**20


def test_faces_saved_as_images_are_read_back_bit_for_bit(prepared, tmp_path):
    dataset = prepared[1]
    for split in SPLITS:
        part = dataset.part(split)
        for number in range(0, 350, 5):
            folder = tmp_path / split / EXPRESSIONS[part.labels[number]]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(part.faces[number]).save(folder / f"{number:05}.png")
    raw = read_folder(tmp_path)
    for code, split in enumerate(SPLITS):
        expected = dataset.part(split).faces[0:350:5]
        assert {face.tobytes() for face in raw.faces[raw.split == code]} == {face.tobytes() for face in expected}
        assert np.array_equal(
            np.bincount(raw.labels[raw.split == code], minlength=7),
            np.bincount(dataset.part(split).labels[0:350:5], minlength=7),
        )

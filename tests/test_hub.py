"""Runs on the Hugging Face Hub, with a stand-in for its client: nothing is sent or downloaded."""

import inspect
import shutil
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest

from fer.errors import ModelError, SettingsError
from fer.inference import Classifier
from fer.runs import Run

MINI = Path(__file__).parents[1] / "artifacts" / "mini"


class StubHub:
    """A Hub in a folder."""

    def __init__(self, folder):
        self.folder = folder
        self.error = None
        self.created = []

    def create_repo(self, repo_id, *, repo_type, private, exist_ok):
        self.created.append((repo_id, repo_type, private, exist_ok))

    def upload_folder(self, *, repo_id, repo_type, folder_path, allow_patterns, commit_message):
        if self.error is not None:
            raise self.error
        self._copy(Path(folder_path), self.folder / repo_id, allow_patterns)

    def snapshot_download(self, repo_id, *, revision, allow_patterns):
        if self.error is not None:
            raise self.error
        return str(self._copy(self.folder / repo_id, self.folder / "cache" / repo_id / str(revision), allow_patterns))

    def _copy(self, source, target, patterns):
        target.mkdir(parents=True, exist_ok=True)
        for path in {path for pattern in patterns for path in source.glob(pattern)}:
            shutil.copyfile(path, target / path.name)
        return target


@pytest.fixture
def stub(tmp_path, monkeypatch):
    stub = StubHub(tmp_path / "hub")
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: stub)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", stub.snapshot_download)
    return stub


@pytest.fixture
def run(tmp_path):
    run = Run(shutil.copytree(MINI, tmp_path / "run"))
    run.mistakes.write_bytes(b"faces of the data set")
    return run


def test_a_run_comes_back_as_it_was_sent(stub, run):
    classifier = Classifier.load(run.folder)
    assert classifier.push_to_hub("me/faces", private=True) == "https://huggingface.co/me/faces"
    assert stub.created == [("me/faces", "model", True, True)]
    received = Classifier.from_pretrained("me/faces", revision="main", prior="dataset")
    faces = np.random.default_rng(0).integers(0, 256, (3, 48, 48), dtype=np.uint8)
    np.testing.assert_array_equal(received.predict(faces), classifier.with_prior("dataset").predict(faces))
    assert received.folder.name == "main"


def test_the_model_card_is_the_readme_and_faces_of_the_data_set_stay(stub, run):
    Classifier.load(run.folder).push_to_hub("me/faces")
    sent = stub.folder / "me" / "faces"
    assert (sent / "README.md").read_text() == run.model_card.read_text()
    assert not (sent / run.mistakes.name).exists()


def test_a_changed_network_is_refused(stub, run):
    Classifier.load(run.folder).push_to_hub("me/faces")
    with (stub.folder / "me" / "faces" / "model.keras").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(ModelError, match="digest"):
        Classifier.from_pretrained("me/faces")


def test_a_network_without_its_digest_is_refused(stub, run):
    Classifier.load(run.folder).push_to_hub("me/faces")
    (stub.folder / "me" / "faces" / "model.keras.sha256").unlink()
    with pytest.raises(ModelError, match=r"without model\.keras\.sha256"):
        Classifier.from_pretrained("me/faces")


@pytest.mark.parametrize("call", [Classifier.from_pretrained, Classifier.load(MINI, runtime="onnx").push_to_hub])
def test_a_failing_hub_is_an_error_of_one_line(stub, call):
    stub.error = OSError("No connection.\nSecond line")
    with pytest.raises(ModelError, match=r"Received: No connection\. Remedy:") as caught:
        call("me/faces")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["faces", "me/faces/more", "me faces", None, 3, "x" * 5000])
def test_a_name_of_another_form_is_refused_before_any_request(stub, name):
    stub.error = AssertionError("a request was made")
    for call in (Classifier.from_pretrained, Classifier.load(MINI).push_to_hub):
        with pytest.raises(SettingsError, match="owner/name") as caught:
            call(name)
        assert len(str(caught.value)) < 200


def test_a_classifier_of_a_single_file_is_not_sent(stub):
    with pytest.raises(ModelError, match="A run folder is uploaded"):
        Classifier.load(Run(MINI).onnx).push_to_hub("me/faces")


def test_the_client_accepts_the_arguments_of_the_stub():
    for name in ("create_repo", "upload_folder", "snapshot_download"):
        client = getattr(huggingface_hub, name)
        expected = set(inspect.signature(getattr(StubHub, name)).parameters) - {"self"}
        assert expected <= set(inspect.signature(client).parameters)

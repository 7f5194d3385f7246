import hashlib

import pytest

from fer.errors import ModelError
from fer.model.digests import check_digest, find_digest


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.keras"
    path.write_bytes(b"weights")
    find_digest(path).write_text(f"{hashlib.sha256(b'weights').hexdigest()}  model.keras\n")
    return path


def test_the_digest_of_the_file_is_accepted(saved):
    check_digest(saved)


def test_a_file_without_a_digest_is_accepted(saved):
    find_digest(saved).unlink()
    saved.write_bytes(b"other")
    check_digest(saved)


@pytest.mark.parametrize("text", ["", "0" * 64, "\xff"])
def test_another_digest_is_refused(saved, text):
    find_digest(saved).write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match=r"differs from model\.keras\.sha256"):
        check_digest(saved)

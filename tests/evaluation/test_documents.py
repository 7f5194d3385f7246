"""Marked sections of documents are replaced; everything else is left alone."""

import pytest

from fer.errors import DataError
from fer.evaluation.documents import check_document, read_sections, update_document


def mark(name, text):
    return f"<!-- {name}:begin -->\n{text}\n<!-- {name}:end -->"


@pytest.fixture
def document(tmp_path):
    path = tmp_path / "page.md"
    sections = mark("figures:one", "old one"), mark("figures:two", "old two")
    path.write_text("before\n\n{}\n\nbetween\n\n{}\n\nafter\n".format(*sections), encoding="utf-8")
    return path


def test_sections_are_read_by_name(document):
    assert read_sections(document) == {"figures:one": "old one", "figures:two": "old two"}


@pytest.mark.parametrize("text", ["new", "several\n\nlines \\1"])
def test_a_section_is_replaced_and_the_rest_stays(document, text):
    before = document.read_text(encoding="utf-8")
    update_document(document, {"figures:two": text, "limits:two": "not marked"})
    assert document.read_text(encoding="utf-8") == before.replace("old two", text)
    assert read_sections(document) == {"figures:one": "old one", "figures:two": text}


def test_an_empty_section_is_filled(tmp_path):
    path = tmp_path / "page.md"
    path.write_text("<!-- a:b:begin -->\n<!-- a:b:end -->\n", encoding="utf-8")
    update_document(path, {"a:b": "text"})
    assert path.read_text(encoding="utf-8") == mark("a:b", "text") + "\n"


def test_a_document_without_the_section_names_those_that_it_has(document):
    with pytest.raises(DataError, match=r"figures:one, figures:two.*<!-- figures:three:begin -->"):
        check_document(document, ["figures:three"])


@pytest.mark.parametrize(
    "content",
    [
        "<!-- a:b:begin -->",
        "<!-- a:b:end --> <!-- a:b:begin -->",
        "<!-- a:b:begin --> <!-- a:c:end -->",
        f"{mark('a:b', 'one')} {mark('a:b', 'two')}",
        f"{mark('a:b', 'one')} <!-- a:b:end -->",
    ],
)
def test_unpaired_marks_are_a_data_error_and_the_file_stays(content, tmp_path):
    path = tmp_path / "page.md"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match="marks"):
        update_document(path, {"a:b": "new"})
    assert path.read_text(encoding="utf-8") == content


def test_a_missing_document_is_a_data_error(tmp_path):
    with pytest.raises(DataError, match=r"nothing\.md"):
        read_sections(tmp_path / "nothing.md")


def test_a_document_that_is_not_text_is_a_data_error(tmp_path):
    (tmp_path / "page.md").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="UTF-8"):
        read_sections(tmp_path / "page.md")

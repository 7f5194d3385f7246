import sys

import pytest

from fer.lazy import export_lazily


def test_a_name_is_imported_from_its_module():
    from fer.labels import EXPRESSIONS

    assert export_lazily("package", {"EXPRESSIONS": "fer.labels"})("EXPRESSIONS") is EXPRESSIONS


def test_a_module_is_imported_on_first_use(tmp_path, monkeypatch):
    (tmp_path / "imported_late.py").write_text("value = 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    get_attribute = export_lazily("package", {"value": "imported_late"})
    assert "imported_late" not in sys.modules
    assert get_attribute("value") == 3
    assert sys.modules.pop("imported_late").value == 3


def test_an_unknown_name_is_an_attribute_error_of_the_package():
    with pytest.raises(AttributeError, match="module 'package' has no attribute 'nothing'"):
        export_lazily("package", {"EXPRESSIONS": "fer.labels"})("nothing")

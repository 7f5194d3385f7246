"""Lazy exports: a package's public names are imported on first use, so that importing the package stays fast."""

from collections.abc import Callable
from importlib import import_module
from typing import Any


def export_lazily(package: str, modules: dict[str, str]) -> Callable[[str], Any]:
    """Return a package's ``__getattr__`` (PEP 562).

    Args:
        package: the package's ``__name__``.
        modules: the module that defines each public name.

    Example:
        >>> export_lazily("fer", {"EXPRESSIONS": "fer.labels"})("EXPRESSIONS")[0]
        'angry'
    """

    def get_attribute(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(modules[name]), name)

    return get_attribute

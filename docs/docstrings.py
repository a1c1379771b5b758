"""Docstrings as numpydoc reads them: class attributes are listed with the other attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

CLASS = "Class attributes"


def process(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Call the section of class attributes, which numpydoc does not know, by one that it does."""
    for i, line in enumerate(lines):
        if line == CLASS:
            lines[i : i + 2] = ["Attributes", "----------"]


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", process, priority=400)  # numpydoc comes at 500
    return {"parallel_read_safe": True, "parallel_write_safe": True}

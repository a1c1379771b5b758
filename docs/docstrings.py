"""Docstrings as numpydoc reads them, and a warning where parameters are not those of the function.

The star of a shape such as ``(chain, draw, *dims)`` is no emphasis.
"""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

STAR = re.compile(r"(?<=[(,] )\*(?=\w)|(?<=\()\*(?=\w)")


def process(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Change the lines of a docstring in place, before numpydoc reads them."""
    from sphinx.util import logging

    for i, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            lines[i] = STAR.sub(r"\\*", line)
    if name.startswith("hiercal."):
        for problem in problems(obj, lines):
            logging.getLogger(__name__).warning("%s: %s", name, problem)


def as_block(app: Sphinx, context: Any, lines: list[str]) -> None:
    """Set the examples below a command as code: its first line says what they are."""
    said = [line.removeprefix("| ").removeprefix("|") for line in lines if line.strip("| \x08")]
    if said:
        lines[:] = [said[0].strip(), "", ".. code-block:: text", ""]
        lines += [f"   {line.strip()}" for line in said[1:]]


def problems(obj: Any, lines: Sequence[str]) -> list[str]:
    """What is wrong with the sections of a docstring, a sentence each.

    A docstring without a section of parameters need not have one. With one, it has to have all.
    """
    from numpydoc.docscrape import NumpyDocString

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        doc = NumpyDocString("\n".join(lines))
    found = [str(each.message) for each in caught]
    named = [one for section in ("Parameters", "Other Parameters") for one in doc[section]]
    listed = {_plain(name) for one in named for name in one.name.split(",")}
    taken = _taken(obj)
    if not listed or taken is None:
        return found
    others = {_plain(name) for one in doc["Attributes"] for name in one.name.split(",")}
    missing = sorted(taken - listed - others)
    unknown = sorted(listed - taken)
    found += [f"its parameter {name} is not documented" for name in missing]
    found += [f"{name} is documented, and is no parameter of it" for name in unknown]
    return found


def _plain(name: str) -> str:
    return name.replace("\\", "").strip().lstrip("*")


def _taken(obj: Any) -> set[str] | None:
    """Names of the parameters of a function or a class; None of what has none."""
    if not callable(obj):
        return None
    try:
        names = inspect.signature(obj).parameters
    except (ValueError, TypeError):
        return None
    return {name for name in names if name not in ("self", "cls") and not name.startswith("_")}


def setup(app: Sphinx) -> dict[str, bool]:
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", process, priority=400)  # numpydoc comes at 500
    app.setup_extension("sphinx_click")
    app.connect("sphinx-click-process-epilog", as_block)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""The page as HTML: one file that asks for nothing, with names escaped and scripts by hash."""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from hiercal.runs.full_disk import storing
from hiercal.runs.manifest import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jinja2 import Environment

BREAKS = re.compile(r"(?<=[/_,\[])(?=.)|(?<=-)(?=[^\W\d_])")
"""Where names are best broken."""


def page(folder: Path, *, arms: Sequence[str] = (), quantities: Sequence[str] = ()) -> str:
    """The HTML of a finished run or study.

    Parameters
    ----------
    folder : Path
    arms, quantities : sequence of str
        Of a run, show these alone in the table of quantities.

    Raises
    ------
    FileNotFoundError
        If the folder is neither's, or what was run there has not ended.
    JournalError
        If a table is not what was written.
    ValueError
        If there is no arm or quantity of a name, or the folder is a study's and one is given.
    """
    from hiercal.report.page.of_run import is_study, run_page
    from hiercal.report.page.of_study import study_page

    if is_study(folder):
        if arms or quantities:
            raise ValueError(
                f"{folder} is the folder of a study, which has no arms or quantities to choose; "
                "leave them out"
            )
        return render("study.html", script="page.js", page=study_page(folder))
    return render("run.html", script="page.js", page=run_page(folder, arms, quantities))


def write(text: str, path: Path) -> Path:
    """Write a page whole or not at all."""
    with storing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, text)
    return path


def render(template: str, *, script: str, connects: bool = False, **content: Any) -> str:
    """A template with the style sheet and one script, which its policy names by their hash.

    Only a page that `connects` may ask the server that it came from for something.
    """
    style, code = _source("page.css"), _source(script)
    own = "connect-src 'self'; " if connects else ""
    policy = (
        "default-src 'none'; "
        f"style-src 'sha256-{_hash(style)}'; script-src 'sha256-{_hash(code)}'; img-src data:; "
        f"{own}base-uri 'none'; form-action 'none'"
    )
    shared = {"style": Markup(style), "script": Markup(code), "policy": policy}
    return _environment().get_template(template).render(**shared, **content)


def fragment(template: str, **content: Any) -> str:
    """A part of a page."""
    return _environment().get_template(template).render(**content)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("hiercal.report.page", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = breakable
    return environment


def breakable(name: object) -> Markup:
    """A name with the places marked where it is best broken.

    Examples
    --------
    >>> breakable("a/b<c>[-1]")
    Markup('a/<wbr>b&lt;c&gt;[<wbr>-1]')
    """
    return Markup("<wbr>").join(BREAKS.split(str(name)))


def _source(name: str) -> str:
    return importlib.resources.files(__package__).joinpath("templates", name).read_text("utf-8")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

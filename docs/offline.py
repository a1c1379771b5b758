"""Warn of every page of the site that would load something from the net."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

LOADS = {
    "audio": "src",
    "embed": "src",
    "iframe": "src",
    "img": "src",
    "link": "href",
    "object": "data",
    "script": "src",
    "source": "src",
    "video": "src",
}
"""What a browser loads of its own accord, by which attribute. A link to click on is none."""
NOT_LOADED = {"alternate", "author", "canonical", "help", "license", "next", "prev", "search"}
FAR = re.compile(r"^\s*(https?:)?//")
IN_CSS = re.compile(r"(?:@import\s+|url\()\s*['\"]?\s*((?:https?:)?//[^'\")\s]+)")


class _Loads(HTMLParser):
    """Addresses elsewhere that a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._in_style = tag == "style"
        if tag == "link" and set(given.get("rel", "").split()) <= NOT_LOADED:
            return
        address = given.get(LOADS.get(tag, ""), "")
        if FAR.match(address):
            self.found.append(address)
        for one in (given.get("srcset") or "").split(","):
            if FAR.match(one):
                self.found.append(one.split()[0])
        self.found += IN_CSS.findall(given.get("style", ""))

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.found += IN_CSS.findall(data)

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False


def loaded(file: Path) -> list[str]:
    """Addresses elsewhere that an HTML or CSS file loads."""
    text = file.read_text(encoding="utf-8", errors="replace")
    if file.suffix == ".css":
        return IN_CSS.findall(text)
    page = _Loads()
    page.feed(text)
    return page.found


def far_loads(site: Path) -> Iterator[tuple[Path, str]]:
    """Each file of a site that loads something from elsewhere, and the address."""
    for file in sorted(site.rglob("*")):
        if file.suffix in (".html", ".css"):
            for address in loaded(file):
                yield file.relative_to(site), address


def check(app: Sphinx, error: Exception | None) -> None:
    """Warn, which with -W ends the build."""
    from sphinx.util import logging

    if error is None:
        for file, address in far_loads(Path(app.outdir)):
            logging.getLogger(__name__).warning("%s loads %s from the net", file, address)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

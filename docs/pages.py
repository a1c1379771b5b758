"""Text of the pages as the site needs it: links to files outside, and contents of each folder.

Some of these files are pages of the site too: README, CONTRIBUTING and others. On GitHub a link
leads to the file, on the site to its page. Other files can be downloaded; a link to a folder is
plain text.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

DOCS = Path(__file__).parent
PAGES = {
    "README.md": "project/readme.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changes.md",
    "examples/gallery/README.md": "project/gallery.md",
    "results/claims.md": "studies/ledger.md",
}
"""Files outside, and the page that each is."""
LINK = re.compile(
    r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?\)"
)


def linked(text: str, file: Path, page: Path) -> str:
    """The text of a file as that of a page, its links leading to the same places.

    Parameters
    ----------
    text : str
    file : Path
        Where the text lies.
    page : Path
        Where it is read, in the folder of the documentation.
    """
    of_file = {(DOCS.parent / name): DOCS / at for name, at in PAGES.items()}

    def link(match: re.Match[str]) -> str:
        mark, said, path, anchor = match.groups(default="")
        target = Path(os.path.normpath(file.parent / path))
        if target.is_dir():
            return said
        at = of_file.get(target, target)
        if at.suffix in (".md", ".ipynb") and DOCS not in at.parents:
            return f"{{download}}`{said.strip('`')} <{os.path.relpath(at, page.parent)}>`"
        return f"{mark}[{linked(said, file, page)}]({os.path.relpath(at, page.parent)}{anchor})"

    return LINK.sub(link, text)


def with_all(text: str, page: Path) -> str:
    """An index whose contents name the pages of its folder that it leaves out, at the end."""
    before, fence, contents = text.partition("```{toctree}\n")
    listed, end, after = contents.partition("```")
    names = re.findall(r"[\w-]+(?=>?$)", listed, re.MULTILINE)
    others = sorted(p.stem for p in page.parent.glob("*.md") if p.stem not in ("index", *names))
    return before + fence + listed + "".join(f"{name}\n" for name in others) + end + after


def read(app: Sphinx, name: str, source: list[str]) -> None:
    """Put the text of the file in place of a page that is one, and mend links and contents."""
    page = DOCS / f"{name}.md"
    if page.exists():
        files = {at: DOCS.parent / outside for outside, at in PAGES.items()}
        file = files.get(f"{name}.md", page)
        source[0] = linked(file.read_text(), file, page)
        if page.stem == "index" and page.parent != DOCS:
            source[0] = with_all(source[0], page)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

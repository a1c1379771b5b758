"""Blocks of code in the pages."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    if not {"_build", "generated"} & set(page.parts)
)
_FENCE = re.compile(
    r"^(?:<!-- file: (?P<file>\S+) -->\n)?```(?P<language>\S*)[^\n]*\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_INDENTED = re.compile(r"(?:^    \S.*\n|^    .*\n|^\n(?=    ))+", re.MULTILINE)
_COMMAND = re.compile(r"^(uv run|python -m|hiercal [a-z]|dask|openssl|chmod|uv lock)")


@dataclass(frozen=True)
class Block:
    """A block of a page.

    Attributes
    ----------
    page : str
        Its path in the repository.
    language : str
        That of the fence, or what an indented block looks like: ``console``, ``python``, ``toml``.
    text : str
    file : str
        The file that it is, where a comment before it says so.
    """

    page: str
    language: str
    text: str
    file: str = ""


def blocks(page: Path) -> list[Block]:
    """All blocks of a page, in order."""
    text, name = page.read_text(), str(page.relative_to(ROOT))
    found = []
    for match in _FENCE.finditer(text):
        language = match["language"] or _looks_like(match["text"])
        found.append((match.start(), Block(name, language, match["text"], match["file"] or "")))
    rest = _FENCE.sub(lambda match: re.sub(r"[^\n]", ".", match[0]), text)
    lists = re.sub(r"^( *[-*] .*\n(?:  .*\n|\n(?=  ))*)", lambda m: re.sub(r"[^\n]", ".", m[0]),
                   rest, flags=re.MULTILINE)  # fmt: skip
    for match in _INDENTED.finditer(lists):
        lines = re.sub(r"^    ", "", match[0], flags=re.MULTILINE).strip("\n") + "\n"
        found.append((match.start(), Block(name, _looks_like(lines), lines)))
    return [block for _, block in sorted(found, key=lambda each: each[0])]


def _looks_like(text: str) -> str:
    if _COMMAND.match(text):
        return "console"
    if re.match(r"(import|from) \w", text):
        return "python"
    return "toml" if text.startswith("[[") else "text"


def commands(block: Block) -> Iterator[str]:
    """Command lines of a block, without what is said beside them."""
    for line in block.text.splitlines():
        command = re.split(r"\s{2,}[#(]", line)[0].strip()
        if command and not command.startswith("#"):
            yield command


ALL = [block for page in PAGES for block in blocks(page)]

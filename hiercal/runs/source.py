"""Source that a module rests on: its file and those that it imports, with packages by name.

Files are read and never run, so that this imports nothing.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from pathlib import Path

OURS = "hiercal"
ROOMS = ("fitters", "simulators")
"""What the catalogue finds by name, so that who asks the catalogue may rest on all of it."""


@dataclass(frozen=True)
class Root:
    """Where modules are looked for.

    Attributes
    ----------
    folder : Path
    package : str
        The one package that is meant; empty for a folder of a user's files, where any will do.
    """

    folder: Path
    package: str = ""


@dataclass(frozen=True)
class File:
    """A module's source.

    Attributes
    ----------
    root, module
        Where it was looked for, by what dotted name.
    path : Path
    text : str
    code : str
        Hash of what it does: comments, docstrings and layout do not count.
    """

    root: Root
    module: str
    path: Path
    text: str
    code: str


HIERCAL = Root(Path(__file__).parents[2], OURS)


def closure(
    starts: Iterable[tuple[Root, str]],
    leave_out: frozenset[str] = frozenset(),
    texts: Mapping[Path, str] | None = None,
) -> tuple[list[File], set[str]]:
    """All source that modules rest on, and the packages that it imports.

    Parameters
    ----------
    starts : iterable of (Root, str)
        Modules by dotted name.
    leave_out : set of str
        Patterns of modules of hiercal that are not followed.
    texts : mapping of Path to str
        Texts that count instead of those on the disk: what was loaded, where a file may have been
        edited since.

    Returns
    -------
    list of File
        Imports inside functions are followed as well; those under TYPE_CHECKING are not.
    set of str
        Import names of installed packages.
    """
    texts = texts or {}
    waiting = list(starts)
    seen: set[tuple[Root, str]] = set()
    files: list[File] = []
    packages: set[str] = set()
    while waiting:
        root, module = waiting.pop()
        path = _locate(root, module, texts)
        if (root, module) in seen or path is None:
            continue
        seen.add((root, module))
        text = texts[path] if path in texts else _read(path)
        code, imported = _understood(text)
        files.append(File(root, module, path, text, code))
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        for name, level, members in imported:
            if level:
                parents = package.split(".")
                name = ".".join(filter(None, [*parents[: len(parents) - level + 1], name]))
            home = root if level else _home(root, name, path, texts)
            if isinstance(home, str):
                packages.add(home)
            elif home is not None:
                waiting += [
                    (home, each)
                    for each in _modules(home, name, members)
                    if not any(fnmatchcase(each, pattern) for pattern in leave_out)
                ]
    return files, packages


def code_at(root: Root, module: str) -> str | None:
    """Hash of what a module does, or None if there is no such file."""
    path = _locate(root, module, {})
    return None if path is None else code_of(_read(path))


def beside(root: Root, top: str, texts: Mapping[Path, str]) -> bool:
    """Whether a user's folder has a file or a package of this name."""
    if root.package or top == OURS:
        return False
    if _locate(root, top, texts) is not None:
        return True
    folder = root.folder / top
    return folder.is_dir() and any(folder.glob("*.py")) and importlib.util.find_spec(top) is None


def _locate(root: Root, module: str, texts: Mapping[Path, str]) -> Path | None:
    base = root.folder.joinpath(*module.split("."))
    for path in (base / "__init__.py", base.with_name(f"{base.name}.py")):
        if path in texts or path.is_file():
            return path
    return None


def _modules(root: Root, name: str, members: tuple[str, ...]) -> Iterator[str]:
    """Modules that an import may run or read; those that are none are not located later."""
    if root != HIERCAL:
        parts = name.split(".") if name else []
        yield from (".".join(parts[:n]) for n in range(1, len(parts) + 1))
        yield from (".".join([*parts, member]) for member in members)
        return
    if name == OURS:
        where = vars(sys.modules[OURS])["_HOMES"]
        homes = [where.get(member, f"{OURS}.{member}") for member in members]
        asked = homes or [f"{OURS}.catalogue"]
    else:
        asked = [name, *(f"{name}.{member}" for member in members)]
    for module in asked:
        if module == f"{OURS}.catalogue":
            for room in ROOMS:
                paths = (HIERCAL.folder / OURS / room).glob("[!_]*.py")
                yield from (f"{OURS}.{room}.{path.stem}" for path in sorted(paths))
        else:
            yield module


def _home(root: Root, name: str, importer: Path, texts: Mapping[Path, str]) -> Root | str | None:
    """Where a module is found: as source, or as an installed package; None if it is Python's."""
    top = name.partition(".")[0]
    if top == OURS:
        return HIERCAL
    if top == root.package:
        return root
    # a file numpyro.py that imports numpyro means the package
    if beside(root, top, texts) and _locate(root, top, texts) != importer:
        return root
    return installed(top)


@cache
def installed(top: str) -> Root | str | None:
    """Where Python finds a top-level name: as source, or as a package that has a version."""
    if top in sys.stdlib_module_names or top == "__main__":
        return None
    try:
        spec = importlib.util.find_spec(top)
    except ValueError:
        return None
    if spec is None:
        return None
    folders = list(spec.submodule_search_locations or [])
    where = Path(folders[0] if folders else spec.origin or "")
    if {"site-packages", "dist-packages"} & set(where.parts) or not (folders or where.suffix):
        return top
    # installed for editing, or on PYTHONPATH: its version does not say what it is
    return Root(where.parent, top)


def _read(path: Path) -> str:
    stat = path.stat()
    return _text(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=1000)
def _text(path: Path, modified: int, size: int) -> str:
    return importlib.util.decode_source(path.read_bytes())


@lru_cache(maxsize=1000)
def _understood(text: str) -> tuple[str, tuple[tuple[str, int, tuple[str, ...]], ...]]:
    """Hash of a text's meaning, and its imports as (name, level, members)."""
    try:
        tree = _Bare().visit(ast.parse(text))
    except SyntaxError:
        return _hash(text), ()
    return _hash(ast.dump(tree)), tuple(_imports(tree))


def code_of(text: str) -> str:
    """Hash of what a text does."""
    return _understood(text)[0]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class _Bare(ast.NodeTransformer):
    """Takes out what does not run: docstrings, and what only type checkers read."""

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        test = node.test
        name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
        return node.orelse if name == "TYPE_CHECKING" else node

    def _without_docstring(self, node: ast.AST) -> ast.AST:
        self.generic_visit(node)
        body = node.body  # ty: ignore[missing-attribute]
        if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            del body[0]
        return node

    visit_Module = visit_ClassDef = visit_FunctionDef = visit_AsyncFunctionDef = _without_docstring


def _imports(tree: ast.AST) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, 0, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node.level, tuple(alias.name for alias in node.names)
        elif isinstance(node, ast.Call) and node.args:
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            argument = node.args[0]
            if name in ("import_module", "__import__") and isinstance(argument, ast.Constant):
                yield str(argument.value), 0, ()

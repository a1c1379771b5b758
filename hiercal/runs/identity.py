"""What code and which packages a run or a named study was made by, and what has changed since."""

from __future__ import annotations

import ast
import hashlib
import inspect
import os
import platform
import sys
import uuid
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from hiercal.runs.source import HIERCAL, OURS, File, Root, closure, code_at, code_of, installed
from hiercal.runs.user_files import Code, bundle_of, module_of, written_in

COMPANIONS = {
    "arviz": ("arviz-base", "arviz-stats"),
    "jax": ("jaxlib",),
    "nutpie": ("llvmlite", "numba"),
    "pymc": ("pytensor",),
}
"""Distributions that compute for another, which is the one that code imports."""
LIBRARIES = {"jax", "numpyro", "pymc", "pytensor"}
"""What models of stories are written in: they count where a fitter uses them."""
RECORDS = ("hiercal.runs.batches", "hiercal.runs.kept_draws")
"""What makes records, and all that a run keeps of a fit."""
NOT_OF_FITS = frozenset({"hiercal.plots*", "hiercal.runs.identity", "hiercal.runs.user_files"})
"""These decide when a fit is made, and what is shown of it, or find files: never what it gives."""
NOT_OF_STUDIES = frozenset(
    {"hiercal.runs.engine", "hiercal.runs.identity", "hiercal.runs.manifest"}
)
LONGEST_PATH = 255
PLUMBING = {"platformdirs", "pyarrow"}
"""Packages that find or hand over data and compute nothing."""

PYTHON = ".".join(platform.python_version_tuple()[:2])
"""The hash of a file is that of its syntax tree, which differs between versions of Python."""
ABSENT = "absent"
MOST_NAMED = 3
"""Files that a message names."""

Identity = dict[str, dict[str, str]]
"""``code``: hash of each file; ``packages``: version of each distribution."""


def of_run(
    stories: Iterable[Any], fitters: Iterable[Any], quantities: Iterable[Any] = ()
) -> Identity:
    """What the records of stories met by fitters rest on, and of quantities of one's own."""
    told, of_stories = _rests_on(_codes(stories), NOT_OF_FITS)
    fitted, of_fitters = _rests_on(_codes(fitters), NOT_OF_FITS)
    asked, of_quantities = _rests_on(_codes(quantities), NOT_OF_FITS)
    kept, of_records = closure([(HIERCAL, name) for name in RECORDS], NOT_OF_FITS)
    of_fitters = of_fitters.union(*(fitter.requires for fitter in fitters))
    of_stories -= LIBRARIES - of_fitters
    packages = of_fitters | of_records | of_stories | of_quantities
    return {"code": _named([*told, *fitted, *asked, *kept]), "packages": versions_of(packages)}


def of_quantities(quantities: Iterable[Any]) -> Identity:
    """What quantities of one's own rest on."""
    files, packages = _rests_on(_codes(quantities), NOT_OF_FITS)
    return {"code": _named(files), "packages": versions_of(packages)}


def of_class(cls: type) -> Identity:
    """What the tables, figures and claims of a named study rest on."""
    files, packages = _rests_on(cls.__mro__, NOT_OF_STUDIES)
    return {"code": _named(files), "packages": versions_of(packages)}


def changed(stored: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """What differs between two identities, a line each."""
    if not stored.get("code"):
        return ["what code it was made by is not on record"]
    lines = []
    for name in dict.fromkeys([*stored["code"], *given["code"]]):
        before, now = stored["code"].get(name), given["code"].get(name)
        if before != now:
            how = "is new" if before is None else "is not used now" if now is None else "changed"
            lines.append(f"{name} {how}")
    for name in dict.fromkeys([*stored["packages"], *given["packages"]]):
        before, now = stored["packages"].get(name), given["packages"].get(name)
        if before != now:
            lines.append(f"{name} {before or 'absent'} there, {now or 'absent'} now")
    return lines


def installed_here(of: Mapping[str, Any]) -> Identity:
    """The packages of an identity, and its code that is installed, as they are in this process.

    A user's files are left out: they are sent along with what is made of them.
    """
    homes = {name: _home(name.partition(".")[0]) for name in of["code"]}
    code = {
        name: code_at(home, name) or ABSENT
        for name, home in homes.items()
        if isinstance(home, Root)
    }
    packages = {name: version_of(name) or ABSENT for name in of["packages"]}
    return {"code": code, "packages": packages | {"python": PYTHON}}


def differing(there: Identity, here: Identity) -> list[str]:
    """What of `installed_here` on a worker is not what the driver has, in words."""
    lines = [
        f"{name} is {here['packages'][name]}, not {version}"
        for name, version in there["packages"].items()
        if here["packages"][name] != version
    ]
    other = [name for name, code in there["code"].items() if here["code"].get(name) != code]
    more = f" and {n} more" if (n := len(other) - MOST_NAMED) > 0 else ""
    return lines + ([f"other code in {', '.join(other[:MOST_NAMED])}{more}"] if other else [])


def versions_of(packages: Iterable[str]) -> dict[str, str]:
    """Versions of the distributions that hold packages, and of Python."""
    versions = {"python": PYTHON}
    computing = set(packages) - PLUMBING
    holders = {name for package in computing for name in _holders(package)}
    names = sorted(holders.union(*(COMPANIONS.get(name, ()) for name in holders)))
    return versions | {name: version for name in names if (version := version_of(name))}


def version_of(distribution: str) -> str | None:
    """Version of a distribution, or None."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


@cache
def _holders(package: str) -> list[str]:
    """Names of the distributions that hold a package."""
    try:
        namesake = metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return _every_holder().get(package, [])
    spec = find_spec(package)
    own = Path(str(namesake.locate_file(f"{package}/__init__.py")))
    if spec is not None and spec.origin is not None and Path(spec.origin) == own:
        return [namesake.metadata["Name"]]
    return _every_holder().get(package, [])


@cache
def _every_holder() -> Mapping[str, list[str]]:
    """The same of all packages that are installed, for which all their lists of files are read."""
    return metadata.packages_distributions()


def _codes(items: Iterable[Any]) -> list[Code]:
    return [code for item in items for code in written_in(item)]


def _rests_on(codes: Iterable[Code], leave_out: frozenset[str]) -> tuple[list[File], set[str]]:
    starts: list[tuple[Root, str]] = []
    texts: dict[Path, str] = {}
    files: list[File] = []
    packages: set[str] = set()
    for code in dict.fromkeys(codes):
        name = module_of(code)
        top, _, rest = name.partition(".")
        home = _home(top)
        if top in sys.stdlib_module_names:
            continue
        if bundle := bundle_of(code):
            starts.append((Root(bundle.folder), rest))
            texts |= bundle.texts
        elif isinstance(home, Root):
            starts.append((home, name))
        elif home is not None:
            packages.add(home)
        elif path := _path(code):
            starts.append((Root(path.parent), path.stem))
        else:
            files.append(_typed(code))
            values = vars(sys.modules[name]).values()
            packages |= {v.__name__.partition(".")[0] for v in values if isinstance(v, ModuleType)}
    followed, imported = closure(starts, leave_out, texts)
    return [*files, *followed], packages | imported


def _home(top: str) -> Root | str | None:
    """Where a top-level name is found: as source, or as a package that has a version."""
    return HIERCAL if top == OURS else installed(top)


def _path(code: Code) -> Path | None:
    """The script that a class or function is in, if it is in one."""
    file = getattr(sys.modules[module_of(code)], "__file__", None)
    return Path(file).resolve() if file and Path(file).is_file() else None


@cache
def _typed(code: Code) -> File:
    """What was typed in: its own source, or what never repeats if there is none."""
    name = f"{getattr(code, '__qualname__', code.__name__)}, typed in"
    try:
        text = inspect.cleandoc(inspect.getsource(code))
    except (OSError, TypeError):
        text = uuid.uuid4().hex
    return File(Root(Path(), "typed in"), name, Path(name), text, code_of(text))


def _named(files: Iterable[File]) -> dict[str, str]:
    """Hash of each file: modules of packages by dotted name, a user's by path."""
    each = list(files)
    own = [file for file in each if not file.root.package]
    common = os.path.commonpath({file.root.folder for file in own}) if own else ""
    data = {path: text for file in own for path, text in named_files(file).items()}
    return dict(sorted(data.items())) | dict(
        sorted((_name(file, common), file.code) for file in each)
    )


def named_files(file: File) -> dict[str, str]:
    """SHA-256 of `named_paths`, by the name as it is written."""
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in named_paths(file).items()
    }


def named_paths(file: File) -> dict[str, Path]:
    """Files that exist under a name written out in a user's source: the data it reads.

    A name that the code puts together is not seen.
    """
    names = {
        node.value
        for node in ast.walk(ast.parse(file.text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    paths = {}
    for name in sorted(names):
        for path in (file.path.parent / name, Path(name)):
            # an empty name is the folder, and one with a line break or a NUL is no file's
            if name.isprintable() and len(name) < LONGEST_PATH and path.is_file():
                paths[name] = path
                break
    return {name: path for name, path in paths.items() if not name.endswith(".py")}


def _name(file: File, common: str) -> str:
    if file.root.package:
        return file.module
    return file.path.relative_to(common).as_posix()

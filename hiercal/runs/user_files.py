"""Python files of a user's: each folder is imported as a package of its own.

So a file can import its neighbours, files of one name in two folders do not clash, and workers get
the source itself: the same code, wherever they are and whatever happens to the files meanwhile.
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import importlib
import importlib.util
import sys
import traceback
import uuid
from dataclasses import dataclass, field
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from hiercal.errors import DrawsRefused, ModelRefused, UnknownName
from hiercal.runs.source import Root, closure
from hiercal.words import reason

_PREFIX = "hiercal_files_"


@dataclass
class Bundle:
    """Files of one folder, as they were when they were loaded.

    Attributes
    ----------
    package : str
        What they are imported as; another for each edition of the files.
    folder : Path
    files : dict of str to (Path, str)
        Path and text of each module, by dotted name inside the package.
    given : dict of str to (str, str)
        Of the modules that the user named, the path as it was given and the SHA-256 of the file.
    """

    package: str
    folder: Path
    files: dict[str, tuple[Path, str]] = field(default_factory=dict)
    given: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def texts(self) -> dict[Path, str]:
        """Text of each file, by its path."""
        return dict(self.files.values())


_bundles: dict[str, Bundle] = {}
_newest: dict[Path, Bundle] = {}


def load(path: Path) -> ModuleType:
    """Import a file, anew if it or a neighbour that it imports has changed since.

    Raises
    ------
    UnknownName
        If it is no Python, or its code raises, with the line; what hiercal itself raised there is
        left as it is.
    """
    try:
        return _load(path)
    except (UnknownName, ModelRefused, DrawsRefused):
        raise
    except SyntaxError as error:
        file, line = error.filename or path, f", line {error.lineno}" if error.lineno else ""
        file = path if str(file) in (str(path.resolve()), "<unknown>", "<string>") else file
        if b"\0" in path.read_bytes():
            before, _, _ = path.read_bytes().partition(b"\0")
            line = f", line {before.count(b'\n') + 1}"
        said = reason(type(error)(error.msg))
        raise UnknownName(f"{file} is not Python{line}: {said}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UnknownName(
            f"{path} is not Python, line {line}: it is not UTF-8 ({error.reason}); save it as UTF-8"
        ) from None
    except (RecursionError, MemoryError) as error:
        if told(error):
            raise UnknownName(told(error)) from error
        raise UnknownName(f"{path} is too large or too deeply nested to be read") from None
    except OSError as error:
        raise UnknownName(told(error) or f"cannot read {path}: {reason(error)}") from error
    except (Exception, SystemExit) as error:
        if not (where := told(error)):
            raise
        raise UnknownName(
            f"{where}; mend the file, which is run as it is, from this folder and without "
            "arguments, to find what is in it"
        ) from error


def told(error: BaseException) -> str:
    """Where in a user's file an error was raised, and what it says; empty if in none."""
    where = place(error)
    return f"{where}: {reason(error)}" if where else ""


def place(error: BaseException) -> str:
    """File and line of a user's where an error was raised; empty if in none."""
    known = {
        str(where): given
        for bundle in _bundles.values()
        for module, (where, _) in bundle.files.items()
        for given in [bundle.given.get(module, (str(where), ""))[0]]
    }
    lines = [
        f"{known[frame.filename]}, line {frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename in known
    ]
    return lines[-1] if lines else ""


def _load(path: Path) -> ModuleType:
    given, path = path, path.resolve()
    root = Root(path.parent)
    reached, _ = closure([(root, path.stem)])
    files = {file.module: (file.path, file.text) for file in reached if file.root == root}
    if path.suffix != ".py" or path.stem not in files:
        raise ValueError(
            f"{given} is not a Python file; give file.py:name, without a dot in the file's own name"
        )
    bundle = _newest.get(path.parent)
    if bundle is None or any(bundle.files.get(name, file) != file for name, file in files.items()):
        bundle = Bundle(f"{_PREFIX}{uuid.uuid4().hex}", path.parent)
        _newest[path.parent] = bundle
    bundle.files |= files
    bundle.given[path.stem] = str(given), hashlib.sha256(path.read_bytes()).hexdigest()
    install(bundle)
    return importlib.import_module(f"{bundle.package}.{path.stem}")


def install(bundle: Bundle) -> None:
    """Make the files importable in this process."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    if known := _bundles.get(bundle.package):
        known.files |= bundle.files
    else:
        _bundles[bundle.package] = bundle


Code = type | FunctionType | ModuleType
"""What has source: a class, a function or a whole file."""


def written_in(item: object) -> list[Code]:
    """What says what an object does: its classes, the functions among its fields, its file."""
    told = dataclasses.fields(item) if dataclasses.is_dataclass(item) else ()
    held = [getattr(item, field.name) for field in told if field.compare]
    functions = [value for value in held if isinstance(value, FunctionType)]
    read_from = sys.modules.get(getattr(item, "module", ""))
    own = [*type(item).__mro__, *functions, *([read_from] if read_from else [])]
    # a story around data rests on the story that it is made of
    parts = getattr(item, "made_of", ())
    return own + [
        code
        for part in parts
        for code in ([part] if isinstance(part, FunctionType) else written_in(part))
    ]


def module_of(code: Code) -> str:
    """The name of the module that code is in."""
    return code.__name__ if isinstance(code, ModuleType) else code.__module__


def bundle_of(code: Code) -> Bundle | None:
    """The files that code comes from, if it comes from a user's file."""
    return _bundles.get(module_of(code).partition(".")[0])


def bundles_of(*items: object) -> list[Bundle]:
    """All files that objects need to be unpickled elsewhere."""
    bundles = {
        bundle.package: bundle
        for item in items
        for code in written_in(item)
        if (bundle := bundle_of(code)) is not None
    }
    return list(bundles.values())


def given_files(*items: object) -> dict[str, str]:
    """SHA-256 of the files that objects come from, by their paths as they were given."""
    hashes = {}
    for code in (code for item in items for code in written_in(item)):
        if bundle := bundle_of(code):
            module = module_of(code).partition(".")[2]
            hashes |= dict([bundle.given[module]] if module in bundle.given else [])
    return hashes


def reference(item: Any, name: str) -> str:
    """What a story, fitter or function is called where it is asked for; empty if it has no name.

    Parameters
    ----------
    item : Story, Fitter or function
    name : str
        Its own.
    """
    code = item if isinstance(item, FunctionType) else getattr(item, "function", type(item))
    attribute = code.__qualname__
    if (read_from := sys.modules.get(getattr(item, "module", ""))) is not None:
        code = read_from
        stem = module_of(code).rpartition(".")[2]
        # a model called model goes by the name of its file
        attribute = "model" if name == stem and hasattr(code, "model") else name
    if bundle := bundle_of(code):
        module = module_of(code).partition(".")[2]
        return f"{bundle.given[module][0]}:{attribute}" if module in bundle.given else ""
    room, _, own = module_of(code).rpartition(".")
    return name if own == name and room in ("hiercal.simulators", "hiercal.fitters") else ""


class _Finder(MetaPathFinder):
    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        package, _, module = fullname.partition(".")
        bundle = _bundles.get(package)
        if bundle is None:
            return None
        where, text = bundle.files.get(module, (None, ""))
        holds_others = not module or any(name.startswith(f"{module}.") for name in bundle.files)
        is_package = holds_others if where is None else where.name == "__init__.py"
        if where is None and not is_package:
            return None
        loader = _Loader(bundle, where, text)
        places = [] if is_package else None
        if where is None:
            return ModuleSpec(fullname, loader, is_package=True)
        return importlib.util.spec_from_file_location(
            fullname, where, loader=loader, submodule_search_locations=places
        )


class _Loader(InspectLoader):
    def __init__(self, bundle: Bundle, path: Path | None, text: str) -> None:
        self._bundle, self._path, self._text = bundle, path, text

    def get_source(self, fullname: str) -> str:
        return self._text

    def get_code(self, fullname: str) -> CodeType:
        tops = {name.partition(".")[0] for name in self._bundle.files}
        own = fullname.split(".")[1:]
        if len(own) == 1:
            tops -= set(own)  # a file numpyro.py that imports numpyro means the package
        tree = _Inside(self._bundle.package, tops).visit(ast.parse(self._text))
        where = str(self._path or self._bundle.folder)
        return compile(ast.fix_missing_locations(tree), where, "exec", dont_inherit=True)


class _Inside(ast.NodeTransformer):
    """Turns imports of neighbours into imports from the package that they are in."""

    def __init__(self, package: str, tops: set[str]) -> None:
        self._package, self._tops = package, tops

    def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
        return [
            ast.copy_location(statement, node)
            for alias in node.names
            for statement in self._import(alias)
        ]

    def _import(self, alias: ast.alias) -> list[ast.stmt]:
        top, _, rest = alias.name.partition(".")
        if top not in self._tops:
            return [ast.Import([alias])]
        inside = f"{self._package}.{alias.name}"
        if alias.asname:
            return [ast.Import([ast.alias(inside, alias.asname)])]
        bound = ast.ImportFrom(self._package, [ast.alias(top)], 0)
        return [ast.Import([ast.alias(inside, "_submodule")]), bound] if rest else [bound]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.stmt:
        if node.level == 0 and node.module and node.module.partition(".")[0] in self._tops:
            inside = f"{self._package}.{node.module}"
            return ast.copy_location(ast.ImportFrom(inside, node.names, 0), node)
        return node

"""The design of a finished run or study as files that it can be run from again, anywhere."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiercal import catalogue
from hiercal.config import read
from hiercal.errors import ConfigError
from hiercal.runs import identity
from hiercal.runs.differences import differing, options_of
from hiercal.runs.run import Run
from hiercal.runs.source import Root, closure
from hiercal.studies import Study

DESIGN = "design.toml"
"""The name of a design that was written from a manifest."""
SHOWN = 5
"""Differences that a message lists."""


class CannotRerun(ValueError):
    """A run that cannot be made again from files; the message says why, and what to do."""


@dataclass(frozen=True)
class Design:
    """What is run, and the files that it is read from.

    Attributes
    ----------
    config : str
        What ``hiercal run`` is given, as seen from `place`.
    place : str
        Folder that it is given in, relative to the folder of the files.
    changes : dict
        Options that replace those of the file.
    files : dict of str to (Path or str)
        Each file by its path relative to the folder, and where it is, or its text.
    names : dict of str to str
        The path of each file that was given, by what it was given as.
    """

    config: str
    place: str
    changes: dict[str, Any]
    files: dict[str, Path | str]
    names: dict[str, str]

    @property
    def python(self) -> list[str]:
        """The files that are code, which is run."""
        return sorted(name for name in self.files if name.endswith(".py"))

    def write(self, folder: Path) -> None:
        """Write the files into a folder."""
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            data = content.encode() if isinstance(content, str) else content.read_bytes()
            path.write_bytes(data)

    def read(self, folder: Path) -> Run | Study:
        """The run or study, read from the files in a folder."""
        with contextlib.chdir(folder / self.place):
            return read(self.config, **self.changes)


def design_of(manifest: Mapping[str, Any], start: Path, include: Iterable[Path] = ()) -> Design:
    """The design that a manifest is of.

    Parameters
    ----------
    manifest : mapping
        Of a finished run or study.
    start : Path
        The folder in which it was run, from which its files are looked for.
    include : iterable of Path
        Further files that it reads.

    Raises
    ------
    CannotRerun
        If a file is missing or has changed since, or the design is in no file.
    """
    start = start.resolve()
    given = {name: _unchanged(name, start, digest) for name, digest in manifest["given"].items()}
    paths = [*given.values(), *(each.resolve() for each in include)]
    needs_start = False
    for path in given.values():
        if path.suffix == ".py":
            more, from_start = _neighbours(path, start)
            paths += more
            needs_start |= from_start
        else:
            paths += _named_in_toml(path)
    folders = [path.parent for path in paths] + ([start] if needs_start else [])
    base = Path(os.path.commonpath(folders)) if folders else start
    if len(folders) > 1 and base == Path(base.anchor):
        raise CannotRerun(
            f"its files have no folder in common: {', '.join(map(str, paths[:SHOWN]))}; put them "
            "into one, and run it from there"
        )
    files: dict[str, Path | str] = {_inside(path, base): path for path in sorted(set(paths))}
    names = {name: _inside(path, base) for name, path in given.items()}
    place = _inside(start, base) if needs_start else "."
    config, changes = manifest.get("config"), {}
    if "study" in manifest:
        text = _toml(_study_content(manifest, names))
        config = DESIGN
    else:
        config = config or _only_toml(given)
        changes = {key: manifest[key] for key in ("simulations", "seed")}
        if config is not None and (name := names.get(config)) and name.endswith(".toml"):
            return Design(os.path.relpath(name, place), place, changes, files, names)
        path, _, attribute = (config or "").rpartition(":")
        if path in names:
            config = f"{os.path.relpath(names[path], place)}:{attribute}"
            return Design(config, place, changes, files, names)
        if config is not None:
            raise CannotRerun(
                f"it is of {Path(config).name}, which holds no design: draws made elsewhere can "
                "only be made again there"
            )
        text = _toml(_run_content(manifest, names))
        config, changes = DESIGN, {}
    if DESIGN in files:
        raise CannotRerun(f"there is a file {DESIGN} among its files; give it another name")
    return Design(os.path.relpath(config, place), place, changes, files | {config: text}, names)


def _only_toml(given: Iterable[str]) -> str | None:
    """The TOML file among those given, where an earlier version did not say what was run."""
    files = [name for name in given if name.endswith(".toml")]
    return files[0] if len(files) == 1 else None


def check_design(
    design: Design, folder: Path, manifests: Mapping[str, Mapping[str, Any]]
) -> dict[str, Run]:
    """Read a design from its files in a folder; a CannotRerun unless it is what was run.

    Parameters
    ----------
    design : Design
    folder : Path
        Where it was written.
    manifests : mapping
        Of each run by its name in ``runs/``; of a run that is no study's, under ``""``.

    Returns
    -------
    dict of str to Run
        The runs, by the same names.
    """
    try:
        made = design.read(folder)
        if isinstance(made, Run) and any(arm["sbc"] != "prior" for arm in manifests[""]["arms"]):
            made = _around(design, folder, made, manifests[""])
    except (ConfigError, OSError) as error:
        raise CannotRerun(
            f"its design cannot be read from a copy of its files: {error}. If a file is missing, "
            "name it by --include"
        ) from None
    runs = made.runs() if isinstance(made, Study) else {"": made}
    if set(runs) != set(manifests):
        lost = sorted(set(runs) - set(manifests))
        raise CannotRerun(f"the folder lacks the runs {', '.join(lost)} of its study")
    for name, run in runs.items():
        if lines := _differences(manifests[name]["run"], run.describe()):
            some = "; ".join(lines[:SHOWN])
            raise CannotRerun(f"what its files say now is not what was run: {some}")
    return runs


def _around(design: Design, folder: Path, made: Run, manifest: Mapping[str, Any]) -> Run:
    """The same run around data, where the command asked for that."""
    if not _differences(manifest["run"], made.describe()):
        return made
    design.changes["around"] = True
    again = design.read(folder)
    assert isinstance(again, Run)
    return again


def _differences(stored: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """In what two descriptions of a run differ, but for packages and the code of packages."""
    now = json.loads(json.dumps(given, default=list))
    lines = differing(options_of(stored), options_of(now))
    if stored["packages"].get("python") != now["packages"].get("python"):
        return lines  # the hash of a file is of its syntax tree, which is another
    own = [
        {name: code for name, code in each["code"].items() if not _of_package(name)}
        for each in (stored, now)
    ]
    return lines + [
        f"{name} changed, or is not there" for name in own[0] if own[1].get(name) != own[0][name]
    ]


def _of_package(name: str) -> bool:
    """Whether code is a package's, by its name: dotted, and no path of a file."""
    return not name.endswith(".py") and all(part.isidentifier() for part in name.split("."))


def packages_without_version(description: Mapping[str, Any]) -> list[str]:
    """Packages whose source a run rests on and that no version tells, other than hiercal."""
    tops = {name.partition(".")[0] for name in description.get("code", {}) if _of_package(name)}
    return sorted(tops - {"hiercal"})


def _unchanged(name: str, start: Path, digest: str) -> Path:
    path = (start / name).resolve()
    if not path.is_file():
        raise CannotRerun(
            f"{name}, which it was read from, is not in {start}; give the folder in which it was "
            "run by --source"
        )
    if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
        raise CannotRerun(
            f"{name} has changed since: restore it as it was, or run it again with --fresh"
        )
    return path


def _neighbours(path: Path, start: Path) -> tuple[list[Path], bool]:
    """Files that a Python file imports and reads; whether one is found from `start` alone."""
    root = Root(path.parent)
    files = [file for file in closure([(root, path.stem)])[0] if file.root == root]
    found, from_start = [file.path.resolve() for file in files], False
    with contextlib.chdir(start):
        for file in files:
            for name, read_from in identity.named_paths(file).items():
                if Path(name).is_absolute():
                    raise CannotRerun(
                        f"{file.path.name} reads {name}, which is on this machine alone; put it "
                        "beside the file, and name it relative to that"
                    )
                found.append(read_from.resolve())
                from_start |= found[-1] != (file.path.parent / name).resolve()
    return found, from_start


def _named_in_toml(path: Path) -> list[Path]:
    """Files that a TOML file names, as seen from its folder."""
    found = []
    for text in _texts(tomllib.loads(path.read_bytes().decode("utf-8-sig"))):
        name = text.rpartition(":")[0] if ".py:" in text else text
        if Path(name).is_absolute():
            raise CannotRerun(
                f"{path.name} names {name}, which is on this machine alone; name files relative to "
                "the folder of the TOML file, and run it again"
            )
        if name and name.isprintable() and (path.parent / name).is_file():
            found.append((path.parent / name).resolve())
    return found


def _texts(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content]
    held = content.values() if isinstance(content, dict) else content
    return (
        [text for each in held for text in _texts(each)] if isinstance(content, dict | list) else []
    )


def _inside(path: Path, base: Path) -> str:
    return path.relative_to(base).as_posix()


def _study_content(manifest: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    reference = moved(manifest.get("reference", ""), names) or manifest["study"]
    if ":" not in reference and reference not in catalogue.names("studies"):
        raise CannotRerun(
            f"{reference} is no study of the catalogue, nor in a file that hiercal read; run it as "
            "hiercal run file.py:Class"
        )
    return {"study": reference, **manifest["options"]}


def _run_content(manifest: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    described, references = manifest["run"], manifest.get("references", {})
    content: dict[str, Any] = {
        "name": manifest["name"],
        "simulations": manifest["simulations"],
        **{key: described[key] for key in ("seed", "max_rank", "level", "groups", "below")
           if key in described},
        **{key: described[key] for key in ("products", "keep_draws") if key in described},
    }  # fmt: skip
    if "compare_exact" in described:
        raise CannotRerun("it compares with exact posteriors, for which a TOML file has no word")
    for kind in ("stories", "fitters"):
        listed = references.get(kind, [""] * len(described[kind]))
        content[kind] = []
        for reference, item in zip(listed, described[kind], strict=True):
            if not reference:
                raise CannotRerun(
                    f"{item['name']} of its {kind} is in no file that hiercal could read; give it "
                    "as file.py:name, in a TOML file or in hiercal.story and hiercal.fitter"
                )
            options = {key: value for key, value in item.items() if key != "name"}
            content[kind].append(
                {"name": moved(reference, names)} | (options if _has_options(item) else {})
            )
    if quantities := references.get("quantities"):
        content["quantities"] = [moved(each, names) for each in quantities]
    return content


def _has_options(item: Mapping[str, Any]) -> bool:
    """Whether a story's options can be given: a model's are what it is made of."""
    return "digest" not in item


def moved(reference: str, names: Mapping[str, str]) -> str:
    path, colon, attribute = reference.rpartition(":")
    return f"{names[path]}{colon}{attribute}" if path in names else reference


def _toml(content: Mapping[str, Any]) -> str:
    """Plain data as TOML, tables last."""
    tables = {
        key: value
        for key, value in content.items()
        if isinstance(value, list) and value and all(isinstance(each, dict) for each in value)
    }
    lines = [
        f"{_key(key)} = {_value(value)}"
        for key, value in content.items()
        if key not in tables and value is not None
    ]
    for key, items in tables.items():
        for item in items:
            lines += ["", f"[[{_key(key)}]]"]
            lines += [f"{_key(k)} = {_value(v)}" for k, v in item.items() if v is not None]
    return "\n".join(lines) + "\n"


def _key(key: str) -> str:
    return key if key.replace("_", "").isalnum() and key.isascii() else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        plain = json.dumps(value, ensure_ascii=False)
        return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in plain)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        pairs = (f"{_key(k)} = {_value(v)}" for k, v in value.items() if v is not None)
        return "{ " + ", ".join(pairs) + " }" if value else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return repr(value)

"""Where a run came from: the command that repeats it, its files, versions and options."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hiercal import words

REPEATS, VARIES, UNKNOWN = "repeat", "vary", "unknown"


@dataclass(frozen=True)
class Origin:
    """What repeats a run, and what made it.

    Attributes
    ----------
    command : str
        At the command line; empty where a run was made in Python.
    how : list of str
        What has to be known besides, a sentence each.
    files : list of (str, str)
        Files that were given, and their SHA-256.
    facts, versions : list of (str, str)
    design : list of (str, str)
        Options of stories and fitters.
    """

    command: str
    how: Sequence[str]
    files: Sequence[tuple[str, str]]
    facts: Sequence[tuple[str, str]]
    versions: Sequence[tuple[str, str]]
    design: Sequence[tuple[str, str]]


def origin(manifest: Mapping[str, Any]) -> Origin:
    """Of the manifest of a run."""
    versions = dict(manifest["versions"])
    machine = [versions.pop(name, "") for name in ("platform", "cpu", "instructions")]
    facts = [
        ("seed", str(manifest["seed"])),
        ("simulations", str(manifest["simulations"])),
        ("draws ranked among, L", str(manifest["run"]["max_rank"])),
        ("digest of the run", digest_of(manifest)),
        ("commit of hiercal", manifest.get("commit") or "unknown"),
        ("machine", ", ".join(filter(None, machine))),
    ]
    facts += [
        ("earlier versions", _changed(each, manifest))
        for each in manifest.get("earlier_versions", ())
    ]
    return Origin(
        command=command(manifest),
        how=_how(manifest),
        files=sorted(manifest["given"].items()),
        facts=facts,
        versions=list(versions.items()),
        design=_design(manifest),
    )


def digest_of(manifest: Mapping[str, Any]) -> str:
    """The digest of a run, or of that which answers are about."""
    return manifest.get("digest") or manifest["asked_of"]["digest"]


def command(manifest: Mapping[str, Any]) -> str:
    """The command line of a run, as far as its manifest tells it.

    Examples
    --------
    >>> command({"config": "my run.toml", "simulations": 60, "seed": 1, "arms": []})
    "hiercal run 'my run.toml' --simulations 60 --seed 1"
    """
    if asked := manifest.get("asked_of"):
        files = " ".join(f"--quantities {shlex.quote(path)}" for path in manifest["given"])
        return f"hiercal requantify {shlex.quote(asked['folder'])} {files}" if files else ""
    config = manifest.get("config") or _configuration(manifest.get("given", {}))
    if not config:
        return ""
    around = " --around" if _around(manifest) and not config.endswith(".toml") else ""
    return (
        f"hiercal run {shlex.quote(config)}{around} --simulations {manifest['simulations']} "
        f"--seed {manifest['seed']}"
    )


def _configuration(given: Mapping[str, str]) -> str:
    """What an earlier version's manifest tells of the file that a run was read from."""
    return next((path for path in given if path.endswith(".toml")), "")


def _around(manifest: Mapping[str, Any]) -> bool:
    return any(arm.get("sbc") == "posterior" for arm in manifest["arms"])


def _how(manifest: Mapping[str, Any]) -> list[str]:
    """What has to be known to repeat a run."""
    said = []
    if not command(manifest):
        said.append(
            "The run was made in Python, by hiercal.run, so there is no command: repeat it with "
            "the stories, fitters, seed and number of simulations given here."
        )
    elif _around(manifest) and not manifest.get("config", "").endswith(".toml"):
        said.append("If it was around data of a CSV file, give that file behind --around.")
    if manifest["given"]:
        said.append(
            "It needs the files below, with these hashes: the run is refused if code of theirs has "
            "changed, and a hash tells whether a file is the one that was used."
        )
    kinds: dict[str, list[str]] = {REPEATS: [], VARIES: [], UNKNOWN: []}
    for arm in manifest["arms"]:
        kinds[repeats(arm)].append(arm["fitter"])
    instructions = manifest["versions"].get("instructions", "unknown")
    if kinds[REPEATS]:
        said.append(
            f"Simulated data and the draws of {_named(kinds[REPEATS])} repeat to the digit with "
            "the "
            f"same versions on a processor with the same kind of vector instructions "
            f"({instructions})."
        )
    if kinds[VARIES]:
        said.append(
            f"The draws of {_named(kinds[VARIES])} are made by PyMC's samplers and do not repeat "
            "on "
            "another machine: figures of these arms change within their standard errors."
        )
    if kinds[UNKNOWN]:
        said.append(
            f"Whether the draws of {_named(kinds[UNKNOWN])} repeat depends on that code: it is "
            "given a seed for each fit."
        )
    said.append("Seconds are those of the machine, and never repeat.")
    return said


def repeats(arm: Mapping[str, Any]) -> str:
    """Whether an arm's draws repeat on another machine."""
    if arm["fitter_name"] in ("exact", "numpyro"):
        return REPEATS
    return VARIES if arm["fitter_name"] == "pymc" else UNKNOWN


def _named(fitters: Sequence[str]) -> str:
    """A few names, or how many there are."""
    each = list(dict.fromkeys(fitters))
    return ", ".join(each) if len(each) <= 4 else words.count(len(each), "fitter")


def _changed(before: Mapping[str, str], manifest: Mapping[str, Any]) -> str:
    now = manifest["versions"]
    return ", ".join(
        f"{name} {before.get(name, 'absent')}"
        for name in dict.fromkeys([*before, *now])
        if before.get(name) != now.get(name)
    )


def _design(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each story and fitter once, with its options."""
    design: dict[str, str] = {}
    for arm in manifest["arms"]:
        design.setdefault(f"story {arm['story']}", options(arm["story_options"]))
    for arm in manifest["arms"]:
        shape = f"{words.count(arm['chains'], 'chain')} of {words.count(arm['draws'], 'draw')}"
        rest = options(without_shape(arm["fitter_options"]))
        design.setdefault(f"fitter {arm['fitter']}", ", ".join(filter(None, (shape, rest))))
    return list(design.items())


def without_shape(given: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a fitter but its chains and draws, which are said apart."""
    return {name: value for name, value in given.items() if name not in ("chains", "draws")}


def options(given: Mapping[str, Any]) -> str:
    """Options as text, without those that are empty.

    Examples
    --------
    >>> options({"given": {}, "tau_scale": 10.0, "sigma": [15.0, 10.0]})
    'tau_scale = 10, sigma = 15, 10'
    """
    return ", ".join(
        f"{name} = {value_text(value)}"
        for name, value in given.items()
        if value not in ({}, [], "", None)
    )


def value_text(value: Any) -> str:
    """One option as text, of a long one the first few numbers."""
    if isinstance(value, dict):
        return "(" + ", ".join(f"{name} = {value_text(each)}" for name, each in value.items()) + ")"
    if isinstance(value, list | tuple):
        more = f", ... ({len(value)} in all)" if len(value) > 12 else ""
        return ", ".join(map(value_text, value[:12])) + more
    return f"{value:g}" if isinstance(value, float) else str(value)

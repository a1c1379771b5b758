"""Whether the fits of an arm should repeat to the bit, and what could keep them from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hiercal import catalogue
from hiercal.runs import identity

REPEAT = ("exact", "numpyro")
"""Fitters whose draws are the same on every processor with the same kind of vector instructions."""
SHOWN = 3
"""Files that are named."""


def other_machine(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """In what the processor that made results differs, of what a last digit may depend on."""
    return [
        f"{name} {before.get(name, 'unknown')} there, {now.get(name, 'unknown')} here"
        for name in ("platform", "instructions")
        if before.get(name) != now.get(name)
    ]


def other_code(stored: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """In what versions and code differ that the records of a run rest on."""
    lines = []
    for name in dict.fromkeys([*stored["packages"], *now["packages"]]):
        there, here = stored["packages"].get(name), now["packages"].get(name)
        if there != here:
            lines.append(f"{name} {there or 'absent'} there, {here or 'absent'} here")
    if stored["packages"].get("python") != now["packages"].get("python"):
        return lines  # the hash of code is of its syntax tree, which differs between versions
    names = dict.fromkeys([*stored["code"], *now["code"]])
    changed = [name for name in names if stored["code"].get(name) != now["code"].get(name)]
    if changed:
        more = f" and {n} more" if (n := len(changed) - SHOWN) > 0 else ""
        lines.append(f"other code in {', '.join(changed[:SHOWN])}{more}")
    return lines


def missing(stored: Mapping[str, Any]) -> list[str]:
    """Packages that a run rests on and that are not installed, as pip takes them."""
    return [
        f"{name}=={version}"
        for name, version in stored.get("packages", {}).items()
        if name != "python" and identity.version_of(name) is None
    ]


def excuse(fitter: str) -> list[str]:
    """Why fits need not repeat even with the same code on the same kind of processor.

    Parameters
    ----------
    fitter : str
        As a TOML file calls it: the name of one in the catalogue, or ``file.py:name`` of a user's
        own, of which nobody can know whether it draws from what is no seed.
    """
    if fitter in REPEAT:
        return []
    if fitter in catalogue.names("fitters"):
        return ["nutpie's draws are not held to repeat"]
    return ["it is a fitter of your own, which may not follow its seed"]

"""In what two runs differ, of what makes them the run that they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def options_of(description: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a run's description that its user chose."""
    return {key: value for key, value in description.items() if key not in ("code", "packages")}


def differing(stored: Any, given: Any, where: str = "") -> list[str]:
    """Where two nested descriptions differ, a line each."""
    if isinstance(stored, dict) and isinstance(given, dict):
        return [
            line
            for key in dict.fromkeys([*stored, *given])
            for line in differing(stored.get(key), given.get(key), f"{where}.{key}".lstrip("."))
        ]
    if isinstance(stored, list) and isinstance(given, list) and len(stored) == len(given):
        return [
            line
            for i, (a, b) in enumerate(zip(stored, given, strict=True))
            for line in differing(a, b, f"{where}[{i}]")
        ]
    return [] if stored == given else [f"{where}: {stored} there, {given} now"]

"""The manifest: what a run was, so that anyone can repeat it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import itertools
import json
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hiercal.studies._study import Study

PACKAGES = (
    "hiercal",
    "arviz",
    "arviz-stats",
    "dask",
    "distributed",
    "jax",
    "jaxlib",
    "numba",
    "numpy",
    "numpyro",
    "nutpie",
    "pymc",
    "pytensor",
    "scipy",
)
"""Packages whose versions bear on the numbers."""


LONGEST_NAME = 100
"""Bytes of a label that go into a file's name; most systems take 255 with what is added."""


def write_manifest(
    folder: Path, study: Study, *, complete: bool, unseen: Sequence[str] = ()
) -> list[str]:
    """Write ``manifest.json``; return the packages that changed since the run began.

    `unseen` says what the ranks of the study cannot show.
    """
    path = folder / "manifest.json"
    current = versions()
    earlier: list[dict[str, str]] = []
    if path.exists():
        stored = read_manifest(folder)
        earlier = stored["earlier_versions"]
        if stored["versions"] != current:
            earlier = [*earlier, stored["versions"]]
    began = earlier[0] if earlier else current
    manifest = {
        "name": study.name,
        "digest": study.digest,
        "seed": study.seed,
        "simulations": study.simulations,
        "complete": complete,
        "arms": [arm.label for arm in study.arms],
        "roles": _roles(study),
        "unseen": list(unseen),
        "study": study.describe(),
        "versions": current,
        "earlier_versions": earlier,
        "commit": commit(),
    }
    replace(path, json.dumps(manifest, indent=2) + "\n")
    return [
        f"{name} {began.get(name, 'absent')} -> {current.get(name, 'absent')}"
        for name in dict.fromkeys([*began, *current])
        if began.get(name) != current.get(name)
    ]


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a run's folder; a FileNotFoundError that says so if there is none."""
    path = folder / "manifest.json"
    if not path.exists():
        raise FileNotFoundError(
            f"{folder} holds no manifest.json, so it is not the folder of a run; "
            "give the folder that hiercal run wrote, such as results/eight_schools"
        )
    return json.loads(path.read_text())


def file_name(label: str) -> str:
    """A label as the name of a file or of a group in a store: no slash, and not too long.

    Examples
    --------
    >>> file_name("eight_schools"), file_name("A/B")
    ('eight_schools', 'A_B-998d3ed8')
    """
    plain = label.replace("/", "_").encode()[:LONGEST_NAME].decode(errors="ignore")
    return plain if plain == label else f"{plain}-{hashlib.sha256(label.encode()).hexdigest()[:8]}"


def replace(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(text)
    os.replace(part, path)


def _roles(study: Study) -> dict[str, dict[str, Any]]:
    """Each story's between-group scale and group effects, empty without, and its arms.

    ``arms`` holds the parameters that each arm reports; ``exact`` is the arm that others are
    measured by: the first that draws from the exact posterior of a model with the scale.
    """
    from hiercal.fitters.exact import Exact

    roles = {}
    of_story = itertools.batched(study.arms, len(study.fitters))
    for label, arms in zip(study.story_labels, of_story, strict=True):
        story = arms[0].story
        reported = {arm.label: list(arm.fitter.parameters(arm.fitted)) for arm in arms}
        exact = [
            arm.label
            for arm in arms
            if isinstance(arm.fitter, Exact) and arm.fitted == story
            if story.scale in reported[arm.label]
        ]
        first = story.labels(story.groups)[0] if story.groups else ""
        roles[label] = {
            "scale": story.scale,
            "groups": story.groups,
            "first_group": first,
            "n_groups": len(story.coords[story.dims[story.groups][0]]) if story.groups else 0,
            "arms": reported,
            "exact": next(iter(exact), None),
        }
    return roles


def versions() -> dict[str, str]:
    """Versions of Python, the platform and the packages that bear on the numbers."""
    found = {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
    }
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def commit() -> str | None:
    """Commit of the checkout that hiercal runs from, with ``+`` if it was changed."""
    here = Path(__file__).parent

    def git(*args: str) -> str:
        done = subprocess.run(
            ["git", "-C", here, *args], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    try:
        tracked = git("ls-files", __file__)
        return (
            git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
            if tracked
            else None
        )
    except (OSError, subprocess.CalledProcessError):
        return None

"""What checks found, kept in a file, so that a later session can be compared with it."""

from __future__ import annotations

import datetime as dt
import math
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hiercal.runs.columns import COLUMNS, FitRecord
from hiercal.runs.evidence import ArmEvidence
from hiercal.runs.manifest import replace, versions
from hiercal.runs.run import Run, story_key
from hiercal.runs.seals import Damaged, sealed, unsealed

LAYOUT = 1
RANK, _MEAN, _SD = COLUMNS.index("rank"), 0, 1


def record(run: Run, found: ArmEvidence, fits: Sequence[FitRecord], alpha: float) -> dict[str, Any]:
    """What is kept of a check of a run's only arm, as plain data.

    Parameters
    ----------
    run : Run
    found : ArmEvidence
    fits : sequence of FitRecord
        Those that the evidence is of, in order.
    alpha : float
        Level of this check.

    Returns
    -------
    dict
        The verdict and its evidence; ``rank_counts``; ``cost``: gradients, least bulk ESS and
        divergences; and ``each``, the values of each simulation that a paired comparison needs:
        ``gradients``, ``ess``, ``divergences``, ``failed``, ``ranks`` and, where there is an exact
        posterior, the differences ``exact_mean`` and ``exact_sd`` of each quantity from it.
    """
    (arm,) = run.arms
    done = [one for one in fits if one.error is None]
    each: dict[str, Any] = {
        "gradients": [one.n_steps if one.error is None else None for one in fits],
        "ess": [_number(one.ess_bulk_min) for one in fits],
        "divergences": [one.divergences for one in fits],
        "failed": [one.error is not None for one in fits],
        "ranks": {
            name: [None if one.error else int(one.values[i, RANK]) for one in fits]
            for i, name in enumerate(found.quantities)
        },
    }
    for key, column in (("exact_mean", _MEAN), ("exact_sd", _SD)):
        columns = {
            name: [
                None if one.exact_scores is None else _number(one.exact_scores[i, column])
                for one in fits
            ]
            for i, name in enumerate(found.quantities)
        }
        each[key] = {n: c for n, c in columns.items() if any(v is not None for v in c)}
    gradients, ess = sum(one.n_steps for one in done), [one.ess_bulk_min for one in done]
    return {
        "story": arm.story_label,
        "fitter": arm.fitter_label,
        "data": story_key(arm.story),
        "seed": run.seed,
        "alpha": alpha,
        "max_rank": found.max_rank,
        "verdict": found.verdict,
        "log_e": found.path[-1] if found.path else None,
        "threshold": found.threshold,
        "simulations": len(fits),
        "failed": len(fits) - len(done),
        "errors": found.errors,
        "rank_counts": dict(zip(found.quantities, found.counts.tolist(), strict=True)),
        "cost": {
            "gradients": gradients,
            "ess": _number(sum(ess)),
            "ess_per_gradient": _number(sum(ess) / gradients) if gradients else None,
            "seconds": _number(sum(one.seconds for one in done)),
            "divergent_fits": sum(one.divergences > 0 for one in done),
        },
        "each": each,
    }


def _number(value: float) -> float | None:
    return float(f"{value:.7g}") if math.isfinite(value) else None


def machine() -> str:
    """Folder of this kind of machine, such as ``Linux-x86_64-CPython-3.13``."""
    python = ".".join(platform.python_version_tuple()[:2])
    return "-".join(
        (platform.system(), platform.machine(), platform.python_implementation(), python)
    )


def save(storage: Path, name: str, records: Mapping[str, Any], settings: Mapping[str, Any]) -> Path:
    """Write records, by test, to the next ``<storage>/<machine>/0001_name.json``.

    Raises
    ------
    ValueError
        If the name is not one of a file.
    """
    if not re.fullmatch(r"[\w.+-]+", name):
        raise ValueError(f"{name!r} is no name of a file; give letters, digits, '-', '.' and '_'")
    folder = storage / machine()
    folder.mkdir(parents=True, exist_ok=True)
    number = max((int(path.name[:4]) for path in _saved(folder)), default=0) + 1
    path = folder / f"{number:04d}_{name}.json"
    content = {
        "layout": LAYOUT,
        "saved": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        **settings,
        "tests": dict(records),
    }
    replace(path, sealed(content, indent=None))
    return path


def load(storage: Path, which: str) -> tuple[Path, dict[str, Any]]:
    """A saved file: the last, that of a number, or that of a path.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is none, or it is damaged or of another layout.
    """
    path = Path(which)
    if not path.is_file():
        folder = storage / machine()
        saved = _saved(folder)
        if which != "last":
            saved = [p for p in saved if which.isdecimal() and int(p.name[:4]) == int(which)]
        if not saved:
            raise FileNotFoundError(
                f"no saved results {which!r} in {folder}; make some with --calibration-save=NAME"
            )
        path = saved[-1]
    try:
        content = unsealed(path.read_bytes(), path)
    except Damaged as error:
        raise ValueError(str(error)) from None
    if content.get("layout") != LAYOUT:
        raise ValueError(
            f"{path} has layout {content.get('layout')}, this version reads {LAYOUT}; save anew"
        )
    return path, content


def _saved(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("[0-9][0-9][0-9][0-9]_*.json"))


def version_name(folder: Path) -> str:
    """A name of the commit of a folder and the time."""
    now = dt.datetime.now(dt.UTC).strftime("%Y%m%d_%H%M%S")
    command = ["git", "-C", str(folder), "rev-parse", "--short", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return f"unversioned_{now}"
    return f"{done.stdout.strip()}_{now}"


def paired(now: Mapping[str, Any], before: Mapping[str, Any], key: str) -> np.ndarray:
    """Values of the simulations that both records have, (2, n); NaN where one is missing."""
    pairs = zip(now["each"][key], before["each"][key], strict=False)
    return np.array(list(pairs), dtype=float).reshape(-1, 2).T

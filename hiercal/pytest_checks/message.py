"""What a calibration test says: which quantity is wrong, by how much, and how to repeat it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hiercal import words
from hiercal.runs.carried import Continued
from hiercal.runs.evidence import ArmEvidence
from hiercal.sbc.pattern import Interval
from hiercal.sbc.sequential import FUNCTIONALS
from hiercal.sbc.smallest_errors import smallest_by_exact, smallest_by_ranks
from hiercal.tables._sentences import shifted, wide
from hiercal.tables.evidence import size

MOST = 3
"""Quantities that are described."""
BLOCKS = "\u00a0▁▂▃▄▅▆▇█"
ASCII = " .:-=+*#@"
"""Heights of a bar, the fifth of which is what is expected."""


def happened(found: ArmEvidence) -> float:
    """Log e-value that the verdict is of."""
    if found.path:
        return found.path[-1]
    return found.sessions[-1]["log_e"] if isinstance(found, Continued) and found.sessions else 0.0


def rows(found: ArmEvidence) -> list[dict[str, Any]]:
    """What is found of each quantity, the strongest evidence first; plain data."""
    if not found.simulations:
        return []
    ranks = found.of_ranks()
    compares = bool(found.path) and found.compares
    exact = found.of_exact() if compares else np.full((len(ranks), 4), np.nan)
    nothing = np.full((len(ranks), 4), np.nan)
    means, errors, _ = found.differences() if compares else (nothing,) * 3
    # the family's e-value is half of each test's, and of each the mean over its members
    level = found.threshold + np.log(2 if compares else 1)
    told = []
    for i, quantity in enumerate(found.quantities):
        known = bool(np.isfinite(exact[i]).any() and np.isfinite(means[i]).any())
        worst = int(np.nanargmax(exact[i])) if known else -1
        strongest = float(exact[i, worst]) if known else -np.inf
        named = ranks[i] >= level + np.log(len(ranks)) or (
            known and strongest >= level + np.log(np.isfinite(exact).sum())
        )
        row = {
            "quantity": quantity,
            "log10_e_ranks": ranks[i] / np.log(10),
            "log10_e_exact": strongest / np.log(10) if known else None,
            "differs_in": FUNCTIONALS[worst] if known else "",
            "named": bool(named),
            **size(found, i, means[i], errors[i], known=known),
            "counts": found.counts[i].tolist(),
        }
        told.append({k: v.item() if isinstance(v, np.generic) else v for k, v in row.items()})
    return sorted(told, key=lambda row: -_strongest(row))


def _strongest(row: dict[str, Any]) -> float:
    exact = row["log10_e_exact"]
    return max(row["log10_e_ranks"], -np.inf if exact is None else exact)


def by_exact(row: dict[str, Any]) -> bool:
    """Whether the exact posterior speaks against a quantity more clearly than its ranks do."""
    return _strongest(row) > row["log10_e_ranks"]


def wrong(table: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The quantities to describe: those whose own evidence is enough, or the strongest."""
    return [row for row in table if row["named"]] or table[:1]


def described(row: dict[str, Any]) -> str:
    """Which way the draws of a quantity are off, and by how much."""
    scale, spread = row["scale"], 1.96 * row["scale_se"]
    shift = Interval(row["shift"], *(row["shift"] + np.array([-1, 1]) * 1.96 * row["shift_se"]))
    by = (
        f"the {row['differs_in']} differs from the exact posterior's"
        if by_exact(row)
        else f"ranks are not uniform{', ' + row['pattern'] if row['pattern'] else ''}"
    )
    return (
        f"{by}; the draws are {shifted(shift)}, and "
        f"{wide(Interval(scale, scale - spread, scale + spread))}"
    )


def said(found: ArmEvidence, table: list[dict[str, Any]]) -> str:
    """What is wrong, in one line."""
    if found.verdict == "undecided":
        return _why_undecided(found)
    return "; ".join(f"{row['quantity']}: {described(row)}" for row in wrong(table)[:MOST])


def _why_undecided(found: ArmEvidence) -> str:
    error, n = max(found.errors.items(), key=lambda pair: pair[1], default=("", 0))
    of_all = (
        "no fit was completed"
        if found.failed == found.simulations
        else "whether there is evidence turns on the fits that failed"
    )
    return f"{found.failed} of {found.simulations} fits failed, {of_all}; {n} say {error!r}"


def failure(
    found: ArmEvidence,
    table: list[dict[str, Any]],
    *,
    alpha: float,
    most: int,
    command: str,
    figure: Path | None,
    blocks: bool,
) -> str:
    """All that a failed test says."""
    lines = [f"{found.label}: {found.verdict} after {found.simulations} simulations"]
    if isinstance(found, Continued):
        seeds = ", ".join(str(one["seed"]) for one in found.sessions)
        lines[0] += f", {len(found.path)} of them of this session; earlier seeds: {seeds or 'none'}"
    else:
        lines[0] += f" of {most} at most"
    if found.verdict == "undecided":
        lines += ["", f"  {_why_undecided(found)}"]
    else:
        named = wrong(table)
        for row in named[:MOST]:
            lines += [
                "",
                f"  {row['quantity']}: {described(row)}",
                f"    e-value {e_value(_strongest(row))}; ranks 0 to {found.max_rank} in "
                f"{sum(row['counts'])} simulations, {_KEY[blocks]}",
                f"    |{histogram(row['counts'], blocks=blocks)}|",
            ]
        if len(named) > MOST:
            lines += ["", f"  and {', '.join(row['quantity'] for row in named[MOST:])}"]
        lines += [
            "",
            f"  e-value of the test: {e_value(happened(found) / np.log(10))}. Of a right sampler "
            f"it ever passes {1 / alpha:,.0f} with probability {alpha:.2g} at most.",
        ]
    lines += [f"  figure: {figure}"] if figure else []
    return "\n".join([*lines, f"  again: {command}"])


_KEY = {True: "▄ is what is expected", False: "'=' is what is expected"}


def histogram(counts: list[int], *, blocks: bool = True) -> str:
    """Counts of ranks in 8 to 20 bins, a character each.

    Examples
    --------
    >>> histogram([4, 1, 1, 0, 1, 1, 2, 1, 1, 8] * 2, blocks=False)
    '@:: ::=::@@:: ::=::@'
    """
    ranks = len(counts)
    n_bins = next((n for n in range(min(20, ranks), 7, -1) if ranks % n == 0), min(12, ranks))
    bins = np.arange(ranks) * n_bins // ranks
    seen = np.bincount(bins, counts, n_bins)
    expected = np.bincount(bins, minlength=n_bins) * sum(counts) / ranks
    heights = np.ceil(4 * seen / np.maximum(expected, 1e-9) - 0.5)
    characters = BLOCKS if blocks else ASCII
    least = (seen > 0).astype(int)
    return "".join(characters[int(h)] for h in np.clip(heights, least, 8))


def e_value(log10: float) -> str:
    """An e-value with two digits, or its power of ten.

    Examples
    --------
    >>> e_value(-0.3), e_value(7.31)
    ('0.5', '1e7')
    """
    return f"{10**log10:.2g}" if log10 < 4 else f"1e{log10:.0f}"


def smallest(found: ArmEvidence, alpha: float) -> str:
    """The smallest errors of a single quantity that would have been found."""
    completed, quantities = found.simulations - found.failed, len(found.quantities)
    compares = bool(found.path) and found.compares
    tests = 2 if compares else 1
    by_ranks = smallest_by_ranks(completed, found.max_rank, alpha / tests / quantities)
    text = f"by ranks {words.detectable(*by_ranks)}"
    if not compares:
        return text
    known = np.isfinite(found.of_exact())
    ess = found.differences()[2]
    middle = float(np.nanmedian(ess[:, :2][known[:, :2]]))
    by_exact = smallest_by_exact(completed, float(f"{middle:.2g}"), alpha / 2 / known.sum())
    n = int(known.any(axis=1).sum())
    return (
        f"{text}; against the exact posterior, in {n} of {quantities} quantities, "
        f"{by_exact.shift:.3f} posterior sd, or the sd by the factor {by_exact.scale:.3f}"
    )

"""Failures, divergences, effective draws and cost of the arms of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hiercal import words

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Sampling:
    """Failures, divergences, effective draws and cost of an arm, as text, by heading."""

    name: str
    cells: Mapping[str, str]


def sampling(
    arms: Sequence[Mapping[str, Any]],
    fits: pd.DataFrame,
    mixed: pd.DataFrame,
    verdicts: pd.DataFrame,
    max_rank: int,
) -> list[Sampling]:
    """A row for each arm, from the fits and the tables of mixing and verdicts."""
    rows = []
    low_ess = verdicts.groupby("arm")["low_ess"].max()
    for arm in (each["arm"] for each in arms):
        own = fits[(fits["arm"] == arm).to_numpy()]
        done = own[own["error"].isna().to_numpy()]
        mix = mixed.loc[arm].to_dict() if arm in mixed.index else {}
        shares = {
            heading: words.percent(mix.get(name, np.nan))
            for heading, name in (
                ("unmixed", "unmixed"),
                ("with divergences", "diverged"),
                ("divergent draws", "divergent_draws"),
                ("low E-BFMI", "low_e_bfmi"),
                ("deepest tree", "deepest_tree"),
            )
        }
        seconds, ess = (done[name].to_numpy(dtype=float) for name in ("seconds", "ess_bulk_min"))
        rate = ess[seconds > 0] / seconds[seconds > 0]
        rows.append(
            Sampling(
                arm,
                {
                    "fits": str(len(done)),
                    "failed": str(len(own) - len(done)),
                    **shares,
                    f"ESS below {max_rank}": words.percent(low_ess.get(arm, np.nan)),
                    "smallest ESS": _middle(ess),
                    "ESS a second": _middle(rate),
                    "seconds a fit": _middle(seconds),
                    "seconds in all": f"{np.nansum(own['seconds']):.3g}",
                },
            )
        )
    return rows


def _middle(values: np.ndarray) -> str:
    """Median, and the range of the middle 90 % of the fits."""
    known = values[np.isfinite(values)]
    if not len(known):
        return "-"
    low, middle, high = np.quantile(known, [0.05, 0.5, 0.95])
    return f"{_digits(middle)} ({_digits(low)} to {_digits(high)})"


def _digits(value: float) -> str:
    """Two digits, and no power of ten above 1."""
    return f"{float(f'{value:.2g}'):,.0f}" if abs(value) >= 100 else f"{value:.2g}"

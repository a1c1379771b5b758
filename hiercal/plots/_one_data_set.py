"""Estimates of all groups of one data set, by each arm."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hiercal.plots._records import Records, select


@dataclass(frozen=True)
class Estimates:
    """What each arm says of each group.

    Attributes
    ----------
    groups, arms : tuple of str
    all_arms : tuple of str
        Those of the records, by which an arm has its look.
    values : dict of (arm, group) to (mean, lower, upper)
        Of the fits that came back; NaN where the records have no interval.
    truths : dict of str to float
        By group, where there are any.
    simulation : int
    story : str
    """

    groups: tuple[str, ...]
    arms: tuple[str, ...]
    all_arms: tuple[str, ...]
    values: dict[tuple[str, str], tuple[float, float, float]]
    truths: dict[str, float]
    simulation: int
    story: str

    @property
    def failed(self) -> list[str]:
        """Arms that have no estimate of any group."""
        return [arm for arm in self.arms if not any((arm, g) in self.values for g in self.groups)]


def of_one_data_set(
    records: Records, groups: Sequence[str], arms: Sequence[str] | None, simulation: int
) -> Estimates:
    """Check records and take the estimates of one simulation from them.

    Raises
    ------
    ValueError
        A column, group, arm or simulation is not in the records, or every fit of it failed.
    """
    pieces = [records] if isinstance(records, pd.DataFrame) else list(records)
    optional = [
        name for name in ("hdi_lower", "hdi_upper") if all(name in piece for piece in pieces)
    ]
    there: dict[int, None] = {}
    own = []
    for piece in pieces:
        if "simulation" not in piece:
            raise ValueError(f"records lack the column simulation; they have {list(piece.columns)}")
        there |= dict.fromkeys(map(int, piece["simulation"].unique()))
        own.append(piece[(piece["simulation"] == simulation).to_numpy()])
    if simulation not in there:
        known = sorted(there)
        raise ValueError(
            f"there is no simulation {simulation}; there are {known[0]} to {known[-1]}"
            if known
            else "got no records"
        )
    selection = select([each for each in own if len(each)], groups, arms, ("mean", *optional))
    values: dict[tuple[str, str], tuple[float, float, float]] = {}
    for key, panel in selection.panels.items():
        for row in panel.fits.to_dict("records"):
            lower, upper = (float(row.get(name, np.nan)) for name in ("hdi_lower", "hdi_upper"))
            values[key] = float(row["mean"]), lower, upper
    if not values:
        raise ValueError(f"no fit of simulation {simulation} came back; choose another")
    truths: dict[str, float] = {}
    for piece in own:
        if "truth" in piece:
            known = piece.dropna(subset="truth")
            truths |= dict(
                zip(known["quantity"].astype(str), known["truth"].astype(float), strict=True)
            )
    return Estimates(
        selection.quantities,
        selection.arms,
        selection.all_arms,
        values,
        {group: truths[group] for group in selection.quantities if group in truths},
        simulation,
        selection.story,
    )


def note_of(estimates: Estimates, said: str) -> str:
    """Which data set a figure is of, what it shows, and which arms failed on it."""
    of = f" of {estimates.story.replace('$', chr(92) + '$')}" if estimates.story else ""
    failed = (
        f" Failed on it: {', '.join(estimates.failed)}.".replace("$", r"\$")
        if estimates.failed
        else ""
    )
    return f"Simulation {estimates.simulation}{of}, N = 1 data set. {said}{failed}"

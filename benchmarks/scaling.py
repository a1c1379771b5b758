"""Cost of a leapfrog step, and of an exact draw, against groups and observations.

uv run benchmarks/scaling.py

Trajectories are cut at 7 leapfrog steps, which a high target makes nearly all of them take, so a
fit's cost is its number of steps times a cost that should grow linearly. Shown are processor time
per step of a whole fit, its 50 tuning draws taken to have as many steps each as the 450 kept; its
ratio per group (or per observation of a group) to that at 128; and the slope of a line through its
logarithm against that of the size from 128 up, with its standard error: 1 is linear, below 1
overhead that all groups share still tells. Fits in which over a tenth of the draws took fewer steps
are left out: `kept` is the share of the others. The exact posterior is set up anew for each data
set, and its cost is that of 1,000 draws over 1,000.
Sizes take turns, so that drift cancels; one core, about 4 minutes.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from scipy.stats import linregress

from hiercal import fitter, story
from hiercal.plots import save
from hiercal.plots._layout import assemble, wrapped_grid
from hiercal.plots._style import BAND, arm_styles, style
from hiercal.simulators import Story

SIZES, REFERENCE = (8, 32, 128, 512, 2048), 128
DRAWS, TUNE, EXACT = 450, 50, 1000
NUTS = {"draws": DRAWS, "tune": TUNE, "target_accept": 0.99, "max_treedepth": 3}
ROUNDS = {"numpyro": 8, "pymc": 6, "exact": 6}
BUDGET = 20
"""Seconds after which two rounds are enough."""
SERIES: dict[str, Callable[[int], Story]] = {
    "eight_schools: groups": lambda n: story("eight_schools").resized(n),
    "hospitals: groups": lambda n: story("hospitals").resized(n),
    "instructors: groups of 16": lambda n: story("instructors", sizes=(16,) * n),
    "instructors: size of 8 groups": lambda n: story("instructors", sizes=(n,) * 8),
}
OUT = Path("results/benchmarks")


def times(series: str, name: str) -> list[dict[str, object]]:
    """Microseconds per step or exact draw, a row per size and round."""
    stories = {size: SERIES[series](size) for size in SIZES}
    exact = name == "exact"
    options = {"draws": EXACT} if exact else NUTS
    one = fitter(name, model="noncentred", **options)
    refits = {size: one.prepare(each) for size, each in stories.items()}
    rows = []
    begun = time.process_time()
    for turn in range(0 if exact else -1, ROUNDS[name]):  # the one before 0 compiles
        if turn >= 2 and time.process_time() - begun > BUDGET:
            break
        for size, each in stories.items():
            data = each.simulate(np.random.default_rng([size, turn + 1])).data
            start = time.process_time()
            fit = refits[size](data, turn + 1)
            spent = time.process_time() - start
            steps = EXACT if exact else fit.stats["n_steps"].sum() * (DRAWS + TUNE) / DRAWS
            if turn >= 0:
                full = 1.0 if exact else (fit.stats["n_steps"] == 7).mean()
                rows.append({"series": series, "fitter": name, "size": size, "round": turn,
                             "microseconds": 1e6 * spent / steps, "whole": full})  # fmt: skip
    return rows


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """A row per series, fitter and size."""
    parts = []
    for (series, name), every in rows.groupby(["series", "fitter"], sort=False):
        some = every[every["whole"] > 0.9]
        cost = some.groupby("size")["microseconds"].median()
        per_group = cost / cost.index
        upper = some[some["size"] >= REFERENCE]
        line = linregress(np.log(upper["size"]), np.log(upper["microseconds"]))
        part = {"series": series, "fitter": name, "size": cost.index, "microseconds": cost,
                "per_group_to_128": per_group / per_group[REFERENCE], "slope": line.slope,
                "slope_se": line.stderr, "fits": every.groupby("size").size(),
                "kept": every.groupby("size")["whole"].agg(lambda w: (w > 0.9).mean())}  # fmt: skip
        parts.append(pd.DataFrame(part).round(4))
    return pd.concat(parts, ignore_index=True)


def draw(table: pd.DataFrame) -> None:
    names = list(dict.fromkeys(table["fitter"]))
    styles = arm_styles(names)
    with style():
        figure, panels = wrapped_grid(list(SERIES), 2)
        for series, axes in panels.items():
            axes.set(xscale="log", yscale="log")
            for name in names:
                some = table[(table["series"] == series) & (table["fitter"] == name)]
                look = styles[name]
                axes.plot(some["size"], some["microseconds"], color=look.colour,
                          marker=look.marker, linestyle=look.linestyle)  # fmt: skip
                at = some[some["size"] == REFERENCE]["microseconds"].to_numpy()
                upper = np.array([s for s in SIZES if s >= REFERENCE])
                axes.plot(upper, at * upper / REFERENCE, color=BAND, linewidth=0.7, zorder=0)
            axes.set_xticks(SIZES, [f"{size:,}" for size in SIZES])
            axes.minorticks_off()
        handles = [
            Line2D([], [], color=styles[n].colour, marker=styles[n].marker,
                   linestyle=styles[n].linestyle, label=n) for n in names
        ]  # fmt: skip
        handles.append(Line2D([], [], color=BAND, linewidth=0.7, label="in proportion to size"))
        note = (
            "Medians of repeated fits of noncentred models, processor time on one core. NumPyro "
            f"and PyMC (nutpie): a fit of {TUNE} + {DRAWS} draws over its leapfrog steps. Exact: "
            f"{EXACT:,} independent draws, with setting up, over {EXACT:,}."
        )
        assemble(figure, handles, note, "Number of groups, or of observations in each",
                 "Time per leapfrog step or exact draw (µs)")  # fmt: skip
    save(figure, OUT, "scaling")


def main() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rows = []
    for series in SERIES:
        for name in ROUNDS:
            rows += times(series, name)
    table = summary(pd.DataFrame(rows))
    OUT.mkdir(parents=True, exist_ok=True)
    table.to_csv(OUT / "scaling.csv", index=False)
    print(table.to_string(index=False))
    draw(table)


if __name__ == "__main__":
    main()

"""Claims on the cost of a leapfrog step and the length of trajectories."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hiercal.studies._claims import Claim, Finding, above, all_of, below, by_regime
from hiercal.studies.cost.design import LEAST, MOST, REFERENCE, by_series
from hiercal.tables.estimates import pick
from hiercal.words import LIBRARIES

if TYPE_CHECKING:
    import pandas as pd


def _linear(tables: Mapping[str, pd.DataFrame]) -> Finding:
    counted = tables["operations"].dropna(subset="power")
    parts = [
        below(
            row["power"],
            0.0,
            1.05,
            f"power of size with which operations of a gradient grow, {row['series']}, "
            f"{row['model']}, {LIBRARIES[row['library']]}",
        )
        for row in counted.sort_values("power", ascending=False).to_dict("records")
    ]
    sampled = tables["scaling"][(tables["scaling"]["fitter"] != "exact").to_numpy()]
    slopes = sorted(rows["slope"].iloc[0] for rows in by_series(sampled))
    return all_of(
        parts,
        f"The time of a step, which is not judged, grows with the {slopes[0]:.2f}th to "
        f"{slopes[-1]:.2f}th power on the machine of this run.",
    )


def _typical(tables: Mapping[str, pd.DataFrame]) -> Finding:
    trajectories = tables["trajectories"]
    parts = {}
    for row in pick(trajectories, textbook=True).to_dict("records"):
        story, model = row["story"].replace("_", " "), row["model"].replace("non", "non-")
        name = f"{story} {model} {LIBRARIES[row['library']]}"
        measure = f"share of fits with {LEAST} to {MOST} leapfrog steps a draw, {name}"
        parts[name] = above(row["inside"], row["inside_se"], 0.5, measure)
    inside = trajectories["steps"].between(LEAST, MOST)
    longest = trajectories.iloc[int(trajectories["steps"].to_numpy().argmax())]
    return by_regime(
        parts,
        "trajectories.csv and figures/trajectories.png",
        f"Of all stories, codings and libraries here the mean lies in that range in {inside.sum()} "
        f"of {len(inside)}; longest: {longest['steps']:.0f} ({longest['steps_se']:.0f}) steps, "
        f"{longest['story'].replace('_', ' ')} {longest['model'].replace('non', 'non-')}, "
        f"{LIBRARIES[longest['library']]}.",
        most=len(parts),
    )


CLAIMS = (
    Claim(
        "C28",
        "L244, L427",
        "A gradient, and with it a leapfrog step, costs O(J + N) for J groups and N observations.",
        "With either library, in every story of the textbook and in the instructors', the "
        "operations of a log density and its gradient grow from size to size, from "
        f"{REFERENCE} up, no faster than the 1.05th power of the number of groups, or of "
        "observations in each of eight groups. Cost in proportion to J + N, with or without a "
        "constant, has a power of 1 at most; n log n has 1.14 or more up to 2,048.",
        _linear,
        "after an earlier run had timed steps; before operations were counted",
    ),
    Claim(
        "C29",
        "L244",
        "Trajectories typically take 5 to 20 leapfrog steps.",
        "With either library, for each of the textbook's models in the coding that it uses, at its "
        "target of 0.9, more than half of the fits take 5 to 20 steps a draw, on average over "
        "their draws; data sets are drawn from the priors. Typically is taken as in more than "
        "half.",
        _typical,
        "after an earlier run had shown means of 7 to 34 steps, and of about 400 for the survey",
    ),
)

"""Claims on the funnel: divergences, effective sample sizes, and the sign of the bias."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from hiercal.studies._claims import Claim, Finding, above, below, every, near
from hiercal.studies._summaries import ends, one, pick

if TYPE_CHECKING:
    import pandas as pd

NAMES = {"numpyro": "NumPyro", "pymc": "PyMC"}


def _diverges(tables: Mapping[str, pd.DataFrame]) -> Finding:
    sampling = tables["sampling"]
    parts = []
    for library, name in _libraries(sampling):
        for model, rule, bound in (("centred", above, 0.5), ("noncentred", below, 0.1)):
            row = one(
                sampling,
                story="eight_schools", library=library, model=model, target_accept=0.9,
            )  # fmt: skip
            parts.append(
                rule(
                    row["divergent_fits"],
                    row["divergent_fits_se"],
                    bound,
                    f"share of fits with divergences, {name} {model}",
                )
            )
    return every(parts)


def _ess_ratio(tables: Mapping[str, pd.DataFrame]) -> Finding:
    ess = tables["ess"]
    parts = []
    for library, name in _libraries(ess):
        row = one(ess, story="eight_schools", library=library, target_accept=0.9)
        measure = f"ratio of bulk ESS of tau, {name}"
        parts.append(near(row["ratio"], row["ratio_se"], 6.0, 2.0, measure))
    return every(parts)


def _neck(tables: Mapping[str, pd.DataFrame]) -> Finding:
    sampling = tables["sampling"]
    parts = []
    for library, name in _libraries(sampling):
        row = one(
            sampling,
            story="eight_schools", library=library, model="centred", target_accept=0.8,
        )  # fmt: skip
        parts.append(
            below(
                row["scale_at_divergences"],
                row["scale_at_divergences_se"],
                0.25,
                f"share of draws of tau below the divergent ones, {name}",
            )
        )
    return every(parts)


def _target(tables: Mapping[str, pd.DataFrame]) -> Finding:
    sampling = pick(tables["sampling"], story="eight_schools", model="centred")
    bias = pick(tables["bias"], story="eight_schools", model="centred", fits="all")
    low, high = ends(sampling["target_accept"])
    parts, remarks = [], []
    for library, name in _libraries(sampling):
        first, last = (one(sampling, library=library, target_accept=t) for t in (low, high))
        change = last["divergences"] - first["divergences"]
        se = float(np.hypot(first["divergences_se"], last["divergences_se"]))
        measure = f"change in divergent draws per thousand from {low:g} to {high:g}, {name}"
        parts.append(below(change, se, 0.0, measure))
        left = one(bias, library=library, target_accept=high, truth_from=0.0, truth_to=np.inf)
        measure = f"bias of tau at {high:g} in points, {name}"
        parts.append(above(left["bias"], left["bias_se"], 0.02, measure))
        remarks.append(f"{left['neck_error']:+.3f} ({left['neck_error_se']:.3f}) {name}")
    return every(parts, f"Error of P(tau < 1) at {high:g}: {', '.join(remarks)}.")


def _sign(tables: Mapping[str, pd.DataFrame]) -> Finding:
    bias = tables["bias"]
    parts = []
    for library, name in _libraries(bias):
        row = one(
            bias,
            story="eight_schools", library=library, model="centred", target_accept=0.8,
            fits="all", truth_from=0.0, truth_to=np.inf,
        )  # fmt: skip
        measure = f"posterior mean of tau minus the exact one in points, {name}"
        parts.append(below(row["bias"], row["bias_se"], 0.0, measure))
    found = every(parts)
    if found.verdict != "fails":
        return found
    return every(parts, "It is too large: the neck, which is not visited, holds small tau.")


def _slopes(tables: Mapping[str, pd.DataFrame]) -> Finding:
    sampling = tables["sampling"]
    own = pick(sampling, story="slopes")
    *_, lower, highest = sorted(own["target_accept"].unique())
    parts = []
    for library, name in _libraries(sampling):
        for target, rule in ((lower, above), (highest, below)):
            row = one(own, library=library, target_accept=target)
            parts.append(
                rule(
                    row["divergent_fits"],
                    row["divergent_fits_se"],
                    0.05,
                    f"share of fits with divergences at {target:g}, {name}",
                )
            )
    return every(parts)


def _libraries(table: pd.DataFrame) -> list[tuple[str, str]]:
    """The libraries that were run, and their names."""
    return [(key, name) for key, name in NAMES.items() if (table["library"] == key).any()]


CLAIMS = (
    Claim(
        "C07",
        "L205 to L209",
        "The centred model diverges, the non-centred one does not (target 0.9).",
        "In every library run more than half of the centred fits have divergences and fewer than "
        "one in ten of the non-centred.",
        _diverges,
    ),
    Claim(
        "C08",
        "L209",
        "The ESS of tau is about six times larger in the non-centred model.",
        "In every library run the geometric mean ratio of bulk ESS, data set by data set at "
        "target 0.9, lies between 4 and 8.",
        _ess_ratio,
    ),
    Claim(
        "C09",
        "L125, L187",
        "Divergences sit in the neck of the funnel.",
        "In every library run divergent draws of the centred model (target 0.8) have on average "
        "fewer than a quarter of all draws of tau below them; anywhere would be a half.",
        _neck,
    ),
    Claim(
        "C10",
        "L128",
        "A higher target_accept reduces divergences but does not remove the bias.",
        "In every library run, from the lowest to the highest target the divergences of the "
        "centred model fall, and the bias of tau at the highest stays above 0.02 points.",
        _target,
    ),
    Claim(
        "C11",
        "L131",
        "Ignoring divergences typically underestimates tau.",
        "In every library run the centred posterior mean of tau lies below the exact one, on "
        "average over data sets (target 0.8).",
        _sign,
    ),
    Claim(
        "C32",
        "A",
        "The centred varying-slopes model needs target_accept 0.995.",
        "In every library run more than one in twenty fits of the centred slopes has divergences "
        "at the next lower target, and fewer at the highest.",
        _slopes,
    ),
)

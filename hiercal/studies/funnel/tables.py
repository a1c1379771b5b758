"""Tables of the funnel study, arm by arm: biases, sampling, and what a higher target changes."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from hiercal.tables.estimates import (
    fits_of,
    log_ratio_se,
    mean_se,
    named,
    paired,
    records_of,
    share_se,
)

if TYPE_CHECKING:
    import pandas as pd

    from hiercal.runs.result import Result

BINS = ((0.0, np.inf), (0.0, 3.0), (3.0, 8.0), (8.0, np.inf))
"""Ranges of the true tau, in points on the test."""
SMALL = 1.0
"""tau below this is in the funnel's neck, in points on the test."""


def sampled(result: Result) -> pd.DataFrame:
    """The arms that are sampled, with the target acceptance statistic of each."""
    arms = result.arms[(result.arms["fitter_name"] != "exact").to_numpy()]
    targets = [options["target_accept"] for options in arms["fitter_options"]]
    return arms.assign(target_accept=targets)


def bias(result: Result, arm: str, exact: str, scale: str) -> list[dict[str, float | str]]:
    """Sampler bias, apart from shrinkage, by the true scale; failed fits are counted."""
    pairs = paired(result, arm, exact, scale)
    pairs["b"] = pairs["mean"] - pairs["other_mean"]
    pairs["z"] = pairs["b"] / np.hypot(pairs["mcse_mean"], pairs["other_mcse_mean"])
    pairs["shrinkage"] = pairs["other_mean"] - pairs["truth"]
    pairs["neck"] = np.nan
    if scale == "tau":
        neck = paired(result, arm, exact, f"{scale} < {SMALL:g}")
        pairs["neck"] = neck["mean"] - neck["other_mean"]
    rows: list[dict[str, float | str]] = []
    for (low, high), fits in itertools.product(BINS, ("all", "no divergence")):
        here = pairs[((pairs["truth"] >= low) & (pairs["truth"] < high)).to_numpy()]
        if fits == "no divergence":
            here = here[(here["divergences"] == 0).to_numpy()]
        done = here[(here["status"] == "ok").to_numpy()]
        rows.append(
            {
                "truth_from": low,
                "truth_to": high,
                "fits": fits,
                "n": len(done),
                "n_failed": len(here) - len(done),
                **named(
                    bias=mean_se(done["b"]),
                    z=mean_se(done["z"]),
                    shrinkage=mean_se(done["shrinkage"]),
                    neck_error=mean_se(done["neck"]),
                ),
                "z_sd": done["z"].std(),
            }
        )
    return rows


def sampling(result: Result, arm: str, scale: str, n_draws: int) -> dict[str, float]:
    fits = fits_of(result, arm)
    done = fits[fits["error"].isna()]
    return {
        "n": len(done),
        "n_failed": len(fits) - len(done),
        **named(
            divergent_fits=share_se(done["divergences"] > 0),
            divergences=mean_se(1000 * done["divergences"] / n_draws),
            scale_at_divergences=mean_se(done["scale_at_divergences"].dropna()),
            ess_per_thousand=log_ratio_se(
                np.log(1000 * records_of(result, arm, scale)["ess_bulk"].dropna() / n_draws)
            ),
            steps_per_draw=mean_se(done["n_steps"] / n_draws),
        ),
    }


def sign(result: Result, arm: str, exact: str, scale: str) -> dict[str, float]:
    """Fits with divergences: the share whose posterior mean is too small, and their mean error."""
    pairs = paired(result, arm, exact, scale)
    kept = pairs[((pairs["status"] == "ok") & (pairs["divergences"] > 0)).to_numpy()]
    error = kept["mean"] - kept["other_mean"]
    return {"n": len(kept)} | named(below=share_se(error < 0), bias=mean_se(error))


def targets(result: Result, story: str) -> list[dict[str, float | str]]:
    """The centred model at each lower target against the highest, on the same data.

    ``fewer`` is the share of data sets with fewer divergences at the highest target, of the
    ``n_differ`` in which their number differs; ``less_bias`` the mean of the lower target's error
    of the scale's posterior mean, in exact posterior sds, less that of the highest, turned so that
    the lower target's bias is positive; ``steps`` and ``gradients`` how many times the leapfrog
    steps a draw and an effective draw of the scale cost.
    """
    centred = sampled(result)
    centred = centred[(centred["model"] == "centred").to_numpy()]
    rows = []
    for library, arms in centred.groupby("fitter_name", sort=False):
        fits = {
            arm["target_accept"]: fits_of(result, arm["arm"])[["n_steps"]].join(
                paired(result, arm["arm"], arm["exact"], arm["scale"])
            )
            for arm in arms.to_dict("records")
        }
        highest = max(fits)
        high = fits.pop(highest)
        for target, low in fits.items():
            change = (high["divergences"] - low["divergences"])[
                ((high["status"] == "ok") & (low["status"] == "ok")).to_numpy()
            ]
            differ = change[(change != 0).to_numpy()]
            low_error, high_error = (
                (own["mean"] - own["other_mean"]) / own["other_sd"] for own in (low, high)
            )
            less = np.sign(low_error.mean()) * (low_error - high_error)
            steps = np.log(high["n_steps"] / low["n_steps"]).dropna()
            ess = np.log(high["ess_bulk"] / low["ess_bulk"]).dropna()
            key = {"story": story, "library": library, "target_accept": target, "highest": highest}
            estimates = named(
                fewer=share_se(differ < 0),
                bias=mean_se(low_error.dropna()),
                less_bias=mean_se(less.dropna()),
                steps=log_ratio_se(steps),
                gradients=log_ratio_se((steps - ess).dropna()),
            )
            rows.append(key | {"n": len(change), "n_differ": len(differ)} | estimates)
    return rows


def ess_ratios(result: Result, story: str) -> list[dict[str, float | str]]:
    """Bulk ESS of the scale, non-centred over centred, on the same data."""
    arms = sampled(result).set_index(["fitter_name", "model", "target_accept"])["arm"].to_dict()
    scale = result.arms["scale"].iloc[0]
    rows = []
    for (library, model, target), label in arms.items():
        other = arms.get((library, "noncentred", target))
        if model != "centred" or other is None:
            continue
        pairs = paired(result, other, label, scale)
        log_ratio = np.log(pairs["ess_bulk"] / pairs["other_ess_bulk"]).dropna()
        key = {"story": story, "library": library, "target_accept": target, "n": len(log_ratio)}
        rows.append(key | named(ratio=log_ratio_se(log_ratio)))
    return rows

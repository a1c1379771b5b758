"""Rubin's data again and again: what other seeds of a sampler make of the same eight schools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hiercal.sbc.uniformity import uniformity_test
from hiercal.simulators import Simulation
from hiercal.simulators.eight_schools import EightSchools
from hiercal.studies.funnel.tables import SMALL
from hiercal.tables.estimates import fits_of, mean_se, named, records_of, share_se

if TYPE_CHECKING:
    import pandas as pd

    from hiercal.runs.result import Result

CHAPTER: dict[str, Any] = {"chains": 4, "draws": 2000, "tune": 1000, "target_accept": 0.9}
"""Settings of the textbook's fits of Eight Schools, L116 and L142."""
QUARTILES = {"min": 0.0, "q25": 0.25, "median": 0.5, "q75": 0.75, "max": 1.0}
BOOTSTRAPS = 2000


@dataclass(frozen=True, kw_only=True)
class RubinsData(EightSchools):
    """Eight Schools whose every data set is Rubin's, with a truth from its exact posterior.

    A simulation is then one more seed of the sampler on the same data, and the ranks of its truths
    are uniform if and only if the fits draw from the posterior of these very data.
    """

    name: ClassVar = "rubins_data"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.observed is None or self.given:
            raise ValueError(
                f"{self.name}: sigma or given is not the default; these are Rubin's data with his "
                "standard errors, and their truths are drawn from the posterior"
            )

    def simulate(self, rng: np.random.Generator) -> Simulation:
        data = self.observed
        assert data is not None
        truth = self.exact(data).draws(1, rng)
        return Simulation({name: np.asarray(value[0]) for name, value in truth.items()}, data)


def seeds_table(result: Result) -> pd.DataFrame:
    """tau of Rubin's data, a row per fit.

    Returns
    -------
    DataFrame
        ``library, model, seed, divergences``, and of tau: its posterior ``mean``, the 89 % central
        interval ``lower, upper``, ``ess_bulk``, ``r_hat``, the ``rank`` of a draw from the exact
        posterior, and ``neck``, the posterior probability below 1. NaN of a failed fit.
    """
    import pandas as pd

    columns = ["mean", "lower", "upper", "ess_bulk", "r_hat", "rank"]
    parts = []
    for arm in result.arms.to_dict("records"):
        tau = records_of(result, arm["arm"], "tau")[columns]
        neck = records_of(result, arm["arm"], f"tau < {SMALL:g}")["mean"].rename("neck")
        fits = fits_of(result, arm["arm"])[["divergences"]].join([tau, neck])
        fits = fits.reset_index(names="seed")
        fits["rank"] = fits["rank"].astype(float)
        fits.insert(0, "library", arm["fitter_name"])
        fits.insert(1, "model", arm["model"])
        parts.append(fits)
    return pd.concat(parts, ignore_index=True)


def summary(seeds: pd.DataFrame) -> pd.DataFrame:
    """What a seed makes of Rubin's data: a row per library and model, errors over seeds.

    Returns
    -------
    DataFrame
        ``n`` fits and ``n_failed``; the least, quartiles and largest over seeds of ``divergences``,
        of tau's posterior ``mean``, of the ends of its 89 % interval, ``lower`` and ``upper``, and
        of its ``ess_bulk``; ``divergent_fits``, the share with a divergence; ``tau``, the mean over
        seeds of the posterior mean; ``below``, the share of the fits with divergences whose
        posterior mean lies below the exact one; ``neck``, the mean of P(tau < 1); the ``exact``
        values of mean, interval and P(tau < 1); and ``rank_p``, the p-value of uniform ranks of
        draws from the exact posterior.
    """
    import pandas as pd

    story = RubinsData()
    assert story.observed is not None
    exact = story.exact(story.observed)
    lower, upper = exact.quantile("tau", [0.055, 0.945])
    known = {
        "exact": exact.mean("tau"),
        "exact_lower": lower,
        "exact_upper": upper,
        "exact_neck": float(exact.cdf("tau", 1.0)),
    }
    rows = []
    for _, own in seeds.groupby(["library", "model"], sort=False):
        key = own[["library", "model"]].iloc[0].to_dict()
        done = own.dropna(subset="mean")
        divergent = done[(done["divergences"] > 0).to_numpy()]
        spread = {
            f"{column}_{name}": float(done[column].quantile(at))
            for column in ("divergences", "mean", "lower", "upper", "ess_bulk")
            for name, at in QUARTILES.items()
        }
        shares = named(
            divergent_fits=share_se(done["divergences"] > 0),
            tau=mean_se(done["mean"]),
            below=share_se(divergent["mean"] < known["exact"]),
            neck=mean_se(done["neck"]),
        )
        counted = {"n": len(done), "n_failed": len(own) - len(done), "n_divergent": len(divergent)}
        p = uniformity_test(done["rank"].to_numpy(int), 99).p if len(done) else np.nan
        rows.append(key | counted | shares | known | {"rank_p": p} | spread)
    return pd.DataFrame(rows)


def ess_ratios(seeds: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Bulk ESS of tau, non-centred over centred, a seed of one with a seed of the other.

    Returns
    -------
    DataFrame
        A row per library: ``n`` pairs, the least, quartiles and largest ratio, the standard error
        of the median over seeds (bootstrap), and ``near``, the share of ratios from 4 to 8.
    """
    import pandas as pd

    rows = []
    for library, own in seeds.groupby("library", sort=False):
        ess = own.pivot(index="seed", columns="model", values="ess_bulk")
        ratio = (ess["noncentred"] / ess["centred"]).dropna().to_numpy()
        again = np.median(rng.choice(ratio, (BOOTSTRAPS, ratio.size)), axis=1)
        spread = {f"ratio_{name}": float(np.quantile(ratio, at)) for name, at in QUARTILES.items()}
        spread["ratio_median_se"] = float(again.std(ddof=1))
        near = named(near=share_se((ratio >= 4) & (ratio <= 8)))
        rows.append({"library": library, "n": ratio.size} | spread | near)
    return pd.DataFrame(rows)

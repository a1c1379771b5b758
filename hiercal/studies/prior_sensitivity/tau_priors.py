"""Priors of tau, and what exact fits under one make of data that come from another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hiercal.exact.normal_normal_sets import NormalNormalSets
from hiercal.simulators.eight_schools import EightSchools
from hiercal.tables.estimates import mean_se, named, records_of, share_se

if TYPE_CHECKING:
    import pandas as pd

    from hiercal.runs.result import Result


@dataclass(frozen=True)
class Prior:
    """A prior of tau.

    Attributes
    ----------
    family : {"half_normal", "half_cauchy"}
    scale : float
        In points on the test.
    """

    family: Literal["half_normal", "half_cauchy"]
    scale: float

    def __str__(self) -> str:
        return f"{self.family.title().replace('_', '')}({self.scale:g})"

    @property
    def short(self) -> str:
        """Its name on an axis."""
        return f"{'HC' if self.family == 'half_cauchy' else 'HN'} {self.scale:g}"

    @property
    def upper(self) -> float:
        """Its 94.5 % quantile, by which one prior is more diffuse than another."""
        from scipy.stats import halfcauchy, halfnorm

        law = halfcauchy if self.family == "half_cauchy" else halfnorm
        return float(law.ppf(0.945, scale=self.scale))


def doubled(prior: Prior, sigma: tuple[float, ...], data: np.ndarray) -> np.ndarray:
    """Log ratio of the exact posterior means of tau under twice the prior's scale and under it.

    Parameters
    ----------
    prior : Prior
    sigma : tuple of float
        Standard errors of the schools' estimates, in points.
    data : ndarray, shape (n_data_sets, n_groups)

    Returns
    -------
    ndarray, shape (n_data_sets,)
    """
    once, twice = (
        EightSchools(sigma=sigma, tau_prior=prior.family, tau_scale=times * prior.scale)
        for times in (1, 2)
    )
    return np.array(
        [np.log(twice.exact({"y": y}).mean("tau") / once.exact({"y": y}).mean("tau")) for y in data]
    )


def contraction(
    story: EightSchools, times: float, simulations: int, rng: np.random.Generator
) -> tuple[float, float]:
    """1 - E var(tau | y) / var(tau) under a half-normal prior, and its standard error.

    The share of the prior variance of tau that the data remove: exact posteriors, averaged over
    data sets from the story with standard errors `times` as large.
    """
    sigma = times * np.array(story.sigma)
    shape = simulations, len(sigma)
    tau = abs(rng.normal(0, story.tau_scale, (simulations, 1)))
    y = rng.normal(0, story.mu_scale, (simulations, 1)) + tau * rng.standard_normal(shape)
    y += sigma * rng.standard_normal(shape)
    kept, se = mean_se(
        NormalNormalSets(y, sigma, mu_scale=story.mu_scale, tau_scale=story.tau_scale).tau_sd ** 2
    )
    prior = story.tau_scale**2 * (1 - 2 / np.pi)
    return 1 - kept / prior, se / prior


def rubin(prior: Prior) -> dict[str, float]:
    """The exact posterior of Rubin's data under a prior of tau."""
    story = EightSchools(tau_prior=prior.family, tau_scale=prior.scale)
    assert story.observed is not None
    posterior = story.exact(story.observed)
    lower, median, upper = posterior.quantile("tau", [0.055, 0.5, 0.945])
    return {
        "tau": posterior.mean("tau"),
        "tau_sd": posterior.sd("tau"),
        "tau_median": float(median),
        "tau_lower": float(lower),
        "tau_upper": float(upper),
        "mu": posterior.mean("mu"),
        "theta_A": posterior.mean("theta[A]"),
        "theta_new_sd": posterior.sd("theta_new"),
    }


@dataclass(frozen=True)
class Fits:
    """What one arm made of each data set: arrays (n_simulations,) and (n_simulations, J)."""

    tau: pd.DataFrame
    truth: np.ndarray
    mean: np.ndarray
    covered: np.ndarray
    width: np.ndarray


def fits_under(result: Result, arm: str, schools: Sequence[str]) -> Fits:
    """What an arm made of the data sets of its story, with the labels of its schools."""
    records, labels = result.records, list(schools)
    own = records[((records["arm"] == arm) & records["quantity"].isin(labels)).to_numpy()]
    wide = {
        column: own.pivot(index="simulation", columns="quantity", values=column)[labels].to_numpy()
        for column in ("truth", "mean", "lower", "upper")
    }
    truth, lower, upper = wide["truth"], wide["lower"], wide["upper"]
    covered = (lower <= truth) & (truth <= upper)
    tau = records_of(result, arm, "tau").sort_index()
    return Fits(tau, truth, wide["mean"], covered, upper - lower)


def deviations(values: np.ndarray) -> np.ndarray:
    """Values (n_simulations, J) from their data set's mean."""
    return values - values.mean(axis=1, keepdims=True)


def beside(fits: Fits, right: Fits, y: np.ndarray) -> dict[str, Any]:
    """Tau and group effects under one prior, beside those under the right one.

    Parameters
    ----------
    fits, right : Fits
        Fits of the same data sets, under the prior and under the right one.
    y : ndarray, shape (n_simulations, J)
        Estimates, from their data set's mean.

    Returns
    -------
    dict
        A row of the table: estimates with their standard errors, over data sets that both fitted.
    """
    done = (fits.tau["status"] == "ok").to_numpy() & (right.tau["status"] == "ok").to_numpy()
    tau, tau_right = fits.tau[done], right.tau[done]
    estimate, truth = deviations(fits.mean[done]), deviations(fits.truth[done])
    y = y[done]
    errors, errors_right = (
        ((each.mean - each.truth)[done] ** 2).mean(axis=1) for each in (fits, right)
    )
    widths, widths_right = (each.width[done].mean(axis=1) for each in (fits, right))
    inside = (tau["lower"] <= tau["truth"]) & (tau["truth"] <= tau["upper"])
    return {
        "n": int(done.sum()),
        "n_failed": int((~done).sum()),
        **named(
            tau=mean_se(tau["mean"]),
            from_truth=mean_se(tau["mean"] - tau["truth"]),
            from_right=mean_se(tau["mean"] - tau_right["mean"]),
            coverage_tau=share_se(inside),
            width_tau=mean_se(tau["upper"] - tau["lower"]),
            coverage=mean_se(fits.covered[done].mean(axis=1)),
            width=mean_se(widths),
            width_ratio=ratio_of_means(widths, widths_right),
            shrinkage=mean_se(1 - (estimate * y).sum(axis=1) / (y * y).sum(axis=1)),
            slope=ratio_of_means((estimate * truth).sum(axis=1), (estimate * estimate).sum(axis=1)),
            mse=mean_se(errors),
            mse_ratio=ratio_of_means(errors, errors_right),
        ),
    }


def ratio_of_means(above_: np.ndarray, below_: np.ndarray) -> tuple[float, float]:
    """Ratio of two means of paired values, and its standard error by the delta method.

    Examples
    --------
    >>> ratio_of_means(np.array([2.0, 4.0]), np.array([1.0, 2.0]))
    (2.0, 0.0)
    """
    ratio = float(above_.mean() / below_.mean())
    _, se = mean_se(above_ - ratio * below_)
    return ratio, se / float(below_.mean())

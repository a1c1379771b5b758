"""REML and moment estimates of tau, and plug-in intervals, against the hierarchy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy.special import ndtr, ndtri

from hiercal.exact.normal_normal_sets import NormalNormalSets
from hiercal.exact.reml import (
    der_simonian_laird,
    paule_mandel,
    plug_in,
    probability_of_falling_score,
    probability_of_zero,
    reml,
)
from hiercal.fitters._fitter import at_least
from hiercal.runs.measurements import Measurement, Rows
from hiercal.runs.streams import stream
from hiercal.simulators.eight_schools import EightSchools
from hiercal.studies._study import Study, Tables
from hiercal.studies.frequentist.claims import CLAIMS
from hiercal.studies.frequentist.design import (
    FEW,
    HIERARCHICAL,
    LEVEL,
    MODERATE,
    NEAR_ZERO,
    PLUG_IN,
    PRIOR,
    SIMILAR,
    WITH_MEAN,
)
from hiercal.studies.frequentist.mixed_models import mixed_models
from hiercal.tables.estimates import mean_se, named, pick, rms_se, share_se

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from hiercal.runs.result import Result

Estimator = Callable[[np.ndarray, np.ndarray], np.ndarray]
ESTIMATORS: Mapping[str, tuple[Estimator, Callable[[np.ndarray, float], float]]] = {
    "REML": (reml, probability_of_falling_score),
    "DerSimonian-Laird": (der_simonian_laird, probability_of_zero),
    "Paule-Mandel": (paule_mandel, probability_of_zero),
}
"""Each estimator of tau^2 and the exact probability that it is 0 (see `_zeros`)."""
BATCH = 10_000
"""Data sets at a time."""


@dataclass(frozen=True, kw_only=True)
class Frequentist(Study):
    """Point estimates of tau and what is plugged in for it, as groups become many.

    Parameters
    ----------
    simulations : int
        Data sets at each tau and number of groups, for what is compared with the posterior.
    plug_in_simulations : int
        Data sets for the coverage of plug-in intervals at each number of groups up to 20, tau from
        its prior; a fifth as many at each fixed tau. With more groups as many fewer.
    zero_simulations : int
        Data sets at each, for how often an estimate is exactly 0.
    raw_simulations : int
        Data sets of raw observations (story ``instructors``) for each number of groups, for
        statsmodels' mixed models; 0 leaves them out, and statsmodels is then not needed.
    taus : tuple of float
        True standard deviations between schools, in points; data sets with tau drawn from its
        prior are always added.
    n_groups : tuple of int
        Numbers of groups. The schools' standard errors are repeated.
    """

    simulations: int = 2000
    plug_in_simulations: int = 200_000
    zero_simulations: int = 10_000
    raw_simulations: int = 100
    taus: tuple[float, ...] = (0.0, 5.0, 10.0, 15.0, 20.0)
    n_groups: tuple[int, ...] = (3, 8, 20, 50, 100)

    name: ClassVar = "frequentist"
    quick: ClassVar = {
        "simulations": 200,
        "plug_in_simulations": 5000,
        "zero_simulations": 1000,
        "raw_simulations": 10,
        "taus": (0.0, 5.0, 20.0),
        "n_groups": (3, 8, 20, 50),
    }
    claims: ClassVar = CLAIMS

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("taus", "n_groups"):
            object.__setattr__(self, field, tuple(sorted(getattr(self, field))))
        for i, tau in enumerate(self.taus):
            if not (np.isfinite(tau) and tau >= 0):
                raise ValueError(f"{self.name}: taus[{i}] is {tau!r}; give finite numbers from 0")
        if not self.taus or self.taus[0] > NEAR_ZERO:
            raise ValueError(
                f"{self.name}: taus is {self.taus}; give at least one of {NEAR_ZERO:g} or less, "
                "which is where tau is near zero"
            )
        for i, n in enumerate(self.n_groups):
            at_least(self.name, f"n_groups[{i}]", n, 2)
        if not self.n_groups or self.n_groups[0] >= FEW or self.n_groups[-1] < MODERATE:
            raise ValueError(
                f"{self.name}: n_groups is {self.n_groups}; give at least one below {FEW} and one "
                f"of {MODERATE} or more, which the claims compare"
            )
        at_least(self.name, "simulations", self.simulations, 2)
        at_least(self.name, "plug_in_simulations", self.plug_in_simulations, 1000)
        at_least(self.name, "zero_simulations", self.zero_simulations, 2)
        if self.raw_simulations != 0:
            at_least(self.name, "raw_simulations", self.raw_simulations, 2)

    def measurements(self) -> dict[str, Measurement]:
        wanted = {}
        for n in self.n_groups if self.raw_simulations else ():
            wanted[f"mixed models of raw observations, {n} groups"] = Measurement(
                partial(self._mixed_models, n)
            )
        for n in self.n_groups:
            story = EightSchools().resized(n)
            wanted[f"zeros, {n} groups"] = Measurement(partial(self._zeros, story))
            for tau in (*self.taus, None):
                wanted[f"{n} groups, {_truth(tau)}"] = Measurement(partial(self._cell, story, tau))
        return wanted

    def tables(
        self, results: Mapping[str, Result], measured: Mapping[str, Rows]
    ) -> dict[str, pd.DataFrame]:
        import pandas as pd

        return {name: pd.DataFrame(rows) for name, rows in measured.items()}

    def _mixed_models(self, n_groups: int) -> dict[str, Rows]:
        return {"mixed_models": mixed_models(n_groups, self.raw_simulations, self.seed)}

    def _cell(self, story: EightSchools, tau: float | None) -> dict[str, Rows]:
        """Plug-in intervals and estimates at one truth, tau from its prior where it is None."""
        key = {"truth": _truth(tau), "tau": tau, "J": len(story.sigma)}
        intervals, agreement = self._compared(story, tau)
        return {
            "plug_in": [key | row for row in self._plug_in(story, tau)],
            "intervals": [key | row for row in intervals],
            "agreement": [key | agreement],
        }

    def _zeros(self, story: EightSchools) -> dict[str, Rows]:
        """How often each estimate is exactly 0, on the same data sets.

        For REML the exact probability is that of a likelihood that falls at 0, which is an upper
        bound: a larger maximum may lie elsewhere.
        """
        sigma = np.array(story.sigma)
        _, z = _standard(self.seed, "zeros", self.zero_simulations, len(sigma))
        rows = []
        for tau in self.taus:
            y = np.sqrt(sigma**2 + tau**2) * z
            for name, (estimate, probability) in ESTIMATORS.items():
                zero, exact = estimate(y, sigma) == 0, probability(sigma, tau)
                rows.append(
                    {"tau": tau, "J": len(sigma), "estimator": name, "n": len(y)}
                    | named(zero=share_se(zero))
                    | {"exact": exact}
                )
        return {"zeros": rows}

    def _plug_in(self, story: EightSchools, given: float | None) -> list[dict[str, Any]]:
        """Coverage of the two plug-in intervals of the group effects, and how often REML is 0.

        Given y, mu and tau an effect is normal, so that the probability that an interval of y holds
        it is exact; it is averaged over groups, and its standard error taken over data sets.
        """
        sigma = np.array(story.sigma)
        n = self.plug_in_simulations // (5 if given is not None else 1)
        n = n * MODERATE // max(MODERATE, len(sigma))
        rng = stream(self.seed, "plug-in", len(sigma), _truth(given))
        half = -ndtri((1 - LEVEL) / 2)
        coverage: dict[str, list[np.ndarray]] = {PLUG_IN: [], WITH_MEAN: []}
        zero = []
        for first in range(0, n, BATCH):
            size = min(BATCH, n - first)
            tau = np.abs(story.tau_scale * rng.standard_normal(size))
            tau = tau if given is None else np.full(size, given)
            mu = story.mu_scale * rng.standard_normal((size, 1))
            variance = sigma**2 + tau[:, None] ** 2
            y = mu + np.sqrt(variance) * rng.standard_normal((size, len(sigma)))
            kept = tau[:, None] ** 2 / variance
            mean, sd = mu + kept * (y - mu), np.sqrt(kept) * sigma
            tau2 = reml(y, sigma)
            zero.append(tau2 == 0)
            centre, *spreads = plug_in(y, sigma, tau2)
            for own, spread in zip(coverage.values(), spreads, strict=True):
                own.append(_held(centre, half * spread, mean, sd).mean(axis=1))
        return [
            {"interval": name, "n": n}
            | named(coverage=mean_se(np.concatenate(own)), zero=share_se(np.concatenate(zero)))
            for name, own in coverage.items()
        ]

    def _compared(
        self, story: EightSchools, given: float | None
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Intervals of the group effects, and estimates beside the posterior, at one truth."""
        sigma = np.array(story.sigma)
        n = self.simulations
        first, z = _standard(self.seed, "intervals", n, 2 * len(sigma))
        tau = np.abs(story.tau_scale * first[:, 1]) if given is None else np.full(n, given)
        mu = story.mu_scale * first[:, 0]
        theta = mu[:, None] + tau[:, None] * z[:, : len(sigma)]
        y = theta + sigma * z[:, len(sigma) :]

        posterior = NormalNormalSets(y, sigma, mu_scale=story.mu_scale, tau_scale=story.tau_scale)
        tail = (1 - LEVEL) / 2
        below_truth = posterior.theta_cdf(theta)
        exact_width = posterior.theta_quantile(1 - tail) - posterior.theta_quantile(tail)

        tau2 = reml(y, sigma)
        centre, spread, spread_with_mean = plug_in(y, sigma, tau2)
        half = -ndtri(tail)
        intervals = {HIERARCHICAL: (np.abs(below_truth - 0.5) < LEVEL / 2, exact_width)}
        for name, sd in ((PLUG_IN, spread), (WITH_MEAN, spread_with_mean)):
            intervals[name] = np.abs(theta - centre) < half * sd, 2 * half * sd
        expected = intervals[HIERARCHICAL][0].mean(axis=1)
        rows = []
        for name, (covers, width) in intervals.items():
            covered = covers.mean(axis=1)
            for data, kept in (("all", np.ones(n, bool)), ("REML is 0", tau2 == 0)):
                rows.append(
                    {"interval": name, "data": data, "n": int(kept.sum())}
                    | named(
                        coverage=mean_se(covered[kept]),
                        coverage_difference=mean_se((covered - expected)[kept]),
                        width=mean_se(width.mean(axis=1)[kept]),
                        width_ratio=mean_se((width / exact_width).mean(axis=1)[kept]),
                    )
                )

        from_mean = (np.sqrt(tau2) - posterior.tau_mean) / posterior.tau_sd
        from_mode = (np.sqrt(tau2) - posterior.tau_mode) / posterior.tau_sd
        effects = ((centre - posterior.theta_mean) / posterior.theta_sd) ** 2
        ratio = (2 * half * spread_with_mean / exact_width).mean(axis=1)
        return rows, {"n": n} | named(
            tau_difference=mean_se(from_mean),
            tau_mean_rms=rms_se(from_mean**2),
            tau_mode_rms=rms_se(from_mode**2),
            effects_rms=rms_se(effects.mean(axis=1)),
            width_change=mean_se(ratio - 1),
        )

    def figures(self, tables: Tables) -> dict[str, Figure]:
        import pandas as pd

        from hiercal.plots import heat_map, interval_width, sweep

        agreement = tables["agreement"]
        differences = {
            "tau, from its posterior mean": "tau_mean",
            "tau, from its posterior mode": "tau_mode",
            "group effects, from their posterior means": "effects",
        }
        intervals = pick(tables["intervals"], data="all")
        hierarchical = pick(intervals, interval=HIERARCHICAL)

        def by_groups(table: pd.DataFrame, **options: Any) -> Figure:
            return sweep(
                table,
                x="J", xscale="log", xlabel="groups", panel="truth",
                columns=_columns(len(self.taus) + 1), **options,
            )  # fmt: skip

        drawn = {
            "zeros": sweep(
                _with_exact(tables["zeros"]),
                x="tau", y="zero", se="zero_se", series="series", panel="panel",
                xlabel="true tau (points)", ylabel="share of estimates\nthat are exactly 0",
                xscale="category", columns=_columns(len(self.n_groups)),
            ),
            "coverage": by_groups(
                pd.concat([hierarchical, tables["plug_in"]]),
                y="coverage", se="coverage_se", series="interval", reference=LEVEL,
                ylabel=f"coverage of {LEVEL:.0%} intervals\nof group effects",
            ),
            "width": interval_width(
                intervals[(intervals["interval"] != HIERARCHICAL).to_numpy()],
                x="J", y="width_ratio", series="interval", panel="truth", xscale="log",
                xlabel="groups", ylabel="width over that of the\nhierarchical interval",
                reference=1.0, columns=_columns(len(self.taus) + 1),
            ),
            "agreement": by_groups(
                _stacked(agreement, differences),
                y="rms", se="rms_se", series="series",
                ylabel="root mean square difference of\nREML (posterior sds)",
            ),
        }  # fmt: skip
        if sum(tau > 0 for tau in self.taus) > 1:
            drawn["agreement_map"] = heat_map(
                _beyond(agreement),
                x="J", y="tau", value="beyond", panel="what",
                xlabel="groups", ylabel="true tau (points)",
                low="within the bound of claim C27", high="beyond that bound",
                note="Differences of REML from the hierarchy over the bounds of claim C27, as "
                "powers of 2: +1 is twice the bound, -1 half of it.",
            )  # fmt: skip
        return drawn


def _held(centre: np.ndarray, half: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Probability that centre - half < x < centre + half for x ~ N(mean, sd^2), sd 0 included."""
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = ndtr((centre + half - mean) / sd) - ndtr((centre - half - mean) / sd)
    return np.where(sd > 0, inside, np.abs(mean - centre) < half)


def _standard(seed: int, what: str, n: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Standard normals (n, 2) for the hyperparameters and (n, width) for the groups.

    The same at every tau, so that differences between them are of the same data sets.
    """
    rng = stream(seed, what, width)
    return rng.standard_normal((n, 2)), rng.standard_normal((n, width))


def _columns(panels: int) -> int:
    return 2 if panels in (2, 4) else 3


def _truth(tau: float | None) -> str:
    return PRIOR if tau is None else f"tau = {tau:g}"


def _with_exact(zeros: pd.DataFrame) -> pd.DataFrame:
    """Shares and exact probabilities one below the other; the two moment estimates share theirs."""
    import pandas as pd

    exact = zeros[(zeros["estimator"] != "Paule-Mandel").to_numpy()].assign(
        zero=lambda table: table["exact"], zero_se=0.0
    )
    names = {"REML": "REML, exact", "DerSimonian-Laird": "moments, exact"}
    both = pd.concat(
        [
            zeros.assign(series=zeros["estimator"]),
            exact.assign(series=exact["estimator"].map(names)),
        ]
    )
    return both.assign(panel=[f"{n} groups" for n in both["J"]])


def _beyond(agreement: pd.DataFrame) -> pd.DataFrame:
    """Each difference over its bound, as a power of 2, where the true tau is fixed and above 0."""
    import pandas as pd

    fixed = agreement[(agreement["tau"] > 0).to_numpy()]
    names = {
        "tau_mean_rms": "tau",
        "effects_rms": "group effects",
        "width_change": "interval width",
    }
    return pd.concat(
        [
            fixed[["tau", "J"]].assign(
                what=names[column], beyond=np.log2(fixed[column].abs() / bound)
            )
            for column, (bound, _) in SIMILAR.items()
        ]
    )


def _stacked(agreement: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    import pandas as pd

    return pd.concat(
        [
            agreement[["truth", "J"]].assign(
                series=name, rms=agreement[f"{c}_rms"], rms_se=agreement[f"{c}_rms_se"]
            )
            for name, c in columns.items()
        ]
    )

"""How often LOO finds the right one of partial, no and complete pooling."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hiercal.exact.loo import (
    MODELS,
    effects,
    loo,
    naive_se,
    new_group,
)
from hiercal.fitters._fitter import at_least
from hiercal.runs.measurements import Measurement, Rows
from hiercal.runs.streams import stream
from hiercal.simulators.eight_schools import EightSchools
from hiercal.studies._study import Study, Tables
from hiercal.studies.pooling.claims import CLAIMS
from hiercal.studies.pooling.design import ALL, LARGE, NEW, PRINTED, PRIOR, RUBIN_J, SAME, SMALL
from hiercal.studies.pooling.psis_loo import CHAINS, psis_loo
from hiercal.tables.estimates import mean_se, named, pick, share_se

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from hiercal.runs.result import Result

FEWER = 5
"""How many times fewer data sets there are at a fixed tau than with tau from its prior."""
BATCH = 20_000
"""Data sets at a time."""
SHOWN = 20
"""Shares of fewer data sets are not drawn."""
SMALL_IN_NATS, LARGE_IN_NATS = "below 4", "4 or more"
DISTINCT, DISTINCT_IN_NATS = 2.0, 4.0
"""From where a difference of elpd is not small: in standard errors, or itself (Sivula et al.)."""


@dataclass(frozen=True, kw_only=True)
class PoolingChoice(Study):
    """Exact and PSIS leave-one-out of Eight Schools' three models, where the truth is known.

    Parameters
    ----------
    simulations : int
        Data sets with 8 groups, which the claims are about, and tau from its prior; a fifth as many
        at each fixed tau.
    other_simulations : int
        Data sets at each tau, and with tau from its prior, with any other number of groups.
    psis_simulations : int
        How many of them PSIS-LOO is computed for as well, from draws of the exact posterior.
    draws : int
        Draws for PSIS-LOO, in all; a multiple of 4.
    taus : tuple of float
        True standard deviations between schools, in points; data sets with tau drawn from its
        prior are always added.
    n_groups : tuple of int
        Numbers of groups, 8 among them. The schools' standard errors are repeated.
    """

    simulations: int = 50_000
    other_simulations: int = 2000
    psis_simulations: int = 50
    draws: int = 4000
    taus: tuple[float, ...] = (0.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0)
    n_groups: tuple[int, ...] = (8, 32)

    name: ClassVar = "pooling"
    quick: ClassVar = {
        "simulations": 2000,
        "other_simulations": 200,
        "psis_simulations": 10,
        "draws": 1000,
        "taus": (0.0, 5.0, 10.0, 20.0),
    }
    claims: ClassVar = CLAIMS

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("taus", "n_groups"):
            object.__setattr__(self, field, tuple(sorted(getattr(self, field))))
        if len(self.taus) < 2:
            raise ValueError(f"{self.name}: taus is {self.taus}; give two or more to compare")
        for i, tau in enumerate(self.taus):
            if not (np.isfinite(tau) and tau >= 0):
                raise ValueError(f"{self.name}: taus[{i}] is {tau!r}; give finite numbers from 0")
        for i, n in enumerate(self.n_groups):
            at_least(self.name, f"n_groups[{i}]", n, 3)
        if RUBIN_J not in self.n_groups:
            raise ValueError(
                f"{self.name}: n_groups is {self.n_groups}; give {RUBIN_J} among them, which the "
                "claims are about"
            )
        at_least(self.name, "simulations", self.simulations, 10)
        for field in ("other_simulations", "psis_simulations"):
            at_least(self.name, field, getattr(self, field), 2)
        at_least(self.name, "draws", self.draws, 400)
        fewest = min(self.simulations // FEWER, self.other_simulations)
        if self.psis_simulations > fewest:
            raise ValueError(
                f"{self.name}: psis_simulations is {self.psis_simulations}, of {fewest} data sets "
                "at a fixed tau; give at most as many"
            )
        if self.draws % CHAINS:
            raise ValueError(f"{self.name}: draws is {self.draws}; give a multiple of {CHAINS}")

    def measurements(self) -> dict[str, Measurement]:
        cells = {
            f"{n} groups, {_truth(tau)}": Measurement(partial(self._cell, n, tau))
            for n, tau in itertools.product(self.n_groups, (*self.taus, None))
        }
        return cells | {"Rubin's data": Measurement(self._rubin)}

    def tables(
        self, results: Mapping[str, Result], measured: Mapping[str, Rows]
    ) -> dict[str, pd.DataFrame]:
        import pandas as pd

        return {name: pd.DataFrame(rows) for name, rows in measured.items()}

    def _cell(self, n_groups: int, tau: float | None) -> dict[str, Rows]:
        """What LOO chooses with this many groups, at one true tau or with tau from its prior."""
        key = {"truth": _truth(tau), "tau": tau, "J": n_groups}
        story = EightSchools().resized(n_groups)
        y, mu, taus, theta = self._simulated(story, tau)
        pointwise = exact_loo(y, story)
        gains = {
            NEW: gain_new(y, story, mu, taus),
            SAME: -squared_error(y, story, theta),
        }
        return {
            "choice": [key | row for row in _choices(pointwise, gains)],
            "right": [key | row for row in _rights(pointwise, gains)],
            "psis": [key | row for row in self._psis(story, y, pointwise, _truth(tau))],
        }

    def _simulated(
        self, story: EightSchools, given: float | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Data, mu, tau and group effects, from the same standard normals at every tau."""
        n_groups = len(story.sigma)
        n = self.simulations // (1 if given is None else FEWER)
        n = n if n_groups == RUBIN_J else self.other_simulations
        rng = stream(self.seed, "pooling", n_groups)
        mu = story.mu_scale * rng.standard_normal(n)
        drawn = np.abs(story.tau_scale * rng.standard_normal(n))
        tau = drawn if given is None else np.full(n, given)
        theta = mu[:, None] + tau[:, None] * rng.standard_normal((n, n_groups))
        y = theta + np.array(story.sigma) * rng.standard_normal((n, n_groups))
        return y, mu, tau, theta

    def _psis(
        self, story: EightSchools, y: np.ndarray, pointwise: np.ndarray, truth: str
    ) -> list[dict[str, Any]]:
        """PSIS-LOO of the first data sets beside exact LOO."""
        n = self.psis_simulations
        elpd, bad = np.empty((n, len(MODELS))), np.empty((n, len(MODELS)))
        for i in range(n):
            for m, model in enumerate(MODELS):
                rng = stream(self.seed, "psis", len(story.sigma), truth, i, model)
                elpd[i, m], k, limit = psis_loo(story, y[i], model, self.draws, rng)
                bad[i, m] = np.mean(k > limit)
        exact = pointwise[:n].sum(axis=1)
        same = elpd.argmax(axis=1) == exact.argmax(axis=1)
        return [
            {"model": model, "n": n}
            | named(
                error=mean_se(elpd[:, m] - exact[:, m]),
                size=mean_se(np.abs(elpd[:, m] - exact[:, m])),
                bad_groups=mean_se(bad[:, m]),
                bad_data_sets=share_se(bad[:, m] > 0),
                same_choice=share_se(same),
            )
            for m, model in enumerate(MODELS)
        ]

    def _rubin(self) -> dict[str, Rows]:
        """Rubin's data: exact elpd, PSIS-LOO over repeated draws, and what was printed."""
        story = EightSchools()
        assert story.observed is not None
        y = story.observed["y"]
        pointwise = exact_loo(y[None], story)[0]
        best = pointwise.sum(axis=0).argmax()
        rows = []
        for m, model in enumerate(MODELS):
            runs = [
                psis_loo(story, y, model, self.draws, stream(self.seed, "rubin", i, model))
                for i in range(self.psis_simulations)
            ]
            difference = pointwise[:, best] - pointwise[:, m]
            psis = np.array([elpd for elpd, _, _ in runs])
            rows.append(
                {
                    "model": model,
                    "printed": PRINTED[model],
                    "elpd": pointwise[:, m].sum(),
                    "behind": difference.sum(),
                    "behind_naive_se": naive_se(difference),
                    **named(psis=mean_se(psis), largest_k=mean_se([k.max() for _, k, _ in runs])),
                    "psis_sd": psis.std(ddof=1),
                    "psis_least": psis.min(),
                    "psis_largest": psis.max(),
                }
            )
        return {"rubin": rows}

    def figures(self, tables: Tables) -> dict[str, Figure]:
        from hiercal.plots import sweep

        choice = _panels(tables["choice"])
        right = _panels(pick(tables["right"], criterion=NEW))
        right = right[
            (right["differences"].isin([SMALL, LARGE]) & (right["n"] >= SHOWN)).to_numpy()
        ]
        psis = _panels(tables["psis"])
        shares = {"first": "ranked first by LOO", "best_new": "right for new groups"}
        tau: dict[str, Any] = {"x": "tau", "xlabel": "true tau (points)"}
        return {
            "choice": sweep(
                _stacked(choice, shares),
                y="share", se="share_se", series="series", panel="panel",
                ylabel="share of data sets", **tau,
            ),
            "right": sweep(
                _stacked_right(right),
                y="share", se="share_se", series="differences", panel="panel",
                ylabel="share of data sets", columns=2, **tau,
            ),
            "psis": sweep(
                psis.assign(series=psis["model"] + " pooling"),
                y="error", se="error_se", series="series", panel="panel", reference=0.0,
                ylabel="elpd by PSIS-LOO\nminus the exact one", columns=2, **tau,
            ),
        }  # fmt: skip


def _truth(tau: float | None) -> str:
    return PRIOR if tau is None else f"tau = {tau:g}"


def exact_loo(y: np.ndarray, story: EightSchools) -> np.ndarray:
    """Exact log densities of each group given the others, (n_data_sets, n_groups, n_models)."""
    return _by_model(loo, y, story)


def gain_new(y: np.ndarray, story: EightSchools, mu: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Expected log density of as many new groups as there are, (n_data_sets, n_models).

    What LOO estimates here: with one observation a group, what is left out is a group.
    """
    return _by_model(new_group, y, story, mu, tau).sum(axis=1)


def squared_error(y: np.ndarray, story: EightSchools, theta: np.ndarray) -> np.ndarray:
    """Squared error of the posterior means of the same groups' effects, (n_data_sets, n_models)."""
    return ((_by_model(effects, y, story) - theta[:, :, None]) ** 2).sum(axis=1)


def _by_model(function: Any, y: np.ndarray, story: EightSchools, *truth: np.ndarray) -> np.ndarray:
    scales = {"mu_scale": story.mu_scale, "tau_scale": story.tau_scale}
    sigma = np.array(story.sigma)
    batches = [slice(first, first + BATCH) for first in range(0, len(y), BATCH)]
    return np.stack(
        [
            np.concatenate(
                [function(y[k], sigma, model, *(t[k] for t in truth), **scales) for k in batches]
            )
            for model in MODELS
        ],
        axis=2,
    )


def _choices(pointwise: np.ndarray, gains: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """How often each model is ranked first, and how often it is the right one."""
    elpd = pointwise.sum(axis=1)
    first = elpd.argmax(axis=1)
    best = {name: gain.argmax(axis=1) for name, gain in gains.items()}
    return [
        {"model": model, "n": len(elpd)}
        | named(
            first=share_se(first == m),
            best_new=share_se(best[NEW] == m),
            best_same=share_se(best[SAME] == m),
            elpd=mean_se(elpd[:, m]),
        )
        for m, model in enumerate(MODELS)
    ]


def _rights(pointwise: np.ndarray, gains: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """How often the first model is the right one, by how far it is ahead of the second.

    ``right`` is the share in which it is the best of the three, ``better`` that in which it is
    better than the second; standard errors are over data sets. ``loss`` is what the choice costs
    against the right model: expected log density for new groups, squared error a group for the
    same ones.
    """
    elpd = pointwise.sum(axis=1)
    order = np.argsort(-elpd, axis=1)
    rows = np.arange(len(elpd))
    ahead = pointwise[rows, :, order[:, 0]] - pointwise[rows, :, order[:, 1]]
    total = ahead.sum(axis=1)
    ratio = total / naive_se(ahead)
    kept = {
        ALL: np.ones(len(total), bool),
        SMALL: ratio < DISTINCT,
        LARGE: ratio >= DISTINCT,
        SMALL_IN_NATS: total < DISTINCT_IN_NATS,
        LARGE_IN_NATS: total >= DISTINCT_IN_NATS,
    }
    n_groups = {NEW: 1, SAME: pointwise.shape[1]}
    return [
        {"criterion": criterion, "differences": differences, "n": int(those.sum())}
        | named(
            share=share_se(those),
            right=share_se((gain.argmax(axis=1) == order[:, 0])[those]),
            better=share_se((gain[rows, order[:, 0]] > gain[rows, order[:, 1]])[those]),
            loss=mean_se(
                ((gain.max(axis=1) - gain[rows, order[:, 0]]) / n_groups[criterion])[those]
            ),
            difference=mean_se(total[those]),
            ratio=mean_se(ratio[those]),
        )
        for criterion, gain in gains.items()
        for differences, those in kept.items()
    ]


def _panels(table: pd.DataFrame) -> pd.DataFrame:
    """The rows at a fixed tau, with the number of groups as panel."""
    fixed = table[table["tau"].notna()]
    return fixed.assign(panel=[f"{n} groups" for n in fixed["J"]])


def _stacked_right(right: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    shares = {
        "right": "first is the right one of three",
        "better": "first is better than the second",
    }
    return pd.concat(
        [
            right[["tau"]].assign(
                differences="difference " + right["differences"],
                panel=f"{name}, " + right["panel"],
                share=right[column],
                share_se=right[f"{column}_se"],
            )
            for column, name in shares.items()
        ]
    )


def _stacked(choice: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    import pandas as pd

    return pd.concat(
        [
            choice[["tau"]].assign(
                series=name,
                panel=choice["model"] + " pooling, " + choice["panel"],
                share=choice[column],
                share_se=choice[f"{column}_se"],
            )
            for column, name in columns.items()
        ]
    )

"""What other priors on the between-group scale do to it, to groups, to NUTS."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hiercal.fitters import Fitter
from hiercal.fitters._fitter import at_least
from hiercal.fitters._nuts import NutsFitter
from hiercal.fitters.exact import Exact
from hiercal.fitters.numpyro import NumPyro
from hiercal.fitters.pymc import PyMC
from hiercal.runs.fit import simulate
from hiercal.runs.measurements import Measurement, Rows
from hiercal.runs.run import Run
from hiercal.runs.streams import stream
from hiercal.simulators.eight_schools import EightSchools
from hiercal.studies._study import Study, Tables
from hiercal.studies.prior_sensitivity.claims import CLAIMS
from hiercal.studies.prior_sensitivity.design import RUBINS
from hiercal.studies.prior_sensitivity.power_scaling import power_scaling
from hiercal.studies.prior_sensitivity.tau_priors import (
    Prior,
    beside,
    contraction,
    deviations,
    doubled,
    fits_under,
    rubin,
)
from hiercal.tables.estimates import (
    fits_of,
    log_ratio_se,
    mean_se,
    named,
    records_of,
    share_se,
    worst_parameter,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from hiercal.runs.result import Result

LIBRARIES: dict[str, type[NutsFitter]] = {"numpyro": NumPyro, "pymc": PyMC}
CODINGS = ("centred", "noncentred")
NOISE = {
    RUBINS: 1.0,
    "half of Rubin's": 0.5,
    "a quarter of Rubin's": 0.25,
    "a tenth of Rubin's": 0.1,
    "a hundredth of Rubin's": 0.01,
}
"""Standard errors for the contraction of tau, as multiples of Rubin's."""
EXACT_DRAWS = 2000


@dataclass(frozen=True, kw_only=True)
class PriorSensitivity(Study):
    """Eight Schools with tau from one half-normal prior, fitted under that prior and under others.

    Parameters
    ----------
    tau_scale : float
        Scale of the half-normal prior that tau comes from; it must be one of `half_normal`.
    half_normal, half_cauchy : tuple of float
        Scales of the half-normal and half-Cauchy priors of the fits, in points on the test.
    groups : tuple of int
        Numbers of schools, 8 among them; standard errors are Rubin's, over and over.
    simulations : int
        Data sets for each number of schools, fitted exactly under each prior.
    contraction_simulations : int
        Data sets from which it is found how much of tau they teach, for each number of schools, and
        of two, at each size of the standard errors.
    sampled_groups : tuple of int
        Numbers of schools that NUTS is run for, under the right prior and those more diffuse; 8
        among them, and each one of `groups`.
    sampled : int
        How many data sets of each of these are fitted by NUTS too; at most `simulations`.
    libraries : tuple of str
        Libraries that fit the data: ``numpyro``, ``pymc`` or both.
    chains, draws, tune : int
        Number of chains, and of draws and tuning steps per chain, of each fit by NUTS.
    """

    tau_scale: float = 10.0
    half_normal: tuple[float, ...] = (1.0, 5.0, 10.0, 50.0)
    half_cauchy: tuple[float, ...] = (25.0, 250.0)
    groups: tuple[int, ...] = (3, 4, 5, 8, 20, 50)
    simulations: int = 400
    contraction_simulations: int = 10_000
    sampled_groups: tuple[int, ...] = (3, 8)
    sampled: int = 100
    libraries: tuple[str, ...] = ("numpyro", "pymc")
    chains: int = 2
    draws: int = 1000
    tune: int = 1000

    name: ClassVar = "prior_sensitivity"
    quick: ClassVar = {
        "half_normal": (1.0, 10.0),
        "half_cauchy": (250.0,),
        "groups": (3, 8, 20),
        "simulations": 60,
        "contraction_simulations": 1000,
        "sampled_groups": (8,),
        "sampled": 20,
        "libraries": ("numpyro",),
    }
    claims: ClassVar = CLAIMS

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("half_normal", "half_cauchy", "groups", "sampled_groups"):
            object.__setattr__(self, field, tuple(sorted(set(getattr(self, field)))))
        object.__setattr__(self, "libraries", tuple(self.libraries))
        for field in ("half_normal", "half_cauchy"):
            if any(not (np.isfinite(s) and s > 0) for s in getattr(self, field)):
                raise ValueError(
                    f"{self.name}: {field} is {getattr(self, field)}; give finite scales above 0"
                )
        if self.tau_scale not in self.half_normal:
            raise ValueError(
                f"{self.name}: half_normal is {self.half_normal}; put tau_scale = "
                f"{self.tau_scale:g} among them, the prior that the others are compared with"
            )
        if len(self.priors) < 2:
            raise ValueError(
                f"{self.name}: the only prior is {self.priors[0]}; add scales to half_normal or "
                "half_cauchy to compare it with"
            )
        if 8 not in self.groups or len(self.groups) < 2:
            raise ValueError(
                f"{self.name}: groups is {self.groups}; give two or more numbers of schools, 8, "
                "which the claims are about, among them"
            )
        for n_groups in self.groups:
            at_least(self.name, "groups", n_groups, 2)
        if 8 not in self.sampled_groups or set(self.sampled_groups) - set(self.groups):
            raise ValueError(
                f"{self.name}: sampled_groups is {self.sampled_groups}; give 8 and perhaps more of "
                f"{', '.join(map(str, self.groups))}"
            )
        if not self.libraries or set(self.libraries) - set(LIBRARIES):
            raise ValueError(
                f"{self.name}: libraries is {self.libraries}; give one or more of "
                f"{', '.join(LIBRARIES)}"
            )
        at_least(self.name, "simulations", self.simulations, 2)
        at_least(self.name, "contraction_simulations", self.contraction_simulations, 2)
        at_least(self.name, "sampled", self.sampled, 2)
        if self.sampled > self.simulations:
            raise ValueError(
                f"{self.name}: sampled is {self.sampled}, more than simulations = "
                f"{self.simulations}; NUTS is compared with exact fits of the same data"
            )

    @property
    def priors(self) -> tuple[Prior, ...]:
        """The priors of the fits, half-normal ones first."""
        return (
            *(Prior("half_normal", scale) for scale in self.half_normal),
            *(Prior("half_cauchy", scale) for scale in self.half_cauchy),
        )

    @property
    def sampled_priors(self) -> tuple[Prior, ...]:
        """The priors that NUTS is run under: the right one, then those more diffuse, in order."""
        wide = [prior for prior in self.priors if prior.upper >= self.right.upper]
        return tuple(sorted(wide, key=lambda prior: prior.upper))

    @property
    def right(self) -> Prior:
        """The prior that tau comes from."""
        return Prior("half_normal", self.tau_scale)

    def runs(self) -> dict[str, Run]:
        stories = {n_groups: self._schools(n_groups) for n_groups in self.groups}
        nuts: list[Fitter] = [
            LIBRARIES[library](
                model=model, assume=self._assume(prior),
                chains=self.chains, draws=self.draws, tune=self.tune,
            )
            for library, model, prior in itertools.product(
                self.libraries, CODINGS, self.sampled_priors
            )
        ]  # fmt: skip
        exact = [Exact(draws=EXACT_DRAWS, assume=self._assume(prior)) for prior in self.priors]
        size: dict[str, Any] = {"simulations": self.simulations, "seed": self.seed}
        return {
            "priors": Run(stories=tuple(stories.values()), fitters=tuple(exact), **size),
            "samplers": Run(
                stories=tuple(stories[n_groups] for n_groups in self.sampled_groups),
                fitters=tuple(nuts),
                simulations=self.sampled,
                seed=self.seed,
            ),
        }

    def _assume(self, prior: Prior) -> dict[str, Any]:
        wrong: dict[str, Any] = {}
        if prior.family != "half_normal":
            wrong["tau_prior"] = prior.family
        if prior.scale != self.tau_scale:
            wrong["tau_scale"] = prior.scale
        return wrong

    def _prior(self, assumed: Mapping[str, Any]) -> Prior:
        """The prior that a fitter assumes."""
        return next(p for p in self.priors if self._assume(p) == assumed)

    def _arms(self, result: Result) -> pd.DataFrame:
        """The arms of a run, with the prior of each and its number of schools ``J``."""
        arms = result.arms
        priors = [self._prior(options["assume"]) for options in arms["fitter_options"]]
        return arms.assign(prior=priors, J=arms["n_groups"])

    def _schools(self, n_groups: int) -> EightSchools:
        return EightSchools(tau_scale=self.tau_scale).resized(n_groups)

    def measurements(self) -> dict[str, Measurement]:
        data = {
            f"data sets and doubled priors, {n} schools": Measurement(partial(self._doubling, n))
            for n in self.groups
        }
        contractions = {
            f"contraction, {noise}, {n} schools": Measurement(partial(self._contraction, noise, n))
            for noise, n in itertools.product(NOISE, sorted({2, *self.groups}))
        }
        return data | contractions | {"Rubin's data": Measurement(self._rubin)}

    def tables(
        self, results: Mapping[str, Result], measured: Mapping[str, Rows]
    ) -> dict[str, pd.DataFrame]:
        """Tables by number of schools J and prior; standard errors are over data sets.

        ``priors``: tau and group effects in exact fits, beside those under the right prior.
        ``doubling``: by how much the exact posterior mean of tau grows if the prior's scale is
        doubled (``more``, as a ratio less 1), and by how much more than under the right prior
        (difference of the logarithms). ``contraction``: the share of the prior variance of tau that
        the data remove. ``samplers``: NUTS. ``rubin`` and ``power_scaling``: Rubin's data, exactly.
        """
        import pandas as pd

        result, priors = results["priors"], []
        data = {row["J"]: np.array(row["y"]) for row in measured["data"]}
        every = self._arms(result)
        for n_groups in self.groups:
            arms = every[(every["J"] == n_groups).to_numpy()]
            schools = self._schools(n_groups).labels("theta")
            fits = {
                prior: fits_under(result, arm, schools)
                for prior, arm in zip(arms["prior"], arms["arm"], strict=True)
            }
            y = deviations(data[n_groups])
            for prior in self.priors:
                key = {"J": n_groups} | self._key(prior)
                priors.append(key | beside(fits[prior], fits[self.right], y))
        return {
            "priors": pd.DataFrame(priors),
            "samplers": pd.DataFrame(self._samplers(results)),
        } | {name: pd.DataFrame(rows) for name, rows in measured.items() if name != "data"}

    def _doubling(self, n_groups: int) -> dict[str, Rows]:
        """The data sets, and what doubling each prior's scale does to their posteriors."""
        story = self._schools(n_groups)
        y = np.stack([simulate(self.seed, story, i).data["y"] for i in range(self.simulations)])
        growth = {prior: doubled(prior, story.sigma, y) for prior in self.priors}
        rows = []
        for prior in self.priors:
            more, se = log_ratio_se(growth[prior])
            from_right = mean_se(growth[prior] - growth[self.right])
            rows.append(
                {"J": n_groups}
                | self._key(prior)
                | {"n": len(y)}
                | named(more=(more - 1, se), from_right=from_right)
            )
        return {"data": [{"J": n_groups, "y": y.tolist()}], "doubling": rows}

    def _rubin(self) -> dict[str, Rows]:
        return {
            "rubin": [self._key(p) | rubin(p) for p in self.priors],
            "power_scaling": power_scaling(self.tau_scale, self.seed),
        }

    def _key(self, prior: Prior) -> dict[str, Any]:
        return {"prior": str(prior), "upper": prior.upper, "right": prior == self.right}

    def _contraction(self, noise: str, n_groups: int) -> dict[str, Rows]:
        """How much of tau the data teach, with standard errors so many times Rubin's."""
        n = self.contraction_simulations
        rng = stream(self.seed, self.name, "contraction", n_groups)
        removed = contraction(self._schools(n_groups), NOISE[noise], n, rng)
        key = {"noise": noise, "times": NOISE[noise], "J": n_groups, "n": n}
        return {"contraction": [key | named(contraction=removed)]}

    def _samplers(self, results: Mapping[str, Result]) -> list[dict[str, Any]]:
        """NUTS under each prior, paired with itself under the right one and with the exact fit."""
        exact = {
            (arm["J"], arm["prior"]): records_of(results["priors"], arm["arm"], "tau")["mean"]
            for arm in self._arms(results["priors"]).to_dict("records")
        }
        result = results["samplers"]
        fits: dict[tuple[str, str, int, Prior], pd.DataFrame] = {}
        for arm in self._arms(result).to_dict("records"):
            tau = records_of(result, arm["arm"], "tau")[["mean", "ess_bulk"]]
            fit = fits_of(result, arm["arm"]).join(tau)
            fit["ess_worst"] = worst_parameter(result, arm["arm"], self._schools(arm["J"]))
            fits[arm["fitter_name"], arm["model"], arm["J"], arm["prior"]] = fit
        n_draws = self.chains * self.draws
        rows = []
        for (library, model, n_groups, prior), fit in fits.items():
            right = fits[library, model, n_groups, self.right].loc[fit.index]
            both = (fit["error"].isna() & right["error"].isna()).to_numpy()
            done = fit[fit["error"].isna().to_numpy()]
            more = (1000 / n_draws * (fit["divergences"] - right["divergences"]))[both]
            bias = fit["mean"] - exact[n_groups, prior].loc[fit.index]
            rows.append(
                {"library": library, "model": model, "J": n_groups}
                | self._key(prior)
                | {"n": len(done), "n_failed": len(fit) - len(done), "n_paired": int(both.sum())}
                | named(
                    divergent_fits=share_se(done["divergences"] > 0),
                    divergences=mean_se(1000 * done["divergences"] / n_draws),
                    divergences_more=mean_se(more),
                    ess=log_ratio_se(np.log(1000 * done["ess_worst"] / n_draws)),
                    ess_ratio=_ratio(fit["ess_worst"], right["ess_worst"]),
                    ess_tau_ratio=_ratio(fit["ess_bulk"], right["ess_bulk"]),
                    steps_per_draw=mean_se(done["n_steps"] / n_draws),
                    bias=mean_se(bias.dropna()),
                )
            )
        return rows

    def figures(self, tables: Tables) -> dict[str, Figure]:
        from hiercal.studies.prior_sensitivity.figures import figures

        return figures(tables, self.sampled_priors, self.right, self.groups)


def _ratio(values: pd.Series, others: pd.Series) -> tuple[float, float]:
    return log_ratio_se(np.log((values / others).dropna()))

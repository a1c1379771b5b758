"""Where the centred model is cheaper per effective draw, and where it breaks."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hiercal import words
from hiercal.fitters import Fitter
from hiercal.fitters._fitter import at_least
from hiercal.fitters._nuts import NutsFitter
from hiercal.fitters.exact import Exact
from hiercal.fitters.numpyro import NumPyro
from hiercal.fitters.pymc import PyMC
from hiercal.runs.measurements import Rows
from hiercal.runs.run import Run
from hiercal.runs.streams import stream
from hiercal.simulators import Story
from hiercal.simulators.survey import Survey
from hiercal.studies._study import Study, Tables
from hiercal.studies.parameterisation.claims import CLAIMS
from hiercal.studies.parameterisation.crossover import crossover
from hiercal.studies.parameterisation.design import CODINGS
from hiercal.studies.parameterisation.on_grid import SchoolsOnGrid, SurveyOnGrid
from hiercal.studies.parameterisation.worst_case import worst_case
from hiercal.tables.estimates import (
    fits_of,
    log_ratio_se,
    mean_se,
    named,
    pick,
    records_of,
    share_se,
    worst_parameter,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from hiercal.runs.result import Result

LIBRARIES: dict[str, type[NutsFitter]] = {"numpyro": NumPyro, "pymc": PyMC}
SURVEY_MODELS = ("centred", "noncentred", "collapsed")
SIGMA = 15.0
"""Standard deviation of one observation, in points."""
SCHOOLS = 8
EXACT_DRAWS = 4000
BOOTSTRAPS = 400
MAP_NOTE = (
    "Cells: log2 of the ratio of the worst parameter's bulk ESS per gradient, non-centred over "
    "centred (Monte Carlo standard error): +1 is twice as good. The line joins the tau at which "
    "they are as good for each number of observations, where there is one."
)
LOSSES = ("gradients", "bias")


@dataclass(frozen=True, kw_only=True)
class Parameterisation(Study):
    """Centred against non-centred over data per group and tau, and the survey at small alpha.

    Each of eight groups has n observations of standard deviation 15. Their mean, with standard
    error 15 / sqrt(n), says all there is to know of the group's effect, so the story is Eight
    Schools with these standard errors: one shape for all n, a gradient as cheap for many
    observations as for one, and an exact posterior beside it.

    Parameters
    ----------
    observations : tuple of int
        Observations in each group.
    taus : tuple of float
        True between-group standard deviations, in points; each data set has one of them, drawn at
        random. The models' prior is HalfNormal(10) throughout.
    alphas : tuple of float
        True concentrations of the survey, each data set having one of them; the models' prior is
        Exponential(1).
    simulations : int
        Data sets for each number of observations.
    surveys : int
        Data sets of the survey for all alphas together, fitted by NumPyro.
    learnt : int
        Data sets of the survey with alpha from its prior, fitted exactly.
    libraries : tuple of str
        Libraries that fit the data: ``numpyro``, ``pymc`` or both.
    chains, draws, tune : int
        Number of chains, and of draws and tuning steps per chain, of each fit.
    """

    observations: tuple[int, ...] = (1, 5, 25, 125)
    taus: tuple[float, ...] = (0.5, 1.25, 3.0, 8.0, 20.0)
    alphas: tuple[float, ...] = (0.3, 8.0)
    simulations: int = 240
    surveys: int = 60
    learnt: int = 150
    libraries: tuple[str, ...] = ("numpyro", "pymc")
    chains: int = 2
    draws: int = 1000
    tune: int = 1000

    name: ClassVar = "parameterisation"
    quick: ClassVar = {
        "observations": (1, 125),
        "taus": (0.5, 20.0),
        "simulations": 24,
        "surveys": 8,
        "learnt": 12,
        "libraries": ("numpyro",),
        "draws": 500,
        "tune": 500,
    }
    claims: ClassVar = CLAIMS

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("observations", "taus", "alphas"):
            values = tuple(sorted(set(getattr(self, field))))
            object.__setattr__(self, field, values)
            if len(values) < 2:
                raise ValueError(f"{self.name}: {field} is {values}; give two or more to compare")
            if any(not (np.isfinite(value) and value > 0) for value in values):
                raise ValueError(f"{self.name}: {field} is {values}; give finite numbers above 0")
        for n in self.observations:
            at_least(self.name, "observations", n, 1)
        object.__setattr__(self, "libraries", tuple(self.libraries))
        if not self.libraries or set(self.libraries) - set(LIBRARIES):
            raise ValueError(
                f"{self.name}: libraries is {self.libraries}; give one or more of "
                f"{', '.join(LIBRARIES)}"
            )
        for field, values in (("simulations", self.taus), ("surveys", self.alphas)):
            at_least(self.name, field, getattr(self, field), 4 * len(values))
        at_least(self.name, "learnt", self.learnt, 2)

    @property
    def _schools(self) -> tuple[SchoolsOnGrid, ...]:
        """Eight schools with each number of observations."""
        return tuple(
            SchoolsOnGrid(grid=self.taus, sigma=(SIGMA / n**0.5,) * SCHOOLS)
            for n in self.observations
        )

    def runs(self) -> dict[str, Run]:
        size: dict[str, Any] = {
            "chains": self.chains,
            "draws": self.draws,
            "tune": self.tune,
        }
        schools: list[Fitter] = [
            LIBRARIES[library](model=model, **size)
            for library, model in itertools.product(self.libraries, CODINGS)
        ]
        surveys: list[Fitter] = [NumPyro(model=model, **size) for model in SURVEY_MODELS]
        exact = Exact(draws=EXACT_DRAWS)
        return {
            "map": Run(
                stories=self._schools,
                fitters=(*schools, exact),
                simulations=self.simulations,
                seed=self.seed,
            ),
            "survey": Run(
                stories=(SurveyOnGrid(grid=self.alphas),),
                fitters=(*surveys, exact),
                simulations=self.surveys,
                seed=self.seed,
            ),
            "survey_learnt": Run(
                stories=(Survey(),), fitters=(exact,), simulations=self.learnt, seed=self.seed
            ),
        }

    def tables(
        self, results: Mapping[str, Result], measured: Mapping[str, Rows]
    ) -> dict[str, pd.DataFrame]:
        import pandas as pd

        n_draws = self.chains * self.draws
        arms, ratios, fits, losses = [], [], {}, {}
        by_story = results["map"].arms.groupby("story", sort=False)
        for story, n, (_, of_story) in zip(self._schools, self.observations, by_story, strict=True):
            own = _fits(results["map"], of_story, story)
            for library, tau in itertools.product(self.libraries, self.taus):
                key = {"library": library, "n": n, "tau": tau, "kappa": n**0.5 * tau / SIGMA}
                here = {model: own[library, model] for model in CODINGS}
                here = {model: fit[(fit["truth"] == tau).to_numpy()] for model, fit in here.items()}
                for model, fit in here.items():
                    arms.append({"model": model} | key | _arm(fit, n_draws))
                    losses[library, model, n, tau] = _losses(fit)
                fits[library, n, tau] = by_cost = _log_ratios(here["noncentred"], here["centred"])
                ratios += [
                    {"ess": ess, "cost": cost}
                    | key
                    | {"n_pairs": int(values.notna().sum())}
                    | named(log2_ratio=mean_se(values.dropna()))
                    for (ess, cost), values in by_cost.items()
                ]
        tables = {
            "arms": pd.DataFrame(arms),
            "map": pd.DataFrame(ratios),
            "crossover": pd.DataFrame(self._crossovers(fits)),
            "worst": pd.DataFrame(self._worst(losses)),
        }
        return tables | self._survey(results, n_draws)

    def _crossovers(self, fits: Mapping[tuple, Mapping]) -> list[dict[str, Any]]:
        """Where the worst ESS per gradient is the same, for each number of observations."""
        rows = []
        for library, n in itertools.product(self.libraries, self.observations):
            cells = [
                (n**0.5 * tau / SIGMA, ratios["worst", "gradient"].dropna().to_numpy())
                for (who, m, tau), ratios in fits.items()
                if (who, m) == (library, n)
            ]
            rng = stream(self.seed, "bootstrap", library, str(n))
            crossing = crossover(cells, rng, samples=BOOTSTRAPS)
            rows.append({"library": library, "n": n} | crossing)
        return rows

    def _worst(self, losses: Mapping[tuple, Mapping[str, np.ndarray]]) -> list[dict[str, Any]]:
        """The worst cell of the map up to each number of observations, by either loss."""
        rows = []
        for library, loss, most, model in itertools.product(
            self.libraries, LOSSES, self.observations, CODINGS
        ):
            cells = {
                f"n = {n}, tau = {tau:g}": own[loss]
                for (who, coding, n, tau), own in losses.items()
                if (who, coding) == (library, model) and n <= most
            }
            if loss == "bias":  # too large and too small are as bad
                cells |= {f"{name} (too small)": -values for name, values in cells.items()}
            key = {"library": library, "loss": loss, "up_to": most, "model": model}
            rows.append(key | worst_case(cells))
        return rows

    def _survey(self, results: Mapping[str, Result], n_draws: int) -> dict[str, pd.DataFrame]:
        import pandas as pd

        own = _fits(results["survey"], results["survey"].arms, SurveyOnGrid(grid=self.alphas))
        rows = []
        for model, alpha in itertools.product(SURVEY_MODELS, self.alphas):
            fit = own["numpyro", model]
            fit = fit[(fit["truth"] == alpha).to_numpy()]
            rows.append({"model": model, "alpha": alpha} | _arm(fit, n_draws))
        (arm,) = results["survey_learnt"].arms["arm"]
        sd = records_of(results["survey_learnt"], arm, "alpha")["sd"]
        kept, se = mean_se(sd.dropna() ** 2)
        story = Survey()
        prior = story.alpha_shape / story.alpha_rate**2
        counted = {"n": int(sd.notna().sum()), "n_failed": int(sd.isna().sum())}
        learnt = counted | named(contraction=(1 - kept / prior, se / prior))
        return {"survey": pd.DataFrame(rows), "survey_learnt": pd.DataFrame([learnt])}

    def figures(self, tables: Tables) -> dict[str, Figure]:
        from hiercal.plots import bias, parameterisation_map, sweep

        ratios = pick(tables["map"], ess="worst", cost="gradient")
        ratios = ratios.assign(series=[f"n = {n}" for n in ratios["n"]])
        arms = tables["arms"]
        panels = [
            words.coding(library, model)
            for library, model in zip(arms["library"], arms["model"], strict=True)
        ]
        arms = arms.assign(series=[f"n = {n}" for n in arms["n"]], panel=panels)
        survey = tables["survey"]
        equal = tables["crossover"].dropna(subset="crossover")
        return {
            "map": parameterisation_map(
                ratios, panel="library", titles=words.LIBRARIES, ylabel="true tau (points)",
                boundary={
                    str(library): partial(_boundary, own)
                    for library, own in equal.groupby("library")
                },
                note=MAP_NOTE,
            ),
            "ratio": sweep(
                ratios, x="kappa", y="log2_ratio", se="log2_ratio_se", series="series",
                panel="library", titles=words.LIBRARIES, columns=2, xscale="log", reference=0.0,
                xlabel="true tau over the standard error of a group's mean",
                ylabel="log2 ratio of ESS per gradient,\nnon-centred to centred",
            ),
            "bias": bias(
                arms, x="kappa", series="series", panel="panel", columns=2, xscale="log",
                xlabel="true tau over the standard error of a group's mean",
                ylabel="posterior mean of tau off\nthe exact (posterior sds)",
            ),
            "survey": bias(
                survey.assign(model=survey["model"].str.replace("non", "non-")),
                x="alpha", series="model", xscale="category", xlabel="true alpha",
                ylabel="posterior mean of alpha off\nthe exact (posterior sds)",
            ),
        }  # fmt: skip


def _boundary(crossovers: pd.DataFrame, n: np.ndarray) -> np.ndarray:
    """tau at which the models are as good, between the numbers of observations that have one."""
    own = crossovers.sort_values("n")
    log_tau = np.log(own["crossover"] * SIGMA / np.sqrt(own["n"]))
    log_n = np.log(own["n"].to_numpy(float))
    return np.exp(np.interp(np.log(n), log_n, log_tau, left=np.nan, right=np.nan))


def _fits(result: Result, arms: pd.DataFrame, story: Story) -> dict[tuple[str, str], pd.DataFrame]:
    """Fits of a story's sampled arms by library and model, beside the exact ones.

    ``worst`` is the least bulk ESS of the model's parameters: not of a new group's effect, nor of
    log densities, which the records hold too.
    Their seconds are those that the arm takes for a leapfrog step, the median over its fits with
    tuning shared out, times their leapfrog steps.
    """
    (exact,) = arms.loc[arms["is_exact"], "arm"]
    scale = story.scale
    reference = records_of(result, exact, scale)[["mean", "sd"]].add_prefix("exact_")
    columns = ["truth", "mean", "ess_bulk"]
    fits = {}
    for arm in arms[~arms["is_exact"].to_numpy(bool)].to_dict("records"):
        fit = fits_of(result, arm["arm"]).join(records_of(result, arm["arm"], scale)[columns])
        fit = fit.join(worst_parameter(result, arm["arm"], story))
        # the first fit of a worker compiles, which the median over the arm does not see
        each = (fit["seconds"] / fit["n_steps"]).median()
        key = arm["fitter_name"], arm["model"]
        fits[key] = fit.assign(seconds=each * fit["n_steps"]).join(reference)
    return fits


def _arm(fit: pd.DataFrame, n_draws: int) -> dict[str, Any]:
    """One model at one truth: what it costs, and how far its scale is off the exact one."""
    done = fit[fit["error"].isna().to_numpy()]
    per_gradient = np.log(1000 * done["worst"] / done["n_steps"])
    return {
        "n_fits": len(done),
        "n_failed": len(fit) - len(done),
        **named(
            ess_per_gradient=log_ratio_se(per_gradient),
            ess_per_second=log_ratio_se(np.log(done["worst"] / done["seconds"])),
            steps_per_draw=mean_se(done["n_steps"] / n_draws),
            divergent_fits=share_se(done["divergences"] > 0),
            divergences=mean_se(1000 * done["divergences"] / n_draws),
            bias=mean_se(((done["mean"] - done["exact_mean"]) / done["exact_sd"]).dropna()),
            exact=mean_se(done["exact_mean"].dropna()),
        ),
    }


def _losses(fit: pd.DataFrame) -> dict[str, np.ndarray]:
    """By data set: log2 of the gradients that an effective draw costs, and the error of tau."""
    done = fit[fit["error"].isna().to_numpy()]
    return {
        "gradients": np.log2(done["n_steps"] / done["worst"]).dropna().to_numpy(),
        "bias": ((done["mean"] - done["exact_mean"]) / done["exact_sd"]).dropna().to_numpy(),
    }


def _log_ratios(fit: pd.DataFrame, other: pd.DataFrame) -> dict[tuple[str, str], pd.Series]:
    """log2 of ESS over cost in one fit over another of the same data; NaN where either failed."""
    return {
        (ess, cost): np.log2((fit[x] / fit[c]) / (other[x] / other[c]))
        for (ess, x), (cost, c) in itertools.product(
            (("worst", "worst"), ("tau", "ess_bulk")),
            (("gradient", "n_steps"), ("second", "seconds")),
        )
    }

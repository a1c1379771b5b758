"""Prior sensitivity: what other priors on the between-group scale do to it, to groups, to NUTS."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hiercal.fitters import Fitter
from hiercal.fitters._fitter import at_least
from hiercal.fitters._nuts import NutsFitter
from hiercal.fitters.exact import Exact
from hiercal.fitters.numpyro import NumPyro
from hiercal.fitters.pymc import PyMC
from hiercal.simulators import Story
from hiercal.simulators.eight_schools import EightSchools
from hiercal.studies._experiment import Experiment, Say, Tables
from hiercal.studies._power_scaling import power_scaling
from hiercal.studies._prior_sensitivity_claims import CLAIMS, RUBINS, coding
from hiercal.studies._random import stream
from hiercal.studies._study import Arm, Study
from hiercal.studies._summaries import (
    fits_of,
    log_ratio_se,
    mean_se,
    named,
    records_of,
    share_se,
)
from hiercal.studies._tau_priors import (
    Prior,
    against,
    contraction,
    data_of,
    deviations,
    doubled,
    met_by,
    rubin,
    worst_ess,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from hiercal.studies._result import Result

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
class PriorSensitivity(Experiment):
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
        Of ``numpyro`` and ``pymc``.
    chains, draws, tune : int
        Of each fit by NUTS.
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

    def studies(self) -> dict[str, Study]:
        schools = EightSchools(tau_scale=self.tau_scale)
        stories = {n_groups: schools.resized(n_groups) for n_groups in self.groups}
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
            "priors": Study(stories=tuple(stories.values()), fitters=tuple(exact), **size),
            "samplers": Study(
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

    def _prior(self, arm: Arm) -> Prior:
        return next(p for p in self.priors if self._assume(p) == dict(arm.fitter.assume))

    def tables(self, results: Mapping[str, Result], say: Say) -> dict[str, pd.DataFrame]:
        """Tables by number of schools J and prior; standard errors are over data sets.

        ``priors``: tau and group effects in exact fits, beside those under the right prior.
        ``doubling``: by how much the exact posterior mean of tau grows if the prior's scale is
        doubled (``more``, as a ratio less 1), and by how much more than under the right prior
        (difference of the logarithms). ``contraction``: the share of the prior variance of tau that
        the data remove. ``samplers``: NUTS. ``rubin`` and ``power_scaling``: Rubin's data, exactly.
        """
        import pandas as pd

        studies = self.studies()
        priors, doubling = [], []
        for story in studies["priors"].stories:
            assert isinstance(story, EightSchools)
            key = {"J": len(story.coords["school"])}
            say(f"{self.name}: {key['J']} schools")
            arms = {self._prior(arm): arm for arm in studies["priors"].arms if arm.story == story}
            met = {prior: met_by(results["priors"], arm) for prior, arm in arms.items()}
            data = data_of(studies["priors"], arms[self.right])
            y = deviations(data)
            growth = {prior: doubled(prior, story.sigma, data) for prior in self.priors}
            for prior in self.priors:
                own = key | self._key(prior)
                priors.append(own | against(met[prior], met[self.right], y))
                more, se = log_ratio_se(growth[prior])
                from_right = mean_se(growth[prior] - growth[self.right])
                doubling.append(
                    own | {"n": len(data)} | named(more=(more - 1, se), from_right=from_right)
                )
        return {
            "priors": pd.DataFrame(priors),
            "doubling": pd.DataFrame(doubling),
            "contraction": pd.DataFrame(self._contraction()),
            "samplers": pd.DataFrame(self._samplers(results)),
            "rubin": pd.DataFrame([self._key(p) | rubin(p) for p in self.priors]),
            "power_scaling": power_scaling(self.tau_scale, self.seed),
        }

    def _key(self, prior: Prior) -> dict[str, Any]:
        return {"prior": str(prior), "upper": prior.upper, "right": prior == self.right}

    def _contraction(self) -> list[dict[str, Any]]:
        return [
            {"noise": noise, "times": times, "J": n_groups, "n": self.contraction_simulations}
            | named(
                contraction=contraction(
                    EightSchools(tau_scale=self.tau_scale).resized(n_groups),
                    times,
                    self.contraction_simulations,
                    stream(self.seed, self.name, "contraction", n_groups),
                )
            )
            for noise, times in NOISE.items()
            for n_groups in sorted({2, *self.groups})
        ]

    def _samplers(self, results: Mapping[str, Result]) -> list[dict[str, Any]]:
        """NUTS under each prior, paired with itself under the right one and with the exact fit."""
        studies = self.studies()
        exact = {
            (arm.story, self._prior(arm)): records_of(results["priors"], arm.label, "tau")["mean"]
            for arm in studies["priors"].arms
        }
        fits: dict[tuple[str, str, Story, Prior], pd.DataFrame] = {}
        for arm in studies["samplers"].arms:
            assert isinstance(arm.fitter, NutsFitter)
            tau = records_of(results["samplers"], arm.label, "tau")[["mean", "ess_bulk"]]
            fit = fits_of(results["samplers"], arm.label).join(tau)
            fit["ess_worst"] = worst_ess(results["samplers"], arm)
            fits[arm.fitter.name, arm.fitter.model, arm.story, self._prior(arm)] = fit
        n_draws = self.chains * self.draws
        rows = []
        for (library, model, story, prior), fit in fits.items():
            right = fits[library, model, story, self.right].loc[fit.index]
            both = (fit["error"].isna() & right["error"].isna()).to_numpy()
            done = fit[fit["error"].isna().to_numpy()]
            more = (1000 / n_draws * (fit["divergences"] - right["divergences"]))[both]
            bias = fit["mean"] - exact[story, prior].loc[fit.index]
            rows.append(
                {"library": library, "model": model, "J": len(story.coords["school"])}
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
        import pandas as pd

        from hiercal.plots.sweep import sweep

        def stacked(table: pd.DataFrame, **panels: str) -> pd.DataFrame:
            parts = [
                table.assign(panel=title, value=table[column], value_se=table[f"{column}_se"])
                for column, title in panels.items()
            ]
            return pd.concat(parts, ignore_index=True)

        priors, samplers = tables["priors"], tables["samplers"]
        samplers = samplers.assign(series=[coding(row) for row in samplers.to_dict("records")])
        places = {str(prior): place for place, prior in enumerate(self.sampled_priors)}
        sampling = stacked(
            samplers.assign(place=samplers["prior"].map(places)),
            divergences="divergent draws per thousand",
            ess="worst ESS per thousand draws",
        )
        sampling["panel"] += ", J = " + sampling["J"].astype(str)
        percent = tables["doubling"].assign(
            more=100 * tables["doubling"]["more"], more_se=100 * tables["doubling"]["more_se"]
        )
        by_groups: dict[str, Any] = {"x": "J", "xscale": "log", "xlabel": "schools"}
        figures = {
            "tau": sweep(
                priors, y="from_right", se="from_right_se", series="prior", reference=0.0,
                ylabel="posterior mean of tau minus that\nunder the right prior (points)",
                **by_groups,
            ),
            "coverage": sweep(
                stacked(priors, coverage="group effects", coverage_tau="tau"),
                y="value", se="value_se", series="prior", panel="panel", reference=0.89, columns=2,
                ylabel="coverage of 89 % intervals", **by_groups,
            ),
            "contraction": sweep(
                tables["contraction"], y="contraction", se="contraction_se", series="noise",
                reference=0.5, ylabel="share of the prior variance\nof tau that the data remove",
                note="Lines: standard errors of the schools' estimates.", **by_groups,
            ),
            "doubling": sweep(
                percent, y="more", se="more_se", series="prior", reference=0.0,
                ylabel="growth of E(tau | y) where\nthe prior’s scale is doubled (%)",
                **by_groups,
            ),
            "sampling": sweep(
                sampling, x="place", y="value", se="value_se", series="series", panel="panel",
                columns=2, share_y=False, xscale="category", yscale="symlog",
                xlabel="prior of tau, from the right one to the most diffuse", ylabel="",
                note="HN: half-normal, HC: half-Cauchy, with the scale in points; the right prior "
                f"is {self.right.short}.",
            ),
        }  # fmt: skip
        for name, figure in figures.items():
            for axes in figure.axes:
                if name == "sampling":
                    axes.set_xticks(
                        range(len(places)), [prior.short for prior in self.sampled_priors]
                    )
                else:
                    shown = sorted({2, *self.groups}) if name == "contraction" else self.groups
                    axes.set_xticks(shown, [str(n) for n in shown])
                    axes.minorticks_off()
        return figures


def _ratio(values: pd.Series, others: pd.Series) -> tuple[float, float]:
    return log_ratio_se(np.log((values / others).dropna()))

"""Prior sensitivity: what other priors on the between-group scale do to it, to groups, to NUTS."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from hiercal.fitters import Fitter
from hiercal.fitters._fitter import at_least
from hiercal.fitters._nuts import NutsFitter
from hiercal.fitters.exact import Exact
from hiercal.fitters.numpyro import NumPyro
from hiercal.fitters.pymc import PyMC
from hiercal.simulators.eight_schools import EightSchools
from hiercal.studies._claims import Claim, Finding, above, below, every
from hiercal.studies._experiment import Experiment, Say, Tables
from hiercal.studies._fits import Settings, simulate
from hiercal.studies._random import stream
from hiercal.studies._study import Arm, Study
from hiercal.studies._summaries import (
    fits_of,
    log_ratio_se,
    mean_se,
    named,
    one,
    pick,
    records_of,
    share_se,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from hiercal.studies._result import Result

LIBRARIES: dict[str, type[NutsFitter]] = {"numpyro": NumPyro, "pymc": PyMC}
NAMES = {"numpyro": "NumPyro", "pymc": "PyMC"}
CODINGS = ("centred", "noncentred")
NOISE = {"Rubin's": 1.0, "a tenth of Rubin's": 0.1}
"""Standard errors for the contraction of tau, as multiples of Rubin's."""
EXACT_DRAWS = 2000
POWERS = (0.8, 1.25)
"""Powers that the prior of tau, or the likelihood, is raised to."""
REPEATS, SENSE_DRAWS = 10, 4000
"""Sets of exact draws that power-scaling is estimated from, and draws in each."""


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
    sampled : int
        How many of those of eight schools are fitted by NUTS too; at most `simulations`.
    libraries : tuple of str
        Of ``numpyro`` and ``pymc``.
    chains, draws, tune : int
        Of each fit by NUTS.
    """

    tau_scale: float = 10.0
    half_normal: tuple[float, ...] = (1.0, 5.0, 10.0, 50.0)
    half_cauchy: tuple[float, ...] = (25.0,)
    groups: tuple[int, ...] = (3, 4, 5, 8, 20, 50)
    simulations: int = 400
    sampled: int = 150
    libraries: tuple[str, ...] = ("numpyro", "pymc")
    chains: int = 2
    draws: int = 1000
    tune: int = 1000

    name: ClassVar = "prior_sensitivity"
    quick: ClassVar = {
        "half_normal": (1.0, 10.0),
        "groups": (3, 8, 20),
        "simulations": 60,
        "sampled": 20,
        "libraries": ("numpyro",),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("half_normal", "half_cauchy", "groups"):
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
                "for which NUTS runs, among them"
            )
        for n_groups in self.groups:
            at_least(self.name, "groups", n_groups, 2)
        if not self.libraries or set(self.libraries) - set(LIBRARIES):
            raise ValueError(
                f"{self.name}: libraries is {self.libraries}; give one or more of "
                f"{', '.join(LIBRARIES)}"
            )
        at_least(self.name, "simulations", self.simulations, 2)
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
    def right(self) -> Prior:
        """The prior that tau comes from."""
        return Prior("half_normal", self.tau_scale)

    def studies(self) -> dict[str, Study]:
        schools = EightSchools(tau_scale=self.tau_scale)
        noisy = [schools.resized(n_groups) for n_groups in self.groups]
        precise = [
            EightSchools(
                tau_scale=self.tau_scale,
                sigma=tuple(NOISE["a tenth of Rubin's"] * s for s in story.sigma),
            )
            for story in noisy
        ]
        nuts: list[Fitter] = [
            LIBRARIES[library](
                model=model, assume=self._assume(prior),
                chains=self.chains, draws=self.draws, tune=self.tune,
            )
            for library, model, prior in itertools.product(self.libraries, CODINGS, self.priors)
        ]  # fmt: skip
        exact = [Exact(draws=EXACT_DRAWS, assume=self._assume(prior)) for prior in self.priors]
        size: dict[str, Any] = {"simulations": self.simulations, "seed": self.seed}
        return {
            "priors": Study(stories=tuple(noisy), fitters=tuple(exact), **size),
            "precise": Study(stories=tuple(precise), fitters=(Exact(draws=EXACT_DRAWS),), **size),
            "samplers": Study(
                stories=(schools,), fitters=tuple(nuts), simulations=self.sampled, seed=self.seed
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
        import pandas as pd

        studies = self.studies()
        priors = []
        for story in studies["priors"].stories:
            key = {"J": len(story.coords["school"])}
            say(f"{self.name}: {key['J']} schools")
            arms = {self._prior(arm): arm for arm in studies["priors"].arms if arm.story == story}
            met = {prior: _met(results["priors"], arm) for prior, arm in arms.items()}
            y = _deviations(_data(studies["priors"], arms[self.right]))
            priors += [
                key | self._key(prior) | _against(met[prior], met[self.right], y)
                for prior in self.priors
            ]
        return {
            "priors": pd.DataFrame(priors),
            "contraction": pd.DataFrame(self._contraction(results)),
            "samplers": pd.DataFrame(self._samplers(results)),
            "rubin": pd.DataFrame([self._key(p) | _rubin(p) for p in self.priors]),
            "power_scaling": power_scaling(self.tau_scale, self.seed),
        }

    def _key(self, prior: Prior) -> dict[str, Any]:
        return {"prior": str(prior), "upper": prior.upper, "right": prior == self.right}

    def _contraction(self, results: Mapping[str, Result]) -> list[dict[str, Any]]:
        """1 - E[var(tau | y)] / var(tau) under the right prior: the share of tau that is learnt."""
        rows = []
        for (noise, times), study in zip(NOISE.items(), ("priors", "precise"), strict=True):
            for arm in self.studies()[study].arms:
                if self._prior(arm) != self.right:
                    continue
                sd = records_of(results[study], arm.label, "tau")["sd"]
                kept, se = mean_se(sd.dropna() ** 2)
                prior = self.tau_scale**2 * (1 - 2 / np.pi)
                rows.append(
                    {
                        "noise": noise,
                        "times": times,
                        "J": len(arm.story.coords["school"]),
                        "n": int(sd.notna().sum()),
                        "n_failed": int(sd.isna().sum()),
                        **named(contraction=(1 - kept / prior, se / prior)),
                    }
                )
        return rows

    def _samplers(self, results: Mapping[str, Result]) -> list[dict[str, Any]]:
        """NUTS under each prior, paired with itself under the right one and with the exact fit."""
        studies = self.studies()
        eight = studies["samplers"].stories[0]
        exact = {
            self._prior(arm): records_of(results["priors"], arm.label, "tau")
            for arm in studies["priors"].arms
            if arm.story == eight
        }
        fits: dict[tuple[str, str, Prior], pd.DataFrame] = {}
        for arm in studies["samplers"].arms:
            assert isinstance(arm.fitter, NutsFitter)
            tau = records_of(results["samplers"], arm.label, "tau")[["mean", "ess_bulk"]]
            fit = fits_of(results["samplers"], arm.label).join(tau)
            fits[arm.fitter.name, arm.fitter.model, self._prior(arm)] = fit
        n_draws = self.chains * self.draws
        rows = []
        for (library, model, prior), fit in fits.items():
            right = fits[library, model, self.right].loc[fit.index]
            both = (fit["error"].isna() & right["error"].isna()).to_numpy()
            done = fit[fit["error"].isna().to_numpy()]
            more = (1000 / n_draws * (fit["divergences"] - right["divergences"]))[both]
            rows.append(
                {"library": library, "model": model}
                | self._key(prior)
                | {"n": len(done), "n_failed": len(fit) - len(done), "n_paired": int(both.sum())}
                | named(
                    divergent_fits=share_se(done["divergences"] > 0),
                    divergences=mean_se(1000 * done["divergences"] / n_draws),
                    divergences_more=mean_se(more),
                    ess=log_ratio_se(np.log(1000 * done["ess_bulk_min"] / n_draws)),
                    ess_ratio=_ratio(fit["ess_bulk_min"], right["ess_bulk_min"]),
                    ess_tau_ratio=_ratio(fit["ess_bulk"], right["ess_bulk"]),
                    steps_per_draw=mean_se(done["n_steps"] / n_draws),
                    bias=mean_se((fit["mean"] - exact[prior]["mean"].loc[fit.index]).dropna()),
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
        coding = samplers["library"].map(NAMES) + " " + samplers["model"].str.replace("non", "non-")
        order = sorted(self.priors, key=lambda prior: prior.upper)
        places = {str(prior): place for place, prior in enumerate(order)}
        sampling = stacked(
            samplers.assign(series=coding, place=samplers["prior"].map(places)),
            divergences="divergent draws per thousand",
            ess="worst ESS per thousand draws",
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
            "sampling": sweep(
                sampling, x="place", y="value", se="value_se", series="series", panel="panel",
                columns=2, share_y=False, xscale="category", yscale="symlog",
                xlabel="prior of tau, from narrow to diffuse", ylabel="",
                note="HN: half-normal, HC: half-Cauchy, with the scale in points; the right prior "
                f"is {self.right.short}.",
            ),
        }  # fmt: skip
        for name, figure in figures.items():
            for axes in figure.axes:
                if name == "sampling":
                    axes.set_xticks(range(len(order)), [prior.short for prior in order])
                else:
                    axes.set_xticks(self.groups, [str(n) for n in self.groups])
                    axes.minorticks_off()
        return figures

    claims: ClassVar = (
        Claim(
            "C23",
            "With fewer than five groups tau is dominated by its prior.",
            "For every J below 5 of the study, at Rubin's standard errors and at a tenth of them, "
            "less than half of the prior variance of tau is gone in the exact posterior under the "
            "right prior, on average over data sets.",
            lambda tables: _dominated(tables["contraction"]),
        ),
        Claim(
            "C24a",
            "A prior on tau too near zero over-shrinks.",
            "With eight schools, under the prior with the least 94.5 % quantile, the regression of "
            "true on estimated effects, both from their data set's mean, has a slope above 1, so "
            "that truths lie further apart than estimates; and 89 % intervals cover less often.",
            lambda tables: _over_shrinks(tables["priors"]),
        ),
        Claim(
            "C24b",
            "A prior on tau too diffuse gives sampling trouble.",
            "In every library and in either coding, under the prior with the largest 94.5 % "
            "quantile, more than one further draw in a thousand diverges than under the right "
            "prior, or the worst bulk ESS is more than a tenth less (geometric mean), data set by "
            "data set.",
            lambda tables: _trouble(tables["samplers"]),
        ),
    )


def power_scaling(tau_scale: float, seed: int) -> pd.DataFrame:
    """Rubin's data with the prior of tau, or the likelihood, raised to a power.

    A half-normal density to the power a is one of scale s / sqrt(a), and a normal likelihood one of
    standard errors sigma / sqrt(a): both posteriors are exact. Beside them stands what ArviZ makes
    of unscaled draws by importance sampling, averaged over independent sets of exact draws.

    Returns
    -------
    DataFrame
        A row per component and power: ``exact_mean`` and ``exact_sd`` of tau, ``estimate`` of the
        mean by Pareto-smoothed importance sampling, and ``sensitivity`` of tau, which does not
        depend on the power (Kallioinen et al. 2024, Statistics and Computing 34, 57).
    """
    import arviz as az
    import pandas as pd
    from arviz_stats import psense
    from arviz_stats.base import array_stats

    story = EightSchools(tau_scale=tau_scale)
    data = story.observed
    assert data is not None
    posterior = story.exact(data)
    sets = []
    for repeat in range(REPEATS):
        draws = posterior.draws(SENSE_DRAWS, stream(seed, "power scaling", repeat))
        logs = {
            "prior": -0.5 * (draws["tau"] / tau_scale) ** 2,
            "likelihood": story.log_likelihood(draws, data),
        }
        tree = az.from_dict(
            {
                "posterior": {"tau": draws["tau"][None]},
                "log_prior": {"tau": logs["prior"][None]},
                "log_likelihood": {"y": logs["likelihood"][None]},
            }
        )
        sense = {name: float(psense(tree, var_names=["tau"], group=name)["tau"]) for name in logs}
        sets.append((draws["tau"], logs["prior"], logs["likelihood"].sum(axis=-1), sense))
    rows = []
    for place, component in enumerate(("prior", "likelihood"), start=1):
        for power in POWERS:
            root = np.sqrt(power)
            scaled = (
                EightSchools(tau_scale=tau_scale / root)
                if component == "prior"
                else EightSchools(tau_scale=tau_scale, sigma=tuple(s / root for s in story.sigma))
            ).exact(data)
            means = []
            for each in sets:
                weights = array_stats.power_scale_lw(each[place], alpha=power)
                means.append(np.average(each[0], weights=np.exp(weights - weights.max())))
            rows.append(
                {
                    "component": component,
                    "power": power,
                    "exact_mean": scaled.mean("tau"),
                    "exact_sd": scaled.sd("tau"),
                    **named(
                        estimate=mean_se(means),
                        sensitivity=mean_se([each[3][component] for each in sets]),
                    ),
                }
            )
    return pd.DataFrame(rows)


def _rubin(prior: Prior) -> dict[str, float]:
    """The exact posterior of Rubin's data."""
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
class Met:
    """What one arm made of each data set: arrays (n_simulations,) and (n_simulations, J)."""

    tau: pd.DataFrame
    truth: np.ndarray
    mean: np.ndarray
    covered: np.ndarray
    width: np.ndarray


def _met(result: Result, arm: Arm) -> Met:
    records = result.records
    labels = arm.story.labels("theta")
    own = records[((records["arm"] == arm.label) & records["quantity"].isin(labels)).to_numpy()]
    wide = {
        column: own.pivot(index="simulation", columns="quantity", values=column)[labels].to_numpy()
        for column in ("truth", "mean", "lower", "upper")
    }
    truth, lower, upper = wide["truth"], wide["lower"], wide["upper"]
    covered = (lower <= truth) & (truth <= upper)
    tau = records_of(result, arm.label, "tau").sort_index()
    return Met(tau, truth, wide["mean"], covered, upper - lower)


def _data(study: Study, arm: Arm) -> np.ndarray:
    """The data sets of an arm's story, shape (n_simulations, J)."""
    settings = Settings.of(study)
    drawn = (simulate(arm.story, settings, i) for i in range(study.simulations))
    return np.stack([each.data["y"] for each in drawn])


def _deviations(values: np.ndarray) -> np.ndarray:
    return values - values.mean(axis=1, keepdims=True)


def _against(met: Met, right: Met, y: np.ndarray) -> dict[str, Any]:
    """Tau and group effects under one prior, beside those under the right one."""
    done = (met.tau["status"] == "ok").to_numpy() & (right.tau["status"] == "ok").to_numpy()
    tau, tau_right = met.tau[done], right.tau[done]
    estimate, truth = _deviations(met.mean[done]), _deviations(met.truth[done])
    y = y[done]
    errors, errors_right = (
        ((each.mean - each.truth)[done] ** 2).mean(axis=1) for each in (met, right)
    )
    widths, widths_right = (each.width[done].mean(axis=1) for each in (met, right))
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
            coverage=mean_se(met.covered[done].mean(axis=1)),
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


def _ratio(values: pd.Series, others: pd.Series) -> tuple[float, float]:
    return log_ratio_se(np.log((values / others).dropna()))


def _dominated(contraction: pd.DataFrame) -> Finding:
    few = contraction[(contraction["J"] < 5).to_numpy()]
    measure = "share of the prior variance of tau removed"
    said = []
    for noise, rows in contraction.groupby("noise", sort=False):
        past = rows.loc[(rows["contraction"] > 0.5).to_numpy(), "J"]
        where = f"from J = {past.min()}" if len(past) else f"at no J up to {rows['J'].max()}"
        said.append(f"{where} at {noise} standard errors")
    remark = f"More than half is removed {', '.join(said)}."
    if few.empty:
        return Finding("undecided", np.nan, np.nan, 0.5, measure, "No J below 5 in the study.")
    return every(
        [
            below(
                row["contraction"], row["contraction_se"], 0.5,
                f"{measure}, J = {row['J']}, {row['noise']} standard errors",
            )
            for row in few.to_dict("records")
        ],
        remark,
    )  # fmt: skip


def _over_shrinks(priors: pd.DataFrame) -> Finding:
    eight = pick(priors, J=8)
    row = eight.loc[eight["upper"].idxmin()].to_dict()
    right = one(eight, right=True)
    remark = (
        f"Under {row['prior']} estimates are shrunk by {row['shrinkage']:.2f} on average (right "
        f"prior {right['shrinkage']:.2f}), intervals cover {row['coverage']:.3f} and the mean "
        f"squared error is {row['mse_ratio']:.2f} times that under the right prior."
    )
    return every(
        [
            above(
                row["slope"], row["slope_se"], 1.0, f"slope of truth on estimate, {row['prior']}"
            ),
            below(row["coverage"], row["coverage_se"], 0.89, f"coverage, {row['prior']}"),
        ],
        remark,
    )


def _trouble(samplers: pd.DataFrame) -> Finding:
    widest = samplers[(samplers["upper"] == samplers["upper"].max()).to_numpy()]
    parts, said = [], []
    for row in widest.to_dict("records"):
        who = f"{NAMES[row['library']]} {row['model'].replace('non', 'non-')}"
        parts.append(
            either(
                above(
                    row["divergences_more"], row["divergences_more_se"], 1.0,
                    f"further divergent draws per thousand, {who}",
                ),
                below(row["ess_ratio"], row["ess_ratio_se"], 0.9, f"ratio of worst ESS, {who}"),
            )
        )  # fmt: skip
        said.append(f"{who} {row['divergences_more']:+.1f} and {row['ess_ratio']:.2f}")
    remark = (
        f"Further divergent draws per thousand and ratio of worst ESS under "
        f"{widest['prior'].iloc[0]}: {', '.join(said)}."
    )
    return every(parts, remark)


def either(*findings: Finding) -> Finding:
    """The claim that one of several things holds: confirmed if one is, refuted if all are."""
    ranked: Sequence[str] = ("confirmed", "undecided", "refuted")
    return min(findings, key=lambda found: ranked.index(found.verdict))

"""Parameterisation: where the centred model is cheaper per effective draw, and where it breaks."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy.optimize import isotonic_regression

from hiercal.fitters import Fitter
from hiercal.fitters._fitter import at_least
from hiercal.fitters._nuts import NutsFitter
from hiercal.fitters.exact import Exact
from hiercal.fitters.numpyro import NumPyro
from hiercal.fitters.pymc import PyMC
from hiercal.simulators import Simulation, Story
from hiercal.simulators.eight_schools import EightSchools
from hiercal.simulators.survey import Survey
from hiercal.studies._claims import Claim, Finding, above, below, every
from hiercal.studies._experiment import Experiment, Say, Tables
from hiercal.studies._random import stream
from hiercal.studies._study import Arm, Study
from hiercal.studies._summaries import (
    fits_of,
    log_ratio_se,
    mean_se,
    named,
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
SURVEY_MODELS = ("centred", "noncentred", "collapsed")
SIGMA = 15.0
"""Standard deviation of one observation, in points."""
SCHOOLS = 8
EXACT_DRAWS = 4000
BOOTSTRAPS = 400


@dataclass(frozen=True, kw_only=True)
class _OnGrid(Story):
    """A story whose scale is drawn from a few values, which no model knows of.

    One compiled model then serves all of them; ``given`` has a story, and a compilation, for each.
    """

    grid: tuple[float, ...]

    def simulate(self, rng: np.random.Generator) -> Simulation:
        at = dataclasses.replace(self, given={self.scale: rng.choice(self.grid)})
        return super(_OnGrid, at).simulate(rng)


@dataclass(frozen=True, kw_only=True)
class SchoolsOnGrid(_OnGrid, EightSchools):
    """Eight Schools at given values of tau."""

    name: ClassVar = "schools_on_grid"


@dataclass(frozen=True, kw_only=True)
class SurveyOnGrid(_OnGrid, Survey):
    """Survey at given values of alpha."""

    name: ClassVar = "survey_on_grid"


@dataclass(frozen=True, kw_only=True)
class Parameterisation(Experiment):
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
        Of ``numpyro`` and ``pymc``.
    chains, draws, tune : int
        Of each fit.
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

    def studies(self) -> dict[str, Study]:
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
            "map": Study(
                stories=tuple(
                    SchoolsOnGrid(grid=self.taus, sigma=(SIGMA / n**0.5,) * SCHOOLS)
                    for n in self.observations
                ),
                fitters=(*schools, exact),
                simulations=self.simulations,
                seed=self.seed,
            ),
            "survey": Study(
                stories=(SurveyOnGrid(grid=self.alphas),),
                fitters=(*surveys, exact),
                simulations=self.surveys,
                seed=self.seed,
            ),
            "survey_learnt": Study(
                stories=(Survey(),), fitters=(exact,), simulations=self.learnt, seed=self.seed
            ),
        }

    def tables(self, results: Mapping[str, Result], say: Say) -> dict[str, pd.DataFrame]:
        import pandas as pd

        n_draws = self.chains * self.draws
        arms, ratios, fits = [], [], {}
        study = self.studies()["map"]
        for story, n in zip(study.stories, self.observations, strict=True):
            own = _fits(results["map"], [arm for arm in study.arms if arm.story == story])
            for library, tau in itertools.product(self.libraries, self.taus):
                key = {"library": library, "n": n, "tau": tau, "kappa": n**0.5 * tau / SIGMA}
                here = {model: own[f"{library}-{model}"] for model in CODINGS}
                here = {model: fit[(fit["truth"] == tau).to_numpy()] for model, fit in here.items()}
                for model, fit in here.items():
                    arms.append({"model": model} | key | _arm(fit, n_draws))
                fits[library, n, tau] = found = _log_ratios(here["noncentred"], here["centred"])
                ratios += [
                    {"ess": ess, "cost": cost}
                    | key
                    | {"n_pairs": int(values.notna().sum())}
                    | named(log2_ratio=mean_se(values.dropna()))
                    for (ess, cost), values in found.items()
                ]
        say(f"{self.name}: crossover, {BOOTSTRAPS} bootstrap samples each")
        tables = {
            "arms": pd.DataFrame(arms),
            "map": pd.DataFrame(ratios),
            "crossover": pd.DataFrame(self._crossovers(fits)),
        }
        return tables | self._survey(results, n_draws)

    def _crossovers(self, fits: Mapping[tuple, Mapping]) -> list[dict[str, Any]]:
        """Where the worst ESS per gradient is the same: over the whole map, and for each n."""
        rows = []
        for library in self.libraries:
            for n in (None, *self.observations):
                cells = [
                    (m**0.5 * tau / SIGMA, ratios["worst", "gradient"].dropna().to_numpy())
                    for (who, m, tau), ratios in fits.items()
                    if who == library and n in (None, m)
                ]
                rng = stream(self.seed, "bootstrap", library, str(n))
                found = crossover(cells, rng)
                rows.append({"library": library, "n": "all" if n is None else n} | found)
        return rows

    def _survey(self, results: Mapping[str, Result], n_draws: int) -> dict[str, pd.DataFrame]:
        import pandas as pd

        studies = self.studies()
        own = _fits(results["survey"], studies["survey"].arms)
        rows = []
        for model, alpha in itertools.product(SURVEY_MODELS, self.alphas):
            fit = own[f"numpyro-{model}"]
            fit = fit[(fit["truth"] == alpha).to_numpy()]
            rows.append({"model": model, "alpha": alpha} | _arm(fit, n_draws))
        (arm,) = studies["survey_learnt"].arms
        sd = records_of(results["survey_learnt"], arm.label, "alpha")["sd"]
        kept, se = mean_se(sd.dropna() ** 2)
        assert isinstance(arm.story, Survey)
        prior = arm.story.alpha_shape / arm.story.alpha_rate**2
        counted = {"n": int(sd.notna().sum()), "n_failed": int(sd.isna().sum())}
        learnt = counted | named(contraction=(1 - kept / prior, se / prior))
        return {"survey": pd.DataFrame(rows), "survey_learnt": pd.DataFrame([learnt])}

    def figures(self, tables: Tables) -> dict[str, Figure]:
        from hiercal.plots.sweep import sweep

        ratios = pick(tables["map"], ess="worst", cost="gradient")
        ratios = ratios.assign(series=[f"n = {n}" for n in ratios["n"]])
        arms = tables["arms"]
        panels = [
            f"{NAMES[library]} {model.replace('non', 'non-')}"
            for library, model in zip(arms["library"], arms["model"], strict=True)
        ]
        arms = arms.assign(series=[f"n = {n}" for n in arms["n"]], panel=panels)
        survey = tables["survey"]
        return {
            "map": heat_map(ratios, tables["crossover"]),
            "ratio": sweep(
                ratios, x="kappa", y="log2_ratio", se="log2_ratio_se", series="series",
                panel="library", titles=NAMES, columns=2, xscale="log", reference=0.0,
                xlabel="true tau over the standard error of a group's mean",
                ylabel="log2 ratio of ESS per gradient,\nnon-centred to centred",
            ),
            "bias": sweep(
                arms, x="kappa", y="bias", se="bias_se", series="series", panel="panel", columns=2,
                xscale="log", reference=0.0,
                xlabel="true tau over the standard error of a group's mean",
                ylabel="posterior mean of tau off\nthe exact (posterior sds)",
            ),
            "survey": sweep(
                survey.assign(model=survey["model"].str.replace("non", "non-")),
                x="alpha", y="bias", se="bias_se", series="model", xscale="category",
                reference=0.0, xlabel="true alpha",
                ylabel="posterior mean of alpha off\nthe exact (posterior sds)",
            ),
        }  # fmt: skip

    claims: ClassVar = (
        Claim(
            "C12",
            "Centred is better with abundant data per group and tau far from zero, non-centred "
            "with sparse data or tau near zero.",
            "In every library the worst bulk ESS per gradient is higher centred where observations "
            "and tau are largest; it is higher non-centred with the fewest observations, averaged "
            "over tau, and at the smallest tau, averaged over observations (log ratios).",
            lambda tables: _better(tables),
        ),
        Claim(
            "C13",
            "The non-centred model should be the default.",
            "In every library its worst case over the map is better: the least worst bulk ESS per "
            "thousand gradients of any cell (geometric mean), and the largest bias of tau, in "
            "posterior standard deviations off the exact mean.",
            lambda tables: _default(tables["arms"]),
        ),
        Claim(
            "C33a",
            "The concentration alpha of the survey is hard to learn.",
            "Less than half of the prior variance of alpha is gone in the exact posterior, on "
            "average over data sets with alpha from its prior Exponential(1).",
            lambda tables: _learnt(tables),
        ),
        Claim(
            "C33b",
            "Small alpha breaks centred samplers of the survey.",
            "At the smallest alpha of the study the centred posterior mean of alpha lies more than "
            "a tenth of a posterior standard deviation off the exact one, and further off than at "
            "the largest.",
            lambda tables: _breaks(tables["survey"]),
        ),
    )


def crossover(
    cells: Sequence[tuple[float, np.ndarray]], rng: np.random.Generator
) -> dict[str, Any]:
    """Where a falling log ratio passes 0, with a bootstrap standard error.

    Cell means are made to fall with kappa by isotonic regression (Barlow et al. 1972), and 0 is
    found between them on the logarithm of kappa.

    Parameters
    ----------
    cells : sequence of (float, ndarray)
        kappa and the log ratios of its data sets.
    rng : numpy Generator
        Draws data sets within each cell.

    Returns
    -------
    dict
        ``crossover`` and ``crossover_se``, NaN where the ratio does not pass 0, and ``crossed``,
        the share of bootstrap samples in which it does; less than 0.9 leaves no standard error.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> found = crossover([(0.1, np.ones(2)), (10.0, -np.ones(2))], rng)
    >>> round(found["crossover"], 6), found["crossover_se"]
    (1.0, 0.0)
    """
    kept = sorted((cell for cell in cells if len(cell[1])), key=lambda cell: cell[0])
    log_kappa = np.log([kappa for kappa, _ in kept])
    groups = [values for _, values in kept]
    weights = np.array([len(values) for values in groups], float)

    def root(means: np.ndarray) -> float:
        fall = isotonic_regression(means, weights=weights, increasing=False).x
        if not fall[0] > 0 > fall[-1]:
            return np.nan
        last, first = np.flatnonzero(fall > 0)[-1], np.flatnonzero(fall < 0)[0]
        share = fall[last] / (fall[last] - fall[first])
        return log_kappa[last] + share * (log_kappa[first] - log_kappa[last])

    samples = [
        root(np.array([rng.choice(values, len(values)).mean() for values in groups]))
        for _ in range(BOOTSTRAPS)
    ]
    at = float(np.exp(root(np.array([values.mean() for values in groups]))))
    crossed = float(np.isfinite(samples).mean())
    spread = float(np.nanstd(samples)) if crossed >= 0.9 else np.nan
    return {"crossover": at, "crossover_se": at * spread, "crossed": crossed}


def heat_map(ratios: pd.DataFrame, crossovers: pd.DataFrame) -> Figure:
    """The log ratio in each cell of the map, a panel for each library, and where it is 0."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.patheffects import withStroke

    from hiercal.plots._layout import assemble
    from hiercal.plots._style import DOUBLE, INK, SINGLE, SMALL_SIZE, style

    libraries = list(dict.fromkeys(ratios["library"]))
    observations, taus = (np.sort(ratios[column].unique()) for column in ("n", "tau"))
    limit = max(float(np.nanmax(np.abs(ratios["log2_ratio"]))), 0.1)
    with style():
        figure = Figure((SINGLE if len(libraries) == 1 else DOUBLE, 2.4))
        panels = figure.subplots(1, len(libraries), sharey=True, squeeze=False).flat
        for library, axes in zip(libraries, panels, strict=True):
            cells = pick(ratios, library=library).pivot(
                index="tau", columns="n", values="log2_ratio"
            )
            axes.pcolormesh(
                _edges(observations), _edges(taus), cells.to_numpy(), cmap="PuOr",
                vmin=-limit, vmax=limit, edgecolor="white", linewidth=0.5,
            )  # fmt: skip
            for row in pick(ratios, library=library).to_dict("records"):
                text = f"{row['log2_ratio']:+.1f}\n({row['log2_ratio_se']:.1f})"
                dark = abs(row["log2_ratio"]) > 0.6 * limit
                axes.text(
                    row["n"], row["tau"], text, ha="center", va="center", fontsize=SMALL_SIZE,
                    color="white" if dark else INK,
                    path_effects=[] if dark else [withStroke(linewidth=1.5, foreground="white")],
                )  # fmt: skip
            axes.set(xscale="log", yscale="log", title=NAMES.get(library, library))
            (at,) = pick(crossovers, library=library, n="all")["crossover"]
            limits = axes.get_xlim(), axes.get_ylim()
            ends = np.array(limits[0])
            axes.plot(ends, at * SIGMA / np.sqrt(ends), color=INK, lw=1.2, linestyle=(0, (4, 2)))
            axes.set(xlim=limits[0], ylim=limits[1])
            axes.set_xticks(observations, [str(n) for n in observations])
            axes.set_yticks(taus, [f"{tau:g}" for tau in taus])
            axes.minorticks_off()
        handles = [
            Patch(facecolor=colormaps["PuOr"](0.85), label="non-centred better"),
            Patch(facecolor=colormaps["PuOr"](0.2), label="centred better"),
            Line2D([], [], color=INK, lw=1.2, linestyle=(0, (4, 2)), label="as good"),
        ]
        note = (
            "Cells: log2 of the ratio of worst bulk ESS per gradient, non-centred over centred "
            "(Monte Carlo standard error): +1 is twice as good. The line is where tau is the same "
            "multiple of the standard error of a group's mean, the one at which they are as good."
        )
        return assemble(
            figure, handles, note, xlabel="observations in each group", ylabel="true tau (points)"
        )


def _edges(values: np.ndarray) -> np.ndarray:
    """Edges of cells round points on a logarithmic axis."""
    logs = np.log(values)
    middles = (logs[1:] + logs[:-1]) / 2
    first, last = 2 * logs[0] - middles[0], 2 * logs[-1] - middles[-1]
    return np.exp(np.concatenate([[first], middles, [last]]))


def _fits(result: Result, arms: list[Arm] | tuple[Arm, ...]) -> dict[str, pd.DataFrame]:
    """Fits of each arm by its fitter's label, with the scale's records and the exact ones.

    Their seconds are those that the arm takes for a leapfrog step, the median over its fits with
    tuning shared out, times their leapfrog steps.
    """
    *sampled, exact = arms
    scale = exact.story.scale
    reference = records_of(result, exact.label, scale)[["mean", "sd"]].add_prefix("exact_")
    columns = ["truth", "mean", "ess_bulk"]
    found = {}
    for arm in sampled:
        fit = fits_of(result, arm.label).join(records_of(result, arm.label, scale)[columns])
        # the first fit of a worker compiles, which the median over the arm does not see
        each = (fit["seconds"] / fit["n_steps"]).median()
        found[arm.fitter.label] = fit.assign(seconds=each * fit["n_steps"]).join(reference)
    return found


def _arm(fit: pd.DataFrame, n_draws: int) -> dict[str, Any]:
    """One model at one truth: what it costs, and how far its scale is off the exact one."""
    done = fit[fit["error"].isna().to_numpy()]
    per_gradient = np.log(1000 * done["ess_bulk_min"] / done["n_steps"])
    return {
        "n_fits": len(done),
        "n_failed": len(fit) - len(done),
        **named(
            ess_per_gradient=log_ratio_se(per_gradient),
            ess_per_second=log_ratio_se(np.log(done["ess_bulk_min"] / done["seconds"])),
            steps_per_draw=mean_se(done["n_steps"] / n_draws),
            divergent_fits=share_se(done["divergences"] > 0),
            divergences=mean_se(1000 * done["divergences"] / n_draws),
            bias=mean_se(((done["mean"] - done["exact_mean"]) / done["exact_sd"]).dropna()),
            exact=mean_se(done["exact_mean"].dropna()),
        ),
    }


def _log_ratios(fit: pd.DataFrame, other: pd.DataFrame) -> dict[tuple[str, str], pd.Series]:
    """log2 of ESS over cost in one fit over another of the same data; NaN where either failed."""
    return {
        (ess, cost): np.log2((fit[x] / fit[c]) / (other[x] / other[c]))
        for (ess, x), (cost, c) in itertools.product(
            (("worst", "ess_bulk_min"), ("tau", "ess_bulk")),
            (("gradient", "n_steps"), ("second", "seconds")),
        )
    }


def _better(tables: Tables) -> Finding:
    ratios = pick(tables["map"], ess="worst", cost="gradient")
    parts, said = [], []
    for library, own in ratios.groupby("library", sort=False):
        most = pick(own, n=own["n"].max(), tau=own["tau"].max())
        few, near_zero = pick(own, n=own["n"].min()), pick(own, tau=own["tau"].min())
        for rows, rule, where in (
            (most, below, "most observations and largest tau"),
            (few, above, "fewest observations"),
            (near_zero, above, "smallest tau"),
        ):
            se = float(np.sqrt((rows["log2_ratio_se"] ** 2).sum()) / len(rows))
            measure = f"log2 ratio of ESS per gradient, {where}, {NAMES[str(library)]}"
            parts.append(rule(float(rows["log2_ratio"].mean()), se, 0.0, measure))
        (row,) = pick(tables["crossover"], library=library, n="all").to_dict("records")
        at = f"{row['crossover']:.2f} ({row['crossover_se']:.2f})"
        where = "nowhere on the map" if np.isnan(row["crossover"]) else f"at {at}"
        said.append(f"{where} in {NAMES[str(library)]}")
    return every(parts, f"They are equal at sqrt(n) tau / sigma: {', '.join(said)}.")


def _default(arms: pd.DataFrame) -> Finding:
    parts, said = [], []
    for library, own in arms.groupby("library", sort=False):
        name = NAMES[str(library)]
        worst, off = {}, {}
        for model in CODINGS:
            rows = pick(own, model=model)
            least = rows.loc[rows["ess_per_gradient"].idxmin()]
            log_se = least["ess_per_gradient_se"] / least["ess_per_gradient"] / np.log(2)
            worst[model] = np.log2(least["ess_per_gradient"]), log_se
            most = rows.loc[rows["bias"].abs().idxmax()]
            off[model] = abs(most["bias"]), most["bias_se"]
            said.append(
                f"{name} {model.replace('non', 'non-')} {least['ess_per_gradient']:.2g} at n = "
                f"{least['n']}, tau = {least['tau']:g}, bias {most['bias']:+.2f} at n = "
                f"{most['n']}, tau = {most['tau']:g}"
            )
        for (new, old), rule, what in (
            (
                (worst["noncentred"], worst["centred"]),
                above,
                "log2 ratio of least ESS per gradient",
            ),
            (
                (off["noncentred"], off["centred"]),
                below,
                "difference of largest bias of tau in sds",
            ),
        ):
            se = float(np.hypot(new[1], old[1]))
            parts.append(rule(float(new[0] - old[0]), se, 0.0, f"{what}, {name}"))
    return every(parts, f"Worst cases per thousand gradients: {'; '.join(said)}.")


def _learnt(tables: Tables) -> Finding:
    (row,) = tables["survey_learnt"].to_dict("records")
    survey = tables["survey"]
    (far,) = pick(survey, model="collapsed", alpha=survey["alpha"].max()).to_dict("records")
    return below(
        row["contraction"],
        row["contraction_se"],
        0.5,
        "share of the prior variance of alpha gone",
        f"Of data simulated at alpha = {far['alpha']:g} its exact posterior mean is "
        f"{far['exact']:.1f} on average.",
    )


def _breaks(survey: pd.DataFrame) -> Finding:
    centred = pick(survey, model="centred")
    small, large = (
        centred.loc[place].to_dict()
        for place in (centred["alpha"].idxmin(), centred["alpha"].idxmax())
    )
    measure = f"bias of centred alpha in posterior sds at alpha = {small['alpha']:g}"
    remark = (
        f"{100 * small['divergent_fits']:.0f} % of these fits have divergences; bias "
        f"{small['bias']:+.2f}, at alpha = {large['alpha']:g} {large['bias']:+.2f}."
    )
    gap = abs(small["bias"]) - abs(large["bias"])
    se = float(np.hypot(small["bias_se"], large["bias_se"]))
    return every(
        [
            above(abs(small["bias"]), small["bias_se"], 0.1, measure),
            above(gap, se, 0.0, f"{measure} beyond that at {large['alpha']:g}"),
        ],
        remark,
    )

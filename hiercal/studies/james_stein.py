"""James-Stein: squared error of no, partial and complete pooling, simulated and exact."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy.special import ndtri

from hiercal.fitters._fitter import at_least
from hiercal.fitters.exact import Exact
from hiercal.fitters.numpyro import NumPyro
from hiercal.simulators._story import positive
from hiercal.simulators.batting import HITS, SEASON_AVERAGES, Batting
from hiercal.simulators.eight_schools import (
    RUBIN_EFFECTS,
    RUBIN_STANDARD_ERRORS,
    EightSchools,
)
from hiercal.studies._claims import Claim, Finding, above, below, every
from hiercal.studies._experiment import Experiment, Say, Tables
from hiercal.studies._random import stream
from hiercal.studies._shrinkage import (
    BOTH_KNOWN,
    COMPLETE,
    EMPIRICAL,
    NO_POOLING,
    SURE,
    TAU_KNOWN,
    Rule,
    Truth,
    bayes_name,
    james_stein_risk,
    linear_risk,
    pooling_risk,
    posterior_means,
    rules,
    stein_constant,
    stein_name,
)
from hiercal.studies._study import Study
from hiercal.studies._summaries import mean_se, named, one, paired, pick, share_se

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from hiercal.studies._result import Result

DESIGNS = {"equal": "equal errors", "eight_schools": "Eight Schools’ errors"}
"""Standard errors of the groups, and what the figures call them."""
APART = 4.0
"""Two populations are plainly two from this many standard errors between their means."""
FEWEST = 1000
"""Data sets without a counterexample that a universal claim needs."""
TOLERANCE = 1e-6
"""Numerical error of a realised shrinkage."""
EXACT_DRAWS = 20_000
PRIOR = "the story's prior"


@dataclass(frozen=True, kw_only=True)
class JamesStein(Experiment):
    """Squared error of rules that shrink, on the same data, against the exact risks.

    Parameters
    ----------
    simulations : int
        Data sets for each point of a sweep.
    n_groups : tuple of int
        Numbers of groups in the sweep over tau.
    tau_ratios : tuple of float
        True tau in units of the root mean square of the standard errors.
    taus : tuple of float
        True tau on Eight Schools, in points.
    distances : tuple of float
        How far one group lies from the others, which are all alike, in its standard errors.
    separations : tuple of float
        Distances of two populations, half of the groups from each, in root mean square standard
        errors.
    mixture_groups : tuple of int
        Numbers of groups there.
    spreads : tuple of float
        Standard deviations of the fixed group effects that bias and variance are measured at.
    sigma : float
        The standard error of each group where all are equal, in points.
    mu : float
        True mean of the population, in points.
    tau_scales : tuple of float
        Prior scales of tau; the claims are about the first.
    mcmc_simulations : int
        Data sets that are fitted by NUTS too.
    chains, draws, tune : int
        Of each of these fits.
    """

    simulations: int = 10_000
    n_groups: tuple[int, ...] = (2, 3, 4, 8, 20, 50)
    tau_ratios: tuple[float, ...] = (0.0, 0.25, 0.5, 1.0, 2.0, 3.0)
    taus: tuple[float, ...] = (0.0, 5.0, 10.0, 20.0, 30.0)
    distances: tuple[float, ...] = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 20.0)
    separations: tuple[float, ...] = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 10.0, 20.0)
    mixture_groups: tuple[int, ...] = (8, 20)
    spreads: tuple[float, ...] = (5.0, 10.0, 20.0)
    sigma: float = 10.0
    mu: float = 8.0
    tau_scales: tuple[float, ...] = (10.0, 30.0)
    mcmc_simulations: int = 200
    chains: int = 4
    draws: int = 1000
    tune: int = 1000

    name: ClassVar = "james_stein"
    quick: ClassVar = {
        "simulations": 1000,
        "n_groups": (2, 3, 8),
        "tau_ratios": (0.0, 1.0, 3.0),
        "distances": (0.0, 2.0, 6.0, 20.0),
        "separations": (0.0, 2.0, 4.0, 20.0),
        "mixture_groups": (8,),
        "mcmc_simulations": 20,
        "chains": 2,
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("tau_ratios", "taus", "distances", "separations", "spreads", "tau_scales"):
            values = tuple(sorted({float(value) for value in getattr(self, field)}))
            # The first prior scale is the one that the claims are about.
            kept = tuple(map(float, self.tau_scales)) if field == "tau_scales" else values
            object.__setattr__(self, field, kept)
            least = 1 if field in ("spreads", "tau_scales") else 2
            if len(values) < least or not all(0 <= v < np.inf for v in values):
                raise ValueError(
                    f"{self.name}: {field} is {values}; give {least} or more finite numbers, "
                    "none below 0"
                )
        for field, least in (("n_groups", 3), ("mixture_groups", 2)):
            values = tuple(sorted(set(getattr(self, field))))
            object.__setattr__(self, field, values)
            # More than 8 lines cannot be told apart in a figure.
            if not 1 <= len(values) <= 8 or max(values) < least or min(values) < 2:
                raise ValueError(
                    f"{self.name}: {field} is {values}; give 1 to 8 numbers of at least 2, one of "
                    f"them at least {least}"
                )
        for value in (*self.spreads, *self.tau_scales):
            positive(self.name, "a spread or prior scale", value)
        positive(self.name, "sigma", self.sigma)
        if not 1 <= len(set(self.tau_scales)) == len(self.tau_scales) <= 2:
            raise ValueError(
                f"{self.name}: tau_scales is {self.tau_scales}; give one or two different ones"
            )
        if max(self.separations) < APART:
            raise ValueError(
                f"{self.name}: separations is {self.separations}; the claim is about populations "
                f"{APART:g} or more apart, give one such"
            )
        at_least(self.name, "simulations", self.simulations, 10)
        at_least(self.name, "mcmc_simulations", self.mcmc_simulations, 2)

    @property
    def story(self) -> EightSchools:
        return EightSchools(tau_scale=self.tau_scales[0])

    def studies(self) -> dict[str, Study]:
        nuts = NumPyro(model="noncentred", chains=self.chains, draws=self.draws, tune=self.tune)
        return {
            "eight_schools": Study(
                stories=(self.story,),
                fitters=(nuts, Exact(draws=EXACT_DRAWS)),
                simulations=self.mcmc_simulations,
                seed=self.seed,
            )
        }

    def tables(self, results: Mapping[str, Result], say: Say) -> dict[str, pd.DataFrame]:
        import pandas as pd

        made: dict[str, list[dict[str, Any]]] = {
            "mcmc": _mcmc(results["eight_schools"], self.studies()["eight_schools"]),
            "batting": _batting(),
            "estimates": self._estimates(),
            "dominance": self._dominance(),
        }
        for name, rows in (
            ("schools", self._schools),
            ("far_out", self._far_out),
            ("mixture", self._mixture),
            ("order", self._order),
            ("population", self._population),
        ):
            say(f"{self.name}: {name}")
            made[name] = rows()
        made["groups"], made["tradeoff"] = self._groups()
        return {name: pd.DataFrame(rows) for name, rows in made.items()}

    def errors(self, design: str, n_groups: int) -> np.ndarray:
        """Standard errors of one of `DESIGNS`."""
        if design == "equal":
            return np.full(n_groups, self.sigma)
        return np.array(EightSchools().resized(n_groups).sigma)

    @property
    def rules(self) -> tuple[Rule, ...]:
        return rules(mu_scale=self.story.mu_scale, tau_scales=self.tau_scales)

    def _population(self) -> list[dict[str, Any]]:
        """Group effects drawn from the population, at each tau."""
        rows = []
        for design, n_groups in itertools.product(DESIGNS, self.n_groups):
            sigma = self.errors(design, n_groups)
            for ratio in self.tau_ratios:
                tau = ratio * _size(sigma)
                truth = Truth(sigma, np.full(n_groups, self.mu), tau)
                key = {"design": design, "n_groups": n_groups, "tau_ratio": ratio, "tau": tau}
                rows += self._risks(key, truth, "population", design, n_groups)
        return rows

    def _schools(self) -> list[dict[str, Any]]:
        """The same on Eight Schools, in points."""
        sigma = np.array(RUBIN_STANDARD_ERRORS)
        rows = []
        for tau in self.taus:
            truth = Truth(sigma, np.full(len(sigma), self.mu), tau)
            rows += self._risks({"tau": tau}, truth, "schools")
        return rows

    def _far_out(self) -> list[dict[str, Any]]:
        """Group effects fixed at 0 but for the last one."""
        n_groups = len(RUBIN_STANDARD_ERRORS)
        rows = []
        for design, distance in itertools.product(DESIGNS, self.distances):
            sigma = self.errors(design, n_groups)
            truth = Truth(sigma, _outlier(sigma, n_groups - 1, distance))
            key = {"design": design, "n_groups": n_groups, "distance": distance}
            rows += self._risks(key, truth, "far_out", design)
        return rows

    def _mixture(self) -> list[dict[str, Any]]:
        """Groups in turn from two populations without any spread of their own."""
        rows = []
        for design, n_groups in itertools.product(DESIGNS, self.mixture_groups):
            sigma = self.errors(design, n_groups)
            side = np.where(np.arange(n_groups) % 2 == 0, -0.5, 0.5)
            for separation in self.separations:
                truth = Truth(sigma, self.mu + separation * _size(sigma) * side)
                key = {"design": design, "n_groups": n_groups, "separation": separation}
                rows += self._risks(key, truth, "mixture", design, n_groups)
        return rows

    def _risks(
        self, key: dict[str, Any], truth: Truth, *stream_of: str | int
    ) -> list[dict[str, Any]]:
        """Squared errors of all rules on the same data, and the exact ones where known."""
        theta, y = truth.simulate(self.simulations, stream(self.seed, self.name, *stream_of))
        none = ((y - theta) ** 2).mean(axis=1)
        exact_none = float((truth.sigma**2).mean())
        rows = []
        for rule in self.rules:
            losses = ((rule.estimate(y, truth) - theta) ** 2).mean(axis=1)
            risk, risk_se = mean_se(losses)
            ratio, ratio_se = _controlled(losses, none, exact_none)
            if not rule.has_error(truth.n_groups):
                risk_se = ratio_se = np.nan
            exact = rule.risk(truth)
            z = (risk - exact) / risk_se if risk_se > 1e-12 else np.nan
            rows.append(
                key
                | {"rule": rule.name, "n": self.simulations}
                | named(risk=(risk, risk_se), ratio=(ratio, ratio_se))
                | {"exact": exact, "z": z}
            )
        return rows

    def _dominance(self) -> list[dict[str, Any]]:
        """Exact risks of James-Stein over that of no pooling, one group far out.

        With two groups there is nothing to shrink by; what shrinking by 1 would do is beside it.
        """
        rows = []
        designs = itertools.product(DESIGNS, self.n_groups, ("zero", "mean"), (False, True))
        for design, n_groups, towards, part in designs:
            sigma = self.errors(design, n_groups)
            constants = [stein_constant(n_groups, towards)]
            if n_groups == 2 and towards == "zero" and part:
                constants.append(1.0)
            outliers = {"largest": int(sigma.argmax()), "smallest": int(sigma.argmin())}
            if design == "equal":
                outliers = {"any": 0}
            for constant, (outlier, i), distance in itertools.product(
                constants, outliers.items(), self.distances
            ):
                truth = Truth(sigma, _outlier(sigma, i, distance))
                risk = james_stein_risk(truth, towards=towards, positive=part, constant=constant)
                rows.append(
                    {
                        "design": design, "n_groups": n_groups, "rule": stein_name(towards, part),
                        "towards": towards, "constant": constant, "outlier_error": outlier,
                        "distance": distance, "ratio": risk.mean / float((sigma**2).mean()),
                    }
                )  # fmt: skip
        return rows

    def _groups(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Bias and variance of each group's estimate at fixed effects, and their means."""
        sigma = np.array(RUBIN_STANDARD_ERRORS)
        # Spread like normal quantiles, in the order of the effects that Rubin reported.
        scores = _normal_scores(np.argsort(np.argsort(RUBIN_EFFECTS, kind="stable")))
        partial = (bayes_name(self.tau_scales[0]), EMPIRICAL, stein_name("mean", True))
        groups, means = [], []
        for spread in self.spreads:
            truth = Truth(sigma, self.mu + spread * scores)
            theta, y = truth.simulate(self.simulations, stream(self.seed, self.name, "groups"))
            exact = {
                NO_POOLING: linear_risk(truth, np.eye(len(sigma))),
                COMPLETE: pooling_risk(truth),
                stein_name("mean", True): james_stein_risk(truth, towards="mean", positive=True),
            }
            for rule in self.rules:
                if rule.name not in (NO_POOLING, *partial, COMPLETE):
                    continue
                key = {"spread": spread, "rule": rule.name, "n": self.simulations}
                errors = rule.estimate(y, truth) - theta
                known = exact.get(rule.name)
                groups += [
                    key
                    | {"school": school, "theta": truth.centre[i], "sigma": sigma[i]}
                    | named(bias=mean_se(errors[:, i]), variance=_variance_se(errors[:, i]))
                    | {
                        "exact_bias": known.bias[i] if known else np.nan,
                        "exact_variance": known.variance[i] if known else np.nan,
                    }
                    for i, school in enumerate(EightSchools().coords["school"])
                ]
                means.append(
                    key
                    | _tradeoff(errors)
                    | {
                        "exact_squared_bias": (known.bias**2).mean() if known else np.nan,
                        "exact_variance": known.variance.mean() if known else np.nan,
                    }
                )
        return groups, means

    def _order(self) -> list[dict[str, Any]]:
        """In how many data sets groups of larger standard error are shrunk more."""
        sigma = np.array(RUBIN_STANDARD_ERRORS)
        story, n = self.story, self.simulations
        rows = []
        for tau in (np.nan, *self.taus):
            rng = stream(self.seed, self.name, "order")
            mu = self.mu * np.ones((n, 1))
            spread = np.full((n, 1), tau)
            if np.isnan(tau):
                mu = rng.normal(0, story.mu_scale, (n, 1))
                spread = abs(rng.normal(0, story.tau_scale, (n, 1)))
            y = mu + spread * rng.standard_normal((n, len(sigma)))
            y += sigma * rng.standard_normal(y.shape)
            posterior = posterior_means(
                y, sigma, mu_scale=story.mu_scale, tau_scale=story.tau_scale
            )
            realised = (y - posterior.theta) / (y - posterior.mu[:, None])
            for measure, shrunk in (("weight", posterior.shrinkage), ("realised", realised)):
                held = _ordered(shrunk, sigma)
                rows.append(
                    {
                        "truths": PRIOR if np.isnan(tau) else f"tau = {tau:g}",
                        "tau": tau,
                        "measure": measure,
                        "n": n,
                        **named(
                            data_sets=share_se(held.all(axis=1)),
                            pairs=mean_se(held.mean(axis=1)),
                            outside=share_se(((shrunk < 0) | (shrunk > 1)).any(axis=1)),
                        ),
                    }
                )
        return rows

    def _estimates(self) -> list[dict[str, Any]]:
        """What each rule makes of the effects that Rubin reported."""
        y, sigma = np.array([RUBIN_EFFECTS]), np.array(RUBIN_STANDARD_ERRORS)
        unknown = Truth(sigma, np.full(len(sigma), np.nan))
        return [
            {"rule": rule.name, "school": school, "sigma": s, "y": effect, "estimate": estimate}
            for rule in self.rules
            if rule.name not in (TAU_KNOWN, BOTH_KNOWN)
            for school, s, effect, estimate in zip(
                EightSchools().coords["school"],
                sigma,
                y[0],
                rule.estimate(y, unknown)[0],
                strict=True,
            )
        ]

    def figures(self, tables: Tables) -> dict[str, Figure]:
        import pandas as pd

        from hiercal.plots.sweep import sweep

        bayes = [bayes_name(scale) for scale in self.tau_scales]
        shown = [
            COMPLETE, stein_name("zero", True), stein_name("mean", True), SURE, EMPIRICAL, *bayes,
            TAU_KNOWN,
        ]  # fmt: skip
        made = {}
        for design, words in DESIGNS.items():
            table = _in_order(pick(tables["population"], design=design), shown)
            made[f"risk_{design}"] = sweep(
                table.assign(panel=[f"{words}, J = {j}" for j in table["n_groups"]]),
                x="tau_ratio", y="ratio", se="ratio_se", series="rule", panel="panel",
                xlabel="true tau / root mean square standard error",
                ylabel="squared error\nover that of no pooling",
                reference=1.0, reference_label=NO_POOLING, yscale="log",
            )  # fmt: skip
        partial = shown[1:]
        schools = _in_order(tables["schools"], partial)
        has_prior = schools["rule"].isin((EMPIRICAL, *bayes, TAU_KNOWN))
        made["schools"] = sweep(
            schools.assign(panel=np.where(has_prior, "Bayes", "James-Stein and SURE")),
            x="tau", y="risk", se="risk_se", series="rule", panel="panel",
            xlabel="true tau (points)", ylabel="squared error per school (points²)",
            reference=float(np.mean(np.square(RUBIN_STANDARD_ERRORS))),
            reference_label=NO_POOLING, columns=2,
        )  # fmt: skip
        for name, x, xlabel in (
            ("far_out", "distance", "distance of one group from the others (its standard errors)"),
            ("mixture", "separation", "distance of the two populations (standard errors)"),
        ):
            own = _in_order(tables[name], partial)
            panels = [
                f"{DESIGNS[design]}, J = {j}"
                for design, j in zip(own["design"], own["n_groups"], strict=True)
            ]
            made[name] = sweep(
                own.assign(panel=panels),
                x=x, y="ratio", se="ratio_se", series="rule", panel="panel",
                xlabel=xlabel, ylabel="squared error\nover that of no pooling",
                reference=1.0, reference_label=NO_POOLING, columns=2,
            )  # fmt: skip
        worst = _worst_outlier(tables["dominance"])
        panels = [
            f"{DESIGNS[design]}, to {'0' if towards == 'zero' else 'the mean'}"
            for design, towards in zip(worst["design"], worst["towards"], strict=True)
        ]
        made["dominance"] = sweep(
            worst.assign(
                series=[f"J = {j}" for j in worst["n_groups"]],
                panel=panels,
                percent=100 * (worst["ratio"] - 1),
            ),
            x="distance", y="percent", series="series", panel="panel",
            xlabel="distance of the group with the largest error from the others (its errors)",
            ylabel="exact squared error of James-Stein+\nagainst that of no pooling (%)",
            reference=0.0, yscale="symlog", columns=2,
        )  # fmt: skip
        groups = tables["groups"]
        groups = pick(groups, spread=sorted(groups["spread"].unique())[len(self.spreads) // 2])
        sd = np.sqrt(groups["variance"])
        made["groups"] = sweep(
            pd.concat(
                [
                    groups.assign(panel="bias", value=groups["bias"], se=groups["bias_se"]),
                    groups.assign(
                        panel="standard deviation", value=sd, se=groups["variance_se"] / (2 * sd)
                    ),
                ]
            ).assign(effect=lambda table: table["theta"].round(1)),
            x="effect", y="value", se="se", series="rule", panel="panel",
            xlabel="true effect of the school (points)", ylabel="of its estimate (points)",
            reference=0.0, xscale="category", share_y=False, columns=2,
        )  # fmt: skip
        order = tables["order"][tables["order"]["tau"].notna()]
        words = {"weight": "posterior mean of the weight B", "realised": "realised shrinkage"}
        made["order"] = sweep(
            order.assign(series=[words[measure] for measure in order["measure"]]),
            x="tau", y="data_sets", se="data_sets_se", series="series",
            xlabel="true tau (points)",
            ylabel="share of data sets in which\nlarger errors are shrunk more",
        )  # fmt: skip
        return made

    claims: ClassVar = (
        Claim(
            "C02",
            "No pooling is unbiased for each group but has more variance; complete pooling trades "
            "bias for variance; partial pooling lies between.",
            "On Eight Schools, at group effects fixed at each of the spreads: the variance of the "
            "exact posterior mean lies between those of complete and of no pooling in every group, "
            "and its squared bias, averaged over groups, between 0 and that of complete pooling.",
            lambda tables: _between(tables),
        ),
        Claim(
            "C06",
            "Groups with larger standard error are shrunk more, in every data set.",
            "Judged is the realised shrinkage (y_i - E theta_i) / (y_i - E mu) of the exact "
            "posterior means, on Eight Schools drawn from the story's prior. Confirmed if of every "
            "two groups the one with the larger standard error has the larger, in each of at least "
            "1000 data sets; refuted by one data set in which that fails by more than 1e-6.",
            lambda tables: _order_holds(tables["order"]),
        ),
        Claim(
            "C26",
            "James-Stein beats the separate means for every configuration when J >= 3.",
            "The exact risk towards zero, without and with the positive part, is below that of no "
            "pooling at every distance of one group from the others, for each J of at least 3, "
            "with equal standard errors and with those of Eight Schools, repeated to J groups.",
            lambda tables: _dominates(tables["dominance"]),
        ),
        Claim(
            "C30",
            "Where groups are not exchangeable (two mixed populations), pooling is worse than not.",
            "With half of the groups from each of two populations, 4 or more standard errors "
            "apart, the squared error of the exact posterior mean under the story's prior is above "
            "that of no pooling, at every separation, number of groups and design.",
            lambda tables: _mixed(tables["mixture"]),
        ),
    )


def _between(tables: Tables) -> Finding:
    groups, means = tables["groups"], tables["tradeoff"]
    (partial,) = (rule for rule in groups["rule"].unique() if rule.startswith("hierarchical"))
    parts = []
    for spread in groups["spread"].unique():
        for _, row in pick(groups, rule=partial, spread=spread).iterrows():
            for rule, bound in ((COMPLETE, above), (NO_POOLING, below)):
                other = one(groups, rule=rule, spread=spread, school=row["school"])
                parts.append(
                    bound(
                        row["variance"],
                        row["variance_se"],
                        other["exact_variance"],
                        f"variance of school {row['school']} in points², spread {spread:g}, "
                        f"against {rule}",
                    )
                )
        row = one(means, rule=partial, spread=spread)
        for rule, bound in ((NO_POOLING, above), (COMPLETE, below)):
            other = one(means, rule=rule, spread=spread)
            measure = f"mean squared bias in points², spread {spread:g}, against {rule}"
            parts.append(
                bound(
                    row["squared_bias"],
                    row["squared_bias_se"],
                    other["exact_squared_bias"],
                    measure,
                )
            )
    failed = [part for part in parts if part.verdict == "refuted"]
    remark = "" if not failed else f"{len(failed)} of {len(parts)} comparisons fail."
    return every(parts, remark)


def _order_holds(order: pd.DataFrame) -> Finding:
    row, weight = (one(order, truths=PRIOR, measure=measure) for measure in ("realised", "weight"))
    share, n = row["data_sets"], row["n"]
    verdict = "refuted" if share < 1 else "confirmed" if n >= FEWEST else "undecided"
    remark = (
        f"Of pairs of groups {row['pairs']:.3f} are in order. The posterior mean of the weight is "
        f"in order in {weight['data_sets']:.3f} of the data sets."
    )
    measure = "share of data sets in which all groups are in order"
    return Finding(verdict, share, row["data_sets_se"], 1.0, measure, remark)


def _dominates(dominance: pd.DataFrame) -> Finding:
    large = dominance[dominance["n_groups"] >= 3]
    parts = []
    for design, words in DESIGNS.items():
        own = pick(large, design=design, towards="zero")
        worst = own.loc[own["ratio"].idxmax()]
        remark = (
            f"Worst with {words}: {worst['ratio']:.4f} (J = {worst['n_groups']}, one group "
            f"{worst['distance']:g} errors out)."
        )
        parts.append(
            below(worst["ratio"], 0.0, 1.0, f"exact risk over that of no pooling, {words}", remark)
        )
    mean = pick(large, design="equal", towards="mean", constant=0.0)
    said = " ".join(part.remark for part in parts if part.verdict != "refuted")
    if len(mean):
        said += f" Towards the mean J = {mean['n_groups'].iloc[0]} is no pooling."
    return every(parts, said.strip())


def _mixed(mixture: pd.DataFrame) -> Finding:
    bayes = [rule for rule in mixture["rule"].unique() if rule.startswith("hierarchical")]
    apart = mixture[(mixture["separation"] >= APART).to_numpy()]
    parts = [
        above(
            row["ratio"],
            row["ratio_se"],
            1.0,
            f"squared error over that of no pooling, {DESIGNS[row['design']]}, "
            f"J = {row['n_groups']}, {row['separation']:g} errors apart",
        )
        for _, row in pick(apart, rule=bayes[0]).iterrows()
    ]
    said = []
    for rule in (*bayes, EMPIRICAL):
        own = pick(apart, rule=rule)
        low, high = own.loc[own["ratio"].idxmin()], own.loc[own["ratio"].idxmax()]
        said.append(
            f"{rule}: {low['ratio']:.3f} ({low['separation']:g} apart) to {high['ratio']:.3f} "
            f"({high['separation']:g})"
        )
    return every(parts, "; ".join(said) + ".")


def _controlled(losses: np.ndarray, none: np.ndarray, exact_none: float) -> tuple[float, float]:
    """Squared error over that of no pooling, and its standard error.

    No pooling met the same data and its expected error is known, so it serves as a control
    variate: its chance deviation is taken out by regression.
    """
    slope = np.cov(losses, none)[0, 1] / none.var(ddof=1)
    mean, se = mean_se(losses - slope * (none - exact_none))
    return mean / exact_none, se / exact_none


def _size(sigma: np.ndarray) -> float:
    """Root mean square of the standard errors."""
    return float(np.sqrt(np.mean(sigma**2)))


def _outlier(sigma: np.ndarray, group: int, distance: float) -> np.ndarray:
    """Effects of 0 but for one group, so many of its standard errors away."""
    effects = np.zeros(len(sigma))
    effects[group] = distance * sigma[group]
    return effects


def _normal_scores(ranks: np.ndarray) -> np.ndarray:
    """Normal quantiles in the order of `ranks`, with mean 0 and root mean square 1."""
    scores = ndtri((ranks + 0.5) / len(ranks))
    return scores / np.sqrt(np.mean(scores**2))


def _ordered(shrunk: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """For every two groups of different standard errors, whether the larger is shrunk more.

    Returns
    -------
    ndarray, shape (n_sets, n_pairs)
    """
    less, more = np.nonzero(sigma[:, None] < sigma)
    return shrunk[:, less] <= shrunk[:, more] + TOLERANCE


def _variance_se(errors: np.ndarray) -> tuple[float, float]:
    """Variance and its standard error, from the fourth moment."""
    squares = (errors - errors.mean()) ** 2
    return float(squares.sum() / (len(errors) - 1)), mean_se(squares)[1]


def _tradeoff(errors: np.ndarray) -> dict[str, float]:
    """Squared bias and variance, means over groups, of errors (n_sets, n_groups)."""
    bias, variance = errors.mean(axis=0), errors.var(axis=0, ddof=1)
    squared = float((bias**2 - variance / len(errors)).mean())
    _, slope_se = mean_se((2 * bias * (errors - bias)).mean(axis=1))
    _, spread_se = mean_se(((errors - bias) ** 2).mean(axis=1))
    return named(
        squared_bias=(squared, slope_se),
        variance=(float(variance.mean()), spread_se),
        risk=mean_se((errors**2).mean(axis=1)),
    )


def _worst_outlier(dominance: pd.DataFrame) -> pd.DataFrame:
    """Rows of the positive part at the usual constant, the group of the largest error far out."""
    kept = dominance["outlier_error"].isin(("any", "largest"))
    kept &= dominance["rule"].isin([stein_name("zero", True), stein_name("mean", True)])
    kept &= (dominance["n_groups"] > 2) | (dominance["constant"] == 0)
    return dominance[kept.to_numpy()]


def _in_order(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Rows of these rules, in this order."""
    places = {name: place for place, name in enumerate(names)}
    own = table[table["rule"].isin(names).to_numpy()]
    return own.sort_values("rule", key=lambda column: column.map(places), kind="stable")


def _batting() -> list[dict[str, Any]]:
    """Total squared error over the rest of the season, on two scales, by rule.

    Efron and Morris (1975): sqrt(n) arcsin(2 p - 1), of unit variance, and the averages as they
    are, with the binomial variance of their mean. For hierarchical Bayes data are taken in
    standard errors, with tau ~ HalfNormal(1).
    """
    at_bats = Batting().at_bats[0]
    early, late = np.array(HITS) / at_bats, np.array(SEASON_AVERAGES)
    mean = early.mean()
    rows = []
    for scale, y, truth, sigma in (
        ("arcsine", *(np.sqrt(at_bats) * np.arcsin(2 * p - 1) for p in (early, late)), 1.0),
        ("average", early, late, float(np.sqrt(mean * (1 - mean) / at_bats))),
    ):
        units = Truth(np.ones(len(y)), np.full(len(y), np.nan))
        for rule in rules(tau_scales=(1.0,)):
            if rule.name in (TAU_KNOWN, BOTH_KNOWN):
                continue
            estimate = rule.estimate(y[None] / sigma, units)[0] * sigma
            total = float(((estimate - truth) ** 2).sum())
            rows.append({"scale": scale, "rule": rule.name, "total_squared_error": total})
    return rows


def _mcmc(result: Result, study: Study) -> list[dict[str, Any]]:
    """Squared error per school of posterior means by NUTS and from exact draws, on the same data.

    A failed fit is counted, and missing from both sides of the comparison.
    """
    nuts, exact = (arm.label for arm in study.arms)
    pairs = [paired(result, nuts, exact, name) for name in study.stories[0].labels("theta")]
    means, others, truth = (
        np.stack([pair[column].to_numpy(float) for pair in pairs], axis=1)
        for column in ("mean", "other_mean", "truth")
    )
    done = np.isfinite(means).all(axis=1) & np.isfinite(others).all(axis=1)
    losses = {
        nuts: ((means - truth) ** 2).mean(axis=1)[done],
        exact: ((others - truth) ** 2).mean(axis=1)[done],
    }
    distance = ((means - others) ** 2).mean(axis=1)[done]
    return [
        {
            "arm": arm, "n": int(done.sum()), "n_failed": int((~done).sum()),
            **named(
                risk=mean_se(losses[arm]),
                difference=mean_se(losses[arm] - losses[exact]),
                squared_distance=mean_se(distance * (arm == nuts)),
            ),
        }
        for arm in (nuts, exact)
    ]  # fmt: skip

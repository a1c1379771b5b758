"""Squared error of no, partial and complete pooling, simulated and exact."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from hiercal.exact.shrinkage_rules import (
    COMPLETE,
    EMPIRICAL,
    NO_POOLING,
    SURE,
    TAU_KNOWN,
    Rule,
    bayes_name,
    rules,
    stein_name,
)
from hiercal.exact.stein_risk import TrueEffects
from hiercal.fitters._fitter import at_least
from hiercal.fitters.exact import Exact
from hiercal.fitters.numpyro import NumPyro
from hiercal.runs.measurements import Measurement, Rows
from hiercal.runs.run import Run
from hiercal.runs.streams import stream
from hiercal.simulators._fields import positive
from hiercal.simulators.eight_schools import RUBIN_EFFECTS, RUBIN_STANDARD_ERRORS, EightSchools
from hiercal.studies._study import Study, Tables
from hiercal.studies.james_stein import tables as rows_of
from hiercal.studies.james_stein.claims import CLAIMS
from hiercal.studies.james_stein.design import APART, DESIGNS
from hiercal.tables.estimates import pick

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from hiercal.runs.result import Result
    from hiercal.studies.james_stein.tables import Row

EXACT_DRAWS = 20_000


@dataclass(frozen=True, kw_only=True)
class JamesStein(Study):
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
        How far the group effects lie from where James-Stein shrinks them to, in standard errors:
        exactly, in the worst of all configurations, and simulated, with one group so far from the
        others, which are all alike.
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
        Number of chains, and of draws and tuning steps per chain, of each of these fits.
    """

    simulations: int = 10_000
    n_groups: tuple[int, ...] = (2, 3, 4, 8, 20, 50)
    tau_ratios: tuple[float, ...] = (0.0, 0.25, 0.5, 1.0, 2.0, 3.0)
    taus: tuple[float, ...] = (0.0, 5.0, 10.0, 20.0, 30.0)
    distances: tuple[float, ...] = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 20.0, 50.0)
    separations: tuple[float, ...] = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0, 20.0)
    mixture_groups: tuple[int, ...] = (4, 8, 20, 50)
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
    claims: ClassVar = CLAIMS

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
        if not 1 <= len(set(map(bayes_name, self.tau_scales))) == len(self.tau_scales) <= 2:
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

    def runs(self) -> dict[str, Run]:
        nuts = NumPyro(model="noncentred", chains=self.chains, draws=self.draws, tune=self.tune)
        return {
            "eight_schools": Run(
                stories=(self.story,),
                fitters=(nuts, Exact(draws=EXACT_DRAWS)),
                simulations=self.mcmc_simulations,
                seed=self.seed,
            )
        }

    def measurements(self) -> dict[str, Measurement]:
        each = (
            self._real_data,
            self._dominance,
            self._schools,
            self._far_out,
            self._mixture,
            self._population,
            self._weights,
            self._groups,
        )
        return {make.__name__.strip("_").replace("_", " "): Measurement(make) for make in each}

    def tables(
        self, results: Mapping[str, Result], measured: Mapping[str, Rows]
    ) -> dict[str, pd.DataFrame]:
        """Tables of squared errors; standard errors are over data sets.

        ``population``, ``schools``, ``far_out`` and ``mixture`` have a row per rule and point of a
        sweep: ``risk`` per group, ``ratio`` of it over that of no pooling, and ``exact`` where
        known. ``dominance`` is exact: James-Stein in the worst of all configurations at a distance,
        by its constant. ``weights`` and ``order`` hold the weights B of each school and whether
        larger standard errors have larger ones; ``groups`` and ``tradeoff`` bias and variance at
        fixed effects; ``estimates`` Rubin's data; ``batting`` baseball; ``mcmc`` NUTS beside exact
        posterior means.
        """
        import pandas as pd

        mcmc = rows_of.mcmc(results["eight_schools"], self.story.labels("theta"))
        return {
            name: pd.DataFrame(rows) for name, rows in ({"mcmc": mcmc} | dict(measured)).items()
        }

    def _real_data(self) -> dict[str, Rows]:
        """Baseball, and Rubin's data."""
        return {"batting": rows_of.batting(), "estimates": rows_of.estimates(self.rules)}

    def errors(self, design: str, n_groups: int) -> np.ndarray:
        """Standard errors of one of `DESIGNS`."""
        if design == "equal":
            return np.full(n_groups, self.sigma)
        return np.array(EightSchools().resized(n_groups).sigma)

    @property
    def rules(self) -> tuple[Rule, ...]:
        return rules(mu_scale=self.story.mu_scale, tau_scales=self.tau_scales)

    def _risks(self, key: Row, truth: TrueEffects, *stream_of: str | int) -> list[Row]:
        """Squared errors at one point of a sweep, on the stream of the sweep."""
        rng = stream(self.seed, self.name, *stream_of)
        return [key | row for row in rows_of.risks(self.rules, truth, self.simulations, rng)]

    def _population(self) -> dict[str, Rows]:
        """Group effects drawn from the population, at each tau."""
        rows = []
        for design, n_groups in itertools.product(DESIGNS, self.n_groups):
            sigma = self.errors(design, n_groups)
            for ratio in self.tau_ratios:
                tau = ratio * rows_of.root_mean_square(sigma)
                truth = TrueEffects(sigma, np.full(n_groups, self.mu), tau)
                key = {"design": design, "n_groups": n_groups, "tau_ratio": ratio, "tau": tau}
                rows += self._risks(key, truth, "population", design, n_groups)
        return {"population": rows}

    def _schools(self) -> dict[str, Rows]:
        """The same at the standard errors of Eight Schools, with tau in points."""
        sigma = np.array(RUBIN_STANDARD_ERRORS)
        centre = np.full(len(sigma), self.mu)
        rows = [
            row
            for tau in self.taus
            for row in self._risks({"tau": tau}, TrueEffects(sigma, centre, tau), "schools")
        ]
        return {"schools": rows}

    def _far_out(self) -> dict[str, Rows]:
        """Group effects fixed at 0 but for the last one."""
        n_groups = len(RUBIN_STANDARD_ERRORS)
        rows = []
        for design, distance in itertools.product(DESIGNS, self.distances):
            truth = rows_of.outlier(self.errors(design, n_groups), n_groups - 1, distance)
            key = {"design": design, "n_groups": n_groups, "distance": distance}
            rows += self._risks(key, truth, "far_out", design)
        return {"far_out": rows}

    def _mixture(self) -> dict[str, Rows]:
        """Groups in turn from two populations without any spread of their own."""
        rows = []
        for design, n_groups in itertools.product(DESIGNS, self.mixture_groups):
            sigma = self.errors(design, n_groups)
            side = np.where(np.arange(n_groups) % 2 == 0, -0.5, 0.5)
            for separation in self.separations:
                apart = separation * rows_of.root_mean_square(sigma)
                key = {"design": design, "n_groups": n_groups, "separation": separation}
                truth = TrueEffects(sigma, self.mu + apart * side)
                rows += self._risks(key, truth, "mixture", design, n_groups)
        return {"mixture": rows}

    def _dominance(self) -> dict[str, Rows]:
        """Exact errors of James-Stein in the worst configuration."""
        rows = [
            {"design": design, "n_groups": n_groups} | row
            for design, n_groups in itertools.product(DESIGNS, self.n_groups)
            for row in rows_of.dominance(self.errors(design, n_groups), self.distances)
        ]
        return {"dominance": rows}

    def _groups(self) -> dict[str, Rows]:
        """Bias and variance at fixed effects, spread like normal quantiles in Rubin's order."""
        scores = rows_of.normal_scores(np.argsort(np.argsort(RUBIN_EFFECTS, kind="stable")))
        partial = stein_name("mean", True), EMPIRICAL, bayes_name(self.tau_scales[0])
        compared = [r for r in self.rules if r.name in (NO_POOLING, COMPLETE, *partial)]
        groups, means = [], []
        for spread in self.spreads:
            truth = TrueEffects(np.array(RUBIN_STANDARD_ERRORS), self.mu + spread * scores)
            rng = stream(self.seed, self.name, "groups")
            moments = rows_of.moments(compared, truth, self.simulations, rng)
            for rows, own in zip((groups, means), moments, strict=True):
                rows += [{"spread": spread} | row for row in own]
        return {"groups": groups, "tradeoff": means}

    def _weights(self) -> dict[str, Rows]:
        """Weights of the schools: on Rubin's data, under the prior and at each tau."""
        schools, order = rows_of.weights_of(self.story, np.array([RUBIN_EFFECTS]), rows_of.RUBIN)
        for tau in (np.nan, *self.taus):
            rng = stream(self.seed, self.name, "weights")
            weights = rows_of.weights(self.story, self.mu, tau, self.simulations, rng)
            schools, order = schools + weights[0], order + weights[1]
        return {"weights": schools, "order": order}

    def figures(self, tables: Tables) -> dict[str, Figure]:
        import pandas as pd

        from hiercal.plots import risk, sweep

        bayes = [bayes_name(scale) for scale in self.tau_scales]
        partial = [
            stein_name("zero", True), stein_name("mean", True), SURE, EMPIRICAL, *bayes, TAU_KNOWN,
        ]  # fmt: skip
        schools = _in_order(tables["schools"], partial)
        has_prior = schools["rule"].isin((EMPIRICAL, *bayes, TAU_KNOWN))
        made = {
            "schools": risk(
                schools.assign(panel=np.where(has_prior, "Bayes", "James-Stein and SURE")),
                panel="panel",
                xlabel="true tau (points)", ylabel="squared error per school (points²)",
                reference=float(np.mean(np.square(RUBIN_STANDARD_ERRORS))),
                reference_label=NO_POOLING, columns=2,
            )
        }  # fmt: skip
        mixture = _in_order(tables["mixture"], [*bayes, EMPIRICAL])
        made["mixture"] = risk(
            mixture.assign(
                panel=mixture["design"].map(DESIGNS) + "\n" + mixture["rule"],
                series="J = " + mixture["n_groups"].astype(str),
            ).sort_values("design", ascending=False, kind="stable"),
            x="separation", y="ratio", series="series", panel="panel",
            xlabel="distance of the two populations (standard errors)",
            ylabel="squared error\nover that of no pooling",
            reference=1.0, reference_label=NO_POOLING, columns=len(bayes) + 1,
        )  # fmt: skip
        dominance = tables["dominance"]
        shown = dominance[
            ((dominance["n_groups"] > 2) & (dominance["kind"] != rows_of.ONE)).to_numpy()
            & dominance["rule"].isin([stein_name("zero", True), stein_name("mean", True)])
            # with equal errors both constants are the same
            & ((dominance["design"] != "equal") | (dominance["kind"] == rows_of.USUAL)).to_numpy()
        ]
        towards = shown["towards"].map({"zero": "to 0", "mean": "to the mean"})
        kinds = shown["towards"].map({"zero": "J - 2", "mean": "J - 3"})
        kinds = kinds.where(shown["kind"] == rows_of.USUAL, "tr/max - 2")
        made["dominance"] = risk(
            shown.assign(
                series="J = " + shown["n_groups"].astype(str),
                panel=shown["design"].map(DESIGNS) + "\n" + kinds + ", " + towards,
                percent=100 * (shown["ratio"] - 1),
            ).sort_values(["towards", "design"], ascending=False, kind="stable"),
            x="distance", y="percent", series="series", panel="panel",
            xlabel="distance from the target in the worst direction (standard errors)",
            ylabel="exact squared error of James-Stein+\nagainst that of no pooling (%)",
            reference=0.0, yscale="symlog", linthresh=0.1, columns=3,
            note="To 0 the worst direction is one group far out, that of the largest error.",
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
        made["weights"] = sweep(
            tables["weights"], x="sigma", y="weight", se="weight_se", series="data",
            xlabel="standard error of the school (points)",
            ylabel="posterior mean of the weight B\nthat an estimate gives to mu",
        )  # fmt: skip
        return made


def _in_order(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Rows of these rules, in this order."""
    places = {name: place for place, name in enumerate(names)}
    own = table[table["rule"].isin(names).to_numpy()]
    return own.sort_values("rule", key=lambda column: column.map(places), kind="stable")

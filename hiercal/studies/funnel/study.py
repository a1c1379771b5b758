"""The bias of the between-group scale in centred models, and what target_accept does."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from hiercal.fitters import Fitter
from hiercal.fitters._fitter import at_least
from hiercal.fitters.exact import Exact
from hiercal.fitters.numpyro import NumPyro
from hiercal.fitters.pymc import PyMC
from hiercal.runs.kept_draws import NO_DRAWS, REAL_DATA
from hiercal.runs.measurements import Rows
from hiercal.runs.run import Run
from hiercal.runs.streams import stream
from hiercal.simulators.eight_schools import EightSchools
from hiercal.simulators.slopes import Slopes
from hiercal.studies._study import Study, Tables
from hiercal.studies.funnel import tables as _funnel_tables
from hiercal.studies.funnel.claims import CLAIMS
from hiercal.studies.funnel.rubins_data import CHAPTER, RubinsData, ess_ratios, seeds_table, summary
from hiercal.studies.funnel.tables import BINS, SMALL, sampled
from hiercal.tables.estimates import pick
from hiercal.words import coding

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from hiercal.runs.result import Result

LIBRARIES = {"numpyro": NumPyro, "pymc": PyMC}
EXACT_DRAWS = 20_000
SHOWN = 1000
"""Draws of a fit in the figure of the funnel."""


@dataclass(frozen=True, kw_only=True)
class FunnelBias(Study):
    """Centred against non-centred Eight Schools, beside the exact posterior of the same data.

    Parameters
    ----------
    simulations, slopes_simulations : int
        Data sets from Eight Schools, and from varying slopes, whose fits are thirty times slower.
    seeds : int
        Fits of Rubin's data by each model of each library, with the textbook's settings.
    targets : tuple of float
        Acceptance statistics that tuning aims at.
    slopes_targets : tuple of float
        Those for the centred varying-slopes model.
    libraries : tuple of {"numpyro", "pymc"}
    chains, draws, tune : int
        Number of chains, and of draws and tuning steps per chain, of each fit.
    """

    simulations: int = 300
    slopes_simulations: int = 100
    seeds: int = 400
    targets: tuple[float, ...] = (0.8, 0.9, 0.99)
    slopes_targets: tuple[float, ...] = (0.8, 0.995)
    libraries: tuple[Literal["numpyro", "pymc"], ...] = ("numpyro", "pymc")
    chains: int = 4
    draws: int = 1000
    tune: int = 1000

    name: ClassVar = "funnel"
    quick: ClassVar = {
        "simulations": 12,
        "slopes_simulations": 4,
        "seeds": 8,
        "libraries": ("numpyro",),
        "chains": 2,
    }
    claims: ClassVar = CLAIMS

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("targets", "slopes_targets"):
            values = tuple(sorted(getattr(self, field)))
            object.__setattr__(self, field, values)
            if len(values) < 2:
                raise ValueError(f"{self.name}: {field} is {values}; give two or more to compare")
        object.__setattr__(self, "libraries", tuple(self.libraries))
        if not self.libraries:
            raise ValueError(f"{self.name}: libraries is empty; give numpyro, pymc or both")
        for field in ("simulations", "slopes_simulations", "seeds"):
            at_least(self.name, field, getattr(self, field), 2)

    def runs(self) -> dict[str, Run]:
        settings: dict[str, Any] = {
            "chains": self.chains,
            "draws": self.draws,
            "tune": self.tune,
        }
        libraries = [LIBRARIES[name] for name in self.libraries]
        schools: list[Fitter] = [
            cls(model=model, target_accept=target, **settings)
            for cls, model, target in itertools.product(
                libraries, ("centred", "noncentred"), self.targets
            )
        ]
        slopes: list[Fitter] = [
            cls(model="centred", target_accept=target, **settings)
            for cls, target in itertools.product(libraries, self.slopes_targets)
        ]
        exact = Exact(draws=EXACT_DRAWS)
        return {
            "rubins_data": Run(
                stories=(RubinsData(),),
                fitters=tuple(
                    cls(model=model, **CHAPTER)
                    for cls, model in itertools.product(libraries, ("centred", "noncentred"))
                ),
                below={"tau": SMALL},
                simulations=self.seeds,
                seed=self.seed,
            ),
            "eight_schools": Run(
                stories=(EightSchools(),),
                fitters=(*schools, exact),
                below={"tau": SMALL},
                simulations=self.simulations,
                seed=self.seed,
            ),
            "slopes": Run(
                stories=(Slopes(),),
                fitters=(*slopes, exact),
                simulations=self.slopes_simulations,
                seed=self.seed,
            ),
        }

    def tables(
        self, results: Mapping[str, Result], measured: Mapping[str, Rows]
    ) -> dict[str, pd.DataFrame]:
        import pandas as pd

        bias, sampling, ess, targets, signs = [], [], [], [], []
        for name in ("eight_schools", "slopes"):
            result = results[name]
            for arm in sampled(result).to_dict("records"):
                label, exact, scale = arm["arm"], arm["exact"], arm["scale"]
                key = {
                    "story": name,
                    "library": arm["fitter_name"],
                    "model": arm["model"],
                    "target_accept": arm["target_accept"],
                }
                bias += [key | row for row in _funnel_tables.bias(result, label, exact, scale)]
                n_draws = self.chains * self.draws
                sampling.append(key | _funnel_tables.sampling(result, label, scale, n_draws))
                if (name, arm["model"]) == ("eight_schools", "centred"):
                    signs.append(key | _funnel_tables.sign(result, label, exact, scale))
            ess += _funnel_tables.ess_ratios(result, name)
            targets += _funnel_tables.targets(result, name)
        seeds = seeds_table(results["rubins_data"])
        return {
            "rubin": summary(seeds),
            "rubin_ess": ess_ratios(seeds, stream(self.seed, "bootstrap", "rubins_data")),
            "rubin_seeds": seeds,
            "targets": pd.DataFrame(targets),
            "signs": pd.DataFrame(signs),
            "bias": pd.DataFrame(bias),
            "sampling": pd.DataFrame(sampling),
            "ess": pd.DataFrame(ess),
            "draws": self._draws(results["eight_schools"]),
        }

    def _draws(self, result: Result) -> pd.DataFrame:
        """A thousand draws of tau and of the first school on Rubin's data, at the lowest target."""
        import pandas as pd

        parts = []
        for arm in sampled(result).to_dict("records"):
            kept = result.draws().get((arm["arm"], REAL_DATA), NO_DRAWS)
            if arm["target_accept"] > self.targets[0] or not len(kept["scale"]):
                continue
            step = max(1, len(kept["scale"]) // SHOWN)
            part = {name: kept[name][::step] for name in NO_DRAWS}
            key = {"library": arm["fitter_name"], "model": arm["model"]}
            parts.append(pd.DataFrame(key | part))
        return pd.concat(parts, ignore_index=True)

    def figures(self, tables: Tables) -> dict[str, Figure]:
        from hiercal.plots import Measurement, funnel, strips, sweep
        from hiercal.plots import bias as bias_figure

        drawn = [(title, part) for title, part in tables["draws"].groupby(_series(tables["draws"]))]
        bias = pick(tables["bias"], story="eight_schools", fits="all")
        sampling = pick(tables["sampling"], story="eight_schools")
        seeds = tables["rubin_seeds"].sort_values("model", kind="stable")
        return {
            "rubin": strips(
                seeds.assign(series=_series(seeds)),
                [
                    Measurement(
                        "mean",
                        "posterior mean of tau (points)",
                        reference=tables["rubin"]["exact"].iloc[0],
                    ),
                    Measurement("divergences", "divergent draws of 8,000", "symlog"),
                    Measurement("ess_bulk", "bulk ESS of tau", "log"),
                ],
                arm="series",
                reference_label="exact posterior",
                note="Rubin's data, a point for each seed of the sampler: 4 chains of 1,000 + "
                "2,000 draws at target 0.9, as in the textbook.",
            ),
            "funnel": funnel(
                [
                    [
                        {
                            "scale": part["scale"].to_numpy(),
                            "group": part["group"].to_numpy(),
                            "diverging": part["diverging"].to_numpy(bool),
                            "title": str(title),
                        }
                        for title, part in drawn
                    ]
                ],
                [f"Rubin's data, target {self.targets[0]:g}"],
            ),
            "bias": bias_figure(
                bias.assign(series=_series(bias), panel=_ranges(bias)),
                x="target_accept",
                series="series",
                panel="panel",
                xlabel="target acceptance statistic",
                ylabel="posterior mean of tau\nminus the exact one (points)",
                xscale="category",
                columns=2,
            ),
            "divergences": sweep(
                sampling.assign(series=_series(sampling)),
                x="target_accept",
                y="divergences",
                se="divergences_se",
                series="series",
                xlabel="target acceptance statistic",
                ylabel="divergent draws per thousand",
                xscale="category",
            ),
        }


def _series(table: pd.DataFrame) -> list[str]:
    return [
        coding(library, model)
        for library, model in zip(table["library"], table["model"], strict=True)
    ]


def _ranges(table: pd.DataFrame) -> list[str]:
    words = {BINS[0]: "all data sets"}
    for low, high in BINS[1:]:
        words[low, high] = (
            f"true tau above {low:g}" if high == np.inf else f"true tau {low:g} to {high:g}"
        )
    return [words[pair] for pair in zip(table["truth_from"], table["truth_to"], strict=True)]

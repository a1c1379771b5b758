"""Rank tests and coverage with few and many groups, and where the errors sit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from scipy.special import stdtrit

from hiercal.fitters import Fitter
from hiercal.fitters._fitter import at_least
from hiercal.fitters.exact import Exact
from hiercal.fitters.numpyro import NumPyro
from hiercal.fitters.pymc import PyMC
from hiercal.runs.measurements import Rows
from hiercal.runs.run import Run
from hiercal.sbc.pooled import pooled_band
from hiercal.simulators.eight_schools import EightSchools
from hiercal.studies._study import Study, Tables
from hiercal.tables.export import tables as tables_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from hiercal.runs.result import Result

BINS = 20


@dataclass(frozen=True, kw_only=True)
class Calibration(Study):
    """Eight Schools with few and with many groups: rank tests, coverage, and strata.

    For stories and fitters of your own, write them in a file: ``examples/stories.toml``.

    Parameters
    ----------
    simulations : int
        Data sets for each number of groups.
    groups : tuple of int
        Numbers of schools: Rubin's standard errors over and over.
    libraries : tuple of {"numpyro", "pymc"}
    models : tuple of str
    target_accept : float
    """

    simulations: int = 500
    groups: tuple[int, ...] = (3, 8, 40)
    libraries: tuple[Literal["numpyro", "pymc"], ...] = ("numpyro", "pymc")
    models: tuple[str, ...] = ("centred", "noncentred")
    target_accept: float = 0.9

    name: ClassVar = "calibration"
    quick: ClassVar = {"simulations": 40, "groups": (3, 8), "libraries": ("numpyro",)}

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("groups", "libraries", "models"):
            object.__setattr__(self, field, tuple(getattr(self, field)))
            if not getattr(self, field):
                raise ValueError(f"{self.name}: {field} is empty; give at least one")
        at_least(self.name, "simulations", self.simulations, 20)
        for n in self.groups:
            at_least(self.name, "groups", n, 2)

    def runs(self) -> dict[str, Run]:
        fitters: list[Fitter] = [
            {"numpyro": NumPyro, "pymc": PyMC}[library](
                model=model, target_accept=self.target_accept
            )
            for library in self.libraries
            for model in self.models
        ]
        return {
            f"{n} groups": Run(
                stories=(EightSchools().resized(n),),
                fitters=(*fitters, Exact()),
                simulations=self.simulations,
                seed=self.seed,
                groups="summary",
            )
            for n in self.groups
        }

    def tables(
        self, results: Mapping[str, Result], measured: Mapping[str, Rows]
    ) -> dict[str, pd.DataFrame]:
        import pandas as pd

        parts: dict[str, list[pd.DataFrame]] = {}
        for result, n in zip(results.values(), self.groups, strict=True):
            made = tables_of(result) | {"effects": _effects(result)}
            if "strata" in made:
                made["strata"].insert(1, "fitter", made["strata"]["arm"].map(result.arms["fitter"]))
            for table_name, table in made.items():
                table.insert(0, "n_schools", n)
                parts.setdefault(table_name, []).append(table)
        return {name: pd.concat(each, ignore_index=True) for name, each in parts.items()}

    def figures(self, tables: Tables) -> dict[str, Figure]:
        from hiercal.plots import strata, sweep

        table = tables.get("strata")  # none without an arm that has tau
        of = {"truth": "quarter of the true tau", "data": "quarter of the exact mean of tau"}
        effects = tables["effects"]
        if effects.empty:
            return {}  # nothing has been fitted twice, so there is no standard error to show
        pooled_effects = sweep(
            effects.assign(
                series=effects["fitter"],
                panel=effects["n_schools"].map("{} schools".format),
            ),
            x="rank",
            y="percent",
            se="percent_se",
            series="series",
            panel="panel",
            xlabel="rank of a school's true effect among 99 posterior draws",
            ylabel="share of all effects\nin a bin (%)",
            reference=100 / BINS,
            note="All schools of all simulations; standard errors are those between simulations, "
            "whatever the dependence within one.",
        )
        if table is None:
            return {"effects": pooled_effects}
        return {"effects": pooled_effects} | {
            f"strata-{by}": strata(
                table.assign(panel=table["n_schools"].map("{} schools".format)),
                by=by,
                series="fitter",
                panel="panel",
                xlabel=f"{words}, from the smallest",
                note="Below 0 the truth ranks too low: small values of tau are missing.",
            )
            for by, words in of.items()
        }


def _effects(result: Result) -> pd.DataFrame:
    """Ranks of all group effects pooled, in bins, with standard errors between simulations."""
    import pandas as pd

    parts = []
    ranks = result.group_ranks
    for arm, fitter in result.arms["fitter"].items():
        own = ranks.loc[(ranks["arm"] == arm).to_numpy(), "counts"].to_list()
        if len(own) < 2:
            continue
        counts = np.stack(own)
        shares, half_widths = pooled_band(counts, BINS, level=0.95)
        error = half_widths / stdtrit(len(counts) - 1, 0.975)
        middle = (np.arange(BINS) + 0.5) * counts.shape[1] / BINS - 0.5
        columns = {"rank": middle, "percent": 100 * shares, "percent_se": 100 * error}
        parts.append(pd.DataFrame({"arm": arm, "fitter": fitter} | columns))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()

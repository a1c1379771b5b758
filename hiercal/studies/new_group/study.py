"""Prediction of a group not seen, and what it is worth where groups are not alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hiercal.fitters._fitter import at_least
from hiercal.fitters.exact import Exact
from hiercal.runs.measurements import Measurement, Rows
from hiercal.runs.run import Run
from hiercal.simulators._fields import positive
from hiercal.simulators.eight_schools import EightSchools
from hiercal.simulators.hospitals import Hospitals
from hiercal.simulators.private_schools import PrivateSchools
from hiercal.simulators.slopes import Slopes
from hiercal.studies._study import Study, Tables
from hiercal.studies.new_group.claims import CLAIMS
from hiercal.studies.new_group.design import FAR, NEAR
from hiercal.studies.new_group.predictions import (
    LEVEL,
    MAX_RANK,
    contaminated,
    on_textbook,
    rubin,
    unseen,
)
from hiercal.studies.new_group.private_schools import seen as seen_schools
from hiercal.studies.new_group.private_schools import unseen as unseen_school

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from hiercal.runs.result import Result

UNSEEN = (EightSchools(), Hospitals(), PrivateSchools())
"""Stories in which a group not seen is predicted."""
N_PUBLIC = 8
BOUNDS = {
    "hierarchical": f"hierarchical: error below {NEAR:g}",
    "no_pooling": f"no pooling: error above {FAR:g}",
}
MODELS = {"covariate": "with the covariate", "exchangeable": "without it"}


@dataclass(frozen=True, kw_only=True)
class NewGroup(Study):
    """Predictions of groups not seen, and groups that are not exchangeable with the others.

    All posteriors are exact.

    Parameters
    ----------
    simulations : int
        Data sets of each story, for the prediction of a group not seen.
    private_simulations : int
        Data sets at each beta.
    slope_simulations : int
        Data sets at each noise and contamination.
    draws : int
        Number of draws from each exact posterior.
    betas : tuple of float
        How far private schools lie above public ones, in points; the textbook's is 5.
    mu, tau : float
        Mean effect of public schools and standard deviation between schools of one kind, in points.
    contaminations : tuple of float
        Added to the last half of the smallest group's points, in varying slopes about 2.
    noises : tuple of float
        Standard deviation of these points about their lines.
    sigma_slope : float
        Standard deviation of these slopes, by default the mean of its prior.
    """

    simulations: int = 400
    private_simulations: int = 40_000
    slope_simulations: int = 100
    draws: int = 2000
    betas: tuple[float, ...] = (0.0, 2.5, 5.0, 7.5, 10.0, 20.0)
    mu: float = 8.0
    tau: float = 4.0
    contaminations: tuple[float, ...] = (0.0, 0.3, 1.0, 3.0, 10.0)
    noises: tuple[float, ...] = (0.1, 0.2, 0.3, 0.5, 1.0)
    sigma_slope: float = 1 / 13

    name: ClassVar = "new_group"
    quick: ClassVar = {
        "simulations": 20,
        "private_simulations": 2000,
        "slope_simulations": 20,
        "draws": 500,
        "betas": (0.0, 5.0, 20.0),
        "contaminations": (0.0, 1.0, 3.0),
        "noises": (0.1, 1.0),
    }
    claims: ClassVar = CLAIMS

    def __post_init__(self) -> None:
        super().__post_init__()
        for field, least in (("betas", 2), ("contaminations", 2), ("noises", 1)):
            values = tuple(sorted({float(value) for value in getattr(self, field)}))
            object.__setattr__(self, field, values)
            if len(values) < least:
                raise ValueError(
                    f"{self.name}: {field} is {values}; give {least} or more different numbers"
                )
        for noise in self.noises:
            positive(self.name, "noises", noise)
        positive(self.name, "tau", self.tau)
        positive(self.name, "sigma_slope", self.sigma_slope)
        for field in ("simulations", "private_simulations", "slope_simulations"):
            at_least(self.name, field, getattr(self, field), 2)
        at_least(self.name, "draws", self.draws, MAX_RANK)

    def runs(self) -> dict[str, Run]:
        exact = Exact(draws=self.draws)
        separate = Exact(model="no_pooling", draws=self.draws)
        size: dict[str, Any] = {"seed": self.seed, "max_rank": MAX_RANK, "level": LEVEL}
        return {
            "unseen": Run(
                stories=UNSEEN,
                fitters=(exact,),
                simulations=self.simulations,
                **size,
            ),
            "slopes": Run(
                stories=self._lines,
                fitters=(exact, separate),
                simulations=self.slope_simulations,
                **size,
            ),
        }

    @property
    def _lines(self) -> tuple[Slopes, ...]:
        """Varying slopes at each noise and contamination."""
        return tuple(
            Slopes(
                given={"mu_slope": 2.0, "sigma_slope": self.sigma_slope, "noise": noise},
                contamination=contamination,
            )
            for noise in self.noises
            for contamination in self.contaminations
        )

    def measurements(self) -> dict[str, Measurement]:
        return {
            f"private schools, beta {beta:g}": Measurement(partial(self._private_schools, beta))
            for beta in self.betas
        } | {"real data": Measurement(_real_data)}

    def tables(
        self, results: Mapping[str, Result], measured: Mapping[str, Rows]
    ) -> dict[str, pd.DataFrame]:
        import pandas as pd

        rows = dict(measured) | {
            "unseen": unseen(results["unseen"], UNSEEN),
            "slopes": contaminated(results["slopes"], self._lines),
        }
        return {name: pd.DataFrame(own) for name, own in rows.items()}

    def _private_schools(self, beta: float) -> dict[str, Rows]:
        """Schools of both kinds that were seen, and a private one that was not."""
        both = PrivateSchools()
        public = PrivateSchools(sigma=both.sigma[:N_PUBLIC], x=(0.0,) * N_PUBLIC)
        at: dict[str, Any] = {
            "mu": self.mu, "tau": self.tau, "n": self.private_simulations, "seed": self.seed,
        }  # fmt: skip
        return {
            "unseen_private": unseen_school(public, beta, **at),
            "private_schools": seen_schools(both, beta, **at),
        }

    def figures(self, tables: Tables) -> dict[str, Figure]:
        from hiercal.plots import heat_map, sweep

        new, seen, slopes = (tables[k] for k in ("unseen_private", "private_schools", "slopes"))
        contaminations = slopes[(slopes["contamination"] > 0).to_numpy()]
        beta = "private schools' advantage beta (points)"
        slopes = slopes.assign(
            series=slopes["model"].str.replace("_", " "),
            panel=[f"noise {noise:g}" for noise in slopes["noise"]],
        )
        drawn = {
            "unseen_private_school": sweep(
                new.assign(series=new["model"].map(MODELS)),
                x="beta", y="coverage", se="coverage_se", series="series",
                xlabel=beta, ylabel="coverage of a new private school",
                reference=LEVEL, reference_label="89 %",
                note="Eight public schools are seen, and no private one.",
            ),
            "private_schools": sweep(
                seen.assign(series=seen["model"].map(MODELS)),
                x="beta", y="mse", se="mse_se", series="series",
                xlabel=beta, ylabel="squared error of a\nprivate school's effect",
                note="Eight public schools and four private ones are seen.",
            ),
            "contaminated_slope": sweep(
                slopes,
                x="contamination", y="error", se="error_se", series="series", panel="panel",
                xlabel="contamination", ylabel="mean absolute error of\nthe small group's slope",
                xscale="category", yscale="log",
                note=f"The true slopes are about 2 (standard deviation {self.sigma_slope:.2g}).",
                columns=2 if len(self.noises) in (2, 4) else 3,
            ),
        }  # fmt: skip
        if min(contaminations["contamination"].nunique(), len(self.noises)) > 1:
            drawn["contaminated_map"] = heat_map(
                _beyond(contaminations),
                x="contamination", y="noise", value="beyond", panel="model",
                xlabel="contamination", ylabel="noise", titles=BOUNDS,
                low="not so", high="as the article has it",
                note="Powers of 2: +1 is a mean absolute error of the small group's slope of twice "
                f"{FAR:g} without pooling, and of half of {NEAR:g} in the hierarchy.",
            )  # fmt: skip
        return drawn


def _real_data() -> dict[str, Rows]:
    """Rubin's data, and what the textbook prints."""
    return {"rubin": rubin(), "textbook": on_textbook()}


def _beyond(slopes: pd.DataFrame) -> pd.DataFrame:
    """By how much a slope without pooling is far off, and one in the hierarchy near (log2)."""
    far = (slopes["model"] == "no_pooling").to_numpy()
    error = slopes["error"].to_numpy()
    beyond = np.log2(np.where(far, error / FAR, NEAR / error))
    return slopes.assign(beyond=beyond).sort_values("model", ascending=False, kind="stable")

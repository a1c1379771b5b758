"""New group: prediction of a group not seen, and what it is worth where groups are not alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from hiercal.fitters._fitter import at_least
from hiercal.fitters.exact import Exact
from hiercal.simulators._story import positive
from hiercal.simulators.eight_schools import EightSchools
from hiercal.simulators.hospitals import Hospitals
from hiercal.simulators.private_schools import PrivateSchools
from hiercal.simulators.slopes import Slopes
from hiercal.studies._experiment import Experiment, Say, Tables
from hiercal.studies._new_group_claims import CLAIMS
from hiercal.studies._predictions import (
    LEVEL,
    MAX_RANK,
    contaminated,
    on_textbook,
    private_schools,
    rubin,
    unseen,
    unseen_private,
)
from hiercal.studies._study import Study

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from hiercal.studies._result import Result

MODELS = {"covariate": "with the covariate", "exchangeable": "without it"}


@dataclass(frozen=True, kw_only=True)
class NewGroup(Experiment):
    """Predictions of groups not seen, and groups that are not exchangeable with the others.

    All posteriors are exact.

    Parameters
    ----------
    simulations : int
        Data sets of each design.
    draws : int
        From each exact posterior.
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
    draws: int = 2000
    betas: tuple[float, ...] = (0.0, 2.5, 5.0, 10.0, 20.0)
    mu: float = 8.0
    tau: float = 4.0
    contaminations: tuple[float, ...] = (0.0, 0.3, 1.0, 3.0, 10.0)
    noises: tuple[float, ...] = (0.1, 0.3, 1.0)
    sigma_slope: float = 1 / 13

    name: ClassVar = "new_group"
    quick: ClassVar = {
        "simulations": 20,
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
        at_least(self.name, "simulations", self.simulations, 2)
        at_least(self.name, "draws", self.draws, MAX_RANK)

    def studies(self) -> dict[str, Study]:
        exact = Exact(draws=self.draws)
        exchangeable = Exact(draws=self.draws, assume={"exchangeable": True})
        separate = Exact(model="no_pooling", draws=self.draws)
        size: dict[str, Any] = {
            "simulations": self.simulations,
            "seed": self.seed,
            "max_rank": MAX_RANK,
            "level": LEVEL,
        }
        given = [{"mu": self.mu, "tau": self.tau, "beta": beta} for beta in self.betas]
        public = PrivateSchools(sigma=PrivateSchools().sigma[:8], x=(0.0,) * 8)
        lines = [
            Slopes(
                given={"mu_slope": 2.0, "sigma_slope": self.sigma_slope, "noise": noise},
                contamination=contamination,
            )
            for noise in self.noises
            for contamination in self.contaminations
        ]
        return {
            "unseen": Study(
                stories=(EightSchools(), Hospitals(), PrivateSchools()), fitters=(exact,), **size
            ),
            "unseen_private": Study(
                stories=tuple(replace(public, given=truth) for truth in given),
                fitters=(exact, exchangeable),
                **size,
            ),
            "private_schools": Study(
                stories=tuple(PrivateSchools(given=truth) for truth in given),
                fitters=(exact, exchangeable),
                **size,
            ),
            "slopes": Study(stories=tuple(lines), fitters=(exact, separate), **size),
        }

    def tables(self, results: Mapping[str, Result], say: Say) -> dict[str, pd.DataFrame]:
        import pandas as pd

        studies = self.studies()
        rows = {
            "unseen": unseen(results["unseen"], studies["unseen"]),
            "rubin": rubin(),
            "unseen_private": unseen_private(results["unseen_private"], studies["unseen_private"]),
            "private_schools": private_schools(
                results["private_schools"], studies["private_schools"]
            ),
            "slopes": contaminated(results["slopes"], studies["slopes"]),
            "textbook": on_textbook(),
        }
        return {name: pd.DataFrame(own) for name, own in rows.items()}

    def figures(self, tables: Tables) -> dict[str, Figure]:
        from hiercal.plots.sweep import sweep

        new, seen, slopes = (tables[k] for k in ("unseen_private", "private_schools", "slopes"))
        beta = "private schools' advantage beta (points)"
        slopes = slopes.assign(
            series=slopes["model"].str.replace("_", " "),
            panel=[f"noise {noise:g}" for noise in slopes["noise"]],
        )
        return {
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
            ),
        }  # fmt: skip

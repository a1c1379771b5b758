"""Chapter: the textbook's worked examples, its printed numbers beside measured and exact ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from hiercal.fitters.numpyro import NumPyro
from hiercal.fitters.pymc import PyMC
from hiercal.sbc import coverage, efficiency
from hiercal.simulators.hospitals import Hospitals
from hiercal.simulators.survey import Survey
from hiercal.studies._chapter_arithmetic import arithmetic, plug_in, replicated, separate_widths
from hiercal.studies._chapter_claims import AGREES, CLAIMS
from hiercal.studies._chapter_examples import (
    Example,
    examples,
    hospital_counts,
    observed,
    survey_counts,
)
from hiercal.studies._experiment import Experiment, Say, Tables
from hiercal.studies._fits import fit_data
from hiercal.studies._random import stream
from hiercal.studies._study import Arm

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from hiercal.simulators import Reference
    from hiercal.studies._result import Result

LEVEL, TAILS = 0.89, (0.055, 0.945)
POOL, REPLICATES = 40_000, 400
SETTINGS = ("chains", "draws", "tune", "target_accept")
LIBRARIES = {"numpyro": NumPyro, "pymc": PyMC}


@dataclass(frozen=True, kw_only=True)
class Chapter(Experiment):
    """The worked examples with the chapter's settings, in both libraries, beside exact posteriors.

    The data are the chapter's own, not simulated, so the fits are made here and not by the engine.

    Parameters
    ----------
    seed : int
        Of the samplers and of the draws from exact posteriors.
    libraries : tuple of {"numpyro", "pymc"}
    chains, draws, tune, target_accept
        The chapter's: 4 chains of 1,000 + 2,000 at 0.9.
    """

    seed: int = 42
    libraries: tuple[Literal["numpyro", "pymc"], ...] = ("numpyro", "pymc")
    chains: int = 4
    draws: int = 2000
    tune: int = 1000
    target_accept: float = 0.9

    name: ClassVar = "chapter"
    quick: ClassVar = {"libraries": ("numpyro",), "draws": 500, "tune": 500}
    claims: ClassVar = CLAIMS

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "libraries", tuple(self.libraries))
        if not self.libraries:
            raise ValueError(f"{self.name}: libraries is empty; give numpyro, pymc or both")

    def tables(self, results: Mapping[str, Result], say: Say) -> dict[str, pd.DataFrame]:
        import pandas as pd

        settings = {name: getattr(self, name) for name in SETTINGS}
        every: dict[tuple[str, str, str], Posterior] = {}
        compared = []
        for example in examples():
            for model in dict.fromkeys((example.model, "centred", "noncentred")):
                for library in self.libraries:
                    say(f"{example.title}: {library}, {model}")
                    every[example.name, library, model] = sample(
                        example, library, model, self.seed, **settings
                    )
            fits: dict[str, Posterior] = {
                lib: every[example.name, lib, example.model] for lib in self.libraries
            }
            compared.append(compare(example, fits, self.seed))
        return {
            "comparison": pd.concat(compared, ignore_index=True),
            "data": data(),
            "hypotheses": hypotheses(),
            "sampling": sampling(every),
            "arithmetic": arithmetic(),
            "plug_in": plug_in(),
            "replicated": replicated(),
            "separate_widths": separate_widths(),
        }

    def figures(self, tables: Tables) -> dict[str, Figure]:
        from hiercal.studies._chapter_report import figure, plug_in_figure

        return {
            "chapter": figure(tables["comparison"], examples()),
            "plug_in": plug_in_figure(tables["plug_in"]),
        }

    def texts(self, tables: Tables) -> dict[str, str]:
        from hiercal.studies._chapter_report import report

        return {"chapter.md": report(tables, examples())}


def statistic(name: str, draws: np.ndarray, separate: np.ndarray | None = None) -> float:
    """A printed statistic of draws (n,).

    ``mean``, ``sd``; ``hdi lower``, ``hdi upper`` and ``hdi width`` of the 89 % highest-density
    interval; ``5.5 %``, ``94.5 %`` and ``width`` of the central one; ``hdi saved`` and ``saved``,
    by how much these are narrower than those of draws without pooling, `separate`.
    """
    if name == "mean":
        return float(draws.mean())
    if name == "sd":
        return float(draws.std(ddof=1))
    interval = _hdi if name.startswith("hdi") else _central
    low, high = interval(draws)
    if name.endswith("saved"):
        assert separate is not None
        other = interval(separate)
        return 1 - (high - low) / (other[1] - other[0])
    if name.endswith("width"):
        return high - low
    return low if name in ("hdi lower", "5.5 %") else high


def _hdi(draws: np.ndarray) -> tuple[float, float]:
    ((low, high),) = coverage.hdi(np.sort(draws)[:, None], LEVEL)
    return float(low), float(high)


def _central(draws: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(draws, TAILS)
    return float(low), float(high)


@dataclass(frozen=True)
class Posterior:
    """Draws of an example's quantities (chain, draw), and those without pooling."""

    quantities: dict[str, np.ndarray]
    separate: dict[str, np.ndarray]
    divergences: int

    def statistic(self, quantity: str, name: str) -> float:
        separate = self.separate.get(quantity)
        return statistic(
            name,
            self.quantities[quantity].ravel(),
            None if separate is None else separate.ravel(),
        )


def sample(example: Example, library: str, model: str, seed: int, **options: Any) -> Posterior:
    """Fit an example and the same data without pooling; a RuntimeError if a fit fails."""
    found = []
    for each in (model, "no_pooling"):
        fitter = LIBRARIES[library](model=each, **options)
        arm = Arm(example.story, fitter, f"{example.name}/{fitter.label}")
        fit = fit_data(arm, example.data, seed)
        if fit.error is not None:
            raise RuntimeError(f"{arm.label} failed: {fit.error}")
        rng = stream(seed, "chapter", arm.label)
        quantities = example.story.quantities(fit.draws, example.data, rng)
        found.append((quantities, fit.divergences))
    (pooled, divergences), (separate, _) = found
    return Posterior(pooled, separate, divergences)


@cache
def _exact(example_name: str, model: str) -> Reference:
    (example,) = (each for each in examples() if each.name == example_name)
    reference = example.story.exact(example.data, model)
    assert reference is not None
    return reference


def exact_draws(example: Example, seed: int, n: int = POOL) -> Posterior:
    """Independent draws from the exact posteriors."""
    rng = stream(seed, "chapter", example.name, "exact")
    found = []
    for model in (example.model, "no_pooling"):
        draws = _exact(example.name, model).draws(n, rng)
        found.append(example.story.quantities(draws, example.data, rng))
    return Posterior(found[0], found[1], 0)


def compare(example: Example, fits: Mapping[str, Posterior], seed: int) -> pd.DataFrame:
    """Printed, measured and exact values of an example.

    Returns
    -------
    DataFrame
        A row per printed number: ``example, quantity, statistic, printed``; ``counted``, False
        where the number is compared with the counts that the chapter's code draws, as it is counted
        on the printed data already; ``exact`` (from the
        quadrature where it is a mean, sd or central quantile, else from 40,000 independent draws);
        for each library its value and ``_z``, its distance from the exact one in Monte Carlo
        standard errors; ``se``, the standard error of the statistic over runs of as many
        independent draws as the smaller of its bulk and tail ESS in the first library's fit; ``z``
        of the printed number, rounding included, and ``verdict``: ``agrees`` within 4.
    """
    import pandas as pd

    exact = exact_draws(example, seed)
    rng = stream(seed, "chapter", example.name, "replicates")
    first = next(iter(fits.values()))
    rows = []
    for quantity, name, printed, decimals in example.printed:
        found = efficiency.diagnostics(first.quantities[quantity][..., None])
        size = int(min(found["ess_bulk"][0], found["ess_tail"][0], POOL))
        replicates = np.array(
            [
                statistic(name, *(each[pick] for each in _pair(exact, quantity)))
                for pick in rng.integers(POOL, size=(REPLICATES, size))
            ]
        )
        se = float(replicates.std(ddof=1))
        centre = _value(example, exact, quantity, name)
        # a sample's interval is biased, which is no error of what was printed
        usual = float(replicates.mean()) if name.startswith("hdi") else centre
        total = float(np.hypot(se, 10.0**-decimals / np.sqrt(12)))
        row: dict[str, Any] = {
            "example": example.name,
            "quantity": quantity,
            "statistic": name,
            "printed": printed,
            "counted": not example.again,
            "exact": centre,
        }
        for library, posterior in fits.items():
            row[library] = posterior.statistic(quantity, name)
            row[f"{library}_z"] = (row[library] - usual) / se
        row |= {"se": se, "z": (printed - usual) / total}
        row["verdict"] = "agrees" if abs(row["z"]) <= AGREES else "differs"
        rows.append(row)
    return pd.DataFrame(rows)


def _pair(posterior: Posterior, quantity: str) -> Iterator[np.ndarray]:
    yield posterior.quantities[quantity]
    if quantity in posterior.separate:
        yield posterior.separate[quantity]


def _value(example: Example, exact: Posterior, quantity: str, name: str) -> float:
    """The exact value, by quadrature where the reference answers, else from exact draws."""
    reference = _exact(example.name, example.model)
    answers: dict[str, Callable[[], float]] = {
        "mean": lambda: reference.mean(quantity),
        "sd": lambda: reference.sd(quantity),
        "5.5 %": lambda: float(reference.quantile(quantity, TAILS[0])),
        "94.5 %": lambda: float(reference.quantile(quantity, TAILS[1])),
        "width": lambda: float(np.diff(reference.quantile(quantity, TAILS))[0]),
    }
    return answers[name]() if name in answers else exact.statistic(quantity, name)


def data() -> pd.DataFrame:
    """Data that the chapter prints beside those that its code draws with its seed."""
    import pandas as pd

    pairs = {
        ("survey", "2025"): (observed(Survey())["counts"], survey_counts()),
        ("hospitals", "42"): (observed(Hospitals())["y"], hospital_counts()),
    }
    rows = []
    for (example, seed), (printed, drawn) in pairs.items():
        for index in np.ndindex(printed.shape):
            place = "".join(f"[{i + 1}]" for i in index)
            rows.append((example, seed, place, int(printed[index]), int(drawn[index])))
    columns = ["example", "seed", "place", "printed", "drawn"]
    return pd.DataFrame(rows, columns=columns)


def hypotheses() -> pd.DataFrame:
    """Printed means under other priors than the stated one.

    Returns
    -------
    DataFrame
        ``example``, ``hypothesis``, ``stated`` (whether it is the chapter's), ``rms``: root mean
        square of printed mean minus exact mean, in exact posterior standard deviations, over the
        example's printed means; and the exact mean of the between-group ``scale``.
    """
    import pandas as pd

    chosen: dict[str, list[tuple[str, dict[str, float]]]] = {
        "eight_schools": [
            ("mu ~ N(0, 20), tau ~ HalfNormal(10)", {}),
            ("mu ~ N(0, 50), tau ~ HalfNormal(100)", {"mu_scale": 50.0, "tau_scale": 100.0}),
        ],
        "survey": [
            ("alpha ~ Exponential(1)", {}),
            ("alpha ~ Exponential(0.75)", {"alpha_rate": 0.75}),
            ("alpha ~ Exponential(0.5)", {"alpha_rate": 0.5}),
            ("alpha ~ Exponential(0.1)", {"alpha_rate": 0.1}),
        ],
        "survey_seed": [("alpha ~ Exponential(1)", {})],
        "private_schools": [
            ("mu ~ N(0, 20), beta ~ N(0, 10), tau ~ HalfNormal(10)", {}),
            (
                "mu ~ N(0, 200), beta ~ N(0, 100), tau ~ HalfNormal(100)",
                {"mu_scale": 200.0, "beta_scale": 100.0, "tau_scale": 100.0},
            ),
        ],
    }
    rows = []
    for example in examples():
        means = [(q, value) for q, name, value, _ in example.printed if name == "mean"]
        for hypothesis, options in chosen.get(example.name, []):
            story = dataclasses.replace(example.story, **options)
            exact = story.exact(example.data)
            assert exact is not None
            gaps = [(value - exact.mean(q)) / exact.sd(q) for q, value in means]
            rms = float(np.sqrt(np.mean(np.square(gaps))))
            scale = exact.mean(story.scale)
            rows.append((example.name, hypothesis, not options, rms, story.scale, scale))
    columns = ["example", "hypothesis", "stated", "rms", "scale", "scale_mean"]
    return pd.DataFrame(rows, columns=columns)


def sampling(fits: Mapping[tuple[str, str, str], Posterior]) -> pd.DataFrame:
    """Divergences and ESS of the between-group scale of each fit.

    Returns
    -------
    DataFrame
        ``example, library, model, divergences``, ``ess_bulk`` and ``mean`` of the scale, with
        ``mcse`` and the ``exact`` mean.
    """
    import pandas as pd

    rows = []
    named = {example.name: example for example in examples()}
    for (name, library, model), posterior in fits.items():
        scale = named[name].story.scale
        draws = posterior.quantities[scale]
        found = efficiency.diagnostics(draws[..., None])
        rows.append(
            {
                "example": name,
                "library": library,
                "model": model,
                "divergences": posterior.divergences,
                "scale": scale,
                "ess_bulk": found["ess_bulk"][0],
                "mean": draws.mean(),
                "mcse": draws.std(ddof=1) / np.sqrt(found["ess_mean"][0]),
                "exact": _exact(name, model).mean(scale),
            }
        )
    return pd.DataFrame(rows)

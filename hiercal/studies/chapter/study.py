"""The textbook's worked examples, its printed numbers beside measured and exact ones."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from hiercal.fitters.numpyro import NumPyro
from hiercal.fitters.pymc import PyMC
from hiercal.runs.fit import fit
from hiercal.runs.measurements import Measurement, Rows
from hiercal.runs.streams import stream
from hiercal.sbc import efficiency, intervals
from hiercal.simulators.hospitals import Hospitals
from hiercal.simulators.survey import Survey
from hiercal.studies._study import Study, Tables
from hiercal.studies.chapter.arithmetic import arithmetic, plug_in, replicated, separate_widths
from hiercal.studies.chapter.claims import CLAIMS
from hiercal.studies.chapter.design import AGREES
from hiercal.studies.chapter.examples import (
    Example,
    examples,
    hospital_counts,
    observed,
    survey_counts,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from hiercal.exact.posterior import Posterior
    from hiercal.runs.result import Result

LEVEL, TAILS = 0.89, (0.055, 0.945)
POOL, REPLICATES = 40_000, 400
SETTINGS = ("chains", "draws", "tune", "target_accept")
LIBRARIES = {"numpyro": NumPyro, "pymc": PyMC}


@dataclass(frozen=True, kw_only=True)
class Chapter(Study):
    """The worked examples with the chapter's settings, in both libraries, beside exact posteriors.

    The data are the chapter's own, not simulated, so the fits are made here and not by the engine.

    Parameters
    ----------
    seed : int
        Random seed of the samplers and of the draws from exact posteriors.
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

    def measurements(self) -> dict[str, Measurement]:
        wanted = {}
        for example in examples():
            # the printed numbers are the chapter's model's; other codings show how they sample
            wanted[f"{example.title}, {example.model}"] = Measurement(
                partial(self._compared, example.name)
            )
            for model, library in itertools.product(("centred", "noncentred"), self.libraries):
                if model != example.model:
                    wanted[f"{example.title}: {library}, {model}"] = Measurement(
                        partial(self._sampled, example.name, library, model)
                    )
        return wanted

    def _fit(self, example: Example, library: str, model: str) -> ExampleFit:
        settings = {name: getattr(self, name) for name in SETTINGS}
        return sample(example, library, model, self.seed, **settings)

    def _compared(self, name: str) -> dict[str, Rows]:
        """The printed numbers beside fits of the chapter's model, and how these sampled."""
        example = _example(name)
        fits: dict[str, ExampleFit] = {
            library: self._fit(example, library, example.model) for library in self.libraries
        }
        return {
            "comparison": compare(example, fits, self.seed),
            "sampling": [
                sampling(example, library, example.model, fit) for library, fit in fits.items()
            ],
        }

    def _sampled(self, name: str, library: str, model: str) -> dict[str, Rows]:
        """How another coding sampled."""
        example = _example(name)
        return {"sampling": [sampling(example, library, model, self._fit(example, library, model))]}

    def tables(
        self, results: Mapping[str, Result], measured: Mapping[str, Rows]
    ) -> dict[str, pd.DataFrame]:
        import pandas as pd

        return {
            "comparison": pd.DataFrame(measured["comparison"]),
            "data": data(),
            "hypotheses": hypotheses(),
            "sampling": pd.DataFrame(measured["sampling"]),
            "arithmetic": arithmetic(),
            "plug_in": plug_in(),
            "replicated": replicated(),
            "separate_widths": separate_widths(),
        }

    def figures(self, tables: Tables) -> dict[str, Figure]:
        from hiercal.studies.chapter.report import figure, plug_in_figure

        return {
            "chapter": figure(tables["comparison"], examples()),
            "plug_in": plug_in_figure(tables["plug_in"]),
        }

    def texts(self, tables: Tables) -> dict[str, str]:
        from hiercal.studies.chapter.report import report

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
    ((low, high),) = intervals.hdi(np.sort(draws)[:, None], LEVEL)
    return float(low), float(high)


def _central(draws: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(draws, TAILS)
    return float(low), float(high)


@dataclass(frozen=True)
class ExampleFit:
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


def sample(example: Example, library: str, model: str, seed: int, **options: Any) -> ExampleFit:
    """Fit an example and the same data without pooling; a RuntimeError if a fit fails."""
    fits = []
    for each in (model, "no_pooling"):
        fitter = LIBRARIES[library](model=each, **options)
        label = f"{example.name}/{fitter.label}"
        fitted = fit(example.story, fitter, example.data, seed)
        if fitted.error is not None:
            raise RuntimeError(f"{label} failed: {fitted.error}")
        rng = stream(seed, "chapter", label)
        quantities = example.story.quantities(fitted.draws, example.data, rng)
        fits.append((quantities, fitted.divergences))
    (pooled, divergences), (separate, _) = fits
    return ExampleFit(pooled, separate, divergences)


def _example(name: str) -> Example:
    (example,) = (each for each in examples() if each.name == name)
    return example


@cache
def _exact(example_name: str, model: str) -> Posterior:
    example = _example(example_name)
    reference = example.story.exact(example.data, model)
    assert reference is not None
    return reference


def exact_draws(example: Example, seed: int, n: int = POOL) -> ExampleFit:
    """Independent draws from the exact posteriors."""
    rng = stream(seed, "chapter", example.name, "exact")
    quantities = []
    for model in (example.model, "no_pooling"):
        draws = _exact(example.name, model).draws(n, rng)
        quantities.append(example.story.quantities(draws, example.data, rng))
    return ExampleFit(quantities[0], quantities[1], 0)


def compare(example: Example, fits: Mapping[str, ExampleFit], seed: int) -> Rows:
    """Printed, measured and exact values of an example.

    Returns
    -------
    list of dict
        A row per printed number: ``example, quantity, statistic, printed``; ``counted``, False
        where the number is compared with the counts that the chapter's code draws, as it is counted
        on the printed data already; ``exact`` (from the
        quadrature where it is a mean, sd or central quantile, else from 40,000 independent draws);
        for each library its value and ``_z``, its distance from the exact one in Monte Carlo
        standard errors; ``se``, the standard error of the statistic over runs of as many
        independent draws as the smaller of its bulk and tail ESS in the first library's fit; ``z``
        of the printed number, rounding included, and ``verdict``: ``agrees`` within 4.
    """
    exact = exact_draws(example, seed)
    rng = stream(seed, "chapter", example.name, "replicates")
    first = next(iter(fits.values()))
    rows = []
    for quantity, name, printed, decimals in example.printed:
        diagnostics = efficiency.diagnostics(first.quantities[quantity][..., None])
        size = int(min(diagnostics["ess_bulk"][0], diagnostics["ess_tail"][0], POOL))
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
    return rows


def _pair(posterior: ExampleFit, quantity: str) -> Iterator[np.ndarray]:
    yield posterior.quantities[quantity]
    if quantity in posterior.separate:
        yield posterior.separate[quantity]


def _value(example: Example, exact: ExampleFit, quantity: str, name: str) -> float:
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


def sampling(example: Example, library: str, model: str, posterior: ExampleFit) -> dict[str, Any]:
    """Divergences and ESS of the between-group scale of a fit.

    Returns
    -------
    dict
        ``example, library, model, divergences``, ``ess_bulk`` and ``mean`` of the scale, with
        ``mcse`` and the ``exact`` mean.
    """
    scale = example.story.scale
    draws = posterior.quantities[scale]
    diagnostics = efficiency.diagnostics(draws[..., None])
    return {
        "example": example.name,
        "library": library,
        "model": model,
        "divergences": posterior.divergences,
        "scale": scale,
        "ess_bulk": diagnostics["ess_bulk"][0],
        "mean": draws.mean(),
        "mcse": draws.std(ddof=1) / np.sqrt(diagnostics["ess_mean"][0]),
        "exact": _exact(example.name, model).mean(scale),
    }

"""Simulation-based calibration and validation of hierarchical Bayesian models."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hiercal.advice import advise as advise
    from hiercal.catalogue import fitter as fitter
    from hiercal.catalogue import story as story
    from hiercal.catalogue import study as study
    from hiercal.checking import check as check
    from hiercal.deciding import decide as decide
    from hiercal.exact.posterior import Posterior as Posterior
    from hiercal.fitters import Fit as Fit
    from hiercal.fitters import Fitter as Fitter
    from hiercal.fitters import Refit as Refit
    from hiercal.fitters import RefitMany as RefitMany
    from hiercal.posterior_draws import around as around
    from hiercal.runs.executors import Where as Where
    from hiercal.runs.fit import fit as fit
    from hiercal.runs.fit import simulate as simulate
    from hiercal.runs.result import Result as Result
    from hiercal.runs.run import Run as Run
    from hiercal.simulators import Simulation as Simulation
    from hiercal.simulators import Story as Story
    from hiercal.studies import Study as Study
    from hiercal.tables.export import requantify as requantify
    from hiercal.tables.export import run as run
    from hiercal.user_models.bambi import from_bambi as from_bambi
    from hiercal.user_models.draws import from_draws as from_draws
    from hiercal.user_models.functions import from_functions as from_functions
    from hiercal.user_models.numpyro import from_numpyro as from_numpyro
    from hiercal.user_models.parity import parity as parity
    from hiercal.user_models.pymc import from_pymc as from_pymc

_HOMES = {
    "Fit": "hiercal.fitters",
    "Fitter": "hiercal.fitters",
    "Posterior": "hiercal.exact.posterior",
    "Refit": "hiercal.fitters",
    "RefitMany": "hiercal.fitters",
    "Result": "hiercal.runs.result",
    "Run": "hiercal.runs.run",
    "Simulation": "hiercal.simulators",
    "Story": "hiercal.simulators",
    "Study": "hiercal.studies",
    "Where": "hiercal.runs.executors",
    "around": "hiercal.posterior_draws",
    "advise": "hiercal.advice",
    "check": "hiercal.checking",
    "decide": "hiercal.deciding",
    "fit": "hiercal.runs.fit",
    "fitter": "hiercal.catalogue",
    "from_bambi": "hiercal.user_models.bambi",
    "from_draws": "hiercal.user_models.draws",
    "from_functions": "hiercal.user_models.functions",
    "from_numpyro": "hiercal.user_models.numpyro",
    "from_pymc": "hiercal.user_models.pymc",
    "requantify": "hiercal.tables.export",
    "parity": "hiercal.user_models.parity",
    "run": "hiercal.tables.export",
    "simulate": "hiercal.runs.fit",
    "story": "hiercal.catalogue",
    "study": "hiercal.catalogue",
}

__all__ = [
    "Fit",
    "Fitter",
    "Posterior",
    "Refit",
    "RefitMany",
    "Result",
    "Run",
    "Simulation",
    "Story",
    "Study",
    "Where",
    "advise",
    "around",
    "check",
    "decide",
    "fit",
    "fitter",
    "from_bambi",
    "from_draws",
    "from_functions",
    "from_numpyro",
    "from_pymc",
    "parity",
    "requantify",
    "run",
    "simulate",
    "story",
    "study",
]


def __getattr__(name: str) -> Any:
    if name in ("plots", "tables"):
        return import_module(f"hiercal.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

"""Simulation-based calibration and validation of hierarchical Bayesian models."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hiercal.catalogue import experiment as experiment
    from hiercal.catalogue import fitter as fitter
    from hiercal.catalogue import story as story
    from hiercal.fitters import Fit as Fit
    from hiercal.fitters import Fitter as Fitter
    from hiercal.fitters import Refit as Refit
    from hiercal.simulators import Reference as Reference
    from hiercal.simulators import Simulation as Simulation
    from hiercal.simulators import Story as Story
    from hiercal.studies import Experiment as Experiment
    from hiercal.studies import Result as Result
    from hiercal.studies import Study as Study

_HOMES = {
    "Experiment": "hiercal.studies",
    "Fit": "hiercal.fitters",
    "Fitter": "hiercal.fitters",
    "Reference": "hiercal.simulators",
    "Refit": "hiercal.fitters",
    "Result": "hiercal.studies",
    "Simulation": "hiercal.simulators",
    "Story": "hiercal.simulators",
    "Study": "hiercal.studies",
    "experiment": "hiercal.catalogue",
    "fitter": "hiercal.catalogue",
    "story": "hiercal.catalogue",
}

__all__ = [
    "Experiment",
    "Fit",
    "Fitter",
    "Reference",
    "Refit",
    "Result",
    "Simulation",
    "Story",
    "Study",
    "experiment",
    "fitter",
    "story",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

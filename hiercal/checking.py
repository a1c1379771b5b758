"""A model checked in one call, from a notebook or a script."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hiercal import posterior_draws
from hiercal.config import usual_run
from hiercal.console.result import show_verdict
from hiercal.runs.executors import Where
from hiercal.tables.export import run
from hiercal.user_models._of import story_of

if TYPE_CHECKING:
    from hiercal.fitters import Fitter
    from hiercal.runs.result import Result

SHOWN = "ecdf.png"
"""The figure that a notebook shows."""


def check(
    model: Any,
    *args: Any,
    name: str = "",
    around: Any = False,
    fitters: Sequence[Fitter] = (),
    simulations: int | None = None,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    where: Where | None = None,
    fresh: bool = False,
    **inputs: Any,
) -> Result:
    """Check whether fits of a model are calibrated; print the verdicts, draw them in a notebook.

    Parameters
    ----------
    model
        A ``pm.Model``, a ``bambi.Model``, a NumPyro model, a `Story`, or a function that returns
        one; see `hiercal.from_pymc` and the others.
    args, inputs
        What a NumPyro model, or the function, is called with.
    name : str
        What to call it; by default what its library does.
    around : bool, dict of arrays, path or InferenceData
        Data to check around, in place of the whole prior: True for the model's own; see
        `hiercal.around`.
    fitters : sequence of Fitter
        By default the usual sampler of its library, in every parameterisation that can be made.
    simulations : int
        By default 200, or as many as there are of `hiercal.from_draws`.
    seed, out, fresh
        As of `hiercal.run`; the same call goes on where it was left.
    where : Where
        By default this process, where a fit has no time limit.

    Returns
    -------
    Result

    Raises
    ------
    ModelRefused
        If the model cannot be checked as it is, with variable, reason and remedy.
    """
    story = story_of(model, *args, name=name, **inputs)
    if around is not False:
        number = 200 if simulations is None else simulations
        story = posterior_draws.around(story, around, simulations=number, seed=seed)
    wanted = usual_run(story, fitters, simulations=simulations, seed=seed)
    here = where or Where(workers=0)
    result = run(wanted, out, where=here, fresh=fresh, judged=show_verdict)
    _display(result)
    return result


def _display(result: Result) -> None:
    """Show the figure, in a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    figure = result.folder / "figures" / SHOWN
    if shell is not None and figure.exists():
        display = importlib.import_module("IPython.display")
        display.display(display.Image(filename=str(figure)))

"""Whether a story's three codings have the same density."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from hiercal.simulators._capabilities import Density, NumPyroModel, PyMCModel
from hiercal.simulators._story import Story, needed

if TYPE_CHECKING:
    import pymc as pm

TOLERANCE = 1e-6


def log_densities(
    story: Story, model: str, *, points: int = 12, seed: int = 3
) -> dict[str, np.ndarray]:
    """Log joint density of the NumPy, PyMC and NumPyro codings at points drawn from the prior.

    Returns
    -------
    dict of ndarray, shape (points,)
        By library: ``numpy``, ``pymc``, ``numpyro``; each up to a constant of its own.
    """
    import jax
    import numpyro
    from numpyro.infer.util import log_density

    numpyro.enable_x64()
    drawn = [story.simulate(np.random.default_rng([seed, i])) for i in range(points)]
    truths = {name: np.stack([each.truth[name] for each in drawn]) for name in drawn[0].truth}
    data = drawn[0].data
    density = needed(story, Density)
    latent = density.latent(truths, model)
    at = [{name: values[i] for name, values in latent.items()} for i in range(points)]

    pymc_model = needed(story, PyMCModel).pymc_model(data, model)
    in_pymc = pymc_model.compile_logp(jacobian=False)
    code = needed(story, NumPyroModel).numpyro_model(model)
    in_numpyro = jax.jit(lambda values: log_density(code, (), data, values)[0])
    return {
        "numpy": np.asarray(density.log_joint(truths, data, model), float),
        "pymc": np.array([in_pymc(_unconstrained(pymc_model, each)) for each in at]),
        "numpyro": np.array([float(in_numpyro(each)) for each in at]),
    }


def disagreement(story: Story, model: str) -> dict[str, float]:
    """Largest difference of each library's log density from NumPy's, relative to the density.

    The codings agree, up to a constant, where it is below `TOLERANCE`.
    """
    densities = log_densities(story, model)
    by_hand = densities.pop("numpy")
    worst = {}
    for library, density in densities.items():
        difference = density - by_hand
        gap = float(abs(difference - difference[0]).max() / abs(by_hand).max())
        worst[library] = gap if np.isfinite(gap) else np.inf
    return worst


def _unconstrained(model: pm.Model, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Values of a PyMC model's free variables on the scale that its density takes."""
    unconstrained = {}
    for variable in model.free_RVs:
        value = np.asarray(values[variable.name])
        transform = model.rvs_to_transforms[variable]
        if transform is not None:
            value = transform.forward(value, *variable.owner.inputs).eval()
        unconstrained[model.rvs_to_values[variable].name] = value
    return unconstrained

"""Transitions compiled by JAX once, for kernels on the density of a NumPyro model."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hiercal.kernels._kernel import Kernel, Walk, Walked, latent
from hiercal.simulators._capabilities import Arrays, NumPyroModel
from hiercal.simulators._story import needed

if TYPE_CHECKING:
    from hiercal.simulators import Story

PILOT = 200
"""Draws of the prior that scales are taken from."""


class Algorithm(NamedTuple):
    """A kernel as two pure functions of unconstrained variables.

    Attributes
    ----------
    init : callable
        ``init(key, z) -> state``.
    step : callable
        ``step(key, state) -> state, z, gradients``.
    """

    init: Callable[[Any, Any], Any]
    step: Callable[[Any, Any], tuple[Any, Any, Any]]


Build = Callable[[Callable[[Any], Any], np.ndarray], Algorithm]
"""``build(potential, variances)``: the negative log density of unconstrained variables, and their
prior variances in the order in which JAX ravels them."""


def walker(kernel: Kernel, story: Story, build: Build) -> Walk:
    """Walks from many truths, one compiled scan over transitions for each, one after another."""
    import jax
    import numpyro
    from jax import numpy as jnp
    from numpyro.infer import util

    numpyro.enable_x64()
    coded = kernel.coded(story)
    model = needed(story, NumPyroModel).numpyro_model(coded)
    reported = story.models[coded]
    sites = _sites(story, model)

    def unconstrained(truth: Any, data: Any) -> Any:
        sampled = {name: truth[name] for name in sites}
        return util.unconstrain_fn(model, (), data, sampled)

    def constrained(z: Any, data: Any) -> Any:
        values = util.constrain_fn(model, (), data, z, return_deterministic=True)
        return {name: values[name] for name in reported}

    variances = _variances(story, coded, jax.jit(unconstrained))

    def one(arguments: Any) -> tuple[Any, Any]:
        key, truth, data, restart = arguments
        algorithm = build(lambda z: util.potential_energy(model, (), data, z), variances)
        start = unconstrained(truth, data)
        first = algorithm.init(key, start)

        def move(state: Any, at: Any) -> tuple[Any, Any]:
            number, key = at
            back = number == restart
            state = jax.tree.map(lambda old, new: jnp.where(back, old, new), first, state)
            state, z, gradients = algorithm.step(key, state)
            return state, (z, gradients)

        keys = jax.random.split(jax.random.fold_in(key, 1), kernel.transitions)
        _, (moved, gradients) = jax.lax.scan(move, first, (jnp.arange(kernel.transitions), keys))
        path = jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), start, moved)
        return jax.vmap(constrained, (0, None))(path, data), gradients.sum()

    # map, not vmap: under vmap every chain waits for the longest trajectory of all
    run = jax.jit(lambda keys, *rest: jax.lax.map(one, (keys, *rest)))

    def walk(truths: Arrays, data: Arrays, restarts: np.ndarray, seed: int) -> Walked:
        sampled = latent(story, truths, coded)
        keys = jax.random.split(jax.random.key(seed), len(restarts))
        states, gradients = jax.device_get(run(keys, sampled, dict(data), restarts))
        # the gradient at the truth is the one that no transition counts
        return Walked(states, int(gradients.sum()) + len(restarts))

    return walk


def _sites(story: Story, model: Callable[..., None]) -> tuple[str, ...]:
    """The variables that a NumPyro model samples."""
    from numpyro import handlers

    data = story.simulate(np.random.default_rng(0)).data
    with handlers.block():
        trace = handlers.trace(handlers.seed(model, 0)).get_trace(**data)
    sites = {name: site for name, site in trace.items() if site["type"] == "sample"}
    discrete = [name for name, site in sites.items() if site["fn"].support.is_discrete]
    if unseen := [name for name in discrete if not sites[name]["is_observed"]]:
        raise ValueError(f"story {story.name} samples {', '.join(unseen)}, which is discrete")
    return tuple(name for name, site in sites.items() if not site["is_observed"])


def _variances(story: Story, model: str, unconstrained: Callable[..., Any]) -> np.ndarray:
    """Prior variances of the unconstrained variables, from quartiles, as one vector."""
    from jax.flatten_util import ravel_pytree

    drawn = [story.simulate(np.random.default_rng([i, 2])) for i in range(PILOT)]
    raveled = [
        ravel_pytree(unconstrained(latent(story, each.truth, model), dict(each.data)))[0]
        for each in drawn
    ]
    low, high = np.quantile(np.stack(raveled), (0.25, 0.75), axis=0)
    # the quartiles of a normal are 1.349 sd apart
    return ((high - low) / 1.349) ** 2

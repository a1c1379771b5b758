"""A NumPyro model, for comparison: its terms, their gradients, and draws given parents."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from numpyro import distributions as dist
from numpyro import handlers
from numpyro.distributions import constraints
from numpyro.infer.util import compute_log_probs

from hiercal.errors import ModelRefused
from hiercal.user_models import _numpyro_trace as trace
from hiercal.user_models._parity_coding import (
    POTENTIALS,
    SWAPPED,
    VARIANTS,
    Coding,
    Values,
    Variant,
)
from hiercal.user_models.numpyro import NumPyroStory


class NumPyroCoding(Coding):
    """The densities of a NumPyro model."""

    library: ClassVar[str] = "numpyro"

    def __init__(self, story: NumPyroStory, label: str) -> None:
        self.story, self.label = story, label
        sites = trace.traced(story.model)
        if names := trace.discrete_in(sites):
            raise ModelRefused(
                f"{label}: {', '.join(names)} is discrete and summed out, so that the model has no "
                "density factor by factor; write the sum (MixtureSameFamily) to compare it"
            )
        latent, derived = trace.reported(story.model, sites)
        observed = trace.observed_in(sites)
        self.free = {name: np.shape(sites[name]["value"]) for name in latent}
        self.derived = {name: np.shape(sites[name]["value"]) for name in derived}
        self.observed = {name: np.shape(sites[name]["value"]) for name in observed}
        self.given = {name: np.asarray(sites[name]["value"]) for name in observed}
        fns = {name: sites[name]["fn"] for name in [*latent, *observed]}
        self.families = {name: type(trace.bare(fn)).__name__ for name, fn in fns.items()}
        self.univariate = frozenset(n for n, fn in fns.items() if fn.event_dim == 0)
        self.curved = frozenset(
            n for n in latent if fns[n].event_dim and not _fills_space(fns[n].support)
        )
        self.discrete = frozenset(n for n, fn in fns.items() if fn.support.is_discrete)
        self._jitted: dict[Any, Callable[..., Any]] = {}

    def _sites(self, values: Any, data: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """All terms, and all sites, at values and data."""
        with handlers.block():
            # what is left to be drawn is nothing: the key is not used
            given = trace.at(self.story.model, values, data)
            return compute_log_probs(given, (), {}, {}, sum_log_prob=False)

    def _site(self, values: Any, data: Any, name: str) -> dict[str, Any]:
        """One site, without the densities."""
        return handlers.trace(trace.at(self.story.model, values, data)).get_trace()[name]

    def _terms(self, values: Any, data: Any) -> dict[str, Any]:
        log_probs, sites = self._sites(values, data)
        terms = {
            name: _supported(sites[name]["fn"], sites[name]["value"], log_probs[name])
            for name in self.free
        }
        rest = [jnp.sum(v) for n, v in log_probs.items() if n not in {**self.free, **self.observed}]
        if rest:
            terms[POTENTIALS] = sum(rest)
        for name in self.observed:
            fn, value = sites[name]["fn"], sites[name]["value"]
            terms[name] = _supported(fn, value, log_probs[name])
        return terms

    def _call(self, key: Any, function: Callable[..., Any], values: Values, data: Values,
              *more: Any) -> Any:  # fmt: skip
        if key not in self._jitted:
            self._jitted[key] = jax.jit(function)
        own = {name: jnp.asarray(values[name]) for name in self.free}
        observed = {n: jnp.asarray(data[n], self.given[n].dtype) for n in self.observed}
        return jax.device_get(self._jitted[key](own, observed, *more))

    def terms(self, values: Values, data: Values) -> dict[str, np.ndarray]:
        found = self._call("terms", self._terms, values, data)
        return {n: np.asarray(found[n]) for n in [*self.free, POTENTIALS, *self.observed]
                if n in found}  # fmt: skip

    def gradient(self, values: Values, data: Values) -> dict[str, np.ndarray]:
        def total(values: Any, data: Any) -> Any:
            return sum(jnp.sum(each) for each in self._terms(values, data).values())

        return self._call("gradient", jax.grad(total), values, data)

    def _flat(self, names: tuple[str, ...], values: Any, data: Any) -> Any:
        return jnp.concatenate([jnp.ravel(self._site(values, data, n)["value"]) for n in names])

    def computed(self, names: tuple[str, ...], values: Values, data: Values) -> list[np.ndarray]:
        def function(values: Any, data: Any) -> Any:
            return [self._site(values, data, name)["value"] for name in names]

        return list(map(np.asarray, self._call(("computed", names), function, values, data)))

    def jacobian(
        self, names: tuple[str, ...], wrt: tuple[str, ...], values: Values, data: Values
    ) -> np.ndarray:
        def function(values: Any, data: Any) -> Any:
            def flat(moved: Any) -> Any:
                return self._flat(names, {**values, **moved}, data)

            by = jax.jacobian(flat)({name: values[name] for name in wrt})
            return jnp.concatenate([by[n].reshape(by[n].shape[0], -1) for n in wrt], axis=1)

        return np.asarray(self._call(("jacobian", names, wrt), function, values, data))

    def draws(self, name: str, values: Values, data: Values, seed: int, n: int) -> np.ndarray:
        def function(values: Any, data: Any, key: Any) -> Any:
            return self._site(values, data, name)["fn"].sample(key, (n,))

        key = jax.random.key(seed)
        return np.asarray(self._call(("draws", name, n), function, values, data, key))

    def density(self, name: str, values: Values, data: Values, points: np.ndarray) -> np.ndarray:
        def function(values: Any, data: Any, points: Any) -> Any:
            fn = self._site(values, data, name)["fn"]
            # a mask takes a term out of the model, and leaves the draws as they are
            fn = fn.base_dist if isinstance(fn, dist.MaskedDistribution) else fn
            return _supported(fn, points, fn.log_prob(points))

        points = points.astype(self.given[name].dtype) if name in self.observed else points
        found = np.asarray(self._call(("density", name), function, values, data, points))
        if found.shape != points.shape:
            raise NotImplementedError
        return found

    def variants(self, name: str, values: Values, data: Values) -> dict[Variant, np.ndarray]:
        def function(values: Any, data: Any) -> Any:
            site = self._site(values, data, name)
            fn, value = trace.bare(site["fn"]), site["value"]
            found = {}
            for key, parameters in _changed(fn).items():
                other = type(fn)(**parameters)
                log_prob = _supported(other, value, other.log_prob(value))
                if jnp.shape(log_prob) == jnp.shape(value):
                    found["\n".join(key)] = jnp.sum(log_prob)
            return found

        if name not in self.univariate:
            return {}
        found = self._call(("variants", name), function, values, data)
        pairs = {tuple(key.split("\n")): np.asarray(value) for key, value in found.items()}
        return {(parameter, how): value for (parameter, how), value in pairs.items()}


def _fills_space(support: Any) -> bool:
    """Whether vectors of a support fill their space: real or ordered ones do."""
    while isinstance(support, constraints.independent):
        support = support.base_constraint
    flat = (
        constraints.real_vector,
        constraints.ordered_vector,
        constraints.positive_ordered_vector,
    )
    return support in flat or support.event_dim == 0


def _supported(fn: Any, value: Any, log_prob: Any) -> Any:
    """A log density that is -inf off the support: NumPyro goes on with the formula there."""
    try:
        inside = fn.support(value)
    except NotImplementedError:
        return log_prob
    if jnp.shape(inside) != jnp.shape(log_prob):
        return jnp.where(jnp.all(inside), log_prob, -jnp.inf)
    return jnp.where(inside, log_prob, -jnp.inf)


def _changed(fn: Any) -> dict[Variant, dict[str, Any]]:
    """Parameters of a distribution with one of them changed, or two swapped."""
    arguments = inspect.signature(type(fn)).parameters
    names = [name for name in fn.arg_constraints if name in arguments and hasattr(fn, name)]
    given = {name: jnp.asarray(getattr(fn, name), float) for name in names}
    needed = [n for n, each in arguments.items() if each.default is each.empty]
    if not names or not set(needed) <= set(names):
        return {}
    sets = {}
    for name, (how, (change, _)) in itertools.product(names, VARIANTS.items()):
        sets[name, how] = {**given, name: change(given[name])}
    for one, other in itertools.combinations(names, 2):
        sets[f"{one} and {other}", SWAPPED] = {**given, one: given[other], other: given[one]}
    return sets

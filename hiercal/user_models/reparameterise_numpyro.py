"""Non-centred NumPyro models, by handlers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpyro
from numpyro import distributions as dist
from numpyro.infer.reparam import Reparam

if TYPE_CHECKING:
    from numpyro.distributions import Distribution

RAW = "_raw"
"""What is added to a variable's name for the standardised one."""


class NonCentred(Reparam):
    """A variable as a function of a standardised one.

    Unlike NumPyro's ``LocScaleReparam()``, nothing is learned, and families without location and
    scale, such as the log-normal and the multivariate normal, are known.

    Attributes
    ----------
    log_jacobian : array
        Log of the determinant d variable / d raw, of the last call.
    """

    def __init__(self) -> None:
        self.log_jacobian: Any = 0.0

    def __call__(self, name: str, fn: Any, obs: Any) -> tuple[Any, Any]:
        base, shape, event_dim = self._unwrap(fn)
        move = family(base)
        assert move is not None, f"{name} is of a family that is not known"
        standard, value_of = move(base)
        raw = numpyro.sample(f"{name}{RAW}", self._wrap(standard, shape, event_dim))
        value, log_jacobian = value_of(raw)
        self.log_jacobian = jnp.sum(jnp.broadcast_to(log_jacobian, shape))
        return None, value


Moved = tuple["Distribution", Callable[[Any], tuple[Any, Any]]]


def family(fn: Any) -> Callable[[Any], Moved] | None:
    """How a distribution is standardised; None if nobody knows."""
    while isinstance(fn, dist.Independent | dist.ExpandedDistribution):
        fn = fn.base_dist
    return {
        dist.Normal: _location_scale,
        dist.StudentT: _location_scale,
        dist.Laplace: _location_scale,
        dist.Cauchy: _location_scale,
        dist.Logistic: _location_scale,
        dist.Gumbel: _location_scale,
        dist.HalfNormal: _scale,
        dist.HalfCauchy: _scale,
        dist.Exponential: _rate,
        dist.LogNormal: _log_normal,
        dist.MultivariateNormal: _multivariate,
        dist.ZeroSumNormal: _zero_sum,
    }.get(type(fn))


def _location_scale(fn: Any) -> Moved:
    shape = {"df": fn.df} if isinstance(fn, dist.StudentT) else {}
    standard = type(fn)(loc=jnp.zeros_like(fn.loc), scale=jnp.ones_like(fn.scale), **shape)
    return standard, lambda raw: (fn.loc + fn.scale * raw, jnp.log(fn.scale))


def _scale(fn: Any) -> Moved:
    standard = type(fn)(jnp.ones_like(fn.scale))
    return standard, lambda raw: (fn.scale * raw, jnp.log(fn.scale))


def _rate(fn: Any) -> Moved:
    return dist.Exponential(jnp.ones_like(fn.rate)), lambda raw: (raw / fn.rate, -jnp.log(fn.rate))


def _log_normal(fn: Any) -> Moved:
    def value_of(raw: Any) -> tuple[Any, Any]:
        log_value = fn.loc + fn.scale * raw
        return jnp.exp(log_value), jnp.log(fn.scale) + log_value

    return dist.Normal(jnp.zeros_like(fn.loc), jnp.ones_like(fn.scale)), value_of


def _multivariate(fn: Any) -> Moved:
    root = fn.scale_tril

    def value_of(raw: Any) -> tuple[Any, Any]:
        each = jnp.log(jnp.diagonal(root, axis1=-2, axis2=-1)).sum(axis=-1)
        return fn.loc + jnp.squeeze(root @ raw[..., None], -1), each

    return dist.Normal(jnp.zeros_like(fn.loc), 1.0).to_event(1), value_of


def _zero_sum(fn: Any) -> Moved:
    n_axes = fn.event_dim
    standard = dist.ZeroSumNormal(jnp.ones_like(fn.scale), event_shape=fn.event_shape)

    def value_of(raw: Any) -> tuple[Any, Any]:
        # each of the axes that sum to zero has one element less than it seems
        free = 1
        for n in fn.event_shape:
            free *= n - 1
        scale = fn.scale[(..., *[None] * n_axes)] if jnp.ndim(fn.scale) else fn.scale
        return scale * raw, free * jnp.log(fn.scale)

    return standard, value_of

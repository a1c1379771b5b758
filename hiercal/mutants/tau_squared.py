"""tau squared in the non-centred coding: theta = mu + tau^2 z."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hiercal.mutants._numpyro import WrongNumPyroModel
from hiercal.simulators import Story
from hiercal.simulators.eight_schools import EightSchools


@dataclass(frozen=True, kw_only=True)
class TauSquared(WrongNumPyroModel):
    """What is reported as tau is the square root of the groups' standard deviation."""

    @property
    def story(self) -> Story:
        return EightSchools()

    def wrong_model(self, story: Any) -> Callable[..., None]:
        import jax.numpy as jnp
        import numpyro
        from numpyro import distributions as dist

        def model(y=None):
            mu = numpyro.sample("mu", dist.Normal(0, story.mu_scale))
            tau = numpyro.sample("tau", dist.HalfNormal(story.tau_scale))
            with numpyro.plate("school", story.n_groups):
                z = numpyro.sample("z", dist.Normal(0, 1))
                theta = numpyro.deterministic("theta", mu + tau**2 * z)
                numpyro.sample("y", dist.Normal(theta, jnp.array(story.sigma)), obs=y)

        return model

"""Draws outside of the support: LocScaleReparam of a log-normal (pyro-ppl/numpyro#1523).

LocScaleReparam took the loc and scale of a log-normal for its own, so that draws of a positive
variable were negative; since pyro-ppl/numpyro#1548 such distributions are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from hiercal.mutants._numpyro import WrongNumPyroModel
from hiercal.mutants._targets import LogNormals
from hiercal.simulators import Story


@dataclass(frozen=True, kw_only=True)
class Numpyro1523(WrongNumPyroModel):
    """x = m + s exp(z), as the reparameterisation made it, for x = exp(m + s z)."""

    thread: ClassVar = "pyro-ppl/numpyro#1523"

    @property
    def story(self) -> Story:
        return LogNormals()

    def wrong_model(self, story: Any) -> Callable[..., None]:
        import numpyro
        from numpyro import distributions as dist

        def model(y=None):
            m = numpyro.sample("m", dist.Normal(0, 1))
            with numpyro.plate("group", story.n):
                decentred = numpyro.sample("decentred", dist.LogNormal(0, 1))
                x = numpyro.deterministic("x", m + story.scale_of_logs * decentred)
                numpyro.sample("y", dist.Normal(x, 1), obs=y)

        return model

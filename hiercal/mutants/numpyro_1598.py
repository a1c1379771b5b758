"""``LocScaleReparam()`` taken for the non-centred model (pyro-ppl/numpyro#1598).

Its documentation said that the centring is learned, and a user of NUTS expected near 0; it stays at
one half, because only variational inference learns it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from hiercal.mutants._numpyro import WrongNumPyroModel
from hiercal.simulators import Story
from hiercal.simulators.funnel import Funnel


@dataclass(frozen=True, kw_only=True)
class Numpyro1598(WrongNumPyroModel):
    """The funnel, half centred: the right density, which NUTS cannot sample."""

    thread: ClassVar = "pyro-ppl/numpyro#1598"

    @property
    def story(self) -> Story:
        return Funnel()

    def wrong_model(self, story: Any) -> Callable[..., None]:
        from numpyro import handlers
        from numpyro.infer.reparam import LocScaleReparam

        return handlers.reparam(story.numpyro_model("centred"), config={"x": LocScaleReparam()})

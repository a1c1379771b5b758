"""BlackJAX's kernels, and any written in its two functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from hiercal.kernels._jax import Algorithm, walker
from hiercal.kernels._kernel import Kernel, Walk
from hiercal.simulators._capabilities import NumPyroModel

if TYPE_CHECKING:
    from hiercal.simulators import Story


@dataclass(frozen=True, kw_only=True)
class BlackJAX(Kernel):
    """A kernel of BlackJAX on the log density of the story's NumPyro model.

    Parameters
    ----------
    algorithm : str or callable
        ``nuts``, ``hmc``, ``mala``, ``barker``, ``rmh``; or ``algorithm(log_density, variances)``,
        which returns a ``blackjax.SamplingAlgorithm``, or anything with its `init` and `step`.
    step_size : float
        Of ``nuts``, ``hmc`` and ``rmh`` in prior standard deviations, of ``mala`` and ``barker`` as
        their library has it.
    steps : int
        Leapfrog steps of ``hmc``.
    """

    algorithm: str | Callable[..., Any] = "nuts"
    step_size: float = 0.3
    steps: int = 5

    name: ClassVar = "blackjax"
    requires: ClassVar = ("blackjax", "jax", "numpyro")
    extra: ClassVar = "blackjax"
    needs: ClassVar = NumPyroModel

    def __post_init__(self) -> None:
        super().__post_init__()
        if not callable(self.algorithm) and self.algorithm not in _MAKERS:
            raise ValueError(
                f"blackjax: algorithm is {self.algorithm!r}; give {', '.join(_MAKERS)} or a "
                "function of (log_density, variances)"
            )

    def prepare(self, story: Story) -> Walk:
        def build(potential: Any, variances: Any) -> Algorithm:
            def log_density(z: Any) -> Any:
                return -potential(z)

            algorithm: Any = self.algorithm
            if callable(algorithm):
                made = algorithm(log_density, variances)
            else:
                made = _MAKERS[algorithm](log_density, variances, self.step_size, self.steps)

            def step(key: Any, state: Any) -> tuple[Any, Any, Any]:
                state, info = made.step(key, state)
                return state, state.position, getattr(info, "num_integration_steps", 1)

            return Algorithm(lambda key, z: made.init(z), step)

        return walker(self, story, build)


def _nuts(log_density: Any, variances: Any, step_size: float, steps: int) -> Any:
    import blackjax

    return blackjax.nuts(log_density, step_size, variances)


def _hmc(log_density: Any, variances: Any, step_size: float, steps: int) -> Any:
    import blackjax

    return blackjax.hmc(log_density, step_size, variances, steps)


def _mala(log_density: Any, variances: Any, step_size: float, steps: int) -> Any:
    import blackjax

    return blackjax.mala(log_density, step_size)


def _barker(log_density: Any, variances: Any, step_size: float, steps: int) -> Any:
    import blackjax

    return blackjax.barker_proposal(log_density, step_size)


def _rmh(log_density: Any, variances: Any, step_size: float, steps: int) -> Any:
    import blackjax
    from jax import numpy as jnp

    sigma = step_size * jnp.sqrt(jnp.array(variances))
    walk: Any = blackjax.additive_step_random_walk
    return walk.normal_random_walk(log_density, sigma)


_MAKERS = {"nuts": _nuts, "hmc": _hmc, "mala": _mala, "barker": _barker, "rmh": _rmh}

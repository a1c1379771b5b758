"""NumPyro's HMC and NUTS, with step size and inverse mass matrix given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from hiercal.kernels._jax import Algorithm, walker
from hiercal.kernels._kernel import Kernel, Walk
from hiercal.simulators._capabilities import NumPyroModel

if TYPE_CHECKING:
    from hiercal.simulators import Story


@dataclass(frozen=True, kw_only=True)
class NumPyro(Kernel):
    """A kernel of NumPyro on the story's NumPyro model.

    Parameters
    ----------
    algorithm : {"nuts", "hmc"}
    step_size : float
        In prior standard deviations of the unconstrained variables, which make the inverse mass
        matrix.
    steps : int
        Leapfrog steps of HMC.
    inverse_mass : tuple of float
        Diagonal of the inverse mass matrix, of variables sorted by name; by default their prior
        variances.
    """

    algorithm: Literal["nuts", "hmc"] = "nuts"
    step_size: float = 0.3
    steps: int = 5
    inverse_mass: tuple[float, ...] = ()

    name: ClassVar = "numpyro"
    requires: ClassVar = ("jax", "numpyro")
    extra: ClassVar = "numpyro"
    needs: ClassVar = NumPyroModel

    def prepare(self, story: Story) -> Walk:
        from jax import numpy as jnp
        from numpyro.infer import HMC, NUTS

        hmc = {"num_steps": self.steps, "trajectory_length": None}
        make, own = (NUTS, {}) if self.algorithm == "nuts" else (HMC, hmc)

        def build(potential: Any, variances: Any) -> Algorithm:
            kernel = make(
                potential_fn=potential, step_size=self.step_size, adapt_step_size=False,
                adapt_mass_matrix=False, dense_mass=False,
                inverse_mass_matrix=jnp.array(self.inverse_mass or variances), **own,
            )  # fmt: skip

            def step(key: Any, state: Any) -> tuple[Any, Any, Any]:
                state = kernel.sample(state._replace(rng_key=key), (), {})
                return state, state.z, state.num_steps

            return Algorithm(lambda key, z: kernel.init(key, 0, z, (), {}), step)

        return walker(self, story, build)

"""PyMC's step methods, one step at a time, with tuning off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hiercal.kernels._kernel import Kernel, Walk, Walked, latent
from hiercal.simulators._capabilities import Arrays, PyMCModel
from hiercal.simulators._story import needed

if TYPE_CHECKING:
    import pymc as pm

    from hiercal.simulators import Story

GRADIENT = ("NUTS", "HamiltonianMC")
"""Step methods that take a mass matrix; by default it has the prior variances."""
COUNTED = ("tree_size", "n_steps", "nstep_out", "nstep_in")
"""Statistics of a step that count gradients or evaluations of the density."""
PILOT = 200


@dataclass(frozen=True, kw_only=True)
class PyMC(Kernel):
    """A step method on the story's PyMC model.

    Parameters
    ----------
    method : str
        ``NUTS``, ``HamiltonianMC``, ``Metropolis``, ``Slice``, or another name in ``pymc`` of a
        step method.
    options : mapping
        What it is called with, such as ``{"step_scale": 0.5}``.
    """

    method: str = "NUTS"
    options: Mapping[str, Any] | tuple[tuple[str, Any], ...] = ()

    name: ClassVar = "pymc"
    requires: ClassVar = ("pymc",)
    extra: ClassVar = "pymc"
    needs: ClassVar = PyMCModel

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "options", tuple(sorted(dict(self.options).items())))

    def prepare(self, story: Story) -> Walk:
        import pymc as pm

        coded = self.coded(story)
        first = story.simulate(np.random.default_rng(0)).data
        model = needed(story, PyMCModel).pymc_model(first, coded)
        to_point, to_values = _transforms(model)
        options = dict(self.options)
        if self.method in GRADIENT and "scaling" not in options:
            options |= {"scaling": _variances(story, coded, model, to_point), "is_cov": True}
        with model:
            step = getattr(pm, self.method)(**options)
        reported = story.models[coded]

        def chain(truth: Arrays, data: Arrays, restart: int) -> tuple[list[Arrays], int]:
            with model:
                pm.set_data({f"{name}_data": value for name, value in data.items()})
            start = point = to_point(latent(story, truth, coded))
            path, spent = [start], 1
            for number in range(self.transitions):
                point, stats = step.step(start if number == restart else point)
                spent += sum(int(s.get(key, 0)) for s in stats for key in COUNTED) or 1
                path.append(point)
            return [to_values(each) for each in path], spent

        def walk(truths: Arrays, data: Arrays, restarts: np.ndarray, seed: int) -> Walked:
            step.setup_chain(np.random.default_rng(seed), tune=0, draws=self.transitions)
            step.stop_tuning()
            each = [
                chain({n: v[i] for n, v in truths.items()}, {n: v[i] for n, v in data.items()}, r)
                for i, r in enumerate(restarts)
            ]
            states = {n: np.stack([[s[n] for s in path] for path, _ in each]) for n in reported}
            return Walked(states, sum(spent for _, spent in each))

        return walk


def _transforms(model: pm.Model) -> tuple[Any, Any]:
    """From free variables to a point of unconstrained ones, and from there to all variables."""
    from pymc.pytensorf import compile
    from pytensor.graph.replace import clone_replace

    given = {rv: rv.type(rv.name) for rv in model.free_RVs}
    values = [model.rvs_to_values[rv] for rv in given]
    forward = [
        rv if (how := model.rvs_to_transforms[rv]) is None else how.forward(rv, *rv.owner.inputs)
        for rv in given
    ]
    there = compile([*given.values()], clone_replace(forward, given), on_unused_input="ignore")
    names = [each.name for each in [*model.free_RVs, *model.deterministics]]
    backward = [
        value
        if (how := model.rvs_to_transforms[rv]) is None
        else how.backward(value, *rv.owner.inputs)
        for rv, value in zip(given, values, strict=True)
    ]
    back = compile(
        values,
        model.replace_rvs_by_values([*backward, *model.deterministics]),
        on_unused_input="ignore",
    )

    def to_point(truth: Arrays) -> Arrays:
        found = there(*[np.asarray(truth[rv.name], rv.dtype) for rv in given])
        return {value.name: np.asarray(v) for value, v in zip(values, found, strict=True)}

    def to_values(point: Arrays) -> Arrays:
        return dict(zip(names, back(*[point[value.name] for value in values]), strict=True))

    return to_point, to_values


def _variances(story: Story, coded: str, model: pm.Model, to_point: Any) -> np.ndarray:
    """Prior variances of the unconstrained variables, from quartiles, in the model's order."""
    drawn = [story.simulate(np.random.default_rng([i, 2])).truth for i in range(PILOT)]
    points = [to_point(latent(story, truth, coded)) for truth in drawn]
    names = [value.name for value in model.continuous_value_vars]
    flat = np.stack([np.concatenate([np.ravel(point[n]) for n in names]) for point in points])
    low, high = np.quantile(flat, (0.25, 0.75), axis=0)
    return ((high - low) / 1.349) ** 2

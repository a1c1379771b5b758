"""A PyMC model, for comparison: its terms, their gradients, and draws given parents."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from hiercal.user_models._parity_coding import (
    POTENTIALS,
    SWAPPED,
    VARIANTS,
    Coding,
    Values,
    Variant,
)
from hiercal.user_models.pymc import PyMCStory

FLAT = frozenset({"multivariate_normal", "multivariate_studentt"})
"""Multivariate distributions whose values fill their space."""
PARAMETERS = {
    "normal": ("mean", "sd"),
    "halfnormal": ("location", "sd"),
    "t": ("degrees of freedom", "mean", "scale"),
    "lognormal": ("mean of the log", "sd of the log"),
    "gamma": ("shape", "scale"),
    "invgamma": ("shape", "scale"),
    "exponential": ("scale",),
    "beta": ("alpha", "beta"),
    "halfcauchy": ("location", "scale"),
    "cauchy": ("location", "scale"),
    "laplace": ("location", "scale"),
    "logistic": ("location", "scale"),
}
"""What PyTensor's parameters are, in its order."""


class PyMCCoding(Coding):
    """The densities of a PyMC model."""

    library: ClassVar[str] = "pymc"

    def __init__(self, story: PyMCStory, label: str) -> None:
        from hiercal.user_models._pymc_graph import driven

        self.story, self.label = story, label
        self.model = driven(story.model)
        drawn = story.simulate(np.random.default_rng(0)).truth
        self.free = {rv.name: np.shape(drawn[rv.name]) for rv in story.model.free_RVs}
        self.given = {
            rv.name: np.asarray(self.model[f"{rv.name}_data"].get_value())
            for rv in story.model.observed_RVs
        }
        self.observed = {name: value.shape for name, value in self.given.items()}
        named = [self.model[name] for name in [*self.free, *self.observed]]
        self.families = {rv.name: _family(rv) for rv in named}
        ops = {rv.name: rv.owner.op for rv in named}
        self.univariate = frozenset(n for n, op in ops.items() if getattr(op, "ndim_supp", 1) == 0)
        self.curved = frozenset(
            n for n in set(self.free) - self.univariate if getattr(ops[n], "name", "") not in FLAT
        )
        self.discrete = frozenset(rv.name for rv in named if np.dtype(rv.dtype).kind in "biu")
        self._inputs = {name: self.model[name].type(name) for name in self.free}
        self._data = {name: self.model[f"{name}_data"].type(name) for name in self.observed}
        self._compiled: dict[Any, Callable[..., list[Any]]] = {}
        self._changed: dict[str, dict[Variant, Any]] = {}
        names = [each.name for each in story.model.deterministics]
        computed = self.computed(tuple(names), drawn, self.given)
        self.derived = {n: v.shape for n, v in zip(names, computed, strict=True)}

    @cached_property
    def _swap(self) -> dict[Any, Any]:
        import pytensor.tensor as pt

        swap: dict[Any, Any] = {self.model[n]: v for n, v in self._inputs.items()}
        for name, value in self._data.items():
            swap[self.model[f"{name}_data"]] = value
            swap[self.model[name]] = _typed(
                pt.cast(value, self.model[name].dtype), self.model[name]
            )
        return swap

    def _given(self, graphs: Sequence[Any]) -> list[Any]:
        """Graphs as functions of values and data."""
        from pytensor.graph.replace import clone_replace

        return clone_replace(list(graphs), self._swap)

    def _terms(self) -> dict[str, Any]:
        import pymc as pm
        import pytensor.tensor as pt

        model = self.model
        terms = {name: pm.logp(model[name], model[name], warn_rvs=False) for name in self.free}
        if model.potentials:
            terms[POTENTIALS] = pt.sum([each.sum() for each in model.potentials])
        for name in self.observed:
            terms[name] = pm.logp(model[name], model[f"{name}_data"], warn_rvs=False)
        return dict(zip(terms, self._given(list(terms.values())), strict=True))

    def _call(self, key: Any, outputs: Callable[[], list[Any]], values: Values, data: Values,
              *more: tuple[Any, np.ndarray]) -> list[np.ndarray]:  # fmt: skip
        if key not in self._compiled:
            self._compiled[key] = self._function(outputs(), [variable for variable, _ in more])
        given = [np.asarray(values[n], v.dtype) for n, v in self._inputs.items()]
        given += [np.asarray(data[n], v.dtype) for n, v in self._data.items()]
        given += [value for _, value in more]
        # impossible values come from the other model: they give no density, and are said
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            return list(map(np.asarray, self._compiled[key](*given)))

    def _function(self, outputs: list[Any], more: Sequence[Any] = ()) -> Callable[..., list[Any]]:
        from pymc.pytensorf import compile

        inputs = [*self._inputs.values(), *self._data.values(), *more]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="PyTensor could not link to a BLAS")
            # a few evaluations are made: machine code would take longer to compile than all of them
            return compile(inputs, outputs, random_seed=1, mode="FAST_COMPILE",
                           on_unused_input="ignore")  # fmt: skip

    def terms(self, values: Values, data: Values) -> dict[str, np.ndarray]:
        names = [*self.free, *[POTENTIALS] * bool(self.model.potentials), *self.observed]
        found = self._call("terms", lambda: list(self._terms().values()), values, data)
        return dict(zip(names, found, strict=True))

    def gradient(self, values: Values, data: Values) -> dict[str, np.ndarray]:
        import pytensor
        import pytensor.tensor as pt

        def outputs() -> list[Any]:
            total = pt.sum([pt.cast(each.sum(), "float64") for each in self._terms().values()])
            inputs: Any = list(self._inputs.values())
            by: Any = pytensor.grad(total, inputs, disconnected_inputs="ignore")
            return list(by)

        return dict(zip(self.free, self._call("gradient", outputs, values, data), strict=True))

    def computed(self, names: tuple[str, ...], values: Values, data: Values) -> list[np.ndarray]:
        def outputs() -> list[Any]:
            return self._given([self.model[name] for name in names])

        return self._call(("computed", names), outputs, values, data) if names else []

    def jacobian(
        self, names: tuple[str, ...], wrt: tuple[str, ...], values: Values, data: Values
    ) -> np.ndarray:
        import pytensor.tensor as pt
        from pytensor.gradient import jacobian

        def outputs() -> list[Any]:
            graphs = self._given([self.model[name] for name in names])
            flat = pt.concatenate([each.ravel() for each in graphs])
            by = jacobian(flat, [self._inputs[name] for name in wrt], disconnected_inputs="ignore")
            return [pt.concatenate([each.reshape((flat.shape[0], -1)) for each in by], axis=1)]

        return self._call(("jacobian", names, wrt), outputs, values, data)[0]

    def draws(self, name: str, values: Values, data: Values, seed: int, n: int) -> np.ndarray:
        from pymc.pytensorf import reseed_rngs
        from pytensor.tensor.random.variable import RandomGeneratorSharedVariable

        def outputs() -> list[Any]:
            rv = self.model[name]
            again = rv.owner.clone_with_new_inputs(self._given(rv.owner.inputs))
            return [again.outputs[rv.owner.outputs.index(rv)]]

        first = self._call(("draws", name), outputs, values, data)[0]
        shared = self._compiled["draws", name].get_shared()  # ty: ignore[missing-attribute]
        reseed_rngs([v for v in shared if isinstance(v, RandomGeneratorSharedVariable)], seed)
        every = [self._call(("draws", name), outputs, values, data)[0] for _ in range(n)]
        return np.stack(every).reshape(n, *first.shape)

    def density(self, name: str, values: Values, data: Values, points: np.ndarray) -> np.ndarray:
        import pymc as pm
        import pytensor.tensor as pt
        from pytensor.graph.replace import vectorize_graph

        rv = self.model[name]
        many = pt.tensor(dtype=rv.dtype, shape=(None, *rv.type.shape))

        def outputs() -> list[Any]:
            one = rv.type()
            (term,) = self._given([pm.logp(rv, one, warn_rvs=False)])
            if term.ndim != rv.ndim:
                raise NotImplementedError
            return [vectorize_graph(term, {one: many})]

        return self._call(
            ("density", name), outputs, values, data, (many, points.astype(rv.dtype))
        )[0]

    def variants(self, name: str, values: Values, data: Values) -> dict[Variant, np.ndarray]:
        if name not in self._changed:
            self._changed[name] = self._variants(name)
        changed = self._changed[name]
        if not changed:
            return {}
        found = self._call(
            ("variants", name), lambda: self._given(list(changed.values())), values, data
        )
        return dict(zip(changed, found, strict=True))

    def _variants(self, name: str) -> dict[Variant, Any]:
        """Graphs of the log density with a parameter changed."""
        import pymc as pm
        from pytensor.tensor.random.op import RandomVariable

        rv = self.model[name]
        op = rv.owner.op
        if not isinstance(op, RandomVariable) or name not in self.univariate:
            return {}
        parameters = [each.astype("float64") for each in op.dist_params(rv.owner)]
        called = PARAMETERS.get(str(op.name), tuple(f"parameter {i + 1}" for i in
                                                    range(len(parameters))))  # fmt: skip
        sets = {}
        for i, how in itertools.product(range(len(parameters)), VARIANTS):
            other = list(parameters)
            other[i] = VARIANTS[how][0](parameters[i])
            sets[called[i], how] = other
        for i, j in itertools.combinations(range(len(parameters)), 2):
            other = list(parameters)
            other[i], other[j] = parameters[j], parameters[i]
            sets[f"{called[i]} and {called[j]}", SWAPPED] = other
        value = self.model[f"{name}_data"] if name in self.observed else rv
        rng, size = rv.owner.inputs[0], op.size_param(rv.owner)
        at = rv.owner.outputs.index(rv)
        terms: dict[Variant, Any] = {
            key: pm.logp(op.make_node(rng, size, *other).outputs[at], value, warn_rvs=False)
            for key, other in sets.items()
        }
        return {key: term.sum() for key, term in terms.items()}


def _family(rv: Any) -> str:
    op = rv.owner.op
    shown = getattr(op, "_print_name", None)
    if shown:
        return str(shown[0])
    return type(op).__name__.removesuffix("RV") or str(op)


def _typed(value: Any, like: Any) -> Any:
    """A value in the static shape of what it replaces."""
    import pytensor.tensor as pt

    return value if value.type == like.type else pt.specify_shape(value, like.type.shape)

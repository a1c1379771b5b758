"""Answers in categories by region, with proportions that vary between regions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from scipy.special import digamma, gammaln, polygamma, xlogy

from hiercal.exact.dirichlet import DirichletMultinomial, conjugate, dirichlet
from hiercal.exact.posterior import Posterior
from hiercal.simulators import _log_gamma
from hiercal.simulators._catalogue_story import Tractable, by_name
from hiercal.simulators._fields import (
    Names,
    Observed,
    Positive,
    Sizes,
    columns,
    counts,
    group_names,
)
from hiercal.simulators._story import Arrays, Simulation

if TYPE_CHECKING:
    import pandas as pd
    import pymc as pm

FLOOR = np.finfo(float).tiny
RESPONDENTS = (45, 120, 60, 80, 35, 95)
CATEGORIES = ("SA", "A", "D", "SD")
ANSWERS = (
    (8, 19, 10, 8),
    (28, 39, 28, 25),
    (13, 31, 12, 4),
    (21, 26, 15, 18),
    (9, 11, 9, 6),
    (27, 37, 17, 14),
)


@dataclass(frozen=True, kw_only=True)
class Survey(Tractable):
    """A Dirichlet hierarchy of multinomial counts.

    pi0 ~ Dirichlet(1, ..., 1), alpha ~ Gamma(alpha_shape, alpha_rate),
    pi_r ~ Dirichlet(alpha pi0), counts_r ~ Multinomial(n_r, pi_r).

    The noncentred model samples one z a region and category, the standardised logarithm of a gamma
    variable of shape alpha pi0_k (Ruiz, Titsias and Blei 2016, arXiv:1610.02287, section 4); the
    collapsed one integrates pi out (Mosimann 1962, Biometrika 49, 65) and draws it afterwards.

    Simulated and drawn proportions are at least ``numpy.finfo(float).tiny``, as those of a small
    alpha underflow; ranks among proportions that lie there are to be broken at random. The centred
    model is unreliable for the same reason: where a category is rare, NumPyro's Dirichlet reaches
    that floor and is flat below it, hence improper, in the coordinate that is sampled. It is safe
    where alpha pi0_k is above 0.3 or so throughout.

    Parameters
    ----------
    n : tuple of int
        Respondents of each region, at least 1; any number of regions from two up.
    categories : tuple of str
        Names of the answers, two or more.
    regions : tuple of str
        Names of the regions; letters by default.
    alpha_shape, alpha_rate : float
        Of the gamma prior of the concentration alpha. The default is Exponential(1); counts
        simulated at an alpha of about 8, as the observed ones are said to be, lie far out in it,
        and ``alpha_shape=4, alpha_rate=0.5`` covers them.

    Examples
    --------
    >>> story = Survey()
    >>> round(story.exact(story.observed).mean("alpha"), 3)
    8.129
    """

    n: Sizes = RESPONDENTS
    categories: tuple[str, ...] = CATEGORIES
    regions: Names = ()
    alpha_shape: Positive = 1.0
    alpha_rate: Positive = 1.0

    name: ClassVar = "survey"
    models: ClassVar = {
        "centred": ("alpha", "pi0", "pi"),
        "noncentred": ("alpha", "pi0", "pi"),
        "collapsed": ("alpha", "pi0", "pi"),
        "no_pooling": ("pi",),
        "complete_pooling": ("pi0", "pi"),
    }
    dims: ClassVar = {"alpha": (), "pi0": ("category",), "pi": ("region", "category")}
    scale: ClassVar = "alpha"
    groups: ClassVar = "pi"
    observes: ClassVar = {
        "counts": Observed(
            "the answers by region and category",
            "counts",
            dims=("region", "category"),
            shaped_by="n and categories",
            real=ANSWERS,
        )
    }
    integrated: ClassVar = {"collapsed": ("pi",)}
    unreliable: ClassVar = ("centred",)
    # the centred density is ruled by the smallest pi: permuted draws pass by it in 200 fits
    coordinates: ClassVar = "noncentred"

    def __post_init__(self) -> None:
        object.__setattr__(self, "categories", tuple(map(str, self.categories)))
        if len(self.categories) < 2:
            raise ValueError(
                f"{self.name}: categories are {self.categories}; give two answers or more"
            )
        group_names(self.name, "categories", self.categories, len(self.categories))
        super().__post_init__()

    @property
    def coords(self) -> dict[str, tuple[str, ...]]:
        return super().coords | {"category": self.categories}

    @property
    def observed(self) -> Arrays | None:
        """The answers of six regions, if the design is theirs."""
        return super().observed if self.categories == CATEGORIES else None

    def check(self, data: Mapping[str, Any]) -> Arrays:
        checked = super().check(data)
        totals = zip(self.coords["region"], self.n, checked["counts"].sum(axis=1), strict=True)
        for region, n, total in totals:
            if total != n:
                raise ValueError(
                    f"{self.name}: counts of region {region} add up to {total}; n says {n}"
                )
        return checked

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> tuple[Self, Arrays]:
        """Read a row per region, a column per category and, if there is one, ``region``."""
        categories = tuple(column for column in frame if column != "region")
        layout = "a row per region with a column of counts per category and optionally region"
        columns(cls.name, frame, categories[:2] or ("counts",), layout)
        for column in categories:
            if str(column).startswith("Unnamed:"):
                raise ValueError(
                    f"{cls.name}: column {str(column)!r} has no name in the file, such as the "
                    "index that pandas writes; drop it (to_csv(..., index=False)), or name it if "
                    "it is an answer"
                )
            if frame[column].dtype.kind not in "iuf":
                raise ValueError(
                    f"{cls.name}: column {column} holds {frame[column].dtype}; give {layout}"
                )
        y = frame[list(categories)].to_numpy(float)
        y = counts(cls.name, "counts", y, y.shape, "the table")
        regions = tuple(frame["region"].astype(str)) if "region" in frame else ()
        story = cls(n=tuple(y.sum(axis=1)), categories=categories, regions=regions)
        return story, story.check({"counts": y})

    def simulate(self, rng: np.random.Generator) -> Simulation:
        pi0 = rng.dirichlet(np.ones(len(self.categories)))
        alpha = self.given_or("alpha", max(rng.gamma(self.alpha_shape) / self.alpha_rate, FLOOR))
        pi = self.proportions(alpha * pi0, rng)
        truth = {"alpha": np.array(alpha), "pi0": pi0, "pi": pi}
        return Simulation(truth, self.replicate(truth, rng))

    def replicate(self, truth: Mapping[str, np.ndarray], rng: np.random.Generator) -> Arrays:
        return {"counts": rng.multinomial(self.n, truth["pi"])}

    def merged(
        self, first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]
    ) -> tuple[Self, Arrays]:
        doubled = tuple(2 * n for n in self.n)
        return dataclasses.replace(self, n=doubled), {"counts": first["counts"] + second["counts"]}

    def proportions(self, a: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Proportions of each region, (n_regions, n_categories), from Dirichlet(a).

        The simulator's own draws; the exact posterior has others. ``rng.dirichlet`` gives NaN or 0
        where a is small, as gamma variables underflow; their logarithms do not:
        log G(a) = log G(a + 1) - E / a (Marsaglia and Tsang 2000, ACM TOMS 26, 363).
        """
        a = np.broadcast_to(a, (len(self.n), len(a)))
        log_gamma = np.log(rng.standard_gamma(a + 1)) - rng.standard_exponential(a.shape) / a
        share = np.exp(log_gamma - log_gamma.max(axis=1, keepdims=True))
        return np.maximum(share / share.sum(axis=1, keepdims=True), FLOOR)

    def log_prior(self, draws: Mapping[str, np.ndarray], model: str = "centred") -> np.ndarray:
        flat = gammaln(len(self.categories))
        if model == "no_pooling":
            return np.full(draws["pi"].shape[:-2], len(self.n) * flat)
        if model == "complete_pooling":
            return np.full(draws["pi0"].shape[:-1], flat)
        shape, rate, alpha = self.alpha_shape, self.alpha_rate, draws["alpha"]
        log_alpha = shape * np.log(rate) - gammaln(shape) + xlogy(shape - 1, alpha) - rate * alpha
        a = self._concentration(draws)
        match model:
            case "collapsed":
                log_pi = 0.0
            case "noncentred":
                log_pi = _log_gamma.log_density(self._log_gamma(draws), a).sum(axis=(-1, -2))
            case _:
                log_pi = ((a - 1) * np.log(draws["pi"]) - gammaln(a)).sum(axis=(-1, -2))
                log_pi = log_pi + len(self.n) * gammaln(alpha)
        return flat + log_alpha + log_pi

    def _concentration(self, draws: Mapping[str, np.ndarray]) -> np.ndarray:
        """alpha pi0, shape (..., 1, n_categories)."""
        return (draws["alpha"][..., None] * draws["pi0"])[..., None, :]

    def _log_gamma(self, draws: Mapping[str, np.ndarray]) -> np.ndarray:
        """Logarithms of gamma variables in the ratios of pi, which add up to alpha."""
        return np.log(draws["pi"]) + np.log(draws["alpha"])[..., None, None]

    def log_likelihood(
        self, draws: Mapping[str, np.ndarray], data: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        y = data["counts"]
        return _log_ways(y) + xlogy(y, draws["pi"]).sum(axis=-1)

    def log_joint(
        self, draws: Mapping[str, np.ndarray], data: Mapping[str, np.ndarray], model: str
    ) -> np.ndarray:
        if model != "collapsed":
            return super().log_joint(draws, data, model)
        y, alpha, a = data["counts"], draws["alpha"], self._concentration(draws)
        pointwise = (gammaln(y + a) - gammaln(a)).sum(axis=-1) + _log_ways(y)
        pointwise += gammaln(alpha)[..., None] - gammaln(y.sum(axis=-1) + alpha[..., None])
        return self.log_prior(draws, model) + pointwise.sum(axis=-1)

    def latent(self, draws: Mapping[str, np.ndarray], model: str) -> Arrays:
        has_pi = model in ("centred", "no_pooling")
        names = self.models[model] if has_pi else self.models[model][:-1]
        sampled = {name: draws[name] for name in names}
        if model == "noncentred":
            a = self._concentration(draws)
            sampled["z"] = (self._log_gamma(draws) - digamma(a)) / np.sqrt(polygamma(1, a))
        return sampled

    def pymc_model(self, data: Mapping[str, np.ndarray], model: str) -> pm.Model:
        import pymc as pm
        import pytensor.tensor as pt

        n, n_categories, cells = np.array(self.n), len(self.categories), ("region", "category")
        with pm.Model(coords=self.coords) as pymc_model:
            y = pm.Data("counts_data", data["counts"], dims=cells)
            if model == "no_pooling":
                flat = np.ones((len(n), n_categories))
                pi = pm.Dirichlet("pi", flat, dims=cells)
                pm.Multinomial("counts", n, pi, observed=y, dims=cells)
                return pymc_model
            pi0 = pm.Dirichlet("pi0", np.ones(n_categories), dims="category")
            if model == "complete_pooling":
                pi = pm.Deterministic("pi", pi0 * np.ones((len(n), 1)), dims=cells)
                pm.Multinomial("counts", n, pi, observed=y, dims=cells)
                return pymc_model
            # PyMC takes logs of constants such as 20.0 in single precision; these stay double
            alpha = pm.Gamma("alpha", np.float64(self.alpha_shape), np.float64(self.alpha_rate))
            a = alpha * pi0
            match model:
                case "collapsed":
                    pm.DirichletMultinomial("counts", n, a, observed=y, dims=cells)
                    return pymc_model
                case "centred":
                    pi = pm.Dirichlet("pi", a, dims=cells)
                case "noncentred":
                    density, draw = _log_gamma.pymc_log_density, _log_gamma.draw
                    z = pm.CustomDist("z", a, logp=density, random=draw, dims=cells)
                    mean, variance = _log_gamma.pymc_moments(a)
                    share = pm.math.softmax(mean + pt.sqrt(variance) * z, axis=-1)
                    pi = pm.Deterministic("pi", pt.maximum(share, FLOOR), dims=cells)
            pm.Multinomial("counts", n, pi, observed=y, dims=cells)
        return pymc_model

    def numpyro_model(self, model: str) -> Callable[..., None]:
        import jax
        import jax.numpy as jnp
        import numpyro
        from jax.scipy.special import digamma, polygamma
        from numpyro import distributions as dist

        n, most, shape = np.array(self.n), max(self.n), (len(self.n), len(self.categories))
        flat = np.ones(shape[1])
        regions = numpyro.plate("region", len(n))

        def population():
            alpha = numpyro.sample("alpha", dist.Gamma(self.alpha_shape, self.alpha_rate))
            return alpha * numpyro.sample("pi0", dist.Dirichlet(flat))

        def answers(counts, **proportions):
            given = dist.Multinomial(n, **proportions, total_count_max=most)
            numpyro.sample("counts", given, obs=counts)

        def centred(counts=None):
            a = population()
            with regions:
                pi = numpyro.sample("pi", dist.Dirichlet(a))
                answers(counts, probs=pi)

        def noncentred(counts=None):
            a = population()
            z = numpyro.sample("z", _log_gamma.numpyro_distribution()(a).expand(shape).to_event(2))
            log_gamma = digamma(a) + jnp.sqrt(polygamma(1, a)) * z
            pi = jax.nn.softmax(log_gamma, axis=-1)
            numpyro.deterministic("pi", jnp.maximum(pi, jnp.finfo(pi.dtype).tiny))
            with regions:
                answers(counts, logits=log_gamma)

        def collapsed(counts=None):
            a = population()
            with regions:
                given = dist.DirichletMultinomial(a, n, total_count_max=most)
                numpyro.sample("counts", given, obs=counts)

        def no_pooling(counts=None):
            with regions:
                pi = numpyro.sample("pi", dist.Dirichlet(flat))
                answers(counts, probs=pi)

        def complete_pooling(counts=None):
            pi0 = numpyro.sample("pi0", dist.Dirichlet(flat))
            pi = numpyro.deterministic("pi", jnp.broadcast_to(pi0, shape))
            with regions:
                answers(counts, probs=pi)

        return by_name(model, centred, noncentred, collapsed, no_pooling, complete_pooling)

    def partly_pooled(self, counts: np.ndarray) -> Posterior:
        shape, rate = self.alpha_shape, self.alpha_rate
        new = [f"pi_new[{category}]" for category in self.categories]
        return DirichletMultinomial(
            counts,
            log_prior_alpha=lambda alpha: (shape - 1) * np.log(alpha) - rate * alpha,
            size=shape / rate,
            labels={"pi0": self.labels("pi0"), "pi": self.labels("pi"), "pi_new": new},
        )

    def not_pooled(self, counts: np.ndarray) -> Posterior:
        return conjugate(counts + 1.0, {"pi": np.arange(len(counts))}, {"pi": self.labels("pi")})

    def fully_pooled(self, counts: np.ndarray) -> Posterior:
        rows = {"pi0": 0, "pi": np.zeros(len(counts), int)}
        labels = {name: self.labels(name) for name in rows}
        return conjugate(counts.sum(axis=0, keepdims=True) + 1.0, rows, labels)

    def pooled(self, draws: Mapping[str, np.ndarray]) -> np.ndarray:
        return np.repeat(draws["pi0"][..., None, :], len(self.n), axis=-2)

    def draw_integrated(
        self,
        draws: Mapping[str, np.ndarray],
        data: Mapping[str, np.ndarray],
        model: str,
        rng: np.random.Generator,
    ) -> Arrays:
        """Draw pi of the collapsed model from Dirichlet(counts + alpha pi0)."""
        if model != "collapsed":
            return {}
        return {"pi": dirichlet(data["counts"] + self._concentration(draws), rng)}

    def new_group(self, draws: Mapping[str, np.ndarray], rng: np.random.Generator) -> Arrays:
        if "alpha" not in draws:
            return {}
        pi = dirichlet(self._concentration(draws)[..., 0, :], rng)
        return {f"pi_new[{c}]": pi[..., k] for k, c in enumerate(self.categories)}


def _log_ways(y: np.ndarray) -> np.ndarray:
    """Log multinomial coefficients."""
    return gammaln(y.sum(axis=-1) + 1) - gammaln(y + 1).sum(axis=-1)

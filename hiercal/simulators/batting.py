"""Hits in 45 times at bat, with the rest of the season as the truth held out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from scipy.special import expit, gammaln, logit

from hiercal.exact.count_model import CountModel, identity
from hiercal.exact.independent import Independent, LogitBeta
from hiercal.exact.likelihoods import binomial
from hiercal.exact.mixed_model import Scale
from hiercal.exact.posterior import Posterior
from hiercal.simulators._catalogue_story import NormalGroups, Tractable, by_name
from hiercal.simulators._fields import Finite, Names, Observed, Positive, Sizes
from hiercal.simulators._story import Arrays, Simulation, log_normal

if TYPE_CHECKING:
    import pymc as pm

PLAYERS = (
    *("Clemente", "F. Robinson", "F. Howard", "Johnstone", "Berry", "Spencer", "Kessinger"),
    *("L. Alvarado", "Santo", "Swoboda", "Unser", "Williams", "Scott", "Petrocelli"),
    *("E. Rodriguez", "Campaneris", "Munson", "Alvis"),
)
HITS = (18, 17, 16, 15, 14, 14, 13, 12, 11, 11, 10, 10, 10, 10, 10, 9, 8, 7)
SEASON_AVERAGES = (
    *(0.346, 0.298, 0.276, 0.222, 0.273, 0.270, 0.263, 0.210, 0.269),
    *(0.230, 0.264, 0.256, 0.303, 0.264, 0.226, 0.285, 0.316, 0.200),
)
"""Averages over the rest of the 1970 season, in the order of `PLAYERS` (Efron and Morris 1975)."""


@dataclass(frozen=True, kw_only=True)
class Batting(NormalGroups, Tractable):
    """A binomial hierarchy, normal in the log odds.

    mu ~ N(mu_mean, mu_scale), tau ~ HalfNormal(tau_scale), theta_i ~ N(mu, tau),
    hits_i ~ Binomial(at_bats_i, expit(theta_i)).

    Without pooling, expit(theta_i) is uniform on (0, 1), independently.

    Parameters
    ----------
    at_bats : tuple of int
        Times at bat of each player; any number of players from two up.
    mu_mean, mu_scale, tau_scale : float
        Prior location and scale of the mean log odds, and prior scale of their standard deviation
        between players.
    players : tuple of str
        Names of the players, by default those of Efron and Morris where there are 18, else letters.

    References
    ----------
    Efron, B. and Morris, C. (1975). Data analysis using Stein's estimator and its generalizations.
    Journal of the American Statistical Association 70(350), 311-319, table 1.

    Examples
    --------
    >>> story = Batting()
    >>> int(story.observed["hits"].sum())
    215
    """

    at_bats: Sizes = (45,) * 18
    mu_mean: Finite = -1.0
    mu_scale: Positive = 0.5
    tau_scale: Positive = 0.5
    players: Names = ()

    name: ClassVar = "batting"
    models: ClassVar = {
        "centred": ("mu", "tau", "theta"),
        "noncentred": ("mu", "tau", "theta"),
        "no_pooling": ("theta",),
        "complete_pooling": ("mu", "theta"),
    }
    dims: ClassVar = {"mu": (), "tau": (), "theta": ("player",)}
    scale: ClassVar = "tau"
    groups: ClassVar = "theta"
    usual_names: ClassVar = PLAYERS
    observes: ClassVar = {
        "hits": Observed("the hits of each player", "counts", most="at_bats", real=HITS)
    }

    def simulate(self, rng: np.random.Generator) -> Simulation:
        mu = self.given_or("mu", rng.normal(self.mu_mean, self.mu_scale))
        tau = self.given_or("tau", abs(rng.normal(0, self.tau_scale)))
        theta = rng.normal(mu, tau, size=len(self.at_bats))
        truth = {"mu": np.array(mu), "tau": np.array(tau), "theta": theta}
        return Simulation(truth, self.replicate(truth, rng))

    def replicate(self, truth: Mapping[str, np.ndarray], rng: np.random.Generator) -> Arrays:
        return {"hits": rng.binomial(self.at_bats, expit(truth["theta"]))}

    def merged(
        self, first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]
    ) -> tuple[Self, Arrays]:
        doubled = tuple(2 * n for n in self.at_bats)
        return dataclasses.replace(self, at_bats=doubled), {"hits": first["hits"] + second["hits"]}

    def log_prior(self, draws: Mapping[str, np.ndarray], model: str = "centred") -> np.ndarray:
        theta = draws["theta"]
        if model == "no_pooling":
            return (-np.logaddexp(0, theta) - np.logaddexp(0, -theta)).sum(axis=-1)
        mu, log_mu = draws["mu"], log_normal(draws["mu"], self.mu_mean, self.mu_scale)
        if model == "complete_pooling":
            return log_mu
        tau = draws["tau"]
        log_tau = np.log(2) + log_normal(tau, 0, self.tau_scale)
        log_theta = log_normal(theta, mu[..., None], tau[..., None]).sum(axis=-1)
        if model == "noncentred":
            log_theta = log_theta + len(self.at_bats) * np.log(tau)
        return log_mu + log_tau + log_theta

    def log_likelihood(
        self, draws: Mapping[str, np.ndarray], data: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        hits, at_bats, theta = data["hits"], np.array(self.at_bats), draws["theta"]
        ways = gammaln(at_bats + 1) - gammaln(hits + 1) - gammaln(at_bats - hits + 1)
        return ways + hits * theta - at_bats * np.logaddexp(0, theta)

    def pymc_model(self, data: Mapping[str, np.ndarray], model: str) -> pm.Model:
        import pymc as pm

        # a float that float32 holds exactly would enter PyMC as float32
        mu_mean, mu_scale = np.float64(self.mu_mean), np.float64(self.mu_scale)
        tau_scale = np.float64(self.tau_scale)
        with pm.Model(coords=self.coords) as pymc_model:
            hits = pm.Data("hits_data", data["hits"], dims="player")
            match model:
                case "centred":
                    mu = pm.Normal("mu", mu_mean, mu_scale)
                    tau = pm.HalfNormal("tau", tau_scale)
                    theta = pm.Normal("theta", mu, tau, dims="player")
                case "noncentred":
                    mu = pm.Normal("mu", mu_mean, mu_scale)
                    tau = pm.HalfNormal("tau", tau_scale)
                    z = pm.Normal("z", 0, 1, dims="player")
                    theta = pm.Deterministic("theta", mu + tau * z, dims="player")
                case "no_pooling":
                    theta = pm.Logistic("theta", 0, 1, dims="player")
                case "complete_pooling":
                    mu = pm.Normal("mu", mu_mean, mu_scale)
                    alike = mu * np.ones(len(self.at_bats))
                    theta = pm.Deterministic("theta", alike, dims="player")
            at_bats = np.array(self.at_bats)
            pm.Binomial("hits", at_bats, logit_p=theta, observed=hits, dims="player")
        return pymc_model

    def numpyro_model(self, model: str) -> Callable[..., None]:
        import jax.numpy as jnp
        import numpyro
        from numpyro import distributions as dist

        n, at_bats = len(self.at_bats), jnp.array(self.at_bats)
        players = numpyro.plate("player", n)

        def centred(hits=None):
            mu = numpyro.sample("mu", dist.Normal(self.mu_mean, self.mu_scale))
            tau = numpyro.sample("tau", dist.HalfNormal(self.tau_scale))
            with players:
                theta = numpyro.sample("theta", dist.Normal(mu, tau))
                numpyro.sample("hits", dist.Binomial(at_bats, logits=theta), obs=hits)

        def noncentred(hits=None):
            mu = numpyro.sample("mu", dist.Normal(self.mu_mean, self.mu_scale))
            tau = numpyro.sample("tau", dist.HalfNormal(self.tau_scale))
            with players:
                z = numpyro.sample("z", dist.Normal(0, 1))
                theta = numpyro.deterministic("theta", mu + tau * z)
                numpyro.sample("hits", dist.Binomial(at_bats, logits=theta), obs=hits)

        def no_pooling(hits=None):
            with players:
                theta = numpyro.sample("theta", dist.Logistic(0, 1))
                numpyro.sample("hits", dist.Binomial(at_bats, logits=theta), obs=hits)

        def complete_pooling(hits=None):
            mu = numpyro.sample("mu", dist.Normal(self.mu_mean, self.mu_scale))
            theta = numpyro.deterministic("theta", jnp.full(n, mu))
            with players:
                numpyro.sample("hits", dist.Binomial(at_bats, logits=theta), obs=hits)

        return by_name(model, centred, noncentred, no_pooling, complete_pooling)

    def partly_pooled(self, hits: np.ndarray) -> Posterior:
        between = Scale("tau", lambda tau: -0.5 * (tau / self.tau_scale) ** 2, self.tau_scale)
        return self._counts(hits, between)

    def fully_pooled(self, hits: np.ndarray) -> Posterior:
        return self._counts(hits, None)

    def not_pooled(self, hits: np.ndarray) -> Posterior:
        a, b = 1 + hits, 1 + np.array(self.at_bats) - hits
        marginals = [LogitBeta(*each) for each in zip(a, b, strict=True)]
        return Independent(
            dict(zip(self.labels("theta"), marginals, strict=True)),
            lambda n, rng: {"theta": logit(rng.beta(a, b, size=(n, len(a))))},
        )

    def _counts(self, hits: np.ndarray, between: Scale | None) -> Posterior:
        return CountModel(
            binomial(hits, np.array(self.at_bats)),
            centre=("mu", self.mu_mean, self.mu_scale),
            scale=between,
            link=identity("theta"),
            labels=self.labels("theta"),
            finite_moments=True,
        )

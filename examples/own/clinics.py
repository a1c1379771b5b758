"""The whole of a story: copy it, and keep what yours needs. Only `simulate` is required."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hiercal.exact.normal_normal import NormalNormal
from hiercal.simulators import (
    Names,
    NormalGroups,
    Observed,
    Positive,
    Positives,
    Simulation,
    Tractable,
    by_name,
)


@dataclass(frozen=True, kw_only=True)
class Clinics(NormalGroups, Tractable):
    """Effects of a treatment: what is drawn from what, with units and the source.

    mu ~ N(0, mu_scale), tau ~ HalfNormal(tau_scale), theta_i ~ N(mu, tau), y_i ~ N(theta_i, se_i).

    Parameters
    ----------
    se : tuple of float
        Standard errors of the clinics' estimates, in mmHg; two clinics or more.
    mu_scale, tau_scale : float
        Prior scales, in mmHg.
    clinics : tuple of str
        Names of the clinics; letters by default.
    """

    # the design: kinds are checked, and say what from_frame reads and resized repeats
    se: Positives = (2.0, 3.0, 4.0, 5.0)
    mu_scale: Positive = 10.0
    tau_scale: Positive = 5.0
    clinics: Names = ()

    name: ClassVar = "clinics"
    models: ClassVar = {"centred": ("mu", "tau", "theta"), "noncentred": ("mu", "tau", "theta")}
    dims: ClassVar = {"mu": (), "tau": (), "theta": ("clinic",)}
    scale: ClassVar = "tau"
    groups: ClassVar = "theta"
    observes: ClassVar = {"y": Observed("the estimated effects")}

    def simulate(self, rng):
        mu = self.given_or("mu", rng.normal(0, self.mu_scale))
        tau = self.given_or("tau", abs(rng.normal(0, self.tau_scale)))
        theta = rng.normal(mu, tau, size=self.n_groups)
        truth = {"mu": np.array(mu), "tau": np.array(tau), "theta": theta}
        return Simulation(truth, {"y": rng.normal(theta, self.se)})

    # densities, the prior's up to a constant; without it, draws that lost the correlation between
    # parameters pass
    def log_prior(self, draws, model="centred"):
        mu, tau, theta = draws["mu"], draws["tau"], draws["theta"]
        log_population = -0.5 * (mu / self.mu_scale) ** 2 - 0.5 * (tau / self.tau_scale) ** 2
        z = (theta - mu[..., None]) / tau[..., None]
        log_theta = (-0.5 * z**2).sum(axis=-1)
        if model == "centred":
            log_theta = log_theta - self.n_groups * np.log(tau)
        return log_population + log_theta

    def log_likelihood(self, draws, data):
        se = np.array(self.se)
        z = (data["y"] - draws["theta"]) / se
        return -0.5 * z**2 - np.log(se) - 0.5 * np.log(2 * np.pi)

    # the models, written out for each library; data y enter PyMC as pm.Data "y_data"
    def pymc_model(self, data, model):
        import pymc as pm

        with pm.Model(coords=self.coords) as pymc_model:
            y = pm.Data("y_data", data["y"], dims="clinic")
            mu = pm.Normal("mu", 0, np.float64(self.mu_scale))
            tau = pm.HalfNormal("tau", np.float64(self.tau_scale))
            if model == "centred":
                theta = pm.Normal("theta", mu, tau, dims="clinic")
            else:
                z = pm.Normal("z", 0, 1, dims="clinic")
                theta = pm.Deterministic("theta", mu + tau * z, dims="clinic")
            pm.Normal("y", theta, np.array(self.se), observed=y, dims="clinic")
        return pymc_model

    def numpyro_model(self, model):
        import numpyro
        from numpyro import distributions as dist

        se, clinics = np.array(self.se), numpyro.plate("clinic", self.n_groups)

        def population():
            mu = numpyro.sample("mu", dist.Normal(0, self.mu_scale))
            return mu, numpyro.sample("tau", dist.HalfNormal(self.tau_scale))

        def centred(y=None):
            mu, tau = population()
            with clinics:
                theta = numpyro.sample("theta", dist.Normal(mu, tau))
                numpyro.sample("y", dist.Normal(theta, se), obs=y)

        def noncentred(y=None):
            mu, tau = population()
            with clinics:
                z = numpyro.sample("z", dist.Normal(0, 1))
                theta = numpyro.deterministic("theta", mu + tau * z)
                numpyro.sample("y", dist.Normal(theta, se), obs=y)

        return by_name(model, centred, noncentred)

    # the exact posterior, where there is one; it shares no code with the above
    def partly_pooled(self, y):
        return NormalNormal(
            y,
            np.array(self.se),
            mu_scale=self.mu_scale,
            log_prior_tau=lambda tau: -0.5 * (tau / self.tau_scale) ** 2,
            tau_scale=self.tau_scale,
            labels=self.coords["clinic"],
        )

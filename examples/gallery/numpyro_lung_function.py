"""Lung function of patients over weeks: an intercept and a slope for each patient, centred.

Source: github.com/pyro-ppl/numpyro, notebooks/source/bayesian_hierarchical_linear_regression.ipynb,
"Bayesian Hierarchical Linear Regression", first model. Licence: Apache-2.0.

Changed: the original downloads the OSIC pulmonary fibrosis data (176 patients, 1549 visits); here
10 patients with 9 visits each are simulated with a fixed seed.
"""

from functools import partial

import numpy as np
import numpyro
import numpyro.distributions as dist


def lung_function(patient_code, Weeks, FVC_obs=None):
    μ_α = numpyro.sample("μ_α", dist.Normal(0.0, 500.0))
    σ_α = numpyro.sample("σ_α", dist.HalfNormal(100.0))
    μ_β = numpyro.sample("μ_β", dist.Normal(0.0, 3.0))
    σ_β = numpyro.sample("σ_β", dist.HalfNormal(3.0))

    with numpyro.plate("plate_i", len(np.unique(patient_code))):
        α = numpyro.sample("α", dist.Normal(μ_α, σ_α))
        β = numpyro.sample("β", dist.Normal(μ_β, σ_β))

    σ = numpyro.sample("σ", dist.HalfNormal(100.0))
    FVC_est = α[patient_code] + β[patient_code] * Weeks
    with numpyro.plate("data", len(patient_code)):
        numpyro.sample("obs", dist.Normal(FVC_est, σ), obs=FVC_obs)


rng = np.random.default_rng(176)
patient_code = np.repeat(np.arange(10), 9)
Weeks = np.tile([0.0, 2.0, 4.0, 6.0, 9.0, 15.0, 24.0, 36.0, 52.0], 10)
intercept, slope = rng.normal(2700, 500, size=10), rng.normal(-4, 3, size=10)
FVC_obs = rng.normal(intercept[patient_code] + slope[patient_code] * Weeks, 140)
model = partial(lung_function, patient_code=patient_code, Weeks=Weeks, FVC_obs=FVC_obs)

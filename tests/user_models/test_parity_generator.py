"""Forward draws of the libraries' own distributions follow their densities."""

from functools import partial

import numpy as np
import numpyro
import numpyro.distributions as dist
import pymc as pm
import pytest

from hiercal.user_models._layout import Layout
from hiercal.user_models._parity_generator import LEVEL, generators
from hiercal.user_models._parity_numpyro import NumPyroCoding
from hiercal.user_models._parity_pymc import PyMCCoding
from hiercal.user_models.numpyro import NumPyroStory
from hiercal.user_models.pymc import PyMCStory

N = numpyro.sample


def built_in_pymc():
    with pm.Model() as model:
        s = pm.Gamma("gamma", 2, 3)
        pm.Normal("normal", 1, s)
        pm.StudentT("student_t", 3, sigma=s)
        pm.HalfNormal("half_normal", s)
        pm.HalfCauchy("half_cauchy", s)
        pm.InverseGamma("inverse_gamma", 2, s)
        p = pm.Beta("beta", 2, 0.5)
        pm.Exponential("exponential", s)
        pm.LogNormal("log_normal", 0, s)
        pm.Poisson("poisson", 5 * s, observed=np.zeros(3, int))
        pm.Binomial("binomial", 10, p, observed=np.zeros(3, int))
        pm.NegativeBinomial("negative_binomial", mu=5 * s, alpha=2, observed=np.zeros(3, int))
    return model


def built_in_numpyro(count):
    s = N("gamma", dist.Gamma(2.0, 3.0))
    N("normal", dist.Normal(1, s))
    N("student_t", dist.StudentT(3.0, 0, s))
    N("half_normal", dist.HalfNormal(s))
    N("half_cauchy", dist.HalfCauchy(s))
    N("inverse_gamma", dist.InverseGamma(2.0, s))
    p = N("beta", dist.Beta(2.0, 0.5))
    N("exponential", dist.Exponential(s))
    N("log_normal", dist.LogNormal(0, s))
    with numpyro.plate("observation", 3):
        N("poisson", dist.Poisson(5 * s), obs=count)
        N("binomial", dist.Binomial(10, p), obs=count)
        N("negative_binomial", dist.NegativeBinomial2(5 * s, 2.0), obs=count)


@pytest.mark.parametrize("library", ["pymc", pytest.param("numpyro", marks=pytest.mark.slow)])
def test_draws_of_built_in_distributions_follow_their_densities(library, monkeypatch):
    """Twelve p-values under the null: none below the level shared by all 24, not all small."""
    shared = {"title": "built_in", "digest": "", "layout": Layout({}, {}, {}, {})}
    rng = np.random.default_rng(0)

    if library == "pymc":
        monkeypatch.setattr(PyMCStory, "simulate", _known(rng))
        coding = PyMCCoding(PyMCStory(model=built_in_pymc(), **shared), "pymc")
    else:
        monkeypatch.setattr(NumPyroStory, "simulate", _known(rng))
        model = partial(built_in_numpyro, count=np.zeros(3, int))
        coding = NumPyroCoding(NumPyroStory(model=model, **shared), "numpyro")
    found = generators(coding, seed=1)
    p = np.array([each.p for each in found])
    assert len(p) == 12
    assert p.min() > LEVEL / 24
    assert np.median(p) > 0.1
    assert all(abs(each.integral - 1) < 1e-3 for each in found)


def _known(rng):
    """Parents by NumPy: a forward draw would be compiled for each of twelve distributions."""
    from hiercal.simulators import Simulation

    def simulate(self, _):
        names = ["normal", "student_t", "half_normal", "half_cauchy", "inverse_gamma"]
        truth = dict.fromkeys([*names, "exponential", "log_normal"], np.array(1.0))
        truth |= {"gamma": np.array(rng.gamma(2, 1 / 3)), "beta": np.array(rng.beta(2, 0.5))}
        counts = dict.fromkeys(["poisson", "binomial", "negative_binomial"], np.ones(3, int))
        return Simulation(truth, counts)

    return simulate

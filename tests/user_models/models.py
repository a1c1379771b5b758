"""PyMC and NumPyro models of many kinds, small."""

import numpy as np
import numpyro
import pymc as pm
import pytensor.tensor as pt
from jax import numpy as jnp
from numpyro import distributions as dist
from pymc.distributions import transforms

SCHOOLS = tuple("ABCDEFGH")
EFFECTS = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
ERRORS = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])


def schools():
    with pm.Model(coords={"school": SCHOOLS}) as model:
        mu = pm.Normal("mu", 0, 20)
        tau = pm.HalfNormal("tau", 10)
        theta = pm.Normal("theta", mu, tau, dims="school")
        pm.Normal("y", theta, ERRORS, observed=EFFECTS, dims="school")
    return model


def two_observed():
    with pm.Model() as model:
        rate = pm.Gamma("rate", 2, 1)
        pm.Poisson("goals", rate, observed=[1, 2, 0])
        pm.Exponential("waits", rate, observed=[0.5, 0.2])
    return model


def data_and_dims():
    with pm.Model(coords={"town": ["x", "y"], "house": range(5)}) as model:
        which = pm.Data("which", np.array([0, 1, 1, 0, 1]), dims="house")
        y = pm.Data("y_data", np.zeros(5), dims="house")
        level = pm.Normal("level", 0, 1, dims="town")
        pm.Normal("y", level[which], 1, observed=y, dims="house", shape=y.shape)
    return model


def deterministics():
    with pm.Model() as model:
        a = pm.Normal("a", 0, 1)
        pm.Deterministic("twice", 2 * a)
        pm.Deterministic("many", a * np.ones(101))
        pm.Deterministic("undefined", pt.log(a))
        pm.Deterministic("fixed", pt.as_tensor([1.0, 2.0]))
        pm.Normal("y", a, 1, observed=[0.0, 1.0])
    return model


def correlated():
    with pm.Model() as model:
        chol, _, _ = pm.LKJCholeskyCov("chol", n=2, eta=2, sd_dist=pm.Exponential.dist(1.0))
        slopes = pm.MvNormal("slopes", np.zeros(2), chol=chol, shape=(4, 2))
        pm.Normal("y", slopes.sum(axis=1), 1, observed=np.zeros(4))
    return model


def ordered():
    with pm.Model() as model:
        cut = pm.Normal("cut", 0, 1, shape=2, transform=transforms.ordered)
        pm.OrderedLogistic("y", 0.0, cut, observed=[0, 1, 2, 1])
    return model


def simplex():
    with pm.Model() as model:
        share = pm.Dirichlet("share", np.ones(3))
        pm.Multinomial("y", 20, share, observed=[5, 5, 10])
    return model


def initial_values():
    with pm.Model() as model:
        a = pm.Normal("a", 0, 1, initval=0.25)
        pm.Normal("y", a, 1, observed=[0.0])
    return model


def gaussian_process():
    x = np.linspace(0, 1, 6)[:, None]
    with pm.Model() as model:
        length = pm.Gamma("length", 4, 8)
        gp = pm.gp.Marginal(cov_func=pm.gp.cov.ExpQuad(1, length))
        gp.marginal_likelihood("y", X=x, y=np.zeros(6), sigma=0.3)
    return model


def zero_sum():
    with pm.Model() as model:
        spread = pm.HalfNormal("spread", 1)
        effect = pm.ZeroSumNormal("effect", sigma=spread, shape=4)
        pm.Normal("y", effect, 1, observed=np.zeros(4))
    return model


def truncated_and_censored():
    with pm.Model() as model:
        a = pm.Normal("a", 0, 1)
        pm.Truncated("t", pm.Normal.dist(a, 1), lower=-1, upper=2, observed=[0.0, 1.0])
        pm.Censored("c", pm.Normal.dist(a, 1), lower=-1, upper=1, observed=[-1.0, 0.3, 1.0])
    return model


def mixture():
    with pm.Model() as model:
        share = pm.Dirichlet("share", np.ones(2))
        centre = pm.Normal("centre", 0, 3, shape=2)
        pm.NormalMixture("y", share, centre, 1.0, observed=np.linspace(-3, 3, 7))
    return model


def missing():
    with pm.Model() as model:
        a = pm.Normal("a", 0, 1)
        pm.Normal("y", a, 1, observed=np.array([0.5, np.nan, 1.0]))
    return model


def autoregression():
    with pm.Model() as model:
        rho = pm.Uniform("rho", -0.9, 0.9)
        start = pm.Normal.dist(0, 1)
        pm.AR("y", [rho], sigma=1, init_dist=start, observed=np.zeros(6))
    return model


HANDLED = (
    schools, two_observed, data_and_dims, deterministics, correlated, ordered, simplex,
    initial_values, gaussian_process, zero_sum, truncated_and_censored, mixture, missing,
    autoregression,
)  # fmt: skip


def families():
    """A variable of every family that can be non-centred in PyMC."""
    with pm.Model(coords={"g": ["a", "b", "c"]}) as model:
        m = pm.Normal("m", 0, 1)
        s = pm.HalfNormal("s", 1)
        pm.Normal("normal", m, s, dims="g")
        pm.StudentT("student", nu=4, mu=m, sigma=s, dims="g")
        pm.Laplace("laplace", m, s, shape=3)
        pm.Cauchy("cauchy", m, s)
        pm.Logistic("logistic", m, s)
        pm.Gumbel("gumbel", m, s)
        pm.LogNormal("lognormal", m, s, shape=4)
        pm.HalfNormal("halfnormal", s, shape=2)
        pm.HalfCauchy("halfcauchy", s)
        pm.Exponential("exponential", scale=s)
        pm.ZeroSumNormal("zerosum", sigma=s, shape=(2, 5))
        pm.ZeroSumNormal("zerosum2", sigma=s, n_zerosum_axes=2, shape=(3, 4))
        chol, _, _ = pm.LKJCholeskyCov("chol", n=2, eta=2, sd_dist=pm.Exponential.dist(1.0))
        pm.MvNormal("mv", mu=pt.stack([m, -m]), chol=chol, shape=(6, 2))
        pm.Normal("y", m, 1, observed=[0.0, 1.0])
    return model


FAMILIES = (
    "normal", "student", "laplace", "cauchy", "logistic", "gumbel", "lognormal", "halfnormal",
    "halfcauchy", "exponential", "zerosum", "zerosum2", "mv",
)  # fmt: skip


def np_schools(sigma, y=None):
    mu = numpyro.sample("mu", dist.Normal(0, 20))
    tau = numpyro.sample("tau", dist.HalfNormal(10))
    with numpyro.plate("school", len(sigma)):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        numpyro.sample("y", dist.Normal(theta, sigma), obs=y)


def np_families(y=None):
    m = numpyro.sample("m", dist.Normal(0, 1))
    s = numpyro.sample("s", dist.HalfNormal(1))
    given = {
        "normal": dist.Normal(m, s),
        "student": dist.StudentT(4.0, m, s),
        "laplace": dist.Laplace(m, s).expand([3]).to_event(1),
        "cauchy": dist.Cauchy(m, s),
        "logistic": dist.Logistic(m, s),
        "gumbel": dist.Gumbel(m, s),
        "lognormal": dist.LogNormal(m, s).expand([4]),
        "halfnormal": dist.HalfNormal(s),
        "halfcauchy": dist.HalfCauchy(s),
        "exponential": dist.Exponential(1 / s),
        "zerosum": dist.ZeroSumNormal(s, (5,)),
        "zerosum2": dist.ZeroSumNormal(s, (3, 4)),
    }
    for name, fn in given.items():
        numpyro.sample(name, fn)
    root = numpyro.sample("root", dist.LKJCholesky(2, 2.0))
    with numpyro.plate("g", 6):
        numpyro.sample("mv", dist.MultivariateNormal(jnp.stack([m, -m]), scale_tril=s * root))
    numpyro.sample("y", dist.Normal(m, 1), obs=y)

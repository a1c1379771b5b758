"""Two codings compared: what agrees passes, each planted error is named, and draws are checked."""

from functools import partial

import numpy as np
import numpyro
import numpyro.distributions as dist
import pymc as pm
import pytest
from click.testing import CliRunner

from hiercal import parity
from hiercal.cli import main
from hiercal.errors import ModelRefused, UnknownName

Y = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
SE = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
N = numpyro.sample


def schools(noncentred=False, scale=10.0, y=Y, outcome="y", **names):
    """Eight schools in PyMC; keywords rename variables."""
    called = {n: names.get(n, n) for n in ("mu", "tau", "theta", "z")}
    with pm.Model() as model:
        mu = pm.Normal(called["mu"], 0, np.float64(20))
        tau = pm.HalfNormal(called["tau"], np.float64(scale))
        if noncentred:
            z = pm.Normal(called["z"], 0, 1, shape=8)
            theta = pm.Deterministic(called["theta"], mu + tau * z)
        else:
            theta = pm.Normal(called["theta"], mu, tau, shape=8)
        pm.Normal(outcome, theta, SE, observed=y)
    return model


def schools_numpyro(y, se=SE, tau_power=1.0):
    mu = N("mu", dist.Normal(0, 20.0))
    tau = N("tau", dist.HalfNormal(10.0))
    with numpyro.plate("school", 8):
        theta = N("theta", dist.Normal(mu, tau**tau_power))
        N("y", dist.Normal(theta, se), obs=y)


@pytest.fixture
def unchecked(monkeypatch):
    """Without the check of forward draws, which has tests of its own."""
    monkeypatch.setattr("hiercal.user_models.parity.generators", lambda coding, seed: [])


def one_prior(prior, n=3):
    """A PyMC model with one parameter x, drawn by a function, and n observations."""
    with pm.Model() as model:
        x = prior("x")
        pm.Normal("y", x, 1, observed=np.zeros(n))
    return model


def in_words(found):
    return " ".join(found.sentences)


def verdicts(found):
    return dict(zip(found.factors["factor"], found.factors["verdict"], strict=True))


def test_eight_schools_agree_between_libraries():
    found = parity(schools(), partial(schools_numpyro, y=Y))
    assert found.same
    assert set(found.factors["verdict"]) == {"equal"}
    assert list(found.factors["factor"]) == ["mu", "tau", "theta", "y", "gradient of all"]
    assert found.factors["difference"].max() < 1e-7
    assert set(found.generators["verdict"]) == {"agrees"}
    assert "a and b are the same model" in found.sentences[0]


@pytest.mark.usefixtures("unchecked")
def test_a_planted_error_is_named_and_what_follows_it_is_not():
    found = parity(schools(), partial(schools_numpyro, y=Y, tau_power=2.0))
    assert not found.same
    assert found.sentences[0].startswith("theta is the first factor that differs between a and b")
    assert "with the square root of its scale in b, theta agrees with a" in found.sentences[0]
    assert verdicts(found) == {
        "mu": "equal",
        "tau": "equal",
        "theta": "differs",
        "y": "equal",
        "gradient of all": verdicts(found)["gradient of all"],
    }


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("flipped", [False, True])
def test_non_centred_agrees_with_centred(flipped):
    codings = schools(), schools(noncentred=True)
    found = parity(*(codings[::-1] if flipped else codings))
    assert found.same
    assert "theta is computed from z in" in in_words(found)


@pytest.mark.usefixtures("unchecked")
def test_non_centred_error_is_found():
    found = parity(schools(noncentred=True, scale=5.0), partial(schools_numpyro, y=Y))
    assert found.sentences[0].startswith("tau is the first factor that differs")
    assert verdicts(found)["theta"] == "equal"


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("a", "b", "hint"),
    [
        (
            lambda n: pm.Normal(n, 0, 3),
            lambda n: pm.Normal(n, 0, 9),
            "with the square root of its sd in b, x agrees with a: a variance in place of an sd",
        ),
        (
            lambda n: pm.Gamma(n, 2, 3),
            lambda n: pm.Gamma(n, 2, 1 / np.float64(3)),
            "with the reciprocal of its scale in b, x agrees with a: a rate in place of a scale",
        ),
        (
            lambda n: pm.Exponential(n, np.float64(4)),
            lambda n: pm.Exponential(n, scale=np.float64(4)),
            "with the reciprocal of its scale in b",
        ),
        (
            lambda n: pm.Beta(n, 2, 5),
            lambda n: pm.Beta(n, 5, 2),
            "with alpha and beta of x swapped in b",
        ),
        (
            lambda n: pm.HalfNormal(n, 2),
            lambda n: pm.Normal(n, 0, 2),
            "by log 2: one is the half of the other",
        ),
    ],
    ids=["variance", "rate", "exponential", "swapped", "half"],
)
def test_what_was_mistaken_is_said(a, b, hint):
    found = parity(one_prior(a), one_prior(b))
    assert not found.same
    assert found.sentences[0].startswith("x is the first factor that differs")
    assert hint in found.sentences[0]
    assert verdicts(found)["y"] == "equal"


@pytest.mark.usefixtures("unchecked")
def test_no_guess_without_evidence():
    found = parity(
        one_prior(lambda n: pm.Normal(n, 0, 3)), one_prior(lambda n: pm.StudentT(n, 4, sigma=1.7))
    )
    assert found.sentences[0] == "x is the first factor that differs between a and b"


@pytest.mark.usefixtures("unchecked")
def test_support_is_compared_from_both_sides():
    codings = [one_prior(lambda n, w=w: pm.Uniform(n, 0, w)) for w in (1, 3)]
    for one, other in (codings, codings[::-1]):
        found = parity(one, other)
        assert verdicts(found)["x"] == "support differs"
        assert "have no density under" in found.sentences[0]


@pytest.mark.usefixtures("unchecked")
def test_a_constant_changes_no_posterior():
    """The density of a half-normal variable without the 2."""

    def unnormalised(name):
        restricted = pm.distributions.transforms.log
        return pm.Normal(name, 0, 2, transform=restricted)

    found = parity(one_prior(lambda n: pm.HalfNormal(n, 2)), one_prior(unnormalised))
    assert found.same
    assert verdicts(found)["x"] == "equal up to a constant"
    assert "plus the constant -0.693147 (log 2)" in in_words(found)


def custom(log_scale=0.0, sd=1.0, half=0.5):
    """Normal data by hand: with another sd in the density than in the draws, if not 1."""

    def logp(value, mu):
        return -half * ((value - mu) / sd) ** 2 - np.log(sd) - np.log(2 * np.pi) / 2

    def random(mu, rng=None, size=None):
        return rng.normal(mu, 1, size=size)

    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 1)
        pm.CustomDist("y", mu, logp=logp, random=random, observed=np.zeros(3))
    return model


def test_a_forgotten_half_is_found():
    found = parity(one_prior(lambda n: pm.Normal(n, 0, 1)), custom(half=1.0), {"x": "mu"})
    assert found.sentences[0].startswith("y is the first factor that differs")
    assert "log density in b is 2 times that in a" in found.sentences[0]
    assert "forward draws of y in b do not follow its own log density" in in_words(found)


@pytest.mark.parametrize(("sd", "agrees"), [(1.0, True), (1.3, False), (2.0, False)])
def test_a_random_function_is_held_against_its_density(sd, agrees):
    found = parity(custom(sd=sd))
    assert found.same == agrees
    assert found.factors.empty
    by_name = dict(zip(found.generators["variable"], found.generators["verdict"], strict=True))
    assert by_name == {"mu": "agrees", "y": "agrees" if agrees else "disagrees"}


@pytest.mark.usefixtures("unchecked")
def test_a_gradient_alone_may_differ():
    """Planted: a derivative is cut off in an otherwise equal density."""
    from pytensor.gradient import disconnected_grad

    def logp(value, mu):
        return pm.logp(pm.Normal.dist(0, 1), value - disconnected_grad(mu))

    with pm.Model() as cut:
        mu = pm.Normal("x", 0, 1)
        pm.CustomDist(
            "y",
            mu,
            logp=logp,
            random=lambda mu, rng=None, size=None: rng.normal(mu, 1, size=size),
            observed=np.zeros(3),
        )
    found = parity(one_prior(lambda n: pm.Normal(n, 0, 1)), cut)
    assert not found.same
    assert "log densities agree, but their gradients differ in x" in found.sentences[0]


@pytest.mark.usefixtures("unchecked")
def test_names_are_found_by_shape_and_by_trying():
    found = parity(schools(), schools(mu="m", tau="t", theta="u", outcome="data"))
    assert found.same
    said = in_words(found)
    assert "mu of a was taken for m of b, by trying" in said
    assert "y of a was taken for data of b" in said


@pytest.mark.usefixtures("unchecked")
def test_names_that_are_left_are_listed():
    with pytest.raises(
        ModelRefused, match=r"left in a: mu \(scalar\), tau \(scalar\), theta \(8,\)"
    ):
        parity(schools(), one_prior(lambda n: pm.Normal(n, 0, 1), n=8))
    with pytest.raises(ModelRefused, match="--names mu=m,tau=t"):
        parity(schools(), schools(mu="m", tau="t", scale=7.0))
    with pytest.raises(UnknownName, match="b has no variable 'thetta'; did you mean 'theta'"):
        parity(schools(), schools(), {"theta": "thetta"})
    with pytest.raises(ModelRefused, match="names are of two models"):
        parity(schools(), names={"mu": "mu"})


def table_of_numbers(transposed, rows=3):
    effects = np.arange(12.0).reshape(3, 4)[:rows]
    with pm.Model() as model:
        x = pm.Normal("x", effects.T if transposed else effects, 1)
        pm.Normal("y", x, 1, observed=np.zeros(effects.T.shape if transposed else effects.shape))
    return model


@pytest.mark.usefixtures("unchecked")
def test_shapes_may_be_transposed_but_not_of_other_size():
    found = parity(table_of_numbers(False), table_of_numbers(True))
    assert found.same
    assert "x has shape (3, 4) in a, and its transpose (4, 3) in b" in in_words(found)
    with pytest.raises(ModelRefused, match="of different size"):
        parity(table_of_numbers(False), table_of_numbers(False, rows=2))


@pytest.mark.usefixtures("unchecked")
def test_other_data_are_said():
    found = parity(schools(), schools(y=np.array([28.0, 8, -3, 7, -1, 1, 18, 21])))
    assert found.same
    assert "1 of 8 observed values of y are not the same" in in_words(found)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_bambi():
    """Non-centred, as Bambi writes it, against centred by hand."""
    import bambi
    import pandas as pd

    group = np.repeat(np.arange(4), 3)
    frame = pd.DataFrame({"y": np.linspace(-1, 1, 12), "g": pd.Categorical(group)})
    spread = bambi.Prior("HalfNormal", sigma=1.5)
    priors = {
        "Intercept": bambi.Prior("Normal", mu=0, sigma=2),
        "1|g": bambi.Prior("Normal", mu=0, sigma=spread),
        "sigma": bambi.Prior("HalfNormal", sigma=1),
    }

    def by_hand(tau_scale):
        with pm.Model() as model:
            mu = pm.Normal("mu", 0, 2)
            tau = pm.HalfNormal("tau", tau_scale)
            sigma = pm.HalfNormal("sigma", 1)
            effect = pm.Normal("u", 0, tau, shape=4)
            pm.Normal("y", mu + effect[group], sigma, observed=frame["y"].to_numpy())
        return model

    names = {"mu": "Intercept", "tau": "1|g_sigma", "u": "1|g"}
    model = bambi.Model("y ~ 1 + (1|g)", frame, priors=priors)
    assert parity(by_hand(1.5), model, names).same
    wrong = parity(by_hand(1.0), model, names)
    assert wrong.sentences[0].startswith("tau is the first factor that differs")
    assert [n for n, v in verdicts(wrong).items() if v == "differs"] == ["tau"]


MODULE = """
import numpy as np
import pymc as pm


def built(sd):
    with pm.Model() as model:
        x = pm.Normal("x[red]", 0, sd)
        pm.Normal("y", x, 1, observed=np.zeros(3))
    return model


one, other = built(1), built(3)
"""


def test_the_command_has_exit_codes(tmp_path):
    path = tmp_path / "two.py"
    path.write_text(MODULE)

    def invoke(*args):
        return CliRunner().invoke(main, ["parity", *args])

    same = invoke(f"{path}:one", f"{path}:one")
    assert same.exit_code == 0, same.output
    assert "x[red]" in same.output
    differ = invoke(f"{path}:one", f"{path}:other", "--names", "x[red]=x[red]")
    assert differ.exit_code == 1
    assert "x[red] is the first factor that differs between one and other" in differ.output
    assert invoke(f"{path}:one").exit_code == 0
    for bad in ((f"{path}:nobody",), (f"{path}:one", f"{path}:other", "--names", "x"),
                ("eight_schools",)):  # fmt: skip
        refused = invoke(*bad)
        assert refused.exit_code == 2, refused.output
        assert refused.output.startswith("hiercal: ")

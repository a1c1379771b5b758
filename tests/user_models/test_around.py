"""Posterior SBC: what stories around data simulate, fit and refuse."""

import functools
import pickle

import arviz as az
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from jax import numpy as jnp
from numpyro.contrib.control_flow import scan
from numpyro.infer.util import log_density
from scipy.stats import norm

from hiercal import (
    Run,
    around,
    catalogue,
    fitter,
    from_functions,
    from_numpyro,
    simulate,
    story,
)
from hiercal.errors import ModelRefused
from hiercal.sbc.uniformity import ecdf_test
from hiercal.tables import verdicts
from hiercal.tables.pit import pit_tree
from hiercal.user_models._around_story import parted
from hiercal.user_models.around import around as from_draws
from tests.running import run

STORIES = [name for name in catalogue.names("stories") if name != "funnel"]
Y = np.array([[2.0, 1.0, 3.5], [-1.0, 0.0, 0.5], [4.0, 2.5, 3.0]])


def measured(y=None):
    mu = numpyro.sample("mu", dist.Normal(0, 2))
    tau = numpyro.sample("tau", dist.HalfNormal(1))
    with numpyro.plate("group", 3, dim=-2):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        with numpyro.plate("member", 3, dim=-1):
            numpyro.sample("y", dist.Normal(theta, 1.0), obs=y)


def drawn(name):
    """A story, posterior draws, and two data sets of theirs."""
    one = story(name)
    sims = [simulate(1, one, i) for i in range(4)]
    draws = {n: np.stack([s.truth[n] for s in sims]) for n in sims[0].truth}
    return one, draws, sims[0].data, sims[1].data


@pytest.mark.parametrize("name", STORIES)
def test_merged_data_tell_of_parameters_what_both_data_sets_tell(name):
    one, draws, first, second = drawn(name)
    both = sum(one.log_likelihood(draws, data).sum(axis=-1) for data in (first, second))
    told, data = one.merged(first, second)
    merged = told.log_likelihood(draws, told.check(data)).sum(axis=-1)
    np.testing.assert_allclose(np.diff(both), np.diff(merged), rtol=1e-9, atol=1e-8)


@pytest.mark.parametrize("name", STORIES)
def test_a_numpyro_coding_observes_both_data_sets_at_the_same_parents(name):
    numpyro.enable_x64()
    one, draws, first, _ = drawn(name)
    here = from_draws(one, first, draws)
    data = here.simulate(np.random.default_rng(0)).data
    _, second = parted(data)
    differences = []
    for i in range(3):
        point = {n: v[i] for n, v in draws.items()}
        values = one.latent(point, "centred")
        doubled, _ = log_density(here.numpyro_model("centred"), (), data, values)
        once, _ = log_density(one.numpyro_model("centred"), (), first, values)
        more = one.log_likelihood(point, second).sum()
        differences.append(float(doubled - once - more))
    np.testing.assert_allclose(differences, differences[0], atol=1e-6)


def test_a_pymc_coding_observes_both_data_sets_at_the_same_parents():
    here = around(story("eight_schools"), draws=500, simulations=20)
    one = story("eight_schools")
    drawn = here.simulate(np.random.default_rng(0))
    first, second = parted(drawn.data)
    model = here.pymc_model(drawn.data, "centred")
    model.set_data("y_again_data", second["y"])
    values = {rv: drawn.truth[rv.name] for rv in model.free_RVs}
    swap = {model.rvs_to_values[rv].name: np.log(v) if rv.name == "tau" else v
            for rv, v in values.items()}  # fmt: skip
    density = float(model.compile_logp(jacobian=False)(swap))
    expected = one.log_joint(drawn.truth, first, "centred")
    expected += one.log_likelihood(drawn.truth, second).sum()
    assert density == pytest.approx(float(expected), abs=1e-6)


def test_truths_are_posterior_draws_and_the_data_stay():
    here = around(functools.partial(measured, y=Y), draws=1000, simulations=20, name="measured")
    assert here.name == "measured_around"
    sims = [simulate(3, here, i) for i in range(20)]
    assert all(np.array_equal(sim.data["y"], Y) for sim in sims)
    assert len({sim.data["y_again"].tobytes() for sim in sims}) == 20
    assert {float(sim.truth["tau"]) for sim in sims} <= set(here.draws["tau"].ravel().tolist())
    drawn = sims[0]
    both = [drawn.data["y"], drawn.data["y_again"]]
    expected = sum(-0.5 * (y - drawn.truth["theta"]) ** 2 - 0.5 * np.log(2 * np.pi) for y in both)
    assert drawn.truth["log_lik"] == pytest.approx(expected.sum())
    assert list(here.models) == ["as_written", "noncentred"]
    code = Run(stories=[here], fitters=[fitter("numpyro")]).describe()["code"]
    assert {"hiercal.user_models._again_numpyro", "hiercal.user_models.numpyro"} <= set(code)
    again = pickle.loads(__import__("cloudpickle").dumps(here))
    np.testing.assert_array_equal(simulate(3, again, 7).data["y_again"], sims[7].data["y_again"])


def test_a_pymc_model_is_checked_around_its_data(tmp_path):
    import pymc as pm

    with pm.Model(coords={"group": range(3)}) as model:
        mu = pm.Normal("mu", 0, np.float64(2))
        theta = pm.Normal("theta", mu, np.float64(1), dims="group")
        pm.Normal("y", theta[:, None], np.float64(1), observed=Y)
    here = around(model, draws=1000, simulations=60)
    drawn = simulate(0, here, 0)
    np.testing.assert_array_equal(drawn.data["y"], Y)
    assert drawn.data["y_again"].shape == Y.shape
    arms = [fitter("pymc", model="noncentred", draws=500, tune=500)]
    result = run(Run(stories=[here], fitters=arms, simulations=60, seed=2), tmp_path)
    assert (verdicts(result)["p_holm"] > 0.01).all()


def test_the_exact_posterior_of_both_data_sets_is_calibrated_and_its_store_plots(tmp_path):
    """Family-wise false-alarm rate 1 %."""
    import matplotlib as mpl

    mpl.use("Agg")
    here = around(story("eight_schools"), simulations=300)
    design = Run(stories=[here], fitters=[fitter("exact", draws=200)], simulations=300, seed=5)
    result = run(design, tmp_path)
    assert (verdicts(result)["p_holm"] > 0.01).all()
    assert list(result.arms["sbc"]) == ["posterior"]
    tree = pit_tree(result)
    assert list(tree.children) == ["posterior_sbc"]
    assert ((tree["posterior_sbc/tau"] > 0) & (tree["posterior_sbc/tau"] < 1)).all()
    plotted = az.plot_ecdf_pit(
        tree, group="posterior_sbc", var_names=["mu", "tau"], sample_dims="simulation"
    )
    assert plotted.viz["figure"].item().axes
    mpl.pyplot.close("all")


def test_prior_and_posterior_of_one_run_are_two_groups(tmp_path):
    one = story("eight_schools")
    stories = [one, around(one, draws=1000, simulations=12)]
    design = Run(stories=stories, fitters=[fitter("exact", draws=99)], simulations=12)
    assert set(pit_tree(run(design, tmp_path)).children) == {"prior_sbc", "posterior_sbc"}


def prior_draw(rng):
    mu = rng.normal()
    return {"mu": mu}, {"y": rng.normal(mu, 1, size=1)}


def erring_both_ways(data, seed):
    """Draws too small where the data are positive, and too large by as much where they are not.

    Their PIT values under the exact posterior are w^2 or 1 - w^2 for a uniform w, so that the
    truth's among them has density 2v or 2 - 2v. By the symmetry of the prior both are as likely.
    """
    rng = np.random.default_rng(seed)
    y, w = data["y"], rng.uniform(size=400)
    below = w**2 if y.sum() > 0 else 1 - w**2
    return {"mu": norm.ppf(below, y.sum() / (1 + y.size), (1 + y.size) ** -0.5)}


def test_errors_that_cancel_under_the_prior_show_around_data(tmp_path):
    """400 ranks of each; a false alarm at 1 %. Around y = 2 nearly all errors have one sign."""

    def replicate(truth, rng):
        return {"y": rng.normal(truth["mu"], 1, size=1)}

    one = from_functions(prior_draw, erring_both_ways, replicate=replicate)
    y_obs, rng = np.array([2.0]), np.random.default_rng(1)
    posterior = az.from_dict(
        {
            "posterior": {"mu": rng.normal(1, 0.5**0.5, size=(4, 5000))},
            "observed_data": {"y": y_obs},
        }
    )
    here = around(
        one,
        posterior,
        augment=lambda fixed, new: {"y": np.concatenate([fixed["y"], new["y"]])},
        simulations=400,
    )
    assert simulate(0, here, 0).data["y"].shape == (2,)
    p = {}
    for each in (one, here):
        arms = catalogue.usual_fitters(one)
        design = Run(stories=[each], fitters=arms, simulations=400, seed=8)
        records = run(design, tmp_path / each.name).records
        ranks = records.loc[records["quantity"] == "mu", "rank"].to_numpy(int)
        p[each.sbc] = ecdf_test(ranks, 99).p
    assert p["prior"] > 0.01
    assert p["posterior"] < 1e-6


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: around(story("funnel"), {}), "no"),
        (lambda: around(story("instructors")), "no data of its own"),
        (lambda: around(story("eight_schools"), draws=200, simulations=1000), "at most"),
        (lambda: around(story("eight_schools"), draws=50), "effective draws. Sample longer"),
        (lambda: around(story("eight_schools", given={"tau": 1.0})), "given"),
        (lambda: around(story("eight_schools"), {"z": [1.0]}), "give y"),
        (lambda: around(story("eight_schools"), "nowhere.csv"), "no file"),
        (lambda: around(story("eight_schools"), 3), "around is 3"),
        (lambda: around(around(story("eight_schools"))), "already"),
        (lambda: around(from_functions(prior_draw, erring_both_ways), {"y": [1.0]}), "replicate"),
    ],
)
def test_what_cannot_be_done_is_refused_with_what_to_do(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def walk(y=None):
    s = numpyro.sample("s", dist.HalfNormal(1))

    def step(before, _):
        now = numpyro.sample("x", dist.Normal(before, s))
        return now, now

    _, x = scan(step, jnp.array(0.0), None, length=3)
    numpyro.sample("y", dist.Normal(x, 1), obs=y)


def test_what_a_scan_draws_is_that_of_the_posterior_draw():
    one = from_numpyro(walk, y=np.zeros(3))
    sims = [simulate(1, one, i) for i in range(4)]
    draws = {n: np.stack([s.truth[n] for s in sims]) for n in ("s", "x")}
    truth = simulate(1, from_draws(one, sims[0].data, draws), 0).truth
    assert any(np.array_equal(truth["x"], x) for x in draws["x"])


def counted(y=None):
    rate = numpyro.sample("rate", dist.Gamma(2, 1))
    numpyro.sample("y", dist.Poisson(rate).expand([3]), obs=y)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("y\n1\n2.5\n3\n", "y has 2.5 among its values; counted observes whole numbers"),
        ("y\n1\nNA\n3\n", "1 of 3 values of y are missing"),
        ("y\n1\ntwo\n3\n", "y holds no numbers .*'two'"),
        ("y\n1\n2\n", r"y has shape \(2,\); counted observes \(3,\)"),
        ("Y\n1\n2\n3\n", "y is missing"),
    ],
    ids=["fraction", "missing", "text", "short", "case"],
)
def test_data_that_are_not_those_of_a_model_are_refused(lines, message, tmp_path):
    path = tmp_path / "data.csv"
    path.write_text(lines)
    with pytest.raises(ValueError, match=message):
        around(counted, path, y=np.array([1, 2, 3]))


def test_a_model_with_discrete_variables_is_refused():
    def mixture(y):
        mu = numpyro.sample("mu", dist.Normal(0, 1))
        with numpyro.plate("each", 2):
            z = numpyro.sample("z", dist.Bernoulli(0.5))
            numpyro.sample("y", dist.Normal(mu + z, 1), obs=y)

    with pytest.raises(ModelRefused, match="z is discrete"):
        around(functools.partial(mixture, y=np.zeros(2)))


def test_draws_that_do_not_mix_are_refused():
    apart = np.random.default_rng(0).normal(size=(4, 1000)) + np.arange(4)[:, None]
    names = ("mu", "tau", "theta")
    posterior = {"posterior": {n: apart[..., None] if n == "theta" else apart for n in names}}
    held = {"observed_data": {"y": np.array(story("eight_schools").observed["y"])}}
    with pytest.raises(ModelRefused, match="R-hat"):
        around(story("eight_schools"), az.from_dict(posterior | held))


@pytest.mark.figures
def test_toml_and_command_line_ask_for_it(tmp_path):
    """A key of a story, a key of all, and the option, with a file of data and without."""
    from click.testing import CliRunner

    from hiercal.cli import main
    from hiercal.config import read

    toml = tmp_path / "schools.toml"
    rest = '\n[[fitters]]\nname = "exact"\ndraws = 99\n'
    toml.write_text(f'simulations = 10\n[[stories]]\nname = "eight_schools"\naround = true{rest}')
    assert [each.name for each in read(toml).stories] == ["eight_schools_around"]
    (tmp_path / "y.csv").write_text("y\n" + "\n".join(map(str, range(8))))
    toml.write_text(
        f'simulations = 10\n[[stories]]\nname = "eight_schools"\naround = "y.csv"{rest}'
    )
    (here,) = read(toml).stories
    np.testing.assert_array_equal(simulate(0, here, 0).data["y"], np.arange(8.0))

    toml.write_text(f'simulations = 10\n[[stories]]\nname = "eight_schools"{rest}')
    assert read(toml).name == "schools"
    assert read(toml, around=True).name == "schools_around"
    (there,) = read(toml, around=str(tmp_path / "y.csv")).stories
    assert there == here
    out = tmp_path / "out"
    command = ["run", str(toml), "--out", str(out), "--workers", "0", "--around"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    assert list(az.from_zarr(out / "sbc.zarr").children) == ["posterior_sbc"]
    again = CliRunner().invoke(main, [*command[:-1], "--around", "nowhere.csv"])
    assert again.exit_code == 2
    assert "no file nowhere.csv" in again.output

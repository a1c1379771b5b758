"""The log prior and the joint density among the quantities: they see a lost correlation."""

import numpy as np
import pytest

from hiercal import Run, fitter, story
from hiercal.console.result import show_result
from hiercal.simulators._story import log_normal
from hiercal.tables import verdicts
from tests.running import run

STORIES = ("eight_schools", "slopes", "survey")
DENSITIES = ["log_lik", "log_prior", "log_joint"]


@pytest.mark.parametrize(
    "name", [*STORIES[:2], pytest.param(STORIES[2], marks=pytest.mark.nightly)]
)
def test_draws_with_their_correlation_lost_are_found(name, tmp_path, mocks_file):
    """At N = 200 and a family-wise level of 5 %: both faults, and nothing else, in every story.

    With all stories p of the permuted draws' log prior lay between 1e-100 and 1e-6.
    """
    one = story(name)
    permuted = [
        fitter(f"{mocks_file}:Permuted", parts=parts) for parts in ((one.groups,), tuple(one.dims))
    ]
    fitters = [fitter("exact", draws=4 * 99), *permuted]
    design = Run(stories=[one], fitters=fitters, simulations=200, seed=3)
    table = verdicts(run(design, tmp_path))
    exact, *faulty = [
        table[(table["arm"] == arm.label).to_numpy()].set_index("quantity") for arm in design.arms
    ]
    assert (exact["verdict"] == "calibrated").all()
    for arm in faulty:
        assert arm.loc["log_prior", "p_holm"] < 1e-4
        assert arm.loc["log_prior", "verdict"] == "miscalibrated"
        marginal = arm.drop(index=["log_prior", "log_joint"], errors="ignore")
        assert (marginal["verdict"] == "calibrated").all()


@pytest.mark.parametrize("name", STORIES)
def test_each_arm_ranks_the_density_of_its_own_model(name):
    """In one system of coordinates: without what another adds for the change of variables."""
    one = story(name)
    drawn = one.simulate(np.random.default_rng(1))
    for model, parameters in one.models.items():
        truth = {parameter: drawn.truth[parameter] for parameter in parameters}
        found = one.quantities(truth, drawn.data, np.random.default_rng(2))
        pooled = model in ("no_pooling", "complete_pooling")
        coordinates = model if pooled else one.coordinates
        assert found["log_prior"] == pytest.approx(one.log_prior(truth, coordinates))
        if drawn.data:
            assert list(found)[-3:] == DENSITIES
            assert found["log_joint"] == pytest.approx(found["log_prior"] + found["log_lik"])


def test_a_truth_is_ranked_by_the_function_that_its_draws_are_ranked_by(tmp_path):
    """With another prior assumed, the truth's density is that of the prior assumed too."""
    one = story("eight_schools")
    fitters = [fitter("exact"), fitter("exact", assume={"tau_scale": 1000.0})]
    design = Run(stories=[one], fitters=fitters, simulations=5)
    records = run(design, tmp_path).records
    truth = records[records["quantity"] == "log_prior"].pivot(
        index="simulation", columns="arm", values="truth"
    )
    wide = story("eight_schools", tau_scale=1000.0)
    plain, assumed = (arm.label for arm in design.arms)
    for i in range(5):
        drawn = records[(records["simulation"] == i) & (records["arm"] == plain)]
        at = drawn.set_index("quantity")["truth"]
        parameters = {
            "mu": np.array(at["mu"]),
            "tau": np.array(at["tau"]),
            "theta": at[one.labels("theta")].to_numpy(),
        }
        assert truth.loc[i, plain] == pytest.approx(one.log_prior(parameters))
        assert truth.loc[i, assumed] == pytest.approx(wide.log_prior(parameters))


def test_a_story_without_a_log_prior_runs_and_says_what_is_not_seen(tmp_path, mocks_file, capsys):
    design = Run(
        stories=[story(f"{mocks_file}:Revealing"), story(f"{mocks_file}:Bounded")],
        fitters=[fitter(f"{mocks_file}:Known")],
        simulations=20,
    )
    result = run(design, tmp_path, export=True)
    assert not result.fits["error"].notna().any()
    (sentence,) = result.manifest["unseen"]
    assert sentence.startswith("revealing/known ranks no log prior: ")
    show_result(result)
    said = " ".join(capsys.readouterr().out.split())
    assert sentence in said
    assert "bounded/known ranks no" not in said


def test_infinite_densities_are_ranked_and_summarised(tmp_path, mocks_file):
    design = Run(
        stories=[story(f"{mocks_file}:Bounded")],
        fitters=[fitter(f"{mocks_file}:Known")],
        simulations=60,
    )
    result = run(design, tmp_path, export=True)
    assert not result.fits["error"].notna().any()
    own = result.records[(result.records["quantity"] == "log_prior").to_numpy()]
    numbers = ["truth", "mean", "sd", "lower", "upper", "hdi_lower", "hdi_upper", "ess_bulk"]
    assert np.isfinite(own[numbers].to_numpy()).all()
    assert own["rank"].between(0, 99).all()
    assert {-1e100, 1e100} < set(own["truth"])


def test_the_density_at_a_scale_of_zero_is_that_of_a_point_mass():
    x = np.array([0.0, 1.0])
    assert log_normal(x, 0.0, np.zeros(2)).tolist() == [np.inf, -np.inf]
    assert log_normal(x, 0.0, np.ones(2)) == pytest.approx([-0.9189385, -1.4189385])

"""The funnel study: its design, its tables from a small run, and its rules on made-up tables."""

import numpy as np
import pandas as pd
import pytest

from hiercal import Where
from hiercal import study as make_study
from hiercal.fitters.exact import Exact
from hiercal.runs.run import Run
from hiercal.sbc.uniformity import uniformity_test
from hiercal.simulators.eight_schools import EightSchools
from hiercal.studies import _run
from hiercal.studies._claims import judge
from hiercal.studies.funnel import claims, rubins_data
from hiercal.studies.funnel.rubins_data import RubinsData
from hiercal.tables.estimates import records_of
from tests.running import run

CLAIMS = {claim.id: claim for claim in claims.CLAIMS}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Six data sets, one short chain each, at two targets."""
    study = make_study(
        "funnel",
        simulations=6,
        slopes_simulations=2,
        seeds=3,
        targets=(0.8, 0.9),
        slopes_targets=(0.8, 0.9),
        libraries=("numpyro",),
        chains=1,
        draws=300,
        tune=300,
    )
    folder = tmp_path_factory.mktemp("funnel")
    tables = _run.run(study, folder, where=Where(0), progress=False, say=lambda _: None)
    return study, tables


@pytest.mark.slow
def test_tables_hold_every_arm_and_account_for_every_fit(ran):
    _, tables = ran
    bias, sampling = tables["bias"], tables["sampling"]
    assert len(sampling) == 2 * 2 + 2
    whole = bias[(bias["truth_to"] == np.inf) & (bias["truth_from"] == 0)]
    every = whole[(whole["fits"] == "all") & (whole["story"] == "eight_schools")]
    assert (every["n"] + every["n_failed"] == 6).all()
    noncentred = every[every["model"] == "noncentred"]
    assert (noncentred["bias"].abs() < 5 * noncentred["bias_se"]).all()
    assert sampling["steps_per_draw"].between(1, 1024).all()
    targets = tables["targets"]
    assert targets["story"].to_list() == ["eight_schools", "slopes"]
    assert (targets["n"] == [6, 2]).all()
    assert len(tables["rubin_seeds"]) == 2 * 3
    rubin = tables["rubin"].set_index("model")
    assert (rubin["n"] == 3).all()
    assert rubin.loc["noncentred", "divergences_max"] < rubin.loc["centred", "divergences_min"]
    assert (rubin["exact"] - 4.806).abs().max() < 0.001
    assert abs(rubin.loc["noncentred", "tau"] - 4.806) < 0.4  # posterior sd 3.7, ESS about 4000
    for target in (0.8, 0.9):
        shares = tables["signs"].set_index("target_accept").loc[target, "below"]
        assert 0 <= shares <= 1


@pytest.mark.slow
def test_what_is_not_in_the_sweep_is_not_judged(ran):
    study, tables = ran
    judged = study.judged(tables).set_index("claim")
    assert set(judged["verdict"]) <= {"holds", "fails", "undecided"}
    narrow = dict(tables)
    narrow["sampling"] = narrow["sampling"].query("target_accept != 0.9")
    assert judge(CLAIMS["C07"], narrow).remark.startswith("Not measured")


NAMES = ("numpyro", "pymc")


def bias_table(bias=0.4, bias_se=0.02, neck=-0.01, neck_se=0.001):
    return pd.DataFrame(
        [
            {"story": "eight_schools", "library": library, "model": "centred",
             "target_accept": 0.99, "fits": "all", "truth_from": 0.0, "truth_to": np.inf,
             "bias": bias, "bias_se": bias_se, "neck_error": neck, "neck_error_se": neck_se}
            for library in NAMES
        ]
    )  # fmt: skip


def sampling_table(place=0.1, centred=0.9, noncentred=0.01, se=0.01):
    return pd.DataFrame(
        [
            {"story": story, "library": library, "model": model, "target_accept": target,
             "divergent_fits": share, "divergent_fits_se": se, "scale_at_divergences": place,
             "scale_at_divergences_se": 0.01}
            for story in ("eight_schools", "slopes")
            for library in NAMES
            for target in (0.8, 0.9, 0.99)
            for model, share in (("centred", centred), ("noncentred", noncentred))
        ]
    )  # fmt: skip


def rubin_table(centred=0.99, noncentred=0.01, below=0.1, se=0.01):
    return pd.DataFrame(
        [
            {"library": library, "model": model, "divergent_fits": share, "divergent_fits_se": se,
             "below": below, "below_se": se, "tau": 5.2, "tau_se": 0.02, "exact": 4.8,
             "divergences_min": 12, "divergences_median": 60, "divergences_max": 2000,
             "ess_bulk_median": ess}
            for library in NAMES
            for model, share, ess in (("centred", centred, 300), ("noncentred", noncentred, 3000))
        ]
    )  # fmt: skip


def seeds_rows():
    return pd.DataFrame(
        [
            {"library": library, "model": "centred", "divergences": divergences}
            for library in NAMES
            for divergences in (12, 27, 60, 2000)
        ]
    )


@pytest.mark.parametrize(
    ("rubin", "simulated", "verdict"),
    [
        ({}, {}, "holds"),
        ({"centred": 0.5}, {}, "fails"),
        ({"noncentred": 0.4}, {}, "fails"),
        ({}, {"centred": 0.2}, "fails"),
        ({}, {"noncentred": 0.3}, "fails"),
        ({"centred": 0.92}, {}, "undecided"),
        ({"noncentred": 0.09}, {}, "undecided"),
    ],
)
def test_who_diverges(rubin, simulated, verdict):
    tables = {
        "rubin": rubin_table(**rubin),
        "rubin_seeds": seeds_rows(),
        "sampling": sampling_table(**simulated),
    }
    found = judge(CLAIMS["C07"], tables)
    assert found.verdict == verdict
    assert "12 to 2000, median 60, in PyMC, at most 27 in 50.0 % of 4 seeds" in found.remark


def sign_tables(seeds=0.1, data_sets=0.1, se=0.01):
    signs = [
        {"library": library, "target_accept": target, "below": share, "below_se": se,
         "bias": 0.3, "bias_se": 0.02}
        for library in NAMES
        for target, share in ((0.8, data_sets), (0.9, 1.0))
    ]  # fmt: skip
    return {"rubin": rubin_table(below=seeds, se=se), "signs": pd.DataFrame(signs)}


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ({}, "fails"),
        ({"seeds": 0.9, "data_sets": 0.9}, "holds"),
        ({"seeds": 0.9}, "fails"),
        ({"seeds": 0.9, "data_sets": 0.52}, "undecided"),
        ({"seeds": 0.48, "data_sets": 0.48}, "undecided"),
    ],
)
def test_the_sign_of_the_bias(values, verdict):
    assert judge(CLAIMS["C11"], sign_tables(**values)).verdict == verdict


def target_rows(fewer=0.9, less=0.5, se=0.02):
    return pd.DataFrame(
        [
            {"story": story, "library": library, "target_accept": target, "highest": 0.99,
             "fewer": fewer, "fewer_se": se, "less_bias": less, "less_bias_se": se,
             "steps": 6.0, "steps_se": 0.3, "gradients": 5.0, "gradients_se": 0.4}
            for story in ("eight_schools", "slopes")
            for library in NAMES
            for target in (0.8, 0.9)
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fewer", "remains", "verdict"),
    [
        (0.9, {}, "holds"),
        (0.2, {}, "fails"),
        (0.52, {}, "undecided"),
        (0.9, {"centred": 0.0, "bias": 0.1}, "holds"),
        (0.9, {"centred": 0.0, "neck": 0.0}, "holds"),
        (0.9, {"centred": 0.0, "bias": -0.2}, "holds"),
        (0.9, {"centred": 0.0, "bias": -0.2, "neck": 0.0}, "fails"),
        (0.9, {"centred": 0.0, "bias": 0.05, "neck": 0.0}, "undecided"),
    ],
)
def test_what_a_higher_target_does(fewer, remains, verdict):
    share = {key: remains[key] for key in remains if key == "centred"}
    rest = {key: remains[key] for key in remains if key != "centred"}
    tables = {
        "targets": target_rows(fewer),
        "bias": bias_table(**rest),
        "sampling": sampling_table(**share),
    }
    found = judge(CLAIMS["C10"], tables)
    assert found.verdict == verdict
    assert "What remains at 0.99: " in found.remark


@pytest.mark.parametrize(
    ("fewer", "less", "verdict"),
    [
        (0.9, 0.5, "holds"),
        (0.1, 0.5, "fails"),
        (0.9, -0.5, "fails"),
        (0.9, 0.03, "undecided"),
        (0.53, 0.5, "undecided"),
    ],
)
def test_whether_a_higher_target_improves_the_slopes(fewer, less, verdict):
    tables = {"targets": target_rows(fewer, less)}
    tables["sampling"] = sampling_table()
    found = judge(CLAIMS["C32"], tables)
    assert found.verdict == verdict
    assert "6.0 (0.3) times the leapfrog steps a draw" in found.remark


@pytest.mark.parametrize(
    ("place", "verdict"), [(0.1, "holds"), (0.5, "fails"), (0.26, "undecided")]
)
def test_where_divergences_sit(place, verdict):
    found = judge(CLAIMS["C09"], {"sampling": sampling_table(place=place)})
    assert found.verdict == verdict


@pytest.mark.parametrize(
    ("ratio", "verdict"), [(6.0, "holds"), (20.0, "fails"), (7.9, "undecided")]
)
def test_the_ratio_of_effective_sample_sizes(ratio, verdict):
    ratios = [
        {"library": library, "ratio_median": ratio, "ratio_median_se": 0.1, "ratio_q25": 5.0,
         "ratio_q75": 15.0, "near": 0.2}
        for library in NAMES
    ]  # fmt: skip
    ess = [
        {"story": "eight_schools", "library": library, "target_accept": 0.9, "ratio": 8.0,
         "ratio_se": 0.6}
        for library in NAMES
    ]  # fmt: skip
    tables = {
        "rubin_ess": pd.DataFrame(ratios),
        "rubin": rubin_table(),
        "ess": pd.DataFrame(ess),
    }
    found = judge(CLAIMS["C08"], tables)
    assert found.verdict == verdict
    assert "median ESS 300 and 3000 (printed 312 and 1841)" in found.remark


def test_every_data_set_is_rubins_and_truths_are_of_its_posterior():
    """Mean and spread of 2,000 truths, within 4.5 standard errors (P below 1e-5 each)."""
    story = RubinsData()
    drawn = [story.simulate(np.random.default_rng(seed)) for seed in range(2000)]
    for each in drawn[:3]:
        np.testing.assert_array_equal(each.data["y"], EightSchools().observed["y"])
    tau = np.array([float(each.truth["tau"]) for each in drawn])
    exact = story.exact(story.observed)
    assert abs(tau.mean() - exact.mean("tau")) < 4.5 * exact.sd("tau") / 2000**0.5
    np.testing.assert_allclose(exact.mean("tau"), 4.806, atol=5e-4)
    below = (tau < exact.quantile("tau", 0.25)).mean()
    assert abs(below - 0.25) < 4.5 * (0.25 * 0.75 / 2000) ** 0.5
    assert drawn[0].truth["theta"].shape == (8,)


def test_ranks_among_draws_from_rubins_posterior_are_uniform_and_others_are_not(tmp_path):
    """The exact fitter passes; one that assumes half the prior scale of tau is found."""
    design = Run(
        stories=(RubinsData(),),
        fitters=(Exact(draws=99), Exact(draws=99, assume={"tau_scale": 4.0})),
        simulations=300,
        seed=3,
    )
    result = run(design, tmp_path)
    right, wrong = (
        uniformity_test(records_of(result, arm.label, "tau")["rank"].to_numpy(int), 99).p
        for arm in design.arms
    )
    assert right > 0.001
    assert wrong < 1e-6


@pytest.mark.parametrize("options", [{"sigma": (1.0, 2.0)}, {"given": {"tau": 1.0}}])
def test_rubins_data_cannot_be_others(options):
    with pytest.raises(ValueError, match="these are Rubin's data"):
        RubinsData(**options)


def test_seeds_are_summarised_with_their_ratios():
    rng = np.random.default_rng(5)
    n = 40
    seeds = pd.DataFrame(
        {
            "library": "pymc",
            "model": np.repeat(["centred", "noncentred"], n),
            "seed": np.tile(np.arange(n), 2),
            "divergences": np.r_[np.arange(n), np.zeros(n)],
            "mean": np.r_[np.full(n, 5.0), np.full(n, 4.7)],
            "lower": 0.5,
            "upper": 12.0,
            "ess_bulk": np.r_[np.full(n, 100.0), 600 * np.exp(rng.normal(size=n))],
            "r_hat": 1.0,
            "rank": np.tile(np.arange(n) % 100, 2).astype(float),
            "neck": 0.1,
        }
    )
    seeds.loc[0, ["mean", "lower", "upper", "ess_bulk", "r_hat", "rank", "neck"]] = np.nan
    made = rubins_data.summary(seeds).set_index("model")
    centred = made.loc["centred"]
    assert (centred["n"], centred["n_failed"], centred["n_divergent"]) == (39, 1, 39)
    assert centred["below"] == 0
    assert centred["divergences_median"] == 20
    assert made.loc["noncentred", "divergent_fits"] == 0
    assert np.isnan(made.loc["noncentred", "below"])
    (ratio,) = rubins_data.ess_ratios(seeds, np.random.default_rng(1)).to_dict("records")
    assert ratio["n"] == 39
    assert abs(ratio["ratio_median"] - 6) < 4 * ratio["ratio_median_se"] < 6
    inside = seeds.iloc[n + 1 :]["ess_bulk"].between(400, 800).mean()
    assert ratio["near"] == pytest.approx(inside)


def test_the_design_is_checked():
    for options, message in (
        ({"targets": (0.8,)}, "give two or more"),
        ({"simulations": 1}, "simulations is 1"),
        ({"seeds": 1}, "seeds is 1"),
        ({"slopes_targets": ()}, "give two or more"),
        ({"chains": 0}, "chains is 0"),
    ):
        with pytest.raises(ValueError, match=message):
            make_study("funnel", **options).runs()

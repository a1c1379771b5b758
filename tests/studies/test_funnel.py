"""The funnel study: its design, its tables from a small run, and its rules on made-up tables."""

import numpy as np
import pandas as pd
import pytest

from hiercal import experiment
from hiercal.studies import _experiment, _funnel_claims
from hiercal.studies._claims import judge

CLAIMS = {claim.id: claim for claim in _funnel_claims.CLAIMS}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Six data sets, one short chain each, at two targets."""
    study = experiment(
        "funnel",
        simulations=6,
        slopes_simulations=2,
        targets=(0.8, 0.9),
        slopes_targets=(0.8, 0.9),
        libraries=("numpyro",),
        chains=1,
        draws=300,
        tune=300,
    )
    folder = tmp_path_factory.mktemp("funnel")
    tables = _experiment.run(study, folder, workers=0, progress=False, say=lambda _: None)
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


@pytest.mark.slow
def test_what_is_not_in_the_sweep_is_not_judged(ran):
    study, tables = ran
    judged = study.judged(tables).set_index("claim")
    assert set(judged["verdict"]) <= {"holds", "fails", "undecided"}
    narrow = dict(tables)
    narrow["sampling"] = narrow["sampling"].query("target_accept != 0.9")
    assert judge(CLAIMS["C07"], narrow).remark.startswith("Not measured")


def bias_table(centred, se=0.02):
    return pd.DataFrame(
        [
            {"story": "eight_schools", "library": library, "model": "centred",
             "target_accept": target, "fits": "all", "truth_from": 0.0, "truth_to": np.inf,
             "bias": centred, "bias_se": se, "neck_error": -0.01, "neck_error_se": 0.001}
            for library in ("numpyro", "pymc")
            for target in (0.8, 0.99)
        ]
    )  # fmt: skip


def sampling_table(low, high, model="centred", place=0.1, share=0.9):
    return pd.DataFrame(
        [
            {"story": story, "library": library, "model": model, "target_accept": target,
             "divergences": divergences, "divergences_se": 1.0, "divergent_fits": share,
             "divergent_fits_se": 0.01, "scale_at_divergences": place,
             "scale_at_divergences_se": 0.01}
            for story in ("eight_schools", "slopes")
            for library in ("numpyro", "pymc")
            for target, divergences in ((0.8, low), (0.99, high))
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("bias", "verdict"), [(0.4, "fails"), (-0.4, "holds"), (0.03, "undecided")]
)
def test_the_sign_of_the_bias(bias, verdict):
    assert judge(CLAIMS["C11"], {"bias": bias_table(bias)}).verdict == verdict


@pytest.mark.parametrize(
    ("low", "high", "bias", "verdict"),
    [
        (30, 5, 0.4, "holds"),
        (5, 30, 0.4, "fails"),
        (30, 5, -0.4, "fails"),
        (30, 5, 0.05, "undecided"),
    ],
)
def test_what_a_higher_target_does(low, high, bias, verdict):
    tables = {"bias": bias_table(bias), "sampling": sampling_table(low, high)}
    found = judge(CLAIMS["C10"], tables)
    assert found.verdict == verdict
    assert "-0.010 (0.001) NumPyro" in found.remark


@pytest.mark.parametrize(
    ("place", "verdict"), [(0.1, "holds"), (0.5, "fails"), (0.26, "undecided")]
)
def test_where_divergences_sit(place, verdict):
    found = judge(CLAIMS["C09"], {"sampling": sampling_table(1, 1, place=place)})
    assert found.verdict == verdict


@pytest.mark.parametrize(
    ("ratio", "verdict"), [(6.0, "holds"), (20.0, "fails"), (7.9, "undecided")]
)
def test_the_ratio_of_effective_sample_sizes(ratio, verdict):
    ess = pd.DataFrame(
        [
            {"story": "eight_schools", "library": library, "target_accept": 0.9, "ratio": ratio,
             "ratio_se": 0.1}
            for library in ("numpyro", "pymc")
        ]
    )  # fmt: skip
    assert judge(CLAIMS["C08"], {"ess": ess}).verdict == verdict


def test_the_design_is_checked():
    for options, message in (
        ({"targets": (0.8,)}, "give two or more"),
        ({"simulations": 1}, "simulations is 1"),
        ({"slopes_targets": ()}, "give two or more"),
        ({"chains": 0}, "chains is 0"),
    ):
        with pytest.raises(ValueError, match=message):
            experiment("funnel", **options).studies()

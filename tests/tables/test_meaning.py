"""What a failure is said to mean: the evidence that each cause needs, and rates of wrong ones."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

from hiercal import Result, Run, fitter, story
from hiercal.runs.manifest import made_of
from hiercal.sbc import pattern as p
from hiercal.sbc._smooth import discrete_legendre
from hiercal.sbc.bands import TIE, acceptance_region, pointwise_level
from hiercal.sbc.pattern import Interval, Pattern, pattern
from hiercal.sbc.uniformity import uniformity_test
from hiercal.tables import meaning
from hiercal.tables._causes import LEVEL, Arm, Failure, anchor, named, why
from hiercal.tables._sentences import sentence
from hiercal.tables.meaning import COLUMNS
from tests.running import run

L = 99
PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "patterns.md"


def shape(name, **changed):
    fine = Pattern(
        name, Interval(0.3, 0.2, 0.4), Interval(1.2, 1.1, 1.3), 0.08, 0.0, 0.09, 0.01, 0.9, 200
    )
    return replace(fine, **changed)


def failure(quantity, name=p.NONE, level=1e-9, **options):
    given = {"positive": False, "effective": False} | options
    return Failure(quantity, level, shape(name), L, **given)


def arm(*failures, **options):
    clean = {
        "name": "story/fitter", "scale": "tau", "model": "centred", "mixes": "yes", "unmixed": 0.0,
        "diverged": 0.0, "at_divergences": np.nan, "n_locations": 10, "parameters_pass": False,
        "by_design": False,
    }  # fmt: skip
    return Arm(failures={each.quantity: each for each in failures}, **(clean | options))


def cause(first, *others, **options):
    return why(first, arm(first, *others, **options)).cause


DIVERGES = {"diverged": 0.4, "at_divergences": 0.1}


def test_a_funnel_needs_a_scale_without_small_values_and_trouble_at_small_ones():
    tau = failure("tau", p.MISSES_SMALL)
    assert "funnel" in cause(tau, **DIVERGES)
    assert "funnel" in cause(tau, mixes="no")
    assert not cause(tau)
    assert not cause(tau, diverged=0.4, at_divergences=0.7)
    assert not cause(failure("mu", p.MISSES_SMALL), **DIVERGES)
    assert not cause(failure("tau", p.MISSES_LARGE), **DIVERGES)
    assert "funnel" not in cause(tau, model="noncentred", **DIVERGES)
    advice = why(tau, arm(tau, model="noncentred", **DIVERGES)).advice
    assert "non-centred" not in advice
    assert "target_accept" in advice


def test_without_a_named_scale_a_positive_quantity_may_be_one():
    assert "funnel" in cause(failure("s", p.MISSES_SMALL, positive=True), scale="", **DIVERGES)
    assert not cause(failure("s", p.MISSES_SMALL), scale="", **DIVERGES)


def test_a_shift_of_the_scale_needs_more_evidence_than_a_pile_up():
    assert "funnel" in cause(failure("tau", p.SHIFTED_UP), **DIVERGES)
    assert not cause(failure("tau", p.SHIFTED_UP, 0.02), **DIVERGES)
    assert "funnel" in cause(failure("tau", p.MISSES_SMALL, 0.02), **DIVERGES)


def test_densities_follow_the_parameters_that_fail():
    tau, density = failure("tau", p.MISSES_SMALL, 1e-4), failure("log_prior", p.MISSES_LARGE)
    found = why(density, arm(tau, density, **DIVERGES))
    assert found.cause == ""
    assert found.advice.startswith("Mend tau first")


def test_a_log_likelihood_that_fails_alone_points_at_the_data():
    likelihood, joint = failure("log_lik", p.SHIFTED_DOWN), failure("log_joint", p.SHIFTED_DOWN)
    assert "unused" in cause(likelihood, joint, parameters_pass=True)
    assert "unused" in cause(joint, likelihood, parameters_pass=True)
    assert not cause(likelihood, parameters_pass=False)
    assert not cause(likelihood, failure("log_prior"), parameters_pass=True)
    assert not cause(joint, parameters_pass=True)


def test_a_log_prior_that_fails_alone_points_at_the_correlation():
    assert "correlation" in cause(failure("log_prior", p.TOO_NARROW), parameters_pass=True)
    assert "correlation" not in cause(failure("log_prior", p.TOO_NARROW), mixes="no")


def test_locations_shifted_alike_have_an_error_in_common():
    up = [failure(f"theta[{i}]", p.SHIFTED_UP) for i in range(6)]
    assert "6 of 10 quantities" in cause(*up)
    assert not cause(*up[:4])
    assert not cause(*up[:2], n_locations=2)
    assert not cause(*up, failure("mu", p.SHIFTED_DOWN))
    assert not cause(*up, failure("mu", p.TOO_WIDE))


def test_a_width_points_at_the_target_only_if_chains_mix():
    narrow, wide = failure("mu", p.TOO_NARROW), failure("mu", p.TOO_WIDE)
    assert "variance is read as an sd" in cause(narrow)
    assert "unused" in cause(wide)
    assert not cause(narrow, mixes="unchecked")
    assert not cause(narrow, diverged=0.2)
    assert named(narrow, arm(mixes="no")) == "stuck"
    assert "do not mix" in cause(narrow, mixes="no")
    assert not cause(wide, mixes="no")


def test_shapes_that_point_at_nothing_have_no_cause():
    for name in (p.NONE, p.MISSES_BOTH, p.SHIFTED_UP, p.MISSES_SMALL):
        assert why(failure("mu", name), arm()) == ("", "")


def test_what_the_run_assumes_is_the_cause():
    assert "assume" in cause(failure("tau", p.TOO_NARROW, 0.04), by_design=True)


@pytest.mark.parametrize("name", [p.TOO_NARROW, p.TOO_WIDE, p.SHIFTED_UP, p.NONE])
def test_ranks_alone_name_no_cause_at_a_p_that_chance_reaches(name):
    each = [failure(f"theta[{i}]", name, 1.1 * LEVEL) for i in range(6)]
    found = why(each[0], arm(*each))
    assert found.cause == ""
    assert "another seed" in found.advice
    density = failure("log_lik", name, 1.1 * LEVEL)
    assert not cause(density, parameters_pass=True)


def test_sentences_have_the_numbers():
    plain = sentence(failure("tau", p.MISSES_SMALL), arm())
    assert plain == (
        "The draws do not reach small values: the true value lies below all 99 draws in 9.0 % of "
        "simulations, where 1 % is right."
    )
    spread = sentence(failure("tau", p.MISSES_SMALL, effective=True), arm())
    assert "allowing for autocorrelation" in spread
    assert "below them in 8.0 % more" in spread
    both = sentence(failure("mu", f"{p.TOO_WIDE} and {p.SHIFTED_UP}"), arm())
    assert both == (
        "The draws are too wide: their sd is 1.20 times what it should be (95 % interval 1.10 to "
        "1.30). The draws are 0.30 posterior sd too high (95 % interval 0.20 to 0.40)."
    )
    stuck = sentence(failure("mu", p.MISSES_BOTH), arm(mixes="no", unmixed=0.95))
    assert stuck.startswith("The chains do not mix in 95 % of fits")


def test_estimates_at_their_limits_are_said_to_be():
    ranks = np.zeros(200, dtype=int)
    far = Failure("mu", 1e-9, replace(pattern(ranks, L), name=p.SHIFTED_UP), L, False, False)
    assert sentence(far, arm()) == "The draws are more than 6 posterior sd too high."


def test_every_pattern_has_a_heading_in_the_page():
    headings = re.findall(r"^#+ (.*)$", PAGE.read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}
    names = (p.SHIFTED_UP, p.SHIFTED_DOWN, p.TOO_NARROW, p.TOO_WIDE, p.MISSES_SMALL,
             p.MISSES_LARGE, p.MISSES_BOTH, p.NONE)  # fmt: skip
    found = {anchor(failure("x", name), arm(mixes=m)) for name in names for m in ("yes", "no")}
    assert found <= anchors
    assert "stuck" in found


@pytest.fixture
def planted(mock_run, tmp_path):
    """A run of the mock fitter whose ranks of some quantities are replaced."""

    def make(ess=None, **ranks):
        result = run(mock_run(simulations=200), tmp_path / "run")
        records = result.records
        if ess is not None:
            records.loc[records["quantity"].isin(ranks), ["ess_bulk", "ess_tail"]] = ess
        for quantity, values in ranks.items():
            own = (records["quantity"] == quantity).to_numpy()
            for column in ("rank", "rank_effective"):
                records.loc[own, column] = values
        records.to_parquet(tmp_path / "run" / "records.parquet")
        made_of(tmp_path / "run", records=200)
        return Result(tmp_path / "run")

    return make


def test_a_calibrated_run_has_an_empty_table(planted):
    table = meaning(planted())
    assert table.empty
    assert list(table) == list(COLUMNS)


def test_the_table_of_a_planted_pile_up(planted):
    rng = np.random.default_rng(1)
    table = meaning(planted(x=np.where(rng.random(200) < 0.1, 0, rng.integers(0, 100, 200))))
    assert list(table) == list(COLUMNS)
    (row,) = table.to_dict("records")
    assert (row["quantity"], row["pattern"]) == ("x", p.MISSES_SMALL)
    assert 0.06 < row["at_zero"] < 0.2
    assert row["shift_low"] < row["shift"] < row["shift_high"]
    assert row["scale_low"] < row["scale"] < row["scale_high"]
    assert row["docs"] == "docs/explanation/patterns.md#misses-an-end"


def test_where_chains_are_short_the_figures_are_of_effective_ranks(planted):
    rng = np.random.default_rng(1)
    of_ten = np.where(rng.random(200) < 0.25, 0, rng.integers(0, 11, 200))
    spread = np.floor((L + 1) * (of_ten + rng.uniform(size=200)) / 11).astype(int)
    (row,) = meaning(planted(ess=31.0, x=spread)).to_dict("records")
    assert row["pattern"] == p.MISSES_SMALL
    assert "allowing for autocorrelation" in row["sentence"]
    assert row["at_zero"] < 0.1
    share = float(re.findall(r"below them in ([\d.]+) %", row["sentence"])[0])
    assert 15 < share < 40


def test_ranks_of_a_fit_that_assumes_otherwise_are_explained_by_that(tmp_path):
    design = Run(
        stories=[story("eight_schools", sigma=(10.0,) * 4)],
        fitters=[fitter("exact"), fitter("exact", assume={"tau_scale": 2.0})],
        simulations=150,
        seed=4,
    )
    table = meaning(run(design, tmp_path)).set_index("quantity")
    assert "given, assume" in table.loc["tau", "cause"]
    assert table.loc["tau", "shift_high"] < 0


def rejected_by_chance(rng, wanted, n=200, family=20, batch=5_000):
    """Uniform ranks that Holm's method rejects among 20, with their adjusted p."""
    level = 0.05 / family / 2
    lower, upper = acceptance_region(n, L + 1, pointwise_level(n, L + 1, 1 - level) * (1 - TIE))
    h = discrete_legendre(L, 4)
    while wanted:
        ranks = rng.integers(0, L + 1, (batch, n))
        counts = np.array([np.bincount(each, minlength=L + 1) for each in ranks])
        running = counts.cumsum(axis=1)[:, :-1]
        far = ((running < lower) | (running > upper)).any(axis=1)
        far |= ((counts @ h.T) ** 2).sum(axis=1) / n > chi2.isf(2 * level, 4)
        for each in ranks[far]:
            adjusted = family * uniformity_test(each, L).p
            if adjusted < 0.05 and wanted:
                wanted -= 1
                yield each, adjusted


def blamed(quantity, repeats, **evidence):
    """Share of right quantities rejected by chance for which a cause is named."""
    found = 0
    for ranks, adjusted in rejected_by_chance(np.random.default_rng(3), repeats):
        one = Failure(quantity, adjusted, pattern(ranks, L), L, False, quantity == "tau")
        found += bool(cause(one, **evidence))
    return found / repeats


@pytest.mark.slow
@pytest.mark.parametrize(
    ("quantity", "evidence", "most"),
    [
        ("mu", {}, 0.06),
        ("log_lik", {"parameters_pass": True}, 0.06),
        ("tau", {}, 0.0),
        ("tau", DIVERGES, 0.3),
    ],
)
def test_right_quantities_rejected_by_chance_are_rarely_given_a_cause(quantity, evidence, most):
    """Of 300: six are expected below `LEVEL`, without regard to what the ranks look like."""
    share = blamed(quantity, 300, **evidence)
    print(f"{quantity}, {evidence or 'clean'}: {share:.2f}")
    assert share <= most


def test_the_table_is_plain_enough_for_a_file(planted, tmp_path):
    table = meaning(planted(x=np.zeros(200, dtype=int)))
    table.to_csv(tmp_path / "meaning.csv", index=False)
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "meaning.csv", keep_default_na=False), table, check_dtype=False
    )

"""The chapter's examples: statistics, data, and how printed numbers are judged."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from hiercal import Where
from hiercal import study as make_study
from hiercal.studies import _run
from hiercal.studies._claims import judge
from hiercal.studies.chapter import arithmetic
from hiercal.studies.chapter import study as chapter
from hiercal.studies.chapter.claims import AGREES, CLAIMS
from hiercal.studies.chapter.examples import Example, examples, survey_counts
from hiercal.studies.chapter.report import figure, plug_in_figure, report

EXAMPLES = {example.name: example for example in examples()}


def exact_fit(example, seed):
    """Independent exact draws in the place of a fit: 4 chains of 500."""
    exact = chapter.exact_draws(example, seed, 2000)
    shaped = (
        {k: v.reshape(4, 500) for k, v in part.items()}
        for part in (exact.quantities, exact.separate)
    )
    return chapter.ExampleFit(*shaped, 0)


def test_statistics_of_known_draws():
    draws = np.arange(1001.0)
    assert chapter.statistic("mean", draws) == 500
    assert chapter.statistic("5.5 %", draws) == 55
    assert chapter.statistic("width", draws) == 890
    assert chapter.statistic("saved", draws, 2 * draws) == pytest.approx(0.5)
    assert chapter.statistic("hdi lower", draws**2) == 0
    assert chapter.statistic("hdi upper", draws**2) == 890**2


def test_printed_data_are_not_those_of_the_seed():
    table = chapter.data()
    same = table[table["printed"] == table["drawn"]].groupby("example").size()
    assert same.to_dict() == {"hospitals": 1, "survey": 2}
    assert survey_counts().sum(axis=1).tolist() == [45, 120, 60, 80, 35, 95]


def test_printed_eight_schools_come_from_flatter_priors():
    table = chapter.hypotheses().set_index(["example", "hypothesis"])["rms"]["eight_schools"]
    assert table["mu ~ N(0, 20), tau ~ HalfNormal(10)"] > 0.15
    assert table["mu ~ N(0, 50), tau ~ HalfNormal(100)"] < 0.02


@pytest.mark.parametrize("name", ["eight_schools", "survey", "private_schools"])
def test_exact_draws_agree_with_exact_values_and_printed_numbers_are_judged(name):
    """36 to 92 z-values of correct fits; none beyond 4.5, P(false alarm) about 1e-3."""
    example = EXAMPLES[name]
    fits = {"numpyro": exact_fit(example, 1), "pymc": exact_fit(example, 2)}
    table = pd.DataFrame(chapter.compare(example, fits, 3))
    assert len(table) == len(example.printed)
    assert table[["numpyro_z", "pymc_z"]].abs().to_numpy().max() < 4.5
    assert (table["verdict"] == "differs").mean() > 0.5
    agrees = table["z"].abs() <= AGREES
    assert ((table["verdict"] == "agrees") == agrees).all()


def test_a_correct_number_agrees():
    example = EXAMPLES["eight_schools"]
    fits = {"numpyro": exact_fit(example, 1)}
    right = tuple(
        (q, name, round(fits["numpyro"].statistic(q, name), decimals), decimals)
        for q, name, _, decimals in example.printed
    )
    corrected = Example("eight_schools", "", example.story, example.data, example.model, right)
    assert {row["verdict"] for row in chapter.compare(corrected, fits, 4)} == {"agrees"}


@pytest.mark.slow
def test_a_run_writes_tables_report_and_figure(tmp_path, monkeypatch):
    monkeypatch.setattr(chapter, "examples", lambda: (EXAMPLES["hospitals"],))
    said = []
    study = make_study("chapter", libraries=("numpyro",), draws=300, tune=300, chains=2)
    tables = _run.run(study, tmp_path, where=Where(0), progress=False, say=said.append)
    assert sum("Hospitals" in line for line in said) == 2
    names = {path.name for path in tmp_path.iterdir()}
    assert names >= {"comparison.csv", "data.csv", "hypotheses.csv", "sampling.csv", "chapter.md"}
    text = (tmp_path / "chapter.md").read_text()
    assert r"| lambda\[E\] | hdi saved |" in text
    assert "the printed data are not the code's" in text
    assert (tmp_path / "figures" / "chapter.png").stat().st_size > 10_000
    judged = tables["claims"].set_index("claim")
    assert judged.loc["C15", "remark"].startswith("Not measured")
    assert judged.loc["C03", "verdict"] == "fails"


ARITHMETIC = {
    "arithmetic": arithmetic.arithmetic,
    "plug_in": arithmetic.plug_in,
    "replicated": arithmetic.replicated,
}


def claim(number, table, **changes):
    """Verdict on what the chapter computes by hand, with some numbers of a table changed."""
    return verdict(number, {table: ARITHMETIC[table]().assign(**changes)})


def verdict(number, tables):
    return judge({each.id: each for each in CLAIMS}[number], tables)


def test_three_of_the_printed_estimates_are_not_the_formulas():
    table = arithmetic.arithmetic()
    assert len(table) == 17
    found = claim("C03", "arithmetic")
    assert (found.verdict, round(found.effect, 1)) == ("fails", 15.4)
    assert "9 of 9 right" in found.remark
    assert "5 of 8 right: A printed 10.77, by the formula 10.759; C" in found.remark
    assert claim("C03", "arithmetic", off=0.4).verdict == "holds"
    wrong = np.where(table["school"] == "new", 1.0, 0.0)
    assert claim("C03", "arithmetic", off=wrong).verdict == "fails"


def test_shrinkage_is_stronger_than_the_formula_at_6_alone():
    table = arithmetic.plug_in()
    at_mean = table[table["place"].str.startswith("tau's mean")]
    ratio = (at_mean["retained"] / at_mean["plug_in"]).round(2).tolist()
    assert ratio == [1.23, 0.98, 1.27, 1.21, 1.02, 1.11, 1.06, 1.29]
    assert at_mean["tau"].iloc[0] == pytest.approx(4.806, abs=1e-3)
    found = claim("C04", "plug_in")
    assert found.verdict == "holds in a regime"
    assert found.remark.startswith("Holds at tau = 6. Fails at tau's mean 4.81, tau's mode 0")
    assert claim("C04", "plug_in", points=-0.1, mean_se=0.01).verdict == "holds"
    assert claim("C04", "plug_in", points=0.1, mean_se=0.01).verdict == "fails"
    undecided = np.where(table["posterior"] == "printed", 0.01, -0.1)
    assert claim("C04", "plug_in", points=undecided, mean_se=0.05).verdict == "undecided"


def test_expected_share_is_the_mean_over_exact_draws():
    draws = arithmetic.rubin().draws(40_000, np.random.default_rng(1))["tau"]
    table = arithmetic.plug_in().set_index(["posterior", "school"])["expected"]
    share = draws**2 / (draws**2 + 15.0**2)
    error = share.std() / np.sqrt(share.size)
    assert table["exact", "A"].iloc[0] == pytest.approx(share.mean(), abs=4 * error)


def test_printed_replicated_sds_contradict_the_printed_posterior_sds():
    table = arithmetic.replicated().set_index("school")
    assert table.loc["E", "implied"] == pytest.approx(10.93, abs=0.005)
    assert table.loc["E", "exact"] == pytest.approx(np.hypot(5.737, 9), abs=1e-3)
    found = claim("C14", "replicated")
    assert found.verdict == "fails"
    assert "The stated model's: holds" in found.remark
    assert "by 7% to 16% as printed, by 7% to 19% exactly" in found.remark
    assert claim("C14", "replicated", z_implied=3.9).verdict == "holds"
    assert claim("C14", "replicated", z=5.0, z_implied=0.0).verdict == "fails"


def test_error_of_a_replicated_sd_is_that_of_repeated_samples():
    """2,000 samples of 8,000: their sd is known to 1.6 %; the bound is 5 of those."""
    rng = np.random.default_rng(2)
    theta = arithmetic.rubin().draws(40_000, rng)["theta"][:, 4]
    size = arithmetic.ESS["E"]
    found = [
        # the effect has fewer effective draws than the noise
        np.sqrt(rng.choice(theta, size).var() + 81 * rng.chisquare(7999) / 7999)
        for _ in range(2000)
    ]
    row = arithmetic.replicated().set_index("school").loc["E"]
    cross = 2 * 5.737 * 9 / np.sqrt(8000) / (2 * row["exact"])
    expected = np.sqrt(row["se"] ** 2 - 0.1**2 / 12 - cross**2)
    assert np.std(found) == pytest.approx(expected, rel=0.08)


def test_printed_widths_without_pooling_are_not_those_of_beta():
    table = arithmetic.separate_widths()
    assert table["exact"].round(3).tolist() == [0.220, 0.233, 0.220, 0.193]
    assert (table["z"] > 8).all()
    rng = np.random.default_rng(3)
    draws = stats.beta(10, 29).rvs((1000, 8000), random_state=rng)
    low, high = np.quantile(draws, [0.055, 0.945], axis=1)
    assert table["se"].iloc[0] == pytest.approx(np.std(high - low), rel=0.12)


@pytest.mark.parametrize(
    ("printed", "drawn", "expected"),
    [(8.1, 4.9, "fails"), (10.3, 4.9, "holds"), (8.1, 10.3, "holds")],
)
def test_alpha_is_judged_on_both_counts(printed, drawn, expected):
    rows = [
        {"example": example, "quantity": "alpha", "statistic": statistic, "printed": 10.32,
         "exact": exact, "se": 0.03, "verdict": "differs"}
        for example, exact in (("survey", printed), ("survey_seed", drawn))
        for statistic in ("mean", "sd")
    ]  # fmt: skip
    found = verdict("C15", {"comparison": pd.DataFrame(rows)})
    assert found.verdict == expected
    assert "2 of 2 printed numbers differ" in found.remark


@pytest.mark.parametrize(("rms", "expected"), [(0.16, "fails"), (0.01, "holds")])
def test_printed_means(rms, expected):
    rows = [
        {"example": "eight_schools", "hypothesis": name, "stated": stated, "rms": value}
        for name, stated, value in (("stated", True, rms), ("flat", False, 0.01))
    ]
    assert verdict("C05", {"hypotheses": pd.DataFrame(rows)}).verdict == expected


def test_every_printed_number_is_counted_once():
    counted = [len(each.printed) for each in examples() if not each.again]
    assert sum(counted) == 84
    keys = [
        (each.name.partition("_seed")[0], number) for each in examples() for number in each.printed
    ]
    assert len(keys) == 110
    assert len(set(keys)) == 84


def test_report_and_figure_of_one_example():
    example = EXAMPLES["private_schools"]
    fits = {"numpyro": exact_fit(example, 1), "pymc": exact_fit(example, 2)}
    comparison = pd.DataFrame(chapter.compare(example, fits, 3))
    sampled = [
        chapter.sampling(example, library, "noncentred", fit) for library, fit in fits.items()
    ]
    tables = {
        "comparison": comparison,
        "data": chapter.data(),
        "hypotheses": chapter.hypotheses(),
        "sampling": pd.DataFrame(sampled),
        "arithmetic": arithmetic.arithmetic(),
        "replicated": arithmetic.replicated(),
        "separate_widths": arithmetic.separate_widths(),
    }
    text = report(tables, [example])
    assert text.count("| beta |") == 4
    differ = (comparison["verdict"] == "differs").sum()
    assert f"Of 12 distinct printed numbers {differ} are not" in text
    assert "estimate C is printed 6.49, by the formula 6.644" in text
    again = tables | {
        "comparison": pd.concat([comparison, comparison.assign(counted=False)], ignore_index=True)
    }
    assert f"Of 12 distinct printed numbers {differ} are not" in report(again, [example])
    drawn = figure(comparison, [example])
    assert len(drawn.axes) == 1


def test_figure_of_shrinkage_leaves_the_mode_out():
    drawn = plug_in_figure(arithmetic.plug_in())
    assert len(drawn.axes[0].containers) == 3
    assert [tick.get_text() for tick in drawn.axes[0].get_xticklabels()] == list("ABCDEFGH")

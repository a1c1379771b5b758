"""The chapter's examples: statistics, data, and how printed numbers are judged."""

import numpy as np
import pytest

from hiercal import experiment
from hiercal.studies import _experiment, chapter
from hiercal.studies._chapter_claims import CLAIMS
from hiercal.studies._chapter_report import figure, report
from hiercal.studies._claims import judge

EXAMPLES = {example.name: example for example in chapter.examples()}


def exact_fit(example, seed):
    """Independent exact draws in the place of a fit: 4 chains of 500."""
    exact = chapter.exact_draws(example, seed, 2000)
    shaped = (
        {k: v.reshape(4, 500) for k, v in part.items()}
        for part in (exact.quantities, exact.separate)
    )
    return chapter.Posterior(*shaped, 0)


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
    assert chapter.survey_counts().sum(axis=1).tolist() == [45, 120, 60, 80, 35, 95]


def test_printed_eight_schools_come_from_flatter_priors():
    table = chapter.hypotheses().set_index(["example", "hypothesis"])["rms"]["eight_schools"]
    assert table["mu ~ N(0, 20), tau ~ HalfNormal(10)"] > 0.15
    assert table["mu ~ N(0, 50), tau ~ HalfNormal(100)"] < 0.02


@pytest.mark.parametrize("name", ["eight_schools", "survey", "private_schools"])
def test_exact_draws_agree_with_exact_values_and_printed_numbers_are_judged(name):
    """36 to 92 z-values of correct fits; none beyond 4.5, P(false alarm) about 1e-3."""
    example = EXAMPLES[name]
    fits = {"numpyro": exact_fit(example, 1), "pymc": exact_fit(example, 2)}
    table = chapter.compare(example, fits, 3)
    assert len(table) == len(example.printed)
    assert table[["numpyro_z", "pymc_z"]].abs().to_numpy().max() < 4.5
    assert (table["verdict"] == "differs").mean() > 0.5
    agrees = table["z"].abs() <= chapter.AGREES
    assert ((table["verdict"] == "agrees") == agrees).all()


def test_a_correct_number_agrees():
    example = EXAMPLES["eight_schools"]
    fits = {"numpyro": exact_fit(example, 1)}
    right = tuple(
        (q, name, round(fits["numpyro"].statistic(q, name), decimals), decimals)
        for q, name, _, decimals in example.printed
    )
    corrected = chapter.Example(
        "eight_schools", "", example.story, example.data, example.model, right
    )
    assert set(chapter.compare(corrected, fits, 4)["verdict"]) == {"agrees"}


@pytest.mark.slow
def test_a_run_writes_tables_report_and_figure(tmp_path, monkeypatch):
    monkeypatch.setattr(chapter, "examples", lambda: (EXAMPLES["hospitals"],))
    said = []
    study = experiment("chapter", libraries=("numpyro",), draws=300, tune=300, chains=2)
    tables = _experiment.run(study, tmp_path, workers=0, progress=False, say=said.append)
    assert sum("Hospitals" in line for line in said) == 2
    names = {path.name for path in tmp_path.iterdir()}
    assert names >= {"comparison.csv", "data.csv", "hypotheses.csv", "sampling.csv", "chapter.md"}
    text = (tmp_path / "chapter.md").read_text()
    assert "| lambda[E] | hdi saved |" in text
    assert "the printed data are not the code's" in text
    assert (tmp_path / "figures" / "chapter.png").stat().st_size > 10_000
    judged = tables["claims"].set_index("claim")
    assert judged.loc["C15", "remark"].startswith("Not measured")


def claim(number, **changes):
    """Verdict on the chapter's arithmetic, with some of its numbers changed."""
    tables = {"arithmetic": chapter.arithmetic().assign(**changes)}
    return judge({each.id: each for each in CLAIMS}[number], tables)


def test_arithmetic_of_the_chapter():
    found = claim("C03")
    assert found.verdict == "fails"
    assert found.remark.startswith("6 of 7 right; farthest: estimate A, printed 10.77")
    assert claim("C03", printed=lambda t: t["exact"].round(3)).verdict == "holds"
    assert claim("C04").effect == pytest.approx(0.8616, abs=1e-4)
    assert claim("C04").verdict == "holds"
    assert claim("C04", exact=lambda t: 2 * t["exact"]).verdict == "fails"
    assert claim("C14").effect == pytest.approx(np.hypot(5.737, 9) / 9 - 1, abs=1e-4)
    assert claim("C14", exact=lambda t: t["sigma"]).verdict == "holds"


def test_report_and_figure_of_one_example():
    example = EXAMPLES["private_schools"]
    fits = {"numpyro": exact_fit(example, 1), "pymc": exact_fit(example, 2)}
    comparison = chapter.compare(example, fits, 3)
    sampled = {(example.name, library, "noncentred"): fit for library, fit in fits.items()}
    tables = {
        "comparison": comparison,
        "data": chapter.data(),
        "hypotheses": chapter.hypotheses(),
        "sampling": chapter.sampling(sampled),
    }
    text = report(tables, [example])
    assert text.count("| beta |") == 4
    drawn = figure(comparison, [example])
    assert len(drawn.axes) == 1

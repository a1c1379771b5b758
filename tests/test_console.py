"""What the console prints: names as they are, verdicts with what qualifies them."""

import numpy as np
import pandas as pd
import pytest

from hiercal import Result, Run, fitter, story
from hiercal.console import result as console
from hiercal.report import attention
from hiercal.report.told import errors, said
from hiercal.runs.manifest import made_of
from hiercal.runs.progress import Bars, Lines, Tally
from hiercal.tables import mixing, verdicts
from hiercal.tables.mixing import check, outcome
from tests.running import run

NASTY = ("[/nope]", "theta[north]", "a$b_c$", "A|B", "<script>", ":smile:", "[bold]x")


@pytest.fixture
def finished(mock_run, tmp_path):
    """A small run of the mock fitter, without figures, whose tables a test may change."""
    result = run(mock_run(simulations=30), tmp_path / "run")
    verdicts(result).to_csv(result.folder / "verdicts.csv", index=False)
    mixing(result).to_csv(result.folder / "mixing.csv", index=False)
    made_of(result.folder, tables=30)
    return Result(result.folder)


def change(result, name, **columns):
    path = result.folder / f"{name}.csv"
    pd.read_csv(path).assign(**columns).to_csv(path, index=False)


def printed(result, capsys, **options):
    console.show_result(result, **options)
    return capsys.readouterr().out


def flat(text):
    return "".join(text.split())


def test_names_are_printed_as_they_are(finished, capsys):
    for name in NASTY:
        arm = f"{name}/x{name}"
        for table in ("verdicts", "mixing"):
            change(finished, table, arm=arm)
        change(finished, "verdicts", quantity=name)
        text = flat(printed(finished, capsys, every=True))
        assert text.count(arm) >= 1 + 4
        assert text.count(name) >= 2 * (1 + 4) + 4


def of_many(result, n, verdict="miscalibrated", **columns):
    """Write verdicts on a vector of n elements and two scalars; the first ones are the worst."""
    path = result.folder / "verdicts.csv"
    row = pd.read_csv(path).iloc[0].to_dict() | {"verdict": verdict, "low_ess": 0.0} | columns
    names = [*(f"theta[{i}]" for i in range(n)), "mu", "tau"]
    p = np.linspace(1e-9, 1e-3, n + 2)
    rows = [row | {"quantity": q, "p_holm": h, "p": h / n} for q, h in zip(names, p, strict=True)]
    pd.DataFrame(rows[::-1]).to_csv(path, index=False)
    return rows


def test_what_to_look_at_comes_first_with_vectors_on_one_line(finished, capsys):
    assert "Look here first" not in printed(finished, capsys)
    of_many(finished, 800)
    text = printed(finished, capsys)
    block = text.partition("Verdicts")[0]
    assert text.index("Look here first") < text.index("Verdicts")
    lines = [line for line in block.splitlines() if line.startswith(" mock") or "theta" in line]
    assert "theta: 800 of 800 elements, worst theta[0]" in " ".join(block.split())
    assert len(lines) <= 3
    assert block.index("theta") < block.index("mu ") < block.index("tau ")


def test_a_long_list_of_quantities_is_cut_unless_all_are_asked_for(finished, capsys):
    of_many(finished, 800)
    text = printed(finished, capsys)
    table = text.partition("Not calibrated, by quantity: the smallest p")[2]
    assert len(text.splitlines()) < 90
    assert table.count("theta[") == attention.MOST_QUANTITIES
    assert "theta[0]" in table
    joined = " ".join(text.split())
    assert f"787 more that are not calibrated are in {finished.folder}/verdicts.csv" in joined
    assert f"`hiercal show {finished.folder} --all` prints every quantity" in joined
    everything = printed(finished, capsys, every=True)
    assert all(f"theta[{i}]" in everything for i in (0, 400, 799))
    assert "quantity: the smallest p" not in everything


def test_undecided_quantities_are_looked_at_after_those_with_evidence(finished, capsys):
    rows = of_many(finished, 2)
    for row in rows[:2]:
        row |= {"verdict": "inconclusive", "p_holm": np.nan, "p": np.nan}
    pd.DataFrame(rows).to_csv(finished.folder / "verdicts.csv", index=False)
    block = printed(finished, capsys).partition("Verdicts")[0]
    assert block.index("mu ") < block.index("theta: 2 of 2 elements")


def test_what_failures_mean_is_printed_for_the_first_ones(finished, capsys):
    rows = of_many(finished, 12)
    said = [
        {"arm": row["arm"], "quantity": row["quantity"], "pattern": "shifted up", "cause": "",
         "sentence": f"[bold]It {i} is shifted.", "advice": "",
         "docs": "docs/explanation/patterns.md#shifted"}
        for i, row in enumerate(rows)
    ]  # fmt: skip
    path = finished.folder / "meaning.csv"
    pd.DataFrame(said[::-1]).to_csv(path, index=False)
    text = " ".join(printed(finished, capsys).split())
    arm = rows[0]["arm"]
    assert f"{arm}, theta[0], the worst of 12 in theta: [bold]It 0 is shifted. See docs/" in text
    assert "It 1 is shifted" not in text
    assert text.index(f"{arm}, theta[0]") < text.index(f"{arm}, mu:") < text.index(f"{arm}, tau:")
    for i, row in enumerate(said):
        row["cause"] = f"Cause {i}."
    pd.DataFrame(said).to_csv(path, index=False)
    text = " ".join(printed(finished, capsys).split())
    assert text.count("is shifted. Cause") == attention.MOST_ROWS
    assert f"9 more explanations in {path}" in text


def test_long_names_of_two_arms_are_told_apart(finished, capsys):
    path = finished.folder / "verdicts.csv"
    table = pd.read_csv(path)
    labels = [f"eight_schools/numpyro-centred[target_accept={a}]" for a in (0.8, 0.95)]
    pd.concat([table.assign(arm=arm) for arm in labels]).to_csv(path, index=False)
    (finished.folder / "mixing.csv").unlink()
    shown = printed(finished, capsys).partition("worst: the quantity")[0]
    firsts = [line.split(" ")[1] for line in shown.splitlines() if line.startswith(" ")]
    joined = "".join(firsts)
    assert all(label in joined for label in labels)


def test_chains_that_do_not_mix_qualify_the_verdict(finished, capsys):
    assert "but chains do not mix" not in printed(finished, capsys)
    change(finished, "mixing", mixes="no", unmixed=0.95, high_r_hat=0.95, low_ess_tail=0.004)
    text = " ".join(printed(finished, capsys).split())
    assert (
        "calibrated, but chains do not mix in 95 % of fits (R-hat above 1.08 in 95 %, tail ESS "
        "below 40 in < 1 %)"
    ) in text


def test_p_values_of_effective_ranks_are_quoted_where_the_others_mislead(finished, capsys):
    change(finished, "verdicts", p_holm=3e-40, p_effective_holm=0.031, low_ess=0.1)
    assert "< 1e-10" in printed(finished, capsys)
    assert "(eff.)" not in printed(finished, capsys).partition("worst: the")[0]
    change(finished, "verdicts", low_ess=0.9)
    table = printed(finished, capsys).partition("worst: the")[0]
    assert "0.031" in table
    assert "(eff.)" in table
    assert "1e-10" not in table


def test_shares_counts_and_what_cannot_be_detected(finished, capsys):
    change(finished, "verdicts", detectable_shift=np.inf, detectable_scale=np.inf, low_ess=0.005)
    change(finished, "mixing", diverged=0.005)
    text = printed(finished, capsys)
    assert "30 simulations, seed 1, 1 arm\n" in text
    assert text.count("< 1 %") == 2
    assert "alone a shift of more than 5 posterior sd" in " ".join(text.split())
    assert "inf" not in text.partition("worst: the")[0]


def test_why_a_quantity_is_not_calibrated_is_whole_beside_a_long_name(finished, capsys):
    path = finished.folder / "verdicts.csv"
    why = "the verdict turns on 19 failed fits, at a family-wise level of 0.05"
    changed = {"verdict": "inconclusive", "reason": why, "arm": "story/" + 40 * "x"}
    pd.read_csv(path).assign(**changed).to_csv(path, index=False)
    (finished.folder / "mixing.csv").unlink()
    console.show_result(finished)
    shown = " ".join(capsys.readouterr().out.split())
    assert all(word in shown for word in why.split())


def test_an_arm_without_a_completed_fit_finds_nothing(finished, capsys):
    path = finished.folder / "verdicts.csv"
    pd.read_csv(path).assign(n=0).to_csv(path, index=False)
    console.show_result(finished)
    assert "found with probability" not in capsys.readouterr().out


def test_ranks_that_are_not_uniform_by_design_are_said_to_be(tmp_path, capsys):
    design = Run(
        stories=[story("eight_schools", given={"tau": 2.0})],
        fitters=[fitter("exact"), fitter("exact", assume={"tau_scale": 50.0})],
        simulations=20,
    )
    console.show_result(run(design, tmp_path, export=True))
    shown = " ".join(capsys.readouterr().out.split())
    assert "Ranks of eight_schools with tau = 2 given are not uniform even for the exact" in shown
    assert "Ranks of exact under other assumptions than the story's are not uniform" in shown


def test_warnings_are_told_apart():
    row = {
        "n": 100, "mixes": "yes", "unmixed": 0.04, "diverged": 0.3, "divergent_draws": 0.002,
        "low_e_bfmi": 0.5, "deepest_tree": 0.06,
    }  # fmt: skip
    assert said(row) == [
        "30 % of fits diverge (< 1 % of all draws)",
        "E-BFMI below 0.3 in 50 % of fits",
        "largest tree depth reached in 6 % of fits",
    ]
    quiet = row | dict.fromkeys(("diverged", "low_e_bfmi", "deepest_tree"), 0.04)
    assert said(quiet) == []


def test_errors_are_counted_by_kind():
    messages = [
        "ArithmeticError: at u = 0.013",
        None,
        "ValueError: scale < 0",
        "ArithmeticError: at u = 1e-5",
        "ArithmeticError: at u = .5",
        "ValueError: other",
    ]
    fits = pd.DataFrame({"arm": "s/f", "simulation": range(6), "error": messages})
    found = errors(fits)
    assert found["count"].to_list() == [3, 1, 1]
    assert found["error"].to_list() == [messages[0], messages[2], messages[5]]
    assert found["simulation"].to_list() == [0, 2, 5]
    assert errors(fits[fits["error"].isna()]).empty


@pytest.mark.parametrize(
    ("each", "n_failed", "n", "mixes", "strict", "allowing"),
    [
        (("calibrated", "calibrated"), 0, 9, "yes", 0, 0),
        (("calibrated", "miscalibrated"), 0, 9, "no", 1, 1),
        (("inconclusive", "miscalibrated"), 3, 9, "yes", 1, 1),
        (("calibrated", "inconclusive"), 0, 9, "yes", 3, 0),
        (("calibrated", "calibrated"), 1, 9, "yes", 3, 0),
        (("calibrated", "calibrated"), 0, 9, "no", 3, 0),
        (("calibrated", "calibrated"), 0, 9, "unchecked", 3, 0),
        (("inconclusive", "inconclusive"), 9, 0, "unchecked", 3, 3),
    ],
)
def test_what_a_run_comes_to(each, n_failed, n, mixes, strict, allowing):
    table = pd.DataFrame({"arm": "a", "verdict": each, "n_failed": n_failed, "n": n})
    warnings = {"diverged": 0.3, "low_e_bfmi": 0.0, "deepest_tree": np.nan}
    mixed = pd.DataFrame([{"arm": "a", "mixes": mixes} | warnings])
    assert outcome(table, mixed) == strict
    assert outcome(table, mixed, allow_inconclusive=True) == allowing


@pytest.mark.parametrize("warning", ["diverged", "low_e_bfmi", "deepest_tree"])
def test_a_warning_of_most_fits_is_not_decided(warning):
    table = pd.DataFrame({"arm": ["a"], "verdict": ["calibrated"], "n_failed": [0], "n": [9]})
    fine = {"diverged": 0.3, "low_e_bfmi": 0.2, "deepest_tree": np.nan}
    mixed = [pd.DataFrame([{"arm": "a", "mixes": "yes"} | fine | {warning: s}]) for s in (0.4, 0.6)]
    assert [outcome(table, each) for each in mixed] == [0, 3]
    assert outcome(table, mixed[1], allow_inconclusive=True) == 0


def test_a_run_without_the_mixing_table_is_not_decided(finished):
    assert check(finished) == 0
    (finished.folder / "mixing.csv").unlink()
    assert check(finished) == 3


def test_progress_prints_names_as_they_are(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "90")
    bars = Bars()
    labels = [*NASTY, "eight_schools/numpyro-centred[target_accept=0.95]"]
    bars.start(labels, [Tally()] * len(labels), 10)
    bars.update(0, Tally(5, 1, 1))
    bars.note("[/nope] differs")
    bars.stop()
    text = flat(capsys.readouterr().err)
    for label in NASTY:
        assert label in text
    assert "[/nope]differs" in text
    assert "0.95]" in text
    lines = Lines(every=0.0)
    lines.start(["[/nope]"], [Tally()], 10)
    lines.update(0, Tally(5))
    assert "([/nope])" in capsys.readouterr().err


def test_the_rate_does_not_count_the_wait_for_the_first_batch(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr("hiercal.runs.progress.time.monotonic", lambda: now[0])
    lines = Lines(every=0.0)
    lines.start(["arm"], [Tally(20)], 100)
    for seconds, done in ((60, 20), (60, 24), (61, 34)):  # the first minute is compiling
        now[0] = seconds
        lines.update(0, Tally(done))
    first, second, third = capsys.readouterr().err.splitlines()
    assert first.startswith("20 of 100 fits (arm), 0 failed")
    assert second.startswith("24 of 100 fits (arm), 0 failed")
    assert third.startswith("34 of 100 fits (arm), 10 fits/s, 0:07 left, 0 failed")

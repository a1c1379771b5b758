"""Runs that stop when the evidence decides."""

import numpy as np
import pytest
from click.testing import CliRunner

import hiercal
from hiercal.cli import main
from hiercal.runs import plan
from hiercal.runs.columns import COLUMNS, FitRecord
from hiercal.runs.compared import compared
from hiercal.runs.evidence import ArmEvidence
from hiercal.runs.journal import Journal

HERE = hiercal.Where(workers=0)

MODEL = '''
import numpy as np
import hiercal


class Means(hiercal.Story):
    """Eight effects around a common mean, each measured with error 1."""

    def simulate(self, rng):
        mu = rng.normal()
        theta = rng.normal(mu, 1, size=8)
        return hiercal.Simulation(
            truth={"mu": mu, "theta": theta}, data={"y": rng.normal(theta, 1)}
        )


def draws(data, seed, width):
    rng, y = np.random.default_rng(seed), data["y"]
    precision = 1 + len(y) / 2
    mean = y.sum() / 2 / precision
    mu = rng.normal(mean, width * precision**-0.5, size=(2, 250))
    return {"mu": mu, "theta": rng.normal((mu[..., None] + y) / 2, 0.5**0.5)}


def right(data, seed):
    return draws(data, seed, 1)


def narrow(data, seed):
    return draws(data, seed, 0.5)


def failing(data, seed):
    if data["y"][0] > -5 and seed % 2:
        raise ArithmeticError("does not converge")
    return draws(data, seed, 1)
'''


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "means.py"
    path.write_text(MODEL)
    return path


def check(file, out, *options):
    return CliRunner().invoke(main, ["check", f"{file}:Means", "--workers", "0", "--out", str(out),
                                     *options])  # fmt: skip


def eight(simulations=30, **options):
    return hiercal.Run(
        stories=[hiercal.story("eight_schools")],
        fitters=[hiercal.fitter("exact")],
        simulations=simulations,
        compare_exact=True,
        **options,
    )


def record(simulation, ranks, error=None):
    values = np.full((len(ranks), len(COLUMNS)), 500.0)
    values[:, COLUMNS.index("rank")] = values[:, COLUMNS.index("rank_effective")] = ranks
    return FitRecord(simulation, error, 0.1, values=values)


def test_a_wrong_fitter_is_found_and_the_right_one_is_not(file, tmp_path):
    out = tmp_path / "out"
    done = check(file, out, "--fitter", f"{file}:narrow", "--fitter", f"{file}:right",
                 "--max-simulations", "150")  # fmt: skip
    assert done.exit_code == 1, done.output
    table = hiercal.decide(
        hiercal.Run(
            stories=[hiercal.story(f"{file}:Means")],
            fitters=[hiercal.fitter(f"{file}:narrow"), hiercal.fitter(f"{file}:right")],
            simulations=150,
            name="Means",
        ),
        out,
        where=HERE,
        progress=False,
    ).table
    wrong, right = (table[table["arm"].str.contains(name)] for name in ("narrow", "right"))
    assert (wrong["verdict"] == "miscalibrated").all()
    assert wrong["simulations"].iloc[0] < 150
    assert wrong.set_index("quantity")["named"]["mu"]
    assert (right["verdict"] == "no evidence").all()
    assert not right["named"].any()
    assert "mu has ranks that are not uniform (too narrow)" in done.output
    assert "no evidence. With probability 0.9 it would have found" in done.output
    assert (out / "figures" / "evidence.png").exists()


def test_failed_fits_leave_it_open_and_are_told(file, tmp_path):
    done = check(file, tmp_path / "out", "--fitter", f"{file}:failing", "--max-simulations", "60")
    assert done.exit_code == 3, done.output
    assert "fits failed: fit: ArithmeticError: does not converge" in done.output
    assert "turns on the failed fits" in done.output


def test_one_command_goes_on_where_it_stopped(file, tmp_path):
    short, long = tmp_path / "short", tmp_path / "long"
    options = ("--fitter", f"{file}:right")
    assert check(file, short, *options, "--max-simulations", "20").exit_code == 0
    assert check(file, short, *options, "--max-simulations", "40").exit_code == 0
    assert check(file, long, *options, "--max-simulations", "40").exit_code == 0
    assert (short / "evidence.csv").read_bytes() == (long / "evidence.csv").read_bytes()
    other = check(file, short, *options, "--seed", "1")
    assert other.exit_code == 2
    assert "holds another run" in other.output
    shown = CliRunner().invoke(main, ["show", str(short)])
    assert shown.exit_code == 2
    assert "is of hiercal check; the same command" in shown.output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["check", "eight_school"], "did you mean 'eight_schools'"),
        (["check", "eight_schools", "--fitter", "numpyr"], "did you mean 'numpyro'"),
        (["check", "eight_schools", "--model", "center"], "did you mean 'centred'"),
        (["check", "nothing.toml"], "cannot read nothing.toml"),
        (["check", "eight_schools", "--alpha", "1"], "0<x<1"),
    ],
)
def test_mistakes_in_the_command_are_one_sentence(options, said):
    done = CliRunner().invoke(main, options)
    assert done.exit_code == 2
    assert said in done.output


def test_records_count_in_order_whatever_order_they_come_in():
    rng = np.random.default_rng(1)
    records = [record(i, rng.integers(0, 100, 2)) for i in range(12)]
    straight, shuffled = (ArmEvidence("a", ("x", "y"), 99, 50.0) for _ in range(2))
    straight.add(records)
    for i in rng.permutation(12):
        shuffled.add([records[i]])
    assert shuffled.path == straight.path
    later = ArmEvidence("a", ("x", "y"), 99, 50.0)
    later.add(records[1:])
    assert later.simulations == 0


def test_evidence_ends_with_the_simulation_that_decided():
    arm = ArmEvidence("a", ("x",), 99, float(np.log(1000)))
    assert arm.add([record(i, [0]) for i in range(30)])
    assert arm.verdict == "miscalibrated"
    assert arm.simulations < 10
    assert arm.path[-1] >= arm.threshold > arm.path[-2]


def test_an_arm_without_a_completed_fit_is_undecided():
    arm = ArmEvidence("a", ("x",), 99, 7.0)
    arm.add([record(i, [0], error="fit: no") for i in range(3)])
    assert arm.verdict == "undecided"
    assert arm.errors == {"fit: no": 3}


def test_draws_are_compared_with_the_exact_posterior(tmp_path):
    arm = hiercal.decide(eight(), tmp_path, where=HERE, progress=False).arms[0]
    assert arm.verdict == "no evidence"
    means, errors, ess = arm.differences()
    known = np.isfinite(means).all(axis=1)
    compared = [name for name, each in zip(arm.quantities, known, strict=True) if each]
    assert compared[:2] == ["mu", "tau"]
    assert len(compared) == 10
    assert (np.abs(means[known]) < 5 * errors[known]).all()
    assert (ess[known] > 700).all()
    with Journal(tmp_path / "journal.sqlite") as journal:
        (first, *_), *_ = journal.fits(0, 1)
    assert first.exact_scores.shape == (len(arm.quantities), 8)


def test_arms_are_fitted_in_turn_and_one_that_is_decided_no_more(file, tmp_path, monkeypatch):
    # on a fast machine a batch of a second would hold all
    monkeypatch.setattr(plan, "LARGEST_BATCH", 20)
    run = hiercal.Run(
        stories=[hiercal.story(f"{file}:Means")],
        fitters=[hiercal.fitter(f"{file}:narrow"), hiercal.fitter(f"{file}:right")],
        simulations=300,
    )
    wrong, right = hiercal.decide(run, tmp_path / "out", where=HERE, progress=False).arms
    assert right.simulations == 300
    with Journal(tmp_path / "out" / "journal.sqlite") as journal:
        assert wrong.simulations <= len(journal.done(0)) < 300
    with pytest.raises(ValueError, match="alpha is 2"):
        hiercal.decide(run, tmp_path / "other", alpha=2)


def test_draws_that_are_tied_at_one_are_not_compared():
    """Where all of a region answer alike, half of the draws of its proportion may be 1.0."""
    story = hiercal.story("survey")
    run = hiercal.Run(
        stories=[story], fitters=[hiercal.fitter("exact", model="collapsed")], simulations=1
    )
    data = {"counts": np.array([[45, 0, 0, 0], *[[0, 0, n, 0] for n in (120, 60, 80, 35, 95)]])}
    drawn = hiercal.fit(story, run.fitters[0], data, seed=1).draws["pi"]
    draws, names = drawn.reshape(1, len(drawn[0]), -1), story.labels("pi")
    scores = compared(run.arms[0], names, draws, data)
    tied = (draws == 1).any(axis=(0, 1))
    assert tied.sum() == 6
    assert np.isnan(scores[tied]).all()
    z = scores[~tied, :4] * np.sqrt(scores[~tied, 4:])
    assert not (np.abs(z) > 5).any()
    # draws that are tied where the exact posterior has no such mass are held against it
    stuck = np.full_like(draws, 0.5)
    assert np.isfinite(compared(run.arms[0], names, stuck, data)).all()

"""Saved results compared, and evidence carried from one session to the next."""

import dataclasses
import json

import numpy as np
import pytest

from hiercal import Where, fitter, story
from hiercal.runs import baseline, carried
from hiercal.runs.columns import COLUMNS, FitRecord
from hiercal.runs.comparison import TOLERANCES, compare, limits_of
from hiercal.runs.engine import JOURNAL
from hiercal.runs.evidence import decide
from hiercal.runs.journal import Journal
from hiercal.sbc.sequential import exact_scores

N, L = 60, 99


def made(*, ess=400.0, gradients=3000, divergent=0, failed=0, shift=0.0, sd=1.0, seed=1):
    """A record of planted values, of one quantity whose exact posterior is known."""
    truth, noise = (np.random.default_rng(s).normal(size=N) for s in (5, seed))
    errors = shift + 0.05 * noise
    ranks = np.clip(np.floor((L + 1) * _cdf((truth - errors) / sd)), 0, L).astype(int)
    done = [i >= failed for i in range(N)]
    each = {
        "gradients": [gradients] * N,
        "ess": list(ess * np.exp(0.1 * noise)),
        "divergences": [3 * (i < divergent) for i in range(N)],
        "failed": [not d for d in done],
        "ranks": {"mu": [int(r) if d else None for r, d in zip(ranks, done, strict=True)]},
        "exact_mean": {"mu": list(errors)},
        "exact_sd": {"mu": list((sd**2 - 1) / 2**0.5 + 0.05 * noise)},
    }
    return {"data": "normal{}", "seed": 0, "max_rank": L, "each": each}


def _cdf(z):
    from scipy.special import ndtr

    return ndtr(z)


def verdicts(now, before, **limits):
    return {c.metric: c.verdict for c in compare(now, before, {**TOLERANCES, **limits})}


def test_the_same_again_is_no_worse():
    assert set(verdicts(made(), made()).values()) == {"no worse"}


@pytest.mark.parametrize(
    ("now", "metric"),
    [
        ({"ess": 300.0}, "ess_per_gradient"),
        ({"ess": 300.0}, "ess"),
        ({"gradients": 4000}, "ess_per_gradient"),
        ({"divergent": 20}, "divergences"),
        ({"failed": 12}, "failures"),
        ({"shift": 0.2}, "calibration"),
        ({"shift": -0.2}, "calibration"),
        ({"sd": 0.8}, "calibration"),
    ],
)
def test_what_was_planted_is_worse_and_the_other_way_round_it_is_not(now, metric):
    assert verdicts(made(**now), made())[metric] == "worse"
    assert verdicts(made(), made(**now))[metric] == "no worse"


def test_an_interval_that_includes_the_tolerance_is_undecided():
    (one,) = compare(made(ess=360.0, seed=2), made(), {"ess_per_gradient": 0.1})
    assert one.verdict == "undecided"
    low, high = (float(x) for x in one.said.split("interval ")[1].split(",")[0].split(" to "))
    assert low < 0.9 < high
    assert verdicts(made(divergent=5), made())["divergences"] == "undecided"


def test_the_ratio_is_the_geometric_mean_of_paired_ratios():
    now, before = made(), made()
    now["each"]["ess"] = [2 * x if i % 2 else x for i, x in enumerate(before["each"]["ess"])]
    (one,) = compare(now, before, {"ess": 0.1})
    assert one.said.startswith(f"{2**0.5:.3f} times")


def test_without_an_exact_posterior_ranks_are_compared():
    now, before = made(shift=0.6), made()
    for one in (now, before):
        one["each"] |= {"exact_mean": {}, "exact_sd": {}}
    assert verdicts(now, before)["calibration"] == "worse"
    assert verdicts(before, before)["calibration"] == "no worse"


def test_other_data_are_not_comparable():
    for differs in ({"seed": 4}, {"data": "other"}, {"max_rank": 9}):
        assert set(verdicts(made() | differs, made()).values()) == {"not comparable"}
    assert verdicts(made(gradients=0), made())["ess_per_gradient"] == "not comparable"


def test_false_alarms_of_the_efficiency_at_its_tolerance():
    """At a loss of just the tolerance the whole interval lies beyond it in 2.5 % of comparisons."""
    rng, alarms, runs = np.random.default_rng(1), 0, 400
    now, before = made(), made()
    for _ in range(runs):
        logs = np.log(0.9) + 0.2 * rng.normal(size=N)
        now["each"]["ess"] = list(np.exp(logs) * np.array(before["each"]["ess"]))
        alarms += verdicts(now, before)["ess"] == "worse"
    assert 2 <= alarms <= 20  # binomial(400, .025): outside with probability .001


@pytest.mark.parametrize("text", ["speed", "ess:x", "ess:-1"])
def test_wrong_tolerances_are_refused(text):
    with pytest.raises(ValueError, match=r"valid: calibration|no tolerance|0 or more"):
        limits_of([text])


def checked(run, folder, alpha=0.01):
    (found,) = decide(run, folder, alpha=alpha, where=Where(workers=0), progress=False)
    with Journal(folder / JOURNAL) as journal:
        fits = [one for part in journal.fits(0, len(found.path)) for one in part]
    return baseline.record(run, found, fits, alpha)


def test_a_saved_record_is_read_back_and_is_what_it_was(mock_run, tmp_path):
    kept = checked(mock_run(simulations=30, raises=0.1), tmp_path / "run")
    assert kept["simulations"] == 30
    assert kept["failed"] == sum(kept["each"]["failed"]) > 0
    assert [sum(c) for c in kept["rank_counts"].values()] == [30 - kept["failed"]] * 4
    for number in (1, 2):
        path = baseline.save(tmp_path, "a", {"t": kept}, {"seed": 1})
        assert path == tmp_path / baseline.machine() / f"000{number}_a.json"
        found, content = baseline.load(tmp_path, "last")
        assert found == path
        assert content["tests"]["t"] == json.loads(json.dumps(kept))
    assert baseline.load(tmp_path, "1")[0].name == "0001_a.json"
    with pytest.raises(FileNotFoundError, match="--calibration-save"):
        baseline.load(tmp_path, "3")
    with pytest.raises(ValueError, match="no name of a file"):
        baseline.save(tmp_path, "a/b", {}, {})


def test_differences_from_the_exact_posterior_are_kept(mock_run, tmp_path):
    run = dataclasses.replace(
        mock_run(simulations=3), stories=[story("eight_schools")], fitters=[fitter("exact")],
        compare_exact=True,
    )  # fmt: skip
    kept = checked(run, tmp_path)
    assert len(kept["each"]["exact_mean"]["mu"]) == 3
    assert set(verdicts(kept, kept).values()) == {"no worse", "not comparable"}


def fits(rng, n, names=("a", "b"), max_rank=L, shift=0.0):
    """Records of exact draws, with differences from the exact posterior."""
    for i in range(n):
        values = np.ones((len(names), len(COLUMNS)))
        for column in ("rank", "rank_effective"):
            values[:, COLUMNS.index(column)] = rng.integers(max_rank + 1, size=len(names))
        values[:, COLUMNS.index("ess_bulk")] = 1000
        means, ess = exact_scores(rng.uniform(size=(1, 50, len(names))) ** np.exp(shift))
        scores = np.concatenate([means, ess], axis=-1)
        yield FitRecord(i, None, 0.0, values=values, exact_scores=scores)


def continued(state=None):
    found = carried.Continued("arm", ("a", "b"), L, float(np.log(1 / 0.05)))
    if state:
        found.go_on(json.loads(json.dumps(state)))
    return found


def test_carried_evidence_is_that_of_one_session():
    all_fits = list(fits(np.random.default_rng(3), 30))
    at_once = continued()
    at_once.add(all_fits)
    state, paths = None, []
    for night in range(3):
        found = continued(state)
        own = all_fits[10 * night : 10 * night + 10]
        found.add([dataclasses.replace(one, simulation=i) for i, one in enumerate(own)])
        state = found.state("key", night)
        paths += found.path
    np.testing.assert_allclose(paths, at_once.path, atol=1e-9)
    assert found.simulations == 30
    np.testing.assert_array_equal(found.counts, at_once.counts)


def test_nights_together_raise_few_false_alarms():
    """Level .05 over four nights: at most 8 of 50 with probability .999."""
    alarms = 0
    for key in range(50):
        state, rng = None, np.random.default_rng([17, key])
        for night in range(4):
            found = continued(state)
            if not found.settled:
                found.add(list(fits(rng, 6)))
                state = found.state("key", night)
        alarms += found.rejected
    assert alarms <= 8


def night(run, storage, out, alpha=0.01, test="t"):
    return carried.go_on(run, out, storage, alpha=alpha, test=test)


def test_a_seed_counts_once_and_a_change_starts_anew(mock_run, tmp_path):
    first = night(mock_run(simulations=5, seed=1), tmp_path, tmp_path / "a")
    again = night(mock_run(simulations=9, seed=1), tmp_path, tmp_path / "b")
    assert (first.simulations, again.simulations, again.path) == (5, 5, [])
    second = night(mock_run(simulations=9, seed=2), tmp_path, tmp_path / "c")
    assert second.simulations == 14
    for change in ({"alpha": 0.02}, {"test": "u"}):
        run = mock_run(simulations=5, seed=3)
        assert night(run, tmp_path, tmp_path / f"{change}", **change).simulations == 5
    other = mock_run(simulations=5, seed=3, draws=500)
    assert night(other, tmp_path, tmp_path / "d").simulations == 5


def test_a_decision_stays(mock_run, tmp_path):
    wrong = [mock_run(simulations=4, seed=seed, always=3) for seed in range(6)]
    found = [night(run, tmp_path, tmp_path / str(i)) for i, run in enumerate(wrong)]
    assert not found[0].rejected
    assert found[-1].rejected
    assert found[-1].verdict == "miscalibrated"
    assert night(wrong[0], tmp_path, tmp_path / "again").rejected


def test_a_killed_night_counts_nothing(mock_run, tmp_path, monkeypatch):
    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(carried, "decided", killed)
        with pytest.raises(KeyboardInterrupt):
            night(mock_run(seed=1), tmp_path, tmp_path / "a")
    assert night(mock_run(simulations=4, seed=1), tmp_path, tmp_path / "b").simulations == 4

"""Fits that are made several in one call: what one gives is its own, whatever becomes of others."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hiercal import Run, Where, fitter, simulate, story
from hiercal.errors import RunError
from hiercal.runs import pools, supervisor
from hiercal.runs.batches import Fitted, Outcome
from hiercal.runs.fit import fit, fit_many, sampler_seed
from hiercal.runs.limits import FIRST, LEAST, TIMES, TimeLimits
from hiercal.runs.plan import Plan
from tests.running import run

MOCKS = Path(__file__).parents[1] / "mocks.py"
STORY = story(f"{MOCKS}:Revealing")
SIMULATIONS = 10
U = np.array([float(simulate(0, STORY, i).data["u"]) for i in range(SIMULATIONS)])
LOST = int(U.argmax())
SHARE = float(1 - np.sort(U)[-2:].mean())
"""A fault of this share loses the simulation of the largest ``u`` alone."""


def design(several, **options):
    one = fitter(f"{MOCKS}:Several", several=several, **options)
    return Run(stories=[STORY], fitters=[one], simulations=SIMULATIONS, name="several")


def errors(result):
    fits = result.fits[result.fits["error"].notna()]
    return [(row["simulation"], row["error"]) for row in fits.to_dict("records")]


@pytest.mark.parametrize("several", [3, 4, 50])
@pytest.mark.parametrize("workers", [0, 2])
def test_records_are_those_of_single_fits(several, workers, tmp_path):
    planted = {"share": 0.0, "raises": 0.3, "short": 0.2, "nan": 0.2}
    singly = run(design(1, **planted), tmp_path / "one")
    together = run(design(several, **planted), tmp_path / "many", workers=workers)
    assert 0 < len(errors(singly)) < SIMULATIONS
    assert errors(together) == errors(singly)
    pd.testing.assert_frame_equal(together.records, singly.records, check_exact=True)


def test_a_run_goes_on_in_the_middle_of_a_call(tmp_path):
    one = design(4, share=0.0)
    whole = run(one, tmp_path / "whole").records
    for simulations in (6, SIMULATIONS):
        part = Run(stories=one.stories, fitters=one.fitters, simulations=simulations, name="part")
        grown = run(part, tmp_path / "grown").records
    pd.testing.assert_frame_equal(grown, whole, check_exact=True)


@pytest.mark.parametrize("fault", ["sleeps", "exits"])
def test_a_call_that_does_not_come_back_loses_only_the_fit_that_is_to_blame(
    fault, tmp_path, monkeypatch
):
    monkeypatch.setattr(supervisor, "TRIES", 1)
    lost = design(2, share=SHARE, fault=fault)
    result = run(lost, tmp_path / "lost", where=Where(1, fit_seconds=2.0))
    why = {
        "sleeps": "fit: TimeLimit: not back after 4 s, the time limit of 2 fits at once",
        "exits": "fit: WorkerDied: its worker process ended with exit code 17, 1 times",
    }
    assert errors(result) == [(LOST, why[fault])]
    others = result.records[result.records["simulation"] != LOST].reset_index(drop=True)
    whole = run(design(2, share=0.0), tmp_path / "whole").records
    whole = whole[whole["simulation"] != LOST].reset_index(drop=True)
    pd.testing.assert_frame_equal(others, whole, check_exact=True)


def test_more_time_fits_again_what_a_call_lost(tmp_path):
    lost = design(2, share=SHARE, once=str(tmp_path / "hung"))
    short = Where(1, fit_seconds=2.0)
    assert errors(run(lost, tmp_path / "out", where=short)) == []  # the second try, alone
    always = design(2, share=SHARE)
    first = run(always, tmp_path / "always", where=short)
    # the limit of one fit, so that a second more of it is more time
    assert first.fits.loc[LOST, "seconds"] == 2.0
    again = run(always, tmp_path / "always", where=Where(1, fit_seconds=3.0))
    assert errors(again) == [
        (LOST, "fit: TimeLimit: not back after 6 s, the time limit of 2 fits at once")
    ]


def test_an_arm_all_of_whose_calls_are_lost_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "TRIES", 1)
    monkeypatch.setattr(pools, "LOST_IN_A_ROW", 3)
    with pytest.raises(RunError, match="given up after 3 fits in a row that did not come back"):
        run(design(4, share=1.0, fault="exits"), tmp_path, where=Where(1))


def test_batches_are_whole_calls():
    plan = Plan([list(range(1000)), list(range(1000))], calls=[64, 1500])
    assert len(plan.next().simulations) == 64
    plan.observe(Outcome(plan.next(), Fitted([None] * 64, 0.64)))
    assert len(plan.next().simulations) == 128  # 100 fits a second
    plan.drop(0)
    assert len(plan.next().simulations) == 1000  # all there are


def test_the_limit_of_a_call_is_that_of_its_fits():
    assert TimeLimits(7.0).of("a", 10) == 70
    assert TimeLimits(0).of("a", 10) == np.inf
    limits = TimeLimits(None)
    assert limits.of("a", 10) == FIRST
    limits.observe("a", 0.001)
    assert limits.of("a", 10) == LEAST
    limits.observe("a", 60.0)
    assert limits.of("a", 10) == TIMES * 600


def test_random_numbers_do_not_depend_on_how_many_fits_are_made_at_once():
    one, many = (fitter("numpyro", batch=batch) for batch in (1, 100))
    assert sampler_seed(0, STORY, one, 3) == sampler_seed(0, STORY, many, 3)
    other = fitter("numpyro", batch=100, target_accept=0.9)
    assert sampler_seed(0, STORY, one, 3) != sampler_seed(0, STORY, other, 3)


def test_a_fitter_that_returns_too_few_fits_is_told():
    class Short(type(fitter(f"{MOCKS}:Known"))):
        at_once = 3

        def prepare_many(self, story):
            return lambda data, seeds: [self._refit(data[0], seeds[0])]

    data = [simulate(0, STORY, i).data for i in range(3)]
    fits = fit_many(STORY, Short(), data, range(3))
    assert {one.error for one in fits} == {
        "fit: ValueError: zip() argument 2 is longer than argument 1"
    }
    assert fit(STORY, Short(), data[0], 0).error is None


def test_fits_that_no_memory_holds_at_once_are_refused():
    schools = story("eight_schools")
    with pytest.raises(ValueError, match=r"10,000,000 fits at once of eight_schools would be .*; "
                       "give a smaller batch or fewer draws"):  # fmt: skip
        Run(stories=[schools], fitters=[fitter("numpyro", batch=10_000_000)])

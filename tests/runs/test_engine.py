"""The engine, driven by fits whose ranks are known."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hiercal import Result, Where, fitter, simulate
from hiercal.errors import JournalError, RunError
from hiercal.runs import batches, executors
from hiercal.runs.engine import outcomes
from hiercal.runs.fit import fit, sampler_seed
from hiercal.runs.journal import Journal
from hiercal.runs.plan import Plan
from tests.running import run

MOCKS = Path(__file__).parents[1] / "mocks.py"


def known(**options):
    return fitter(f"{MOCKS}:Known", **options)


def drawn(design, name):
    """A number of the data of every simulation."""
    [story] = design.stories
    each = [simulate(design.seed, story, i).data[name] for i in range(design.simulations)]
    return np.array(each, float)


def test_ranks_are_those_that_were_planted(mock_run, tmp_path):
    design = mock_run(simulations=40)
    records = run(design, tmp_path).records
    planted = drawn(design, "rank").tolist()
    for quantity in ("x", "g[A]", "g[B]"):
        rows = records[records["quantity"] == quantity]
        assert rows["simulation"].tolist() == list(range(40))
        assert rows["rank"].tolist() == planted
    ties = records[records["quantity"] == "log_lik"]["rank"]
    assert len(set(ties)) > 20, "ties are broken at random, not at one end"
    assert set(records["max_rank"]) == {99}


def test_summaries_are_those_of_the_draws(mock_run, tmp_path):
    design = mock_run(simulations=1)
    row = run(design, tmp_path).records.set_index("quantity").loc["x"]
    (arm,) = design.arms
    data = simulate(design.seed, arm.story, 0).data
    seed = sampler_seed(design.seed, arm.story, arm.fitter, 0)
    draws = fit(arm.story, arm.fitter, data, seed).draws["x"][0]
    assert row["truth"] == data["x"]
    assert row["mean"] == pytest.approx(draws.mean(), rel=1e-12)
    assert row["sd"] == pytest.approx(draws.std(ddof=1), rel=1e-12)
    np.testing.assert_allclose(
        row[["lower", "upper"]].astype(float), np.quantile(draws, [0.055, 0.945])
    )
    import arviz_stats.base as base

    assert row["ess_bulk"] == pytest.approx(
        base.array_stats.ess(draws[None], chain_axis=0, draw_axis=1)
    )


@pytest.mark.parametrize("variant", ["two workers", "single fits", "one batch"])
def test_results_are_identical_however_they_are_computed(mock_run, tmp_path, monkeypatch, variant):
    design = mock_run(simulations=30, raises=0.1, short=0.1, also=[known(always=3)])
    reference = run(design, tmp_path / "reference").records
    if variant == "two workers":
        other = run(design, tmp_path / "other", workers=2).records
    else:
        size = 1 if variant == "single fits" else 30
        monkeypatch.setattr("hiercal.runs.plan.FIRST_BATCH", size)
        monkeypatch.setattr("hiercal.runs.plan.LARGEST_BATCH", size)
        other = run(design, tmp_path / "other").records
    pd.testing.assert_frame_equal(reference, other, check_exact=True)


def test_more_simulations_extend_a_run(mock_run, tmp_path):
    first = run(mock_run(simulations=20), tmp_path / "grown").records
    grown = run(mock_run(simulations=50), tmp_path / "grown").records
    whole = run(mock_run(simulations=50), tmp_path / "whole").records
    pd.testing.assert_frame_equal(grown, whole, check_exact=True)
    pd.testing.assert_frame_equal(grown[: len(first)], first, check_exact=True)


def test_a_finished_run_fits_nothing_again(mock_run, tmp_path, monkeypatch):
    run(mock_run(), tmp_path)
    monkeypatch.setattr(executors, "fit_batch", None)
    assert len(run(mock_run(), tmp_path).records) == 60 * 4


def test_another_run_is_refused_and_harms_nothing(mock_run, tmp_path):
    run(mock_run(seed=1), tmp_path)
    with pytest.raises(JournalError, match=r"seed: 1 there, 2 now(.|\n)*another --out"):
        run(mock_run(seed=2), tmp_path)
    assert Result(tmp_path).manifest["seed"] == 1


def test_failed_fits_are_records(mock_run, tmp_path):
    design = mock_run(simulations=200, raises=0.1, short=0.1, nan=0.1)
    result = run(design, tmp_path)
    u = drawn(design, "u")
    errors = result.fits["error"]
    assert errors[u < 0.1].str.contains("ArithmeticError: planted failure").all()
    assert (
        errors[(u >= 0.1) & (u < 0.2)].str.contains(r"shape \(1, 395\), expected \(1, 396\)").all()
    )
    assert errors[(u >= 0.2) & (u < 0.3)].str.contains("1 draws of x are not finite").all()
    assert errors[u >= 0.3].isna().all()
    failed = result.records[result.records["status"] == "failed"]
    assert len(failed) == 4 * (u < 0.3).sum()
    assert failed["truth"].notna().all()
    assert failed[["rank", "mean", "ess_bulk"]].isna().all(axis=None)


def test_an_arm_that_cannot_be_prepared_does_not_stop_the_others(mock_run, tmp_path):
    design = mock_run(simulations=20, broken=True, also=[known()])
    with pytest.raises(RunError, match="the compiler is out of order"):
        run(design, tmp_path)
    with Journal(tmp_path / "journal.sqlite") as journal:
        assert journal.done(0) == set()
        assert journal.done(1) == set(range(20))


@pytest.mark.slow
def test_a_fit_that_kills_its_worker_is_recorded_and_no_other_is(mock_run, tmp_path):
    design = mock_run(simulations=40)
    u = drawn(design, "u")
    killer = int(u.argmax())
    design = mock_run(simulations=40, kills=1 - np.sort(u)[-2:].mean())
    fits = run(design, tmp_path, workers=2).fits
    assert fits["simulation"].tolist() == list(range(40))
    dead = fits[fits["error"].notna()]
    assert dead["simulation"].tolist() == [killer]
    (error,) = dead["error"]
    assert error == "fit: WorkerDied: its worker process ended with exit code 17, 2 times"


def test_worker_counts_and_schedulers_that_cannot_be_are_refused(mock_run, tmp_path):
    address = "tcp://127.0.0.1:1"
    with pytest.raises(ValueError, match="workers is -1"):
        Where(workers=-1)
    with pytest.raises(ValueError, match="leave it out"):
        Where(workers=2, scheduler=address)
    for unreachable in (address, "tls://127.0.0.1:1"):
        with pytest.raises(RunError, match=f"cannot reach the Dask scheduler {unreachable}"):
            run(mock_run(), tmp_path, where=Where(scheduler=unreachable))


@pytest.mark.slow
@pytest.mark.parametrize("way", ["address", "file", "environment"])
def test_a_running_cluster_is_used(mock_run, tmp_path, way, monkeypatch):
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        options = {}
        if way == "address":
            options = {"scheduler": cluster.scheduler_address}
        elif way == "file":
            path = tmp_path / "scheduler.json"
            path.write_text(f'{{"address": "{cluster.scheduler_address}"}}')
            options = {"scheduler_file": path}
        else:
            monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", cluster.scheduler_address)
        other = run(mock_run(), tmp_path / "theirs", where=Where(**options))
    pd.testing.assert_frame_equal(other.records, run(mock_run(), tmp_path / "ours").records)


def test_batches_grow_to_about_a_second():
    plan = Plan([list(range(2000)), list(range(3))])
    first = plan.next()
    assert first.simulations == (0, 1, 2, 3)
    records = [None] * 4
    plan.observe(batches.Outcome(first, batches.Fitted(records, 0.04)))
    assert len(plan.next().simulations) == 100
    plan.drop(0)
    assert plan.next() == batches.Batch(1, (0,))  # few are fitted singly until their time is known
    plan.observe(batches.Outcome(batches.Batch(1, (0,)), batches.Fitted([None], 0.04)))
    assert plan.next() == batches.Batch(1, (1, 2))
    assert plan.next() is None


def planned(at_once, per_fit, fits):
    """Sizes of all batches that so many workers are given, once the time of a fit is known."""
    plan = Plan([list(range(fits))])
    plan.at_once = at_once
    plan.observe(batches.Outcome(batches.Batch(0, (0,)), batches.Fitted([None], per_fit)))
    return [len(batch.simulations) for batch in iter(plan.next, None)]


def test_many_workers_have_longer_batches_so_that_few_come_back_in_a_second():
    assert planned(8, 0.01, 10_000)[0] == 100
    for workers in (1000, 5000):
        for size in planned(workers, 1.0, 100_000)[:-1]:
            assert workers / size == pytest.approx(200)
    assert planned(1000, 1e-4, 100_000)[0] == 5000


def test_batches_are_shared_out_towards_the_end():
    for workers in (2, 8):
        sizes = planned(workers, 0.01, 1600)
        assert sum(sizes) == 1600
        assert sizes == sorted(sizes, reverse=True)
        # none has more than its share of what is left, down to a tenth of a second
        left = 1600
        for size in sizes:
            assert size <= max(left / (2 * workers), 10)
            left -= size
    assert planned(1, 0.01, 300) == [100, 100, 100]


def test_fewer_simulations_show_the_first_of_a_longer_run(mock_run, tmp_path):
    run(mock_run(simulations=50), tmp_path / "long")
    first = run(mock_run(simulations=20), tmp_path / "long").records
    pd.testing.assert_frame_equal(
        first, run(mock_run(simulations=20), tmp_path / "short").records, check_exact=True
    )


def test_a_caller_may_stop_when_it_has_seen_enough(mock_run):
    design = mock_run(simulations=1000)
    first = next(outcomes(design, Plan([list(range(1000))]), executors.Here()))
    assert [record.simulation for record in first.fitted.records] == [0, 1, 2, 3]


def test_few_fits_stay_with_the_worker_that_compiled_their_arm():
    plan = Plan([list(range(20))] * 4, kinds=["a", "a", "b", "b"])

    def given(worker):
        return (batch := plan.next(worker)) and (batch.arm, len(batch.simulations))

    # a library each, then both arms of it, and one fit until its time is known
    assert [given(worker) for worker in ("one", "two") * 2] == [(0, 1), (2, 1), (1, 1), (3, 1)]
    for arm in range(4):
        plan.observe(batches.Outcome(batches.Batch(arm, (0,)), batches.Fitted([None], 1.0)))
        plan.observe(batches.Outcome(batches.Batch(arm, (1,)), batches.Fitted([None], 0.01)))
    assert [given("one"), given("one"), given("one")] == [(0, 19), (1, 19), None]
    assert [given("two"), given("two")] == [(2, 19), (3, 19)]


def test_a_second_worker_compiles_an_arm_that_has_much_left():
    for number, seconds, wanted in ((20, None, None), (200, None, 0), (20, 10.0, 0)):
        plan = Plan([list(range(number))])
        plan.next("one")
        if seconds is not None:
            plan.observe(batches.Outcome(batches.Batch(0, (0,)), batches.Fitted([None], seconds)))
        batch = plan.next("two")
        assert (batch and batch.arm) == wanted, (number, seconds)

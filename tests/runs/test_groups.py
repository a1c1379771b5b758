"""Runs that keep summaries over the group effects, against those that keep each."""

import dataclasses
from typing import ClassVar

import arviz as az
import numpy as np
import pandas as pd
import pytest

from hiercal import Run, Simulation, fitter, story
from hiercal.config import read
from hiercal.errors import ConfigError, JournalError
from hiercal.runs import batches, group_effects, plan
from hiercal.runs.journal import Journal
from hiercal.sbc.efficiency import diagnostics
from hiercal.tables import coverage, groups, verdicts
from tests.running import run

pytestmark = pytest.mark.figures

SUMMARIES = ["theta[mean]", "theta[min]", "theta[max]"]
N = 30


def schools(n=200, **options):
    return Run(
        stories=[story("eight_schools", sigma=(10.0,) * n)],
        fitters=[fitter("exact")],
        **({"simulations": N, "seed": 8} | options),
    )


def summary_of(design):
    return dataclasses.replace(design, groups="summary")


def known(mocks_file, **options):
    return fitter(f"{mocks_file}:Known", **options)


@pytest.fixture(scope="module")
def each(tmp_path_factory):
    return run(schools(), tmp_path_factory.mktemp("each"))


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    return run(schools(groups="summary"), tmp_path_factory.mktemp("summary"), export=True)


def by_simulation(result, column, names):
    records = result.records
    wide = records.pivot(index="simulation", columns="quantity", values=column)
    return wide[names].to_numpy(dtype=float)


@pytest.fixture(scope="module")
def single(each):
    return [f"theta[{i}]" for i in range(1, 201)]


def test_group_effects_give_way_to_their_summaries(each, summary, single):
    others = ["mu", "tau", "theta_new", "log_lik", "log_prior", "log_joint"]
    assert set(each.records["quantity"]) == {*others, *single}
    assert list(summary.records["quantity"][:9]) == [*others[:2], *SUMMARIES, *others[2:]]
    for column in ("truth", "rank"):
        np.testing.assert_array_equal(
            by_simulation(summary, column, others), by_simulation(each, column, others)
        )
    for column in ("mean", "sd", "lower", "hdi_upper", "ess_bulk", "r_hat"):
        np.testing.assert_allclose(
            by_simulation(summary, column, others), by_simulation(each, column, others), rtol=1e-9
        )
    truth = by_simulation(each, "truth", single)
    np.testing.assert_allclose(
        by_simulation(summary, "truth", SUMMARIES),
        np.column_stack([truth.mean(axis=1), truth.min(axis=1), truth.max(axis=1)]),
        rtol=1e-12,
    )


def test_pooled_ranks_are_those_of_the_single_effects(each, summary, single):
    ranks = by_simulation(each, "rank", single).astype(int)
    pooled = summary.group_ranks
    assert pooled["simulation"].tolist() == list(range(N))
    for expected, counts in zip(ranks, pooled["counts"], strict=True):
        np.testing.assert_array_equal(counts, np.bincount(expected, minlength=100))


def test_the_worst_is_that_of_every_quantity_and_group(each, summary):
    columns = {"ess_bulk_min": "ess_bulk", "ess_tail_min": "ess_tail", "r_hat_max": "r_hat"}
    for worst, column in columns.items():
        extreme = worst.rpartition("_")[2]
        of_each = each.records.groupby("simulation")[column].agg(extreme).to_numpy()
        np.testing.assert_array_equal(each.fits[worst], of_each)
        own = summary.records.groupby("simulation")[column].agg(extreme).to_numpy()
        both = np.stack([of_each, own])
        expected = both.min(axis=0) if extreme == "min" else both.max(axis=0)
        np.testing.assert_allclose(summary.fits[worst], expected, rtol=1e-9)


def test_records_of_each_group_are_as_they_were(tmp_path):
    """The option leaves no trace in a run that does not use it, and streams are shared."""
    design = schools(8)
    assert not {"groups", "below"} & set(design.describe())
    other = summary_of(design)
    assert other.describe()["groups"] == "summary"
    assert other.digest != design.digest
    assert other.arms[0].key == design.arms[0].key
    run(design, tmp_path)
    with pytest.raises(JournalError, match="groups: None there, summary now"):
        run(other, tmp_path)


def test_tables_and_figures_are_made(summary):
    written = {path.name for path in summary.folder.iterdir()}
    assert {"groups.csv", "group_ranks.parquet", "verdicts.csv", "coverage.csv"} <= written
    assert (summary.folder / "figures" / "group_ranks.png").exists()
    assert set(verdicts(summary)["verdict"]) == {"calibrated"}
    assert len(coverage(summary)) == 9 * 4
    [row] = groups(summary).to_dict("records")
    assert (row["n"], row["n_failed"], row["n_groups"]) == (N, 0, 200)
    assert row["p"] == row["p_holm"] > 1e-3
    assert row["ess_bulk_min"] == summary.fits["ess_bulk_min"].min()
    assert row["r_hat_max"] == summary.fits["r_hat_max"].max()
    pit = az.from_zarr(summary.folder / "sbc.zarr")["prior_sbc"]
    assert pit["theta"].sizes["simulation"] == N
    assert pit["theta_dim_0"].to_numpy().tolist() == ["mean", "min", "max"]


def test_the_funnel_keeps_its_truth(each, summary):
    ((arm, data),) = summary.draws()
    truth = each.records[each.records["simulation"] == int(data)].set_index("quantity")["truth"]
    kept = summary.draws()[arm, data]
    assert kept["truth"].tolist() == truth[["tau", "theta[1]"]].tolist()
    for name, values in each.draws()[arm, data].items():
        np.testing.assert_array_equal(kept[name], values)


def test_a_run_of_each_group_has_no_pooled_ranks(each):
    with pytest.raises(ValueError, match="ranks every group effect in its records"):
        groups(each)
    assert not (each.folder / "group_ranks.parquet").exists()


@pytest.mark.parametrize("variant", ["two workers", "single fits", "one at a time"])
def test_results_are_identical_however_they_are_computed(
    mock_run, mocks_file, tmp_path, monkeypatch, variant
):
    design = summary_of(mock_run(simulations=30, raises=0.1, also=[known(mocks_file, always=3)]))
    reference = run(design, tmp_path / "reference")
    if variant == "single fits":
        monkeypatch.setattr(plan, "LARGEST_BATCH", 1)
    elif variant == "one at a time":
        monkeypatch.setattr(batches, "BYTES_AT_ONCE", 1)
    same(reference, run(design, tmp_path / "other", workers=2 if "two" in variant else 0))


def same(one, other):
    pd.testing.assert_frame_equal(one.records, other.records, check_exact=True)
    fits = [result.fits.drop(columns="seconds") for result in (one, other)]
    pd.testing.assert_frame_equal(*fits, check_exact=True)
    keys = [result.group_ranks[["arm", "simulation"]] for result in (one, other)]
    pd.testing.assert_frame_equal(*keys)
    for column in ("counts", "covariance"):
        values = [np.stack(result.group_ranks[column].to_list()) for result in (one, other)]
        np.testing.assert_array_equal(*values)


def test_a_run_that_was_stopped_goes_on_with_what_was_journalled(tmp_path, monkeypatch):
    design = schools(70, simulations=20, groups="summary")
    whole = run(design, tmp_path / "whole")
    add, whole_batches = Journal.add, iter(range(2))

    def stopped(self, arm, records, *kept):
        if next(whole_batches, None) is None:
            raise KeyboardInterrupt
        add(self, arm, records, *kept)

    with monkeypatch.context() as patch:
        patch.setattr(plan, "LARGEST_BATCH", 4)
        patch.setattr(Journal, "add", stopped)
        with pytest.raises(KeyboardInterrupt):
            run(design, tmp_path / "stopped")
    with Journal(tmp_path / "stopped" / "journal.sqlite") as journal:
        (kept,) = journal.fits(0, 20)
    assert [fit.simulation for fit in kept] == list(range(5))  # one, then four
    for fit, counts in zip(kept, whole.group_ranks["counts"], strict=False):
        np.testing.assert_array_equal(fit.group_ranks, counts)
        assert fit.group_ranks.dtype == np.int32
    same(whole, run(design, tmp_path / "stopped"))


def test_failed_fits_have_no_pooled_ranks_and_are_counted(mock_run, mocks_file, tmp_path):
    design = summary_of(mock_run(simulations=60, raises=0.2, also=[known(mocks_file, raises=1.0)]))
    result = run(design, tmp_path, export=True)
    fits = result.fits
    failed = fits["error"].notna()
    assert fits.loc[failed, ["ess_bulk_min", "ess_tail_min", "r_hat_max"]].isna().all(axis=None)
    done = fits.loc[~failed, ["arm", "simulation"]].reset_index(drop=True)
    pd.testing.assert_frame_equal(result.group_ranks[["arm", "simulation"]], done)
    some, none = groups(result).to_dict("records")
    assert some["n"] + some["n_failed"] == 60
    assert some["n_failed"] == failed[:60].sum() > 0
    assert (none["n"], none["n_failed"]) == (0, 60)
    assert np.isnan(none["p"])
    assert (tmp_path / "figures" / "group_ranks.png").exists()


def test_a_planted_fault_is_found_and_a_right_arm_is_not_rejected(mock_run, mocks_file, tmp_path):
    """Ranks planted uniformly in one arm, all of them 30 in the other."""
    design = summary_of(mock_run(simulations=40, also=[known(mocks_file, always=30)]))
    right, wrong = groups(run(design, tmp_path)).to_dict("records")
    assert right["p"] > 1e-3
    assert wrong["p_holm"] < 1e-6


@dataclasses.dataclass(frozen=True, kw_only=True)
class Regions:
    """Only what the summaries ask of a story."""

    groups: ClassVar = "pi"
    dims: ClassVar = {"tau": (), "pi": ("region", "answer"), "phi": ("region",), "psi": ("answer",)}
    coords: ClassVar = {"region": tuple("abcdefg"), "answer": ("no", "SA")}

    def labels(self, name):
        dims = [self.coords[dim] for dim in self.dims[name]]
        places = pd.MultiIndex.from_product(dims)
        return [f"{name}[{','.join(place)}]" for place in places]


def test_further_dimensions_are_kept_apart(monkeypatch):
    regions, rng = Regions(), np.random.default_rng(1)
    shapes = {"tau": (), "pi": (7, 2), "phi": (7,), "psi": (2,)}
    truth = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    draws = {name: rng.normal(size=(2, 150, *shape)) for name, shape in shapes.items()}
    for values in (truth, draws):
        given = {"tau": values["tau"]}
        for name in ("pi", "phi", "psi"):
            at = np.moveaxis(values[name].reshape(*values["tau"].shape, -1), -1, 0)
            given |= dict(zip(regions.labels(name), at, strict=True))
        found = group_effects.summarised(regions, values, given)
        assert list(found) == [
            "tau",
            *(f"pi[{s},{a}]" for s in ("mean", "min", "max") for a in ("no", "SA")),
            *(f"phi[{s}]" for s in ("mean", "min", "max")),
            *("psi[no]", "psi[SA]"),
        ]
        np.testing.assert_array_equal(found["pi[max,SA]"], values["pi"][..., 1].max(axis=-1))
        np.testing.assert_allclose(found["phi[mean]"], values["phi"].mean(axis=-1), rtol=1e-12)

    whole = group_effects.pooled_effects(regions, truth, draws, 99, rng)
    assert whole.counts.sum() == 7 * 2 + 7
    assert whole.diagnostics.shape == (21, 3)
    monkeypatch.setattr(group_effects, "CHUNK", 4)
    pieces = group_effects.pooled_effects(regions, truth, draws, 99, rng)
    np.testing.assert_array_equal(pieces.counts, whole.counts)
    np.testing.assert_allclose(pieces.covariance, whole.covariance, atol=1e-14)
    np.testing.assert_allclose(pieces.diagnostics, whole.diagnostics, rtol=1e-9)
    found = diagnostics(draws["phi"])
    np.testing.assert_allclose(whole.diagnostics[14:, 0], found["ess_bulk"], rtol=1e-9)


@pytest.mark.parametrize(("n_groups", "at_once"), [(8, 16), (1500, 5), (50_000, 1)])
def test_draws_held_at_once_are_bounded_in_bytes(n_groups, at_once, monkeypatch):
    """64 MiB is what 5.6 fits of 1000 draws of 1502 numbers take."""
    (arm,) = schools(n_groups).arms
    events = []
    monkeypatch.setattr(batches, "fit_many", lambda *_: events.append("fit") or [None])
    monkeypatch.setattr(batches, "drawn", lambda *_: Simulation({}, {}))
    monkeypatch.setattr(batches, "record", lambda *_: events.append("record"))
    batches.fit_batch(arm, schools(8).recording, range(32))
    assert "".join(events).partition("record")[0].count("fit") == at_once


@pytest.mark.parametrize("value", ["all", None, True])
def test_unknown_ways_are_refused(value):
    with pytest.raises(ValueError, match=rf"groups is {value!r}; give 'each' or 'summary'"):
        schools(8, groups=value)


def test_the_option_is_read_from_a_file(tmp_path):
    path = tmp_path / "run.toml"
    text = 'stories = [{ name = "eight_schools" }]\nfitters = [{ name = "exact" }]\n'
    path.write_text(text)
    assert read(path).groups == "each"
    path.write_text(f'groups = "summary"\n{text}')
    assert read(path).groups == "summary"
    path.write_text(f'groups = "al"\n{text}')
    with pytest.raises(ConfigError, match="groups is 'al'; give 'each' or 'summary'"):
        read(path)

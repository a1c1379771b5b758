"""A valid run never dies: what one fit, table or figure raises is recorded."""

import numpy as np
import pandas as pd
import pytest

from hiercal import Run, fitter, story
from hiercal.tables import bias
from tests.running import run

pytestmark = pytest.mark.usefixtures("unrendered")


def run_of(mocks_file, a_story, a_fitter="Known", simulations=40, **options):
    return Run(
        stories=[story(f"{mocks_file}:{a_story}", **options)],
        fitters=[fitter(f"{mocks_file}:{a_fitter}")],
        simulations=simulations,
    )


def made_all(folder):
    return not (folder / "not_made.csv").exists()


@pytest.mark.parametrize(
    ("stage", "error", "truth"),
    [
        ("simulate", "simulate: ZeroDivisionError: planted in simulate", False),
        ("truth", "summary: ZeroDivisionError: planted in quantities", False),
        ("draws", "summary: ZeroDivisionError: planted in quantities", True),
        ("density", "summary: ValueError: faulty: log_prior is not a number", False),
    ],
)
def test_a_bug_of_a_story_is_a_failed_fit_with_its_stage(stage, error, truth, tmp_path, mocks_file):
    result = run(run_of(mocks_file, "Faulty", stage=stage), tmp_path, export=not truth)
    faulty = result.fits["error"].notna()
    assert 0 < faulty.sum() < 40
    assert result.fits.loc[faulty, "error"].str.startswith(error).all()
    own = result.records[result.records["quantity"] == "x"].set_index("simulation")
    assert (own["status"] == "failed").to_numpy().tolist() == faulty.tolist()
    assert own["truth"].notna()[faulty.to_numpy()].all() == truth
    assert own["truth"].notna()[~faulty.to_numpy()].all()
    assert made_all(tmp_path)


def test_a_story_that_always_fails_is_refused_at_the_start(tmp_path, mocks_file):
    with pytest.raises(ValueError, match=r"none of the first 20 simulations .* planted in simu"):
        run(run_of(mocks_file, "Faulty", stage="always"), tmp_path)


def test_a_draw_outside_the_support_fails_its_fit_and_no_other(tmp_path, mocks_file):
    design = Run(
        stories=[story("eight_schools")], fitters=[fitter(f"{mocks_file}:Negative")], simulations=12
    )
    fits = run(design, tmp_path).fits
    failed = fits["error"].notna()
    assert 0 < failed.sum() < 12
    assert fits.loc[failed, "error"].eq("summary: ValueError: scale < 0").all()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("writes", r"fit: ValueError: .*read-only \(data and draws come read-only: change a copy"),
        ("drops", r"fit: no draws of g; the fit holds x$"),
    ],
)
def test_a_careless_fitter_is_told_what_it_did(fault, error, tmp_path, mocks_file):
    one = story(f"{mocks_file}:Revealing")
    fitters = [fitter(f"{mocks_file}:Known"), fitter(f"{mocks_file}:Careless", fault=fault)]
    result = run(Run(stories=[one], fitters=fitters, simulations=6), tmp_path)
    fits = result.fits.set_index("arm")["error"]
    assert fits["revealing/known"].isna().all()
    assert fits["revealing/careless"].str.contains(error, regex=True).all()
    truth = result.records.pivot(index=["simulation", "quantity"], columns="arm", values="truth")
    np.testing.assert_array_equal(truth["revealing/known"], truth["revealing/careless"])


def schools(*fitters, simulations=24, options=None, **others):
    return Run(
        stories=[story("eight_schools", **(options or {}))],
        fitters=list(fitters),
        simulations=simulations,
        **others,
    )


EXACT = [fitter("exact"), fitter("exact", model="no_pooling")]


@pytest.mark.parametrize(
    "design",
    [
        schools(*EXACT, fitter("exact", model="complete_pooling")),
        schools(fitter("exact"), fitter("exact", draws=500), options={"given": {"tau": 0.0}}),
        schools(fitter("exact"), max_rank=9, simulations=40),
        Run(
            stories=[
                story("eight_schools", sigma=tuple(np.linspace(10, 11, n).tolist()))
                for n in (40, 50)
            ],
            fitters=[fitter("exact")],
            simulations=5,
        ),
        schools(*EXACT, groups="summary"),
    ],
    ids=["no scale", "tau of 0", "nine ranks", "long labels", "summary"],
)
def test_every_table_and_figure_is_made(design, tmp_path):
    result = run(design, tmp_path, export=True)
    if not made_all(tmp_path):
        pytest.fail(pd.read_csv(tmp_path / "not_made.csv").to_string())
    assert not result.fits["error"].notna().any()
    assert {"verdicts.csv", "coverage.csv", "sbc.zarr"} <= {p.name for p in tmp_path.iterdir()}
    if len(design.stories) == 1 and len(design.fitters) > 1:
        scaled = [arm.label for arm in design.arms[1:] if "tau" in arm.parameters]
        assert list(bias(result)["arm"].unique() if scaled else []) == scaled


def test_too_few_draws_a_chain_are_refused_at_the_start():
    with pytest.raises(ValueError, match=r"keeps 2 draws a chain; .* need 4 or more"):
        schools(fitter("numpyro", draws=2, chains=50))


@pytest.mark.parametrize("a_story", ["Flat", "Signed"])
@pytest.mark.parametrize("groups", ["each", "summary"])
def test_a_story_without_groups_or_with_a_signed_scale_runs(a_story, groups, tmp_path, mocks_file):
    design = Run(
        stories=[story(f"{mocks_file}:{a_story}")],
        fitters=[fitter(f"{mocks_file}:{'Alone' if a_story == 'Flat' else 'Known'}")],
        simulations=20,
        groups=groups,
        below={"x": 0.5},
    )
    result = run(design, tmp_path, export=True)
    if not made_all(tmp_path):
        pytest.fail(pd.read_csv(tmp_path / "not_made.csv").to_string())
    assert not result.fits["error"].notna().any()
    assert "x < 0.5" in set(result.records["quantity"])
    if a_story == "Signed":
        assert (result.records["truth"] < 0).any()
        assert (tmp_path / "figures" / "funnel.png").exists()

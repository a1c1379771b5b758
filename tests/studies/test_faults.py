"""A valid study never dies: what one fit, table or figure raises is recorded."""

import numpy as np
import pandas as pd
import pytest

from hiercal import Result, Study, fitter, story
from hiercal.studies import _calibration


@pytest.fixture(autouse=True)
def only_drawn(monkeypatch):
    """Figures are drawn but not rendered, which takes most of an export's time."""

    def save(figure, folder, name):
        folder.mkdir(exist_ok=True)
        path = folder / f"{name}.png"
        path.write_text(str(len(figure.axes)))
        return [path]

    monkeypatch.setattr("hiercal.plots.save", save)


def run(study, out, **options):
    return study.run(out, **({"workers": 0, "progress": False, "export": False} | options))


def study_of(mocks_file, a_story, a_fitter="Known", simulations=40, **options):
    return Study(
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
    result = run(study_of(mocks_file, "Faulty", stage=stage), tmp_path, export=not truth)
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
        run(study_of(mocks_file, "Faulty", stage="always"), tmp_path)


def test_a_draw_outside_the_support_fails_its_fit_and_no_other(tmp_path, mocks_file):
    study = Study(
        stories=[story("eight_schools")], fitters=[fitter(f"{mocks_file}:Negative")], simulations=12
    )
    fits = run(study, tmp_path).fits
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
    result = run(Study(stories=[one], fitters=fitters, simulations=6), tmp_path)
    fits = result.fits.set_index("arm")["error"]
    assert fits["revealing/known"].isna().all()
    assert fits["revealing/careless"].str.contains(error, regex=True).all()
    truth = result.records.pivot(index=["simulation", "quantity"], columns="arm", values="truth")
    np.testing.assert_array_equal(truth["revealing/known"], truth["revealing/careless"])


def schools(*fitters, simulations=24, options=None, **study):
    return Study(
        stories=[story("eight_schools", **(options or {}))],
        fitters=list(fitters),
        simulations=simulations,
        **study,
    )


EXACT = [fitter("exact"), fitter("exact", model="no_pooling")]


@pytest.mark.parametrize(
    "study",
    [
        schools(*EXACT, fitter("exact", model="complete_pooling")),
        schools(fitter("exact"), fitter("exact", draws=500), options={"given": {"tau": 0.0}}),
        schools(fitter("exact"), max_rank=9, simulations=40),
        Study(
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
def test_every_table_and_figure_is_made(study, tmp_path):
    result = run(study, tmp_path, export=True)
    if not made_all(tmp_path):
        pytest.fail(pd.read_csv(tmp_path / "not_made.csv").to_string())
    assert not result.fits["error"].notna().any()
    assert {"verdicts.csv", "coverage.csv", "sbc.zarr"} <= {p.name for p in tmp_path.iterdir()}
    if len(study.stories) == 1 and len(study.fitters) > 1:
        scaled = [arm for arm in study.arms[1:] if "tau" in arm.fitter.parameters(arm.story)]
        assert list(result.bias()["arm"].unique() if scaled else []) == [a.label for a in scaled]


def test_an_exact_arm_with_options_is_still_the_one_to_measure_by(tmp_path):
    study = schools(fitter("exact", draws=400), fitter("exact", draws=300))
    result = run(study, tmp_path)
    first, second = result.manifest["arms"]
    assert result.manifest["roles"]["eight_schools"]["exact"] == first
    assert set(result.bias()["arm"]) == set(_calibration.strata(result)["arm"]) == {second}


def test_too_few_draws_a_chain_are_refused_at_the_start():
    with pytest.raises(ValueError, match=r"keeps 2 draws a chain; .* need 4 or more"):
        schools(fitter("numpyro", draws=2, chains=50))


@pytest.mark.parametrize("a_story", ["Flat", "Signed"])
@pytest.mark.parametrize("groups", ["each", "summary"])
def test_a_story_without_groups_or_with_a_signed_scale_runs(a_story, groups, tmp_path, mocks_file):
    study = Study(
        stories=[story(f"{mocks_file}:{a_story}")],
        fitters=[fitter(f"{mocks_file}:{'Alone' if a_story == 'Flat' else 'Known'}")],
        simulations=20,
        groups=groups,
        below={"x": 0.5},
    )
    result = run(study, tmp_path, export=True)
    if not made_all(tmp_path):
        pytest.fail(pd.read_csv(tmp_path / "not_made.csv").to_string())
    assert not result.fits["error"].notna().any()
    assert "x < 0.5" in set(result.records["quantity"])
    if a_story == "Signed":
        assert (result.records["truth"] < 0).any()
        assert (tmp_path / "figures" / "funnel.png").exists()


def test_a_name_with_a_slash_is_no_folder(tmp_path, mocks_file):
    stories = [story(f"{mocks_file}:Slashed", u=u) for u in ("C", "D")]
    study = Study(stories=stories, fitters=[fitter(f"{mocks_file}:Known")], simulations=10)
    result = run(study, tmp_path, export=True)
    assert made_all(tmp_path)
    assert list(result.manifest["roles"]) == ["A/B[u=C]", "A/B[u=D]"]
    assert len(list((tmp_path / "figures").glob("ranks-A_B*.png"))) == 2
    assert len(result.verdicts()["arm"].unique()) == 2


def test_what_cannot_be_made_is_said_and_costs_no_other(tmp_path, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("planted\nhere")

    monkeypatch.setattr(_calibration, "coverage", broken)
    monkeypatch.setattr("hiercal.plots.recovery", broken)
    monkeypatch.setattr(Result, "_export_pit", broken)
    (tmp_path / "coverage.csv").write_text("of another time")
    result = run(schools(fitter("exact"), simulations=10), tmp_path, export=True)
    table = pd.read_csv(tmp_path / "not_made.csv")
    assert table["name"].tolist() == ["coverage.csv", "sbc.zarr", "figures/recovery"]
    assert (table["why"] == "ZeroDivisionError: planted here").all()
    assert not (tmp_path / "coverage.csv").exists()
    assert (tmp_path / "verdicts.csv").exists()
    assert (tmp_path / "figures" / "ecdf.png").exists()
    monkeypatch.undo()
    assert result.export() == []
    assert made_all(tmp_path)
    assert (tmp_path / "figures" / "recovery.svg").exists()

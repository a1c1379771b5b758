"""What an export writes: tables, an ArviZ store and figures, each on its own."""

import json

import arviz as az
import numpy as np
import pandas as pd
import pytest

from hiercal import Result, Run, fitter, story
from hiercal.console.result import show_result
from hiercal.sbc._power import detectable
from hiercal.sbc.verdict import anticipate
from hiercal.tables import export, verdicts
from tests.running import run

pytestmark = pytest.mark.figures

FIGURES = ("ranks", "ecdf", "coverage_difference", "zscore_contraction", "funnel")


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """Two exact arms."""
    design = Run(
        stories=[story("eight_schools", sigma=(10.0,) * 4)],
        fitters=[fitter("exact"), fitter("exact", draws=500)],
        simulations=60,
        seed=4,
        name="small",
    )
    return run(design, tmp_path_factory.mktemp("result"), export=True)


def pit_values(folder):
    return az.from_zarr(folder / "sbc.zarr")["prior_sbc"]


def test_the_manifest_lists_every_file_and_calls_the_run_complete(result):
    manifest = json.loads((result.folder / "manifest.json").read_text())
    assert manifest["complete"]
    assert manifest["made_of"] == {"records": 60, "tables": 60, "figures": 60}
    assert not (result.folder / "not_made.csv").exists()
    figures = [f"figures/{name}.png" for name in FIGURES]
    tables = [f"{name}.csv" for name in ("verdicts", "mixing", "coverage", "bias", "strata")]
    assert manifest["files"] == sorted([*figures, *tables, "sbc.zarr"])
    assert all((result.folder / name).exists() for name in manifest["files"])


def test_tables_are_written_as_they_are_made(result):
    stored = pd.read_csv(result.folder / "verdicts.csv")
    pd.testing.assert_frame_equal(verdicts(result), stored, check_dtype=False)
    assert list(export.tables(result)) == ["verdicts", "mixing", "coverage", "bias", "strata"]


def test_the_store_opens_with_arviz_and_plots(result):
    import matplotlib as mpl

    mpl.use("Agg")
    tree = az.from_zarr(result.folder / "sbc.zarr")
    pit = tree["prior_sbc"]
    assert pit["mu"].dims == ("arm", "simulation")
    assert pit["theta"].sizes["simulation"] == 60
    for values in pit.data_vars.values():
        assert ((values > 0) & (values < 1)).all()
    assert pit.attrs["n_left_out"] == 0
    plotted = az.plot_ecdf_pit(tree, var_names=["mu", "tau"], sample_dims="simulation")
    assert len(plotted.viz["figure"].item().axes) >= 4
    mpl.pyplot.close("all")


def test_pit_values_of_an_arm_do_not_depend_on_what_else_is_in_the_run(tmp_path, mocks_file):
    """Beside another fitter, another story, more quantities, or more simulations."""
    one, fitted = story(f"{mocks_file}:Revealing"), fitter(f"{mocks_file}:Known", raises=0.2)
    other = fitter(f"{mocks_file}:Known", always=30)
    another = story(f"{mocks_file}:Slashed")

    def values(name, **options):
        design = {"stories": [one], "fitters": [fitted], "simulations": 30, "seed": 2} | options
        result = run(Run(**design), tmp_path / name)
        fits = result.fits
        own = fits[(fits["arm"] == result.manifest["arms"][0]["arm"]) & fits["error"].isna()]
        tree = export.pit_tree(result)
        several = len(design["stories"]) > 1
        pit = tree["revealing/prior_sbc" if several else "prior_sbc"].to_dataset().isel(arm=0)
        return pit.sel(simulation=own["simulation"].to_numpy()[:20])

    alone = values("alone")
    assert len(np.unique(alone["x"])) == 20
    for name, options in {
        "fitter": {"fitters": [fitted, other]},
        "story": {"stories": [one, another]},
        "quantity": {"below": {"x": 1.0}},
        "more": {"simulations": 50},
    }.items():
        beside = values(name, **options)
        for quantity in ("x", "g", "log_lik"):
            np.testing.assert_array_equal(alone[quantity], beside[quantity], err_msg=name)


@pytest.mark.usefixtures("unrendered")
def test_nothing_is_made_of_all_records_at_once(tmp_path, monkeypatch, mocks_file):
    """Their memory would grow with the simulations; `cells` holds a few quantities."""

    def broken(*_):
        raise MemoryError("all records")

    monkeypatch.setattr(Result, "columns", broken)
    monkeypatch.setattr(Result, "records", property(broken))
    arms = [fitter("exact"), fitter(f"{mocks_file}:Permuted", parts=("theta",))]
    design = Run(stories=[story("eight_schools")], fitters=arms, simulations=30)
    run(design, tmp_path, export=True)
    assert not (tmp_path / "not_made.csv").exists()
    assert len(pd.read_csv(tmp_path / "strata.csv")) == 8
    assert len(pd.read_csv(tmp_path / "bias.csv")) == 4


@pytest.mark.usefixtures("unrendered")
def test_failed_fits_count_against_every_arm_of_the_store(mock_run, tmp_path):
    result = run(mock_run(simulations=80, raises=0.1), tmp_path, export=True)
    failed = int(result.fits["error"].notna().sum())
    assert failed > 0
    pit = pit_values(tmp_path)
    assert pit.attrs["n_left_out"] == failed
    assert pit.sizes["simulation"] == 80 - failed
    assert (verdicts(result)["n_failed"] == failed).all()


@pytest.mark.usefixtures("unrendered")
def test_an_arm_without_a_fit_is_inconclusive_and_draws_still(mock_run, tmp_path):
    result = run(mock_run(simulations=30, raises=1.0), tmp_path, export=True)
    assert set(verdicts(result)["verdict"]) == {"inconclusive"}
    assert (tmp_path / "figures" / "ranks.png").exists()
    assert pit_values(tmp_path).attrs["arms_left_out"] == ["revealing/known"]


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize("groups", ["each", "summary"])
@pytest.mark.parametrize("others", [(), ("D",)], ids=["one story", "two stories"])
def test_a_slash_in_a_name_divides_nothing(others, groups, tmp_path, mocks_file, capsys):
    """Planted: a story and a group that are called A/B."""
    stories = [story(f"{mocks_file}:Slashed", u=u) for u in ("C", *others)]
    design = Run(
        stories=stories, fitters=[fitter(f"{mocks_file}:Known")], simulations=10, groups=groups
    )
    result = run(design, tmp_path, export=True)
    assert not (tmp_path / "not_made.csv").exists()
    labels = ["A/B[u=C]", "A/B[u=D]"] if others else ["A/B"]
    assert result.arms["story"].tolist() == labels
    assert result.arms["fitter"].tolist() == ["known"] * len(labels)
    assert len(list((tmp_path / "figures").glob("ranks*.png"))) == len(labels)
    assert verdicts(result)["arm"].unique().tolist() == [f"{label}/known" for label in labels]
    show_result(result, every=True)
    shown = "".join(capsys.readouterr().out.split())
    effects = ["g[A/B]", "g[A/C]"] if groups == "each" else ["g[mean]", "g[min]", "g[max]"]
    for name in (*(f"{label}/known" for label in labels), *effects):
        assert name in shown


@pytest.mark.usefixtures("unrendered")
def test_what_cannot_be_made_is_said_and_costs_no_other(tmp_path, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("planted\nhere")

    monkeypatch.setattr(export, "coverage", broken)
    monkeypatch.setattr("hiercal.plots.zscore_contraction", broken)
    monkeypatch.setattr(export, "pit_tree", broken)
    (tmp_path / "coverage.csv").write_text("of another time")
    design = Run(stories=[story("eight_schools")], fitters=[fitter("exact")], simulations=10)
    result = run(design, tmp_path, export=True)
    table = pd.read_csv(tmp_path / "not_made.csv")
    assert table["name"].tolist() == ["coverage.csv", "figures/zscore_contraction", "sbc.zarr"]
    assert (table["why"] == "ZeroDivisionError: planted here").all()
    assert not (tmp_path / "coverage.csv").exists()
    assert (tmp_path / "verdicts.csv").exists()
    assert (tmp_path / "figures" / "ecdf.png").exists()
    monkeypatch.undo()
    assert export.export(result) == []
    assert not (tmp_path / "not_made.csv").exists()
    assert (tmp_path / "figures" / "zscore_contraction.png").exists()


def eight_schools(simulations=10):
    return Run(stories=[story("eight_schools")], fitters=[fitter("exact")], simulations=simulations)


def files(folder):
    """Contents of what a run writes, without journal and times."""
    names = [*folder.glob("*.csv"), *(folder / "figures").glob("*")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in names}


@pytest.mark.usefixtures("unrendered")
def test_a_kill_between_verdict_and_figures_is_made_good(tmp_path, capsys):
    def killed(result):
        assert not (result.folder / "figures").exists()
        assert not (result.folder / "coverage.csv").exists()
        show_result(result)
        raise KeyboardInterrupt

    undisturbed = run(eight_schools(), tmp_path / "undisturbed", export=True)
    assert "still to be drawn" not in capsys.readouterr().out
    for again in ("run", "draw"):
        folder = tmp_path / again
        with pytest.raises(KeyboardInterrupt):
            run(eight_schools(), folder, export=True, judged=killed)
        first = capsys.readouterr().out
        assert "still to be drawn" in first
        assert "has not ended" not in first
        show_result(Result(folder))
        assert capsys.readouterr().out == first
        if again == "run":
            run(eight_schools(), folder, export=True)
        else:
            export.draw(Result(folder), ["png"])
        assert files(folder) == files(undisturbed.folder)
        assert (folder / "sbc.zarr").exists()
        show_result(Result(folder))
        assert "still to be drawn" not in capsys.readouterr().out


@pytest.mark.usefixtures("unrendered")
def test_a_verdict_that_cannot_be_printed_costs_no_figure(tmp_path):
    def closed(_):
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        run(eight_schools(), tmp_path, export=True, judged=closed)
    assert (tmp_path / "figures" / "zscore_contraction.png").exists()
    assert Result(tmp_path).manifest["made_of"]["figures"] == 10


def test_formats_that_were_asked_for_are_kept_up(tmp_path):
    result = run(eight_schools(), tmp_path, export=True)
    drawn = export.draw(result, ["svg"])
    assert {path.name for path in drawn} == {f"{name}.svg" for name in FIGURES}
    before = drawn[0].read_bytes()
    run(eight_schools(12), tmp_path, export=True)
    assert drawn[0].read_bytes() != before
    assert f"figures/{drawn[0].name}" in Result(tmp_path).manifest["files"]
    assert not list(tmp_path.glob("figures/*.pdf"))
    with pytest.raises(ValueError, match="not as gif"):
        export.draw(result, ["gif"])


def test_what_the_verdicts_need_is_there_when_the_last_fit_is(tmp_path):
    design = Run(stories=[story("eight_schools")], fitters=[fitter("exact")], simulations=21)
    misses = []

    def judged(_):
        misses.append(detectable.cache_info().misses)

    detectable.cache_clear()
    run(design, tmp_path / "run", export=True, judged=judged)
    detectable.cache_clear()
    anticipate(21, design.max_rank, [14])
    assert misses == [detectable.cache_info().misses]

"""The commands: exit codes, messages, output."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from hiercal.cli import main

FINISHED = Path(__file__).parents[1] / "results/eight_schools"
RUN = """
simulations = 40
name = "tiny"
stories = [{{ name = "{mocks}:Revealing" }}]
fitters = [{{ name = "{mocks}:Known", always = {always}{more} }}]
"""


@pytest.fixture
def config(tmp_path, mocks_file, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(always=-1, **options):
        path = tmp_path / "tiny.toml"
        more = "".join(f", {name} = {value}" for name, value in options.items())
        path.write_text(RUN.format(mocks=mocks_file, always=always, more=more))
        return str(path)

    return write


def invoke(*args):
    return CliRunner().invoke(main, [str(a) for a in args], catch_exceptions=False)


def test_help_explains_every_command():
    text = invoke("--help").output
    assert {"list", "run", "show", "fit", "claims"} <= set(main.commands)
    for name, command in main.commands.items():
        assert f"\n  {name} " in text
        helped = " ".join(invoke(name, "--help").output.split())
        assert f"Usage: main {name} " in helped
        assert " ".join(command.help.split()) in helped


def test_list_names_everything():
    text = invoke("list").output
    for name in ("eight_schools", "numpyro", "pymc", "exact", "calibration", "target_accept"):
        assert name in text
    assert "numpyro" not in invoke("list", "stories").output


@pytest.mark.figures
def test_a_run_lands_in_results_and_is_shown_again(config, tmp_path):
    ran = invoke("run", config(), "--workers", 0)
    assert ran.exit_code == 0, ran.output
    folder = tmp_path / "results" / "tiny"
    assert (folder / "verdicts.csv").exists()
    assert "revealing/known" in ran.output
    shown = invoke("show", "results/tiny")
    assert shown.exit_code == 0
    # the verdict was printed before the figures were drawn
    assert "being drawn" in ran.output
    apart = (" fits (", "being drawn")
    assert shown.output.splitlines() == [
        line for line in ran.output.splitlines() if not any(part in line for part in apart)
    ]
    assert "g[B]" in invoke("show", folder, "--all").output
    refused = invoke("show", folder, "--figures", "png,gif")
    assert refused.exit_code == 2
    assert "not as gif" in refused.output


def test_check_turns_a_miscalibrated_arm_into_an_exit_code(config):
    path = config(always=5)
    assert invoke("run", path, "--workers", 0).exit_code == 0
    checked = invoke("run", path, "--workers", 0, "--check")
    assert checked.exit_code == 1
    assert "miscalibrated" in checked.output


def test_check_passes_what_is_calibrated(config):
    assert invoke("run", config(), "--workers", 0, "--check").exit_code == 0


@pytest.mark.parametrize(("raises", "allowing"), [(0.3, 0), (1.0, 3)])
def test_check_does_not_pass_what_was_not_checked(config, raises, allowing):
    """Planted: some fits fail, or every one of them."""
    path = config(raises=raises)
    checked = invoke("run", path, "--workers", 0, "--check")
    assert checked.exit_code == 3
    assert "fits failed: fit: ArithmeticError: planted failure at u = " in checked.output
    assert checked.output.count("planted failure") == 1
    again = invoke("run", path, "--workers", 0, "--check", "--allow-inconclusive")
    assert again.exit_code == allowing
    assert invoke("run", path, "--workers", 0).exit_code == 0


def test_check_does_not_pass_chains_that_do_not_mix(config):
    """Planted: uniform ranks from chains of which one of 20 is stuck."""
    path = config(stuck="true")
    checked = invoke("run", path, "--workers", 0, "--check")
    assert checked.exit_code == 3
    said = " ".join(checked.output.split())
    assert "revealing/known: calibrated, but chains do not mix in 100 % of fits" in said
    assert invoke("run", path, "--workers", 0, "--check", "--allow-inconclusive").exit_code == 0


def test_a_fitter_that_cannot_be_prepared_is_not_miscalibrated(config):
    path = config(broken="true")
    assert invoke("run", path, "--workers", 0, "--check").exit_code == 3
    assert invoke("run", path, "--workers", 0).exit_code == 1


def test_allow_inconclusive_goes_with_check(config):
    done = invoke("run", config(), "--allow-inconclusive")
    assert done.exit_code == 2
    assert "goes with --check" in done.output


def test_simulations_extend_a_run(config, tmp_path):
    path = config()
    invoke("run", path, "--workers", 0, "--out", tmp_path / "o")
    text = invoke("run", path, "--workers", 0, "--out", tmp_path / "o", "--simulations", 60).output
    assert "60 simulations" in text


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("run", "nothing.toml"), "cannot read nothing.toml"),
        (("run", "{config}", "--simulations", "-3"), "-3 is not in the range"),
        (("show", "."), "not the folder of a run"),
        (("fit", "eight_skools"), "did you mean 'eight_schools'"),
        (("fit", "eight_schools", "--fitter", "exact", "--model", "centered"), "mean 'centred'"),
        (("fit", "eight_schools", "--fitter", "{mocks}:Known", "--model", "x"), "unknown option"),
        (("fit", "eight_schools", "--model", "centered"), "did you mean 'centred'"),
        (("fit", "eight_schools", "--data", "no.csv"), "there is no file no.csv"),
        (("list", "story"), "'story' is not one of"),
    ],
)
def test_mistakes_exit_with_2_and_one_message(config, mocks_file, args, message):
    path = config()
    done = invoke(*(arg.format(config=path, mocks=mocks_file) for arg in args))
    assert done.exit_code == 2
    assert message in done.output
    assert "Traceback" not in done.output


def test_another_run_in_the_folder_exits_with_2(config, tmp_path):
    invoke("run", config(), "--workers", 0)
    done = invoke("run", config(always=3), "--workers", 0)
    assert done.exit_code == 2
    assert "fitters[0].always: -1 there, 3 now" in done.output


def test_fit_prints_the_posterior_beside_the_exact_one(tmp_path):
    path = tmp_path / "three.csv"
    path.write_text("school,y,sigma\nX,28,15\nY,8,10\nZ,-3,16\n")
    done = invoke("fit", "eight_schools", "--data", path, "--draws", 400, "--tune", 400)
    assert done.exit_code == 0, done.output
    for text in ("4 x 400 draws", "diverged", "theta[Z]", "R-hat", "ESS", "exact mean"):
        assert text in done.output
    exact = invoke("fit", "eight_schools", "--fitter", "exact")
    assert "4.806" in exact.output


def test_a_mean_that_does_not_exist_is_a_dash_with_a_reason():
    done = invoke("fit", "hospitals", "--fitter", "exact", "--draws", 200)
    assert done.exit_code == 0, done.output
    assert "nan" not in done.output
    row, *_ = [line for line in done.output.splitlines() if "lambda_new " in line]
    assert row.count("–") == 3
    assert "lambda_new has no finite exact mean" in done.output


def test_bad_data_name_the_column(tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text("school,y\nX,28\n")
    done = invoke("fit", "eight_schools", "--data", path)
    assert done.exit_code == 2
    assert "no column sigma" in done.output


def test_importing_and_help_load_no_probabilistic_library():
    code = (
        "import sys, hiercal, hiercal.cli; "
        "ppl = {'jax', 'numpyro', 'pymc', 'pytensor', 'nutpie', 'arviz', 'matplotlib'}; "
        "heavy = (ppl | {'numpy', 'scipy', 'pandas', 'dask', 'pydantic'}) & set(sys.modules); "
        "assert not heavy, heavy; "
        "import hiercal.catalogue, hiercal.studies; "
        "hiercal.fitter('pymc'); hiercal.fitter('numpyro'); "
        "heavy = (ppl | {'pandas', 'distributed'}) & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_showing_a_run_loads_no_more_than_its_tables_need():
    code = (
        "import sys, hiercal.cli; "
        f"hiercal.cli.main(['show', {str(FINISHED)!r}], standalone_mode=False); "
        "heavy = {'scipy', 'matplotlib', 'arviz', 'dask', 'jax'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_commands_give_back_the_memory_that_tables_took():
    code = (
        "import hiercal.cli; hiercal.cli.main(['list', 'stories'], standalone_mode=False); "
        "import pyarrow; assert pyarrow.default_memory_pool().backend_name == 'system'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_a_named_study_is_run_and_shown(tmp_path):
    done = invoke(
        "run", "new_group", "--quick", "--simulations", 40, "--out", tmp_path, "--workers", 0
    )
    assert done.exit_code == 0, done.output
    assert "C21" in done.output
    assert (tmp_path / "claims.csv").exists()
    shown = invoke("show", tmp_path).output
    assert shown == done.output[-len(shown) :]
    again = invoke("claims", "--quick", "--only", "calibratio")
    assert again.exit_code == 2
    assert "did you mean 'calibration'" in again.output


def test_unknown_studies_and_options_are_refused():
    done = invoke("run", "funel")
    assert done.exit_code == 2
    assert "did you mean 'funnel'" in done.output
    done = invoke("run", "chapter", "--simulations", 5)
    assert done.exit_code == 2
    assert "unknown option of chapter 'simulations'" in done.output
    done = invoke("run", "examples/eight_schools.toml", "--quick")
    assert done.exit_code == 2
    assert "--quick is of named studies" in done.output


def test_the_table_is_of_stories():
    done = invoke("list", "fitters", "--table")
    assert done.exit_code == 2
    assert "hiercal list stories --table" in done.output


@pytest.mark.slow
def test_the_story_table_tries_every_model(tmp_path, monkeypatch):
    from hiercal import catalogue

    monkeypatch.setattr(catalogue, "names", lambda kind: ["funnel", "hospitals"])
    done = invoke("list", "stories", "--table", "--results", tmp_path)
    assert done.exit_code == 0, done.output
    assert "✗" not in done.output.partition("Under a model")[0]
    assert done.output.count("not run") == 6
    assert "4 of 4" in done.output


def given_draws(folder, n=60, draws=50, width=1.0):
    """A CSV file of exact draws of a normal mean, or of ones that are too narrow."""
    rng = np.random.default_rng(3)
    lines = ["simulation,draw,mu"]
    for i in range(1, n + 1):
        truth = rng.normal()
        middle, sd = rng.normal(truth, 1) / 2, width * 0.5**0.5
        lines += [f"{i},,{truth}", *(f"{i},{d + 1},{rng.normal(middle, sd)}" for d in range(draws))]
    (folder / "stan.csv").write_text("\n".join(lines) + "\n")
    return folder / "stan.csv"


def test_draws_in_a_file_are_ranked_and_shown_again(tmp_path, monkeypatch, unrendered):
    monkeypatch.chdir(tmp_path)
    done = invoke("ranks", given_draws(tmp_path), "--check")
    assert done.exit_code == 0, done.output
    assert "stan: 60 simulations, seed 0, 1 arm" in done.output
    assert "stan/given" in done.output
    assert "ranked among 24 of them unless max_rank" in " ".join(done.output.split())
    folder = tmp_path / "results" / "stan"
    assert str(tmp_path / "stan.csv") in json.loads((folder / "manifest.json").read_text())["given"]
    assert "stan/given" in invoke("show", folder).output
    assert invoke("ranks", "stan.csv").exit_code == 0
    given_draws(tmp_path, width=0.4)
    again = invoke("ranks", "stan.csv", "--check")
    assert again.exit_code == 2
    assert "holds another run; it differs in" in again.output
    narrow = invoke("ranks", "stan.csv", "--check", "--fresh")
    assert narrow.exit_code == 1
    assert "miscalibrated" in narrow.output


def test_ranks_takes_out_and_max_rank(tmp_path, unrendered):
    path, out = given_draws(tmp_path), tmp_path / "out"
    assert invoke("ranks", path, "--out", out, "--max-rank", 24, "--seed", 2).exit_code == 0
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["run"]["max_rank"], manifest["seed"]) == (24, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--allow-inconclusive"], "--allow-inconclusive goes with --check"),
        (["--max-rank", "51"], "keeps 1 x 50 draws, fewer than max_rank = 51"),
        (["--truths", "none.csv"], "there is no file none.csv"),
    ],
)
def test_mistakes_in_ranks_exit_with_2_and_one_message(options, message, tmp_path):
    done = invoke("ranks", given_draws(tmp_path), *options)
    assert done.exit_code == 2
    assert message in done.output
    assert "Traceback" not in done.output

"""What is found and what is left alone; the gates; a table that goes on after a kill."""

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from hiercal import mutant_table
from hiercal.cli.mutants import mutants
from hiercal.errors import UnknownName
from hiercal.exact.posterior import Posterior
from hiercal.mutant_table import Options, Trial, subjects, table
from hiercal.mutants._gates import GATES, Fitted
from hiercal.mutants._posteriors import NormalPosterior


@pytest.fixture
def few(monkeypatch):
    """A table that is quick: one fit for the gates, and no verdict at 200."""
    monkeypatch.setattr(mutant_table, "FIXED", 0)
    monkeypatch.setattr(mutant_table, "GATE_RUNS", {"mutant": 1, "honest": 1})
    monkeypatch.setattr(Trial, "fixed", lambda self: {"fixed": "", "fixed_quantity": ""})


def found(name, simulations=60, kind="mutant", compare=True):
    """What is seen of the first subject of this kind."""
    one = next(one for one in subjects([name]) if one.kind == kind)
    trial = Trial(one, Options())
    while trial.n < simulations and not trial.evidence.rejected:
        if compare:
            trial.fit_next()
        else:
            fit_ranks_alone(trial)
    return trial.seen()


def fit_ranks_alone(trial):
    trial._recordings[True] = trial._recordings[False]
    trial.fit_next()


@pytest.mark.parametrize("name", ["narrow", "stan_2178", "prior_twice"])
def test_a_mutant_is_found(name):
    seen = found(name)
    assert seen["found"]
    assert seen["by"] == "exact posterior"


@pytest.mark.parametrize("name", ["prior_only", "correlation_lost"])
def test_ranks_of_log_densities_find_what_no_marginal_shows(name):
    seen = found(name, compare=False)
    assert seen["found"]
    assert seen["by"] == "ranks"
    assert seen["quantity"] in ("log_lik", "log_prior", "log_joint")


# Each is called out with probability .001 at most.
@pytest.mark.parametrize("name", ["narrow", "prior_twice", "numpyro_826", "stan_2178"])
def test_an_honest_fitter_is_left_alone(name):
    assert not found(name, 40, "honest")["found"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["blackjax_46", "blackjax_914", "venture_448", "numpyro_826", "pymc_5815", "pymc_6871"]
)
def test_a_real_error_is_found(name):
    assert found(name, 1500)["found"]


def fitted(mean=0.0, sd=1.0, n=4000, exact: Posterior | None = None):
    draws = np.random.default_rng(3).normal(size=(4, n // 4, 1))
    draws = (draws - draws.mean()) / draws.std() * sd + mean
    return Fitted(draws, ("x",), ("x",), exact or NormalPosterior("x", 0.0, 1.0))


def caught(one):
    return {name for name, gate in GATES.items() if gate(one)}


def test_each_gate_catches_what_it_says_and_no_less():
    assert caught(fitted()) == set()
    assert caught(fitted(mean=0.31)) == {"Stan", "posteriordb", "TFP", "PyMC"}
    assert caught(fitted(mean=0.26)) == {"posteriordb", "TFP", "PyMC"}
    assert "TFP" in caught(fitted(mean=5.2 / np.sqrt(4000)))
    assert "TFP" not in caught(fitted(mean=4.5 / np.sqrt(4000)))
    assert caught(fitted(sd=0.95)) == set()
    assert caught(fitted(sd=0.92)) == {"NumPyro", "TFP"}
    away = NormalPosterior("x", 1.0, 1.0)
    assert "NumPyro" in caught(fitted(mean=1.08, exact=away))
    assert "NumPyro" not in caught(fitted(mean=1.06, exact=away))


def test_the_table_keeps_its_rows_and_tests_no_row_twice(tmp_path, few):
    options, said = Options(max_simulations=20), []
    table(["prior_twice"], options, tmp_path, say=said.append)
    assert len(said) == 2
    assert len(pd.read_csv(tmp_path / "mutants.csv")) == 2
    rows = table(["prior_twice"], options, tmp_path, say=said.append)
    assert len(said) == 2
    assert list(rows["kind"]) == ["mutant", "honest"]
    table(["prior_twice"], Options(max_simulations=21), tmp_path, say=said.append)
    assert len(said) == 4


def test_rows_by_other_code_are_kept_and_said(tmp_path, few):
    options, said = Options(max_simulations=20), []
    table(["prior_twice"], options, tmp_path)
    rows = pd.read_csv(tmp_path / "mutants.csv")
    rows["code"] = "another"
    rows.to_csv(tmp_path / "mutants.csv", index=False)
    table(["prior_twice"], options, tmp_path, say=said.append)
    assert len(said) == 2
    assert "other code" in said[0]


def test_the_command_lists_and_prints(tmp_path, few):
    runner = CliRunner()
    listed = runner.invoke(mutants, ["--list"])
    assert listed.exit_code == 0
    assert "stan-dev/stan#2178" in listed.output
    command = ["--only", "prior_twice", "--max-simulations", "60", "--out", str(tmp_path)]
    shown = runner.invoke(mutants, command)
    assert shown.exit_code == 0, shown.output
    assert "exact posterior" in shown.output
    assert "0 of 1 honest fitters" in shown.output


def test_an_unknown_mutant_is_an_error():
    with pytest.raises(UnknownName, match="unknown mutant 'narow'"):
        subjects(["narow"])
    assert CliRunner().invoke(mutants, ["--only", "narow"]).exit_code == 2

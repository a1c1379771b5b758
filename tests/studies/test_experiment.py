"""Named studies: every one in the catalogue, and what a run of one leaves."""

import json
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from hiercal import Experiment, Study, catalogue, experiment, fitter, story
from hiercal.studies import _experiment
from hiercal.studies._claims import Claim, above
from hiercal.studies._ledger import ledger

NAMES = catalogue.names("studies")


@dataclass(frozen=True, kw_only=True)
class Coins(Experiment):
    """How often a coin shows heads; and exact fits of Eight Schools."""

    flips: int = 100

    name: ClassVar = "coins"
    quick: ClassVar = {"flips": 10}
    claims: ClassVar = (
        Claim(
            "C99",
            "L1",
            "Coins show heads.",
            "More than half of all flips.",
            lambda tables: above(tables["heads"]["share"].iloc[0], 0.05, 0.5, "share of heads"),
        ),
    )

    def studies(self):
        return {
            "exact": Study(
                stories=(story("eight_schools"),),
                fitters=(fitter("exact"),),
                simulations=3,
                seed=self.seed,
            )
        }

    def tables(self, results, say):
        say("flipping")
        heads = np.random.default_rng(self.seed).integers(0, 2, self.flips).mean()
        n = len(results["exact"].fits)
        return {"heads": pd.DataFrame({"share": [heads], "n": [n]})}

    def figures(self, tables):
        from hiercal.plots.sweep import sweep

        shown = tables["heads"].assign(coin="coin")
        return {"heads": sweep(shown, x="n", y="share", series="coin", xlabel="n", ylabel="share")}


@pytest.fixture
def quiet():
    return {"workers": 0, "progress": False, "say": lambda _: None}


@pytest.mark.parametrize("name", NAMES)
def test_every_named_study_is_made_at_both_sizes(name):
    full, quick = experiment(name), experiment(name, quick=True)
    assert full.name == name
    assert full.options() != quick.options()
    assert all(isinstance(study, Study) for study in full.studies().values())
    assert json.loads(json.dumps(quick.options())) == quick.options()


def test_every_claim_has_one_study_a_rule_and_a_number():
    claims = [claim for name in NAMES for claim in catalogue.experiment_class(name).claims]
    numbers = [claim.id for claim in claims]
    assert len(set(numbers)) == len(numbers)
    assert all(claim.says.endswith(".") and claim.rule.endswith(".") for claim in claims)


@pytest.mark.parametrize("name", NAMES)
def test_unknown_options_are_refused_with_the_nearest(name):
    with pytest.raises(ValueError, match="did you mean 'seed'"):
        experiment(name, sed=1)
    with pytest.raises(ValueError, match="seed is -1"):
        experiment(name, seed=-1)


def test_a_run_leaves_tables_figures_verdicts_and_a_manifest(tmp_path, quiet):
    tables = _experiment.run(Coins(), tmp_path, **quiet)
    written = pd.read_csv(tmp_path / "heads.csv")
    assert written["n"].iloc[0] == 3
    assert written["share"].iloc[0] == pytest.approx(tables["heads"]["share"].iloc[0], rel=1e-5)
    assert pd.read_csv(tmp_path / "claims.csv")["claim"].tolist() == ["C99"]
    assert (tmp_path / "figures" / "heads.png").exists()
    assert (tmp_path / "runs" / "exact" / "journal.sqlite").exists()
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["complete"]
    assert manifest["options"] == {"seed": 2026, "flips": 100}
    assert _experiment.finished(Coins(), tmp_path)
    assert not _experiment.finished(Coins(flips=5), tmp_path)
    read = _experiment.read_tables(tmp_path)
    assert set(read) == {"heads", "claims"}
    assert _experiment.read_tables(tmp_path / "runs" / "exact") is None


def test_a_run_that_broke_off_goes_on_with_its_fits(tmp_path, quiet, monkeypatch):
    def broken(self, results, say):
        raise RuntimeError("tables failed")

    with monkeypatch.context() as patch:
        patch.setattr(Coins, "tables", broken)
        with pytest.raises(RuntimeError, match="tables failed"):
            _experiment.run(Coins(), tmp_path, **quiet)
    assert not _experiment.finished(Coins(), tmp_path)
    with pytest.raises(FileNotFoundError, match="coins has not ended"):
        _experiment.read_tables(tmp_path)
    with pytest.raises(ValueError, match="holds an unfinished run of coins"):
        _experiment.run(Coins(flips=7), tmp_path, **quiet)
    before = (tmp_path / "runs" / "exact" / "fits.parquet").read_bytes()
    _experiment.run(Coins(), tmp_path, **quiet)
    assert (tmp_path / "runs" / "exact" / "fits.parquet").read_bytes() == before


def test_the_ledger_takes_what_is_finished_and_runs_the_rest(tmp_path, quiet):
    said = []
    first = ledger([Coins()], tmp_path, **(quiet | {"say": said.append}))
    assert "coins: tables" in said
    said.clear()
    second = ledger([Coins()], tmp_path, **(quiet | {"say": said.append}))
    assert said == [f"coins: taken from {tmp_path / 'coins'}"]
    pd.testing.assert_frame_equal(first, second)
    assert (tmp_path / "claims.md").exists()
    assert (tmp_path / "claims" / "claims.png").exists()

"""Named studies: every one in the catalogue, and what a run of one leaves."""

import json
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from hiercal import Run, Study, Where, catalogue, fitter, story
from hiercal import study as make_study
from hiercal.runs.measurements import Measurement
from hiercal.studies import _finished, _run
from hiercal.studies._claims import Claim, above
from hiercal.studies._ledger import ledger

NAMES = catalogue.names("studies")


@dataclass(frozen=True, kw_only=True)
class Coins(Study):
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

    def runs(self):
        return {
            "exact": Run(
                stories=(story("eight_schools"),),
                fitters=(fitter("exact"),),
                simulations=3,
                seed=self.seed,
            )
        }

    def measurements(self):
        coins = {f"coin {coin}": Measurement(partial(self.flip, coin)) for coin in (1, 2)}
        return coins | {"alone": Measurement(partial(self.flip, 3), alone=True)}

    def flip(self, coin):
        heads = np.random.default_rng([self.seed, coin]).integers(0, 2, self.flips)
        return {"heads": [{"coin": coin, "share": heads.mean()}]}

    def tables(self, results, measured):
        return {"heads": pd.DataFrame(measured["heads"]).assign(n=len(results["exact"].fits))}

    def figures(self, tables):
        from hiercal.plots.sweep import sweep

        labels = {"xlabel": "n", "ylabel": "share"}
        return {"heads": sweep(tables["heads"], x="n", y="share", series="coin", **labels)}


@pytest.fixture
def quiet():
    return {"where": Where(workers=0), "progress": False, "say": lambda _: None}


@pytest.mark.parametrize("name", NAMES)
def test_every_named_study_is_made_at_both_sizes(name):
    full, quick = make_study(name), make_study(name, quick=True)
    assert full.name == name
    assert full.options() != quick.options()
    assert all(isinstance(design, Run) for design in full.runs().values())
    assert json.loads(json.dumps(quick.options())) == quick.options()


def test_every_claim_has_one_study_a_rule_and_a_number():
    claims = [claim for name in NAMES for claim in catalogue.study_class(name).claims]
    numbers = [claim.id for claim in claims]
    assert len(set(numbers)) == len(numbers)
    assert all(claim.says.endswith(".") and claim.rule.endswith(".") for claim in claims)


@pytest.mark.parametrize("name", NAMES)
def test_unknown_options_are_refused_with_the_nearest(name):
    with pytest.raises(ValueError, match="did you mean 'seed'"):
        make_study(name, sed=1)
    with pytest.raises(ValueError, match="seed is -1"):
        make_study(name, seed=-1)


def test_a_run_leaves_tables_figures_verdicts_and_a_manifest(tmp_path, quiet):
    tables = _run.run(Coins(), tmp_path, **quiet)
    written = pd.read_csv(tmp_path / "heads.csv")
    assert written["coin"].tolist() == [1, 2, 3]
    assert written["n"].tolist() == [3, 3, 3]
    pd.testing.assert_frame_equal(written, tables["heads"])
    shares = [Coins().flip(coin)["heads"][0]["share"] for coin in (1, 2, 3)]
    assert written["share"].tolist() == pytest.approx(shares, rel=1e-5)
    assert pd.read_csv(tmp_path / "claims.csv")["claim"].tolist() == ["C99"]
    assert (tmp_path / "figures" / "heads.png").exists()
    assert (tmp_path / "runs" / "exact" / "journal.sqlite").exists()
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["complete"]
    assert manifest["study"] == "coins"
    assert manifest["options"] == {"seed": 2026, "flips": 100}
    assert _finished.finished(Coins(), tmp_path)
    assert not _finished.finished(Coins(flips=5), tmp_path)
    read = _finished.read_tables(tmp_path)
    assert set(read) == {"heads", "claims"}
    assert _finished.read_tables(tmp_path / "runs" / "exact") is None


def test_a_run_that_broke_off_goes_on_with_its_fits(tmp_path, quiet, monkeypatch):
    def broken(self, results, measured):
        raise RuntimeError("tables failed")

    with monkeypatch.context() as patch:
        patch.setattr(Coins, "tables", broken)
        with pytest.raises(RuntimeError, match="tables failed"):
            _run.run(Coins(), tmp_path, **quiet)
    assert not _finished.finished(Coins(), tmp_path)
    with pytest.raises(FileNotFoundError, match="coins has not ended"):
        _finished.read_tables(tmp_path)
    with pytest.raises(ValueError, match="holds an unfinished run of coins"):
        _run.run(Coins(flips=7), tmp_path, **quiet)
    before = (tmp_path / "runs" / "exact" / "fits.parquet").read_bytes()
    monkeypatch.setattr(Coins, "flip", lambda self, coin: pytest.fail("flipped again"))
    _run.run(Coins(), tmp_path, **quiet)
    assert (tmp_path / "runs" / "exact" / "fits.parquet").read_bytes() == before


def test_a_measurement_that_breaks_off_loses_none_that_was_made(tmp_path, quiet, monkeypatch):
    flip, made = Coins.flip, []

    def once(self, coin):
        if coin == 2 and made == [1]:
            raise RuntimeError("a coin rolled away")
        made.append(coin)
        return flip(self, coin)

    monkeypatch.setattr(Coins, "flip", once)
    with pytest.raises(RuntimeError, match="rolled away"):
        _run.run(Coins(), tmp_path / "broken", **quiet)
    made.append("again")
    found = _run.run(Coins(), tmp_path / "broken", **quiet)["heads"]
    assert made == [1, "again", 2, 3]
    monkeypatch.undo()
    whole = _run.run(Coins(), tmp_path / "whole", **quiet)["heads"]
    pd.testing.assert_frame_equal(found, whole)


def test_a_figure_that_cannot_be_drawn_costs_no_table_and_is_said(tmp_path, quiet, monkeypatch):
    def broken(self, tables):
        raise ValueError("got no rows")

    monkeypatch.setattr(Coins, "figures", broken)
    said = []
    tables = _run.run(Coins(), tmp_path, **(quiet | {"say": said.append}))
    assert "coins: figures could not all be made: ValueError: got no rows" in said
    assert set(tables) == {"heads", "claims"}
    assert _finished.finished(Coins(), tmp_path)


def test_the_ledger_takes_what_is_finished_and_runs_the_rest(tmp_path, quiet):
    said = []
    options = {"where": quiet["where"], "say": said.append}
    first = ledger([Coins()], tmp_path, **options)
    assert "coins: tables" in said
    said.clear()
    second = ledger([Coins()], tmp_path, **options)
    assert said == [f"coins: taken from {tmp_path / 'coins'}"]
    pd.testing.assert_frame_equal(first, second)
    assert (tmp_path / "claims.md").exists()
    assert (tmp_path / "claims" / "claims.png").exists()

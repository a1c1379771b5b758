"""Files that tests archive: a story and a fitter of a user's own, and how commands are called."""

import contextlib

import pytest
from click.testing import CliRunner

from hiercal.cli import main

LINE = '''
"""A line of which one point is seen; the fitter is exact, unless a fault is planted."""

import os

import numpy as np

import hiercal
from helper import SD


class Line(hiercal.Story):
    def simulate(self, rng):
        theta = rng.normal()
        return hiercal.Simulation({"theta": theta}, {"y": rng.normal(theta, SD)})


def fit(data, seed):
    planted = os.environ.get("PLANTED", "")
    rng = np.random.default_rng(seed + len(planted))
    sd = np.sqrt(0.5) * (1.2 if planted == "wide" else 1)
    mean = data["y"] / 2 + (0.3 * sd if planted == "shifted" else 0)
    if planted == "failing" and data["y"] > 0.5:
        raise ArithmeticError("planted")
    if planted == "rounding":
        rng = np.random.default_rng(seed)
    factor = 1 + 1e-13 * (planted == "rounding")
    return {"theta": factor * rng.normal(mean, sd, size=400)}
'''
HELPER = "SD = 1.0\n"
DESIGN = """
simulations = 60
seed = 3
stories = [{ name = "line.py:Line" }]
fitters = [{ name = "line.py:fit" }]
"""
EXACT = """
simulations = 40
seed = 3
stories = [{ name = "eight_schools" }]
fitters = [{ name = "exact", draws = 200 }]
"""

COINS = '''
"""A study of coins and of exact fits."""

import os
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import pandas as pd

from hiercal import Run, Study, fitter, story
from hiercal.runs.measurements import Measurement
from hiercal.studies._claims import Claim, above


@dataclass(frozen=True, kw_only=True)
class Coins(Study):
    flips: int = 100

    name: ClassVar = "coins"
    quick: ClassVar = {"flips": 10}
    claims: ClassVar = (
        Claim("C99", "L1", "Coins show heads.", "More than half.",
              lambda tables: above(tables["heads"]["share"].iloc[0], 0.001, 0.5, "share")),
    )

    def runs(self):
        arms = {"stories": (story("eight_schools"),), "fitters": (fitter("exact"),)}
        return {"a": Run(**arms, simulations=20, seed=self.seed)}

    def measurements(self):
        return {"coin": Measurement(partial(self.flip, 1))}

    def flip(self, coin):
        turned = len(os.environ.get("PLANTED", ""))
        heads = np.random.default_rng([self.seed, coin]).integers(0, 2, self.flips)
        share = float(heads.mean()) + (0.3 if not turned else -0.3)
        return {"heads": [{"coin": coin, "share": share, "share_se": 0.05}]}

    def tables(self, results, measured):
        return {"heads": pd.DataFrame(measured["heads"]).assign(n=len(results["a"].fits))}

    def figures(self, tables):
        return {}
'''


def place(folder, design=DESIGN, **more):
    """A folder with a design and the files that it names."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {"our.toml": design, "line.py": LINE, "helper.py": HELPER, **more}.items():
        path = folder / name.replace("__", ".")
        path.write_text(text, encoding="utf-8")
    return folder


def invoke(*args, at=None):
    """A command, in a folder."""
    with contextlib.chdir(at) if at else contextlib.nullcontext():
        return CliRunner().invoke(main, [str(a) for a in args], catch_exceptions=False)


def done(*args, at=None):
    """A command that ends well."""
    result = invoke(*args, at=at)
    assert result.exit_code == 0, result.output
    return result


def archived(folder, out="made.zip", *options):
    """Run the design in a folder, and pack what came of it."""
    if not (folder / "made").exists():
        done("run", "our.toml", "--out", "made", "--workers", 0, at=folder)
    done("archive", "made", "--out", out, *options, at=folder)
    return folder / out


def rerun(archive, out, *options):
    """The command that runs an archive again, in this process."""
    return invoke("rerun", archive, "--out", out, "--workers", 0, *options)


@contextlib.contextmanager
def full(size):
    """No file may grow beyond a number of bytes, as on a disk that is nearly full."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

"""What an archive says of itself to someone who has nothing but a text editor."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from hiercal.runs.columns import QUANTITY, FitRecord
from hiercal.words import count, markdown

MACHINE = ("python", "platform", "cpu", "instructions")
"""What of the versions is no package."""
TOLD = {
    "README.md": "this text",
    "CHECKSUMS": "SHA-256 of every file, for `sha256sum -c`",
    "archive.json": "what `hiercal rerun` reads: what is run, and in which folder",
    "requirements.txt": "the packages that made the results, with their versions, for pip",
    "simulations.csv": "SHA-256 of the data of each simulation (the first 1000 of each story)",
    "source/": "the design, and the code and data that it is read from",
    "manifest.json": "the run: arms, code by hash, seed, versions, processor, commit of hiercal",
    "records.parquet": "a row per arm, simulation and quantity: truth, rank, mean, sd, intervals",
    "fits.parquet": "a row per fit: error, seconds, divergences, leapfrog steps",
    "group_ranks.parquet": "ranks of all group effects of each fit, pooled",
    "draws.npz": "draws of one simulation, for the figure of the funnel",
    "verdicts.csv": "the tests of each arm and quantity",
    "meaning.csv": "what is wrong with each miscalibrated quantity",
    "mixing.csv": "whether the chains of each arm mix, and how many fits diverge",
    "coverage.csv": "how often intervals hold the true value",
    "bias.csv": "posterior means of the between-group scale against the exact ones",
    "strata.csv": "rank tests within strata of truth and data",
    "groups.csv": "the test of all group effects, pooled",
    "claims.csv": "the claims of the study, their rules and verdicts",
    "not_made.csv": "tables and figures that could not be made, and why",
    "journal.sqlite": "each fit as it came in",
    "measurements.sqlite": "what the study measured besides its runs, as it came in",
}
"""What each file is."""
OF_STUDY = ("manifest.json", "claims.csv", "measurements.sqlite")
"""Files of a study that are in `TOLD`; its tables have names of their own."""


def requirements(versions: Mapping[str, str], others: Mapping[str, str]) -> str:
    """The packages of a manifest, and `others` that code of the user's imports, as pip reads them.

    hiercal itself is to be installed beforehand, as a commit has no version.
    """
    packages = {**others, **versions}
    pins = [f"{name}=={packages[name]}\n" for name in sorted({*packages} - {*MACHINE, "hiercal"})]
    return "# what hiercal used, as it was when this was run\n" + "".join(pins)


def readme(contents: Mapping[str, Any], manifest: Mapping[str, Any], files: Sequence[str]) -> str:
    """The README of an archive, in Markdown."""
    name, versions = contents["name"], manifest["versions"]
    what = (
        f"the study {markdown(name)}"
        if contents["kind"] == "study"
        else f"the run {markdown(name)}: {count(len(manifest['arms']), 'arm')}, "
        f"{count(manifest['simulations'], 'simulation')}, seed {manifest['seed']}"
    )
    changed = (
        ", with changes that were not committed"
        if (manifest.get("commit") or "").endswith("+")
        else ""
    )
    lines = [
        f"# {markdown(name)}",
        "",
        f"This is {what}. It was made by {_hiercal(manifest)}{changed}. hiercal simulates data "
        "from known parameters, fits them, and tests whether the true values lie among the "
        "posterior draws as they should (simulation-based calibration).",
        "",
        "## Is it whole?",
        "",
        "In this folder:",
        "",
        "    sha256sum -c CHECKSUMS",
        "",
        "Checksums tell damage. They do not tell who made the archive: for that, compare the "
        "SHA-256 of the zip file with the one that its author gives.",
        "",
        "## Run it again",
        "",
        *_again(contents, manifest),
        "",
        "## What it was made with",
        "",
        f"- processor: {markdown(versions['cpu'])}, vector instructions: "
        f"{versions['instructions']}, {markdown(versions['platform'])}",
        f"- Python {versions['python']}; packages: see `requirements.txt`",
        *(
            f"- an earlier part of the fits: Python {each['python']}, {markdown(each['cpu'])}; see "
            "`results/manifest.json`"
            for each in manifest.get("earlier_versions", [])
        ),
        *(
            f"- the source of `{each}`, which has no version and is not in this archive"
            for each in contents["needs"]
        ),
        "",
        "Simulated data, exact posteriors and NumPyro's draws repeat to the bit on a processor "
        "with the same kind of vector instructions and with these versions. nutpie's draws, of "
        "PyMC models, do not repeat on another processor. Seconds never do.",
        "",
        "## Files",
        "",
        "| file | what it is |",
        "|---|---|",
        *_listed(files, contents["kind"]),
        "",
        "Paths of the machine were taken out of `manifest.json`; all else is as the run wrote it. "
        + (
            "Each fit's records are in `records.parquet` and `fits.parquet`, which pandas, R and "
            "DuckDB read. "
            "The journal of the fits is not packed."
            if "journal" not in contents["also"]
            else "The journals are SQLite databases."
        ),
        "",
        *_columns(),
        "",
        "## Licence",
        "",
        "The author of the archive says under which licence its contents may be used. hiercal is "
        "Apache-2.0.",
    ]
    return "\n".join(lines) + "\n"


def _again(contents: Mapping[str, Any], manifest: Mapping[str, Any]) -> list[str]:
    if not contents["config"]:
        return [
            "The design is not in this archive, so hiercal cannot run it again. What was run is "
            "described in `results/manifest.json`."
        ]
    top, place = contents["name"], contents["place"]
    command = ["hiercal", "run", contents["config"]]
    for key, value in contents["changes"].items():
        command += [f"--{key}", *([] if value is True else [str(value)])]
    own = contents["python"]
    lines = [
        f"Make an environment with Python {manifest['versions']['python']} or a later one, install "
        f"{_hiercal(manifest)} in it, then:",
        "",
        "    python -m pip install -r requirements.txt",
        f"    hiercal rerun {shlex.quote(f'{top}.zip')}",
        "",
        "This checks every file, fits everything again from the same seed, and says fit by fit "
        "what is the same to the bit, and of the rest whether it agrees. "
        + (
            f"It runs the code in {', '.join(f'`source/{each}`' for each in own)}: read it first."
            if own
            else "It runs no code but hiercal's and its packages'."
        ),
        "",
        "Without the comparison:",
        "",
        f"    cd {shlex.quote('source' if place == '.' else f'source/{place}')}",
        f"    {shlex.join(command)}",
    ]
    return lines


def _hiercal(manifest: Mapping[str, Any]) -> str:
    """Which hiercal it was."""
    commit = manifest.get("commit") or ""
    of_commit = f" (commit `{commit.rstrip('+')}`)" if commit else ""
    return f"hiercal {manifest['versions'].get('hiercal', '')}{of_commit}"


def _listed(files: Sequence[str], kind: str) -> list[str]:
    """A row for each file; figures and stores by their folders."""
    rows: dict[str, str] = {"README.md": TOLD["README.md"], "CHECKSUMS": TOLD["CHECKSUMS"]}
    for path in files:
        folder, _, name = path.rpartition("/")
        if path.startswith("source/"):
            rows[path] = "code, which a rerun runs" if name.endswith(".py") else "read by the run"
        elif folder.endswith("figures"):
            rows[f"{folder}/"] = "figures"
        elif "sbc.zarr/" in path:
            rows[f"{path.partition('sbc.zarr/')[0]}sbc.zarr/"] = "PIT values as ArviZ reads them"
        elif "/parts/" in path:
            rows[f"{folder}/"] = "fits that workers wrote"
        elif kind == "study" and folder == "results" and name not in OF_STUDY:
            rows[path] = "a table of the study" if name.endswith(".csv") else "a text of the study"
        elif kind == "study" and path == "results/manifest.json":
            rows[path] = "the study: options, code by hash, versions, processor, commit of hiercal"
        else:
            rows[path] = TOLD.get(name, "")
    return [f"| {_code(name)} | {told} |" for name, told in rows.items()]


def _code(text: str) -> str:
    """A name as code in a cell of a table, whatever is in it."""
    marks = "``" if "`" in text else "`"
    return f"{marks}{text.replace('|', chr(92) + '|')}{marks}"


def _columns() -> list[str]:
    """What the columns of the records are."""
    return [
        "## Columns",
        "",
        "`records.parquet` names arm, simulation and quantity, `status` (ok or failed), `max_rank` "
        "(L, the number of draws that a truth is ranked among) and `divergences` of the fit, and:",
        "",
        *(f"- `{name}`: {meaning}" for name, meaning in QUANTITY.items()),
        "",
        "`fits.parquet` names the arm, and:",
        "",
        *(f"- `{name}`: {meaning}" for name, meaning in FitRecord.scalars().items()),
    ]

"""Runs an archive again, and says what agrees with it: to the bit, or as far as chance allows."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hiercal.config import read
from hiercal.errors import JournalError
from hiercal.report import _expected, _zip
from hiercal.report._conclusions import changed_verdicts, of_study
from hiercal.report._judged import AGREES, DISAGREES, SAME, UNDECIDED, Judged, same_data
from hiercal.report.agreement import (
    ALPHA,
    compared,
    least_p,
)
from hiercal.report.archive import CONTENTS, DATA, LAYOUT, RESULTS, RUNS, SOURCE
from hiercal.runs.manifest import read_manifest, replace, versions
from hiercal.runs.result import Result
from hiercal.runs.run import Run
from hiercal.studies import Study
from hiercal.studies._run import run as run_study
from hiercal.tables.export import run as run_run

if TYPE_CHECKING:
    import pandas as pd

    from hiercal.runs.executors import Where

UNPACKED, MADE = "archive", "rerun"
"""Folders of a rerun: what was archived, and what was made again."""


@dataclass
class Opened:
    """An archive that was unpacked and is whole.

    Attributes
    ----------
    out : Path
        Folder of the rerun.
    contents : dict
        What the archive says of itself.
    manifest : dict
        Of the run or study.
    """

    out: Path
    contents: dict[str, Any]
    manifest: dict[str, Any]

    @property
    def results(self) -> Path:
        return self.out / UNPACKED / RESULTS

    @property
    def source(self) -> Path:
        return self.out / UNPACKED / SOURCE / self.contents["place"]

    @property
    def python(self) -> list[str]:
        """Python files of the archive's own, which a rerun runs."""
        root = self.out / UNPACKED / SOURCE
        return sorted(path.relative_to(root).as_posix() for path in root.rglob("*.py"))

    def folder_of(self, name: str) -> Path:
        """Folder of a run, in the archive's results."""
        return self.results / RUNS / name if name else self.results


@dataclass
class Rerun:
    """What came of running an archive again.

    Attributes
    ----------
    arms : DataFrame
        A row per arm: ``run, arm, fits, left_out``; of how many fits the ``truths``, ``data``,
        ``ranks``, ``estimates`` and ``statistics`` are the same to the bit, and all of these
        (``same``); ``verdict``, ``why``; the least p-value ``p_holm`` and what it is of; and
        ``detectable_shift``, in posterior sds, that would have been found.
    quantities : DataFrame
        A row per arm and quantity: how far apart, and the p-values.
    changed : list of str
        Verdicts of arms and of claims that are others now.
    machine, code : list of str
        In what the processor, and versions and code, differ.
    tables : DataFrame or None
        Of a study, a row per table: cells that are the same, and the largest difference.
    """

    name: str
    simulations: int | None
    arms: pd.DataFrame
    quantities: pd.DataFrame
    changed: list[str]
    broken_claims: list[str]
    machine: list[str]
    code: list[str]
    other_cpu: str
    tables: pd.DataFrame | None = None

    @property
    def verdict(self) -> str:
        """One of ``to the bit``, ``agrees``, ``disagrees``, ``undecided``."""
        found = set(self.arms["verdict"])
        if DISAGREES in found or self.broken_claims:
            return DISAGREES
        if UNDECIDED in found:
            return UNDECIDED
        return SAME if found <= {SAME} and not self._tables_differ else AGREES

    @property
    def _tables_differ(self) -> bool:
        return self.tables is not None and bool((self.tables["same"] < self.tables["cells"]).any())


def opened(archive: Path, out: Path) -> Opened:
    """Unpack an archive into the folder of its rerun, or look at what was unpacked before.

    Raises
    ------
    BadArchive
        If it is damaged, or no archive of hiercal's, or of a later version.
    JournalError
        If the folder is another's.
    """
    if not archive.is_file():
        raise _zip.BadArchive(f"{archive} is no file; give one that hiercal archive wrote")
    digest = _zip.sha256(archive)
    mark, unpacked = out / "rerun.json", out / UNPACKED
    if out.exists():
        if not out.is_dir():
            raise JournalError(f"{out} is a file, not a folder; give another --out")
        if any(out.iterdir()) and _archive_of(mark) != digest:
            raise JournalError(
                f"{out} is not the folder of a rerun of this archive; give another --out"
            )
    if unpacked.exists():
        _zip.verify(unpacked)
    else:
        out.mkdir(parents=True, exist_ok=True)
        replace(mark, json.dumps({"sha256": digest}) + "\n")
        try:
            _zip.unpack(archive, unpacked)
        except BaseException:
            mark.unlink()
            with contextlib.suppress(OSError):  # what else is in it is not ours
                out.rmdir()
            raise
    try:
        contents = json.loads((unpacked / CONTENTS).read_text(encoding="utf-8"))
        layout = contents["layout"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _zip.BadArchive(
            f"{archive} is no archive that hiercal archive wrote: {CONTENTS} cannot be read "
            f"({error})"
        ) from None
    if layout != LAYOUT:
        raise _zip.BadArchive(
            f"{archive} has layout {layout}, and this version of hiercal reads {LAYOUT}; install "
            "the version that its README names"
        )
    return Opened(out, contents, read_manifest(unpacked / RESULTS))


def _archive_of(mark: Path) -> str:
    """SHA-256 of the archive that a folder is the rerun of; empty if it is of none."""
    try:
        return json.loads(mark.read_text(encoding="utf-8"))["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def refuse(one: Opened) -> None:
    """Raise a ValueError if an archive cannot be run here; the message says what to do."""
    if not one.contents["config"]:
        raise ValueError(
            "this archive holds results alone, and no design: its author packed it without one"
        )
    stored = [one.manifest] if "study" in one.manifest else []
    stored += [read_manifest(one.folder_of(name)).get("run", {}) for name in one.contents["runs"]]
    if lacking := sorted({each for of in stored for each in _expected.missing(of)}):
        raise ValueError(
            f"this archive needs {', '.join(lacking)}, which is not installed; python -m pip "
            f"install -r {one.out / UNPACKED / 'requirements.txt'}"
        )


def rerun(
    one: Opened,
    *,
    where: Where,
    simulations: int | None = None,
    progress: bool = True,
    say: Callable[[str], None] = print,
) -> Rerun:
    """Run an archive again from its seed, and compare; safe to interrupt and repeat.

    Parameters
    ----------
    one : Opened
    where : Where
    simulations : int, optional
        Only so many of a run, the first.

    Raises
    ------
    ValueError
        If the design cannot be run.
    JournalError, RunError
        As of `hiercal.run`.
    """
    changes = dict(one.contents["changes"])
    if simulations is not None:
        if one.contents["kind"] == "study":
            raise ValueError("--simulations is of runs; a study is run again as a whole")
        changes["simulations"] = min(simulations, one.manifest["simulations"])
    made = one.out.resolve() / MADE
    _keep_size(one.out, made, changes.get("simulations"))
    with contextlib.chdir(one.source):
        wanted = read(one.contents["config"], **changes)
        if isinstance(wanted, Study):
            run_study(wanted, made, where=where, progress=progress, say=say)
            runs = wanted.runs()
        else:
            run_run(wanted, made, where=where, progress=progress)
            runs = {"": wanted}
    return _compared(one, made, runs)


def _keep_size(out: Path, made: Path, simulations: int | None) -> None:
    """Raise a ValueError if more simulations were made there than are asked for."""
    if (made / "manifest.json").exists():
        before = read_manifest(made).get("simulations")
        if simulations is not None and before is not None and before > simulations:
            raise ValueError(
                f"{out} holds a rerun of {before} simulations; give as many or more, or another "
                "--out"
            )


def _compared(one: Opened, made: Path, runs: Mapping[str, Run]) -> Rerun:
    import pandas as pd

    there, here = one.manifest["versions"], versions()
    machine = _expected.other_machine(there, here)
    for each in one.manifest.get("earlier_versions", []):
        machine += [f"{line} (of earlier fits)" for line in _expected.other_machine(each, here)]
    cpu = (
        ""
        if there.get("cpu") == here.get("cpu")
        else f"{there.get('cpu')} there, {here['cpu']} here"
    )
    data = pd.read_csv(
        one.out / UNPACKED / DATA, dtype={"run": "str", "story": "str", "data": "str"}
    )
    data = data.fillna("")
    found: list[Judged] = []
    code: dict[str, None] = {}
    changed: list[str] = []
    for name, run in runs.items():
        before = Result(one.folder_of(name))
        now = Result(made / RUNS / name if name else made)
        n = min(before.n_simulations, now.n_simulations)
        of_code = _expected.other_code(before.manifest["run"], now.manifest["run"])
        code |= dict.fromkeys(of_code)
        made_here = {arm.label: arm for arm in run.arms}
        fitters = before.manifest.get("references", {}).get("fitters")
        for i, about in enumerate(before.arms.to_dict("records")):
            if about["arm"] not in now.arms.index:
                raise ValueError(f"{about['arm']} of the archive is not in what was run again")
            each = compared(before, now, about["arm"], n)
            known = data[(data["run"] == name) & (data["story"] == about["story"])]
            hashes = dict(zip(known["simulation"], known["data"], strict=True))
            same = same_data(run.seed, made_here[about["arm"]].story, hashes, each)
            reasons = [*machine, *of_code]
            asked = fitters[i % len(fitters)] if fitters else about["fitter_name"]
            found.append(Judged(name, each, same, reasons, _expected.excuse(asked)))
    differing = [each.compared for each in found if not each.is_same and not each.is_rounding]
    least = dict(zip(map(id, differing), least_p(differing), strict=True))
    n_tests = sum(len(one.tests) for one in differing)
    rows = [each.row(*least.get(id(each.compared), (np.nan, "")), n_tests) for each in found]
    quantities = [{"run": each.run, **row} for each in found for row in each.compared.quantities]
    tables, broken = None, []
    whole = True
    if "study" in one.manifest:
        tables, lines, broken = of_study(one.results, made)
        changed += lines
    else:
        whole = bool(rows) and read_manifest(made)["simulations"] == one.manifest["simulations"]
        changed += changed_verdicts(one.results, made) if whole else []
    result = Rerun(
        one.contents["name"],
        None if whole else read_manifest(made)["simulations"],
        pd.DataFrame(rows),
        pd.DataFrame(quantities),
        changed,
        broken,
        list(dict.fromkeys(machine)),
        list(code),
        cpu,
        tables,
    )
    _write(one, result)
    return result


def _write(one: Opened, result: Rerun) -> None:
    """Write what was found as CSV files and ``rerun.json``."""
    for name, table in (
        ("rerun", result.arms),
        ("quantities", result.quantities),
        ("tables", result.tables),
    ):
        if table is not None and len(table):
            replace(one.out / f"{name}.csv", table.to_csv(index=False, lineterminator="\n"))
    mark = one.out / "rerun.json"
    content = json.loads(mark.read_text(encoding="utf-8"))
    arms = result.arms.astype(object).where(result.arms.notna(), None)
    content |= {
        "name": result.name,
        "verdict": result.verdict,
        "simulations": result.simulations,
        "alpha": ALPHA,
        "changed_verdicts": result.changed,
        "broken_claims": result.broken_claims,
        "machine": result.machine,
        "versions_and_code": result.code,
        "processor": result.other_cpu,
        "arms": arms.to_dict("records"),
    }
    replace(mark, json.dumps(content, indent=2) + "\n")

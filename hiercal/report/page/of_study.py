"""What the page of a study says: its claims, tables and figures, and its runs."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from hiercal import catalogue, words
from hiercal.report.of_folder import finished
from hiercal.report.page.methods import bibtex
from hiercal.report.page.origin import Origin, value_text
from hiercal.report.tables import PaperTable, paper_table
from hiercal.runs.manifest import MANIFEST, read_manifest
from hiercal.runs.result import FITS
from hiercal.studies._claims import ERRORS, VERDICTS
from hiercal.studies._study import CLAIMS

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 60
"""Of a table that is shown whole."""
MOST_BYTES = 1_300_000
"""Of figures that are put into the page, as they are there."""


@dataclass(frozen=True)
class StudyPage:
    """All that the template of a study is given."""

    name: str
    subtitle: str
    headline: str
    state: str
    level: str
    claims: Sequence[Mapping[str, str]]
    tables: Sequence[tuple[PaperTable, str]]
    figures: Sequence[tuple[str, Markup]]
    left_out: Sequence[str]
    runs: Sequence[Mapping[str, str]]
    origin: Origin
    bibtex: str


def study_page(folder: Path) -> StudyPage:
    """Read a finished study.

    Raises
    ------
    FileNotFoundError
        If it has not ended.
    JournalError
        If a table is not what was written.
    """
    whole = finished(folder)
    manifest = read_manifest(folder)
    claims = whole.tables.get(CLAIMS)
    headline, state = _headline(claims)
    figures, left_out = _figures(folder, manifest.get("files", ()))
    return StudyPage(
        name=manifest["study"],
        subtitle=f"Study, seed {manifest['options']['seed']}",
        headline=headline,
        state=state,
        level=(
            f"False-alarm rate: an effect has to pass its bound by {ERRORS:g} standard errors, and "
            "by more where one of several is enough, so that chance alone gives a verdict once in "
            "740 claims. “Undecided” is what does not."
            if claims is not None
            else ""
        ),
        claims=_claims(claims),
        tables=[
            (paper_table(name, table.head(MOST_ROWS), whole), _more(name, len(table)))
            for name, table in whole.tables.items()
            if name != CLAIMS and len(table)
        ],
        figures=figures,
        left_out=left_out,
        runs=[_run(path.parent) for path in sorted(folder.glob(f"runs/*/{MANIFEST}"))],
        origin=_origin(manifest),
        bibtex=bibtex({"versions": manifest["versions"], "commit": manifest.get("commit")}),
    )


def _headline(claims: pd.DataFrame | None) -> tuple[str, str]:
    if claims is None or claims.empty:
        return "This study tests no claims; its tables and figures are below.", "good"
    counts = claims["verdict"].value_counts()
    said = [
        f"{counts[name]} {name if counts[name] == 1 else _plural(name)}"
        for name in VERDICTS
        if name in counts
    ]
    total = words.count(len(claims), "claim")
    state = "bad" if "fails" in counts else "unsure" if "undecided" in counts else "good"
    return f"{total}: {', '.join(said)}.", state


def _plural(verdict: str) -> str:
    first, *rest = verdict.split(" ")
    return " ".join([first.removesuffix("s"), *rest])


def _claims(claims: pd.DataFrame | None) -> list[dict[str, str]]:
    if claims is None:
        return []
    return [
        {
            **{name: str(row[name]) for name in ("claim", "says", "verdict", "measure", "rule")},
            **{name: str(row[name]) for name in ("remark", "source", "fixed", "where")},
            "kind": "regime" if row["verdict"] == "holds in a regime" else str(row["verdict"]),
            "effect": words.rounded(row["effect"], row["se"]),
            "bound": f"{row['bound']:.3g}",
        }
        for row in claims.to_dict("records")
    ]


def _more(name: str, n: int) -> str:
    return f"The first {MOST_ROWS} of {n} rows; {name}.csv has all." if n > MOST_ROWS else ""


def _figures(folder: Path, files: Sequence[str]) -> tuple[list[tuple[str, Markup]], list[str]]:
    """Figures as data, as long as there is room, and the names of the others."""
    paths = [folder / name for name in files if name.endswith(".png")]
    paths = [path for path in paths if path.is_file()]
    room, shown, left_out = MOST_BYTES, [], []
    for path in sorted(paths, key=lambda path: path.stat().st_size):
        text = base64.b64encode(path.read_bytes()).decode()
        room -= len(text)
        if room < 0:
            left_out.append(path.relative_to(folder).as_posix())
        else:
            shown.append((path.stem, Markup(f"data:image/png;base64,{text}")))
    return sorted(shown), left_out


def _run(folder: Path) -> dict[str, str]:
    """A run of the study, in a line."""
    import pandas as pd

    manifest = read_manifest(folder)
    failed = "-"
    if (path := folder / FITS).exists():
        errors = pd.read_parquet(path, columns=["error"])["error"]
        failed = f"{int(errors.notna().sum())} of {len(errors)}"
    return {
        "name": folder.name,
        "arms": str(len(manifest["arms"])),
        "simulations": str(manifest["simulations"]),
        "failed": failed,
        "command": f"hiercal report {shlex.quote(folder.as_posix())}",
    }


def _origin(manifest: Mapping[str, Any]) -> Origin:
    command, how = _command(manifest)
    versions = dict(manifest["versions"])
    machine = [versions.pop(name, "") for name in ("platform", "cpu", "instructions")]
    return Origin(
        command=command,
        how=[
            *how,
            "Simulated data, exact posteriors and NumPyro's draws repeat to the digit on a "
            "processor "
            "with the same kind of vector instructions; PyMC's do not, and seconds never do.",
        ],
        files=sorted(manifest["given"].items()),
        facts=[
            ("seed", str(manifest["options"]["seed"])),
            ("commit of hiercal", manifest.get("commit") or "unknown"),
            ("machine", ", ".join(filter(None, machine))),
            ("seconds spent", f"{manifest['seconds']:g}"),
        ],
        versions=list(versions.items()),
        design=[(name, value_text(value)) for name, value in manifest["options"].items()],
    )


def _command(manifest: Mapping[str, Any]) -> tuple[str, list[str]]:
    """What repeats a study, and what has to be known besides."""
    name, given = manifest["study"], manifest["given"]
    config = manifest.get("config") or next((p for p in given if p.endswith(".toml")), "")
    if config.endswith(".toml") or ":" in config:
        how = ["It needs the files below, with these hashes."] if given else []
        return f"hiercal run {shlex.quote(config)}", how
    if name not in catalogue.names("studies"):
        return "", ["Which file or name the study was given by is not in its manifest."]
    for quick, flag in ((False, ""), (True, " --quick")):
        usual = catalogue.study(name, quick=quick).options()
        changed = {k for k in usual if usual[k] != manifest["options"].get(k)}
        if changed <= {"seed", "simulations"} and set(usual) == set(manifest["options"]):
            flags = [f" --{k} {manifest['options'][k]}" for k in ("simulations", "seed")
                     if k in changed]  # fmt: skip
            return f"hiercal run {name}{flag}{''.join(flags)}", []
    return f"hiercal run {name}", ["Its options differ from today's defaults: they are below."]

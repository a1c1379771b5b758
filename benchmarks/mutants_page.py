"""Writes the tables of docs/mutants.md from results/mutants/mutants.csv.

uv run benchmarks/mutants_page.py
"""

import re
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "mutants.md"
GATES = ("Stan", "posteriordb", "TFP", "PyMC", "NumPyro")
VERDICTS = {"miscalibrated": "found", "calibrated": "no"}


def main() -> None:
    """Replace what is between the marks of each table."""
    rows = pd.read_csv(ROOT / "results" / "mutants" / "mutants.csv", keep_default_na=False)
    rows[[f"gate {gate}" for gate in GATES]] = rows[[f"gate {gate}" for gate in GATES]].apply(
        pd.to_numeric
    )
    text = PAGE.read_text()
    for kind in ("mutant", "honest"):
        some = rows[rows["kind"] == kind].to_dict("records")
        text = re.sub(
            rf"(<!-- {kind} -->\n).*?(<!-- end -->)",
            lambda found, some=some, kind=kind: found[1] + table(some, kind) + found[2],
            text,
            flags=re.DOTALL,
        )
    PAGE.write_text(text)


def table(rows: list[dict], kind: str) -> str:
    """A Markdown table."""
    found = ("found by",) if kind == "mutant" else ("called out",)
    fits = () if kind == "mutant" else ("fits",)
    heads = (
        "mutant" if kind == "mutant" else "honest fitter",
        *found,
        "simulations",
        "CPU s",
        "fixed N",
        *fits,
        *GATES,
    )
    lines = [heads, ["---"] * len(heads)]
    for row in rows:
        by = "ranks" if row["by"] == "ranks" else "exact"
        said = f"{by}, `{row['quantity']}`" if row["found"] else "**NOT found**"
        lines.append(
            (
                f"`{row['mutant']}`",
                said if kind == "mutant" else "**yes**" if row["found"] else "no",
                str(row["simulations"]),
                f"{row['cpu_seconds']:.1f}",
                VERDICTS.get(row["fixed"], row["fixed"]),
                *((str(row["gate_runs"]),) if fits else ()),
                *(caught(row[f"gate {gate}"], kind) for gate in GATES),
            )
        )
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def caught(share: float, kind: str) -> str:
    """Whether a gate catches a mutant, or how often it does an honest fitter."""
    if share != share:
        return ""
    return f"{100 * share:.1f} %" if kind == "honest" else "yes" if share >= 0.5 else "no"


if __name__ == "__main__":
    main()

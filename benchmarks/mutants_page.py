"""Writes the tables of docs/explanation/mutants.md from the files in results/mutants.

uv run benchmarks/mutants_page.py
"""

import re
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results" / "mutants"
PAGE = ROOT / "docs" / "explanation" / "mutants.md"
GATES = ("Stan", "posteriordb", "TFP", "PyMC", "NumPyro")
VERDICTS = {"miscalibrated": "found", "calibrated": "no"}


def main() -> None:
    """Replace what is between the marks of each table."""
    rows = pd.read_csv(RESULTS / "mutants.csv", keep_default_na=False)
    rows[[f"gate {gate}" for gate in GATES]] = rows[[f"gate {gate}" for gate in GATES]].apply(
        pd.to_numeric
    )
    tables = {
        kind: table(rows[rows["kind"] == kind].to_dict("records"), kind)
        for kind in ("mutant", "honest")
    }
    tables["classifier"] = of_classifier(pd.read_csv(RESULTS / "classifier.csv"))
    text = PAGE.read_text()
    for mark, written in tables.items():
        text = re.sub(
            rf"(<!-- {mark} -->\n).*?(<!-- end -->)",
            lambda found, written=written: found[1] + written + found[2],
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
    return markdown(lines)


def of_classifier(rows: pd.DataFrame) -> str:
    """How often the classifier and the ranks find each mutant, with standard errors."""
    heads = "mutant", "classifier finds it", "ranks find it", "time, over that of the ranks"
    lines = [heads, ["---"] * len(heads)]
    for row in rows.to_dict("records"):
        shares = [
            f"{100 * row[test]:.0f} % ({100 * row[f'{test}_se']:.0f})"
            for test in ("classifier", "ranks")
        ]
        lines.append((row["mutant"], *shares, f"{row['cost_ratio']:.1f}"))
    return markdown(lines)


def markdown(lines: list) -> str:
    """Rows of cells as a table."""
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def caught(share: float, kind: str) -> str:
    """Whether a gate catches a mutant, or how often it does an honest fitter."""
    if share != share:
        return ""
    return f"{100 * share:.1f} %" if kind == "honest" else "yes" if share >= 0.5 else "no"


if __name__ == "__main__":
    main()

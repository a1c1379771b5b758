"""Every figure of hiercal.plots, one column wide: of a small run, and of made-up tables.

    python examples/figures.py gallery

writes them as PNG into the folder gallery, with the captions in captions.txt. The run takes
seconds: draws come from exact posteriors, and from such as are spoilt on purpose.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from hiercal import Run, Where, fitter, plots, run, story
from hiercal.mutants.narrow import Narrow
from hiercal.report.figures import paper_figures
from hiercal.sbc.gamma import gamma_path
from hiercal.sbc.sequential import rank_log_e_path

out = Path(sys.argv[1] if len(sys.argv) > 1 else "gallery")

# A run: partial, no and complete pooling by their exact posteriors, and draws that are too narrow.
design = Run(
    stories=[story("eight_schools")],
    fitters=[
        fitter("exact"),
        fitter("exact", model="no_pooling"),
        fitter("exact", model="complete_pooling"),
        Narrow(),
    ],
    simulations=100,
    seed=2026,
    name="gallery",
)
run(design, out / "run", where=Where(workers=0), progress=False)

# What `hiercal figures gallery/run --columns 1` draws: all that a run has the tables for.
made = {
    each.name: each.figure
    for each in paper_figures(out / "run", columns=1, quantities=["tau", "theta[A]"])
}

# The same functions take records of one's own, or any part of them.
records = pd.read_parquet(out / "run" / "records.parquet")
schools = [f"theta[{letter}]" for letter in "ABCDEFGH"]
pooling = [f"eight_schools/exact{end}" for end in ("-no_pooling", "", "-complete_pooling")]
names = ["no pooling", "partial pooling", "complete pooling"]
with plots.form(columns=1, notes=False):
    made["forest"] = plots.forest(records, schools, pooling, simulation=3)
    made["shrinkage"] = plots.shrinkage(records, schools, pooling, simulation=3, labels=names)

    ranks = records[(records["quantity"] == "theta[A]").to_numpy()]
    ranks = {arm: own["rank"].to_numpy(int) for arm, own in ranks.groupby("arm", observed=True)}
    made["evidence"] = plots.evidence(
        {arm: rank_log_e_path(own, 99).tolist() for arm, own in ranks.items()},
        threshold=np.log(len(ranks) / 0.001),
        gamma={arm: gamma_path(own, 99) for arm, own in ranks.items()},
    )

    # Figures of tables, as studies have them; these numbers are made up.
    tau = np.array([0.0, 5.0, 10.0, 20.0])
    made["risk"] = plots.risk(
        pd.DataFrame(
            {
                "tau": np.tile(tau, 2),
                "rule": np.repeat(["James-Stein", "hierarchical"], 4),
                "risk": [40, 58, 80, 95, 25, 50, 76, 93],
                "risk_se": 1.0,
            }
        ),
        reference=100.0,
        reference_label="no pooling",
    )
    made["interval_width"] = plots.interval_width(
        pd.DataFrame(
            {
                "size": [5, 20, 80, 320],
                "partial_pooling": [3.1, 1.9, 1.05, 0.55],
                "partial_pooling_se": 0.05,
                "no_pooling": [4.4, 2.2, 1.1, 0.56],
                "no_pooling_se": 0.05,
            }
        ),
        y=["partial_pooling", "no_pooling"],
        xscale="log",
    )
    cells = [(n, t) for n in (1, 5, 25) for t in (1.0, 4.0, 16.0)]
    made["parameterisation_map"] = plots.parameterisation_map(
        pd.DataFrame(cells, columns=["n", "tau"]).assign(
            log2_ratio=lambda table: 4 - 1.5 * np.log2(table["n"] ** 0.5 * table["tau"]),
            log2_ratio_se=0.2,
        ),
        boundary={"": lambda n: 2 ** (4 / 1.5) / n**0.5},
    )
    counts = np.random.default_rng(1).multinomial(40, np.full(100, 0.01), size=100)
    made["group_ranks"] = plots.group_ranks(
        pd.DataFrame({"arm": "exact", "simulation": range(100), "counts": list(counts)}), 100
    )

captions = []
for name, figure in made.items():
    plots.save(figure, out, name, ["png"])
    captions.append(f"{name}: {figure.get_label()}")
(out / "captions.txt").write_text("\n\n".join(captions) + "\n", encoding="utf-8")
print(f"{len(made)} figures are in {out}")

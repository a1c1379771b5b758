"""Claims on parameterisation: which model is better where, and which should be the default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from hiercal.errors import NotMeasured
from hiercal.studies._claims import Claim, Finding, above, all_of, below, by_regime
from hiercal.tables.estimates import one, pick
from hiercal.words import LIBRARIES, coding

if TYPE_CHECKING:
    import pandas as pd


def _average(rows: pd.DataFrame) -> tuple[float, float]:
    """Mean log2 ratio over cells, each with the same weight, and its standard error."""
    # NumPy's mean and sum do not pass over a cell without a number, as those of pandas do
    mean = float(rows["log2_ratio"].to_numpy().mean())
    return mean, float(np.sqrt((rows["log2_ratio_se"].to_numpy() ** 2).sum()) / len(rows))


def _better(tables: Mapping[str, pd.DataFrame]) -> Finding:
    ratios = pick(tables["map"], ess="worst", cost="gradient")
    parts, said = [], []
    for library, own in ratios.groupby("library", sort=False):
        most = pick(own, n=own["n"].max(), tau=own["tau"].max())
        few, near_zero = pick(own, n=own["n"].min()), pick(own, tau=own["tau"].min())
        for rows, rule, where in (
            (most, below, "most observations and largest tau"),
            (few, above, "fewest observations"),
            (near_zero, above, "smallest tau"),
        ):
            measure = f"log2 ratio of ESS per gradient, {where}, {LIBRARIES[str(library)]}"
            parts.append(rule(*_average(rows), 0.0, measure))
        crossed = pick(tables["crossover"], library=library).dropna(subset="crossover")
        at = [
            f"{row['crossover']:.2f} ({row['crossover_se']:.2f}) for n = {row['n']}"
            for row in crossed.to_dict("records")
        ]
        said.append(f"{', '.join(at) or 'nowhere on the map'} in {LIBRARIES[str(library)]}")
    return all_of(parts, f"They are equal at sqrt(n) tau / sigma: {'; '.join(said)}.")


def _default(tables: Mapping[str, pd.DataFrame]) -> Finding:
    ratios = pick(tables["map"], ess="worst", cost="gradient")
    numbers = sorted(ratios["n"].unique())
    parts = {"largest bias of tau": all_of(_worst(tables, "bias", numbers[-1]))}
    for n in numbers:
        averages = [
            above(
                *_average(own),
                0.0,
                f"log2 ratio of ESS per gradient, average over tau, n = {n}, "
                f"{LIBRARIES[str(library)]}",
            )
            for library, own in pick(ratios, n=n).groupby("library", sort=False)
        ]
        parts[f"average over tau (n = {n})"] = all_of(averages)
    for n in numbers:
        parts[f"worst case (n up to {n})"] = all_of(_worst(tables, "gradients", n))
    said = []
    for row in pick(tables["worst"], loss="gradients", up_to=numbers[-1]).to_dict("records"):
        cost = 2 ** row["value"]
        error = cost * np.log(2) * row["value_se"]
        model = coding(row["library"], row["model"])
        said.append(f"{cost:.0f} ({error:.0f}) in {model} ({row['chosen']})")
    return by_regime(
        parts,
        "map.csv, worst.csv and figures/map.png",
        f"Gradients that an effective draw of the worst parameter costs in the worst cell: "
        f"{'; '.join(said)}.",
        most=len(parts),
    )


def _worst(tables: Mapping[str, pd.DataFrame], loss: str, most: int) -> list[Finding]:
    """Non-centred less centred in the worst cell, by library."""
    what = {
        "gradients": "log2 of gradients per effective draw, worst case, non-centred less centred",
        "bias": "bias of tau in posterior sds, worst case, non-centred less centred",
    }[loss]
    findings = []
    for library in dict.fromkeys(tables["worst"]["library"]):
        new, old = (
            one(tables["worst"], library=library, loss=loss, up_to=most, model=model)
            for model in ("noncentred", "centred")
        )
        for model, row in (("noncentred", new), ("centred", old)):
            if np.isnan(row["value"]):
                raise NotMeasured(f"no fit of {LIBRARIES[str(library)]} {model} was finished")
        se = float(np.hypot(new["value_se"], old["value_se"]))
        difference = new["value"] - old["value"]
        measure = f"{what}, n up to {most}, {LIBRARIES[str(library)]}"
        findings.append(below(difference, se, 0.0, measure))
    return findings


CLAIMS = (
    Claim(
        "C12",
        "L423, L424",
        "Non-centred is preferred when data per group are sparse or tau is small; centred when "
        "data are abundant and tau is well separated from zero, where it can yield higher ESS.",
        "In every library the worst parameter's bulk ESS per gradient is higher centred where "
        "observations and tau are largest; it is higher non-centred with the fewest observations, "
        "averaged over tau, and at the smallest tau, averaged over observations (log ratios).",
        _better,
        "before its first full run; since then the worst ESS is that of a parameter, and not of a "
        "log density or a new group's effect",
    ),
    Claim(
        "C13",
        "L423, L447, L452",
        "The non-centred model should be the default.",
        "What should be depends on the loss. By each of three the non-centred model is better in "
        "every library: the largest bias of tau of any cell of the map, in posterior standard "
        "deviations off the exact mean; gradients for an effective draw of the worst parameter, "
        "averaged over tau (log ratio, each tau of the study with the same weight) for each number "
        "of observations; and the same in the worst cell up to each number of observations. "
        "The worst cell is chosen on half of the data sets and estimated on the other half.",
        _default,
        "after an earlier run had shown in which cells each model is better, and that its worst "
        "case decided nothing in PyMC",
    ),
)

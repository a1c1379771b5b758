"""Figures of the study of priors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from hiercal.plots import sweep
from hiercal.studies._study import Tables
from hiercal.studies.prior_sensitivity.tau_priors import Prior
from hiercal.words import coding


def figures(
    tables: Tables, sampled_priors: Sequence[Prior], right: Prior, groups: Sequence[int]
) -> dict[str, Figure]:
    """Figures by name, from the tables alone.

    Parameters
    ----------
    sampled_priors : sequence of Prior
        Priors that NUTS was run under, in order.
    right : Prior
        The one that tau comes from.
    groups : sequence of int
        Numbers of schools.
    """

    def stacked(table: pd.DataFrame, **panels: str) -> pd.DataFrame:
        parts = [
            table.assign(panel=title, value=table[column], value_se=table[f"{column}_se"])
            for column, title in panels.items()
        ]
        return pd.concat(parts, ignore_index=True)

    priors, samplers = tables["priors"], tables["samplers"]
    samplers = samplers.assign(
        series=[coding(row["library"], row["model"]) for row in samplers.to_dict("records")]
    )
    places = {str(prior): place for place, prior in enumerate(sampled_priors)}
    sampling = stacked(
        samplers.assign(place=samplers["prior"].map(places)),
        divergences="divergent draws per thousand",
        ess="worst ESS per thousand draws",
    )
    sampling["panel"] += ", J = " + sampling["J"].astype(str)
    percent = tables["doubling"].assign(
        more=100 * tables["doubling"]["more"], more_se=100 * tables["doubling"]["more_se"]
    )
    by_groups: dict[str, Any] = {"x": "J", "xscale": "log", "xlabel": "schools"}
    figures = {
        "tau": sweep(
            priors, y="from_right", se="from_right_se", series="prior", reference=0.0,
            ylabel="posterior mean of tau minus that\nunder the right prior (points)",
            **by_groups,
        ),
        "coverage": sweep(
            stacked(priors, coverage="group effects", coverage_tau="tau"),
            y="value", se="value_se", series="prior", panel="panel", reference=0.89, columns=2,
            ylabel="coverage of 89 % intervals", **by_groups,
        ),
        "contraction": sweep(
            tables["contraction"], y="contraction", se="contraction_se", series="noise",
            reference=0.5, ylabel="share of the prior variance\nof tau that the data remove",
            note="Lines: standard errors of the schools' estimates.", **by_groups,
        ),
        "doubling": sweep(
            percent, y="more", se="more_se", series="prior", reference=0.0,
            ylabel="growth of E(tau | y) where\nthe prior’s scale is doubled (%)",
            **by_groups,
        ),
        "sampling": sweep(
            sampling, x="place", y="value", se="value_se", series="series", panel="panel",
            columns=2, share_y=False, xscale="category", yscale="symlog",
            xlabel="prior of tau, from the right one to the most diffuse", ylabel="",
            note="HN: half-normal, HC: half-Cauchy, with the scale in points; the right prior "
            f"is {right.short}.",
        ),
    }  # fmt: skip
    for name, figure in figures.items():
        for axes in figure.axes:
            if name == "sampling":
                axes.set_xticks(range(len(places)), [prior.short for prior in sampled_priors])
            else:
                shown = sorted({2, *groups}) if name == "contraction" else groups
                axes.set_xticks(shown, [str(n) for n in shown])
                axes.minorticks_off()
    return figures

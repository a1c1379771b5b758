"""Claims of the chapter that arithmetic and exact posteriors settle, with no sampling."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from hiercal.studies._claims import (
    BEFORE,
    Claim,
    Finding,
    all_named,
    any_of,
    below,
    by_regime,
    near,
)
from hiercal.studies.chapter.design import AGREES
from hiercal.tables.estimates import one, pick

if TYPE_CHECKING:
    import pandas as pd


def _printed_by_formula(what: str, tables: Mapping[str, pd.DataFrame]) -> Finding:
    own = pick(tables["arithmetic"], what=what)
    right = own["off"] <= 0.5
    wrong = "; ".join(
        f"{row['school']} printed {row['printed']:g}, by the formula {row['exact']:.3f}"
        for row in own[~right].to_dict("records")
    )
    return below(
        float(own["off"].max()),
        0.0,
        0.5,
        "largest error, in units of the last digit printed",
        f"{int(right.sum())} of {len(own)} right{': ' if wrong else ''}{wrong}.",
    )


def _by_formula(tables: Mapping[str, pd.DataFrame]) -> Finding:
    parts = {
        "Weights": lambda tables: _printed_by_formula("weight", tables),
        "Estimates": lambda tables: _printed_by_formula("estimate", tables),
    }
    return all_named(parts, tables)


def _shrinkage(tables: Mapping[str, pd.DataFrame]) -> Finding:
    table, parts, said = tables["plug_in"], {}, []
    measure = "points by which posterior means lie farther from mu than the formula's, mean of 8"
    for place, own in table.groupby("place", sort=False):
        effect, se = float(own["points"].mean()), float(own["mean_se"].iloc[0])
        parts[str(place)] = below(effect, se, 0.0, measure)
        if (own["posterior"] == "exact").all() and (own["plug_in"] > 0).all():
            ratio = own["retained"] / own["plug_in"]
            listed = ", ".join(f"{value:.2f}" for value in ratio)
            said.append(
                f"At {place} (posterior probability of less {own['below'].iloc[0]:.2f}): share "
                f"retained over the formula's, {own['school'].iloc[0]} to "
                f"{own['school'].iloc[-1]}, {listed}."
            )
        elif (own["posterior"] == "printed").all():
            farther = int((own["points"] > 0).sum())
            said.append(
                f"In print {farther} of {len(own)} posterior means lie farther out than the "
                f"formula's, on average by {effect:.2f} ({se:.2f}) points."
            )
    return by_regime(parts, "plug_in.csv and figures/plug_in.png", " ".join(said))


def _printed_means(tables: Mapping[str, pd.DataFrame]) -> Finding:
    row = one(tables["hypotheses"], example="eight_schools", stated=True)
    measure = "root mean square of printed minus exact means, in posterior sd"
    others = pick(tables["hypotheses"], example="eight_schools", stated=False)
    best = others.loc[others["rms"].idxmin()]
    remark = f"{best['rms']:.2f} under {best['hypothesis']}."
    return below(row["rms"], 0.0, 0.05, measure, remark)


def _farthest(column: str, of: str, tables: Mapping[str, pd.DataFrame]) -> Finding:
    table = tables["replicated"]
    row = table.loc[table[column].abs().idxmax()]
    other = row["exact" if column == "z" else "implied"]
    return below(
        abs(row[column]),
        0.0,
        AGREES,
        f"largest distance from {of}, in Monte Carlo standard errors",
        f"School {row['school']} printed {row['printed']:g}, {of} {other:.2f}.",
    )


def _replicated(tables: Mapping[str, pd.DataFrame]) -> Finding:
    table = tables["replicated"]
    parts = {
        "The stated model's": lambda tables: _farthest("z", "exact", tables),
        "Those of the printed posterior": lambda tables: _farthest(
            "z_implied", "implied by the printed posterior sd", tables
        ),
    }
    finding = all_named(parts, tables)
    excess = [table[column] / table["sigma"] - 1 for column in ("printed", "exact")]
    low, high, least, most = (x for each in excess for x in (each.min(), each.max()))
    close = (
        f"Above the standard errors by {low:.0%} to {high:.0%} as printed, by {least:.0%} to "
        f"{most:.0%} exactly."
    )
    return dataclasses.replace(finding, remark=f"{finding.remark} {close}")


def _alpha(tables: Mapping[str, pd.DataFrame]) -> Finding:
    parts, said = [], []
    for example, counts in (("survey", "printed"), ("survey_seed", "drawn")):
        own = pick(tables["comparison"], example=example)
        row = one(own, quantity="alpha", statistic="mean")
        sd = one(own, quantity="alpha", statistic="sd")
        measure = f"exact posterior mean of alpha, with the counts {counts}"
        parts.append(near(row["exact"], 0.0, row["printed"], AGREES * row["se"], measure))
        said.append(
            f"With the counts {counts} exact {row['exact']:.2f} (sd {sd['exact']:.2f}), and "
            f"{int((own['verdict'] == 'differs').sum())} of {len(own)} printed numbers differ."
        )
    printed = f"Printed {row['printed']:g} (sd {sd['printed']:g})."
    return any_of(parts, " ".join([printed, *said]))


CLAIMS = (
    Claim(
        "C03",
        "L479 to L486, L498 to L505, L508",
        "At mu = 8 and tau = 6 the schools' weights sigma^2 / (sigma^2 + tau^2) and estimates are "
        "those printed.",
        "Every printed weight (nine) and estimate (eight) is the formula's to within half a unit "
        "of the last digit printed. The formula is right by algebra; the verdict is on the "
        "printing.",
        _by_formula,
        "after seven of the numbers had been compared, one of them wrong",
    ),
    Claim(
        "C04",
        "L506",
        "Posterior means differ from the plug-in formula's as mu and tau are uncertain; tau is "
        "right-skewed and mostly below 6, so that effective shrinkage is somewhat stronger than "
        "the formula predicts at tau = 6.",
        "On average over the eight schools the posterior mean lies nearer to mu than the plug-in "
        "estimate: exact posterior against the formula at tau = 6, at the exact posterior mean of "
        "tau and at its mode; and the chapter's own printed posterior means against its formula "
        "at tau = 6.",
        _shrinkage,
        "after the shares at tau = 6 and at the mean were known",
    ),
    Claim(
        "C05",
        "L154 to L163, L660",
        "The printed Eight Schools posterior means are those of the stated model.",
        "The root mean square of the eleven printed minus exact means is below 0.05 posterior sd, "
        "three times the Monte Carlo error that the printed effective sample sizes stand for.",
        _printed_means,
        BEFORE,
    ),
    Claim(
        "C14",
        "L222 to L225",
        "The replicated standard deviations, as printed, are the fitted model's and match the "
        "standard errors closely (10.4 beside 9).",
        "Each printed one is within 4 Monte Carlo standard errors of the stated model's, and of "
        "what the printed posterior sd of the same draws implies. What is close is not judged; "
        "the remark says how close.",
        _replicated,
        "after the printed 10.4 and the implied 10.93 of school E were known",
    ),
    Claim(
        "C15",
        "L295 to L301",
        "The printed survey posterior: alpha has mean 10.32 under Exponential(1).",
        "The exact posterior mean of alpha is within 4 Monte Carlo standard errors of the printed "
        "one, with the printed counts or with those that the chapter's code draws.",
        _alpha,
    ),
)

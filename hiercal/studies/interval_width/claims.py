"""Claims on interval widths: small groups and large ones, as simulated and as printed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from hiercal.studies._claims import (
    Claim,
    Finding,
    NotMeasured,
    above,
    all_named,
    all_of,
    below,
    by_regime,
    near,
)
from hiercal.studies.interval_width.designs import COMPARABLE, NEGLIGIBLE, NOMINAL, SAVED
from hiercal.tables.estimates import one, pick

if TYPE_CHECKING:
    import pandas as pd

Tables = Mapping[str, "pd.DataFrame"]


def _sparse_and_abundant(tables: Tables) -> Finding:
    parts, said, left_out = {}, [], []
    for row in tables["trend"].to_dict("records"):
        title = row["title"]
        covers = pick(tables["widths"], design=row["design"])["other_coverage"]
        if (covers - NOMINAL).abs().max() > COMPARABLE:
            left_out.append(f"{title} ({covers.min():.0%} to {covers.max():.0%})")
            continue
        parts[title] = all_of(
            [
                above(
                    row["at_smallest"], row["at_smallest_se"], NEGLIGIBLE,
                    f"reduction in width at matched coverage, {title}, size {row['smallest']:g}",
                ),
                below(
                    row["at_largest"], row["at_largest_se"], NEGLIGIBLE,
                    f"reduction in width at matched coverage, {title}, size {row['largest']:g}",
                ),
            ]
        )  # fmt: skip
        ends = (
            f"{title}: {row['at_smallest']:.0%} at {row['smallest']:g}, {row['at_largest']:.1%} "
            f"at {row['largest']:g}"
        )
        least = row["negligible_from"]
        said.append(ends + ("." if math.isnan(least) else f", below 5 % from {least:g} on."))
    if not parts:
        raise NotMeasured("in no story does no pooling cover nearly as often as it should")
    if left_out:
        said.append(f"No comparator, as no pooling covers far from 89 %: {', '.join(left_out)}.")
    where = "trend.csv, figures/reduction.png and figures/reduction_textbook.png"
    return by_regime(parts, where, " ".join(said))


COUNTS = {"the printed counts": "printed", "the counts drawn by the code": "drawn"}
"""What the textbook's own data are called in remarks, and in the table."""
OWN = "textbook.csv, widths.csv and figures/reduction_textbook.png"


def _survey(tables: Tables) -> Finding:
    widths, textbook = tables["widths"], tables["textbook"]
    measure = "reduction in width at n = 35"
    reductions = {
        place: (float(own["reduction"].mean()), 0.0)
        for place, counts in COUNTS.items()
        if len(own := pick(textbook, story="survey", counts=counts, size=35.0))
    }
    row = one(widths, design="survey_textbook", size=35)
    reductions |= _simulated(row, "mean_ratio", "reduction")
    printed = pick(textbook, story="survey", counts="printed", size=35.0)
    covers = pick(widths, design="survey")["other_coverage"]
    remark = (
        f"{_listed(reductions)} The printed widths give {printed['printed'].mean():.0%}, as those "
        "printed without pooling are not the stated model's. With alpha from Exponential(1) no "
        f"pooling covers {covers.min():.0%} to {covers.max():.0%} and is no comparator."
    )
    parts = {place: near(*pair, 0.20, SAVED, measure) for place, pair in reductions.items()}
    return by_regime(parts, OWN, remark)


def _hospitals(tables: Tables) -> Finding:
    return all_named(
        {
            "About 30 % at the smallest exposure": lambda tables: _at(
                tables,
                "smallest",
                lambda pair, of: near(*pair, 0.30, SAVED, f"{of} at exposure 0.7"),
            ),
            "More there than at the largest": lambda tables: _at(
                tables,
                "fall",
                lambda pair, of: above(*pair, 0.0, f"{of} at exposure 0.7 less that at 8.2"),
            ),
            "Negligible at the largest": lambda tables: _at(
                tables,
                "largest",
                lambda pair, of: below(*pair, NEGLIGIBLE, f"{of} at exposure 8.2"),
            ),
        },
        tables,
    )


def _at(
    tables: Tables, which: str, judge: Callable[[tuple[float, float], str], Finding]
) -> Finding:
    """What holds of the hospitals' reduction: on their own counts, and over simulated data."""
    widths, textbook = tables["widths"], tables["textbook"]
    trend = one(tables["trend"], design="hospitals_textbook")
    small, large = (
        one(widths, design="hospitals_textbook", size=trend[end]) for end in ("smallest", "largest")
    )
    reductions: dict[str, tuple[float, float]] = {}
    for place, counts in COUNTS.items():
        ends = [
            one(textbook, story="hospitals", counts=counts, kind="hdi", size=trend[end])
            for end in ("smallest", "largest")
        ]
        first, last = (row["reduction"] for row in ends)
        reductions[place] = {"smallest": first, "largest": last, "fall": first - last}[which], 0.0
    if which == "fall":
        reductions["simulated, as they come"] = -trend["median_fall"], trend["median_fall_se"]
        reductions["simulated, at matched coverage"] = trend["fall"], trend["fall_se"]
    else:
        row = small if which == "smallest" else large
        reductions |= _simulated(row, "median_ratio", "reduction")
    of = "reduction in the width of the 89 % HDI"
    parts = {place: judge(pair, of) for place, pair in reductions.items()}
    return by_regime(parts, OWN, _listed(reductions))


def _simulated(
    row: Mapping[str, float], ratio: str, reduction: str
) -> dict[str, tuple[float, float]]:
    return {
        "simulated, as they come": (1 - row[ratio], row[f"{ratio}_se"]),
        "simulated, at matched coverage": (row[reduction], row[f"{reduction}_se"]),
    }


def _listed(reductions: Mapping[str, tuple[float, float]]) -> str:
    said = [
        f"{place} {effect:.1%}" + (f" ({se:.1%})" if se else "")
        for place, (effect, se) in reductions.items()
    ]
    listed = "; ".join(said)
    return f"{listed[:1].upper()}{listed[1:]}."


CLAIMS = (
    Claim(
        "C01",
        "L22",
        "Partial pooling gives narrower intervals than no pooling for groups with sparse data, "
        "while barely affecting groups with abundant data.",
        "The reduction in width at matched coverage is above 5 % in the smallest group and below "
        "5 % in the largest: in each story with truths drawn from the priors and groups from "
        "sparse to abundant, and as the textbook simulates its survey and its hospitals. 5 % of a "
        "width can hardly be seen in a plot of intervals. Designs in which no pooling covers more "
        "than 5 points away from 89 % as it comes, at some size, are left out: there is nothing "
        "to compare with.",
        _sparse_and_abundant,
        "after a first rule with groups of 4 to 120 had failed",
    ),
    Claim(
        "C16",
        "L329 to L335",
        "Survey: for the region with 35 respondents the intervals are about 20 % narrower than "
        "without pooling.",
        "The mean reduction over the four answers is between 15 and 25 %: exactly on the printed "
        "counts and on those that the chapter's code draws, and over data simulated by that code "
        "(alpha 8), as the intervals come and at matched coverage.",
        _survey,
    ),
    Claim(
        "C18",
        "L563 to L564, L625",
        "Hospitals: typically the 89 % HDI at exposure 0.7 is about 30 % narrower than without "
        "pooling; the reduction is largest for the smallest exposures and negligible for the "
        "largest.",
        "The reduction is between 25 and 35 % at exposure 0.7, larger there than at 8.2, and "
        "below 5 % at 8.2: exactly on the printed counts and on those that the chapter's code "
        "draws, and over data simulated by that code (log rates N(0.5, 0.6)), median over data "
        "sets as the intervals come, and mean at matched coverage.",
        _hospitals,
    ),
)

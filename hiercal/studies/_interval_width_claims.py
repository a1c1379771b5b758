"""Claims on interval widths: small groups and large ones, as simulated and as printed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hiercal.studies._claims import Claim, Finding, above, below, every, near
from hiercal.studies._summaries import one, pick

if TYPE_CHECKING:
    import pandas as pd

SAVED, NEGLIGIBLE, LARGE_GROUP, FAR_MORE = 0.05, 0.05, 0.10, 10.0


def _small_groups(tables: Mapping[str, pd.DataFrame]) -> Finding:
    trend = tables["trend"]
    parts, held = [], []
    for row in pick(trend, prior=True).to_dict("records"):
        title = row["title"]
        own = [
            above(
                row["fall"], row["fall_se"], 0.0,
                f"reduction in the smallest group less that in the largest, {title}",
            ),
            below(
                row["at_largest"], row["at_largest_se"], LARGE_GROUP,
                f"reduction in the largest group, {title}",
            ),
        ]  # fmt: skip
        parts += own
        held.append((title, every(own).verdict))
    said = "; ".join(
        f"{verdict} in {', '.join(titles)}"
        for verdict in ("holds", "fails", "undecided")
        if (titles := [title for title, found in held if found == verdict])
    )
    return every(parts, f"{said[:1].upper()}{said[1:]}.")


def _survey(tables: Mapping[str, pd.DataFrame]) -> Finding:
    widths, textbook = tables["widths"], tables["textbook"]
    row = one(widths, design="survey_textbook", size=35)
    at_prior = one(widths, design="survey", size=35)
    exact = pick(textbook, story="survey", size=35.0)
    remark = (
        f"As they come {1 - row['mean_ratio']:.0%}; with alpha from its prior, at matched "
        f"coverage, {at_prior['reduction']:.0%}. On the printed counts the exact posterior gives "
        f"{exact['reduction'].mean():.0%}, the printed widths {exact['printed'].mean():.0%}."
    )
    measure = "reduction in width at n = 35, matched coverage"
    return near(row["reduction"], row["reduction_se"], 0.20, SAVED, measure, remark)


def _far_more(tables: Mapping[str, pd.DataFrame]) -> Finding:
    own = pick(tables["shrinkage"], design="survey_unequal")
    small, large = (one(own, size=n) for n in (own["size"].min(), own["size"].max()))
    return above(
        small["times_largest"],
        small["times_largest_se"],
        FAR_MORE,
        f"shrinkage at n = {small['size']:g} over that at n = {large['size']:g}",
        f"Shrinkage {small['weight']:.2f} and {large['weight']:.3f} of the way.",
    )


def _hospitals(tables: Mapping[str, pd.DataFrame]) -> Finding:
    trend, textbook = tables["trend"], tables["textbook"]
    row, at_prior = (one(trend, design=name) for name in ("hospitals_textbook", "hospitals"))
    ends = row["smallest"], row["largest"]
    come = [one(tables["widths"], design=row["design"], size=size)["mean_ratio"] for size in ends]
    exact = [one(textbook, story="hospitals", size=size)["reduction"] for size in ends]
    remark = (
        f"{row['at_smallest']:.0%} at the smallest exposure and {row['at_largest']:.0%} at the "
        f"largest; as they come {1 - come[0]:.0%} and {1 - come[1]:.0%}; truths from the priors, "
        f"at matched coverage, {at_prior['at_smallest']:.0%} and {at_prior['at_largest']:.0%}; "
        f"exactly on the printed counts {exact[0]:.0%} and {exact[1]:.0%}."
    )
    measure = "reduction in width at exposure {:g}, matched coverage"
    parts = [
        near(
            row["at_smallest"], row["at_smallest_se"], 0.30, SAVED,
            measure.format(row["smallest"]),
        ),
        below(
            row["at_largest"], row["at_largest_se"], NEGLIGIBLE,
            measure.format(row["largest"]),
        ),
    ]  # fmt: skip
    return every(parts, remark)


CLAIMS = (
    Claim(
        "C01",
        "L22",
        "Partial pooling narrows intervals most for small groups and hardly for large ones.",
        "In survey, hospitals, instructors and slopes, truths drawn from the priors, the "
        "reduction in width at matched coverage is larger in the smallest group than in the "
        "largest, and below 10 % in the largest.",
        _small_groups,
    ),
    Claim(
        "C16",
        "L329 to L335",
        "Survey: the intervals of the region with 35 respondents are about 20 % narrower.",
        "Simulated as in the textbook (alpha 8), their reduction in width at matched coverage "
        "is between 15 and 25 %, on average over data sets and answers.",
        _survey,
    ),
    Claim(
        "C17",
        "L456",
        "Survey: with 10 respondents in one region and 500 in another, the small one is shrunk "
        "far more.",
        "The smallest region's estimates move to the national proportions by more than 10 "
        "times the share by which the largest one's do (alpha 8).",
        _far_more,
    ),
    Claim(
        "C18",
        "L563 to L564, L625",
        "Hospitals: the interval at exposure 0.7 is about 30 % narrower, the reduction for the "
        "largest exposure negligible.",
        "Simulated as in the textbook (log rates N(0.5, 0.6)), the reduction at matched "
        "coverage is between 25 and 35 % at the smallest exposure and below 5 % at the "
        "largest.",
        _hospitals,
    ),
)

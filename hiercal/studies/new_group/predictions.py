"""Rows of the study of new groups: coverage, widths and errors, from records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri

from hiercal.simulators._capabilities import Population
from hiercal.simulators.eight_schools import EightSchools
from hiercal.simulators.private_schools import PrivateSchools
from hiercal.simulators.slopes import Slopes
from hiercal.tables.estimates import log_ratio_se, mean_se, named, records_of, share_se

if TYPE_CHECKING:
    import pandas as pd

    from hiercal.runs.result import Result
    from hiercal.simulators import Story

LEVEL, MAX_RANK, END = 0.89, 199, 11
"""From the 11th smallest to the 11th largest of 199 draws: coverage 1 - 22/200, exactly 89 %."""
PRINTED = (
    ("theta_new", "mean", 7.9),
    ("theta_new", "sd", 9.2),
    ("theta_new / theta[E]", "width ratio", 1.52),
    ("beta", "mean", 5.89),
    ("beta", "sd", 4.27),
)
"""What the textbook prints of a ninth school and of the advantage of private schools."""

Row = dict[str, Any]


def covered(ranks: pd.Series) -> np.ndarray:
    """Whether the central 89 % intervals of 199 draws each held the truth, from its ranks.

    Examples
    --------
    >>> import pandas as pd
    >>> covered(pd.Series([10, 11, 188, 189])).tolist()
    [False, True, True, False]
    """
    values = ranks.to_numpy(int)
    return np.minimum(values, MAX_RANK - values) >= END


def plug_in(story: Story, draws: Row) -> tuple[np.ndarray, np.ndarray]:
    """A new group's 89 % interval as if the population's parameters were their posterior means.

    Parameters
    ----------
    story : Story
        One with a normal population of groups.
    draws : dict of ndarray, shape (n_simulations,)
        Posterior mean of each population parameter.

    Returns
    -------
    lower, upper : ndarray, shape (n_simulations,)

    Examples
    --------
    >>> lower, upper = plug_in(EightSchools(), {"mu": np.array([8.0]), "tau": np.array([5.0])})
    >>> [round(float(end[0]), 2) for end in (lower, upper)]
    [0.01, 15.99]
    """
    z = ndtri((1 + LEVEL) / 2)
    if not isinstance(story, Population):
        raise ValueError(f"no plug-in prediction for story {story.name}; give it a new_group_at")
    return story.new_group_at(draws, -z), story.new_group_at(draws, z)


def unseen(result: Result, stories: Sequence[Story]) -> list[Row]:
    """A row per story: the predictive of a group not seen, beside seen groups and the plug-in."""
    rows = []
    for story, arm in zip(stories, result.arms["arm"], strict=True):
        new, n_failed = _done(result, arm, f"{story.groups}_new")
        width = (new["upper"] - new["lower"]).to_numpy()
        seen = np.column_stack([
            _width(result, arm, label, new.index) for label in story.labels(story.groups)
        ])  # fmt: skip
        population = {
            name: records_of(result, arm, name).loc[new.index, "mean"].to_numpy()
            for name, dims in story.dims.items()
            if not dims
        }
        lower, upper = plug_in(story, population)
        truth = new["truth"].to_numpy()
        rows.append(
            {"story": story.name, "n": len(new), "n_failed": n_failed}
            | named(
                coverage=share_se(covered(new["rank"])),
                plug_in_coverage=share_se((lower <= truth) & (truth <= upper)),
                width=mean_se(width),
                plug_in_times=log_ratio_se(np.log((upper - lower) / width)),
                times_seen=log_ratio_se(np.log(width[:, None] / seen).mean(axis=1)),
                wider=mean_se((width[:, None] > seen).mean(axis=1)),
                wider_than_all=share_se((width[:, None] > seen).all(axis=1)),
            )
        )
    return rows


def rubin() -> list[Row]:
    """Exact posteriors of the eight schools and of a ninth, on Rubin's data."""
    story = EightSchools()
    assert story.observed is not None
    exact = story.exact(story.observed)
    assert exact is not None
    rows: list[Row] = []
    for name in ("theta_new", *story.labels("theta")):
        lower, upper = map(float, exact.quantile(name, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
        rows.append(
            {
                "quantity": name,
                "mean": exact.mean(name),
                "sd": exact.sd(name),
                "lower": lower,
                "upper": upper,
                "width": upper - lower,
            }
        )
    return [row | {"times_wider": rows[0]["width"] / row["width"]} for row in rows]


def on_textbook() -> list[Row]:
    """What the textbook prints, beside the exact posterior of the same data."""
    schools = {row["quantity"]: row for row in rubin()}
    story = PrivateSchools()
    assert story.observed is not None
    private = story.exact(story.observed)
    exact = {
        ("theta_new", "mean"): schools["theta_new"]["mean"],
        ("theta_new", "sd"): schools["theta_new"]["sd"],
        ("theta_new / theta[E]", "width ratio"): schools["theta[E]"]["times_wider"],
        ("beta", "mean"): private.mean("beta"),
        ("beta", "sd"): private.sd("beta"),
    }
    return [
        {"quantity": name, "statistic": what, "printed": value, "exact": exact[name, what]}
        for name, what, value in PRINTED
    ]


def contaminated(result: Result, stories: Sequence[Slopes]) -> list[Row]:
    """A row per noise, contamination and model: slopes of the small group and of the others."""
    rows = []
    by_story = result.arms.groupby("story", sort=False)
    each = [
        (story, arm)
        for story, (_, arms) in zip(stories, by_story, strict=True)
        for arm in arms.to_dict("records")
    ]
    for story, arm in each:
        *others, small = sorted(
            story.labels("slope"),
            key=lambda label: -len(story.x[story.labels("slope").index(label)]),
        )
        own, n_failed = _done(result, arm["arm"], small)
        off = own["mean"] - own["truth"]
        rest = [_done(result, arm["arm"], label)[0] for label in others]
        rows.append(
            {
                "noise": dict(story.given)["noise"],
                "contamination": story.contamination,
                "model": "hierarchical" if arm["scale"] else "no_pooling",
                "n": len(own),
                "n_failed": n_failed,
            }
            | named(
                error=mean_se(off.abs()),
                bias=mean_se(off),
                coverage=share_se(covered(own["rank"])),
                others_error=mean_se(
                    np.mean([(one["mean"] - one["truth"]).abs() for one in rest], axis=0)
                ),
            )
        )
    return rows


def _done(result: Result, arm: str, quantity: str) -> tuple[pd.DataFrame, int]:
    """Records of a quantity by simulation, and how many fits have none because they failed."""
    records = records_of(result, arm, quantity)
    done = records[(records["status"] == "ok").to_numpy()]
    return done, len(records) - len(done)


def _width(result: Result, arm: str, quantity: str, simulations: pd.Index) -> np.ndarray:
    records = records_of(result, arm, quantity).loc[simulations]
    return (records["upper"] - records["lower"]).to_numpy()

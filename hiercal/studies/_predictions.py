"""Rows of the study of new groups: coverage, widths and errors, from records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri

from hiercal.simulators.eight_schools import EightSchools
from hiercal.simulators.hospitals import Hospitals
from hiercal.simulators.private_schools import PrivateSchools
from hiercal.simulators.slopes import Slopes
from hiercal.studies._summaries import log_ratio_se, mean_se, named, records_of, share_se

if TYPE_CHECKING:
    import pandas as pd

    from hiercal.simulators import Story
    from hiercal.studies._result import Result
    from hiercal.studies._study import Arm, Study

LEVEL, MAX_RANK, K = 0.89, 199, 11
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
    return np.minimum(values, MAX_RANK - values) >= K


def plug_in(story: Story, draws: Row) -> tuple[np.ndarray, np.ndarray]:
    """A new group's 89 % interval as if the population's parameters were their posterior means.

    Parameters
    ----------
    story : Story
        Eight Schools, hospitals or private schools.
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
    match story:
        case EightSchools():
            return draws["mu"] - z * draws["tau"], draws["mu"] + z * draws["tau"]
        case PrivateSchools():
            centre = draws["mu"] + story.x_new * draws["beta"]
            return centre - z * draws["tau"], centre + z * draws["tau"]
        case Hospitals():
            ends = (draws["mu_log"] + sign * z * draws["sigma_log"] for sign in (-1, 1))
            lower, upper = (np.exp(end) for end in ends)
            return lower, upper
    raise ValueError(
        f"no plug-in prediction for story {story.name}; give eight_schools, hospitals or "
        "private_schools"
    )


def unseen(result: Result, study: Study) -> list[Row]:
    """A row per story: the predictive of a group not seen, beside seen groups and the plug-in."""
    rows = []
    for arm in study.arms:
        story = arm.story
        new, n_failed = _done(result, arm, f"{story.groups}_new")
        width = (new["upper"] - new["lower"]).to_numpy()
        seen = np.column_stack([
            _width(result, arm, label, new.index) for label in story.labels(story.groups)
        ])  # fmt: skip
        population = {
            name: records_of(result, arm.label, name).loc[new.index, "mean"].to_numpy()
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


def contaminated(result: Result, study: Study) -> list[Row]:
    """A row per noise, contamination and model: slopes of the small group and of the others."""
    rows = []
    for arm in study.arms:
        story = arm.story
        assert isinstance(story, Slopes)
        *others, small = sorted(
            story.labels("slope"),
            key=lambda label: -len(story.x[story.labels("slope").index(label)]),
        )
        own, n_failed = _done(result, arm, small)
        off = own["mean"] - own["truth"]
        fitted = arm.fitter.parameters(arm.fitted)
        rest = [_done(result, arm, label)[0] for label in others]
        rows.append(
            {
                "noise": dict(story.given)["noise"],
                "contamination": story.contamination,
                "model": "hierarchical" if story.scale in fitted else "no_pooling",
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


def _done(result: Result, arm: Arm, quantity: str) -> tuple[pd.DataFrame, int]:
    """Records of a quantity by simulation, and how many fits have none because they failed."""
    records = records_of(result, arm.label, quantity)
    done = records[(records["status"] == "ok").to_numpy()]
    return done, len(records) - len(done)


def _width(result: Result, arm: Arm, quantity: str, simulations: pd.Index) -> np.ndarray:
    records = records_of(result, arm.label, quantity).loc[simulations]
    return (records["upper"] - records["lower"]).to_numpy()

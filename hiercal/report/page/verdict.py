"""The verdict of a run in words, and a line for each arm."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hiercal import words
from hiercal.report import attention

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ArmRow:
    """One line of the first screen.

    Attributes
    ----------
    name, verdict : str
        The worst verdict on any of its quantities.
    quantity, p : str
        That with the strongest evidence against it.
    shift, scale : str
        How far its draws are off in posterior sd, and the factor by which their sd is, each with a
        95 % interval; words where no error was found.
    finds : str
        The smallest shift that it would have shown.
    chains, failed : str
        What qualifies the verdict.
    any_failed : bool
    warns : bool
        Whether the chains do not mix, or could not be checked.
    """

    name: str
    verdict: str
    quantity: str
    p: str
    shift: str
    scale: str
    finds: str
    chains: str
    failed: str
    any_failed: bool
    warns: bool


def arm_rows(
    verdicts: pd.DataFrame, meaning: pd.DataFrame, mixed: pd.DataFrame, arms: list[dict[str, Any]]
) -> list[ArmRow]:
    """A row for each arm, the worst first, and those alike as the run has them."""
    worst = attention.worst(verdicts)
    effects = {(row["arm"], row["quantity"]): row for row in meaning.to_dict("records")}
    rows = []
    for arm in (each["arm"] for each in arms if each["arm"] in worst):
        own = verdicts[(verdicts["arm"] == arm).to_numpy()]
        first = own[(own["verdict"] == worst[arm]).to_numpy()].to_dict("records")
        # by the adjusted p-value that counts, then by the plain one: adjusted ones tie
        row = min(first, key=lambda each: (_last(attention.quoted(each)), _last(each["p"])))
        mix = mixed.loc[arm].to_dict() if arm in mixed.index else {}
        n, n_failed = int(own["n"].max()), int(own["n_failed"].min())
        rows.append(
            ArmRow(
                name=arm,
                verdict=worst[arm],
                quantity=str(row["quantity"]),
                p=attention.p_holm(row),
                **effect(effects.get((arm, row["quantity"])), worst[arm]),
                finds=f"{_sd(own['detectable_shift'].max())}" if n else "nothing",
                chains=_chains(mix),
                failed=f"{n_failed} of {n + n_failed}",
                any_failed=n_failed > 0,
                warns=mix.get("mixes", "unchecked") != "yes",
            )
        )
    return sorted(rows, key=lambda row: attention.SEVERITY.index(row.verdict))


def _last(p: float) -> float:
    return 2.0 if np.isnan(p) else p


def effect(row: Mapping[str, Any] | None, verdict: str) -> dict[str, str]:
    """Shift and scale of the draws, of a row of the table of meanings.

    Examples
    --------
    >>> row = {"shift": -0.31, "shift_low": -0.4, "shift_high": -0.22}
    >>> effect(row | {"scale": 12, "scale_low": 0, "scale_high": math.inf}, "miscalibrated")
    {'shift': '-0.31 (-0.40 to -0.22)', 'scale': 'far too large'}
    """
    if row is None:
        said = {"calibrated": "none found", "inconclusive": "not known"}.get(verdict, "-")
        return {"shift": said, "scale": said}
    low, high = row["shift_low"], row["shift_high"]
    shift = f"{row['shift']:+.2f} ({low:+.2f} to {high:+.2f})"
    if not (math.isfinite(low) and math.isfinite(high)):
        shift = f"beyond {math.trunc(row['shift']):+d}"
    low, high = row["scale_low"], row["scale_high"]
    scale = f"{row['scale']:.2f} ({low:.2f} to {high:.2f})"
    if not (low > 0 and math.isfinite(high)):
        scale = "far too small" if row["scale"] < 1 else "far too large"
    return {"shift": shift, "scale": scale}


def _chains(row: Mapping[str, Any]) -> str:
    """Whether chains mix, in words."""
    if not row or not row["n"]:
        return "no completed fit"
    if row["mixes"] == "no":
        return f"do not mix in {words.percent(row['unmixed'])} of fits"
    return {"yes": "mix", "unchecked": "unchecked"}[row["mixes"]]


def headline(rows: Sequence[ArmRow], verdicts: pd.DataFrame) -> tuple[str, str]:
    """The verdict in words, and whether it is bad, unsure or good."""
    total = len(rows)
    wrong, open_, right = (
        [row for row in rows if row.verdict == verdict] for verdict in attention.SEVERITY
    )
    most = verdicts.groupby("arm")["n"].max()
    lost = [row for row in open_ if most[row.name] == 0]
    turning = [row for row in open_ if row not in lost]
    failed = int(verdicts.groupby("arm")["n_failed"].max().sum())
    unmixed = [row for row in right if row.warns]
    said = []
    if wrong:
        said.append(f"{_some(len(wrong), total)} miscalibrated.")
    if lost:
        said.append(
            "Every fit failed: nothing can be said."
            if len(lost) == total
            else f"Every fit of {words.count(len(lost), 'arm')} failed."
        )
    if turning:
        said.append(f"{_some(len(turning), total)} inconclusive.")
    if right:
        said.append(f"{_some(len(right), total)} calibrated, as far as this run can see.")
    if unmixed:
        said.append(
            f"Of {'it' if len(right) == 1 else 'these'}, chains do not mix, or could not be "
            f"checked, in {words.count(len(unmixed), 'arm')}."
            if len(right) > 1
            else "Its chains do not mix, or could not be checked."
        )
    if failed and not (lost and len(lost) == total):
        said.append(f"{words.count(failed, 'fit')} failed.")
    state = "bad" if wrong else "unsure" if open_ or unmixed else "good"
    return " ".join(said), state


def _some(n: int, total: int) -> str:
    if n == total:
        return "The arm is" if total == 1 else f"All {total} arms are"
    return f"{n} of {total} arms {'is' if n == 1 else 'are'}"


def smallest(verdicts: pd.DataFrame) -> str:
    """The smallest errors that the run would have found, in one sentence for all arms."""
    seen = verdicts[(verdicts["n"] > 0).to_numpy()]
    if seen.empty:
        return "No fit was completed, so no error could have been found."
    of_arms = seen.groupby("arm")[["detectable_shift", "detectable_scale"]].max()
    least, most = (words.detectable(*map(float, each)) for each in (of_arms.min(), of_arms.max()))
    every = least if least == most else f"{least} in some arms, and {most} in others"
    return (
        "Smallest error that would have been found, with probability 0.9, if one quantity alone is "
        f"wrong: a shift of {every}."
    )


def level(verdicts: pd.DataFrame) -> str:
    """The false-alarm rate, without which no verdict stands."""
    family = words.count(len(verdicts), "quantity")
    return (
        f"False-alarm rate: if every arm were right, at most 5 % of such runs would call any of "
        f"the {family} of all arms miscalibrated (family-wise level, Holm). “Calibrated” means no "
        "evidence against: errors smaller than those that would have been found may be there."
        if len(verdicts) > 1
        else "False-alarm rate: if the arm were right, at most 5 % of such runs would call it "
        "miscalibrated. “Calibrated” means no evidence against: errors smaller than those that "
        "would have been found may be there."
    )


def _sd(value: float) -> str:
    return f"{value:.2f} sd" if np.isfinite(value) else "more than 5 sd"

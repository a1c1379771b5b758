"""What a miscalibrated quantity means: which way it is off, by how much, and what to try."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hiercal.sbc import mixing as chains
from hiercal.sbc._rank_laws import effective_numbers
from hiercal.sbc.mixing import MAX_LOW_ESS
from hiercal.sbc.pattern import pattern
from hiercal.tables._causes import DENSITIES, Arm, Failure, anchor, named, why
from hiercal.tables._sentences import sentence
from hiercal.tables.mixing import mixing
from hiercal.tables.verdicts import verdicts

if TYPE_CHECKING:
    import pandas as pd

    from hiercal.runs.result import Result

COLUMNS = {
    "arm": "label of the arm",
    "quantity": "the miscalibrated quantity",
    "pattern": "pattern of its ranks: which way its draws are wrong",
    "shift": "how far the draws lie too high, in their sds",
    "shift_low": "lower end of its 95 % interval",
    "shift_high": "upper end",
    "scale": "sd of the draws over what it should be",
    "scale_low": "lower end of its 95 % interval",
    "scale_high": "upper end",
    "at_zero": "share of ranks that are 0; 1 / (L + 1) is right",
    "at_max": "share of ranks that are L",
    "sentence": "the pattern with its numbers",
    "cause": "what usually causes it; empty where the evidence points to nothing",
    "advice": "what to try",
    "docs": "where the documentation says more",
}
"""Columns of the table and their meaning."""


def meaning(result: Result, judged: pd.DataFrame | None = None) -> pd.DataFrame:
    """Say of each miscalibrated quantity how its draws are wrong.

    Parameters
    ----------
    result : Result
    judged : DataFrame
        Its `verdicts`, made anew by default.

    Returns
    -------
    DataFrame
        A row per miscalibrated quantity: its ``pattern``; ``shift`` of the draws in posterior sds
        and ``scale``, their sd over what it should be, each with a 95 % interval that is not
        corrected for the number of quantities; the shares ``at_zero`` and ``at_max`` of ranks 0
        and L, of which 1 / (L + 1) is right; a ``sentence`` that says this; the usual ``cause``,
        empty where the evidence points to none, and what to try (``advice``); and the place in the
        documentation (``docs``). Where autocorrelation can make ranks non-uniform, all figures are
        of the effective ranks. See `hiercal.sbc.pattern.pattern` for what the estimates are worth.
    """
    import pandas as pd

    judged = verdicts(result) if judged is None else judged
    failing = judged[(judged["verdict"] == "miscalibrated").to_numpy()]
    if failing.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    failures = _failures(result, failing)
    rows = []
    for arm in _arms(result, judged, failures):
        for failure in arm.failures.values():
            found, cause = failure.pattern, why(failure, arm)
            values = (
                arm.name, failure.quantity, named(failure, arm), *found.shift, *found.scale,
                found.at_zero, found.at_max, sentence(failure, arm), cause.cause, cause.advice,
                f"docs/explanation/patterns.md#{anchor(failure, arm)}",
            )  # fmt: skip
            rows.append(dict(zip(COLUMNS, values, strict=True)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _failures(result: Result, failing: pd.DataFrame) -> dict[str, dict[str, Failure]]:
    """By arm and quantity, what the ranks of a miscalibrated quantity show."""
    rows_of = {(row["arm"], row["quantity"]): row for row in failing.to_dict("records")}
    columns = ("status", "truth", "rank", "rank_effective", "max_rank", "ess_bulk", "ess_tail")
    arms, quantities = set(failing["arm"]), set(failing["quantity"])
    found: dict[str, dict[str, Failure]] = {}
    for arm, quantity, rows in result.cells(*columns, arms=arms, quantities=quantities):
        if (arm, quantity) not in rows_of:
            continue
        verdict = rows_of[arm, quantity]
        done = rows[(rows["status"] == "ok").to_numpy()]
        max_rank = int(done["max_rank"].iloc[0])
        effective = verdict["low_ess"] > MAX_LOW_ESS
        least = np.minimum(done["ess_bulk"].to_numpy(), done["ess_tail"].to_numpy())
        found.setdefault(arm, {})[quantity] = Failure(
            quantity=quantity,
            p=verdict["p_effective_holm" if effective else "p_holm"],
            pattern=pattern(
                done["rank_effective" if effective else "rank"].to_numpy(),
                max_rank,
                effective_numbers(least, max_rank) if effective else None,
            ),
            max_rank=max_rank,
            effective=bool(effective),
            positive=bool((done["truth"] > 0).all()),
        )
    return found


def _arms(
    result: Result, judged: pd.DataFrame, failures: dict[str, dict[str, Failure]]
) -> list[Arm]:
    """What else is known of the arms with a miscalibrated quantity."""
    mixed = mixing(result).set_index("arm")
    arms, fits = result.arms, result.fit_columns("arm", "scale_at_divergences")
    known = []
    for name, own in failures.items():
        arm, mix = arms.loc[name].to_dict(), mixed.loc[name].to_dict()
        of_arm = judged[(judged["arm"] == name).to_numpy()]
        parameters = of_arm[~of_arm["quantity"].isin(DENSITIES).to_numpy()]
        done = fits[(fits["arm"] == name).to_numpy()]["scale_at_divergences"]
        options = arm["story_options"].get("given"), arm["fitter_options"].get("assume")
        known.append(
            Arm(
                name=name,
                failures=own,
                scale=arm["scale"],
                model=arm["model"],
                mixes=mix["mixes"],
                unmixed=mix["unmixed"],
                diverged=mix["diverged"] if mix["diverged"] > chains.SHARE else 0.0,
                at_divergences=float(done.mean()),
                n_locations=int((parameters["quantity"] != arm["scale"]).sum()),
                parameters_pass=bool((parameters["verdict"] == "calibrated").all()),
                by_design=any(options),
            )
        )
    return known

"""The second axis of a run's verdict, and what the run as a whole comes to."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hiercal.sbc import mixing as rule

if TYPE_CHECKING:
    import pandas as pd

    from hiercal.runs.result import Result

CALIBRATED, MISCALIBRATED, NOT_DECIDED = 0, 1, 3
"""Exit codes of a check."""
MIXING = "mixing.csv"


def mixing(result: Result) -> pd.DataFrame:
    """Judge the chains of every arm by the diagnostics of its completed fits.

    Returns
    -------
    DataFrame
        A row per arm: completed fits ``n``; the ``r_hat_limit`` and ``ess_limit`` they were held
        to; shares of the fits that are ``unmixed``, with ``high_r_hat`` or ``low_ess_tail``; that
        ``diverged``, and the share of ``divergent_draws``; with ``low_e_bfmi``; that reached the
        ``deepest_tree`` allowed; whether the arm ``mixes`` (yes, no, unchecked). Fields of
        `hiercal.sbc.mixing.Mixing`.
    """
    import pandas as pd

    names = ("r_hat_max", "ess_tail_min", "divergences", "e_bfmi", "max_tree_depth")
    fits = result.fit_columns("arm", "error", *names)
    rows = []
    for arm in result.arms.to_dict("records"):
        own = fits[((fits["arm"] == arm["arm"]) & fits["error"].isna()).to_numpy()]
        n_quantities = len(result.quantities[arm["arm"]])
        if result.summarises_groups:
            n_quantities += arm["n_groups"]
        deepest = arm["max_tree_depth"]
        judged = rule.mixing(
            {name: own[name].to_numpy(dtype=float) for name in names},
            arm["chains"],
            arm["draws"],
            n_quantities,
            None if pd.isna(deepest) else int(deepest),
        )
        rows.append({"arm": arm["arm"]} | dataclasses.asdict(judged))
    return pd.DataFrame(rows)


def check(result: Result, allow_inconclusive: bool = False) -> int:
    """The `outcome` of a run by the tables in its folder."""
    import pandas as pd

    mixed = result.folder / MIXING
    return outcome(
        pd.read_csv(result.folder / "verdicts.csv"),
        pd.read_csv(mixed) if mixed.exists() else pd.DataFrame(),
        allow_inconclusive,
    )


def outcome(verdicts: pd.DataFrame, mixed: pd.DataFrame, allow_inconclusive: bool = False) -> int:
    """What a run comes to, as an exit code.

    Parameters
    ----------
    verdicts, mixed : DataFrame
        Tables of the verdicts and of `mixing`.
    allow_inconclusive : bool
        Let pass what is not decided, but for an arm without a completed fit.

    Returns
    -------
    int
        1 if any quantity is miscalibrated; else 3 if any is inconclusive, a fit failed, the
        chains of an arm do not mix or could not be checked, or most of its fits diverge, have too
        low an E-BFMI or reach the largest tree depth; else 0.
    """
    if (verdicts["verdict"] == "miscalibrated").any():
        return MISCALIBRATED
    if not len(verdicts) or (verdicts.groupby("arm")["n"].max() == 0).any():
        return NOT_DECIDED
    decided = (verdicts["verdict"] == "calibrated").all() and (verdicts["n_failed"] == 0).all()
    sound = False
    if len(mixed):
        warned = mixed[["diverged", "low_e_bfmi", "deepest_tree"]] > rule.MOST
        sound = (mixed["mixes"] == "yes").all() and not warned.to_numpy().any()
    return CALIBRATED if (decided and sound) or allow_inconclusive else NOT_DECIDED

"""What a run tells beside its verdicts, in words: chains that do not mix, errors, what it finds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hiercal.sbc import mixing as rule
from hiercal.words import detectable, percent

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?|\b(nan|inf)\b", re.IGNORECASE)


FINDS = (
    "found with probability 0.9: in one quantity alone a shift of {alone}; in all quantities of "
    "the arm at once {shared}, if they err independently, and something between if they do not."
)
"""The smallest errors that an arm would have shown; two of `hiercal.words.detectable`."""


def said(row: dict[str, float]) -> list[str]:
    """What a row of `hiercal.tables.mixing` warns of, in words; nothing where all is well.

    Examples
    --------
    >>> import dataclasses
    >>> import numpy as np
    >>> from hiercal.sbc.mixing import mixing
    >>> fits = {"r_hat_max": np.full(99, 1.4), "ess_tail_min": np.full(99, 400.0),
    ...         "divergences": np.zeros(99), "e_bfmi": np.ones(99), "max_tree_depth": np.ones(99)}
    >>> said(dataclasses.asdict(mixing(fits, 4, 1000, 10)))
    ['chains do not mix in 100 % of fits (R-hat above 1.05 in 100 %, tail ESS below 400 in 0 %)']
    """
    warnings = []
    if row["mixes"] == "no":
        warnings.append(
            f"chains do not mix in {percent(row['unmixed'])} of fits (R-hat above "
            f"{row['r_hat_limit']:.3g} in {percent(row['high_r_hat'])}, tail ESS below "
            f"{row['ess_limit']:.0f} in {percent(row['low_ess_tail'])})"
        )
    if row["mixes"] == "unchecked" and row["n"]:
        warnings.append("whether chains mix is unchecked: they have fewer than 4 draws")
    if row["diverged"] > rule.SHARE:
        warnings.append(
            f"{percent(row['diverged'])} of fits diverge ({percent(row['divergent_draws'])} of "
            "all draws)"
        )
    if row["low_e_bfmi"] > rule.SHARE:
        warnings.append(f"E-BFMI below {rule.E_BFMI:g} in {percent(row['low_e_bfmi'])} of fits")
    if row["deepest_tree"] > rule.SHARE:
        warnings.append(f"largest tree depth reached in {percent(row['deepest_tree'])} of fits")
    return warnings


def errors(fits: pd.DataFrame) -> pd.DataFrame:
    """The first error of each kind: type and message with its numbers left out.

    Parameters
    ----------
    fits : DataFrame
        With ``arm, simulation, error``.

    Returns
    -------
    DataFrame
        ``count, arm, simulation, error``, the most frequent kind first.
    """
    import pandas as pd

    failed = fits[fits["error"].notna().to_numpy()]
    kinds = failed["error"].str.replace(_NUMBER, "#", regex=True)
    rows = [
        {"count": len(own), **own.iloc[0][["arm", "simulation", "error"]].to_dict()}
        for _, own in failed.groupby(kinds.to_numpy(), sort=False)
    ]
    table = pd.DataFrame(rows, columns=["count", "arm", "simulation", "error"])
    return table.sort_values("count", ascending=False, kind="stable", ignore_index=True)


def found(verdicts: pd.DataFrame) -> list[tuple[str, str]]:
    """Whose smallest errors, and what they are: once where arms have the same.

    Arms without a completed fit find nothing, and are left out.
    """
    arms: dict[tuple[str, str], list[str]] = {}
    for arm, rows in verdicts[(verdicts["n"] > 0).to_numpy()].groupby("arm", sort=False):
        alone, shared = (
            detectable(rows[f"{kind}_shift"].max(), rows[f"{kind}_scale"].max())
            for kind in ("detectable", "shared")
        )
        arms.setdefault((alone, shared), []).append(str(arm))
    return [
        ("All arms" if len(arms) == 1 else ", ".join(names), FINDS.format(alone=a, shared=s))
        for (a, s), names in arms.items()
    ]


def not_uniform(arms: pd.DataFrame) -> list[str]:
    """What makes ranks miss uniformity by design, a sentence each."""
    stories = {
        f"{row['story_name']} with {_values(given)}"
        for row in arms.to_dict("records")
        if (given := row["story_options"].get("given"))
    }
    assumed = {
        row["fitter_name"] for row in arms.to_dict("records") if row["fitter_options"].get("assume")
    }
    end = "are not uniform even for the exact posterior; compare arms with it (bias.csv) instead."
    return [
        *(f"Ranks of {story} given {end}" for story in sorted(stories)),
        *(
            f"Ranks of {name} under other assumptions than the story's {end}"
            for name in sorted(assumed)
        ),
    ]


def _values(given: Mapping[str, float]) -> str:
    return ", ".join(f"{name} = {value:g}" for name, value in given.items())

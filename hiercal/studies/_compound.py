"""Claims that say several things, of which all or one must hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import nan
from typing import TYPE_CHECKING

from hiercal.studies._claims import Finding, NotMeasured, every

if TYPE_CHECKING:
    import pandas as pd

_RANKED = ("confirmed", "undecided", "refuted")


def each_part(
    parts: Mapping[str, Callable[[Mapping[str, pd.DataFrame]], Finding]],
    tables: Mapping[str, pd.DataFrame],
) -> Finding:
    """The claim that all of several things hold, each with its verdict and number in the remark.

    A part that is not measured leaves the claim undecided, unless another is refuted.

    Parameters
    ----------
    parts : mapping of str to callable
        What a part says, in a few words, and its judge.
    tables : mapping of str to DataFrame

    Examples
    --------
    >>> from hiercal.studies._claims import above, below
    >>> parts = {
    ...     "Large": lambda tables: above(2.0, 0.1, 1.0, "ratio"),
    ...     "Seldom": lambda tables: below(0.3, 0.01, 0.1, "share"),
    ... }
    >>> found = each_part(parts, {})
    >>> found.verdict, found.effect
    ('refuted', 0.3)
    >>> found.remark
    'Large: confirmed, 2 (0.1), bound 1, ratio. Seldom: refuted, 0.3 (0.01), bound 0.1, share.'
    """
    findings, said = [], []
    for name, judge in parts.items():
        try:
            found = judge(tables)
            number = f"{found.effect:.3g} ({found.se:.2g}), bound {found.bound:g}"
            said += [f"{name}: {found.verdict}, {number}, {found.measure}.", found.remark]
        except NotMeasured as missing:
            found = Finding("undecided", nan, nan, nan, "")
            said.append(f"{name}: not measured, {missing}.")
        findings.append(replace(found, remark=""))
    return every(findings, " ".join(filter(None, said)))


def either(*findings: Finding) -> Finding:
    """The claim that one of several things holds: confirmed if one is, refuted if all are.

    Examples
    --------
    >>> from hiercal.studies._claims import above, below
    >>> either(above(0.0, 0.1, 1.0, "more"), below(0.0, 0.1, 1.0, "less")).measure
    'less'
    """
    return min(findings, key=lambda found: _RANKED.index(found.verdict))

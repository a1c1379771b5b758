"""Claims: what somebody said, a rule fixed in advance, and what the evidence says of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd

Verdict = Literal["confirmed", "refuted", "undecided"]
_RANKED = ("confirmed", "undecided", "refuted")

ERRORS = 3.0
"""Standard errors by which an effect must pass a bound: by chance alone, once in 740 claims."""


@dataclass(frozen=True)
class Finding:
    """What the evidence says of a claim.

    Attributes
    ----------
    verdict : {"confirmed", "refuted", "undecided"}
    effect, se : float
        The size of the effect and its Monte Carlo standard error, 0 where it is exact.
    bound : float
        The effect at which the claim would stop being true.
    margin : float
        By how much the effect is on the claim's side of the bound; negative on the other.
    measure : str
        What the effect is, with its unit.
    remark : str
        Where the claim holds, or why not.
    """

    verdict: Verdict
    effect: float
    se: float
    bound: float
    margin: float
    measure: str
    remark: str = ""


@dataclass(frozen=True)
class Claim:
    """A sentence that a study tests.

    Attributes
    ----------
    id : str
        Its number in the ledger, such as ``C11``.
    says : str
        The sentence.
    rule : str
        When it is confirmed and when refuted, fixed before the evidence is seen.
    judge : callable
        Applies the rule to the study's tables, by name.
    """

    id: str
    says: str
    rule: str
    judge: Callable[[Mapping[str, pd.DataFrame]], Finding]


class NotMeasured(KeyError):
    """The tables lack what a claim is about, as with options that leave it out."""

    def __str__(self) -> str:
        return str(self.args[0])


def judge(claim: Claim, tables: Mapping[str, pd.DataFrame]) -> Finding:
    """What the tables say of a claim; undecided, with the reason, if they lack what it is about."""
    try:
        return claim.judge(tables)
    except NotMeasured as missing:
        return Finding("undecided", nan, nan, nan, nan, "", f"Not measured: {missing}.")


def above(effect: float, se: float, bound: float, measure: str, remark: str = "") -> Finding:
    """The claim that an effect is larger than a bound.

    Confirmed if the effect lies more than 3 standard errors above the bound, refuted if as many
    below, else undecided. At the bound itself either has a probability of 0.13 % (normal).

    Examples
    --------
    >>> above(2.0, 0.1, 1.0, "ratio").verdict, above(1.1, 0.1, 1.0, "ratio").verdict
    ('confirmed', 'undecided')
    """
    return _finding(effect, se, bound, effect - bound, measure, remark)


def below(effect: float, se: float, bound: float, measure: str, remark: str = "") -> Finding:
    """The claim that an effect is smaller than a bound; see `above`."""
    return _finding(effect, se, bound, bound - effect, measure, remark)


def near(
    effect: float, se: float, target: float, tolerance: float, measure: str, remark: str = ""
) -> Finding:
    """The claim that an effect is within a tolerance of a number that somebody printed.

    Confirmed if the effect lies inside by more than 3 standard errors, refuted if outside by as
    many. The bound reported is the nearer end of the tolerance.

    Examples
    --------
    >>> near(0.21, 0.01, 0.2, 0.05, "share").verdict, near(0.4, 0.01, 0.2, 0.05, "share").verdict
    ('confirmed', 'refuted')
    """
    bound = target + tolerance if effect >= target else target - tolerance
    return _finding(effect, se, bound, tolerance - abs(effect - target), measure, remark)


def every(findings: Sequence[Finding], remark: str = "") -> Finding:
    """The claim that several things hold: the weakest of them, refuted if any is.

    Its effect and measure are those of the part that decides: the first that is refuted, else the
    first undecided, else the one nearest to its bound in standard errors.
    """
    for verdict in ("refuted", "undecided"):
        for part in findings:
            if part.verdict == verdict:
                return _with_remark(part, remark)

    def distance(part: Finding) -> float:
        return part.margin / part.se if part.se > 0 else float("inf")

    return _with_remark(min(findings, key=distance), remark)


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
            found = Finding("undecided", nan, nan, nan, nan, "")
            said.append(f"{name}: not measured, {missing}.")
        findings.append(replace(found, remark=""))
    return every(findings, " ".join(filter(None, said)))


def either(*findings: Finding) -> Finding:
    """The claim that one of several things holds: confirmed if one is, refuted if all are.

    Examples
    --------
    >>> either(above(0.0, 0.1, 1.0, "more"), below(0.0, 0.1, 1.0, "less")).measure
    'less'
    """
    return min(findings, key=lambda found: _RANKED.index(found.verdict))


def _with_remark(part: Finding, remark: str) -> Finding:
    return replace(part, remark=" ".join(filter(None, (part.remark, remark))))


def _finding(
    effect: float, se: float, bound: float, margin: float, measure: str, remark: str
) -> Finding:
    verdict: Verdict = "undecided"
    if margin > ERRORS * se:
        verdict = "confirmed"
    elif margin < -ERRORS * se:
        verdict = "refuted"
    return Finding(verdict, effect, se, bound, margin, measure, remark)

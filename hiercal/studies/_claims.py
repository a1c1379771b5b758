"""Claims: what somebody said, a rule, and what the evidence says of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

from hiercal.errors import NotMeasured

if TYPE_CHECKING:
    import pandas as pd

Verdict = Literal["holds", "fails", "holds in a regime", "undecided"]
VERDICTS: tuple[Verdict, ...] = ("holds", "fails", "holds in a regime", "undecided")

ERRORS = 3.0
"""Standard errors by which an effect must pass a bound: by chance alone, once in 740 claims."""
POWER = 0.9
"""Power with which the distances that a rule could have told apart are stated."""

BEFORE = "before its full run"
AFTER = "after an earlier run had been seen"
"""When a rule was fixed."""


@dataclass(frozen=True)
class Finding:
    """What the evidence says of a claim.

    Attributes
    ----------
    verdict : {"holds", "fails", "holds in a regime", "undecided"}
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
    parts : int
        Effects that were compared with a bound. Where one of several is enough for the verdict,
        it has to pass by more than three standard errors, so that chance alone gives the verdict
        once in 740 claims still; see `errors_of`.
    where : str
        The table and figure that show where the claim holds, with `holds in a regime`.
    """

    verdict: Verdict
    effect: float
    se: float
    bound: float
    margin: float
    measure: str
    remark: str = ""
    parts: int = 1
    where: str = ""

    @property
    def tells_apart(self) -> float:
        """Distance from the bound that would have been told apart with a power of 90 %."""
        return (errors_of(self.parts) + NormalDist().inv_cdf(POWER)) * self.se

    @property
    def times_the_data(self) -> float:
        """How many times the simulations would tell the effect seen from its bound, power 90 %."""
        return (self.tells_apart / self.margin) ** 2 if self.margin else math.inf


@dataclass(frozen=True)
class Claim:
    """A sentence that a study tests.

    Attributes
    ----------
    id : str
        Its number in the ledger, such as ``C11``.
    source : str
        Where it stands: ``L`` and the line of the textbook's chapter, ``A`` and that of the
        article.
    says : str
        The sentence as its author would recognise it, with its hedges.
    rule : str
        When it holds and when it fails.
    judge : callable
        Applies the rule to the study's tables, by name.
    fixed : str
        When the rule was fixed: `BEFORE`, `AFTER`, or in words of its own.
    """

    id: str
    source: str
    says: str
    rule: str
    judge: Callable[[Mapping[str, pd.DataFrame]], Finding]
    fixed: str = AFTER


def judge(claim: Claim, tables: Mapping[str, pd.DataFrame]) -> Finding:
    """What the tables say of a claim; undecided, with the reason, if they lack what it is about."""
    try:
        return claim.judge(tables)
    except NotMeasured as missing:
        return Finding("undecided", nan, nan, nan, nan, "", f"Not measured: {missing}.")
    except KeyError as missing:
        # tables that an earlier version made have other columns
        remark = f"Not measured: there is no table or column {missing}; run the study again."
        return Finding("undecided", nan, nan, nan, nan, "", remark)


def errors_of(parts: int) -> float:
    """Standard errors that one of several effects must pass its bound by.

    One-sided Bonferroni correction of the probability beyond `ERRORS`: the chance that any of
    `parts` effects, each at its bound, passes is at most that of a single one.

    Examples
    --------
    >>> round(errors_of(1), 6), round(errors_of(10), 2)
    (3.0, 3.64)
    """
    return -NormalDist().inv_cdf(NormalDist().cdf(-ERRORS) / parts)


def above(effect: float, se: float, bound: float, measure: str, remark: str = "") -> Finding:
    """The claim that an effect is larger than a bound.

    It holds if the effect lies more than 3 standard errors above the bound and fails if as many
    below; else it is undecided. At the bound itself either has a probability of 0.13 % (normal).

    Examples
    --------
    >>> above(2.0, 0.1, 1.0, "ratio").verdict, above(1.1, 0.1, 1.0, "ratio").verdict
    ('holds', 'undecided')
    """
    return _finding(effect, se, bound, effect - bound, measure, remark)


def below(effect: float, se: float, bound: float, measure: str, remark: str = "") -> Finding:
    """The claim that an effect is smaller than a bound; see `above`."""
    return _finding(effect, se, bound, bound - effect, measure, remark)


def near(
    effect: float, se: float, target: float, tolerance: float, measure: str, remark: str = ""
) -> Finding:
    """The claim that an effect is within a tolerance of a number that somebody printed.

    It holds if the effect lies inside by more than 3 standard errors, and fails if outside by as
    many. The bound reported is the nearer end of the tolerance.

    Examples
    --------
    >>> near(0.21, 0.01, 0.2, 0.05, "share").verdict, near(0.4, 0.01, 0.2, 0.05, "share").verdict
    ('holds', 'fails')
    """
    bound = target + tolerance if effect >= target else target - tolerance
    return _finding(effect, se, bound, tolerance - abs(effect - target), measure, remark)


def all_of(findings: Sequence[Finding], remark: str = "") -> Finding:
    """The claim that several things hold at once, reported by its worst part.

    It holds if each part does: all have to pass, so none needs a correction (an intersection-union
    test; Berger 1982, Technometrics 24, 295). It fails if the worst part fails with the correction
    for the number of parts, `errors_of`. A part that holds in a regime leaves the whole at that.

    Examples
    --------
    >>> parts = [above(x, 1.0, 0.0, "") for x in (4.0, 5.0, -3.2)]
    >>> parts[2].verdict, all_of(parts).verdict, all_of(parts[:2]).verdict
    ('fails', 'undecided', 'holds')
    """
    if not findings:
        raise NotMeasured("the tables have no part of it")
    n = sum(part.parts for part in findings)
    kinds = {verdict: [p for p in findings if p.verdict == verdict] for verdict in VERDICTS}
    worst = min(kinds["fails"] or findings, key=_strength)
    if kinds["fails"]:
        if _strength(worst) > -errors_of(n):
            worst = replace(worst, verdict="undecided")
    else:
        undecided = kinds["undecided"] or kinds["holds in a regime"] or findings
        worst = min(undecided, key=_strength)
    return replace(_with_remark(worst, remark), parts=n)


def any_of(findings: Sequence[Finding], remark: str = "") -> Finding:
    """The claim that at least one of several things holds, reported by its best part.

    It holds if one does with the correction for the number of parts, and fails if all fail.

    Examples
    --------
    >>> any_of([above(0.0, 0.1, 1.0, "more"), below(0.0, 0.1, 1.0, "less")]).measure
    'less'
    """
    turned = all_of([_denied(part) for part in findings])
    return _with_remark(_denied(turned), remark)


def by_regime(parts: Mapping[str, Finding], where: str, remark: str = "", most: int = 6) -> Finding:
    """A claim that may hold in one place and fail in another, reported by its worst part.

    Parameters
    ----------
    parts : mapping of str to Finding
        What each place is called, and what was found there.
    where : str
        The table and the figure that show them all.
    most : int
        Places that the remark names; of more it gives the number.

    Returns
    -------
    Finding
        It `holds` if each part does. It `fails` if some part fails and none holds. It `holds in a
        regime` if some part holds and another fails, both corrected for the number of parts. Else
        it is `undecided`.

    Examples
    --------
    >>> finding = by_regime(
    ...     {"J = 5": below(1.0, 0.1, 0.5, "share"), "J = 50": below(0.1, 0.01, 0.5, "share")},
    ...     "table.csv and figures/map.png",
    ... )
    >>> finding.verdict, finding.effect, finding.remark
    ('holds in a regime', 1.0, 'Holds at J = 50. Fails at J = 5.')
    """
    n = sum(part.parts for part in parts.values())
    beyond = errors_of(n)
    holds = [name for name, part in parts.items() if _strength(part) > beyond]
    fails = [name for name, part in parts.items() if _strength(part) < -beyond]
    unsure = [name for name in parts if name not in holds and name not in fails]
    whole = all_of(list(parts.values()))
    if whole.verdict != "holds":
        verdict: Verdict = "undecided"
        if fails:
            verdict = "holds in a regime" if holds else "fails"
        whole = replace(whole, verdict=verdict)
    named = (("Holds", holds), ("Fails", fails), ("Undecided", unsure))
    said = [
        f"{word} at {', '.join(names)}." if len(names) <= most else f"{word} in {len(names)} cells."
        for word, names in named
        if names
    ]
    regime = where if whole.verdict == "holds in a regime" else ""
    text = " ".join(filter(None, [*(said if whole.verdict != "holds" else []), remark]))
    return replace(whole, remark=text, parts=n, where=regime)


def all_named(
    parts: Mapping[str, Callable[[Mapping[str, pd.DataFrame]], Finding]],
    tables: Mapping[str, pd.DataFrame],
) -> Finding:
    """The claim that all of several things hold, each with its verdict and number in the remark.

    A part that is not measured leaves the claim undecided, unless another fails.

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
    >>> finding = all_named(parts, {})
    >>> finding.verdict, finding.effect
    ('fails', 0.3)
    >>> finding.remark
    'Large: holds, 2 (0.1), bound 1, ratio. Seldom: fails, 0.3 (0.01), bound 0.1, share.'
    """
    findings, said = [], []
    for name, judge in parts.items():
        try:
            finding = judge(tables)
            error = f" ({finding.se:.2g})" if finding.se else ""
            number = f"{finding.effect:.3g}{error}, bound {finding.bound:g}"
            said += [f"{name}: {finding.verdict}, {number}, {finding.measure}.", finding.remark]
        except NotMeasured as missing:
            finding = Finding("undecided", nan, nan, nan, nan, "")
            said.append(f"{name}: not measured, {missing}.")
        findings.append(replace(finding, remark=""))
    return all_of(findings, " ".join(filter(None, said)))


def _strength(part: Finding) -> float:
    """Standard errors on the claim's side of the bound; 0 where nothing was measured."""
    if math.isnan(part.margin) or math.isnan(part.se):
        return 0.0
    if part.se > 0:
        return part.margin / part.se
    return math.copysign(math.inf, part.margin) if part.margin else 0.0


def _denied(part: Finding) -> Finding:
    opposite: dict[Verdict, Verdict] = {"holds": "fails", "fails": "holds"}
    return replace(part, verdict=opposite.get(part.verdict, part.verdict), margin=-part.margin)


def _with_remark(part: Finding, remark: str) -> Finding:
    return replace(part, remark=" ".join(filter(None, (part.remark, remark))))


def _finding(
    effect: float, se: float, bound: float, margin: float, measure: str, remark: str
) -> Finding:
    verdict: Verdict = "undecided"
    if margin > ERRORS * se:
        verdict = "holds"
    elif margin < -ERRORS * se:
        verdict = "fails"
    return Finding(verdict, effect, se, bound, margin, measure, remark)

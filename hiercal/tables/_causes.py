"""Rules that name the usual cause of a pattern, each only where its evidence is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from hiercal.sbc import pattern as p
from hiercal.sbc.pattern import Pattern

DENSITIES = ("log_lik", "log_prior", "log_joint")
LEVEL = 0.001
"""Adjusted p-value below which the ranks alone may name a cause. At most one run in a thousand that
is right in everything has one so small, and one in twenty has a rejection."""
FEWEST_SHIFTED = 3
"""Quantities that must be shifted alike for an error to be called common."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A miscalibrated quantity.

    Attributes
    ----------
    quantity, pattern, max_rank
        Its name, what its ranks show, and L.
    p
        Adjusted p-value that decided: of the effective ranks if `effective`.
    effective
        Whether the pattern is that of effective ranks.
    positive
        Whether all true values are above 0, as those of a scale are.
    """

    quantity: str
    p: float
    pattern: Pattern
    max_rank: int
    effective: bool
    positive: bool


@dataclass(frozen=True, slots=True)
class Arm:
    """What is known of an arm with miscalibrated quantities.

    Attributes
    ----------
    name, scale, model
        As in `hiercal.runs.arms.COLUMNS`.
    failures
        By quantity.
    mixes, unmixed
        As in `hiercal.sbc.mixing.Mixing`.
    diverged
        Share of fits with a divergence; 0 where too few for a warning.
    at_divergences
        Mean of the fits' ``scale_at_divergences``; NaN where there is none.
    n_locations
        Number of parameters but for the scale.
    parameters_pass
        Whether all quantities but the log densities are calibrated.
    by_design
        Whether ``given`` or ``assume`` makes ranks miss uniformity.
    """

    name: str
    failures: Mapping[str, Failure]
    scale: str
    model: str
    mixes: str
    unmixed: float
    diverged: float
    at_divergences: float
    n_locations: int
    parameters_pass: bool
    by_design: bool


class Cause(NamedTuple):
    """The usual cause, or nothing, and what to try."""

    cause: str = ""
    advice: str = ""


def named(failure: Failure, arm: Arm) -> str:
    """The pattern of the ranks, or `stuck` where chains that do not mix explain it."""
    name = failure.pattern.name
    spread = name in (p.NONE, p.MISSES_BOTH) or p.TOO_NARROW in name
    return "stuck" if arm.mixes == "no" and spread else name


def anchor(failure: Failure, arm: Arm) -> str:
    """Heading of the pattern in ``docs/explanation/patterns.md``."""
    first = named(failure, arm).partition(p.AND)[0]
    anchors = {p.SHIFTED_UP: "shifted", p.SHIFTED_DOWN: "shifted", p.MISSES_BOTH: "misses-an-end"}
    anchors |= dict.fromkeys((p.MISSES_SMALL, p.MISSES_LARGE), "misses-an-end")
    return anchors.get(first, first.replace(" ", "-"))


def why(failure: Failure, arm: Arm) -> Cause:
    """The first rule whose evidence is there; an empty cause where none is.

    Of 300 right quantities that were rejected by chance in a family of 20 (200 simulations), none
    was given a cause in an arm with sound chains, 3 % (standard error 1 %) of scales were where
    fits diverge at small values, and 3 % (1 %) of log likelihoods that failed alone.

    Parameters
    ----------
    failure : Failure
        One of the arm's.
    arm : Arm

    Returns
    -------
    Cause
    """
    if arm.by_design:
        return Cause(
            "The run fits other assumptions than it simulates (given, assume).",
            "Compare the arm with the exact one instead (bias.csv).",
        )
    for rule in CORROBORATED:
        if found := rule(failure, arm):
            return found
    if failure.p >= LEVEL:
        return Cause(
            "",
            "Repeat the run with another seed before you look for a cause: one run in twenty "
            "rejects a quantity that is right.",
        )
    for rule in BY_RANKS:
        if found := rule(failure, arm):
            return found
    return Cause()


def _funnel(failure: Failure, arm: Arm) -> Cause | None:
    """A scale lacks small values, and the sampler had trouble, not at large ones."""
    if not _neck(failure, arm):
        return None
    remedy = "a larger target_accept"
    if arm.model == "noncentred":
        return Cause(
            "The sampler does not reach small values of the scale.",
            f"Try {remedy}, or fit centred.",
        )
    return Cause(
        "The neck of a funnel: the sampler does not reach small values of the scale.",
        f"Try the non-centred parameterisation; if that is not possible, {remedy}.",
    )


def _neck(failure: Failure, arm: Arm) -> bool:
    is_scale = failure.quantity == arm.scale if arm.scale else failure.positive
    lacks = failure.pattern.name == p.MISSES_SMALL
    # a shift has many causes: it needs more evidence than a pile-up at the smallest rank
    lacks |= p.SHIFTED_UP in failure.pattern.name and failure.p < LEVEL
    trouble = arm.diverged > 0 or arm.mixes == "no"
    return (
        is_scale
        and failure.quantity not in DENSITIES
        and lacks
        and trouble
        and not arm.at_divergences >= 0.5
    )


def _follows(failure: Failure, arm: Arm) -> Cause | None:
    """A density is a function of parameters that fail themselves."""
    others = [name for name in arm.failures if name not in DENSITIES]
    if failure.quantity not in DENSITIES or not others:
        return None
    worst = min(others, key=lambda name: arm.failures[name].p)
    return Cause("", f"Mend {worst} first: this density is a function of it.")


def _stuck(failure: Failure, arm: Arm) -> Cause | None:
    if named(failure, arm) != "stuck":
        return None
    return Cause(
        "The chains do not mix, so a fit's draws know only part of its posterior.",
        "Run longer chains with more tuning, or change the parameterisation (mixing.csv).",
    )


def _data_unused(failure: Failure, arm: Arm) -> Cause | None:
    alone = "log_lik" in arm.failures and "log_prior" not in arm.failures
    if not (alone and _alone(failure, arm)):
        return None
    return Cause(
        "The draws leave part of the data unused, or the likelihood of the fit is not that of the "
        "simulator.",
        "Check that every observation enters the fit once, in the order simulated.",
    )


def _correlation(failure: Failure, arm: Arm) -> Cause | None:
    alone = "log_prior" in arm.failures and "log_lik" not in arm.failures
    if not (alone and _alone(failure, arm)):
        return None
    return Cause(
        "The draws have lost the correlation between parameters, or the prior of the fit is not "
        "that of the simulator.",
        "Check that the draws of all parameters are in one order, and compare the priors.",
    )


def _alone(failure: Failure, arm: Arm) -> bool:
    """Whether log densities fail and all parameters pass, in an arm whose chains mix."""
    return failure.quantity in DENSITIES and arm.parameters_pass and arm.mixes != "no"


def _common(failure: Failure, arm: Arm) -> Cause | None:
    """At least half of all locations fail, and all that do are shifted the same way."""
    own = {
        name: each
        for name, each in arm.failures.items()
        if name not in DENSITIES and name != arm.scale
    }
    if failure.quantity not in own or arm.mixes == "no":
        return None
    ways = {
        way
        for each in own.values()
        for way in (p.SHIFTED_UP, p.SHIFTED_DOWN, "another")
        if way in each.pattern.name or (way == "another" and "shifted" not in each.pattern.name)
    }
    if len(ways) > 1 or ways == {"another"} or 2 * len(own) < arm.n_locations:
        return None
    if len(own) < FEWEST_SHIFTED:
        return None
    return Cause(
        f"One error in common: {len(own)} of {arm.n_locations} quantities are shifted the same "
        "way.",
        "Look for an offset, a centring or a prior mean that differs between simulator and fit.",
    )


def _width(failure: Failure, arm: Arm) -> Cause | None:
    """Independent draws of the wrong width: the target of the sampler is wrong."""
    sound = arm.mixes == "yes" and not arm.diverged
    if failure.quantity in DENSITIES or failure.quantity == arm.scale or not sound:
        return None
    if failure.pattern.name == p.TOO_NARROW:
        return Cause(
            "The chains mix, so it is the target that is too narrow. Often a variance is read as "
            "an sd, a rate as a scale, data count twice, or the draws are an approximation such "
            "as a variational one.",
            "Check each width in the fit against the simulator's.",
        )
    if failure.pattern.name == p.TOO_WIDE:
        return Cause(
            "The chains mix, so it is the target that is too wide. Often part of the data is "
            "unused, or a width in the fit is larger than in the simulator.",
            "Check each width in the fit against the simulator's, and that all data enter.",
        )
    return None


CORROBORATED: tuple[Callable[[Failure, Arm], Cause | None], ...] = (_funnel, _follows, _stuck)
"""Rules with evidence besides the ranks, in this order; the first that applies is given."""
BY_RANKS: tuple[Callable[[Failure, Arm], Cause | None], ...] = (
    _data_unused,
    _correlation,
    _common,
    _width,
)
"""Rules that rest on the ranks alone, and so on `LEVEL`."""

"""A check compared with a saved one on the same data sets: calibration, efficiency, robustness."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.special import ndtri, stdtrit

from hiercal.runs.baseline import paired

Limits = Mapping[str, float]
TOLERANCES = {
    "calibration": 0.1,
    "ess_per_gradient": 0.1,
    "ess": 0.1,
    "divergences": 0.05,
    "failures": 0.0,
}
"""Metrics, and what each tolerates by default.

``calibration``: by how many posterior sds the error of a mean may grow, or of the sd its score.
``ess_per_gradient``, ``ess``: the share that may be lost, of the geometric mean over data sets.
``divergences``, ``failures``: the share of data sets that may be added.
"""
LEVEL = 0.95


@dataclass(frozen=True)
class Comparison:
    """One metric of one test.

    Attributes
    ----------
    metric : str
    verdict : {"worse", "no worse", "undecided", "not comparable"}
        Undecided where the interval includes the tolerance.
    said : str
        Estimate, interval, tolerance.
    """

    metric: str
    verdict: Literal["worse", "no worse", "undecided", "not comparable"]
    said: str


def limits_of(texts: Iterable[str]) -> dict[str, float]:
    """Tolerances of texts such as ``ess_per_gradient:10%``.

    Raises
    ------
    ValueError
        On an unknown metric or a tolerance that is no number.

    Examples
    --------
    >>> limits_of(["ess_per_gradient:10%", "divergences"])
    {'ess_per_gradient': 0.1, 'divergences': 0.05}
    """
    limits = {}
    for text in texts:
        metric, _, tolerance = text.partition(":")
        if metric not in TOLERANCES:
            raise ValueError(f"unknown metric {metric!r}; valid: {', '.join(TOLERANCES)}")
        try:
            limits[metric] = (
                float(tolerance.rstrip("%")) / (100 if tolerance.endswith("%") else 1)
                if tolerance
                else TOLERANCES[metric]
            )
        except ValueError:
            raise ValueError(f"{text!r}: {tolerance!r} is no tolerance; give 10% or 0.1") from None
        if not 0 <= limits[metric] < float("inf"):
            raise ValueError(f"{text!r}: the tolerance is {limits[metric]}; give 0 or more")
    return limits


def compare(
    now: Mapping[str, Any], before: Mapping[str, Any], limits: Limits = TOLERANCES
) -> list[Comparison]:
    """Compare two records, as `hiercal.runs.baseline.record` makes them, on the same data sets.

    Intervals are of 95 %, from the differences on each data set: Student's for means, and those of
    Agresti and Min for shares. A metric is worse if the whole interval lies beyond the tolerance.

    Parameters
    ----------
    now, before : dict
    limits : mapping of str to float
        Metrics to compare, with tolerances.

    Returns
    -------
    list of Comparison

    References
    ----------
    Agresti, Min (2005), Statistics in Medicine 24:729, for paired shares.
    """
    differ = [
        f"{key} {before[key]} there, {now[key]} now"
        for key in ("data", "seed", "max_rank")
        if before[key] != now[key]
    ]
    if differ:
        said = f"not the same data sets: {'; '.join(differ)}"
        return [Comparison(metric, "not comparable", said) for metric in limits]
    return [_METRICS[metric](metric, now, before, limit) for metric, limit in limits.items()]


def _efficiency(metric: str, now: Any, before: Any, limit: float) -> Comparison:
    """Ratio of ESS, or of ESS per gradient: geometric mean over data sets."""
    of_each = paired(now, before, "ess")
    if metric == "ess_per_gradient":
        gradients = paired(now, before, "gradients")
        if not (gradients > 0).any(axis=1).all():
            return Comparison(
                metric, "not comparable", "no gradients were counted; let the fit return n_steps, "
                "or compare ess"
            )  # fmt: skip
        of_each = of_each / np.where(gradients > 0, gradients, np.nan)
    known = (of_each > 0).all(axis=0)
    if known.sum() < 2:
        return Comparison(metric, "not comparable", f"{known.sum()} data sets fitted both times")
    logs = np.log(of_each[0, known] / of_each[1, known])
    ratio, low, high = np.exp(_mean(logs))
    verdict = "worse" if high < 1 - limit else "no worse" if low >= 1 - limit else "undecided"
    return Comparison(
        metric,
        verdict,
        f"{ratio:.3f} times that before (95 % interval {low:.3f} to {high:.3f}, {known.sum()} data "
        f"sets); tolerated {1 - limit:.3g}",
    )


def _calibration(metric: str, now: Any, before: Any, limit: float) -> Comparison:
    """How much larger the error of a mean or sd is, of the quantity that lost most."""
    errors = [
        (name, what, *values)
        for name in now["each"]["ranks"]
        if name in before["each"]["ranks"]
        for what, values in _scores(now, before, name)
    ]
    if not errors:
        return Comparison(metric, "not comparable", "no quantity was ranked both times")
    found = []
    for name, what, new, old in errors:
        # |mean now| - |mean before|, as a mean of paired differences
        grown = np.sign(new.mean()) * new - np.sign(old.mean()) * old
        found.append((*_mean(grown, families=len(errors)), name, what))
    surest, largest = max(found, key=lambda f: f[1]), max(found)
    if surest[1] > limit:
        verdict, shown = "worse", surest
    else:
        verdict = "no worse" if max(f[2] for f in found) <= limit else "undecided"
        shown = largest
    by, low, high, name, what = shown
    return Comparison(
        metric,
        verdict,
        f"error of the {what} of {name} grew by {by:.3f} (interval {low:.3f} to {high:.3f}, 95 % "
        f"over all {len(errors)} errors); tolerated {limit:.3g}",
    )


def _scores(now: Any, before: Any, name: str) -> list[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    """Errors of each data set: against the exact posterior, or else by normal scores of ranks."""
    found = []
    for what, key in (("mean", "exact_mean"), ("sd", "exact_sd")):
        if name in now["each"][key] and name in before["each"][key]:
            both = _both(now["each"][key][name], before["each"][key][name])
        else:
            ranks = _both(now["each"]["ranks"][name], before["each"]["ranks"][name])
            # a truth of a high rank lies above draws that are too low
            z = -ndtri((ranks + 0.5) / (now["max_rank"] + 1))
            both = z if what == "mean" else -(z**2 - 1) / np.sqrt(2)
        if both.shape[1] > 1:
            found.append((what, (both[0], both[1])))
    return found


def _both(new: list[Any], old: list[Any]) -> np.ndarray:
    pairs = np.array(list(zip(new, old, strict=False)), dtype=float).reshape(-1, 2).T
    return pairs[:, np.isfinite(pairs).all(axis=0)]


def _robustness(metric: str, now: Any, before: Any, limit: float) -> Comparison:
    """How many more data sets diverge, or fail."""
    failed = paired(now, before, "failed") > 0
    counted = failed if metric == "failures" else paired(now, before, "divergences") > 0
    if metric == "divergences":
        counted = counted[:, ~failed.any(axis=0)]
    n = counted.shape[1]
    if not n:
        return Comparison(metric, "not comparable", "no data set was fitted both times")
    more, fewer = (counted[0] & ~counted[1]).sum(), (counted[1] & ~counted[0]).sum()
    centre = (more - fewer) / (n + 2)
    half = (
        ndtri((1 + LEVEL) / 2)
        * np.sqrt(max(more + fewer + 1 - (more - fewer) ** 2 / (n + 2), 0.0))
        / (n + 2)
    )
    low, high = centre - half, centre + half
    verdict = "worse" if low > limit else "no worse" if high <= limit else "undecided"
    if not more:
        verdict = "no worse"  # none is new: the interval's width is that of what was not seen
    return Comparison(
        metric,
        verdict,
        f"{more} more and {fewer} fewer of {n} data sets, {100 * (more - fewer) / n:+.1f} points "
        f"(95 % interval {100 * low:.1f} to {100 * high:.1f}); tolerated {100 * limit:.3g}",
    )


def _mean(values: np.ndarray, families: int = 1) -> tuple[float, float, float]:
    """Mean with its interval, Student's; Bonferroni over a family."""
    n, mean = len(values), float(values.mean())
    half = stdtrit(n - 1, 1 - (1 - LEVEL) / 2 / families) * values.std(ddof=1) / np.sqrt(n)
    return mean, mean - half, mean + half


_METRICS = {
    "calibration": _calibration,
    "ess_per_gradient": _efficiency,
    "ess": _efficiency,
    "divergences": _robustness,
    "failures": _robustness,
}

"""Two results of one run, fit by fit: what is the same to the bit, and whether the rest agrees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr, fdtrc, ndtri, stdtrit

from hiercal.runs.columns import COLUMNS, FitRecord
from hiercal.sbc.paired import paired_test

if TYPE_CHECKING:
    import pandas as pd

    from hiercal.runs.result import Result

ALPHA = 0.01
"""How often two results that agree are said to disagree in any arm or quantity, at most."""
POWER = 0.9
"""Power at which the smallest shift that would be found is stated."""
LEAST = 20
"""Fits that a test needs."""
LEAST_DIFFERENT = 5
"""Fits that have to differ before the mean of their differences says anything."""
SAME_TRUTH = 1e-6
"""Truths that differ by no more, relative to their size, are the same but for rounding."""
ROUNDING = 1e-9
"""Differences of posterior means and limits, in sds, that are of rounding alone."""
MACHINE = ("TimeLimit", "MemoryLimit", "WorkerDied")
"""Errors that say something of the machine, and nothing of the fit."""
KINDS = ("truths", "ranks", "estimates", "statistics")
"""What is compared of each fit."""
RANKS = ("rank", "rank_effective")
COUNTS = ("divergences", "n_steps", "max_tree_depth")
IN_SDS = ("mean", "sd", "mcse_mean", "lower", "upper", "hdi_lower", "hdi_upper")
"""Estimates on the scale of the draws; ESS and R-hat can jump where draws hardly differ."""
ESTIMATES = tuple(name for name in COLUMNS if name not in ("truth", *RANKS))
STATISTICS = tuple(
    name for name in FitRecord.scalars() if name not in ("simulation", "error", "seconds")
)


Columns = Mapping[str, np.ndarray]
"""Numbers of each fit by the name of their column."""


@dataclass
class Compared:
    """One arm of two results.

    Attributes
    ----------
    arm : str
    simulations : ndarray of int, shape (fits,)
        Those that both fitted.
    left_out : int
        Fits that ran into a limit of time or memory in either; nothing is said of them.
    same : dict of str to ndarray of bool, shape (fits,)
        Whether each fit has the same truths, ranks, estimates and statistics, to the bit.
    failed : tuple of int
        Fits that failed, there and now.
    rounding : float
        The largest difference of any estimate, in posterior sds; infinite if fits differ in more
        than digits: in failures, divergences, steps, truths, or ranks by more than one.
    quantities : list of dict
        A row for each quantity.
    tests : list of (str, float)
        What was tested, and its p-value.
    """

    arm: str
    simulations: np.ndarray
    left_out: int
    same: dict[str, np.ndarray]
    failed: tuple[int, int]
    rounding: float = 0.0
    quantities: list[dict[str, Any]] = field(default_factory=list)
    tests: list[tuple[str, float]] = field(default_factory=list)

    @property
    def fits(self) -> int:
        """How many fits are compared."""
        return len(self.simulations)

    @property
    def same_fits(self) -> int:
        """How many fits are the same in all."""
        return int(np.logical_and.reduce(list(self.same.values())).sum())


def compared(before: Result, now: Result, arm: str, simulations: int) -> Compared:
    """Compare an arm's first simulations in two results.

    Of each quantity three things are tested: the differences of posterior means, in posterior sds;
    those of log sds; and the ranks, by `hiercal.sbc.paired.paired_test`. Where the truths are
    others, the standardised errors of the means stand for the means. If both results come from one
    sampler, each difference is as likely as its negative: the tests of means are Student's, which
    are conservative for heavy tails then (Efron 1969, JASA 64:1278). Failures and divergences are
    compared by sign tests.

    Parameters
    ----------
    before, now : Result
    arm : str
    simulations : int

    Raises
    ------
    ValueError
        If other quantities are ranked.
    """
    import pandas as pd

    fits = [_fits(result, arm, simulations) for result in (before, now)]
    common = fits[0].index.intersection(fits[1].index)
    fits = [each.loc[common] for each in fits]
    limited = np.logical_or(*(_of_machine(each["error"]) for each in fits))
    kept = pd.Index(common[~limited])
    first, second = (each.loc[kept] for each in fits)
    failed = [each["error"].notna().to_numpy() for each in (first, second)]
    same = {kind: np.ones(len(kept), dtype=bool) for kind in KINDS}
    same["statistics"] = failed[0] == failed[1]
    for name in STATISTICS:
        values = [each[name].to_numpy(dtype=float, na_value=np.nan) for each in (first, second)]
        same["statistics"] &= _equal(*values)
    numbers = int(failed[0].sum()), int(failed[1].sum())
    alike = np.array_equal(*failed) and first[list(COUNTS)].equals(second[list(COUNTS)])
    rounding = 0.0 if alike else np.inf
    found = Compared(arm, kept.to_numpy(), int(limited.sum()), same, numbers, rounding)
    for quantity, one, other in _records(before, now, arm, kept):
        same["truths"] &= _equal(one["truth"], other["truth"])
        for kind, names in (("ranks", RANKS), ("estimates", ESTIMATES)):
            for name in names:
                same[kind] &= _equal(one[name], other[name])
        found.rounding = max(found.rounding, _apart(one, other))
        judge(found, quantity, one, other, before.manifest["run"]["max_rank"])
    if before.summarises_groups:
        same["ranks"] &= _same_groups(before, now, arm, kept)
    _signs(found, "share of failed fits", *failed)
    done = ~failed[0] & ~failed[1]
    diverging = [(each["divergences"] > 0).to_numpy()[done] for each in (first, second)]
    _signs(found, "share of fits with divergences", diverging[0], diverging[1])
    return found


def least_p(arms: Sequence[Compared]) -> list[tuple[float, str]]:
    """Of each arm the least p-value and what it is of, adjusted for all tests of all arms (Holm).

    An arm of which nothing could be tested has NaN.
    """
    tests = [(p, i, what) for i, one in enumerate(arms) for what, p in one.tests if np.isfinite(p)]
    least = [(np.nan, "")] * len(arms)
    adjusted = 0.0
    for rank, (p, i, what) in enumerate(sorted(tests)):
        adjusted = min(1.0, max(adjusted, p * (len(tests) - rank)))
        if not least[i][1]:
            least[i] = adjusted, what
    return least


def smallest_shift(one: Compared, n_tests: int) -> float:
    """The shift of posterior means, in sds, that is found in any quantity; NaN if unknown.

    With the power `POWER`, at the level `ALPHA` over all tests.
    """
    level = 1 - ALPHA / 2 / max(n_tests, 1)
    found = [
        (stdtrit(row["fits"] - 1, level) + ndtri(POWER)) * row["shift_se"]
        for row in one.quantities
        if row["fits"] >= LEAST and np.isfinite(row["shift_se"])
    ]
    return float(max(found, default=np.nan))


def symmetric_test(differences: ArrayLike) -> float:
    """p-value of differences that are as likely as their negatives: Student's, of those not 0.

    Examples
    --------
    >>> round(symmetric_test(np.arange(-4.0, 7.0)), 2)
    0.34
    >>> symmetric_test(np.zeros(50))
    1.0
    """
    values = np.asarray(differences, dtype=float)
    values = values[values != 0]
    n = len(values)
    if n < LEAST_DIFFERENT:
        return 1.0
    share = values.sum() ** 2 / (values**2).sum()
    return float(fdtrc(1, n - 1, (n - 1) * share / max(n - share, 1e-9)))


def _fits(result: Result, arm: str, simulations: int) -> pd.DataFrame:
    fits = result.fits
    own = fits[(fits["arm"] == arm) & (fits["simulation"] < simulations)]
    return own.set_index("simulation").sort_index()


def _of_machine(errors: pd.Series) -> np.ndarray:
    texts = errors.fillna("").astype(str)
    each = [texts.str.contains(f": {name}: ", regex=False).to_numpy(dtype=bool) for name in MACHINE]
    return np.logical_or.reduce(each)


def _records(
    before: Result, now: Result, arm: str, simulations: pd.Index
) -> Iterator[tuple[str, Columns, Columns]]:
    """Records of each quantity in both results, in one order of the simulations."""
    if before.quantities.get(arm) != now.quantities.get(arm):
        raise ValueError(f"{arm}: other quantities are ranked than there were")
    columns = ("simulation", *COLUMNS)
    both = (result.cells(*columns, arms=[arm]) for result in (before, now))
    for (_, quantity, one), (_, _, other) in zip(*both, strict=True):
        yield quantity, _floats(one, simulations), _floats(other, simulations)


def _floats(records: pd.DataFrame, simulations: pd.Index) -> Columns:
    """Columns of some simulations' records, NaN where nothing is on record."""
    chosen = records.set_index("simulation").loc[simulations]
    return {name: chosen[name].to_numpy(dtype=float, na_value=np.nan) for name in COLUMNS}


def _equal(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Where two columns hold the same numbers, to the bit, or none."""
    return (one == other) | (np.isnan(one) & np.isnan(other))


def _apart(one: Columns, other: Columns) -> float:
    """The largest difference of any estimate, in sds; infinite if more than digits differ."""
    found = 0.0
    with np.errstate(all="ignore"):
        sd = np.fmax(one["sd"], np.finfo(float).tiny)
        if (np.abs(one["rank"] - other["rank"]) > 1).any():
            return np.inf
        for name in ("truth", *IN_SDS):
            apart = np.where(
                _equal(one[name], other[name]), 0, np.abs(one[name] - other[name]) / sd
            )
            found = max(found, np.inf if np.isnan(apart).any() else float(apart.max(initial=0.0)))
    return found


def judge(found: Compared, quantity: str, one: Columns, other: Columns, max_rank: int) -> None:
    """Put a quantity's differences and tests on record.

    Parameters
    ----------
    found : Compared
    quantity : str
    one, other : mapping of str to ndarray, shape (fits,)
        ``truth``, ``rank``, ``mean`` and ``sd`` of each fit; the rank is NaN where one failed.
    max_rank : int
    """
    done = np.isfinite(one["rank"]) & np.isfinite(other["rank"])
    names = ("truth", "mean", "sd", "rank")
    values = {name: [each[name][done] for each in (one, other)] for name in names}
    (truth, truth_now), (mean, mean_now), (sd, sd_now) = (
        values[name] for name in ("truth", "mean", "sd")
    )
    with np.errstate(all="ignore"):
        spread = np.sqrt((sd**2 + sd_now**2) / 2)
        near = np.abs(truth - truth_now) <= SAME_TRUTH * np.maximum(np.abs(truth), spread)
        if (near | (truth == truth_now)).all():
            shifts = (mean_now - mean) / spread
        else:
            shifts = (mean_now - truth_now) / sd_now - (mean - truth) / sd
        scales = np.log(sd_now / sd)
    # of rounding, which may well be of one sign
    shifts, scales = (np.where(np.abs(each) < ROUNDING, 0, each) for each in (shifts, scales))
    shifts, scales = (each[np.isfinite(each)] for each in (shifts, scales))
    n = int(done.sum())
    p = {"posterior mean": np.nan, "posterior sd": np.nan, "ranks": np.nan}
    if n >= LEAST:
        p["posterior mean"] = symmetric_test(shifts)
        p["posterior sd"] = symmetric_test(scales)
        ranks = [each.astype(int) for each in values["rank"]]
        if not np.array_equal(*ranks):
            p["ranks"] = paired_test(*reversed(ranks), max_rank).p
    found.tests += [(f"{what} of {quantity}", value) for what, value in p.items()]
    found.quantities.append(
        {
            "arm": found.arm,
            "quantity": quantity,
            "fits": n,
            "largest_difference": float(np.abs(shifts).max(initial=0.0)),
            "shift": _mean(shifts),
            "shift_se": _se(shifts),
            "log_scale": _mean(scales),
            "log_scale_se": _se(scales),
            "p_mean": p["posterior mean"],
            "p_sd": p["posterior sd"],
            "p_ranks": p["ranks"],
        }
    )


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else np.nan


def _se(values: np.ndarray) -> float:
    n = len(values)
    return float(values.std(ddof=1) / np.sqrt(n)) if n > 1 else np.nan


def _signs(found: Compared, what: str, first: np.ndarray, second: np.ndarray) -> None:
    """Sign test of what is so in one result and not in the other."""
    more, fewer = int((second & ~first).sum()), int((first & ~second).sum())
    n = more + fewer
    if len(first) >= LEAST and n:
        found.tests.append((what, min(1.0, 2 * float(bdtr(min(more, fewer), n, 0.5)))))


def _same_groups(before: Result, now: Result, arm: str, simulations: pd.Index) -> np.ndarray:
    """Whether the pooled ranks of the groups are the same in each fit."""
    pooled = []
    for result in (before, now):
        ranks = result.group_ranks
        own = ranks[(ranks["arm"] == arm).to_numpy()].set_index("simulation")["counts"]
        pooled.append(own.reindex(simulations))
    return np.array(
        [np.array_equal(np.nan_to_num(a), np.nan_to_num(b)) for a, b in zip(*pooled, strict=True)],
        dtype=bool,
    )

"""What every run is summarised by: verdicts, coverage, bias of the scale, strata, and figures."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from hiercal.sbc import coverage as intervals
from hiercal.sbc import pooled, uniformity
from hiercal.sbc import verdict as rule
from hiercal.studies._manifest import file_name
from hiercal.studies._mixing import mixing
from hiercal.studies._strata import strata

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from hiercal.plots.funnel import FunnelDraws
    from hiercal.studies._result import Result

CENTRAL_LEVELS = (0.5, 0.8, 0.9)
SCALE_BINS = 3
NO_DRAWS = {"scale": ()}
OVERLAID, SCATTERED = 14, 5
"""Quantities that a figure with a panel each, or a column each, shows."""


Made = TypeVar("Made")
Makers = dict[str, Callable[[], Made]]
"""Tables or figures by name, none made yet: what one raises costs no other."""


def table_makers(result: Result) -> Makers[pd.DataFrame]:
    """What makes each of the study's tables, by name."""
    makers: Makers[pd.DataFrame] = {
        "verdicts": lambda: verdicts(result),
        "mixing": lambda: mixing(result),
        "coverage": lambda: coverage(result),
        "bias": lambda: bias(result),
        "strata": lambda: strata(result),
    }
    if result.summarises_groups:
        makers["groups"] = lambda: groups(result)
    return makers


def tables(result: Result) -> dict[str, pd.DataFrame]:
    """The study's tables by name, without those that have no rows."""
    return {name: table for name, make in table_makers(result).items() if len(table := make())}


def verdicts(result: Result, alpha: float = 0.05, power: float = 0.9) -> pd.DataFrame:
    """Test every quantity of every arm, as one family.

    Parameters
    ----------
    result : Result
    alpha : float
        Family-wise level over all quantities and arms (Holm 1979).
    power : float
        Power at which the detectable errors are stated.

    Returns
    -------
    DataFrame
        A row per arm and quantity: ``n`` completed fits, ``n_failed``; p-values ``p_ecdf`` and
        ``p_smooth`` of the two tests of uniformity, their combination ``p``, and ``p_holm``
        adjusted for the family, with failed fits ranked as badly as can be (``p_holm_worst``) and
        as well (``p_holm_best``); ``p_effective_holm``, of the ranks among effective draws, which
        counts where ``low_ess`` is above 0.2: the share of fits whose bulk ESS is below L, the
        number of draws that a truth is ranked among; ``verdict`` and its ``reason``. The smallest
        errors found with the stated power: ``detectable_shift`` (in posterior sds) and
        ``detectable_scale`` (a sd so many times too large or too small) if this quantity alone is
        wrong, ``shared_shift`` and ``shared_scale`` if all quantities of the arm are, and err
        independently. Fields of `hiercal.sbc.verdict.Verdict`.
    """
    import pandas as pd

    records = result.columns(
        "arm", "quantity", "status", "rank", "rank_effective", "max_rank", "ess_bulk"
    )
    keys, hypotheses = [], []
    for arm, quantity, rows in _cells(records):
        done = rows[(rows["status"] == "ok").to_numpy()]
        keys.append({"arm": arm, "quantity": quantity})
        hypotheses.append(
            rule.Hypothesis(
                ranks=done["rank"].to_numpy(dtype=np.int64),
                effective_ranks=done["rank_effective"].to_numpy(dtype=np.int64),
                n_failed=len(rows) - len(done),
                ess_bulk=done["ess_bulk"].to_numpy(),
                max_rank=int(rows["max_rank"].iloc[0]),
                arm=arm,
            )
        )
    found = rule.verdicts(hypotheses, alpha=alpha, power=power)
    return pd.DataFrame(
        [key | dataclasses.asdict(verdict) for key, verdict in zip(keys, found, strict=True)]
    )


def coverage(result: Result) -> pd.DataFrame:
    """Coverage of central intervals and of the highest-density interval.

    Returns
    -------
    DataFrame
        A row per arm, quantity and interval: the ``level`` that a correct posterior reaches, the
        completed fits ``n`` and those that ``covered`` the truth, ``coverage`` with its exact 95 %
        limits ``lower`` and ``upper`` (Clopper and Pearson 1934), and the two-sided binomial
        ``p``, uncorrected. Central intervals are those of order statistics, whose level is exact;
        the HDI's is that of as many independent normal draws as the median bulk ESS.
    """
    import pandas as pd

    records = result.columns(
        "arm",
        "quantity",
        "status",
        "rank",
        "max_rank",
        "truth",
        "hdi_lower",
        "hdi_upper",
        "ess_bulk",
    )
    nominal = result.manifest["study"]["level"]
    rows = []
    for arm, quantity, cell in _cells(records[(records["status"] == "ok").to_numpy()]):
        n, max_rank = len(cell), int(cell["max_rank"].iloc[0])
        rank = cell["rank"].to_numpy(dtype=np.int64)
        orders = [max(1, round((1 - level) * (max_rank + 1) / 2)) for level in CENTRAL_LEVELS]
        for k in dict.fromkeys(orders):
            covered = int(((rank >= k) & (rank <= max_rank - k)).sum())
            rows.append((arm, quantity, "central", 1 - 2 * k / (max_rank + 1), n, covered))
        truth = cell["truth"].to_numpy()
        inside = (cell["hdi_lower"].to_numpy() <= truth) & (truth <= cell["hdi_upper"].to_numpy())
        ess = _two_digits(float(cell["ess_bulk"].median()))
        reached = intervals.hdi_level(ess, nominal)
        rows.append((arm, quantity, f"hdi {nominal:g}", reached.level, n, int(inside.sum())))
    columns = ["arm", "quantity", "interval", "level", "n", "covered"]
    table = pd.DataFrame(rows, columns=columns)
    if table.empty:
        return table
    table["coverage"] = table["covered"] / table["n"]
    counts = table["covered"].to_numpy(), table["n"].to_numpy()
    table["lower"], table["upper"] = intervals.clopper_pearson(*counts)
    table["p"] = intervals.coverage_p(*counts, table["level"].to_numpy())
    return table


def bias(result: Result) -> pd.DataFrame:
    """Posterior mean of the between-group scale minus that of the ``exact`` arm, by the truth.

    Both arms met the same data, so shrinkage, which is not an error, cancels: what is left is the
    sampler's own bias (and the Monte Carlo error of both). Failed fits are left out and counted.

    Returns
    -------
    DataFrame
        A row per arm and range of the true scale: ``bias``, its standard error ``se``, ``n`` pairs
        and ``n_failed``. Empty without an exact arm.
    """
    import pandas as pd

    records = result.columns("arm", "simulation", "quantity", "truth", "mean")
    rows = []
    for role in result.manifest["roles"].values():
        exact = role["exact"]
        if exact is None:
            continue
        arms = records["arm"].isin(role["arms"])
        own = records[((records["quantity"] == role["scale"]) & arms).to_numpy()]
        means = own.pivot(index="simulation", columns="arm", values="mean")
        truth = own[own["arm"] == exact].set_index("simulation")["truth"].dropna()
        if truth.empty:
            continue
        edges = np.quantile(truth, np.linspace(0, 1, SCALE_BINS + 1))
        ranges = [(edges[0], edges[-1]), *itertools.pairwise(edges)]
        for arm, parameters in role["arms"].items():
            if arm == exact or role["scale"] not in parameters:
                continue
            difference = (means[arm] - means[exact]).reindex(truth.index)
            for low, high in ranges:
                here = difference[(truth >= low) & (truth <= high)]
                pairs = here.dropna()
                se = pairs.std() / np.sqrt(len(pairs)) if len(pairs) > 1 else np.nan
                rows.append(
                    {
                        "arm": arm,
                        "quantity": role["scale"],
                        "truth_from": low,
                        "truth_to": high,
                        "n": len(pairs),
                        "n_failed": len(here) - len(pairs),
                        "bias": pairs.mean(),
                        "se": se,
                    }
                )
    return pd.DataFrame(rows)


def groups(result: Result) -> pd.DataFrame:
    """Test the pooled ranks of all single group effects, with ``groups = "summary"``.

    Returns
    -------
    DataFrame
        A row per arm: completed fits ``n``, ``n_failed``, ``n_groups``; ``p`` of
        `hiercal.sbc.pooled.pooled_test` and ``p_holm`` over the arms, both of the completed fits
        and NaN without one or without group effects; and the worst ``ess_bulk_min`` and
        ``r_hat_max`` of any quantity or group effect in any fit. Where that ESS is below the draws
        ranked, autocorrelation alone can make p small.
    """
    import pandas as pd

    fits, ranks = result.fits, result.group_ranks
    rows = []
    n_groups = {
        arm: role["n_groups"] for role in result.manifest["roles"].values() for arm in role["arms"]
    }
    for arm in result.manifest["arms"]:
        of_arm = fits[(fits["arm"] == arm).to_numpy()]
        own = ranks[(ranks["arm"] == arm).to_numpy()]
        n_failed = int(of_arm["error"].notna().sum())
        p = np.nan
        if len(own):
            covariances = np.stack(own["covariance"].to_list())
            order = pooled.ORDER
            p = pooled.pooled_test(
                np.stack(own["counts"].to_list()), covariances.reshape(-1, order, order)
            ).p
        rows.append(
            {
                "arm": arm,
                "n": len(of_arm) - n_failed,
                "n_failed": n_failed,
                "n_groups": n_groups[arm],
                "p": p,
                "ess_bulk_min": of_arm["ess_bulk_min"].min(),
                "r_hat_max": of_arm["r_hat_max"].max(),
            }
        )
    table = pd.DataFrame(rows)
    table.insert(5, "p_holm", uniformity.holm(table["p"].to_numpy()))
    return table


def figure_makers(result: Result) -> Makers[Figure]:
    """What makes each of the study's figures, by name; of several stories, by name and story."""
    roles = result.manifest["roles"]
    records = result.columns(
        "arm", "simulation", "quantity", "status", "truth", "rank", "max_rank", "mean", "sd"
    )
    makers: Makers[Figure] = {}
    for story, role in roles.items():
        arms = list(role["arms"])
        several = len(roles) > 1
        own = records[records["arm"].isin(arms).to_numpy()] if several else records
        end = f"-{file_name(story)}" if several else ""
        of_story = _figures_of_records(own)
        if result.summarises_groups and role["groups"]:
            of_story["group_ranks"] = partial(_group_ranks, result, role["groups"], arms)
        panels, titles = _funnel_panels(result, arms)
        if titles:
            of_story["funnel"] = partial(_funnel, role, panels, titles)
        makers |= {f"{name}{end}": make for name, make in of_story.items()}
    return makers


def _figures_of_records(records: pd.DataFrame) -> Makers[Figure]:
    from hiercal import plots

    names = list(records["quantity"].unique())
    overlaid = names if len(names) <= OVERLAID else _representative(names)[:OVERLAID]
    scattered = _representative(names)[:SCATTERED]
    return {
        "ranks": lambda: plots.rank_histogram(records, scattered),
        "ecdf": lambda: plots.ecdf_difference(records, overlaid),
        "coverage": lambda: plots.coverage(records, overlaid),
        "recovery": lambda: plots.recovery(records, scattered),
    }


def _group_ranks(result: Result, parameter: str, arms: list[str]) -> Figure:
    from hiercal.plots.group_ranks import group_ranks

    ranks = result.group_ranks
    own = ranks[ranks["arm"].isin(arms).to_numpy()]
    return group_ranks(own, result.manifest["simulations"], arms, parameter=parameter)


def _funnel(role: dict[str, str], panels: list[list[FunnelDraws]], titles: list[str]) -> Figure:
    from hiercal import plots

    scale, group = (plots.quantity_label(role[key]) for key in ("scale", "first_group"))
    return plots.funnel(panels, titles, scale_label=scale, group_label=group)


def _cells(records: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Rows of each arm and quantity, in the order of the study."""
    for arm in records["arm"].cat.categories:
        own = records[(records["arm"] == arm).to_numpy()]
        for quantity in records["quantity"].cat.categories:
            rows = own[(own["quantity"] == quantity).to_numpy()]
            if len(rows):
                yield arm, quantity, rows


def _representative(names: list[str]) -> list[str]:
    """Scalars, and the first of each vector."""
    firsts: dict[str, str] = {}
    for name in names:
        firsts.setdefault(name.partition("[")[0], name)
    return list(firsts.values())


def _two_digits(x: float) -> int:
    """Rounded to two significant digits, so that levels of similar sizes are computed once."""
    return int(float(f"{max(x, 10.0):.2g}"))


def _funnel_panels(result: Result, arms: list[str]) -> tuple[list[list[FunnelDraws]], list[str]]:
    """Panels, a row for each data set and a column for each arm that fitted them all; titles."""
    kept = result.draws()
    data_sets = list(dict.fromkeys(data for arm, data in kept if arm in arms))
    columns = [
        arm for arm in arms if all(len(kept.get((arm, d), NO_DRAWS)["scale"]) for d in data_sets)
    ]
    rows: list[list[FunnelDraws]] = []
    titles = []
    for data in data_sets if columns else []:
        known = kept[columns[0], data].get("truth")
        truth = None if known is None else (float(known[0]), float(known[1]))
        titles.append(f"Simulation {data}" if data.isdigit() else "Real data")
        rows.append(
            [
                {
                    "scale": kept[arm, data]["scale"],
                    "group": kept[arm, data]["group"],
                    "diverging": kept[arm, data]["diverging"],
                    "title": arm.partition("/")[2],
                    "truth": truth,
                }
                for arm in columns
            ]
        )
    return rows, titles

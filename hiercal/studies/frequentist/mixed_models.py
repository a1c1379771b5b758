"""REML of raw observations: what statsmodels' searches find, beside the largest likelihood."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hiercal.exact.reml import mixed_lm, one_way_reml
from hiercal.runs.streams import stream
from hiercal.simulators.instructors import Instructors
from hiercal.tables.estimates import mean_se, named, rms_se, share_se

OURS = "ours"
SEARCHES: Mapping[str, str | None] = {
    OURS: None,
    "statsmodels": None,
    "statsmodels, Powell": "powell",
}
"""Searches for the largest restricted likelihood of raw observations."""


def mixed_models(n_groups: int, n: int, seed: int) -> list[dict[str, Any]]:
    """REML of raw observations: statsmodels' searches, ours, and the exact posterior.

    A search has missed the maximum where its tau lies more than a hundredth of sigma from ours;
    ``warned`` is the share of data sets in which it says that it did not converge, and
    ``missed`` is split into ``missed_warned`` and ``missed_silently``.
    """
    story = Instructors().resized(n_groups)
    estimates: dict[str, list[tuple[float, bool]]] = {name: [] for name in SEARCHES}
    sigma, mean, sd = [], [], []
    for i in range(n):
        y = story.simulate(stream(seed, "raw", n_groups, i)).data["y"]
        tau2, sigma2 = one_way_reml(y, story.sizes)
        exact = story.exact({"y": y})
        sigma.append(np.sqrt(sigma2))
        mean.append(exact.mean("tau"))
        sd.append(exact.sd("tau"))
        for name, method in SEARCHES.items():
            converged = True
            if name != OURS:
                tau2, _, converged = mixed_lm(y, story.sizes, method)
            estimates[name].append((np.sqrt(max(tau2, 0.0)), converged))
    ours = np.array([tau for tau, _ in estimates[OURS]])
    rows = []
    for name, pairs in estimates.items():
        tau, converged = np.array([t for t, _ in pairs]), np.array([c for _, c in pairs])
        scaled = (tau - np.array(mean)) / np.array(sd)
        missed = np.abs(tau - ours) > 0.01 * np.array(sigma)
        rows.append(
            {
                "J": n_groups,
                "search": name,
                "n": len(tau),
                **named(
                    warned=share_se(~converged),
                    missed=share_se(missed),
                    missed_warned=share_se(missed & ~converged),
                    missed_silently=share_se(missed & converged),
                    zero=share_se(tau < 1e-3 * np.array(sigma)),
                    tau_difference=mean_se(scaled),
                    tau_mean_rms=rms_se(scaled**2),
                ),
            }
        )
    return rows

"""Power-scaling of the prior of tau and of the likelihood: importance sampling beside the truth."""

from __future__ import annotations

from typing import Any

import numpy as np

from hiercal.runs.streams import stream
from hiercal.simulators.eight_schools import EightSchools
from hiercal.tables.estimates import mean_se, named

POWERS = (0.8, 1.25)
"""Powers that the prior of tau, or the likelihood, is raised to."""
REPEATS, SENSE_DRAWS = 10, 4000
"""Sets of exact draws that power-scaling is estimated from, and draws in each."""


def power_scaling(tau_scale: float, seed: int) -> list[dict[str, Any]]:
    """Rubin's data with the prior of tau, or the likelihood, raised to a power.

    A half-normal density to the power a is one of scale s / sqrt(a), and a normal likelihood one of
    standard errors sigma / sqrt(a): both posteriors are exact. Beside them stands what ArviZ makes
    of unscaled draws by importance sampling, averaged over independent sets of exact draws.

    Parameters
    ----------
    tau_scale : float
        Scale of the half-normal prior of tau, in points.
    seed : int
        Random seed of the exact draws.

    Returns
    -------
    list of dict
        A row per component and power: ``exact_mean`` and ``exact_sd`` of tau, ``estimate`` of the
        mean by Pareto-smoothed importance sampling, and ``sensitivity`` of tau, which does not
        depend on the power (Kallioinen et al. 2024, Statistics and Computing 34, 57).
    """
    import arviz as az
    from arviz_stats import psense
    from arviz_stats.base import array_stats

    story = EightSchools(tau_scale=tau_scale)
    data = story.observed
    assert data is not None
    posterior = story.exact(data)
    sets = []
    for repeat in range(REPEATS):
        draws = posterior.draws(SENSE_DRAWS, stream(seed, "power scaling", repeat))
        logs = {
            "prior": -0.5 * (draws["tau"] / tau_scale) ** 2,
            "likelihood": story.log_likelihood(draws, data),
        }
        tree = az.from_dict(
            {
                "posterior": {"tau": draws["tau"][None]},
                "log_prior": {"tau": logs["prior"][None]},
                "log_likelihood": {"y": logs["likelihood"][None]},
            }
        )
        sense = {name: float(psense(tree, var_names=["tau"], group=name)["tau"]) for name in logs}
        sets.append((draws["tau"], logs["prior"], logs["likelihood"].sum(axis=-1), sense))
    rows = []
    for place, component in enumerate(("prior", "likelihood"), start=1):
        for power in POWERS:
            root = np.sqrt(power)
            scaled = (
                EightSchools(tau_scale=tau_scale / root)
                if component == "prior"
                else EightSchools(tau_scale=tau_scale, sigma=tuple(s / root for s in story.sigma))
            ).exact(data)
            means = []
            for each in sets:
                weights = array_stats.power_scale_lw(each[place], alpha=power)
                means.append(np.average(each[0], weights=np.exp(weights - weights.max())))
            rows.append(
                {
                    "component": component,
                    "power": power,
                    "exact_mean": scaled.mean("tau"),
                    "exact_sd": scaled.sd("tau"),
                    **named(
                        estimate=mean_se(means),
                        sensitivity=mean_se([each[3][component] for each in sets]),
                    ),
                }
            )
    return rows

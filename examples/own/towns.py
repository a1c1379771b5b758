"""A story and a fitter of one's own."""

import numpy as np

from hiercal import Simulation, Story


class Towns(Story):
    """mu ~ N(0, 1), theta_i ~ N(mu, 1), y_i ~ N(theta_i, 1), i = 1, ..., 5."""

    def simulate(self, rng):
        mu = rng.normal()
        theta = rng.normal(mu, 1, size=5)
        return Simulation({"mu": mu, "theta": theta}, {"y": rng.normal(theta, 1)})


def conjugate(data, seed):
    rng, y = np.random.default_rng(seed), data["y"]
    variance = 1 / (1 + len(y) / 2)
    mu = rng.normal(variance * y.sum() / 2, np.sqrt(variance), size=1000)
    theta = rng.normal((mu[:, None] + y) / 2, np.sqrt(1 / 2))
    return {"mu": mu, "theta": theta}

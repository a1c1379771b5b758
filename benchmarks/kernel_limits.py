"""Checks of kernels: false alarms of right ones, and what is not seen.

uv run benchmarks/kernel_limits.py null      10,000 checks of an exact kernel, in NumPy
uv run benchmarks/kernel_limits.py right     NumPyro, BlackJAX, PyMC and a function, two stories
uv run benchmarks/kernel_limits.py blind     kernels that pass and do not mix; a jump that is wrong
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from hiercal import Simulation, Story, catalogue, story
from hiercal.kernel_check import check_kernel
from hiercal.kernels import FunctionKernel
from hiercal.kernels.blackjax import BlackJAX
from hiercal.kernels.numpyro import NumPyro
from hiercal.kernels.pymc import PyMC
from hiercal.sbc.sequential import family_log_e, rank_log_e
from hiercal.sbc.transition import OnlineRanks, chain_ranks, restarts

ALPHAS = (0.05, 0.01, 0.001)
OUT = Path("results/kernels")


def null(runs: int = 10_000, looks: int = 8, each: int = 50, steps: int = 9) -> None:
    """theta ~ N(0, 1), y ~ N(theta, 1); an autoregression that leaves the posterior invariant."""
    rng = np.random.default_rng(20)
    rows = []
    for how in ("fresh", "own"):
        most = []
        for _ in range(runs // 500):
            most.append(_most(how, 500, looks, each, steps, rng))
        reached = np.concatenate(most)
        for alpha in ALPHAS:
            share = float(np.mean(reached >= np.log(1 / alpha)))
            error = float(np.sqrt(max(share, 1 / runs) * (1 - share) / runs))
            rows.append({"ranks": how, "alpha": alpha, "runs": runs, "simulations": looks * each,
                         "alarms": share, "error": error})  # fmt: skip
            print(rows[-1], flush=True)
    OUT.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(OUT / "false_alarms.csv", index=False)


def _most(
    how: str, runs: int, looks: int, each: int, steps: int, rng: np.random.Generator
) -> np.ndarray:
    """The largest evidence of each run, quantities theta - y / 2, theta and its square misfit."""

    def joint(n: int) -> tuple[np.ndarray, np.ndarray]:
        theta = rng.normal(size=(n, runs))
        return theta, rng.normal(theta)

    def moved(theta: np.ndarray, y: np.ndarray) -> np.ndarray:
        noise = np.sqrt(0.5 * (1 - 0.6**2)) * rng.normal(size=theta.shape)
        return y / 2 + 0.6 * (theta - y / 2) + noise

    def asked(theta: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.concatenate([theta - y / 2, theta, (y - theta) ** 2], axis=-1)

    max_rank = 99 if how == "fresh" else steps
    counts = np.zeros((3 * runs, max_rank + 1))
    online = OnlineRanks(asked(*joint(200)), 99) if how == "fresh" else None
    most = np.full(runs, -np.inf)
    for _ in range(looks):
        theta, y = joint(each)
        if online is not None:
            ranks = online(asked(moved(theta, y), y), asked(*joint(4 * each)), rng)
        else:
            back = restarts(each, steps, rng)[:, None]
            states, now = [asked(theta, y)], theta
            for number in range(steps):
                now = moved(np.where(back == number, theta, now), y)
                states.append(asked(now, y))
            ranks = chain_ranks(np.stack(states, axis=1), rng)
        np.add.at(counts, (np.arange(3 * runs)[None], ranks), 1)
        log_e = rank_log_e(counts, max_rank)[0].reshape(3, runs)
        most = np.maximum(most, family_log_e(log_e, axis=0))
    return most


METROPOLIS = catalogue.kernel(
    str(Path(__file__).parents[1] / "examples/kernels/metropolis.py:metropolis"),
    model="centred",
    transitions=4,
)
KERNELS = [
    ("eight_schools", NumPyro(), False),
    ("eight_schools", NumPyro(algorithm="hmc"), False),
    ("eight_schools", NumPyro(algorithm="hmc", transitions=9), True),
    ("eight_schools", BlackJAX(algorithm="hmc"), False),
    ("eight_schools", BlackJAX(algorithm="rmh", transitions=9), True),
    ("eight_schools", METROPOLIS, True),
    ("eight_schools", PyMC(method="HamiltonianMC"), False),
    ("hospitals", NumPyro(), False),
    ("hospitals", BlackJAX(algorithm="mala", step_size=0.05, transitions=9), True),
]


def right(repetitions: int = 20, simulations: int = 500) -> None:
    rows = []
    for name, kernel, reversible in KERNELS:
        found = [
            check_kernel(story(name), kernel, reversible=reversible, seed=seed,
                         max_simulations=simulations, max_gradients=10**9)
            for seed in range(repetitions)
        ]  # fmt: skip
        rows.append({
            "story": name, "kernel": kernel.label, "ranks": "own" if reversible else "fresh",
            "algorithm": getattr(kernel, "algorithm", getattr(kernel, "method", "")),
            "checks": repetitions, "simulations": simulations,
            "alarms": sum(one.rejected for one in found),
            "largest_log_e": max(one.log_e for one in found),
        })  # fmt: skip
        print(rows[-1], flush=True)
        OUT.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows).to_csv(OUT / "right_kernels.csv", index=False)


@dataclass(frozen=True, kw_only=True)
class Modes(Story):
    """x from a mixture of N(-5, 1) and N(5, 1), or from N(0, 1); nothing is observed."""

    two: bool = True

    def simulate(self, rng: np.random.Generator) -> Simulation:
        at = (-5 if rng.random() < 0.2 else 5) if self.two else 0
        return Simulation({"x": np.array(rng.normal(at))}, {})


def _log_p(x: np.ndarray, two: bool) -> np.ndarray:
    if not two:
        return -0.5 * x**2
    return np.logaddexp(np.log(0.2) - 0.5 * (x + 5) ** 2, np.log(0.8) - 0.5 * (x - 5) ** 2)


def _jump(two: bool):
    def jump(rng, theta, data):
        """A right random walk, and a jump of 10 that is accepted at the wrong temperature."""
        x = theta["x"]
        for step, power in ((rng.normal(size=x.shape), 1.0),
                            (rng.choice([-10.0, 10.0], size=x.shape), 0.5)):  # fmt: skip
            ratio = power * (_log_p(x + step, two) - _log_p(x, two))
            x = np.where(np.log(rng.random(x.shape)) < ratio, x + step, x)
        return {"x": x}

    return FunctionKernel(function=jump, vectorised=True)


def stay(rng, theta, data):
    return theta


def blind() -> None:
    cases = [
        ("a kernel that never moves", story("eight_schools"), FunctionKernel(function=stay)),
        ("centred funnel, NUTS, step .3", story("funnel"), NumPyro(model="centred")),
        ("wrong jump, one mode", Modes(two=False), _jump(False)),
        ("wrong jump, two modes", Modes(two=True), _jump(True)),
    ]
    rows = []
    for what, one, kernel in cases:
        found = check_kernel(one, kernel, max_gradients=30_000)
        rows.append({"case": what, "rejected": found.rejected, "log_e": found.log_e,
                     "simulations": found.simulations, "gradients": found.gradients})  # fmt: skip
        print(rows[-1], flush=True)
    # the funnel's chain does not mix: sd of the mean of v over chains of 1,000, prior sd 3
    one = story("funnel")
    walker = NumPyro(model="centred", transitions=1000).prepare(one)
    sims = [one.simulate(np.random.default_rng(i)) for i in range(100)]
    truths = {k: np.stack([s.truth[k] for s in sims]) for k in sims[0].truth}
    states = walker(truths, {}, np.full(100, 1000), 1).states["v"]
    means = states.mean(axis=1)
    ess = float(9 / means.var())
    rows.append({"case": "effective draws of v in 1,000 transitions there", "log_e": ess})
    print(rows[-1], flush=True)
    OUT.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(OUT / "blind.csv", index=False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["null", "right", "blind"])
    {"null": null, "right": right, "blind": blind}[parser.parse_args().what]()

"""Wrong Markov kernels: gradients until `hiercal.kernel_check` finds them, beside calibration.

uv run benchmarks/kernel_mutants.py

The story is eight_schools, and kernels move in mu, log tau and z, theta = mu + tau z. For each:

* the error of its stationary law: chains on data sets drawn from the story, against the exact
  posterior. Root mean square ratio of sds, and mean shift in posterior sds, of the parameter with
  the largest error;
* gradients (evaluations, where a kernel takes none) until the check rejects at alpha = .001, median
  over repetitions with other seeds. "fresh": truths ranked among fresh draws. "own": in their own
  chains, four transitions or more;
* gradients until calibration rejects with the same evidence and quantities, ranks 0 to 99, from
  chains of this kernel: warm-up and thinning in the table, everything counted.

Kernels called "small" err by less than 5 %, and those called "slow" err late; they show what is not
found. results/kernels has 10 repetitions of "slow", without calibration.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from hiercal import story
from hiercal.kernel_check import check_kernel
from hiercal.kernels import FunctionKernel
from hiercal.sbc.sequential import family_log_e, rank_log_e

SIGMA = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])
SCALES = np.array([9.0, 0.8, *[0.9] * 8])
"""About the posterior sds of mu, log tau and z."""
ALPHA = 1e-3
DATA_SETS, CHAINS, SETTLE, KEPT = 60, 10, 200, 500
WARM_UP, SBC_MOST = 300, 4000


@dataclass(frozen=True)
class Target:
    """The posterior of eight schools, or one spoilt."""

    mu_scale: float = 20.0
    tau_scale: float = 10.0
    weights: tuple[float, ...] = (1.0,) * 8
    jacobian: bool = True

    def __call__(self, q: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log density (n,) and its gradient (n, 10) at q (n, 10), given y (n, 8)."""
        mu, tau, z = q[:, :1], np.exp(np.minimum(q[:, 1:2], 50)), q[:, 2:]
        weight = np.array(self.weights) / SIGMA**2
        miss = y - mu - tau * z
        pull = weight * miss
        log_p = -0.5 * ((mu / self.mu_scale) ** 2 + (tau / self.tau_scale) ** 2)[:, 0] - 0.5 * (
            z**2 + pull * miss
        ).sum(axis=1)
        if self.jacobian:
            log_p = log_p + q[:, 1]
        to_mu = pull.sum(axis=1) - q[:, 0] / self.mu_scale**2
        to_log_tau = (tau * z * pull).sum(axis=1) - (tau[:, 0] / self.tau_scale) ** 2
        gradient = np.concatenate(
            [to_mu[:, None], (to_log_tau + self.jacobian)[:, None], tau * pull - z], axis=1
        )
        return log_p, gradient


RIGHT = Target()


def to_q(theta: dict[str, np.ndarray]) -> np.ndarray:
    # some mutants come to a tau of 0, and stay there
    mu, tau = theta["mu"][:, None], np.maximum(theta["tau"], 1e-300)[:, None]
    return np.concatenate([mu, np.log(tau), (theta["theta"] - mu) / tau], axis=1)


def to_theta(q: np.ndarray) -> dict[str, np.ndarray]:
    tau = np.exp(q[:, 1])
    return {"mu": q[:, 0], "tau": tau, "theta": q[:, :1] + tau[:, None] * q[:, 2:]}


Step = Callable[[np.random.Generator, np.ndarray, np.ndarray], np.ndarray]


def hmc(
    step_size: float = 0.35,
    steps: int = 4,
    target: Target = RIGHT,
    accept: bool = True,
    heat: np.ndarray | float = 1.0,
    last: float = 0.5,
    slope: Target | None = None,
) -> Step:
    """HMC; `heat` multiplies the variance of momenta, `last` is the last half step."""
    slope = slope or target

    def move(rng: np.random.Generator, q: np.ndarray, y: np.ndarray) -> np.ndarray:
        h = step_size * SCALES
        p = rng.normal(size=q.shape) * np.sqrt(heat)
        before, _ = target(q, y)
        new, momentum = q, p
        gradient = slope(q, y)[1]
        for number in range(steps):
            momentum = momentum + 0.5 * h * gradient
            new = new + h * momentum
            gradient = slope(new, y)[1]
            momentum = momentum + (last if number == steps - 1 else 0.5) * h * gradient
        if not accept:
            return new
        after, _ = target(new, y)
        ratio = after - before + 0.5 * (p**2 - momentum**2).sum(axis=1)
        return np.where((np.log(rng.random(len(q))) < ratio)[:, None], new, q)

    return move


def metropolis(
    scale: float = 0.7, target: Target = RIGHT, power: float = 1.0, hastings: bool = True
) -> Step:
    """Random walk in log tau and the rest; without `hastings`, in tau's density (no Jacobian)."""

    def move(rng: np.random.Generator, q: np.ndarray, y: np.ndarray) -> np.ndarray:
        new = q + scale * SCALES * rng.normal(size=q.shape)
        ratio = target(new, y)[0] - target(q, y)[0]
        if not hastings:
            ratio = ratio - (new[:, 1] - q[:, 1])
        return np.where((np.log(rng.random(len(q))) < power * ratio)[:, None], new, q)

    return move


def slice_(again: bool = False) -> Step:
    """Slice sampling along a random direction; `again`: a Metropolis step after it."""

    def move(rng: np.random.Generator, q: np.ndarray, y: np.ndarray) -> np.ndarray:
        way = rng.normal(size=q.shape)
        way *= SCALES / np.linalg.norm(way, axis=1, keepdims=True)
        before = RIGHT(q, y)[0]
        level = before - rng.exponential(size=len(q))
        low = -4 * rng.random(len(q))
        high, at = low + 4, np.zeros(len(q))
        out = np.ones(len(q), dtype=bool)
        while out.any():
            at = np.where(out, rng.uniform(low, high), at)
            after = RIGHT(q + at[:, None] * way, y)[0]
            out = after < level
            low, high = np.where(out & (at < 0), at, low), np.where(out & (at >= 0), at, high)
        new = q + at[:, None] * way
        if again:
            stay = np.log(rng.random(len(q))) >= after - before
            new = np.where(stay[:, None], q, new)
        return new

    return move


@dataclass(frozen=True)
class Mutant:
    """A kernel, what is wrong with it, and how far it is run."""

    name: str
    step: Step
    cost: int
    transitions: int
    thin: int
    wrong: bool = True

    def kernel(self, transitions: int) -> FunctionKernel:
        def move(rng, theta, data):
            q = to_q(theta)
            with np.errstate(all="ignore"):
                return to_theta(self.step(rng, q, data["y"])), self.cost

        return FunctionKernel(function=move, vectorised=True, transitions=transitions)


COLDER_MU = np.array([0.3, *[1.0] * 9])
COLD_MU = np.array([0.8, *[1.0] * 9])
SPOILT_PRIOR = Target(tau_scale=10**0.5)
WITHOUT_E = Target(weights=(1, 1, 1, 1, 0, 1, 1, 1))
MUTANTS = [
    Mutant("right: HMC", hmc(), 5, 1, 3, wrong=False),
    Mutant("right: HMC, gradient without the Jacobian", hmc(slope=Target(jacobian=False)), 5, 1, 3,
           wrong=False),
    Mutant("right: Metropolis", metropolis(), 1, 20, 60, wrong=False),
    Mutant("right: slice", slice_(), 4, 10, 30, wrong=False),
    Mutant("HMC without accept step, step .3", hmc(0.3, accept=False), 5, 1, 3),
    Mutant("HMC, momenta too hot (wrong mass)", hmc(heat=1.3), 5, 1, 3),
    Mutant("HMC, momentum of mu too cold", hmc(0.2, heat=COLD_MU), 5, 1, 3),
    Mutant("HMC, last half step whole", hmc(last=1.0), 5, 1, 3),
    Mutant("HMC, last half step left out", hmc(last=0.0), 5, 10, 3),
    Mutant("HMC, variance for sd in the prior of tau", hmc(target=SPOILT_PRIOR), 5, 1, 3),
    Mutant("HMC, observation E dropped", hmc(target=WITHOUT_E), 5, 1, 3),
    Mutant("Metropolis, temperature 1.25", metropolis(power=1 / 1.25), 1, 20, 60),
    Mutant("Metropolis without Hastings correction", metropolis(hastings=False), 1, 20, 60),
    Mutant("slice, then a second accept step", slice_(again=True), 4, 10, 30),
    Mutant("slow: HMC, last half step left out", hmc(last=0.0), 5, 1, 3),
    Mutant("slow: HMC, momentum of mu too cold", hmc(heat=COLDER_MU), 5, 1, 3),
    Mutant("slow: the same, 8 transitions", hmc(heat=COLDER_MU), 5, 8, 3),
    Mutant("small: HMC without accept step, step .2", hmc(0.2, 6, accept=False), 7, 1, 3),
    Mutant("small: Metropolis, temperature 1.1", metropolis(power=1 / 1.1), 1, 20, 60),
]  # fmt: skip


def stationary(mutant: Mutant, seed: int = 0) -> tuple[str, float, float]:
    """The parameter with the largest sd error, that error, and the largest mean shift."""
    one = story("eight_schools")
    rng = np.random.default_rng([seed, 11])
    sims = [one.simulate(rng) for _ in range(DATA_SETS)]
    exact = [one.exact(sim.data) for sim in sims]
    names = ["mu", "tau", *one.labels("theta")]
    mean = np.array([[e.mean(name) for name in names] for e in exact])
    sd = np.array([[e.sd(name) for name in names] for e in exact])
    y = np.repeat(np.stack([sim.data["y"] for sim in sims]), CHAINS, axis=0)
    truth = {
        k: np.repeat(np.stack([s.truth[k] for s in sims]), CHAINS, axis=0) for k in sims[0].truth
    }
    q = to_q(truth)
    total, squares = np.zeros(mean.shape), np.zeros(mean.shape)
    thin = mutant.transitions
    with np.errstate(all="ignore"):
        for number in range((SETTLE + KEPT) if thin == 1 else 40 * thin + KEPT * 4):
            q = mutant.step(rng, q, y)
            if number < (SETTLE if thin == 1 else 40 * thin):
                continue
            theta = to_theta(q)
            x = np.concatenate([theta["mu"][:, None], theta["tau"][:, None], theta["theta"]], 1)
            x = x.reshape(DATA_SETS, CHAINS, -1) - mean[:, None]
            total, squares = total + x.mean(axis=1), squares + (x**2).mean(axis=1)
    n = KEPT if thin == 1 else KEPT * 4
    shift = total / n
    variance = squares / n - shift**2
    ratio = np.sqrt(np.mean(variance / sd**2, axis=0)) - 1
    worst = int(np.abs(ratio).argmax())
    shifts = (shift / sd).mean(axis=0)
    return names[worst], float(ratio[worst]), float(shifts[np.abs(shifts).argmax()])


def calibration(mutant: Mutant, seed: int, most: int, n: int = 250) -> tuple[int, int, bool]:
    """Simulations and gradients until ranks of fits by this kernel reject; whether they did."""
    one = story("eight_schools")
    rng = np.random.default_rng([seed, 12])
    counts, done, spent = None, 0, 0
    while done < most:
        sims = [one.simulate(rng) for _ in range(n)]
        y = np.stack([sim.data["y"] for sim in sims])
        truth = {k: np.stack([sim.truth[k] for sim in sims]) for k in sims[0].truth}
        q = to_q(truth)
        kept = []
        with np.errstate(all="ignore"):
            for number in range(WARM_UP * mutant.thin // 3 + 99 * mutant.thin):
                q = mutant.step(rng, q, y)
                if number >= WARM_UP * mutant.thin // 3 and number % mutant.thin == 0:
                    kept.append(to_theta(q))
        draws = {k: np.stack([each[k] for each in kept[-99:]], axis=1) for k in kept[0]}
        at = one.quantities(truth, {"y": y}, rng)
        among = one.quantities(draws, {"y": y[:, None]}, rng)
        names = [name for name in at if name != "theta_new"]
        values = np.stack([at[name] for name in names], axis=1)
        others = np.nan_to_num(np.stack([among[name] for name in names], axis=2), nan=-np.inf)
        ranks = (others < values[:, None]).sum(axis=1)
        if counts is None:
            counts = np.zeros((len(names), 100))
        np.add.at(counts, (np.arange(len(names))[None], ranks), 1)
        done += n
        spent += n * mutant.cost * (WARM_UP * mutant.thin // 3 + 99 * mutant.thin)
        if family_log_e(rank_log_e(counts, 99)[0]) >= np.log(1 / ALPHA):
            return done, spent, True
    return done, spent, False


def measured(mutant: Mutant, repetitions: int, sbc_repetitions: int) -> dict[str, object]:
    parameter, error, shift = stationary(mutant)
    row: dict[str, object] = {
        "kernel": mutant.name, "parameter": parameter, "sd_error": error, "shift": shift,
        "transitions": mutant.transitions,
    }  # fmt: skip
    for how, reversible in (("fresh", False), ("own", True)):
        steps = max(mutant.transitions, 4) if reversible else mutant.transitions
        found = [
            check_kernel(story("eight_schools"), mutant.kernel(steps), seed=seed, alpha=ALPHA,
                         reversible=reversible)
            for seed in range(max(1, repetitions // (1 if mutant.wrong else 5)))
        ]  # fmt: skip
        row[f"found_{how}"] = float(np.mean([one.rejected for one in found]))
        spent = [one.gradients if one.rejected else np.inf for one in found]
        row[f"gradients_{how}"] = float(np.median(spent))
        if how == "fresh":
            row["simulations_fresh"] = float(np.median([one.simulations for one in found]))
            named = [one.named[0] for one in found if one.named]
            row["named"] = max(set(named), key=named.count) if named else ""
    if mutant.wrong and sbc_repetitions:
        runs = [calibration(mutant, seed, SBC_MOST) for seed in range(sbc_repetitions)]
        row["simulations_sbc"] = float(np.median([n for n, _, _ in runs]))
        row["found_sbc"] = float(np.mean([found for _, _, found in runs]))
        row["gradients_sbc"] = float(np.median([spent if f else np.inf for _, spent, f in runs]))
    return row


def _show(table: pd.DataFrame) -> None:
    """Print the table with two digits."""
    heads = ("kernel", "sd error", "transitions", "fresh: found", "gradients", "named",
             "own chains: found", "gradients", "calibration: fits", "gradients")  # fmt: skip
    print("|", " | ".join(heads), "|")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for row in table.to_dict("records"):
        spent = [
            "-" if not np.isfinite(row[key]) else f"{float(f'{row[key]:.2g}'):,.0f}"
            for key in ("gradients_fresh", "gradients_own", "simulations_sbc", "gradients_sbc")
        ]
        named = row["named"] if isinstance(row["named"], str) and row["named"] else "-"
        print(f"| {row['kernel']} | {row['sd_error']:+.0%} ({row['parameter']}) | "
              f"{row['transitions']} | {row['found_fresh']:.0%} | {spent[0]} | {named} | "
              f"{row['found_own']:.0%} | {spent[1]} | {spent[2]} | {spent[3]} |")  # fmt: skip


def _keep(path: Path, rows: pd.DataFrame) -> None:
    """Write rows in the place of those of the same kernels, in the order of `MUTANTS`."""
    names = [mutant.name for mutant in MUTANTS]
    if path.exists():
        earlier = pd.read_csv(path)
        earlier = earlier[earlier["kernel"].isin(names) & ~earlier["kernel"].isin(rows["kernel"])]
        rows = pd.concat([earlier, rows])
    order = rows["kernel"].map(names.index)
    rows.assign(order=order).sort_values("order").drop(columns="order").to_csv(path, index=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=20)
    parser.add_argument("--sbc-repetitions", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--out", type=Path, default=Path("results/kernels"))
    parser.add_argument("--table", action="store_true", help="print what is in --out, as Markdown")
    options = parser.parse_args()
    if options.table:
        _show(pd.read_csv(options.out / "kernel_mutants.csv"))
        return
    start = time.perf_counter()
    rows = []
    for mutant in MUTANTS:
        if options.only not in mutant.name:
            continue
        rows.append(measured(mutant, options.repetitions, options.sbc_repetitions))
        print(" | ".join(f"{v:.4g}" if isinstance(v, float) else str(v) for v in rows[-1].values()),
              f"| {time.perf_counter() - start:.0f} s", flush=True)  # fmt: skip
        options.out.mkdir(parents=True, exist_ok=True)
        _keep(options.out / "kernel_mutants.csv", pd.DataFrame(rows))


if __name__ == "__main__":
    main()

"""Small records with known ranks, and what several figures are asked."""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

QUANTITIES = ("mu", "tau", "theta[A]", "log_lik")
MAX_RANK = 99


def make_records(
    n_simulations: int = 60,
    arms: tuple[str, ...] = ("right", "spiked", "partly"),
    quantities: tuple[str, ...] = QUANTITIES,
    seed: int = 20240531,
    story: str = "stories",
) -> pd.DataFrame:
    """Correct ranks, with a spike at 0 in `spiked`; a fifth failed in `partly`, all in `never`."""
    rng = np.random.default_rng(seed)
    frames = []
    for arm in arms:
        failed = np.zeros(n_simulations, dtype=bool)
        failed[: {"partly": n_simulations // 5, "never": n_simulations}.get(arm, 0)] = True
        for quantity in quantities:
            z = rng.normal(size=n_simulations)
            truth = rng.normal(scale=2, size=n_simulations)
            sd = rng.uniform(0.5, 1.5, size=n_simulations)
            probability = [0.5 * math.erfc(-value / math.sqrt(2)) for value in z]
            rank = pd.array(rng.binomial(MAX_RANK, probability), dtype="Int64")
            if arm == "spiked":
                rank[: n_simulations // 3] = 0
            rank[failed] = pd.NA
            frames.append(
                pd.DataFrame(
                    {
                        "arm": arm,
                        "story": story,
                        "simulation": np.arange(n_simulations),
                        "quantity": quantity,
                        "status": np.where(failed, "failed", "ok"),
                        "truth": truth,
                        "rank": rank,
                        "max_rank": MAX_RANK,
                        "mean": np.where(failed, np.nan, truth - z * sd),
                        "sd": np.where(failed, np.nan, sd),
                    }
                )
            )
    return pd.concat(frames, ignore_index=True).astype({"arm": "category", "quantity": "category"})


@pytest.fixture(scope="session")
def build() -> Callable[..., pd.DataFrame]:
    """`make_records`, for tests that need records of their own."""
    return make_records


@pytest.fixture(scope="session")
def records() -> pd.DataFrame:
    """Three arms, four quantities, 60 simulations."""
    return make_records()


@pytest.fixture(scope="session")
def ranks_of(records: pd.DataFrame) -> Callable[[str, str], np.ndarray]:
    """Ranks of the completed fits of an arm and quantity of `records`."""

    def pick(arm: str, quantity: str) -> np.ndarray:
        rows = records[(records["arm"] == arm) & (records["quantity"] == quantity)]
        return rows["rank"].dropna().to_numpy(dtype=np.int64)

    return pick

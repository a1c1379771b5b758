"""The No-U-Turn Sampler in NumPy, one chain at a time, with an error to switch on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hiercal.mutants._chains import Target

DEEPEST = 8
STEP = 1.0
DIVERGED = 1000.0


@dataclass
class Tree:
    """A stretch of a trajectory, from its left end to its right one.

    Attributes
    ----------
    left, right : tuple of ndarray
        Position, momentum and gradient at the ends.
    chosen : ndarray
        One of its points, drawn with their weights.
    log_weight : float
        Log of the sum of the weights.
    ended : bool
        Whether it made a U-turn.
    """

    left: tuple[np.ndarray, ...]
    right: tuple[np.ndarray, ...]
    chosen: np.ndarray
    log_weight: float
    ended: bool


def transition(
    target: Target, x: np.ndarray, rng: np.random.Generator, equal_weights: bool = False
) -> np.ndarray:
    """One transition (Hoffman & Gelman 2014; multinomial choice after Betancourt 2017).

    Parameters
    ----------
    x : ndarray, shape (n,)
    equal_weights : bool
        The error: all points of a trajectory weigh the same, whatever their energy.
    """
    p = rng.standard_normal(x.shape)
    energy = target.log_density(x) - p @ p / 2

    def weigh(x: np.ndarray, p: np.ndarray) -> float:
        change = float(target.log_density(x) - p @ p / 2 - energy)
        return 0.0 if equal_weights and change > -DIVERGED else change

    start = (x, p, target.gradient(x))
    tree = Tree(start, start, x, 0.0, False)
    for depth in range(DEEPEST):
        forward = rng.uniform() < 0.5
        end = tree.right if forward else tree.left
        step = STEP if forward else -STEP
        new = _build(weigh, target.gradient, end, step, depth, rng)
        if new.ended:
            break
        if np.log(rng.uniform()) < new.log_weight - tree.log_weight:
            tree.chosen = new.chosen
        tree.log_weight = float(np.logaddexp(tree.log_weight, new.log_weight))
        tree.left, tree.right = (tree.left, new.right) if forward else (new.left, tree.right)
        if _turned(tree.left, tree.right):
            break
    return tree.chosen


def _build(
    weigh: Callable[[np.ndarray, np.ndarray], float],
    gradient: Callable[[np.ndarray], np.ndarray],
    end: tuple[np.ndarray, ...],
    step: float,
    depth: int,
    rng: np.random.Generator,
) -> Tree:
    """The 2^depth points beyond an end of a trajectory, of leapfrog steps of this size and sign."""
    if depth == 0:
        x, p, slope = end
        p = p + step / 2 * slope
        x = x + step * p
        slope = gradient(x)
        p = p + step / 2 * slope
        weight = weigh(x, p)
        here = (x, p, slope)
        return Tree(here, here, x, weight, weight < -DIVERGED)
    first = _build(weigh, gradient, end, step, depth - 1, rng)
    if first.ended:
        return first
    end = first.right if step > 0 else first.left
    second = _build(weigh, gradient, end, step, depth - 1, rng)
    log_weight = float(np.logaddexp(first.log_weight, second.log_weight))
    of_second = np.log(rng.uniform()) < second.log_weight - log_weight
    left, right = (first.left, second.right) if step > 0 else (second.left, first.right)
    return Tree(
        left,
        right,
        second.chosen if of_second else first.chosen,
        log_weight,
        second.ended or _turned(left, right),
    )


def _turned(left: tuple[np.ndarray, ...], right: tuple[np.ndarray, ...]) -> bool:
    span = right[0] - left[0]
    return bool(span @ left[1] < 0 or span @ right[1] < 0)

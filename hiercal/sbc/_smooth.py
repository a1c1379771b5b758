"""Polynomials of Neyman's smooth test and their moments under uniform ranks."""

from functools import lru_cache

import numpy as np
from numpy.polynomial.legendre import legvander
from numpy.typing import NDArray


@lru_cache(maxsize=64)
def discrete_legendre(max_rank: int, order: int) -> NDArray[np.float64]:
    """Polynomials of degree 1..order, orthonormal under the uniform distribution on 0..L.

    Discrete Legendre, or Gram, polynomials: ``mean_r h_i(r) h_j(r) = 1[i = j]`` and
    ``mean_r h_j(r) = 0``, increasing at r = L.

    Parameters
    ----------
    max_rank
        L.
    order
        Highest degree, in 1..L.

    Returns
    -------
    array of shape (order, max_rank + 1)
        Read-only: the array is cached.

    Raises
    ------
    ValueError
        When the order is not in 1..max_rank: there are no more polynomials than points.

    References
    ----------
    Szegő (1939), Orthogonal Polynomials, section 2.8.

    Examples
    --------
    >>> discrete_legendre(3, 1).round(4)
    array([[-1.3416, -0.4472,  0.4472,  1.3416]])
    """
    if not 1 <= order <= max_rank:
        raise ValueError(
            f"got order={order} for max_rank={max_rank}, expected 1 <= order <= max_rank. Rank "
            "among more draws, or lower the order."
        )
    points = np.linspace(-1, 1, max_rank + 1)
    basis, triangle = np.linalg.qr(legvander(points, order))
    polynomials = (basis * np.sign(np.diag(triangle)))[:, 1:].T * np.sqrt(max_rank + 1)
    polynomials = np.ascontiguousarray(polynomials)
    polynomials.flags.writeable = False
    return polynomials


@lru_cache(maxsize=64)
def smooth_moments(max_rank: int, order: int) -> tuple[float, float]:
    """Weights of the two Edgeworth terms of `smooth_test`, ``k4 / 8`` and ``(9 a + 6 b) / 72``.

    Parameters
    ----------
    max_rank
        L.
    order
        Number of polynomials.

    Returns
    -------
    fourth, third
        Both before division by n.

    Examples
    --------
    >>> [round(weight, 3) for weight in smooth_moments(99, 4)]
    [0.661, 2.801]
    """
    h = discrete_legendre(max_rank, order)
    norm = (h**2).sum(axis=0)
    fourth = float(np.mean(norm**2)) - order * (order + 2)
    cubes = np.einsum("ir,jr,kr->ijk", h, h, h) / (max_rank + 1)
    a = float(np.sum(np.einsum("iij->j", cubes) ** 2))
    b = float(np.sum(cubes**2))
    return fourth / 8, (9 * a + 6 * b) / 72

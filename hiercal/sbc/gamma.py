"""How extreme the ranks of the first simulations are, as simulations accumulate."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr

from hiercal.sbc.bands import check_ranks, ecdf_counts, pointwise_level

_CELLS = 20
_POINTS = 30
_FEWEST = 10


def gamma_path(
    ranks: ArrayLike, max_rank: int, *, level: float = 0.95
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """log10 of the gamma statistic over its critical value, for growing numbers of simulations.

    ``gamma = 2 min_k min{BinCDF(R_k; n, k/K), 1 - BinCDF(R_k - 1; n, k/K)}`` of the first n ranks,
    on about 20 points k / K. Below 0 the ranks would leave the simultaneous band of `level`, if n
    had been fixed beforehand. Looked at again and again, a correct sampler's path goes below 0 with
    a larger probability than 1 - level: evidence that may be looked at is in
    `hiercal.sbc.sequential`.

    Parameters
    ----------
    ranks
        Ranks in 0..max_rank in the order of the simulations, shape (n_simulations,).
    max_rank
        L, the number of draws each truth was ranked among.
    level
        Simultaneous level of the band.

    Returns
    -------
    n, log10_ratio
        Numbers of simulations, from 10 on in even ratios, and the statistic at each; both empty
        with fewer than 10 ranks.

    Raises
    ------
    ValueError
        When the ranks are not whole numbers in 0..max_rank.

    References
    ----------
    Säilynoja, Bürkner, Vehtari (2022), Statistics and Computing 32:32, section 3.2; Modrák et al.
    (2025), Bayesian Analysis 20:461, who plot it over simulations.

    Examples
    --------
    >>> n, ratio = gamma_path(np.arange(200) * 37 % 100, 99)
    >>> int(n[-1]), bool((ratio > 0).all())
    (200, True)
    >>> gamma_path([0] * 50, 99)[1][-1].round(1)
    np.float64(-62.8)
    """
    checked = check_ranks(ranks, max_rank)
    n_ranks = max_rank + 1
    cells = min(
        (d for d in range(2, n_ranks + 1) if n_ranks % d == 0), key=lambda d: abs(d - _CELLS)
    )
    total = len(checked)
    if total < _FEWEST:
        return np.empty(0, np.int64), np.empty(0)
    sizes = np.unique(np.geomspace(_FEWEST, total, _POINTS).round().astype(np.int64))
    z = np.arange(1, cells) / cells
    ratios = []
    for n in sizes.tolist():
        counts = ecdf_counts(checked[:n], max_rank, cells)[:-1]
        # 1 - BinCDF(x - 1; z) = BinCDF(n - x; 1 - z)
        gamma = 2 * np.minimum(bdtr(counts, n, z), bdtr(n - counts, n, 1 - z)).min()
        ratios.append(np.log10(max(gamma, 1e-300)) - np.log10(pointwise_level(n, cells, level)))
    return sizes, np.array(ratios)

"""Effective sample sizes and R-hat of many quantities at once.

arviz-stats has the same estimators, one scalar at a time; a run that keeps them for every fit
would spend more on them than on sampling. These are vectorised over quantities, share one sort,
take the covariances of the first lags as plain products, which is all that a chain that mixes
needs, and agree with arviz-stats to rounding.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft
from scipy.special import ndtri

_TAIL_PROBABILITIES = (0.05, 0.95)
_FEW_PAIRS = (7, 31)
"""Pairs of lags in which most series end, one after another; only the others are transformed."""


def diagnostics(draws: ArrayLike) -> dict[str, NDArray[np.float64]]:
    """All four diagnostics of this module, with the ranks computed once.

    Parameters
    ----------
    draws
        Shape (n_chains, n_draws, n_quantities), at least 4 draws.

    Returns
    -------
    dict of arrays of shape (n_quantities,)
        ``ess_bulk``: of the rank-normalised draws; ``ess_tail``: the smaller one of the 5 % and
        95 % quantiles; ``ess_mean``: of the draws themselves, for the error of their mean;
        ``r_hat``: rank-normalised split R-hat, the larger of the plain and the folded one. Chains
        are split in halves. A quantity with a NaN among its draws has NaN throughout.

    Raises
    ------
    ValueError
        When `draws` has another number of dimensions or fewer than 4 draws.

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter, Bürkner (2021), Bayesian Analysis 16:667, sections 3 and 4.

    Examples
    --------
    >>> draws = np.random.default_rng(1).normal(size=(4, 250, 3))
    >>> sorted(diagnostics(draws))
    ['ess_bulk', 'ess_mean', 'ess_tail', 'r_hat']
    """
    series = _by_quantity(draws)
    split = _split(series)
    scores, ordered = _normal_scores(split)
    stacked = np.concatenate((scores[None], split[None], _tail_indicators(series, ordered)))
    ess = _ess(stacked)
    values = {
        "ess_bulk": ess[0],
        "ess_tail": np.minimum(ess[2], ess[3]),
        "ess_mean": ess[1],
        "r_hat": _rank_r_hat(split, scores, ordered),
    }
    undefined = np.isnan(series).any(axis=(1, 2))
    return {name: np.where(undefined, np.nan, value) for name, value in values.items()}


def ess_of_mean(draws: ArrayLike) -> NDArray[np.float64]:
    """Effective sample size for the error of the mean, as in `diagnostics`.

    Parameters
    ----------
    draws
        Shape (n_chains, n_draws, n_quantities), at least 4 draws.

    Returns
    -------
    array of shape (n_quantities,)

    Examples
    --------
    >>> draws = np.random.default_rng(1).normal(size=(4, 250, 3))
    >>> bool((ess_of_mean(draws) == diagnostics(draws)["ess_mean"]).all())
    True
    """
    return _ess(_split(_by_quantity(draws)))


def _by_quantity(draws: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(draws, dtype=float)
    if array.ndim != 3 or array.shape[0] < 1 or array.shape[1] < 4:
        raise ValueError(
            f"got draws of shape {array.shape}: expected (n_chains, n_draws, n_quantities) with at "
            "least one chain and 4 draws. Flatten the quantities, keep the chains apart."
        )
    return np.ascontiguousarray(array.transpose(2, 0, 1))


def _split(series: NDArray) -> NDArray:
    """(Q, C, N) to (Q, 2C, N // 2): halves as chains, the middle draw of an odd N dropped."""
    quantities, chains, n_draws = series.shape
    half = n_draws // 2
    if n_draws == 2 * half:
        return series.reshape(quantities, 2 * chains, half)
    return np.concatenate((series[:, :, :half], series[:, :, -half:]), axis=1)


@lru_cache(maxsize=32)
def _blom_scores(size: int) -> NDArray[np.float64]:
    """Normal scores of the average ranks 1, 1.5, 2, ..., size; ties make the half ranks."""
    average_ranks = np.arange(2, 2 * size + 1) / 2
    scores = ndtri((average_ranks - 3 / 8) / (size + 1 / 4))
    scores.flags.writeable = False
    return scores


def _normal_scores(split: NDArray) -> tuple[NDArray, NDArray]:
    """Normal scores of the average ranks over all chains, and the draws in order, shape (Q, S)."""
    quantities = split.shape[0]
    flat = split.reshape(quantities, -1)
    size = flat.shape[1]
    places = np.argsort(flat, axis=1)
    places += size * np.arange(quantities)[:, None]
    ordered = flat.take(places)
    table = _blom_scores(size)
    scores = np.empty(flat.size)
    scores[places] = table[::2]
    tied = np.zeros(flat.shape, dtype=bool)
    np.equal(ordered[:, 1:], ordered[:, :-1], out=tied[:, 1:])
    if tied.any():
        repeated = np.flatnonzero(tied)
        breaks = np.flatnonzero(np.diff(repeated) > 1)
        first = repeated[np.append(0, breaks + 1)] - 1
        last = repeated[np.append(breaks, -1)]
        lengths = last - first + 1
        members = np.arange(lengths.sum()) + np.repeat(
            first - np.cumsum(lengths) + lengths, lengths
        )
        # Positions first..last share the average rank: entry (first + last) of the table of halves.
        shared = table[first % size + last % size]
        scores[places.ravel()[members]] = np.repeat(shared, lengths)
    return scores.reshape(split.shape), ordered


def _tail_indicators(series: NDArray, ordered: NDArray) -> NDArray:
    """Indicators of draws up to the 5 % and up to the 95 % quantile, shape (2, Q, 2C, N // 2)."""
    quantities = series.shape[0]
    total = series[0].size
    if ordered.shape[1] != total:
        ordered = np.sort(series.reshape(quantities, -1), axis=1)
    split = _split(series)
    below = np.empty((2, *split.shape))
    for i, probability in enumerate(_TAIL_PROBABILITIES):
        place = probability * (total - 1)
        index = int(place)
        weight = place - index
        left, right = ordered[:, index], ordered[:, min(index + 1, total - 1)]
        with np.errstate(invalid="ignore"):
            step = right - left
            # numpy.quantile interpolates from the nearer end; a tie at a draw must fall alike.
            quantile = left + step * weight if weight < 0.5 else right - step * (1 - weight)
        below[i] = split <= quantile[:, None, None]
    return below


def _ess(split: NDArray) -> NDArray[np.float64]:
    """Effective sample size of series of shape (..., n_chains, n_draws), Geyer's sequences cut."""
    series = split.reshape(-1, *split.shape[-2:])
    n_chains, n_draws = series.shape[1:]
    size = n_chains * n_draws
    last_pair = max(0, (n_draws - 1) // 2 - 1)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        means = series.mean(axis=-1)
        centred = series - means[..., None]
        between = means.var(axis=-1, ddof=1)
        constant = np.ptp(series, axis=(-2, -1)) < np.finfo(float).resolution
        time = np.full(len(series), np.nan)
        left = np.flatnonzero(~constant)
        for pairs in (*(few for few in _FEW_PAIRS if few < last_pair), last_pair):
            found = _covariance if pairs in _FEW_PAIRS else _covariance_of_all
            covariance = found(centred[left], 2 * pairs + 2)
            time[left], ended = _autocorrelation_time(covariance, between[left], n_draws)
            left = left[~ended]
            if not left.size:
                break
        ess = size / np.maximum(time, 1 / np.log10(size))
    return np.where(constant, size, ess).reshape(split.shape[:-2])


def _covariance(centred: NDArray, lags: int) -> NDArray[np.float64]:
    """Autocovariance of the first lags, averaged over chains, of series of mean 0."""
    n_draws = centred.shape[-1]
    padded = np.zeros((*centred.shape[:-1], n_draws + lags - 1))
    padded[..., :n_draws] = centred
    shifted = np.lib.stride_tricks.sliding_window_view(padded, n_draws, axis=-1)
    return np.vecdot(centred[..., None, :], shifted).mean(axis=-2) / n_draws


def _covariance_of_all(centred: NDArray, lags: int) -> NDArray[np.float64]:
    """The same of so many lags that Fourier transforms are faster."""
    n_chains, n_draws = centred.shape[1:]
    length = fft.next_fast_len(2 * n_draws)
    # Two chains make one complex series, whose power, symmetrised, is the sum of theirs; only the
    # average over chains is used, and it may be taken before the transform back.
    padded = np.zeros((len(centred), n_chains // 2, length), dtype=complex)
    padded.real[..., :n_draws] = centred[:, ::2]
    padded.imag[..., :n_draws] = centred[:, 1::2]
    spectrum = np.fft.fft(padded, axis=-1)
    power = (np.square(spectrum.real) + np.square(spectrum.imag)).sum(axis=1)
    half = length // 2 + 1
    mirrored = np.concatenate((power[:, :1], power[:, :-half:-1]), axis=-1)
    power = (power[:, :half] + mirrored) / (2 * n_chains * n_draws)
    return np.fft.irfft(power, n=length, axis=-1)[:, :lags]


def _autocorrelation_time(
    covariance: NDArray, between: NDArray, n_draws: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Integrated autocorrelation times, and whether Geyer's sequence ends within these lags.

    Parameters
    ----------
    covariance
        Shape (n_series, n_lags), averaged over chains; the number of lags is even.
    between
        Variance of the chains' means.
    """
    within = covariance[:, 0] * n_draws / (n_draws - 1)
    total = within * (n_draws - 1) / n_draws + between
    correlation = covariance - within[:, None]
    correlation /= total[:, None]
    correlation += 1
    correlation[:, 0] = 1
    even = correlation[:, ::2]
    pairs = even + correlation[:, 1::2]
    stops = pairs <= 0
    stopped = stops.any(axis=-1)
    stop = np.where(stopped, stops.argmax(axis=-1), pairs.shape[1] - 1)
    monotone = np.minimum.accumulate(pairs, axis=-1)
    monotone[np.arange(pairs.shape[1]) >= stop[:, None]] = 0
    rows = np.arange(len(pairs))
    even_at, pair_at = even[rows, stop], pairs[rows, stop]
    remainder = np.where((even_at > 0) | (pair_at >= 0), even_at, 0)
    return -1 + 2 * monotone.sum(axis=-1) + remainder, stopped


def _rank_r_hat(split: NDArray, scores: NDArray, ordered: NDArray) -> NDArray[np.float64]:
    size = ordered.shape[1]
    with np.errstate(invalid="ignore"):
        median = (ordered[:, (size - 1) // 2] + ordered[:, size // 2]) / 2
        folded, _ = _normal_scores(np.abs(split - median[:, None, None]))
    bulk, tail = _r_hat(np.stack((scores, folded)))
    return np.where(tail > bulk, tail, bulk)


def _r_hat(chains: NDArray) -> NDArray[np.float64]:
    n_draws = chains.shape[-1]
    means = chains.mean(axis=-1)
    centred = chains - means[..., None]
    within = np.vecdot(centred, centred).mean(axis=-1) / (n_draws - 1)
    between = n_draws * means.var(axis=-1, ddof=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sqrt((between / within + n_draws - 1) / n_draws)

"""How well truths are recovered, and how much the data taught."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def z_score(truth: ArrayLike, mean: ArrayLike, sd: ArrayLike) -> NDArray[np.float64]:
    """Posterior z-score, ``(mean - truth) / sd``.

    Positive when the posterior lies above the truth. Averages 0 with mean square 1 over the prior
    when the posterior is right and normal.

    Parameters
    ----------
    truth, mean, sd
        True value, posterior mean and posterior standard deviation, broadcast together.

    Returns
    -------
    array of the broadcast shape

    Raises
    ------
    ValueError
        When a standard deviation is not positive (NaN passes through).

    References
    ----------
    Betancourt (2020), Towards a principled Bayesian workflow, section 1.4; Schad, Betancourt,
    Vasishth (2021), Psychological Methods 26:103.

    Examples
    --------
    >>> z_score([0.0, 1.0], [1.0, 1.0], 0.5)
    array([2., 0.])
    """
    scale = _positive(sd, "sd")
    return (np.asarray(mean, dtype=float) - np.asarray(truth, dtype=float)) / scale


def contraction(sd: ArrayLike, prior_sd: ArrayLike) -> NDArray[np.float64]:
    """Posterior contraction, ``1 - sd^2 / prior_sd^2``.

    1 when the data say everything, 0 when they say nothing, negative when the posterior is wider
    than the prior.

    Parameters
    ----------
    sd
        Posterior standard deviation.
    prior_sd
        Prior standard deviation, broadcast against `sd`.

    Returns
    -------
    array of the broadcast shape

    Raises
    ------
    ValueError
        When a standard deviation is not positive (NaN passes through).

    References
    ----------
    Betancourt (2020), section 1.4; Schad, Betancourt, Vasishth (2021), Psychological Methods
    26:103.

    Examples
    --------
    >>> contraction([1.0, 2.0], 2.0)
    array([0.75, 0.  ])
    """
    return 1 - _positive(sd, "sd") ** 2 / _positive(prior_sd, "prior_sd") ** 2


def _positive(sd: ArrayLike, name: str) -> NDArray[np.float64]:
    scale = np.asarray(sd, dtype=float)
    if (scale <= 0).any():
        raise ValueError(
            f"got {name}={scale.min()}, expected positive standard deviations. A posterior of "
            "width zero is a stuck chain; record the fit as failed."
        )
    return scale

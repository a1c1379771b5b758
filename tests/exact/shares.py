"""How draws of Dirichlet shares are compared with their beta marginals."""

from scipy import stats

from hiercal.exact.dirichlet import FLOOR


def beta_p_values(draws, a, b):
    """Of the shares at the floor and below one half, and of the distribution between the two.

    Above, proportions pile up at 1 as those of the other categories fall below rounding.
    """
    cdf = stats.beta(a, b).cdf
    low, high = cdf(FLOOR), cdf(0.5)
    inner = draws[(draws > FLOOR) & (draws < 0.5)]
    return (
        stats.binomtest(int((draws <= FLOOR).sum()), len(draws), low).pvalue,
        stats.binomtest(int((draws < 0.5).sum()), len(draws), high).pvalue,
        stats.kstest(inner, lambda x: (cdf(x) - low) / (high - low)).pvalue,
    )

"""A kernel of BlackJAX, with settings of one's own."""

import blackjax

from hiercal.kernels.blackjax import BlackJAX


def mala(log_density, variances):
    return blackjax.mala(log_density, step_size=0.05)


kernel = BlackJAX(algorithm=mala, transitions=10)

"""How far predicted rates are from counts, if counts are Poisson."""

import numpy as np
from jaxtyping import Float, Real
from scipy.special import xlogy

#: Predictions are never taken as less than this share of the unit's mean: one spike where none
#: was thought possible would otherwise cost infinitely much.
FLOOR = 1e-3


def poisson_deviance(
    counts: Real[np.ndarray, "bin unit"],
    predicted: Float[np.ndarray, "bin unit"],
    mean: Float[np.ndarray, "unit"],
) -> Float[np.ndarray, "unit"]:
    """Return the Poisson deviance of each unit, in nats (twice the log-likelihood lost).

    ``predicted`` are expected counts; where they are below ``FLOOR * mean`` of the unit they
    are raised to it. Infinite where a unit with ``mean`` 0 fires.
    """
    rate = np.maximum(predicted.astype(np.float64), FLOOR * mean)
    counts = counts.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        surprise = xlogy(counts, counts) - xlogy(counts, rate)
    return 2 * (surprise - counts + rate).sum(axis=0)


def mean_deviance(
    counts: Real[np.ndarray, "bin unit"], mean: Float[np.ndarray, "unit"]
) -> Float[np.ndarray, "unit"]:
    """Return the deviance of each unit when its ``mean`` is predicted in every bin."""
    return poisson_deviance(counts, np.broadcast_to(mean, counts.shape), mean)

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
    rate = _floored(predicted, mean)
    counts = counts.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        surprise = xlogy(counts, counts) - xlogy(counts, rate)
    return 2 * (surprise - counts + rate).sum(axis=0)


def mean_deviance(
    counts: Real[np.ndarray, "bin unit"], mean: Float[np.ndarray, "unit"]
) -> Float[np.ndarray, "unit"]:
    """Return the deviance of each unit when its ``mean`` is predicted in every bin."""
    return poisson_deviance(counts, np.broadcast_to(mean, counts.shape), mean)


def pattern_gain(
    counts: Real[np.ndarray, "bin unit"],
    predicted: Float[np.ndarray, "bin unit"],
    mean: Float[np.ndarray, "unit"],
) -> float:
    """Return the nats gained over ``mean`` on which units fired, told how many spikes there were.

    Given their sum, independent Poisson counts are multinomial: what all units share (arousal,
    drift of the whole population) is in the sum, and earns nothing here. Units of ``mean`` 0
    are left out.
    """
    known = mean > 0
    counts, mean = counts[:, known].astype(np.float64), mean[known]
    rate = _floored(predicted[:, known], mean)
    share = rate / rate.sum(axis=1, keepdims=True)
    return float((counts * np.log(share / (mean / mean.sum()))).sum())


def _floored(predicted, mean):
    return np.maximum(predicted.astype(np.float64), FLOOR * mean)

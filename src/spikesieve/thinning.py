"""Two counts from one: independent train and test data of the very same bins."""

import numpy as np
from jaxtyping import Integer

from spikesieve.errors import InputError


def thin(
    counts: Integer[np.ndarray, "bin unit"], share: float, seed: int
) -> tuple[Integer[np.ndarray, "bin unit"], Integer[np.ndarray, "bin unit"]]:
    """Split counts by a coin for each spike: ``kept + rest == counts`` exactly.

    If a count is Poisson of mean ``m``, ``kept`` is Poisson of mean ``share * m``, ``rest`` of
    ``(1 - share) * m``, and the two are independent given ``m``: what a model finds in ``kept``
    and then predicts in ``rest`` is the rate, not noise that it copied. (Count splitting: Neufeld,
    Gao, Popp, Battle and Witten 2024, Biostatistics 25:270.)

    It does not hold where counts are not Poisson given the rate: refractory units (less variable)
    leave the halves negatively correlated, bursting units positively, so that a copied burst
    scores as if it were predicted. Correlation over time is not removed either: hold out blocks
    of bins as well.

    Parameters
    ----------
    counts : whole numbers from 0. ``share`` : chance of a spike to be kept, within (0, 1).

    Returns
    -------
    ``kept`` and ``rest``, of the type of ``counts``.

    Raises
    ------
    InputError
        A count is negative, or ``share`` out of range.
    """
    if not 0 < share < 1:
        raise InputError(f"share {share!r}", allowed="above 0 and below 1")
    if counts.size and counts.min() < 0:
        raise InputError(f"a count of {counts.min()}", allowed="whole numbers from 0")
    kept = np.zeros_like(counts)
    there = counts > 0  # most bins of most units are empty, and a draw is dear
    kept[there] = np.random.default_rng(seed).binomial(counts[there], share)
    return kept, counts - kept

"""How many units a latent stands for: one that is little more than one unit is no feature."""

import numpy as np
from jaxtyping import Float

#: A latent of fewer effective units nearly copies one: nobody else vouches for it, and in counts of
#: independent units, too, every training finds the busiest of them again. At this value all others
#: together (the root of their sum of squares) weigh about a third of the strongest.
LEAST_UNITS = 1.25


def effective_units(loadings: Float[np.ndarray, "latent unit"]) -> Float[np.ndarray, "latent"]:
    """Return the effective number of units of each latent: 1 for one, n for n of equal weight.

    The participation ratio of squared weights, ``(sum w^2)^2 / sum w^4``: many small weights beside
    a large one don't count. 0 for a latent without any weight.
    """
    square = np.square(loadings.astype(np.float64))
    fourth = np.square(square).sum(axis=1)
    shared = np.square(square.sum(axis=1))
    return np.divide(shared, fourth, out=np.zeros_like(fourth), where=fourth > 0)

"""How many units a latent stands for: one that stands for a single unit is a copy, no feature."""

import numpy as np
from jaxtyping import Float

#: Below this many units nobody else vouches for a latent: in counts of independent units, too,
#: every training finds the busiest of them again.
LEAST_UNITS = 2.0


def effective_units(loadings: Float[np.ndarray, "latent unit"]) -> Float[np.ndarray, "latent"]:
    """Return how many units share each latent: 1 for a single one, n for n of equal weight.

    The participation ratio of the absolute weights, ``(sum |w|)^2 / sum w^2``; 0 for a latent
    without any weight.
    """
    weight = np.abs(loadings).astype(np.float64)
    square = np.square(weight).sum(axis=1)
    shared = np.square(weight.sum(axis=1))
    return np.divide(shared, square, out=np.zeros_like(square), where=square > 0)

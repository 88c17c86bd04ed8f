"""A linear read-out of latents, for methods that cannot turn latents into counts themselves."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from sklearn.linear_model import Ridge

#: Weight of the squared read-out weights: enough to keep them finite, too little to matter.
RIDGE = 1.0


class Readout(NamedTuple):
    """What turns latents into normalised counts: ``latents @ weights + offset``."""

    weights: Float[np.ndarray, "latent unit"]
    offset: Float[np.ndarray, "unit"]

    def predict(self, latents: Float[np.ndarray, "bin latent"]) -> Float[np.ndarray, "bin unit"]:
        """Return normalised counts as float32."""
        return latents @ self.weights + self.offset


def fit_readout(
    latents: Float[np.ndarray, "bin latent"], x: Float[np.ndarray, "bin unit"]
) -> Readout:
    """Fit a read-out of training bins by ridge regression."""
    model = Ridge(alpha=RIDGE).fit(latents, x)
    weights = model.coef_.reshape(x.shape[1], latents.shape[1]).T
    offset = np.broadcast_to(model.intercept_, x.shape[1])
    return Readout(weights.astype(np.float32), offset.astype(np.float32))


def hidden_readout(
    embed: Callable[[np.ndarray, Bool[np.ndarray, "unit"]], np.ndarray],
    counts: np.ndarray,
    x: Float[np.ndarray, "bin unit"],
) -> Callable[[Bool[np.ndarray, "unit"]], Readout]:
    """Return a function that gives the read-out of hidden units, learnt as they are judged.

    Latents of training bins are computed with the same units hidden, and read out to those units:
    a read-out learnt with all units seen would not fit latents of some.

    Parameters
    ----------
    embed : ``(counts, hidden)`` of training bins ``->`` latents. ``x`` : normalised counts.
    """
    known: dict[bytes, Readout] = {}

    def of(hidden: Bool[np.ndarray, "unit"]) -> Readout:
        key = np.packbits(hidden).tobytes()
        if key not in known:
            known[key] = fit_readout(embed(counts, hidden), x[:, hidden])
        return known[key]

    return of

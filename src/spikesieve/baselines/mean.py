"""The chance row: predict every unit's training mean, whatever happens."""

import numpy as np
import scipy.sparse
from jaxtyping import Float

from spikesieve.fitting import Fitted


def fit_mean(x: Float[np.ndarray, "bin unit"], *, seed: int = 0) -> Fitted:
    """Return a method without latents whose reconstruction is the mean of ``x``."""
    mean = x.mean(axis=0, dtype=np.float64).astype(np.float32)

    def transform(x):
        return scipy.sparse.csr_array((len(x), 0), dtype=np.float32)

    def inverse_transform(latents):
        return np.tile(mean, (latents.shape[0], 1))

    return Fitted("mean", "mean", transform, inverse_transform)

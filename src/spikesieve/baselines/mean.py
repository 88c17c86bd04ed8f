"""The chance row: predict every unit's training mean, whatever happens."""

from collections.abc import Callable

import numpy as np
import scipy.sparse
from jaxtyping import Int, Real

from spikesieve.fitting import Fitted


def fit_mean(
    counts: Real[np.ndarray, "bin unit"], bins: Int[np.ndarray, "bin"], *, seed: int = 0
) -> Fitted:
    """Return a method without latents whose reconstruction is the mean count of training bins."""
    nothing_hidden = np.zeros(counts.shape[1], bool)
    predict_hidden = mean_prediction(counts)

    def transform(counts, bins):
        return scipy.sparse.csr_array((len(counts), 0), dtype=np.float32)

    def reconstruct(latents):
        return predict_hidden(latents, None, ~nothing_hidden)

    return Fitted("mean", "mean", transform, reconstruct, predict_hidden)


def mean_prediction(counts: Real[np.ndarray, "bin unit"]) -> Callable[..., np.ndarray]:
    """Return a ``predict_hidden`` that knows the mean counts of the training bins only."""
    mean = counts.mean(axis=0, dtype=np.float64).astype(np.float32)

    def predict_hidden(counts, bins, hidden):
        return np.tile(mean[hidden], (counts.shape[0], 1))

    return predict_hidden

"""Each unit its own latent: what a dictionary has to beat."""

import numpy as np
import scipy.sparse
from jaxtyping import Int, Real

from spikesieve.baselines.mean import mean_prediction
from spikesieve.baselines.preparing import prepare
from spikesieve.fitting import Fitted


def fit_raw(
    counts: Real[np.ndarray, "bin unit"],
    bins: Int[np.ndarray, "bin"],
    *,
    seed: int = 0,
    smoothing_bins: int = 0,
    smoothing: float = 0.0,
) -> Fitted:
    """Return the method whose latents are the counts, smoothed where that is asked for.

    It copies its input: the reconstruction is perfect without smoothing, and a hidden unit is
    predicted by its training mean. ``smoothing_bins`` and errors as ``fit_pca``.
    """
    preparation = prepare(counts, bins, "none", smoothing_bins, smoothing)

    def transform(counts, bins):
        return scipy.sparse.csr_array(preparation.apply(counts, bins))

    def reconstruct(latents):
        return latents.toarray()

    return Fitted("raw", "raw", transform, reconstruct, mean_prediction(counts))

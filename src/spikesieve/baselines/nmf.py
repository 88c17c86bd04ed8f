"""Non-negative matrix factorisation with the Kullback-Leibler divergence, by scikit-learn."""

import numpy as np
import scipy.sparse
from jaxtyping import Int, Real
from sklearn.decomposition import NMF, non_negative_factorization

from spikesieve.baselines.preparing import number_of_components, prepare
from spikesieve.fitting import Fitted

_KULLBACK_LEIBLER = {"solver": "mu", "beta_loss": "kullback-leibler"}


def fit_nmf(
    counts: Real[np.ndarray, "bin unit"],
    bins: Int[np.ndarray, "bin"],
    *,
    seed: int = 0,
    n_components: int = 32,
    smoothing_bins: int = 0,
    max_iterations: int = 300,
) -> Fitted:
    """Fit NMF on training counts as they are; latents are never negative.

    The divergence is the Poisson likelihood of the counts (Lee and Seung 1999), so they need
    no normalisation. Hidden units are predicted from weights that are fitted to the others.
    ``smoothing_bins`` and errors as ``fit_pca``.
    """
    n_components = number_of_components(n_components, counts.shape)
    preparation = prepare(counts, bins, "none", smoothing_bins)
    model = NMF(
        n_components,
        init="nndsvda",
        random_state=seed,
        max_iter=max_iterations,
        **_KULLBACK_LEIBLER,
    )
    model.fit(preparation.apply(counts, bins))
    parts = model.components_.astype(np.float32)

    def weights(x, parts):
        fitted, _, _ = non_negative_factorization(
            x, H=parts, update_H=False, max_iter=max_iterations, **_KULLBACK_LEIBLER
        )
        return fitted

    def transform(counts, bins):
        return scipy.sparse.csr_array(weights(preparation.apply(counts, bins), parts))

    def reconstruct(latents):
        return latents @ parts

    def predict_hidden(counts, bins, hidden):
        seen = np.ascontiguousarray(parts[:, ~hidden])
        x = preparation.apply(counts, bins)[:, ~hidden]
        return weights(x, seen) @ parts[:, hidden]

    return Fitted("nmf", f"nmf{n_components}", transform, reconstruct, predict_hidden)

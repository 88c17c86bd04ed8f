"""Independent component analysis (FastICA), by scikit-learn."""

import numpy as np
from jaxtyping import Int, Real
from sklearn.decomposition import PCA, FastICA

from spikesieve.baselines.linear import fitted_linear
from spikesieve.baselines.pca import probabilistic
from spikesieve.baselines.preparing import number_of_components, prepare
from spikesieve.fitting import Fitted


def fit_ica(
    counts: Real[np.ndarray, "bin unit"],
    bins: Int[np.ndarray, "bin"],
    *,
    seed: int = 0,
    n_components: int = 32,
    normalisation: str = "sqrt_centred",
    smoothing_bins: int = 0,
    smoothing: float = 0.0,
    max_iterations: int = 400,
) -> Fitted:
    """Fit FastICA on training counts; settings and errors as ``fit_pca``.

    Components are turned so that they are skewed to the positive: an independent source is
    found up to its sign. They span what PCA's span, so hidden units are predicted as PCA does.
    """
    n_components = number_of_components(n_components, counts.shape)
    preparation = prepare(counts, bins, normalisation, smoothing_bins, smoothing)
    x = preparation.apply(counts, bins)
    pca = PCA(n_components, random_state=seed).fit(x)
    there = pca.explained_variance_ > 1e-9 * max(pca.explained_variance_[0], 1e-30)
    axes, spread = pca.components_[there], np.sqrt(pca.explained_variance_[there])[:, None]
    whitening = (axes / spread).T
    white = (x - pca.mean_) @ whitening
    ica = FastICA(whiten=False, random_state=seed, max_iter=max_iterations).fit(white)
    sign = np.where((ica.transform(white) ** 3).sum(axis=0) < 0, -1, 1)
    encoder = whitening @ ica.components_.T * sign
    decoder = (ica.mixing_ * sign).T @ (axes * spread)
    return fitted_linear("ica", preparation, encoder, decoder, probabilistic(pca))

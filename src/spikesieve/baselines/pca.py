"""Principal component analysis, by scikit-learn."""

import numpy as np
from jaxtyping import Int, Real
from sklearn.decomposition import PCA

from spikesieve.baselines.linear import Gaussian, fitted_linear
from spikesieve.baselines.preparing import number_of_components, prepare
from spikesieve.fitting import Fitted


def fit_pca(
    counts: Real[np.ndarray, "bin unit"],
    bins: Int[np.ndarray, "bin"],
    *,
    seed: int = 0,
    n_components: int = 32,
    normalisation: str = "sqrt_centred",
    smoothing_bins: int = 0,
    smoothing: float = 0.0,
) -> Fitted:
    """Fit PCA on training counts; its latents are signed and nearly all active.

    There are at most as many components as units and bins; the model's name says how many
    there are: ``"pca32"``. ``seed`` matters to the randomised solver of large data only.
    Hidden units are predicted by probabilistic PCA (Tipping and Bishop 1999).

    Parameters
    ----------
    normalisation : one of ``counts.NORMALISATIONS``. ``smoothing_bins`` : half-width of a moving
        average in front, in bins; 0 for none. ``smoothing`` : standard deviation of a Gaussian
        over time in front, in bins, as autoencoders may have it.

    Raises
    ------
    InputError
        ``n_components`` is below 1, ``smoothing_bins`` below 0, the normalisation unknown.
    """
    n_components = number_of_components(n_components, counts.shape)
    preparation = prepare(counts, bins, normalisation, smoothing_bins, smoothing)
    pca = PCA(n_components, random_state=seed).fit(preparation.apply(counts, bins))
    return fitted_linear("pca", preparation, pca.components_.T, pca.components_, probabilistic(pca))


def probabilistic(pca: PCA) -> Gaussian:
    """Return probabilistic PCA: the variance that no component has is noise, alike in all units."""
    spread = np.sqrt(np.maximum(pca.explained_variance_ - pca.noise_variance_, 0))
    noise = np.full(len(pca.mean_), pca.noise_variance_)
    return Gaussian(pca.mean_, spread[:, None] * pca.components_, noise)

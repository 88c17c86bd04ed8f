"""Factor analysis, its factors turned towards few units each (varimax), by scikit-learn."""

import numpy as np
import scipy.linalg
from jaxtyping import Float, Int, Real
from sklearn.decomposition import FactorAnalysis

from spikesieve.baselines.linear import Gaussian, fitted_linear
from spikesieve.baselines.preparing import number_of_components, prepare
from spikesieve.errors import InputError
from spikesieve.fitting import Fitted


def fit_factor_analysis(
    counts: Real[np.ndarray, "bin unit"],
    bins: Int[np.ndarray, "bin"],
    *,
    seed: int = 0,
    n_components: int = 32,
    normalisation: str = "sqrt_centred",
    smoothing_bins: int = 0,
    smoothing: float = 0.0,
    max_iterations: int = 300,
    rotation: str = "varimax",
) -> Fitted:
    """Fit factor analysis on training counts; settings and errors as ``fit_pca``.

    Each unit has a noise variance of its own. A latent is the posterior mean of a factor. The
    likelihood is the same however factors are turned: ``varimax`` (Kaiser 1958) makes each load on
    few units, and what it loads on most counts as positive; ``none`` leaves them as found.
    """
    if rotation not in ("varimax", "none"):
        raise InputError(f"factor analysis: rotation {rotation!r}", allowed="varimax, none")
    n_components = number_of_components(n_components, counts.shape)
    preparation = prepare(counts, bins, normalisation, smoothing_bins, smoothing)
    x = preparation.apply(counts, bins)
    mean = x.mean(axis=0, dtype=np.float64)
    model = FactorAnalysis(n_components, random_state=seed, max_iter=max_iterations)
    if rotation == "varimax" and n_components > 1:
        model.rotation = "varimax"
    model.fit(_same_covariance(x - mean.astype(np.float32)))
    sign = np.where((model.components_**3).sum(axis=1) < 0, -1, 1)
    loadings = sign[:, None] * model.components_
    gaussian = Gaussian(mean, loadings, model.noise_variance_)
    encoder = gaussian.posterior(np.ones(x.shape[1], bool))
    return fitted_linear("factor_analysis", preparation, encoder, loadings, gaussian)


def _same_covariance(x: Float[np.ndarray, "bin unit"]) -> Float[np.ndarray, "row unit"]:
    """Return few rows with the mean (zero) and covariance of ``x``.

    The fit looks at nothing else, and takes a decomposition of all rows at each iteration.
    """
    n_bins, n_units = x.shape
    if n_bins <= 2 * n_units:
        return x
    values, vectors = scipy.linalg.eigh(x.T.astype(np.float64) @ x / n_bins)
    half = np.sqrt(np.maximum(values, 0) * n_units)[:, None] * vectors.T
    return np.concatenate([half, -half])

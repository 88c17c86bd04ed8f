"""Principal component analysis, by scikit-learn."""

import numpy as np
import scipy.sparse
from jaxtyping import Float
from sklearn.decomposition import PCA

from spikesieve.errors import InputError
from spikesieve.fitting import Fitted


def fit_pca(x: Float[np.ndarray, "bin unit"], *, seed: int = 0, n_components: int = 32) -> Fitted:
    """Fit PCA on ``x``; its latents are signed and nearly all active.

    There are at most as many components as units and bins; the model's name says how many
    there are: ``"pca32"``. ``seed`` matters to the randomised solver of large data only.

    Raises
    ------
    InputError
        ``n_components`` is below 1.
    """
    if n_components < 1:
        raise InputError(f"n_components {n_components}", allowed="1 or more")
    n_components = min(n_components, *x.shape)
    pca = PCA(n_components, random_state=seed).fit(x)

    def transform(x):
        return scipy.sparse.csr_array(pca.transform(x).astype(np.float32, copy=False))

    def inverse_transform(latents):
        return latents @ pca.components_.astype(np.float32) + pca.mean_.astype(np.float32)

    return Fitted("pca", f"pca{n_components}", transform, inverse_transform)

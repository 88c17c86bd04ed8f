"""The sparse autoencoder as one of the methods that ``spikesieve.fitting`` judges."""

import numpy as np
from jaxtyping import Float

from spikesieve.fitting import Fitted
from spikesieve.sae.model import SparseAutoencoder


def fit_sae(x: Float[np.ndarray, "bin unit"], *, seed: int = 0, **settings) -> Fitted:
    """Train a ``SparseAutoencoder(seed=seed, **settings)`` on ``x``; raises as it does."""
    sae = SparseAutoencoder(seed=seed, **settings).fit(x)

    def save(folder, about):
        sae.save(folder, about=about)

    return Fitted("sae", sae.architecture, sae.transform, sae.inverse_transform, save, sae.history_)

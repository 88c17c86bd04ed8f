"""What PCA, factor analysis and ICA share: a linear code of normalised counts.

Hidden units are predicted by the mean of a Gaussian given the units that are seen, exactly:
``x = mean + z @ loadings + noise`` with ``z`` standard normal and noise of its own variance in
each unit (Bishop 2006, "Pattern Recognition and Machine Learning", 12.2 and 12.4).
"""

from typing import NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse
from jaxtyping import Bool, Float

from spikesieve.baselines.preparing import Preparation
from spikesieve.fitting import Fitted

_LEAST_NOISE = 1e-6


class Gaussian(NamedTuple):
    """A low-rank model of normalised counts; variances are in their (squared) units."""

    mean: Float[np.ndarray, "unit"]
    loadings: Float[np.ndarray, "latent unit"]
    noise: Float[np.ndarray, "unit"]

    def posterior(self, seen: Bool[np.ndarray, "unit"]) -> Float[np.ndarray, "seen latent"]:
        """Return ``G`` so that ``E[z | seen x] = (x - mean) @ G``."""
        loadings = self.loadings[:, seen].astype(np.float64)
        weighted = loadings / np.maximum(self.noise[seen], _LEAST_NOISE)
        precision = np.eye(len(loadings)) + weighted @ loadings.T
        return scipy.linalg.solve(precision, weighted, assume_a="pos").T.astype(np.float32)

    def predict(
        self, x: Float[np.ndarray, "bin unit"], hidden: Bool[np.ndarray, "unit"]
    ) -> Float[np.ndarray, "bin hidden"]:
        """Return the expected values of hidden units given the others."""
        z = (x[:, ~hidden] - self.mean[~hidden]) @ self.posterior(~hidden)
        return z @ self.loadings[:, hidden] + self.mean[hidden]


def fitted_linear(
    method: str,
    preparation: Preparation,
    encoder: Float[np.ndarray, "unit latent"],
    decoder: Float[np.ndarray, "latent unit"],
    gaussian: Gaussian,
) -> Fitted:
    """Return the method with latents ``(x - mean) @ encoder``, signed and nearly all active."""
    mean = gaussian.mean.astype(np.float32)
    encoder, decoder = encoder.astype(np.float32), decoder.astype(np.float32)
    gaussian = Gaussian(*(part.astype(np.float32) for part in gaussian))

    def transform(counts, bins):
        return scipy.sparse.csr_array((preparation.apply(counts, bins) - mean) @ encoder)

    def reconstruct(latents):
        return preparation.invert(latents @ decoder + mean)

    def predict_hidden(counts, bins, hidden):
        x = preparation.apply(counts, bins)
        everything = np.zeros_like(x)
        everything[:, hidden] = gaussian.predict(x, hidden)
        return preparation.invert(everything)[:, hidden]

    return Fitted(method, f"{method}{len(decoder)}", transform, reconstruct, predict_hidden)

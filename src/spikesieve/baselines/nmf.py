"""Non-negative matrix factorisation, sparse where that is asked for, by scikit-learn."""

from collections.abc import Callable

import numpy as np
import scipy.sparse
from jaxtyping import Float, Int, Real
from sklearn.decomposition import NMF, non_negative_factorization

from spikesieve.baselines.preparing import number_of_components, prepare
from spikesieve.cosmoothing import hidden_masks
from spikesieve.errors import InputError
from spikesieve.fitting import Fitted
from spikesieve.poisson import poisson_deviance

#: Loss -> how scikit-learn calls it and what minimises it.
LOSSES = {
    "kullback_leibler": {"solver": "mu", "beta_loss": "kullback-leibler"},
    "frobenius": {"solver": "cd", "beta_loss": "frobenius"},
}

#: Shares of the mean that are tried, on so many bins and every so many masks.
SHARES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0)
BINS_TOLD, MASKS_APART = 2_000, 3


def fit_nmf(
    counts: Real[np.ndarray, "bin unit"],
    bins: Int[np.ndarray, "bin"],
    *,
    seed: int = 0,
    n_components: int = 32,
    smoothing_bins: int = 0,
    smoothing: float = 0.0,
    max_iterations: int = 300,
    loss: str = "kullback_leibler",
    sparsity: float = 0.0,
) -> Fitted:
    """Fit NMF on training counts as they are; latents are never negative.

    Hidden units are predicted from weights that are fitted to the others, each at most what its
    part had in any training bin: a part that the seen units hardly tell would be blown up without
    bound to explain a spike of theirs. The prediction is drawn towards the units' means by the
    share that is most likely in training bins: by itself it is 0 wherever no part is active.
    Errors as ``fit_pca``.

    Parameters
    ----------
    loss : ``kullback_leibler``, the Poisson likelihood of the counts (Lee and Seung 1999), which so
        need no normalisation; or ``frobenius``, squared errors, in which busy units count most.
    sparsity : weight of the L1 norms of latents and parts (Hoyer 2002, "Non-negative sparse
        coding"; of both, or else one would shrink and the other grow). 0.03 is mild, 0.3 strong.
    smoothing_bins, smoothing : as ``fit_pca``.

    Raises
    ------
    InputError
        The loss is unknown, or the sparsity negative or so large that nothing is left.
    """
    if loss not in LOSSES:
        raise InputError(f"NMF: loss {loss!r}", allowed=", ".join(LOSSES))
    if sparsity < 0:
        raise InputError(f"NMF: sparsity {sparsity}", allowed="0 or more")
    n_components = number_of_components(n_components, counts.shape)
    preparation = prepare(counts, bins, "none", smoothing_bins, smoothing)
    same = {"max_iter": max_iterations, "alpha_W": sparsity, "l1_ratio": 1.0} | LOSSES[loss]
    model = NMF(n_components, init="nndsvda", random_state=seed, **same)
    most = model.fit_transform(preparation.apply(counts, bins)).max(axis=0)
    parts = model.components_.astype(np.float32)
    if not parts.any() and counts.any():
        raise InputError(f"NMF: nothing is left with sparsity {sparsity}", fix="lower it")

    def weights(x, parts):
        fitted, _, _ = non_negative_factorization(x, H=parts, update_H=False, **same)
        return fitted

    def transform(counts, bins):
        return scipy.sparse.csr_array(weights(preparation.apply(counts, bins), parts))

    def reconstruct(latents):
        return latents @ parts

    def by_parts(counts, bins, hidden):
        seen = np.ascontiguousarray(parts[:, ~hidden])
        x = preparation.apply(counts, bins)[:, ~hidden]
        return np.minimum(weights(x, seen), most) @ parts[:, hidden]

    mean = counts.mean(axis=0, dtype=np.float64).astype(np.float32)
    share = share_of_mean(by_parts, counts, bins, mean)

    def predict_hidden(counts, bins, hidden):
        return (1 - share) * by_parts(counts, bins, hidden) + share * mean[hidden]

    method = "nmf" if loss == "kullback_leibler" else f"nmf_{loss}"
    return Fitted(method, f"{method}{n_components}", transform, reconstruct, predict_hidden)


def share_of_mean(predict: Callable, counts, bins, mean: Float[np.ndarray, "unit"]) -> float:
    """Return which of ``SHARES`` of the mean in the prediction of hidden units is most likely.

    Counts are taken as Poisson; a stretch of the training bins and some masks tell.
    """
    middle = max(0, (len(counts) - BINS_TOLD) // 2)
    stretch = slice(middle, middle + BINS_TOLD)
    counts, bins = counts[stretch], bins[stretch]
    deviance = np.zeros(len(SHARES))
    for hidden in hidden_masks(counts.shape[1])[::MASKS_APART]:
        by_parts = predict(np.where(hidden, 0, counts).astype(counts.dtype), bins, hidden)
        for number, share in enumerate(SHARES):
            rate = (1 - share) * by_parts + share * mean[hidden]
            known = mean[hidden] > 0
            told = poisson_deviance(
                counts[:, hidden][:, known], rate[:, known], mean[hidden][known]
            )
            deviance[number] += told.sum()
    return SHARES[int(np.argmin(deviance))]

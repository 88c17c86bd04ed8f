"""Areas under ROC curves of thousands of latents for hundreds of labels, by sparse products.

Most activations are zero, and all zeros of a latent share a rank. So a rank is kept as how far it
lies from that of a zero: the sums of ranks that the area needs (Mann and Whitney 1947) are then
sparse products.
"""

import numpy as np
import scipy.sparse
from jaxtyping import Float


def rank_deviations(
    latents: scipy.sparse.csr_array | scipy.sparse.csc_array,
) -> tuple[scipy.sparse.csc_array, Float[np.ndarray, "latent"]]:
    """Return each activation's rank in its latent minus that of a zero, and the rank of a zero.

    Ties share their mean rank; ranks count from 1. What is zero stays unstored.
    """
    columns = scipy.sparse.csc_array(latents, copy=True)
    columns.eliminate_zeros()
    columns = columns.astype(np.float64)
    n_active, value = np.diff(columns.indptr), columns.data
    latent = np.repeat(np.arange(columns.shape[1]), n_active)
    n_zeros = columns.shape[0] - n_active
    n_below = np.bincount(latent[value < 0], minlength=len(n_active))
    zero = n_below + (n_zeros + 1) / 2
    rank = _ranks_within(latent, value, columns.indptr)
    columns.data = rank + n_zeros[latent] * (value > 0) - zero[latent]
    return columns, zero


def _ranks_within(latent, value, first) -> Float[np.ndarray, "active"]:
    """Return the rank of each value among those of its latent; ties share their mean."""
    order = np.lexsort((value, latent))
    place = np.arange(len(order)) - first[latent] + 1.0  # lexsort keeps latents together
    ordered = value[order]
    new = np.ones(len(order), bool)
    new[1:] = (ordered[1:] != ordered[:-1]) | (latent[1:] != latent[:-1])
    tie = np.cumsum(new) - 1
    mean = np.bincount(tie, place) / np.maximum(np.bincount(tie), 1)
    rank = np.empty(len(order))
    rank[order] = mean[tie]
    return rank


def areas(
    deviations: scipy.sparse.csc_array,
    zero_rank: Float[np.ndarray, "latent"],
    members: scipy.sparse.csr_array,
) -> Float[np.ndarray, "label latent"]:
    """Return how often a bin with the label exceeds one without (ties count half).

    ``members`` is ``(label, bin)``, 1 for a bin with the label. NaN for a label of no bin, or of
    every bin.
    """
    n_members = np.asarray(members.sum(axis=1)).reshape(-1, 1)
    n_others = members.shape[1] - n_members
    sums = (members @ deviations).toarray() + n_members * zero_rank
    wins, pairs = sums - n_members * (n_members + 1) / 2, n_members * n_others
    return np.divide(wins, pairs, out=np.full(wins.shape, np.nan), where=pairs > 0)

"""Which latents go together, and which of them is the more general one."""

import numpy as np
import pandas as pd
import scipy.sparse
from jaxtyping import Bool, Int

from spikesieve.evaluation import DENSE
from spikesieve.latents.matching import correlations
from spikesieve.latents.products import products

#: Others that are listed of each latent, those of the largest overlap.
LISTED = 10
#: A parent is active in at least this share of its child's bins, and this many times as often there
#: as everywhere.
COVERS, OFTENER = 0.5, 2.0
#: Without levels, a parent is active in this many times as many bins as its child.
WIDER = 1.5


def active_bins(latents: scipy.sparse.csr_array) -> scipy.sparse.csc_array:
    """Return 1 where a latent ``(bin, latent)`` is active.

    That is where it is not zero; for one that this calls active in more than half of the bins,
    where it is more than a standard deviation above its mean.
    """
    columns = scipy.sparse.csc_array(latents, copy=True).astype(np.float64)
    columns.eliminate_zeros()
    n = columns.shape[0]
    for latent in np.flatnonzero(np.diff(columns.indptr) > DENSE * n):
        mine = slice(columns.indptr[latent], columns.indptr[latent + 1])
        values = columns.data[mine]
        mean = values.sum() / n
        spread = np.sqrt(max(np.square(values).sum() / n - mean**2, 0.0))
        columns.data[mine] = np.where(values > mean + spread, values, 0)
    columns.eliminate_zeros()
    columns.data[:] = 1
    return columns


def coactive_table(
    latents: scipy.sparse.csr_array, level: Int[np.ndarray, "latent"] | None
) -> pd.DataFrame:
    """Return, for each latent, the others that are active in the same bins most.

    Parameters
    ----------
    latents : activations ``(bin, latent)`` of held-out bins.
    level : number of the nested dictionary that each belongs to, 0 the narrowest; None where they
        are not nested.

    Returns
    -------
    Columns ``latent``, ``other``, ``jaccard`` (bins with both over bins with either), ``r``
    (Pearson's, of activations), ``is_parent``: ``other`` is active in at least half of the latent's
    bins, twice as often as everywhere, in no fewer bins, and of a narrower level (without levels:
    in at least 1.5 times as many bins).
    """
    active = active_bins(latents)
    n = np.asarray(active.sum(axis=0)).ravel()
    both = products(active, active)
    either = n[:, None] + n - both
    jaccard = np.divide(both, either, out=np.zeros_like(both), where=either > 0)
    np.fill_diagonal(jaccard, -1)
    parent = _parents(both, n, active.shape[0], level)
    # A parent is listed whatever its overlap: a rare child shares little with all of it.
    rank = np.where(parent, 1 + jaccard, jaccard)
    other = np.argsort(-rank, axis=1, kind="stable")[:, :LISTED]
    latent = np.repeat(np.arange(len(n)), other.shape[1])
    other = other.ravel()
    there = (jaccard[latent, other] > 0) & (latent != other)
    latent, other = latent[there], other[there]
    r = np.nan_to_num(correlations(latents, latents))
    return pd.DataFrame(
        {
            "latent": latent.astype(np.int32),
            "other": other.astype(np.int32),
            "jaccard": jaccard[latent, other],
            "r": r[latent, other],
            "is_parent": parent[latent, other],
        }
    )


def _parents(both, n, n_bins: int, level) -> Bool[np.ndarray, "latent other"]:
    """Return whether ``other`` is a parent of ``latent``."""
    covered = np.divide(both, n[:, None], out=np.zeros_like(both), where=n[:, None] > 0)
    often = covered >= OFTENER * n / max(n_bins, 1)
    if level is None:
        general = n >= WIDER * n[:, None]
    else:
        general = (level < level[:, None]) & (n >= n[:, None])
    return (covered >= COVERS) & often & general & (both > 0)

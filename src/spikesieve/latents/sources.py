"""Which units a latent speaks of: what it writes to them, and what it loses without each."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import scipy.linalg
import scipy.sparse
from jaxtyping import Bool, Float, Int, Real

from spikesieve.latents.products import products

#: Units of a latent that are listed: those of the largest weights.
LISTED = 20
#: Bins in which a latent's units are silenced, evenly spread over those in which it is active.
ABLATED = 5
#: At most so many bins are read again, for all units together: the rarest latents stay unknown.
ABLATED_BINS = 150_000
_RIDGE = 1e-3


def regressed_weights(
    latents: scipy.sparse.csr_array, counts: Real[np.ndarray, "bin unit"]
) -> Float[np.ndarray, "latent unit"]:
    """Return how many spikes of each unit go with a latent's activity of 1, given all others'.

    A linear regression of counts on latents (ridge: a thousandth of the mean variance), on
    training bins: the decoder of a method that left none behind.
    """
    n, mean = latents.shape[0], np.asarray(latents.mean(axis=0)).ravel()
    gram = products(latents, latents) - n * np.outer(mean, mean)
    cross = products(latents, counts) - n * np.outer(mean, counts.mean(axis=0))
    scale = np.trace(gram) / max(len(gram), 1)
    gram[np.diag_indices_from(gram)] += max(_RIDGE * scale, 1e-12)
    return scipy.linalg.solve(gram, cross, assume_a="pos")


def ablations(
    transform: Callable[[np.ndarray, np.ndarray], scipy.sparse.csr_array],
    around: int,
    counts: Real[np.ndarray, "bin unit"],
    bins: Int[np.ndarray, "bin"],
    latents: scipy.sparse.csr_array,
) -> Float[np.ndarray, "latent unit"]:
    """Return the mean change of each latent where it is active, when a unit is silenced.

    Parameters
    ----------
    transform : counts and bin numbers -> activations. ``latents`` : those of ``counts``.
    around : bins on both sides of a bin that ``transform`` looks at.

    Returns
    -------
    Change of activation (negative: the unit drives the latent): the share that is lost in
    ``ABLATED`` of the latent's active bins (fewer where ``ABLATED_BINS`` asks for that) times its
    mean over all of them; NaN where it was not told.
    """
    judged, read = _places(latents, around, max(1, ABLATED_BINS // max(counts.shape[1], 1)))
    found = np.full((latents.shape[1], counts.shape[1]), np.nan)
    if not read.any():
        return found
    rows = np.flatnonzero(read)
    some, own = counts[rows].copy(), bins[rows]
    where = judged[rows]  # (bin, latent), sparse: the bins in which a latent is judged
    n = np.asarray(where.sum(axis=0)).ravel()
    before = transform(some, own)
    there = np.asarray(where.multiply(before).sum(axis=0)).ravel()
    n_active = np.diff(scipy.sparse.csc_array(latents).indptr)
    mean = np.asarray(latents.sum(axis=0)).ravel() / np.maximum(n_active, 1)
    known = (n > 0) & (there != 0)
    for unit in range(counts.shape[1]):
        kept = some[:, unit].copy()
        if not kept.any():
            found[known, unit] = 0.0
            continue
        some[:, unit] = 0
        change = where.multiply(transform(some, own) - before)
        some[:, unit] = kept
        total = np.asarray(change.sum(axis=0)).ravel()
        share = np.divide(total, there, out=np.full(len(n), np.nan), where=known)
        found[:, unit] = share * mean
    return found


def _places(
    latents: scipy.sparse.csr_array, around: int, most: int
) -> tuple[scipy.sparse.csr_array, Bool[np.ndarray, "bin"]]:
    """Return in which bins each latent is judged, and the at most ``most`` bins to read for that.

    First one bin of every latent, then another...; busy latents come first.
    """
    columns = scipy.sparse.csc_array(latents)
    n_active = np.diff(columns.indptr)
    busiest = [j for j in np.argsort(-n_active, kind="stable") if n_active[j]]
    spread = {}
    for j in busiest:
        mine = slice(columns.indptr[j], columns.indptr[j + 1])
        own = np.sort(columns.indices[mine])
        spread[j] = own[(np.arange(ABLATED) * 2 + 1) * len(own) // (2 * ABLATED)]
    place, latent, read = [], [], np.zeros(latents.shape[0], bool)
    n_read = 0
    for turn in range(ABLATED):
        for j in busiest:
            bin_ = int(spread[j][turn])
            window = slice(max(bin_ - around, 0), bin_ + around + 1)
            new = int((~read[window]).sum())
            if n_read + new <= most:
                read[window], n_read = True, n_read + new
                place.append(bin_)
                latent.append(j)
    judged = scipy.sparse.csr_array((np.ones(len(place)), (place, latent)), latents.shape)
    judged.data[:] = 1  # of fewer active bins than turns, some are drawn twice
    return judged, read


def sources_table(
    weights: Float[np.ndarray, "latent unit"],
    ablation: Float[np.ndarray, "latent unit"] | None,
    unit_ids: Int[np.ndarray, "unit"],
    units: pd.DataFrame,
    active: Bool[np.ndarray, "latent"],
) -> pd.DataFrame:
    """Return the units with the largest absolute weights of each active latent, by weight.

    ``units`` is the recording's table, for ``region`` and ``depth_um``. Columns ``latent``,
    ``unit_id``, ``weight``, ``ablation`` (NaN where unknown), ``region``, ``depth_um``.
    """
    latents = np.flatnonzero(active)
    order = np.argsort(-np.abs(weights[latents]), axis=1, kind="stable")[:, :LISTED]
    latent = np.repeat(latents, order.shape[1])
    unit = order.ravel()
    about = units.set_index("unit_id").reindex(unit_ids)[["region", "depth_um"]].iloc[unit]
    lost = np.full(len(unit), np.nan) if ablation is None else ablation[latent, unit]
    return pd.DataFrame(
        {
            "latent": latent.astype(np.int32),
            "unit_id": unit_ids[unit].astype(np.int32),
            "weight": weights[latent, unit].astype(np.float64),
            "ablation": lost,
            "region": about["region"].astype("string").to_numpy(),
            "depth_um": about["depth_um"].to_numpy(float),
        }
    )

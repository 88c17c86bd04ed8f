"""The strongest moments of each latent, and what its units did around them."""

import numpy as np
from jaxtyping import Float, Int, UInt, UInt8

from spikesieve.pages.dashboard.activations import Activations
from spikesieve.spikes import SpikeTrains

#: Bins before and after a moment that are shown.
BINS_AROUND = 10
_LARGEST_COUNT = 255


def top_moments(activations: Activations, n_moments: int) -> Int[np.ndarray, "latent moment"]:
    """Return the bins in which each latent is strongest, strongest first; -1 where there is none.

    Two moments lie more than ``BINS_AROUND`` bins apart, or a burst would fill all places. Of
    equals the earlier comes first. Strong is far from 0, whatever the sign.
    """
    found = np.full((activations.n_latents, n_moments), -1, np.int64)
    for latent, chosen in enumerate(found):
        rows = activations.of(latent)
        bins, size = activations.bin[rows], np.abs(activations.activation[rows])
        free = np.ones(len(bins), dtype=bool)
        for place in range(n_moments):
            if not free.any():
                break
            best = int(np.argmax(np.where(free, size, -1)))
            chosen[place] = bins[best]
            near = [bins[best] - BINS_AROUND, bins[best] + BINS_AROUND + 1]
            free[slice(*np.searchsorted(bins, near))] = False
    return found


def spikes_around(
    moments: Int[np.ndarray, "latent moment"],
    units: Int[np.ndarray, "latent place"],
    trains: SpikeTrains,
    bin_s: float,
) -> dict:
    """Return the spikes of each latent's units around its moments, for ``dashboard.js``.

    Parameters
    ----------
    units : the units of each latent, as places in ``trains``; -1 for none.
    bin_s : bin width in seconds. What is shown starts ``BINS_AROUND`` bins before the moment's.

    Returns
    -------
    ``n``: spikes of each (latent, moment, unit). ``at``: all of them in that order, in 255ths of
    the window.
    """
    n_bins = 2 * BINS_AROUND + 1
    first_s = (moments[:, :, None] - BINS_AROUND) * bin_s
    shape = (*moments.shape, units.shape[1])
    unit = np.broadcast_to(units[:, None, :], shape).ravel()
    first_s = np.broadcast_to(first_s, shape).ravel()
    there = (unit >= 0) & np.broadcast_to(moments[:, :, None] >= 0, shape).ravel()
    low, high = np.zeros((2, len(unit)), np.int64)
    order = np.flatnonzero(there)
    order = order[np.argsort(unit[order], kind="stable")]
    for rows in np.split(order, np.flatnonzero(np.diff(unit[order])) + 1):
        if len(rows):
            own = int(unit[rows[0]])
            train, offset = trains.of(own), trains.offset[own]
            low[rows] = offset + np.searchsorted(train, first_s[rows])
            high[rows] = offset + np.searchsorted(train, first_s[rows] + n_bins * bin_s)
    n = high - low
    taken = np.arange(n.sum()) + np.repeat(low - np.concatenate([[0], np.cumsum(n)[:-1]]), n)
    share = (trains.time_s[taken] - np.repeat(first_s, n)) / (n_bins * bin_s)
    at = np.clip(np.round(share * 255), 0, 255).astype(np.uint8)
    return {"n": n.astype(np.uint16), "at": at}


def counts_around(
    moments: Int[np.ndarray, "latent moment"],
    units: Int[np.ndarray, "latent place"],
    counts: UInt[np.ndarray, "bin unit"],
) -> UInt8[np.ndarray, "latent moment place around"]:
    """Return the counts of each latent's units around its moments; over 255 they stay 255."""
    n_around = 2 * BINS_AROUND + 1
    out = np.zeros((*moments.shape, units.shape[1], n_around), np.uint8)
    for step in range(n_around):
        bins = moments + step - BINS_AROUND
        inside = (moments >= 0) & (bins >= 0) & (bins < len(counts))
        taken = counts[np.where(inside, bins, 0)[:, :, None], units[:, None, :]]
        there = inside[:, :, None] & (units[:, None, :] >= 0)
        out[..., step] = np.where(there, np.minimum(taken, _LARGEST_COUNT), 0)
    return out


def strongest_units(
    weight: Float[np.ndarray, "latent place"], n_units: int
) -> Int[np.ndarray, "latent unit"]:
    """Return the places of the largest weights by size, largest first; -1 where they are NaN."""
    size = np.where(np.isnan(weight), -1.0, np.abs(weight))
    order = np.argsort(-size, axis=1, kind="stable")[:, :n_units]
    return np.where(np.take_along_axis(size, order, 1) > 0, order, -1)

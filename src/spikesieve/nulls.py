"""Null counts: what a method finds where nothing is shared between units.

A third control needs no other counts: a dictionary that was drawn at random and never trained
(``UNTRAINED``) shows what its nonlinearity alone makes of the real ones.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from jaxtyping import Int, Integer, Real

from spikesieve.errors import InputError

#: Offsets of two units differ by at least so many bins, where a stretch is long enough.
APART_BINS = 20
#: In a shorter stretch a shift changes little.
SHORTEST_BINS = 20
_CELLS_AT_ONCE = 1 << 22
#: Settings of an autoencoder that learns nothing but the scale of its input and its threshold. A
#: Poisson readout would learn loadings from the counts whatever the dictionary, and pruning by a
#: second instance would choose.
UNTRAINED = {"n_steps": 0, "readout": "encoder", "min_stability": 0.0, "n_instances": 1}


def shifted_counts(
    counts: Real[np.ndarray, "bin unit"],
    bins: Int[np.ndarray, "number"],
    seed: int,
    *,
    apart: int = APART_BINS,
) -> Real[np.ndarray, "bin unit"]:
    """Shift each unit circularly by its own random offset, within each contiguous stretch.

    Coincidences between units are gone; each unit keeps its counts, and but for the seam where a
    stretch's end meets its start, its autocorrelation. Activity that all units share over longer
    than a shift (drift, arousal) is not: where it matters, a stretch holds little of it.

    Parameters
    ----------
    bins : number of each bin, ascending; a stretch ends where a number is missing.
    apart : least distance of two units' offsets, in bins around the circle. A stretch too short
        for that spaces its units evenly; one with fewer bins than units has units that share an
        offset, and these keep their coincidences.

    Raises
    ------
    InputError
        Bins are not ascending, or most lie in stretches under 20 bins: shifts would do little.
    """
    if len(bins) != len(counts) or (np.diff(bins) < 1).any():
        raise InputError(
            f"{len(bins)} bin numbers of {len(counts)} bins", allowed="ascending, one a bin"
        )
    rng = np.random.default_rng(seed)
    edges = [0, *(np.flatnonzero(np.diff(bins) > 1) + 1).tolist(), len(bins)]
    lengths = np.diff(edges)
    short = lengths[lengths < SHORTEST_BINS].sum()
    if 2 * short > len(bins):
        raise InputError(
            f"{short} of {len(bins)} bins lie in stretches of under {SHORTEST_BINS} bins",
            fix="take the independent Poisson null (poisson_counts)",
        )
    shifted = np.empty_like(counts)
    for start, stop in pairwise(edges):
        offsets = _offsets(stop - start, counts.shape[1], apart, rng)
        _roll(counts[start:stop], offsets, shifted[start:stop])
    return shifted


def poisson_counts(
    counts: Real[np.ndarray, "bin unit"], seed: int
) -> Integer[np.ndarray, "bin unit"]:
    """Draw independent Poisson counts of each unit's mean: only the rates are kept."""
    rng = np.random.default_rng(seed)
    mean = counts.mean(axis=0, dtype=np.float64)
    drawn = np.empty(counts.shape, np.min_scalar_type(_largest(mean)))
    step = max(1, _CELLS_AT_ONCE // max(1, counts.shape[1]))
    for first in range(0, len(counts), step):
        rows = drawn[first : first + step]
        rows[:] = rng.poisson(mean, rows.shape)
    return drawn


#: Name -> function of ``(counts, bins, seed)`` that returns counts of the same shape.
NULLS: dict[str, Callable] = {
    "shifted": shifted_counts,
    "poisson": lambda counts, bins, seed: poisson_counts(counts, seed),
}


def _offsets(n_bins: int, n_units: int, apart: int, rng) -> Int[np.ndarray, "unit"]:
    """Return an offset a unit in ``[0, n_bins)``, neighbours on the circle ``apart`` bins."""
    apart = min(apart, n_bins // n_units) if n_units else 0
    if apart:
        slack = n_bins - apart * n_units
        offsets = np.sort(rng.integers(0, slack + 1, n_units)) + apart * np.arange(n_units)
    else:
        offsets = np.arange(n_units) * n_bins // max(n_units, 1)
    return (rng.permutation(offsets) + rng.integers(n_bins)) % n_bins


def _roll(counts, offsets: Int[np.ndarray, "unit"], out) -> None:
    """Write ``counts``, column ``u`` shifted down by ``offsets[u]``, into ``out``."""
    n_bins, n_units = counts.shape
    step = max(1, _CELLS_AT_ONCE // n_bins)
    for first in range(0, n_units, step):
        units = slice(first, first + step)
        source = (np.arange(n_bins)[:, None] - offsets[units]) % n_bins
        out[:, units] = np.take_along_axis(counts[:, units], source, axis=0)


def _largest(mean: np.ndarray) -> int:
    """Return a count that a Poisson variable of any of these means never passes in practice."""
    top = mean.max(initial=0.0)
    return int(top + 40 * np.sqrt(top) + 60)

"""Moving averages over bins that never cross a gap."""

import itertools

import numpy as np
from jaxtyping import Float, Int, Real
from scipy.ndimage import gaussian_filter1d


def smooth(
    counts: Real[np.ndarray, "bin unit"], bins: Int[np.ndarray, "bin"], half_width: int
) -> Float[np.ndarray, "bin unit"]:
    """Average each bin with up to ``half_width`` bins on either side, as float32.

    Only bins whose numbers follow one another without a hole are neighbours; at the edge of a
    run the mean is over those that are there, so a constant stays what it is.

    Parameters
    ----------
    bins : bin numbers, ascending. ``half_width`` : in bins; 0 changes nothing.
    """
    if half_width == 0:
        return counts.astype(np.float32)
    row = np.arange(len(bins))
    broken = np.flatnonzero(np.diff(bins) != 1) + 1
    run = np.searchsorted(broken, row, side="right")
    first = np.maximum(row - half_width, np.r_[0, broken][run])
    stop = np.minimum(row + half_width + 1, np.r_[broken, len(bins)][run])
    total = np.zeros((len(bins) + 1, counts.shape[1]))
    np.cumsum(counts, axis=0, dtype=np.float64, out=total[1:])
    return ((total[stop] - total[first]) / (stop - first)[:, None]).astype(np.float32)


def smooth_gaussian(
    counts: Real[np.ndarray, "bin column"], bins: Int[np.ndarray, "bin"], sd_bins: float
) -> Float[np.ndarray, "bin column"]:
    """Average each bin with those around it by a Gaussian of ``sd_bins``, as float32.

    Only bins whose numbers follow one another without a hole are neighbours; at the edge of a
    run the weights of those that are there sum to 1. The Gaussian ends at four deviations; 0
    changes nothing.
    """
    x = np.ascontiguousarray(counts, dtype=np.float32)
    if sd_bins == 0:
        return x
    smoothed = np.empty_like(x)
    edges = [0, *(np.flatnonzero(np.diff(bins) != 1) + 1), len(x)]
    for start, stop in itertools.pairwise(edges):
        run = slice(start, stop)
        weight = gaussian_filter1d(np.ones(stop - start), sd_bins, mode="constant")
        gaussian_filter1d(x[run], sd_bins, axis=0, output=smoothed[run], mode="constant")
        smoothed[run] /= weight[:, None].astype(np.float32)
    return smoothed

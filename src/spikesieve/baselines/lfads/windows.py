"""Windows of neighbouring bins, cut from blocks and put back together."""

import itertools

import numpy as np
from jaxtyping import Float, Int, Real

#: Row of a place in a window that no bin fills.
EMPTY = -1


def cut_windows(
    bins: Int[np.ndarray, "bin"], length: int, overlap: int
) -> Int[np.ndarray, "window place"]:
    """Return the rows of each window of ``length`` bins; a window never crosses a hole.

    Parameters
    ----------
    bins : numbers of the bins, ascending; where a number is missing, a run ends.
    overlap : bins that two neighbouring windows of a run share at least. The last window of a
        run ends with it. A run shorter than ``length`` is one window, filled up with ``EMPTY``.
    """
    edges = [0, *(np.flatnonzero(np.diff(bins) != 1) + 1).tolist(), len(bins)]
    windows = []
    for start, stop in itertools.pairwise(edges):
        last = max(stop - length, start)
        firsts = [*range(start, last, length - overlap), last]
        rows = np.asarray(firsts)[:, None] + np.arange(length)
        windows.append(np.where(rows < stop, rows, EMPTY))
    return np.concatenate(windows) if len(bins) else np.empty((0, length), int)


def fill_windows(
    x: Real[np.ndarray, "bin column"], windows: Int[np.ndarray, "window place"]
) -> Real[np.ndarray, "window place column"]:
    """Return the values of each window, 0 where it is ``EMPTY``."""
    return np.where((windows != EMPTY)[:, :, None], x[windows], 0).astype(x.dtype)


def join_windows(
    values: Float[np.ndarray, "window place column"],
    windows: Int[np.ndarray, "window place"],
    n_bins: int,
) -> Float[np.ndarray, "bin column"]:
    """Return one value a bin: the mean of the windows that hold it.

    A window counts the less the nearer the bin is to its edge, so that there is no seam.
    """
    length = windows.shape[1]
    place = np.arange(length)
    weight = np.minimum(place + 1, length - place).astype(np.float64)
    there = windows != EMPTY
    rows, weights = windows[there], np.broadcast_to(weight, windows.shape)[there]
    total = np.bincount(rows, weights, minlength=n_bins)
    joined = np.zeros((n_bins, values.shape[2]), np.float64)
    for window, row, one in zip(there, windows, values, strict=True):
        joined[row[window]] += weight[window, None] * one[window]
    return (joined / total[:, None]).astype(np.float32)

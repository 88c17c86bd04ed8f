"""The dynamic programming of the exact inference, compiled.

Between neighbouring spikes ``i < j`` the axis splits at ``m = (i + j) // 2 + 1``: bins below it
belong to ``i``, the others to ``j``. With ``best[j]`` the least cost of a spike at ``j`` and of
all bins before it,

    best[j] = min(no spike before j, min over i of best[i] + right[m, m - i] + left[m, j - m])
              + cost of the spike

where ``right[m, a]`` are the costs of bins ``m - a .. m - 1`` if the spike is at ``m - a``, and
``left[m, a]`` those of bins ``m .. m + a - 1`` if it is at ``m + a``. All pairs that split at the
same ``m`` lie side by side in a row of either table: that is the order in which they are tried.

Where a gap is at least twice the clamp, bins in the middle are at the clamp whatever the spikes.
One running minimum stands for all such ``i``, so the cost of a window grows linearly with its
length. Virtual spikes beyond the end, which are free, explain the last bins.
"""

from typing import NamedTuple, no_type_check

import numba
import numpy as np

SQUARE, ABSOLUTE, TABLE = range(3)


class Costs(NamedTuple):
    """What a bin costs at each distance. ``target``, ``cap`` and ``weights``: ``(window, bin)``.

    ``steps``: transformed distances 0, 1, ... to the clamp. ``table``: ``(window, bin, distance)``,
    empty unless ``code`` is TABLE; ``cap`` is then a column of it.
    """

    code: int
    target: np.ndarray
    cap: np.ndarray
    weights: np.ndarray
    steps: np.ndarray
    table: np.ndarray


def place(costs: Costs, per_spike, known, prefix: int, interval: int, spikes) -> None:
    """Fill ``spikes`` (window, bin from ``prefix`` on) with the best placement of each window.

    ``per_spike`` (window, bin from ``prefix`` on): cost of a spike there. ``known``: last spike
    before. ``interval``: least gap between spikes, 1 or more.
    """
    _place(*costs, per_spike, known, prefix, interval, spikes)


@numba.njit(cache=True, nogil=True)
@no_type_check  # the tests' shape checker cannot wrap what numba compiles
def _place(
    code, target, cap, weights, steps, table, per_spike, known, prefix, interval, spikes
):  # fmt: skip
    n_windows, n_bins = target.shape
    reach = len(steps) - 1
    # Scratch that all windows share. clamped[k]: bins 0 .. k - 1 at the clamp.
    left = np.zeros((n_bins + 1, reach + 1))
    right = np.zeros((n_bins + 1, reach + 1))
    clamped = np.zeros(n_bins + 1)
    sums = left, right, clamped
    for w in range(n_windows):
        bins = target[w], cap[w], weights[w], steps, table[w]
        _fill_sums(code, bins, prefix, sums)
        best, far_from = _fill_best(sums, per_spike[w], known[w], prefix, interval)
        last = _close(sums, best, prefix)
        while last >= 0:
            if last < n_bins:
                spikes[w, last - prefix] = True
            last = _source(sums, best, far_from, last, known[w], prefix, interval)


@numba.njit(cache=True, nogil=True)
@no_type_check
def _fill_sums(code, bins, prefix, sums):
    left, right, clamped = sums
    n_bins, reach = len(clamped) - 1, left.shape[1] - 1
    row = np.empty(reach + 1)
    for m in range(n_bins - 1, -1, -1):
        _bin_costs(code, bins, m, row)
        clamped[m + 1] = row[reach]
        _add_row(left[m + 1], row[1:], left[m, 1:])
    for m in range(n_bins):
        clamped[m + 1] += clamped[m]
    for m in range(prefix + 1, n_bins + 1):
        n = min(m - prefix, reach)
        _bin_costs(code, bins, m - 1, row[:n])
        _add_row(right[m - 1], row[:n], right[m, 1 : n + 1])


@numba.njit(cache=True, nogil=True)
@no_type_check
def _bin_costs(code, bins, k, row):
    """Fill ``row`` with the costs of bin ``k`` at distances 0, 1, 2, ..."""
    target, cap, weights, steps, table = bins
    t, c, w = target[k], cap[k], weights[k]
    if code == TABLE:
        for d in range(len(row)):
            row[d] = w * table[k, min(d, np.int64(c))]
    elif code == ABSOLUTE:
        for d in range(len(row)):
            row[d] = w * abs(min(steps[d], c) - t)
    else:
        for d in range(len(row)):
            error = min(steps[d], c) - t
            row[d] = w * (error * error)


@numba.njit(cache=True, nogil=True)
@no_type_check
def _fill_best(sums, per_spike, known, prefix, interval):
    """Return ``best[j]`` (virtual spikes included) and who is best of those far before ``j``."""
    left, right, clamped = sums
    n_bins, reach = len(clamped) - 1, left.shape[1] - 1
    n_all = n_bins + max(reach - 1, 0)  # from here on a spike leaves every bin at the clamp
    best = np.full(n_all, np.inf)
    backwards = np.full(n_bins, np.inf)  # best[i] at n_bins - 1 - i: rows then run the same way
    far_from = np.full(n_all, -1)
    for j in range(max(prefix, known + interval), n_all):
        best[j] = _alone(sums, j)
    far, source, next_far = np.inf, -1, prefix
    for j in range(prefix, n_all):
        while next_far <= j - max(2 * reach, interval):
            m = next_far + reach
            cost = best[next_far] + right[m, reach] - clamped[m]
            if cost < far:
                far, source = cost, next_far
            next_far += 1
        if source >= 0:
            far_from[j] = source
            best[j] = min(best[j], far + _alone(sums, j))
        if j >= n_bins:
            continue
        best[j] += per_spike[j - prefix]
        backwards[n_bins - 1 - j] = best[j]
        m = j + 1  # all pairs up to this split have their best[i] now
        most = min(m - prefix, reach) + 1
        for back in (1, 2):  # odd and even gaps: i = m - a and j = m + a - back
            a, stop = (interval + back - 1) // 2 + 1, min(most, n_all - m + back)
            if a < stop:
                row = backwards[n_bins - 1 - m + a :]
                _improve(row, right[m, a:stop], left[m, a - back :], best[m + a - back :])
    return best, far_from


@numba.njit(cache=True, nogil=True)
@no_type_check
def _add_row(one, other, total):
    for a in range(len(total)):
        total[a] = one[a] + other[a]


@numba.njit(cache=True, nogil=True)
@no_type_check
def _improve(before, right, left, best):
    for a in range(len(right)):
        best[a] = min(best[a], before[a] + right[a] + left[a])


@numba.njit(cache=True, nogil=True)
@no_type_check
def _alone(sums, j):
    """Return the cost of all bins before ``j`` without another spike."""
    left, _, clamped = sums
    first = max(j - (left.shape[1] - 1), 0)
    return clamped[first] + left[first, j - first]


@numba.njit(cache=True, nogil=True)
@no_type_check
def _close(sums, best, prefix):
    """Return the last spike of the best placement, maybe a virtual one; -1 if there is none."""
    _, right, clamped = sums
    n_bins, reach = len(clamped) - 1, right.shape[1] - 1
    least, last = clamped[n_bins], -1
    for i in range(prefix, n_bins):
        stop = min(i + reach, n_bins)
        cost = best[i] + right[stop, stop - i] + clamped[n_bins] - clamped[stop]
        if cost < least:
            least, last = cost, i
    for j in range(n_bins, len(best)):
        if best[j] < least:
            least, last = best[j], j
    return last


@numba.njit(cache=True, nogil=True)
@no_type_check
def _source(sums, best, far_from, j, known, prefix, interval):
    """Return the spike before ``j`` in the best placement, -1 if it is the first."""
    left, right, clamped = sums
    n_bins, reach = len(clamped) - 1, left.shape[1] - 1
    least, source = np.inf, -1
    if j - known >= interval:
        least = _alone(sums, j)
    i = far_from[j]
    if i >= 0:
        m = i + reach
        cost = best[i] + right[m, reach] - clamped[m] + _alone(sums, j)
        if cost < least:
            least, source = cost, i
    for i in range(max(prefix, j - 2 * reach + 1), min(j - interval + 1, n_bins)):
        m = (i + j) // 2 + 1
        if m <= n_bins:  # a later split is that of no virtual spike at all
            cost = best[i] + right[m, m - i] + left[m, j - m]
            if cost < least:
                least, source = cost, i
    return source

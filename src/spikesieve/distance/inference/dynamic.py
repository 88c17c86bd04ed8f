"""The dynamic programming of the exact inference, compiled.

With ``best[j]`` the least cost of all bins before spike ``j`` (its own penalty with it), and the
axis between neighbours ``i < j`` split at ``m = (i + j) // 2 + 1``:

    best[j] = min(no spike before j, min_i best[i] + R[i, m] + L[j, m]) + penalty

where R are the costs of bins ``i .. m - 1`` given ``i``, L those of ``m .. j - 1`` given ``j``.
Beyond a gap of twice the clamp the bins in the middle are clamped whatever the spikes: one running
minimum stands for all such ``i``, and the cost of a window grows linearly with its length.
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
    before. ``interval``: least gap between spikes.
    """
    _place(*costs, per_spike, known, prefix, interval, spikes)


@numba.njit(cache=True, nogil=True)
@no_type_check  # the tests' shape checker cannot wrap what numba compiles
def _place(
    code, target, cap, weights, steps, table, per_spike, known, prefix, interval, spikes
):  # fmt: skip
    n_windows, n_bins = target.shape
    reach = len(steps) - 1
    n_spikes = n_bins - prefix
    # Scratch, shared by all windows. right[i, o]: bins i .. i + o - 1 given a spike at i;
    # left[o]: bins j - o .. j - 1 given one at j; clamped[k]: bins 0 .. k - 1 at the clamp.
    right = np.zeros((n_spikes, reach + 1))
    left = np.zeros(reach + 1)
    clamped = np.zeros(n_bins + 1)
    best = np.empty(n_spikes)
    came_from = np.empty(n_spikes, np.int64)
    for w in range(n_windows):
        bins = target[w], cap[w], weights[w], steps, table[w]
        for k in range(n_bins):
            clamped[k + 1] = clamped[k] + _bin_cost(code, bins, k, reach)
        least, last = np.inf, -1
        far, far_from = np.inf, -1
        next_far = prefix
        for j in range(prefix, n_bins + reach + 1):
            # The last virtual spike stands for "none within reach": it is always allowed.
            gap = interval if j < n_bins + reach else 1
            _fill_left(code, bins, j, left)
            while next_far < n_bins and next_far <= j - max(2 * reach, gap):
                i = next_far - prefix
                stop = min(next_far + reach, n_bins)
                cost = best[i] + right[i, reach] - clamped[stop]
                if cost < far:
                    far, far_from = cost, next_far
                next_far += 1
            middle = clamped[min(max(j - reach, 0), n_bins)]
            cost, source = middle + left[reach], -1
            if j - known[w] < gap:
                cost = np.inf
            if far + middle + left[reach] < cost:
                cost, source = far + middle + left[reach], far_from
            for i in range(max(prefix, j - 2 * reach + 1), min(j - gap + 1, n_bins)):
                # m - i and j - m, with m the split
                near = best[i - prefix] + right[i - prefix, (j - i) // 2 + 1]
                near += left[(j - i - 1) // 2]
                if near < cost:
                    cost, source = near, i
            if j < n_bins:
                best[j - prefix] = cost + per_spike[w, j - prefix]
                came_from[j - prefix] = source
                _fill_right(code, bins, j, right[j - prefix])
            elif cost < least:
                least, last = cost, source
        while last >= 0:
            spikes[w, last - prefix] = True
            last = came_from[last - prefix]


@numba.njit(cache=True, nogil=True)
@no_type_check
def _bin_cost(code, bins, k, distance):
    """Return the cost of bin ``k`` at ``distance``, which is at most the clamp."""
    target, cap, weights, steps, table = bins
    if code == TABLE:
        return weights[k] * table[k, min(distance, np.int64(cap[k]))]
    error = min(steps[distance], cap[k]) - target[k]
    if code == ABSOLUTE:
        return weights[k] * abs(error)
    return weights[k] * (error * error)


@numba.njit(cache=True, nogil=True)
@no_type_check
def _fill_left(code, bins, j, left):
    n_bins = len(bins[0])
    total = 0.0
    for o in range(1, len(left)):
        if 0 <= j - o < n_bins:
            total += _bin_cost(code, bins, j - o, o)
        left[o] = total


@numba.njit(cache=True, nogil=True)
@no_type_check
def _fill_right(code, bins, i, right):
    n_bins = len(bins[0])
    total = 0.0
    for o in range(len(right) - 1):
        if i + o < n_bins:
            total += _bin_cost(code, bins, i + o, o)
        right[o + 1] = total

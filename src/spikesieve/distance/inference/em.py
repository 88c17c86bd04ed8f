"""Spikes from distances by sieving: every bin starts as a spike, the needless ones switch off.

The algorithm of the spike-distance paper (Doran, Seifert, Yovanovich, Baden, ICML 2024). Each
spike is responsible for the bins nearest to it; those that fit no worse without it are better off
so. It is greedy: of placements it finds a good one, not the best (``exact`` does).
"""

from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Bool, Float64

from spikesieve.distance.inference.batches import over_windows
from spikesieve.distance.inference.energy import (
    caps,
    default_weights,
    refractory_filter,
    steps,
    transformed,
)
from spikesieve.distance.inference.windows import UNKNOWN, Windows

#: Possible spikes beyond a window's end, in bins from there: without them it had to hold a spike.
FIRST_END, END_STEP, END_AT = 100, 20, 3


def em(windows: Windows, *, jitter_seed: int | None = None) -> Bool[np.ndarray, "window inferred"]:
    """Return the spikes that the sieve leaves.

    ``jitter_seed``: visit bins first in an order that is jittered by up to 5 % of the smallest
    distance, as the published code does. The jitter follows from seed and window alone. In log
    ``space`` the same visits judge the energy of logarithms.
    """
    t, known, space = windows.distance, windows.known, windows.space
    n_windows, n_bins = t.shape
    first = t if jitter_seed is None else t + jitter(t, jitter_seed)
    cap = caps(known, n_bins, windows.max_distance, space)
    shared = default_weights(n_bins), steps(windows.max_distance, space), windows.prefix
    target = transformed(t, space)
    spikes = np.zeros((n_windows, n_bins - windows.prefix), bool)

    def run(some: slice) -> None:
        _sieve(target[some], first[some], known[some], cap[some], *shared, spikes[some])

    over_windows(run, n_windows, windows.n_threads)
    # A last spike from before the prefix is no node of the algorithm, so it drops none either.
    last = np.where(known >= 0, known - windows.prefix, UNKNOWN)
    refractory_filter(spikes, last, windows.refractory)
    return spikes


def jitter(t: Float64[np.ndarray, "window bin"], seed: int) -> Float64[np.ndarray, "window bin"]:
    """Return ``U(0, 1) * min(t) * 0.05`` of each window, from its content and the seed."""
    uniform = np.empty_like(t)
    _uniform(t.view(np.uint64), np.uint64(seed % (1 << 64)), uniform)
    return uniform * t.min(axis=1, keepdims=True) * 0.05


@numba.njit(cache=True, nogil=True)
@no_type_check
def _uniform(bits, seed, uniform):
    for w in range(len(bits)):
        state = _mix(seed)
        for k in range(bits.shape[1]):
            state = _mix(state ^ bits[w, k])
        for k in range(bits.shape[1]):
            state = state + np.uint64(0x9E3779B97F4A7C15)
            uniform[w, k] = (_mix(state) >> np.uint64(11)) * 2.0**-53


@numba.njit(cache=True, nogil=True)
@no_type_check
def _mix(z):
    """SplitMix64's mixing of 64 bits (Steele, Lea and Flood 2014)."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@numba.njit(cache=True, nogil=True)
@no_type_check  # the tests' shape checker cannot wrap what numba compiles
def _sieve(target, first, known, cap, weights, steps, prefix, spikes):
    n_bins = target.shape[1]
    n_ends = len(range(n_bins + FIRST_END, END_AT * n_bins, END_STEP))
    most = 1 + n_bins - prefix + n_ends
    node = np.empty(most, np.int64)
    score = np.empty(most)
    for w in range(len(target)):
        n_fixed = 1 if known[w] >= 0 else 0
        n = n_fixed
        if n_fixed:
            node[0] = known[w]
        for k in range(prefix, n_bins):
            node[n] = k
            score[n] = first[w, k]
            n += 1
        for i in range(n_ends):
            node[n] = n_bins + FIRST_END + END_STEP * i
            score[n] = -i
            n += 1
        on = _sieve_window(target[w], cap[w], weights, steps, node[:n], score[:n], n_fixed)
        for i in range(n_fixed, n):
            if on[i] and node[i] < n_bins:
                spikes[w, node[i] - prefix] = True


@numba.njit(cache=True, nogil=True)
@no_type_check
def _sieve_window(target, cap, weights, steps, node, score, n_fixed):
    """Return which nodes stay on; ``score`` is overwritten. The first ``n_fixed`` always stay."""
    n = len(node)
    on = np.ones(n, np.bool_)
    before = np.arange(-1, n - 1)  # neighbours still on, as a linked list
    behind = np.arange(1, n + 1)
    behind[n - 1] = -1
    removed = True
    while removed:
        removed = False
        left_on = np.flatnonzero(on)[n_fixed:]
        for i in left_on[np.argsort(-score[left_on], kind="mergesort")]:
            l, r = before[i], behind[i]  # noqa: E741 - left and right, as in the published text
            at_left = node[l] if l >= 0 else -1
            at_right = node[r] if r >= 0 else -1
            gain, length = _benefit(target, cap, weights, steps, node[i], at_left, at_right)
            if gain > 0:
                on[i] = False
                removed = True
                if l >= 0:
                    behind[l] = r
                if r >= 0:
                    before[r] = l
            else:
                score[i] = gain / length if length > 0 else -np.inf
    return on


@numba.njit(cache=True, nogil=True)
@no_type_check
def _benefit(target, cap, weights, steps, n, left, right):
    """Return how much better the bins fit without a spike at ``n``, and how many bins it serves.

    ``left``, ``right``: its neighbours, -1 where there is none.
    """
    n_bins, reach = len(target), len(steps) - 1
    lo = 0 if left < 0 else (n + left + 1) // 2
    hi = n_bins if right < 0 else min(1 + (n + right) // 2, n_bins)
    now, after = 0.0, 0.0
    for k in range(lo, hi):
        error = min(steps[min(abs(k - n), reach)], cap[k]) - target[k]
        now += weights[k] * (error * error)
        distance = reach
        if left >= 0:
            distance = min(distance, k - left)
        if right >= 0:
            distance = min(distance, right - k)
        error = min(steps[distance], cap[k]) - target[k]
        after += weights[k] * (error * error)
    return now - after, max(hi - lo, 0)

"""From spikes to distances: for each bin, how far the nearest spike is (Doran et al., ICML 2024).

All in linear time: one walk from left to right, one back. Distances are in bins.
"""

from typing import Any, NamedTuple, no_type_check

import numba
import numpy as np
from jaxtyping import Float32, Int32, Integer

from spikesieve.errors import InputError

#: Index that stands for "no spike on this side": further away than any recording is long.
FAR = 1 << 30


class NearestSpikes(NamedTuple):
    """For each bin the index of the last spike at or before it, and of the first at or after it.

    ``-FAR`` and ``FAR`` where there is none.
    """

    previous: Int32[np.ndarray, "bin"]
    following: Int32[np.ndarray, "bin"]


def spike_distance(
    spikes: Any, *, max_distance: float, minimum: float = 0.25
) -> Float32[np.ndarray, "bin"]:
    """Return the distance of each bin to the nearest spike, before or after it.

    Parameters
    ----------
    spikes : spike counts ``(bins,)`` of one unit; whole numbers or booleans.
    max_distance : in bins; all distances are clamped to it. Where no spike is, all are equal to it.
    minimum : the distance in a spike's own bin, so that its logarithm exists (0.25 in the paper).

    Raises
    ------
    InputError
        The counts are not one row of whole numbers >= 0, ``max_distance < 1``, or ``minimum`` is
        not within (0, 1).
    """
    counts = _check_counts(spikes)
    _check_range(max_distance, minimum)
    distance = np.empty(len(counts), np.float32)
    _fill_distance(counts, np.float32(max_distance), np.float32(minimum), distance)
    return distance


def nearest_spikes(spikes: Any) -> NearestSpikes:
    """Return where the spikes on both sides of each bin are. Counts and errors as above."""
    counts = _check_counts(spikes)
    previous, following = np.empty((2, len(counts)), np.int32)
    _fill_nearest(counts, previous, following)
    return NearestSpikes(previous, following)


def future_distance(
    previous: Int32[np.ndarray, "bin"],
    following: Int32[np.ndarray, "bin"],
    now: Integer[np.ndarray, "window"],
    *,
    prefix: int,
    n_bins: int,
    max_distance: float,
    minimum: float = 0.25,
) -> Float32[np.ndarray, "window step"]:
    """Return what a network learns: distances to the spikes at or after each window's ``now``.

    Earlier spikes are in the network's input, so they don't count. A bin before ``now`` has its
    distance to the first spike from ``now`` on; spikes after the window's end count.

    Parameters
    ----------
    previous, following : as ``nearest_spikes`` returns them.
    now : bins of the recording, one a window, which has ``[now - prefix, now - prefix + n_bins)``.
    max_distance, minimum : as in ``spike_distance``. Distances are linear: no logarithm is taken.

    Raises
    ------
    InputError
        A window reaches beyond the recording, holds no bin from ``now`` on, or a number is out of
        range.
    """
    _check_range(max_distance, minimum)
    if not 0 <= prefix < n_bins:
        raise InputError(f"prefix {prefix} of {n_bins} bins", allowed="0 to n_bins - 1")
    now = np.ascontiguousarray(now, dtype=np.int64)
    outside = (now < prefix) | (now - prefix + n_bins > len(following))
    if outside.any():
        window = int(np.argmax(outside))
        first = now[window] - prefix
        raise InputError(
            f"window {window} covers bins {first} to {first + n_bins - 1}",
            allowed=f"bins of the recording, 0 to {len(following) - 1}",
            fix="leave out windows at the edges, or take shorter ones",
        )
    distance = np.empty((len(now), n_bins), np.float32)
    limits = np.float32(max_distance), np.float32(minimum)
    _fill_future(previous, following, now, prefix, *limits, distance)
    return distance


def _check_counts(spikes: Any) -> np.ndarray:
    counts = np.asarray(spikes)
    if counts.ndim != 1 or counts.dtype.kind not in "buif":
        problem = f"spike counts of shape {counts.shape} and type {counts.dtype}"
        raise InputError(problem, allowed="one row of numbers, (bins,)", fix="hand in unit by unit")
    if counts.dtype.kind in "bu":
        return np.ascontiguousarray(counts)
    with np.errstate(invalid="ignore"):
        whole = counts == np.floor(counts)
        bad = ~((counts >= 0) & (counts < np.inf) & whole)  # "not" also catches NaN
    if bad.any():
        k = int(np.argmax(bad))
        raise InputError(f"the spike count of bin {k} is {counts[k]}", allowed="0, 1, 2, ...")
    return np.ascontiguousarray(counts)


def _check_range(max_distance: float, minimum: float) -> None:
    if not 1 <= max_distance < FAR:
        raise InputError(f"max_distance {max_distance}", allowed=f"1 to {FAR - 1} bins")
    if not 0 < minimum < 1:
        problem = f"minimum {minimum}: the distance in a spike's own bin"
        raise InputError(problem, allowed="between 0 and 1 (both left out)")


@numba.njit(cache=True, nogil=True)
@no_type_check  # the tests' shape checker cannot wrap what numba compiles
def _fill_distance(counts, max_distance, minimum, distance):
    gap = FAR
    for k in range(len(counts)):
        gap = 0 if counts[k] > 0 else gap + 1
        distance[k] = min(np.float32(gap), max_distance)
    gap = FAR
    for k in range(len(counts) - 1, -1, -1):
        gap = 0 if counts[k] > 0 else gap + 1
        distance[k] = minimum if gap == 0 else min(distance[k], np.float32(gap))


@numba.njit(cache=True, nogil=True)
@no_type_check
def _fill_nearest(counts, previous, following):
    last = -FAR
    for k in range(len(counts)):
        if counts[k] > 0:
            last = k
        previous[k] = last
    last = FAR
    for k in range(len(counts) - 1, -1, -1):
        if counts[k] > 0:
            last = k
        following[k] = last


@numba.njit(cache=True, nogil=True)
@no_type_check
def _fill_future(previous, following, now, prefix, max_distance, minimum, distance):
    n_bins = distance.shape[1]
    for w in range(len(now)):
        origin = now[w] - prefix
        first = following[now[w]]
        for k in range(n_bins):
            b = origin + k
            if k < prefix:
                d = first - b
            else:
                d = following[b] - b
                if previous[b] >= now[w]:
                    d = min(d, b - previous[b])
            distance[w, k] = minimum if d == 0 else min(np.float32(d), max_distance)

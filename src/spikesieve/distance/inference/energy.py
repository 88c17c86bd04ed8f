"""What all methods on distances minimise: how far a placement's distances are from the predicted.

For spikes S the energy is ``sum_k w[k] (g(min(d_S(k), cap[k])) - g(t[k]))^2``: ``t`` the predicted
distances, ``d_S`` those to the nearest spike of S, ``g`` the identity or the logarithm.
"""

from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float64, Int64

#: Distance in a spike's own bin.
MINIMUM = 0.25


def default_weights(n_bins: int) -> Float64[np.ndarray, "bin"]:
    """Return 1 falling to 0.3: what is far ahead is known less well."""
    return np.array([1 - 0.7 * k / n_bins for k in range(n_bins)])


def transformed(distance: np.ndarray, space: str) -> np.ndarray:
    """Return ``g(distance)``."""
    return np.log(distance) if space == "log" else distance


def steps(max_distance: float, space: str) -> Float64[np.ndarray, "step"]:
    """Return ``g`` of the distances 0, 1, 2, ... bins, the last one being the clamp."""
    n_steps = int(np.ceil(max_distance)) + 1
    distance = np.minimum(np.arange(n_steps, dtype=np.float64), max_distance)
    distance[0] = MINIMUM
    return transformed(distance, space)


def caps(
    known: Int64[np.ndarray, "window"], n_bins: int, max_distance: float, space: str
) -> Float64[np.ndarray, "window bin"]:
    """Return ``g`` of the largest distance each bin can have, given the last known spike."""
    k = np.arange(n_bins)
    gap = (k - known[:, None]).astype(np.float64)
    inside = np.where(gap == 0, MINIMUM, np.abs(gap))
    cap = np.where(known[:, None] >= 0, inside, gap + MINIMUM)
    return transformed(np.minimum(cap, max_distance), space)


def refractory_filter(spikes: np.ndarray, known: np.ndarray, refractory: int) -> None:
    """Drop, in place and from left to right, each spike within ``refractory`` bins of the last.

    ``spikes``: bool ``(window, bin)``. ``known``: last spike before them, as index of these bins.
    """
    if refractory > 0:
        _drop(spikes, known, refractory)


@numba.njit(cache=True, nogil=True)
@no_type_check
def _drop(spikes, known, refractory):
    for w in range(len(spikes)):
        last = known[w]
        for k in range(spikes.shape[1]):
            if spikes[w, k]:
                if k - last <= refractory:
                    spikes[w, k] = False
                else:
                    last = k

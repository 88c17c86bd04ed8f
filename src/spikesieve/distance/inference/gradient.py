"""Spikes moved by gradient descent on the energy, from a first placement. Kept for comparison.

The number of spikes is that of the first placement: a descent can move spikes, but neither add
nor remove one, other than by moving it out of the window or onto another.
"""

import numpy as np
from jaxtyping import Bool, Float64

from spikesieve.distance.inference.em import em
from spikesieve.distance.inference.energy import (
    MINIMUM,
    caps,
    default_weights,
    refractory_filter,
    transformed,
)
from spikesieve.distance.inference.windows import Windows
from spikesieve.errors import InputError

INITIAL = ("em", "equal")
#: Part of a Gauss-Newton step that is taken first; it falls to 0, so that spikes come to rest.
RATE = 0.5
_CELLS_AT_ONCE = 1 << 21


def gradient(
    windows: Windows, *, initial: str = "em", n_steps: int = 60
) -> Bool[np.ndarray, "window inferred"]:
    """Return where the spikes of a first placement come to rest.

    ``initial``: ``"em"``, or ``"equal"``: equally spaced, as many as a Poisson train of these
    mean distance has (half its mean interval). One more spike, as far beyond the end as the last
    bin's distance says, explains the last bins.

    Raises
    ------
    InputError
        ``initial`` is not one of the two, or ``n_steps`` is negative.
    """
    if initial not in INITIAL:
        raise InputError(f"initial {initial!r}", allowed=", ".join(INITIAL))
    if n_steps < 0:
        raise InputError(f"n_steps {n_steps}", allowed="0 or more")
    n_windows, n_bins = windows.distance.shape
    spikes = em(windows) if initial == "em" else _equal(windows)
    x = _positions(spikes, windows)
    cap = caps(windows.known, n_bins, windows.max_distance, "linear")
    at_once = max(1, _CELLS_AT_ONCE // (n_bins * x.shape[1]))
    for first in range(0, n_windows, at_once):
        some = slice(first, first + at_once)
        x[some] = _descend(x[some], windows.distance[some], cap[some], windows, n_steps)
    return _placed(x, windows)


def _equal(windows: Windows) -> Bool[np.ndarray, "window inferred"]:
    n_bins = windows.distance.shape[1] - windows.prefix
    n_spikes = np.rint(n_bins / (2 * windows.distance.mean(axis=1))).clip(0, n_bins)
    # A spike in the middle of each of n equal parts: there (i + 0.5) n / n_bins passes n + 0.5.
    passed = np.floor(np.arange(n_bins + 1) * n_spikes[:, None] / n_bins + 0.5)
    return np.diff(passed, axis=1) > 0


def _positions(spikes: np.ndarray, windows: Windows) -> Float64[np.ndarray, "window spike"]:
    """Return positions within the windows, the one beyond the end last, infinity where no more."""
    n_bins = windows.distance.shape[1]
    n_spikes = spikes.sum(axis=1)
    x = np.full((len(spikes), int(n_spikes.max(initial=0)) + 1), np.inf)
    window, k = np.nonzero(spikes)
    rank = (np.cumsum(spikes, axis=1) - 1)[window, k]
    x[window, rank] = k + windows.prefix
    x[np.arange(len(x)), n_spikes] = n_bins - 1 + np.maximum(windows.distance[:, -1], 1)
    return x


def _descend(x, distance, cap, windows: Windows, n_steps: int) -> Float64[np.ndarray, "w spike"]:
    """Move each spike along its gradient, scaled by the curvature of the bins it is nearest to."""
    n_windows, n_bins = distance.shape
    n_slots = x.shape[1]
    in_log = windows.space == "log"
    weights, target = default_weights(n_bins), transformed(distance, windows.space)
    k = np.arange(n_bins)[:, None]
    slot = np.arange(n_windows)[:, None] * n_slots
    for step in range(n_steps):
        gap = k - x[:, None, :]
        nearest = np.abs(gap).argmin(axis=2)
        gap = np.take_along_axis(gap, nearest[:, :, None], axis=2)[:, :, 0]
        d = np.clip(np.abs(gap), MINIMUM, cap)
        slope = np.where(d == np.abs(gap), 1 / d if in_log else 1.0, 0)
        error = transformed(d, windows.space) - target
        totals = [
            np.bincount((slot + nearest).ravel(), part.ravel(), minlength=x.size).reshape(x.shape)
            for part in (-weights * error * slope * np.sign(gap), weights * slope**2)
        ]
        move = totals[0] / np.where(totals[1] > 0, totals[1], 1)
        x = np.maximum(x - RATE * (1 - step / n_steps) * move, windows.prefix)
    return x


def _placed(x: np.ndarray, windows: Windows) -> Bool[np.ndarray, "window inferred"]:
    n_bins = windows.distance.shape[1]
    spikes = np.zeros((len(x), n_bins - windows.prefix), bool)
    inside = x < n_bins - 0.5
    window = np.nonzero(inside)[0]
    k = np.rint(x[inside]).astype(np.int64) - windows.prefix
    spikes[window, k] = True
    refractory_filter(spikes, windows.known - windows.prefix, windows.refractory)
    return spikes

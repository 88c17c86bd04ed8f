"""Spikes where the integrated hazard crosses whole numbers: a deterministic, strong baseline.

In expectation a unit fires once each time its hazard has added up to one (the time rescaling
theorem: Brown, Barbieri, Ventura, Kass and Frank 2002, Neural Computation 14:325).
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from spikesieve.distance.inference.energy import refractory_filter
from spikesieve.distance.inference.windows import Windows, check_hazard
from spikesieve.errors import InputError


def cumulative(windows: Windows, *, carried: Any = 0.5) -> Bool[np.ndarray, "window inferred"]:
    """Return a spike in each bin where ``floor(carried + hazard up to and with it)`` rises.

    ``carried``: what earlier bins have added up to since the last crossing, within [0, 1); a
    number or one a window. With 0.5 windows taken one by one hold the right number of spikes on
    average; in a rollout ``carry_on`` says what a window hands to the next.
    """
    total = _add_up(windows.hazard, carried)
    spikes = np.diff(np.floor(total), axis=1) > 0
    refractory_filter(spikes, windows.known - windows.prefix, windows.refractory)
    return spikes


def carry_on(hazard: Any, carried: Any = 0.5, *, n_bins: int) -> Float64[np.ndarray, "window"]:
    """Return the carried value after the first ``n_bins`` bins were used.

    Hazard ``(windows, bins)`` and ``carried`` as in ``cumulative``.

    Raises
    ------
    InputError
        A hazard outside [0, 1], a carried value outside [0, 1), or more bins than there are.
    """
    hazard = check_hazard(hazard)
    if not 0 <= n_bins <= hazard.shape[1]:
        raise InputError(f"n_bins {n_bins}", allowed=f"0 to the window's {hazard.shape[1]}")
    total = _add_up(hazard, carried)[:, n_bins]
    return total - np.floor(total)


def _add_up(hazard: np.ndarray, carried: Any) -> Float64[np.ndarray, "window edge"]:
    n_windows, n_bins = hazard.shape
    carried = np.asarray(carried, dtype=np.float64)
    if carried.shape not in ((), (n_windows,)):
        raise InputError(f"carried of shape {carried.shape}", allowed=f"() or ({n_windows},)")
    if not ((carried >= 0) & (carried < 1)).all():
        raise InputError("a carried value is out of range", allowed="0 or more, below 1")
    total = np.empty((n_windows, n_bins + 1))
    total[:, 0] = carried
    total[:, 1:] = hazard
    return np.cumsum(total, axis=1, out=total)

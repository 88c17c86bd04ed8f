"""What every method is handed: checked windows of predictions, and the known past."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from spikesieve.errors import InputError

#: Index of the last known spike in a window where none is known: too far away to matter.
UNKNOWN = -(1 << 30)

SPACES = ("linear", "log")


class Windows(NamedTuple):
    """Predictions of many windows, checked. Index ``prefix`` of a window is the bin at "now".

    ``distance``: linear, in bins. ``hazard``: chance of a spike in each bin from "now" on.
    ``known``: index of the last known spike within the window (negative before it), or ``UNKNOWN``.
    """

    distance: Float64[np.ndarray, "window bin"] | None
    hazard: Float64[np.ndarray, "window inferred"] | None
    known: Int64[np.ndarray, "window"] | None
    prefix: int
    max_distance: float
    refractory: int
    space: str
    n_threads: int | None


def check_windows(
    distance: Any,
    hazard: Any,
    last_spike: Any,
    *,
    prefix: int,
    max_distance: float,
    refractory: int,
    space: str,
    n_threads: int | None,
) -> Windows:
    """Return the windows as double precision; raise ``InputError`` as ``infer_spikes`` says."""
    if space not in SPACES:
        raise InputError(f"space {space!r}", allowed=", ".join(SPACES))
    if refractory < 0:
        raise InputError(f"refractory {refractory}", allowed="whole bins, 0 or more")
    if not 1 <= max_distance < -UNKNOWN:
        raise InputError(f"max_distance {max_distance}", allowed="1 bin or more")
    if prefix < 0:
        raise InputError(f"prefix {prefix}", allowed="0 or more bins")
    if distance is not None:
        distance = _check_distance(distance)
        if prefix >= distance.shape[1]:
            problem = f"a prefix of {prefix} bins in windows of {distance.shape[1]}"
            raise InputError(problem, allowed="fewer than the window's bins")
    if hazard is not None:
        hazard = check_hazard(hazard)
        _check_same(hazard, distance, prefix)
    n = next((len(given) for given in (distance, hazard) if given is not None), None)
    known = None if n is None else _known(last_spike, n, prefix)
    return Windows(distance, hazard, known, prefix, max_distance, int(refractory), space, n_threads)


def check_hazard(hazard: Any) -> Float64[np.ndarray, "window inferred"]:
    """Return hazards as double precision; each has to be a chance, within [0, 1]."""
    hazard = check_table(hazard, "hazard", "(windows, bins from now on)")
    bad = ~((hazard >= 0) & (hazard <= 1))  # "not" also catches NaN
    if bad.any():
        window, k = first_true(bad)
        problem = f"the hazard of window {window}, bin {k} is {hazard[window, k]}"
        raise InputError(problem, allowed="a chance of a spike, 0 to 1")
    return hazard


def check_table(given: Any, name: str, shape: str) -> Float64[np.ndarray, "window bin"]:
    """Return two-dimensional numbers as contiguous double precision."""
    table = np.asarray(given)
    if table.ndim != 2 or table.dtype.kind not in "buif":
        problem = f"{name} of shape {table.shape} and type {table.dtype}"
        raise InputError(problem, allowed=f"numbers, {shape}")
    return np.ascontiguousarray(table, dtype=np.float64)


def first_true(table: np.ndarray) -> tuple[int, ...]:
    """Return where the first True is."""
    return tuple(int(i) for i in np.unravel_index(np.argmax(table), table.shape))


def _check_distance(given: Any) -> np.ndarray:
    distance = check_table(given, "distance", "(windows, bins)")
    bad = ~((distance > 0) & (distance < np.inf))  # "not" also catches NaN
    if bad.any():
        window, k = first_true(bad)
        problem = f"the predicted distance of window {window}, bin {k} is {distance[window, k]}"
        fix = "hand in linear distances: of a network that predicts logarithms, the exponential"
        raise InputError(problem, allowed="finite, above 0", fix=fix)
    return distance


def _check_same(hazard: np.ndarray, distance: np.ndarray | None, prefix: int) -> None:
    if distance is None:
        return
    expected = len(distance), distance.shape[1] - prefix
    if hazard.shape != expected:
        problem = f"hazard of shape {hazard.shape} beside distances of shape {distance.shape}"
        raise InputError(problem, allowed=f"{expected}: bins from now on, without the prefix")


def _known(last_spike: Any, n_windows: int, prefix: int) -> Int64[np.ndarray, "window"]:
    if last_spike is None:
        return np.full(n_windows, UNKNOWN, np.int64)
    last = np.asarray(last_spike)
    if last.dtype.kind not in "iu" or last.shape not in ((), (n_windows,)):
        problem = f"last_spike of shape {last.shape} and type {last.dtype}"
        raise InputError(problem, allowed=f"whole numbers, ({n_windows},), or one for all windows")
    last = np.broadcast_to(last.astype(np.int64), n_windows)
    if (last > 0).any():
        window = int(np.argmax(last > 0))
        raise InputError(
            f"last_spike of window {window} is {last[window]}: a spike that is still to come",
            allowed="-1 (the bin just before now) or less, 0 where none is known",
        )
    return np.where(last == 0, UNKNOWN, np.maximum(last + prefix, UNKNOWN))

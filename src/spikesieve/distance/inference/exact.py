"""The placement of spikes that minimises the energy, by dynamic programming; also with a prior.

Between two consecutive spikes each bin belongs to the nearer one, so the energy is a sum over
pairs of neighbours, and the best placement up to a spike holds the best one up to its
predecessor (Bellman 1957).
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from spikesieve.distance.inference import dynamic
from spikesieve.distance.inference.batches import over_windows
from spikesieve.distance.inference.energy import caps, default_weights, steps, transformed
from spikesieve.distance.inference.windows import UNKNOWN, Windows, first_true
from spikesieve.errors import InputError, suggest

LOSSES = {"square": dynamic.SQUARE, "absolute": dynamic.ABSOLUTE}

#: Hazards are kept this far from 0 and 1, so that a sure one costs much rather than infinity.
SUREST = 1e-6

#: Logarithm of the largest factor that distances are lowered, or raised, by.
MOST_LOWERED = 50.0


def exact(
    windows: Windows,
    *,
    loss: Any = "square",
    penalty: Any = 0.0,
    weights: Any = None,
    variance: Any = None,
    hazard_weight: float = 0.0,
    capped: bool | None = None,
) -> Bool[np.ndarray, "window inferred"]:
    """Return the spikes S of least ``sum_k w[k] loss(min(d_S(k), cap[k]), t[k]) + cost of S``.

    No two spikes are within ``refractory`` bins of each other or of the known last one. Spikes
    beyond the window's end are free: they only explain its last bins.

    Parameters
    ----------
    loss : ``"square"`` or ``"absolute"`` difference, both in ``space``; or a table ``(windows,
        bins, distances)``: the cost of each bin if its distance is 0 (the spike's own bin), 1, 2,
        ... bins, up to the clamp ``ceil(max_distance)``. A table has nothing to do with ``space``
        and the predicted distances, and weights are 1 unless given.
    penalty : cost of each spike, a number or one a window; a negative one yields more spikes.
    weights : ``(bins,)`` or ``(windows, bins)``, 0 or more. Default: 1 falling to 0.3.
    variance : predicted variance of ``g(t)``, a number, ``(bins,)`` or ``(windows, bins)``; the
        weights are divided by twice this, and are 1 unless given.
    hazard_weight : each spike costs this times ``-log h + log(1 - h)``, with h the hazard of
        its bin (the log-odds of a spike against none). 0: the hazard isn't used.
    capped : True: a bin's distance is at most that to the known last spike, as in ``em``. False:
        past spikes don't count, which fits predictions that learnt distances to future spikes
        only. Default: True in linear space, False in log space.

    Raises
    ------
    InputError
        A loss that isn't there; shapes that don't fit; NaN, or a variance that isn't above 0; no
        hazard although its weight isn't 0.
    """
    code, table = _loss(loss, windows)
    capped = windows.space == "linear" if capped is None else capped
    n_windows, n_bins = windows.distance.shape
    past = windows.known if capped else np.full_like(windows.known, UNKNOWN)
    cap = caps(past, n_bins, windows.max_distance, windows.space)
    if code == dynamic.TABLE:  # a cap is a column of the table, so it needs whole bins
        farthest = table.shape[2] - 1
        cap = np.minimum(np.abs(np.arange(n_bins) - past[:, None]), farthest).astype(np.float64)
    per_spike = _spike_costs(windows, penalty, hazard_weight)
    filled = _weights(windows, weights, variance, code)
    target = transformed(windows.distance, windows.space)
    distances = steps(windows.max_distance, windows.space)
    spikes = np.zeros((n_windows, n_bins - windows.prefix), bool)

    def run(some: slice) -> None:
        costs = dynamic.Costs(code, target[some], cap[some], filled[some], distances, table[some])
        limits = windows.known[some], windows.prefix, windows.refractory + 1
        dynamic.place(costs, per_spike[some], *limits, spikes[some])

    over_windows(run, n_windows, windows.n_threads)
    return spikes


def joint(
    windows: Windows,
    *,
    lowered: Any = 0.0,
    penalty: Any = 0.0,
    weights: Any = None,
    variance: Any = None,
    weigh_by_variance: bool = False,
    hazard_weight: float = 1.0,
) -> Bool[np.ndarray, "window inferred"]:
    """Decode distance, its variance and hazard together: ``exact`` in log space, with a prior.

    A network trained on squares predicts the mean of what may come, and where spikes are uncertain
    no placement is as far from all bins as that mean: the least energy then holds too few. So the
    target is a lower quantile: ``lowered`` standard deviations below the predicted log distance.
    That brings the number of spikes right; a negative ``penalty`` would too, but by filling whole
    windows.

    Parameters
    ----------
    lowered : a number, or one a window.
    variance : predicted variance of the log distance, as in ``exact``; 1 everywhere where None.
    weigh_by_variance : also divide the weights by twice the variance.
    others : as in ``exact``, and so are the errors.
    """
    lowered = np.asarray(lowered, dtype=np.float64)
    n_windows = len(windows.distance)
    if lowered.shape not in ((), (n_windows,)):
        raise InputError(f"lowered of shape {lowered.shape}", allowed=f"() or ({n_windows},)")
    _check_finite(lowered, "lowered")
    spread = 1.0 if variance is None else np.sqrt(_variance(variance, windows.distance.shape))
    # Bounded: what is beyond the clamp, or under the least distance, is so whatever its size.
    factor = np.exp(np.clip(-lowered[..., None] * spread, -MOST_LOWERED, MOST_LOWERED))
    target = windows.distance * factor
    return exact(
        windows._replace(space="log", distance=np.ascontiguousarray(target)),
        penalty=penalty,
        weights=weights,
        variance=variance if weigh_by_variance else None,
        hazard_weight=hazard_weight,
    )


def _loss(loss: Any, windows: Windows) -> tuple[int, Float64[np.ndarray, "w b d"]]:
    if isinstance(loss, str):
        if loss not in LOSSES:
            problem = f"loss {loss!r}{suggest(loss, list(LOSSES))}"
            raise InputError(problem, allowed=f"{', '.join(LOSSES)} or a table of costs")
        return LOSSES[loss], np.empty((len(windows.distance), 0, 0))
    table = np.ascontiguousarray(loss, dtype=np.float64)
    expected = *windows.distance.shape, int(np.ceil(windows.max_distance)) + 1
    if table.shape != expected:
        problem = f"a table of costs of shape {table.shape}"
        raise InputError(problem, allowed=f"{expected}: windows, bins, distances 0 to the clamp")
    _check_finite(table, "table of costs")
    return dynamic.TABLE, table


def _spike_costs(
    windows: Windows, penalty: Any, hazard_weight: float
) -> Float64[np.ndarray, "window inferred"]:
    n_windows, n_bins = windows.distance.shape
    penalty = np.asarray(penalty, dtype=np.float64)
    if penalty.shape not in ((), (n_windows,)):
        raise InputError(f"penalty of shape {penalty.shape}", allowed=f"() or ({n_windows},)")
    _check_finite(penalty, "penalty")
    _check_finite(np.asarray(hazard_weight, dtype=np.float64), "hazard_weight")
    cost = np.empty((n_windows, n_bins - windows.prefix))
    cost[:] = penalty[..., None]
    if hazard_weight == 0:
        return cost
    if windows.hazard is None:
        raise InputError(
            f"no hazard, although hazard_weight is {hazard_weight}",
            fix="hand in the hazard of each bin from now on, or set hazard_weight to 0",
        )
    h = np.clip(windows.hazard, SUREST, 1 - SUREST)
    return cost + hazard_weight * (np.log1p(-h) - np.log(h))


def _weights(
    windows: Windows, weights: Any, variance: Any, code: int
) -> Float64[np.ndarray, "w b"]:
    shape = windows.distance.shape
    if weights is None:
        plain = variance is not None or code == dynamic.TABLE
        weights = 1.0 if plain else default_weights(shape[1])
    weights = _spread(weights, shape, "weights")
    if (weights < 0).any():
        raise InputError("a negative weight", allowed="0 or more")
    if variance is not None:
        weights = weights / (2 * _variance(variance, shape))
    return np.ascontiguousarray(weights)


def _variance(given: Any, shape: tuple[int, int]) -> np.ndarray:
    variance = _spread(given, shape, "variance")
    if not (variance > 0).all():
        window, k = first_true(variance <= 0)
        problem = f"the variance of window {window}, bin {k} is {variance[window, k]}"
        raise InputError(problem, allowed="above 0")
    return variance


def _spread(given: Any, shape: tuple[int, int], name: str) -> np.ndarray:
    given = np.asarray(given, dtype=np.float64)
    if given.shape not in ((), shape[1:], shape):
        raise InputError(f"{name} of shape {given.shape}", allowed=f"(), {shape[1:]} or {shape}")
    _check_finite(given, name)
    return np.broadcast_to(given, shape)


def _check_finite(given: np.ndarray, name: str) -> None:
    bad = np.atleast_1d(~np.isfinite(given))
    if bad.any():
        where = first_true(bad)
        problem = f"{name}: {np.atleast_1d(given)[where]} at index {where}"
        raise InputError(problem, allowed="finite numbers")

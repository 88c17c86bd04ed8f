"""The standard benchmark of LFADS: spikes driven by a chaotic Lorenz system, rates known."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt

#: Lorenz 1963: sigma, rho, beta of the chaotic regime.
SIGMA, RHO, BETA = 10.0, 28.0, 8 / 3
_STEPS_A_BIN = 4


class Lorenz(NamedTuple):
    """Trials of all conditions; ``condition`` of each. Rates are expected counts a bin."""

    counts: UInt[np.ndarray, "trial bin unit"]
    rates: Float[np.ndarray, "trial bin unit"]
    factors: Float[np.ndarray, "trial bin 3"]
    condition: Int[np.ndarray, "trial"]


def lorenz_trials(
    seed: int,
    *,
    n_conditions: int = 65,
    n_trials: int = 20,
    n_bins: int = 100,
    n_units: int = 30,
    mean_rate_hz: float = 20.0,
    bin_s: float = 0.01,
    speed: float = 1.5,
) -> Lorenz:
    """Return Poisson counts of units whose log rates are linear in the Lorenz system's state.

    As in Sussillo et al. 2016 and Pandarinath et al. 2018: each condition is a random initial
    state, the same in all of its trials; the three coordinates have mean 0 and variance 1 over all
    conditions; each unit has random weights for them. Spikes are drawn anew for each trial.

    Parameters
    ----------
    mean_rate_hz : of each unit over all conditions. ``speed`` : time units of the system in a
        second; in one time unit it goes about once round a wing.
    """
    rng = np.random.default_rng(seed)
    state = rng.normal((0, 0, 25), 8, (n_conditions, 3))
    step = speed * bin_s / _STEPS_A_BIN
    for _ in range(round(20 / step)):  # onto the attractor
        state = _runge_kutta(state, step)
    path = np.empty((n_conditions, n_bins, 3))
    for b in range(n_bins):
        path[:, b] = state
        for _ in range(_STEPS_A_BIN):
            state = _runge_kutta(state, step)
    path = (path - path.mean(axis=(0, 1))) / path.std(axis=(0, 1))
    weights = rng.uniform(0.5, 1.0, (3, n_units)) * rng.choice([-1, 1], (3, n_units))
    rates = np.exp(path @ weights / np.sqrt(2))
    rates *= mean_rate_hz * bin_s / rates.mean(axis=(0, 1))
    condition = np.repeat(np.arange(n_conditions), n_trials)
    counts = rng.poisson(rates[condition]).astype(np.uint16)
    return Lorenz(counts, rates[condition], path[condition], condition)


def _velocity(state: np.ndarray) -> np.ndarray:
    x, y, z = np.moveaxis(state, -1, 0)
    return np.stack([SIGMA * (y - x), x * (RHO - z) - y, x * y - BETA * z], axis=-1)


def _runge_kutta(state: np.ndarray, step: float) -> np.ndarray:
    """Return the state one step later (the classical method of fourth order)."""
    first = _velocity(state)
    second = _velocity(state + step / 2 * first)
    third = _velocity(state + step / 2 * second)
    fourth = _velocity(state + step * third)
    return state + step / 6 * (first + 2 * second + 2 * third + fourth)

"""Spikes drawn from what a network predicts: from hazards, or from Poisson counts."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from spikesieve.distance.inference.energy import refractory_filter
from spikesieve.distance.inference.windows import Windows
from spikesieve.errors import InputError


def sampled(
    windows: Windows,
    *,
    expected_count: Any = None,
    count_bins: int | None = None,
    seed: int | np.random.Generator = 0,
) -> Bool[np.ndarray, "window inferred"]:
    """Return spikes drawn bin by bin with the hazard's chance, or, given counts, from those.

    Parameters
    ----------
    expected_count : ``(windows,)``, mean of a Poisson count of the first ``count_bins`` bins from
        "now" on (default: of all). The hazard isn't used then.
    seed : of the draws, or a generator, which goes on from where it is.

    Raises
    ------
    InputError
        There is neither a hazard nor a count; a count is negative or not finite; ``count_bins``
        is not within the window.
    """
    generator = np.random.default_rng(seed)
    if expected_count is not None:
        expected = _check_expected(expected_count, windows)
        width = _width(windows, count_bins)
        n_bins = width if count_bins is None else count_bins
        if not 1 <= n_bins <= width:
            raise InputError(f"count_bins {n_bins}", allowed=f"1 to the window's {width} bins")
        spikes = np.zeros((len(expected), width), bool)
        spikes[:, :n_bins] = sample_counts(expected, n_bins, generator)
    elif windows.hazard is not None:
        spikes = generator.random(windows.hazard.shape) < windows.hazard
    else:
        raise InputError(
            "method 'sampled' has nothing to draw from",
            fix="hand in hazard (windows, bins from now on) or expected_count (windows,)",
        )
    if windows.known is not None:
        refractory_filter(spikes, windows.known - windows.prefix, windows.refractory)
    return spikes


def sample_counts(
    expected_count: Float64[np.ndarray, "window"], n_bins: int, generator: np.random.Generator
) -> Bool[np.ndarray, "window n_bins"]:
    """Draw Poisson counts, and spread each over ``n_bins`` bins, at most one spike a bin."""
    n_spikes = np.minimum(generator.poisson(expected_count), n_bins)
    keys = generator.random((len(n_spikes), n_bins))
    rank = keys.argsort(axis=1).argsort(axis=1)
    return rank < n_spikes[:, None]


def _check_expected(given: Any, windows: Windows) -> Float64[np.ndarray, "window"]:
    expected = np.asarray(given, dtype=np.float64)
    n = expected.shape[:1] if windows.known is None else windows.known.shape
    if expected.ndim != 1 or expected.shape != n:
        raise InputError(f"expected_count of shape {expected.shape}", allowed="(windows,)")
    if not ((expected >= 0) & (expected < 1e9)).all():
        raise InputError("an expected count is negative, huge or NaN", allowed="0 or more")
    return expected


def _width(windows: Windows, count_bins: int | None) -> int:
    if windows.distance is not None:
        return windows.distance.shape[1] - windows.prefix
    if windows.hazard is not None:
        return windows.hazard.shape[1]
    if count_bins is None:
        raise InputError("no window to place the counts in", fix="set count_bins")
    return count_bins

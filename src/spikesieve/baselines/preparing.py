"""What every baseline does to counts before it learns from them."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Real

from spikesieve.counts import Normalisation, fit_normalisation
from spikesieve.errors import InputError
from spikesieve.smoothing import smooth

_CELLS_AT_ONCE = 1 << 22


class Preparation(NamedTuple):
    """Smoothing, then a normalisation learnt from training rows."""

    smoothing_bins: int
    scale: Normalisation

    def apply(
        self, counts: Real[np.ndarray, "bin unit"], bins: Int[np.ndarray, "bin"]
    ) -> Float[np.ndarray, "bin unit"]:
        """Return prepared counts as float32."""
        return in_pieces(self.scale.apply, smooth(counts, bins, self.smoothing_bins))

    def invert(self, x: Float[np.ndarray, "bin unit"]) -> Float[np.ndarray, "bin unit"]:
        """Return counts from normalised values; ``x`` is overwritten."""
        return in_pieces(self.scale.invert, x)


def prepare(
    counts: Real[np.ndarray, "bin unit"],
    bins: Int[np.ndarray, "bin"],
    normalisation: str,
    smoothing_bins: int,
) -> Preparation:
    """Learn the preparation from training rows.

    Raises
    ------
    InputError
        ``smoothing_bins`` is negative; the normalisation is unknown.
    """
    if smoothing_bins < 0:
        raise InputError(f"smoothing_bins {smoothing_bins}", allowed="0 or more")
    smoothed = smooth(counts, bins, smoothing_bins)
    return Preparation(smoothing_bins, fit_normalisation(smoothed, normalisation))


def number_of_components(n_components: int, shape: tuple[int, ...]) -> int:
    """Return ``n_components``, or as many as ``(bin, unit)`` allows.

    Raises
    ------
    InputError
        ``n_components`` is below 1.
    """
    if n_components < 1:
        raise InputError(f"n_components {n_components}", allowed="1 or more")
    return min(n_components, *shape)


def in_pieces(
    function: Callable[[np.ndarray], np.ndarray], x: Float[np.ndarray, "bin unit"]
) -> Float[np.ndarray, "bin unit"]:
    """Apply ``function`` in place: at 195,000 bins of 2,800 units a temporary copy is 2 GB."""
    step = max(1, _CELLS_AT_ONCE // max(x.shape[1], 1))
    for first in range(0, len(x), step):
        x[first : first + step] = function(x[first : first + step])
    return x

"""What every baseline does to counts before it learns from them."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Real

from spikesieve.counts import Normalisation, fit_normalisation
from spikesieve.errors import InputError
from spikesieve.smoothing import smooth, smooth_gaussian

_CELLS_AT_ONCE = 1 << 22


class Preparation(NamedTuple):
    """Smoothing, then a normalisation learnt from training rows."""

    smoothing_bins: int
    scale: Normalisation
    smoothing: float = 0.0

    def apply(
        self, counts: Real[np.ndarray, "bin unit"], bins: Int[np.ndarray, "bin"]
    ) -> Float[np.ndarray, "bin unit"]:
        """Return prepared counts as float32."""
        return in_pieces(self.scale.apply, self._smooth(counts, bins))

    def invert(self, x: Float[np.ndarray, "bin unit"]) -> Float[np.ndarray, "bin unit"]:
        """Return counts from normalised values; ``x`` is overwritten."""
        return in_pieces(self.scale.invert, x)

    def _smooth(self, counts, bins):
        averaged = smooth(counts, bins, self.smoothing_bins)
        return smooth_gaussian(averaged, bins, self.smoothing) if self.smoothing else averaged


def prepare(
    counts: Real[np.ndarray, "bin unit"],
    bins: Int[np.ndarray, "bin"],
    normalisation: str,
    smoothing_bins: int,
    smoothing: float = 0.0,
) -> Preparation:
    """Learn the preparation from training rows.

    Parameters
    ----------
    smoothing_bins : half-width of a moving average in front, in bins. ``smoothing`` : standard
        deviation of a Gaussian in front, in bins, as autoencoders have it; 0 for none.

    Raises
    ------
    InputError
        ``smoothing_bins`` or ``smoothing`` is negative; the normalisation is unknown.
    """
    for name, value in (("smoothing_bins", smoothing_bins), ("smoothing", smoothing)):
        if value < 0:
            raise InputError(f"{name} {value}", allowed="0 or more")
    plain = Preparation(smoothing_bins, fit_normalisation(counts[:0], "none"), smoothing)
    learnt = fit_normalisation(plain._smooth(counts, bins), normalisation)
    return plain._replace(scale=learnt)


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

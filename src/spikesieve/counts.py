"""Spike counts: exact bins, contiguous splits, normalisations that learn from training rows."""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple, no_type_check

import numba
import numpy as np
from jaxtyping import Bool, Float, Integer, Shaped, UInt

from spikesieve.errors import InputError

#: Values of the ``split`` column: three blocks to learn and judge on, and two that nobody uses.
SPLITS = ("train", "validation", "test")
GAP, MASKED = "gap", "invalid"

NORMALISATIONS = ("none", "max_recording", "max_unit", "sqrt_centred")


def exact_bin(bin_s: float) -> tuple[float, float]:
    """Return ``(numerator, denominator)`` such that edge ``k`` is ``k * numerator / denominator``.

    0.05 is no binary number: ``3 * 0.05`` is above 0.15, and a spike at 0.15 s would fall into
    bin 2. As 3 * 1 / 20 it is the double nearest to 0.15. A width that is no simple fraction of
    a second (18 samples at 17852.77 Hz) is used as it is.
    """
    fraction = Fraction(bin_s).limit_denominator(1_000_000)
    if float(fraction) == bin_s:
        return float(fraction.numerator), float(fraction.denominator)
    return bin_s, 1.0


def bin_edges(n_bins: int, bin_s: float) -> Float[np.ndarray, "edge"]:
    """Return the ``n_bins + 1`` edges in seconds; bin ``k`` is ``[edge[k], edge[k + 1])``."""
    numerator, denominator = exact_bin(bin_s)
    return np.arange(n_bins + 1) * numerator / denominator


def number_of_bins(duration_s: float, bin_s: float) -> int:
    """Return how many whole bins fit; a last bin that the recording cuts short is left out."""
    guess = int(duration_s / bin_s) + 1
    return int(np.searchsorted(bin_edges(guess, bin_s), duration_s, side="right")) - 1


def bin_spikes(
    time_s: Float[np.ndarray, "spike"],
    unit_index: Integer[np.ndarray, "spike"],
    *,
    n_units: int,
    bin_s: float,
    duration_s: float,
) -> UInt[np.ndarray, "bin unit"]:
    """Count spikes in half-open bins ``[k * bin_s, (k + 1) * bin_s)``.

    Parameters
    ----------
    time_s : spike times in seconds, ascending, within ``[0, duration_s)``.
    unit_index : for each spike, the column that counts it, in ``[0, n_units)``.
    bin_s : bin width in seconds. ``duration_s`` : only whole bins up to here are made.

    Returns
    -------
    Counts of the smallest unsigned type that holds them. Column sums equal the spikes of each
    unit inside the window of whole bins.

    Raises
    ------
    InputError
        A time is negative, not finite or out of order; an index is out of range; the two are
        not equally many.
    """
    if len(time_s) != len(unit_index):
        raise InputError(f"{len(time_s)} times, but {len(unit_index)} unit indices")
    n_bins = number_of_bins(duration_s, bin_s)
    time_s = np.ascontiguousarray(time_s, dtype=np.float64)
    unit_index = np.ascontiguousarray(unit_index)
    return count_block(time_s, unit_index, 0, n_bins, n_units, bin_s)


def count_block(time_s, unit_index, first_bin, n_bins, n_units, bin_s) -> UInt[np.ndarray, "b u"]:
    """Count the spikes of bins ``[first_bin, first_bin + n_bins)``; others must not be handed in
    from before the block, and spikes after it are left out. Types and errors as ``bin_spikes``.
    """
    for kind in (np.uint8, np.uint16, np.uint32):
        counts = np.zeros((n_bins, n_units), dtype=kind)
        status = _count(
            time_s, unit_index, first_bin, *exact_bin(bin_s), np.iinfo(kind).max, counts
        )
        if status == _FITS:
            return counts
        if status != _OVERFLOWS:
            break
    raise InputError(
        f"spike {status}: time {time_s[status]} s, unit index {unit_index[status]}",
        allowed=f"finite, ascending times from the first bin on, indices in [0, {n_units})",
        fix="sort the spikes by time and check them against the unit table",
    )


_FITS, _OVERFLOWS = -1, -2


@numba.njit(cache=True, nogil=True)
@no_type_check  # the tests' shape checker cannot wrap what numba compiles
def _count(time_s, unit_index, first_bin, numerator, denominator, largest, counts):
    """Walk the sorted spikes once, moving the current bin's right edge along with them.

    The row being filled stays in the processor's nearest cache and no spike needs a division:
    this is why sorting by time (the contract of spikes.parquet) pays.
    """
    n_bins, n_units = counts.shape
    row = 0
    left = first_bin * numerator / denominator
    right = (first_bin + 1) * numerator / denominator
    last = left
    for i in range(len(time_s)):
        t, u = time_s[i], unit_index[i]
        if not (t >= last) or u < 0 or u >= n_units:  # "not >=" also catches NaN
            return i
        last = t
        while t >= right and row < n_bins:
            row += 1
            right = (first_bin + row + 1) * numerator / denominator
        if row >= n_bins:
            return _FITS
        if counts[row, u] == largest:
            return _OVERFLOWS
        counts[row, u] += 1
    return _FITS


def split_bins(
    n_bins: int,
    blocks: Sequence[Sequence[str | float]],
    gap_bins: int,
    valid: Bool[np.ndarray, "bin"],
) -> Shaped[np.ndarray, "bin"]:
    """Name the split of each bin: contiguous blocks in the order given, never shuffled rows.

    Parameters
    ----------
    blocks : ``(split, weight)`` pairs from first bin to last; a split may come back (the mirror
        split of the spike-distance paper is train 7, validation 2, test 2, validation 2, train 7).
    gap_bins : bins at the start of each block but the first that belong to no split, so that
        slow correlations don't leak from one block into the next.
    valid : False where the recording is unusable; such bins are ``"invalid"``.

    Raises
    ------
    InputError
        A block has no bin left.
    """
    weights = np.array([weight for _, weight in blocks], dtype=float)
    stops = np.round(np.cumsum(weights) / weights.sum() * n_bins).astype(int)
    split = np.full(n_bins, MASKED, dtype=object)
    start = 0
    for number, ((name, _), stop) in enumerate(zip(blocks, stops, strict=True)):
        opened = min(start + gap_bins, stop) if number else start
        split[start:opened] = GAP
        split[opened:stop] = name
        if not valid[opened:stop].any():
            raise InputError(
                f"no bin is left for {name}, block {number + 1} of {len(blocks)}: "
                f"{n_bins} bins, gaps of {gap_bins}, {np.sum(~valid)} invalid",
                fix="take narrower bins (counts.bin_ms), a smaller counts.gap_s or other weights",
            )
        start = stop
    split[~valid] = MASKED
    return split


class Normalisation(NamedTuple):
    """What ``fit_normalisation`` learnt: counts become ``f(counts) / scale - centre``."""

    method: str
    scale: Float[np.ndarray, "unit"]
    centre: Float[np.ndarray, "unit"]

    def apply(self, counts: Shaped[np.ndarray, "bin unit"]) -> Float[np.ndarray, "bin unit"]:
        """Return normalised counts as float32."""
        x = np.sqrt(counts, dtype=np.float32) if self.method == "sqrt_centred" else counts
        return (x / self.scale - self.centre).astype(np.float32)

    def invert(self, x: Float[np.ndarray, "bin unit"]) -> Float[np.ndarray, "bin unit"]:
        """Return counts (fractional, never negative) from normalised values."""
        counts = np.maximum((x + self.centre) * self.scale, 0)
        return counts**2 if self.method == "sqrt_centred" else counts


def fit_normalisation(counts: Shaped[np.ndarray, "bin unit"], method: str) -> Normalisation:
    """Learn a normalisation from training rows only.

    ``none``: counts as they are. ``max_recording``: divided by the largest count of the
    recording (the notes' choice). ``max_unit``: each unit by its own largest count.
    ``sqrt_centred``: the square root (which makes a Poisson count's variance the same at every
    rate; Anscombe 1948), minus each unit's mean.
    """
    if method not in NORMALISATIONS:
        raise InputError(f"normalisation {method!r}", allowed=", ".join(NORMALISATIONS))
    n_units = counts.shape[1]
    scale, centre = np.ones(n_units, np.float32), np.zeros(n_units, np.float32)
    if method == "max_recording":
        scale[:] = max(counts.max(initial=0), 1)
    elif method == "max_unit":
        scale = np.maximum(counts.max(axis=0, initial=0), 1).astype(np.float32)
    elif method == "sqrt_centred":
        pieces = np.array_split(counts, max(1, counts.size >> 22))  # a whole copy is 1.5 GB
        total = sum(np.sqrt(piece, dtype=np.float64).sum(axis=0) for piece in pieces)
        centre = (total / max(len(counts), 1)).astype(np.float32)
    return Normalisation(method, scale, centre)

"""Which codes are active: top-k as thresholds found by counting, and the codes that reach them.

Nothing is sorted: of 1024 latents 32 are active in a bin, and the rest is looked at once.
"""

from collections.abc import Sequence
from typing import NamedTuple, no_type_check

import numba
import numpy as np
from jaxtyping import Float32, Int32, Int64

TINY = np.finfo(np.float32).tiny
#: Above rounding, see ``spikesieve.sae.architectures.budget_threshold``.
ABOVE_TIES = np.float32(1 + 1e-5)
#: Each active code stores its set of levels in a table of this many bits.
MOST_LEVELS = 12

#: For each byte: the places of its ones (the first in the lowest bits), a byte each; their number.
_ONES = [[place for place in range(8) if byte >> place & 1] for byte in range(256)]
_PLACES = np.array([sum(p << 8 * i for i, p in enumerate(ones)) for ones in _ONES], np.int64)
_N_PLACES = np.array([len(ones) for ones in _ONES], np.int64)


class Active(NamedTuple):
    """One instance's codes that any level selected, row by row, and again latent by latent.

    ``mask`` holds a code's levels as bits; ``order`` lists the entries latent by latent (from
    ``latent_start``), rows ascending. ``thresholds`` are those of the batch or of each row.
    ``finite`` is False if any code was NaN: then nothing is selected.
    """

    row_start: Int64[np.ndarray, "batch+1"]
    row: Int32[np.ndarray, "active"]
    latent: Int32[np.ndarray, "active"]
    value: Float32[np.ndarray, "active"]
    mask: Int32[np.ndarray, "active"]
    latent_start: Int64[np.ndarray, "latent+1"]
    order: Int32[np.ndarray, "active"]
    thresholds: Float32[np.ndarray, "row level"]
    finite: bool


class Guess(NamedTuple):
    """Where a batch's thresholds may lie, learnt from the last one: saves time, never changes them.

    Made once a training and handed to every step of it.
    """

    threshold: Float32[np.ndarray, "instance level"]
    margin: Float32[np.ndarray, "instance level"]


def first_guess(n_instances: int, n_levels: int) -> Guess:
    """Return the guess of somebody who has not seen a batch."""
    shape = n_instances, n_levels
    return Guess(np.full(shape, TINY, np.float32), np.full(shape, 0.1, np.float32))


def select(
    codes: Float32[np.ndarray, "batch latent"],
    bias: Float32[np.ndarray, "latent"],
    widths: Sequence[int],
    budgets: Sequence[int],
    *,
    per_row: bool,
    guess: Guess,
) -> Active:
    """Return the codes (``bias`` still to be added) that any level selects."""
    widths, budgets = np.array(widths), np.array(budgets)
    n_rows, n_latents = codes.shape
    row_start = np.zeros(n_rows + 1, np.int64)
    latent, value = np.empty(codes.size + 8, np.int32), np.empty(codes.size + 8, np.float32)
    thresholds = np.empty((n_rows if per_row else 1, len(widths)), np.float32)
    candidates = row_start, latent, value
    if per_row:
        n = _row_candidates(codes, bias, widths, budgets, thresholds, *candidates)
    else:
        n = _batch_candidates(codes, bias, widths, budgets * n_rows, guess, thresholds, *candidates)
    finite = n >= 0
    if not finite:
        n, row_start[:] = 0, 0
    row, mask = np.empty(n, np.int32), np.empty(n, np.int32)
    n = _keep(row_start, latent, value, widths, thresholds, row, mask)
    latent, value, row, mask = latent[:n].copy(), value[:n].copy(), row[:n], mask[:n]
    latent_start, order = _by_latent(latent, n_latents)
    return Active(row_start, row, latent, value, mask, latent_start, order, thresholds, finite)


def _batch_candidates(
    codes, bias, widths, budgets, guess, thresholds, row_start, latent, value
) -> int:
    while True:
        # A latent that several levels use is a candidate for the most generous of them.
        least = np.minimum.accumulate(guess.threshold[::-1])[::-1]
        floor = np.repeat(least, np.diff(widths, prepend=0))
        n = _candidates(codes, bias, floor, row_start, latent, value)
        if n < 0:
            return n
        missed = _thresholds(latent[:n], value[:n], widths, budgets, guess.threshold, thresholds[0])
        if not missed.any():
            break
        guess.threshold[missed] = TINY
        guess.margin[missed] = np.minimum(guess.margin[missed] * 4, 0.5)
    guess.threshold[:] = np.maximum(thresholds[0] * (1 - guess.margin), TINY)
    guess.margin[:] = np.maximum(guess.margin * 0.95, 0.02)
    return n


@numba.njit(cache=True, nogil=True)
@no_type_check  # the tests' shape checker cannot wrap what numba compiles
def _candidates(codes, bias, floor, row_start, latent, value):
    """List the codes that reach their latent's ``floor``; return how many, -1 if one is NaN.

    No branch depends on a code, as it would be mispredicted: eight comparisons make a byte, which
    looks up where its ones are. Most bytes are zero, and left out beforehand.
    """
    n_rows, n_latents = codes.shape
    n = nans = 0
    reached = np.zeros((n_latents + 7) // 8 * 8, np.bool_)
    eights = reached.view(np.uint64)
    some = np.empty(len(eights), np.int64)
    for b in range(n_rows):
        row = codes[b]
        for j in range(n_latents):
            reached[j] = not (row[j] + bias[j] < floor[j])  # a NaN reaches all
        n_some = 0
        for eight in range(len(eights)):
            some[n_some] = eight
            n_some += eights[eight] != 0
        start = n
        for eight in some[:n_some]:
            byte = (eights[eight] * np.uint64(0x0102040810204080)) >> np.uint64(56)
            places = _PLACES[byte]
            for k in range(8):
                latent[n + k] = 8 * eight + ((places >> (8 * k)) & 0xFF)
            n += _N_PLACES[byte]
        for i in range(start, n):
            value[i] = row[latent[i]] + bias[latent[i]]
            nans += value[i] != value[i]
        row_start[b + 1] = n
    return -1 if nans else n


@numba.njit(cache=True, nogil=True)
@no_type_check
def _thresholds(latent, value, widths, budgets, guess, thresholds):
    """Find each level's threshold by counting; return the levels for which ``guess`` was too high.

    The bits of positive floats ascend with them: a histogram over the bits, then a selection
    among the few that share a bin with the threshold.
    """
    n_levels, n = len(widths), len(value)
    missed = np.zeros(n_levels, np.bool_)
    bits = value.view(np.int32)
    low = np.int32(2147483647)
    high = np.int32(0)
    for i in range(n):
        low = min(low, bits[i])
        high = max(high, bits[i])
    shift = 0
    while (np.int64(high) - low) >> shift >= 4096:
        shift += 1
    counts = np.zeros((n_levels, 4096), np.int64)
    block = np.empty(widths[-1], np.int8)
    for level in range(n_levels - 1, -1, -1):
        block[: widths[level]] = level
    for i in range(n):
        counts[block[latent[i]], (bits[i] - low) >> shift] += 1
    for level in range(n_levels):
        if level:
            counts[level] += counts[level - 1]
        above, where = 0, 4095
        while where >= 0 and above + counts[level, where] < budgets[level]:
            above += counts[level, where]
            where -= 1
        if where < 0:
            missed[level] = guess[level] > TINY
            thresholds[level] = TINY
            continue
        same = np.empty(counts[level, where], np.float32)
        m = 0
        for i in range(n):
            if (bits[i] - low) >> shift == where and latent[i] < widths[level]:
                same[m] = value[i]
                m += 1
        nth = budgets[level] - above
        least = np.partition(same, m - nth)[m - nth]
        missed[level] = least < guess[level]
        thresholds[level] = _resolve(least, np.sum(same >= least) > nth)
    return missed


@numba.njit(cache=True, nogil=True)
@no_type_check
def _resolve(least, overdrawn):
    return least * ABOVE_TIES if overdrawn else least


@numba.njit(cache=True, nogil=True)
@no_type_check
def _row_candidates(codes, bias, widths, budgets, thresholds, row_start, latent, value):
    """Find each row's thresholds and list the codes that reach the least of those they answer to.

    Return their number, -1 if a code is NaN.
    """
    n_rows, n_latents = codes.shape
    n_levels = len(widths)
    row, positive = np.empty(n_latents, np.float32), np.empty(n_latents + 1, np.float32)
    guess = np.full(n_levels, TINY, np.float32)
    n = 0
    for b in range(n_rows):
        for j in range(n_latents):
            row[j] = codes[b, j] + bias[j]
            if row[j] != row[j]:
                return -1
        for level in range(n_levels):
            k, width = budgets[level], widths[level]
            # The row before knows roughly what is large; where it is wrong, look at all.
            m = _above(row[:width], guess[level], positive)
            if m < k:
                m = _above(row[:width], TINY, positive)
            least = TINY
            if m >= k:
                part = np.partition(positive[:m], m - k)
                least = part[m - k]
                least = _resolve(least, np.sum(part >= least) > k)
            thresholds[b, level] = least
            guess[level] = max(least * np.float32(0.7), TINY)
        first = 0
        for level in range(n_levels):
            floor = thresholds[b, level:].min()
            for j in range(first, widths[level]):
                latent[n] = j
                value[n] = row[j]
                n += row[j] >= floor
            first = widths[level]
        row_start[b + 1] = n
    return n


@numba.njit(cache=True, nogil=True)
@no_type_check
def _above(values, floor, kept):
    n = 0
    for v in values:
        kept[n] = v
        n += v >= floor
    return n


@numba.njit(cache=True, nogil=True)
@no_type_check
def _keep(row_start, latent, value, widths, thresholds, row, mask):
    """Close the list up over candidates that no level selects; return how many stay."""
    kept = start = 0
    n_levels = len(widths)
    for b in range(len(row_start) - 1):
        own = b % len(thresholds)
        stop = row_start[b + 1]
        for i in range(start, stop):
            v, j, levels = value[i], latent[i], 0
            for level in range(n_levels):  # no branch here either
                levels |= ((v >= thresholds[own, level]) & (j < widths[level])) << level
            latent[kept], value[kept], row[kept], mask[kept] = j, v, b, levels
            kept += levels != 0
        row_start[b + 1] = kept
        start = stop
    return kept


@numba.njit(cache=True, nogil=True)
@no_type_check
def _by_latent(latent, n_latents):
    """Return where each latent's entries start, and the entries in that order."""
    start = np.zeros(n_latents + 1, np.int64)
    for j in latent:
        start[j + 1] += 1
    start = np.cumsum(start)
    fill = start[:-1].copy()
    order = np.empty(len(latent), np.int32)
    for i in range(len(latent)):
        order[fill[latent[i]]] = i
        fill[latent[i]] += 1
    return start, order


@numba.njit(cache=True, nogil=True)
@no_type_check
def count_levels(mask, n_levels):
    """Return how many entries each level selected."""
    counts = np.zeros(n_levels, np.int64)
    for level in range(n_levels):
        for levels in mask:
            counts[level] += (levels >> level) & 1
    return counts

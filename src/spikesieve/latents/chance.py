"""What a latent reaches by chance: its labels shifted around the circle against its activity.

A shift keeps how both vary over time and breaks only what goes with what. All shifts of a pair at
once are one circular correlation, so that there are many of them.
"""

from typing import NamedTuple

import numpy as np
import scipy.fft
import scipy.sparse
from jaxtyping import Float, Int

_CELLS_AT_ONCE = 1 << 22


class Chance(NamedTuple):
    """Of each pair: the 95th percentile of its shifted areas, and how often they reach its own."""

    high: Float[np.ndarray, "pair"]
    p: Float[np.ndarray, "pair"]


def shifts_of(n_bins: int, n_shifts: int, least: int) -> Int[np.ndarray, "shift"]:
    """Return up to ``n_shifts`` distinct shifts, evenly spread, ``least`` bins or more both ways.

    A quarter of the circle is enough where ``least`` is longer than that.
    """
    least = max(1, min(least, n_bins // 4))
    possible = np.arange(least, n_bins - least + 1)
    if len(possible) <= n_shifts:
        return possible
    return possible[np.arange(n_shifts) * len(possible) // n_shifts]


def chance_areas(
    deviations: scipy.sparse.csc_array,
    zero_rank: Float[np.ndarray, "pair"],
    members: scipy.sparse.csr_array,
    sign: Int[np.ndarray, "pair"],
    area: Float[np.ndarray, "pair"],
    shifts: Int[np.ndarray, "shift"],
) -> Chance:
    """Compare each pair's area with those of its shifted label.

    Parameters
    ----------
    deviations, zero_rank : ranks (``ranks.rank_deviations``), a column a pair.
    members : ``(pair, bin)``, its label. ``sign`` : -1 where being low signals the label.
    area : what the pair reaches, turned round where ``sign`` is -1.

    Returns
    -------
    Chance, its ``p`` = (1 + shifts that reach ``area``) / (1 + shifts): a test may never say 0
    (Phipson and Smyth 2010).
    """
    n_pairs, n_bins = members.shape
    high, p = np.full((2, n_pairs), np.nan)
    step = max(1, _CELLS_AT_ONCE // max(n_bins, 1))
    for first in range(0, n_pairs if len(shifts) else 0, step):
        some = slice(first, first + step)
        ranks, label = deviations[:, some].toarray().T, members[some].toarray()
        # Sum over bins of label[bin - shift] * rank[bin], for every shift.
        spectrum = np.conj(scipy.fft.rfft(label)) * scipy.fft.rfft(ranks)
        sums = scipy.fft.irfft(spectrum, n_bins)[:, shifts]
        m = label.sum(axis=1)[:, None]
        wins = sums + m * zero_rank[some][:, None] - m * (m + 1) / 2
        shifted = 0.5 + sign[some][:, None] * (wins / (m * (n_bins - m)) - 0.5)
        high[some] = np.quantile(shifted, 0.95, axis=1)
        # Rounding of the transform must not tell apart what is equal.
        reach = shifted >= area[some][:, None] - 1e-9
        p[some] = (1 + reach.sum(axis=1)) / (1 + len(shifts))
    return Chance(high, p)


def corrected(p: Float[np.ndarray, "test"]) -> Float[np.ndarray, "test"]:
    """Return p corrected for the number of tests: the false discovery rate at which each passes.

    Benjamini and Hochberg (1995). Not the largest statistic over all pairs: a name is one discovery
    of many, and pairs of rare labels and rarely active latents have tails that would set the
    threshold for all others. NaN (not tested) counts for nothing.
    """
    there = np.isfinite(p)
    n, order = int(there.sum()), np.argsort(p[there])
    steps = p[there][order] * n / np.arange(1, n + 1)
    best = np.minimum.accumulate(steps[::-1])[::-1]
    found, mine = np.full(len(p), np.nan), np.empty(n)
    mine[order] = np.minimum(best, 1)
    found[there] = mine
    return found

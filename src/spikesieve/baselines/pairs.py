"""Pairs of bins that belong together, for contrastive learning; every draw from one seed.

A reference bin, a positive one that is like it, and negative ones from anywhere (Schneider, Lee and
Mathis 2023, "Learnable latent embeddings for joint behavioural and neural analysis", Nature
617:360). Pairs never cross a hole between runs of neighbouring bins.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy.spatial import cKDTree

from spikesieve.errors import InputError

#: ``draw(n, rng) -> (reference, positive)``, rows of training bins.
Draw = Callable[[int, np.random.Generator], tuple[np.ndarray, np.ndarray]]


def rows_before(bins: Int[np.ndarray, "bin"], offset: int) -> Int[np.ndarray, "row"]:
    """Return the rows whose bin ``offset`` later is there and in the same run.

    Raises
    ------
    InputError
        ``offset`` is below 1, or no run is so long.
    """
    if offset < 1:
        raise InputError(f"time_offset {offset}", allowed="1 or more")
    rows = np.flatnonzero(bins[offset:] - bins[:-offset] == offset)
    if not len(rows):
        raise InputError(f"no run of neighbouring bins is longer than time_offset {offset}")
    return rows


def time_pairs(bins: Int[np.ndarray, "bin"], offset: int) -> Draw:
    """Return pairs of bins that lie ``offset`` bins apart."""
    rows = rows_before(bins, offset)

    def draw(n, rng):
        reference = rng.choice(rows, n)
        return reference, reference + offset

    return draw


def class_pairs(labels: Shaped[np.ndarray, "bin"], known: Int[np.ndarray, "row"]) -> Draw:
    """Return pairs of bins of one class; ``known`` are the rows that have one."""
    order = known[np.argsort(labels[known], kind="stable")]
    _, first, n_members = np.unique(labels[order], return_index=True, return_counts=True)
    group = np.repeat(np.arange(len(first)), n_members)

    def draw(n, rng):
        place = rng.integers(len(order), size=n)
        mine = group[place]
        other = first[mine] + (rng.random(n) * n_members[mine]).astype(int)
        return order[place], order[other]

    return draw


def value_pairs(
    values: Float[np.ndarray, "bin variable"], bins: Int[np.ndarray, "bin"], offset: int
) -> Draw:
    """Return pairs of bins whose values differ as values do over ``offset`` bins.

    The positive bin's values are the nearest to those of the reference plus a change that was seen
    somewhere in the recording. Rows where a value is NaN are left out.
    """
    known = np.flatnonzero(np.isfinite(values).all(axis=1))
    if not len(known):
        raise InputError("no training bin has a value of each of the variables")
    spread = values[known].std(axis=0)
    scaled = values / np.where(spread > 0, spread, 1)
    rows = rows_before(bins, offset)
    change = scaled[rows + offset] - scaled[rows]
    change = change[np.isfinite(change).all(axis=1)]
    if not len(change):
        raise InputError(f"no two training bins {offset} bins apart have values of the variables")
    tree = cKDTree(scaled[known])

    def draw(n, rng):
        reference = rng.choice(known, n)
        wanted = scaled[reference] + change[rng.integers(len(change), size=n)]
        return reference, known[tree.query(wanted)[1]]

    return draw

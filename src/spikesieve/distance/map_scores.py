"""What a map of units is worth: are neighbours alike, and does it give recordings away?

Both scores are judged in the full space of the embedding, not in a picture of it, and against
permutations of the units: the value that a map without the relation would reach.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int, Real
from scipy.spatial.distance import cdist

from spikesieve.errors import InputError

#: Neighbours of each unit; fewer where that would be more than half of the others.
N_NEIGHBOURS = 5
#: The least p-value is 1 / (this + 1).
N_PERMUTATIONS = 2000


class Score(NamedTuple):
    """A row of table ``map_scores``; NaN, with the reason in ``note``, where there is none.

    ``chance`` is the mean of the null, ``chance_low`` to ``chance_high`` hold 95 % of it, ``p`` is
    the share of the null that is as high as the value, itself counted in (Phipson & Smyth 2010).
    ``n`` : units judged.
    """

    score: str
    value: float
    chance: float
    chance_low: float
    chance_high: float
    p: float
    n: int
    note: str


def neighbour_similarity(
    embedding: Real[np.ndarray, "unit dimension"],
    averages: Real[np.ndarray, "unit channel lag"],
    recording: Int[np.ndarray, "unit"],
    *,
    n_neighbours: int = N_NEIGHBOURS,
    n_permutations: int = N_PERMUTATIONS,
    seed: int = 0,
) -> tuple[Score, Score]:
    """Return the mean correlation of each unit's average stimulus with its neighbours' ones.

    Averages are compared over channels and lags together. A unit whose average is unknown or flat
    has no correlation and is left out, as a neighbour too. Chance, in the first score: averages
    are dealt out anew among all units. In the second: only among units of one recording, so that
    a map that merely tells recordings apart is at chance.

    Parameters
    ----------
    recording : number of each unit's recording.
    """
    names = ("neighbour_similarity", "neighbour_similarity_within")
    similar, judged = _correlations(averages)
    place, recording = embedding[judged], recording[judged]
    k = _fitting(n_neighbours, len(place))
    if k == 0:
        why = f"{len(place)} units have a stimulus average, 3 are needed"
    elif _all_same(place):
        why = "the embeddings are all the same"
    else:
        neighbours = nearest(place, k, seed)

        def value(order: Int[np.ndarray, "unit"]) -> float:
            return float(similar[order[:, None], order[neighbours]].mean())

        note = f"{k} nearest neighbours, {n_permutations} permutations of the units"
        nulls = (np.zeros_like(recording), recording)
        notes = (note, f"{note} within each recording")
        return tuple(
            against_chance(name, value, within, n_permutations, seed, text)
            for name, within, text in zip(names, nulls, notes, strict=True)
        )
    return tuple(_no_score(name, len(place), why) for name in names)


def recording_given_away(
    embedding: Real[np.ndarray, "unit dimension"],
    recording: Int[np.ndarray, "unit"],
    *,
    n_neighbours: int = N_NEIGHBOURS,
    n_permutations: int = N_PERMUTATIONS,
    seed: int = 0,
) -> Score:
    """Return how often a unit's neighbours name its recording: leave-one-out balanced accuracy.

    Each neighbour votes for its own recording with the weight 1 / (units of that recording), so
    that a large one does not win by size; tied recordings share the hit. The value is the mean
    over recordings of the share of their units that are named rightly (Brodersen et al. 2010).
    Recordings with a single unit, which no other unit could name, are left out. A map of kinds of
    cell should be at chance, which stands for recordings dealt out anew.
    """
    name = "recording_given_away"
    _, code, size = np.unique(recording, return_inverse=True, return_counts=True)
    kept = size[code] > 1
    place = embedding[kept]
    n_recordings = int((size > 1).sum())
    if n_recordings < 2:
        return _no_score(name, len(place), "there is one recording, or no second with two units")
    if _all_same(place):
        return _no_score(name, len(place), "the embeddings are all the same")
    _, code, size = np.unique(code[kept], return_inverse=True, return_counts=True)
    k = _fitting(n_neighbours, len(place))
    neighbours = nearest(place, k, seed)

    def value(order: Int[np.ndarray, "unit"]) -> float:
        own = code[order]
        voted = own[neighbours]
        votes = np.stack([(voted == c).sum(axis=1) / n for c, n in enumerate(size)], axis=1)
        first = np.isclose(votes, votes.max(axis=1, keepdims=True))
        hit = first[np.arange(len(own)), own] / first.sum(axis=1)
        return float(np.mean(np.bincount(own, hit) / size))

    note = f"{k} nearest neighbours, {n_recordings} recordings, {n_permutations} permutations"
    return against_chance(name, value, np.zeros_like(code), n_permutations, seed, note)


def nearest(
    embedding: Real[np.ndarray, "unit dimension"], k: int, seed: int
) -> Int[np.ndarray, "unit k"]:
    """Return the ``k`` nearest other units of each, by Euclidean distance, nearest first.

    Ties fall at random: in the order of the table they would favour a unit's own recording.
    """
    order = np.random.default_rng(seed).permutation(len(embedding))
    distance = cdist(embedding, embedding[order])
    distance[order, np.arange(len(order))] = np.inf
    return order[np.argsort(distance, axis=1, kind="stable")[:, :k]]


def against_chance(
    name: str,
    value: Callable[[Int[np.ndarray, "unit"]], float],
    within: Int[np.ndarray, "unit"],
    n_permutations: int,
    seed: int,
    note: str,
) -> Score:
    """Compare ``value`` of the units in their order with ``value`` of permuted orders.

    Parameters
    ----------
    within : group of each unit; only units of one group change places.
    """
    if n_permutations < 1:
        raise InputError(f"{n_permutations} permutations", allowed="1 or more")
    rng = np.random.default_rng(seed)
    grouped = np.argsort(within, kind="stable")
    order = np.empty_like(grouped)
    null = np.empty(n_permutations)
    for i in range(n_permutations):
        order[grouped] = np.lexsort((rng.random(len(within)), within))
        null[i] = value(order)
    found = value(np.arange(len(within)))
    low, high = np.quantile(null, [0.025, 0.975])
    # The same sum in another order differs in its last digits: these count as equal.
    as_high = int((null >= found - 1e-9).sum())
    p = (1 + as_high) / (1 + n_permutations)
    return Score(name, found, null.mean(), low, high, p, len(within), note)


def scores_table(scores: list[Score]) -> pd.DataFrame:
    """Return scores as table ``map_scores``."""
    return pd.DataFrame(scores, columns=Score._fields)


def _no_score(name: str, n: int, why: str) -> Score:
    return Score(name, *[np.nan] * 5, n, why)


def _fitting(n_neighbours: int, n_units: int) -> int:
    """Return how many neighbours to take: were all others neighbours, no map could be wrong."""
    if n_neighbours < 1:
        raise InputError(f"{n_neighbours} neighbours", allowed="1 or more")
    return min(n_neighbours, max(n_units - 1, 0) // 2)


def _all_same(embedding: Real[np.ndarray, "unit dimension"]) -> bool:
    return bool((embedding == embedding[:1]).all())


def _correlations(
    averages: Real[np.ndarray, "unit channel lag"],
) -> tuple[Float[np.ndarray, "judged judged"], Bool[np.ndarray, "unit"]]:
    """Return the correlation of all pairs of units that have one, and which units these are."""
    flat = averages.reshape(len(averages), -1).astype(np.float64)
    flat = flat - flat.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(flat, axis=1)
    judged = np.isfinite(norm) & (norm > 0)
    unit = flat[judged] / norm[judged, None]
    return unit @ unit.T, judged

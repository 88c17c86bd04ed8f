"""Merging and pruning of latents, so that a wide dictionary is not a noisy one.

Latents that say the same become one, those that another seed does not find are left out. What
stays is read through ``Pruned.combine``: no weight of the encoder changes, so that a latent that
is kept and merged with none keeps exactly its activations.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse
from jaxtyping import Float, Int

from spikesieve.errors import InputError
from spikesieve.latents.participation import effective_units

#: Why a latent is no longer there. ``duplicate``: it points the same way as another and fires with
#: it. ``redundant``: it fires with another whatever it points at. Both are merged into the other.
#: ``single_unit``: it is little more than one unit (``spikesieve.latents.participation``).
REASONS = ("dead", "duplicate", "redundant", "unstable", "single_unit")
_LATENTS_AT_ONCE = 512


class Pruned(NamedTuple):
    """What is left of a dictionary.

    ``kept`` are the latents that stay, ascending, each the best of its group. ``table`` has a row
    for each latent that was there: ``latent``, ``kept``, ``merged_into`` (null where it was not)
    and ``dropped_because`` (one of ``REASONS``, ``""`` where kept). ``activations @ combine`` are
    the activations of ``kept``, and that times ``decoder`` what they reconstruct, before the bias.
    """

    kept: Int[np.ndarray, "kept"]
    table: pd.DataFrame
    decoder: Float[np.ndarray, "kept unit"]
    combine: scipy.sparse.csr_array


def prune(
    decoder: Float[np.ndarray, "latent unit"],
    activations: scipy.sparse.csr_array,
    stability: Float[np.ndarray, "score"] | None = None,
    *,
    min_cosine: float = 0.9,
    min_correlation: float = 0.7,
    redundant_correlation: float = 0.95,
    min_stability: float = 0.5,
    min_units: float = 0.0,
    merge: str = "mean",
) -> Pruned:
    """Merge latents that say the same and drop those that are dead or found by one seed only.

    From the most stable latent to the least (equals: from the most active): a latent takes in all
    that are left whose decoder has cosine ``min_cosine`` with its own *and* whose activations
    correlate by ``min_correlation`` (duplicates), and those whose activations correlate by
    ``redundant_correlation`` alone (redundant). Each member is compared with the latent that takes
    it in, never with another member: no chain can join two that differ. A group that is not stable
    then goes as a whole.

    Parameters
    ----------
    decoder : a row a latent; a linear one, or the last layer's.
    activations : ``(bin, latent)`` on bins of any split, best the training bins: rare latents fire
        too seldom in others. Time and memory grow with the pairs that fire together, not with
        latents squared times bins.
    stability : of each latent, such as its best \\|r\\| in another seed; NaN counts as 0. Without
        it nothing is dropped as unstable.
    min_units : least effective number of units (``effective_units``) of a latent's decoder.
    merge : ``"mean"``: a group's direction is the mean of its members', weighted by activity, and
        its activation the sum of theirs, projected on it (exact where members are proportional);
        ``"best"``: the member that took in the others stands alone.

    Raises
    ------
    InputError
        Shapes that do not belong together, values that are not finite, an unknown ``merge``.
    """
    stability = _checked(decoder, activations, stability, merge)
    rms, mean, deviation = _moments(activations)
    live = rms > 0
    best_first = np.lexsort((-rms, -stability))
    taken_by, reason = np.arange(len(decoder)), np.where(live, "", "dead").astype(object)
    pairs = _alike(decoder, activations, mean, deviation, min_correlation)
    wanted = (_say_the_same(*p, min_cosine, redundant_correlation) for p in pairs)
    for latent, other, duplicate in _leaders_first(wanted, best_first):
        if taken_by[latent] == latent and taken_by[other] == other:
            taken_by[other] = latent
            reason[other] = "duplicate" if duplicate else "redundant"
    unstable = live & (stability[taken_by] < min_stability)
    reason[unstable] = "unstable"
    alone = live & ~unstable & (effective_units(decoder)[taken_by] < min_units)
    reason[alone] = "single_unit"
    kept = np.flatnonzero(reason == "")
    merged = (reason == "duplicate") | (reason == "redundant")
    member = np.flatnonzero((reason == "") | (merged if merge == "mean" else False))
    group = np.searchsorted(kept, taken_by[member])
    direction, combine = _combined(decoder, rms, member, group, kept)
    table = pd.DataFrame(
        {
            "latent": np.arange(len(decoder), dtype=np.int32),
            "kept": reason == "",
            "merged_into": pd.array(taken_by, dtype="Int32"),
            "dropped_because": pd.array(reason, dtype="str"),
        }
    )
    table["merged_into"] = table["merged_into"].where(merged)
    return Pruned(kept, table, direction, combine)


def _checked(decoder, activations, stability, merge: str) -> Float[np.ndarray, "latent"]:
    """Check what was handed in; return the stability, infinite where it is not known."""
    n_latents = len(decoder)
    if activations.shape[1] != n_latents or not activations.shape[0]:
        raise InputError(
            f"activations of shape {activations.shape} for a decoder of {n_latents} latents",
            allowed=f"(bins, {n_latents}), at least one bin",
        )
    if not (np.isfinite(decoder).all() and np.isfinite(activations.data).all()):
        raise InputError("a decoder or activations with NaN or infinity", allowed="finite values")
    if merge not in ("mean", "best"):
        raise InputError(f"merge {merge!r}", allowed="mean, best")
    if stability is None:
        return np.full(n_latents, np.inf)
    if len(stability) != n_latents:
        raise InputError(f"stability of {len(stability)} latents", allowed=f"of {n_latents}")
    return np.nan_to_num(stability, nan=0.0)


def _moments(z: scipy.sparse.csr_array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return root mean square, mean and standard deviation of each latent over bins."""
    n_bins = z.shape[0]
    column, value = z.indices, z.data.astype(np.float64)
    square = np.bincount(column, value**2, minlength=z.shape[1]) / n_bins
    mean = np.bincount(column, value, minlength=z.shape[1]) / n_bins
    return np.sqrt(square), mean, np.sqrt(np.maximum(square - mean**2, 0))


def _alike(decoder, z, mean, deviation, least: float) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield ``(latent, other, cosine, correlation)`` of pairs that correlate, a block at a time.

    Only pairs that fire together can: the products of a block hold no others.
    """
    unit_norm = _unit_rows(decoder)
    by_latent, n_bins = scipy.sparse.csr_array(z.T, dtype=np.float64), z.shape[0]
    by_bin = scipy.sparse.csr_array(z, dtype=np.float64)
    for first in range(0, len(decoder), _LATENTS_AT_ONCE):
        together = scipy.sparse.coo_array(by_latent[first : first + _LATENTS_AT_ONCE] @ by_bin)
        latent, other = together.coords[0] + first, together.coords[1]
        spread = deviation[latent] * deviation[other]
        varies = (latent != other) & (spread > 0)
        latent, other, spread = latent[varies], other[varies], spread[varies]
        covariance = together.data[varies] / n_bins - mean[latent] * mean[other]
        correlation = covariance / spread
        alike = correlation >= least
        latent, other = latent[alike], other[alike]
        cosine = np.einsum("pu,pu->p", unit_norm[latent], unit_norm[other])
        yield latent, other, cosine, correlation[alike]


def _say_the_same(latent, other, cosine, correlation, min_cosine: float, redundant: float):
    """Return the pairs that one latent can stand for, and whether they are duplicates."""
    duplicate = cosine >= min_cosine
    same = duplicate | (correlation >= redundant)
    return latent[same], other[same], duplicate[same]


def _leaders_first(pairs, best_first: Int[np.ndarray, "latent"]) -> Iterator[tuple]:
    """Yield pairs whose first latent is the better one, those of the best latent first."""
    rank = np.empty(len(best_first), int)
    rank[best_first] = np.arange(len(best_first))
    ahead = [[column[rank[b[0]] < rank[b[1]]] for column in b] for b in pairs]
    latent, other, duplicate = (np.concatenate(c) for c in zip(*ahead, strict=True))
    order = np.lexsort((rank[other], rank[latent]))
    yield from zip(latent[order], other[order], duplicate[order], strict=True)


def _combined(decoder, rms, member, group, kept) -> tuple[np.ndarray, scipy.sparse.csr_array]:
    """Return the groups' directions ``(kept, unit)``, and the matrix ``(latent, kept)`` that sums
    the members' activations, each times how much of its direction lies along the group's.

    A group's direction is as long as that of its best member. Where members cancel each other it
    is the best member's.
    """
    shape = (len(kept), len(decoder))
    weights = scipy.sparse.csr_array((rms[member], (group, member)), shape=shape)
    best = decoder[kept].astype(np.float64)
    length = np.linalg.norm(best, axis=1)
    mean = weights @ decoder.astype(np.float64)
    alone = np.bincount(group, minlength=len(kept)) == 1
    norm = np.linalg.norm(mean, axis=1)
    as_is = alone | (norm == 0)
    direction = np.where(as_is[:, None], best, mean * (length / np.where(as_is, 1, norm))[:, None])
    along = np.einsum("mu,mu->m", decoder[member].astype(np.float64), direction[group])
    along /= np.where(length > 0, length**2, 1)[group]
    along[alone[group]] = 1
    combine = scipy.sparse.csr_array((along, (member, group)), shape=shape[::-1])
    return direction.astype(decoder.dtype), combine.astype(np.float32)


def _unit_rows(decoder: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(decoder, axis=1, keepdims=True)
    return decoder / np.where(norm > 0, norm, 1)

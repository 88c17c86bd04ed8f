"""Which latents come back when the training starts from another seed."""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import scipy.sparse
from jaxtyping import Float

from spikesieve.errors import InputError
from spikesieve.latents.matching import SAME_FEATURE, ActivationsLike, as_activations, match_columns
from spikesieve.latents.participation import LEAST_UNITS, effective_units


class Stability(NamedTuple):
    """For each seed, ``matched_r`` (latent,); and the share of all latents that are stable."""

    matched_r: list[Float[np.ndarray, "latent"]]
    stable_share: float


def stability(
    activations: Sequence[ActivationsLike], *, least_r: float = SAME_FEATURE
) -> Stability:
    """Score each latent by how well other seeds found it again: no truth is needed.

    Parameters
    ----------
    activations : one table ``(bin, latent)`` a seed, of the same held-out bins; types as
        ``features_found`` takes them.
    least_r : a latent with ``matched_r >= least_r`` is stable.

    Returns
    -------
    Stability. ``matched_r`` of a latent is the mean over the other seeds of |r| with the one
    latent that it is paired with there, one to one (the Hungarian algorithm on |r|): two copies
    of a feature in one seed can't both claim the single one of another. It is 0 without a
    partner, and for a latent that never varies in these bins. ``stable_share`` counts such
    latents, too; it is NaN where there is no latent at all.

    Raises
    ------
    InputError
        Fewer than two seeds, different bins, values that are not finite, not two axes.
    """
    if len(activations) < 2:
        raise InputError(
            f"activations of {len(activations)} seeds", allowed="at least two", fix="train again"
        )
    activations = [as_activations(table) for table in activations]
    total = [np.zeros(table.shape[1]) for table in activations]
    for a, b in combinations(range(len(activations)), 2):
        pairs = match_columns(activations[a], activations[b])
        total[a][pairs.left] += np.abs(pairs.r)
        total[b][pairs.right] += np.abs(pairs.r)
    matched = [one / (len(activations) - 1) for one in total]
    together = np.concatenate(matched)
    return Stability(matched, float(np.mean(together >= least_r)) if len(together) else np.nan)


def surely(
    matched_r: Float[np.ndarray, "latent"], activations: scipy.sparse.csr_array
) -> Float[np.ndarray, "latent"]:
    """Return what ``matched_r`` is at least, were each active bin of a latent one observation.

    The lower end of a one-sided 95 % interval (Fisher 1921, "On the probable error of a
    coefficient of correlation"), at least 0: a latent that is active in a dozen bins may well
    meet its like by chance. ``activations`` are those of ``matched_r``.
    """
    active = activations.indices[activations.data != 0]
    n_active = np.bincount(active, minlength=activations.shape[1])
    z = np.arctanh(np.minimum(matched_r, 1 - 1e-12))
    return np.tanh(np.maximum(z - 1.645 / np.sqrt(np.maximum(n_active - 3, 1e-9)), 0))


def sure_stability(
    loadings: Float[np.ndarray, "latent unit"],
    matched_r: Float[np.ndarray, "latent"],
    activations: scipy.sparse.csr_array,
) -> Float[np.ndarray, "latent"]:
    """Return how stable each latent surely is: it is stable with ``SAME_FEATURE`` or more.

    What ``surely`` says; 0 for a latent that is little more than one unit
    (``spikesieve.latents.participation``), however often it is found again.
    """
    shared = effective_units(loadings) >= LEAST_UNITS
    return np.where(shared, surely(matched_r, activations), 0)

"""Which column of one table of activations belongs to which column of another."""

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from jaxtyping import Float, Int, Real
from scipy.optimize import linear_sum_assignment

from spikesieve.errors import InputError

#: Two activations that correlate at least this well count as the same feature.
SAME_FEATURE = 0.7
_CELLS_AT_ONCE = 1 << 22

Activations = Real[np.ndarray, "_bin _latent"] | scipy.sparse.csr_array
#: What users hand in: an array, a list, a data frame, a sparse matrix of any format.
ActivationsLike = Any


class Matching(NamedTuple):
    """Pairs of columns, ``left`` ascending, and their correlations, signed."""

    left: Int[np.ndarray, "pair"]
    right: Int[np.ndarray, "pair"]
    r: Float[np.ndarray, "pair"]


def match_columns(left: Activations, right: Activations) -> Matching:
    """Pair columns one to one such that their summed |r| is largest (the Hungarian algorithm).

    Every column of the narrower table that varies gets a partner, however poor, as long as the
    other has one left. Columns that never vary are in no pair. Raises as ``correlations``.
    """
    r = correlations(left, right)
    rows, columns = (np.flatnonzero(~np.isnan(r).all(axis=axis)) for axis in (1, 0))
    among = r[np.ix_(rows, columns)]
    i, j = linear_sum_assignment(np.abs(among), maximize=True)
    return Matching(rows[i], columns[j], among[i, j])


def correlations(left: Activations, right: Activations) -> Float[np.ndarray, "left right"]:
    """Return Pearson's r of every column of one with every column of the other.

    NaN where one of the two never varies. Bins are read in pieces, so that sparse activations
    are never dense as a whole.

    Raises
    ------
    InputError
        The two have different numbers of bins; a value is not finite.
    """
    if left.shape[0] != right.shape[0]:
        raise InputError(
            f"activations of {left.shape[0]} and of {right.shape[0]} bins",
            allowed="the same bins in both",
        )
    n_bins, step = left.shape[0], max(1, _CELLS_AT_ONCE // max(left.shape[1] + right.shape[1], 1))
    # Centred first: with means taken off afterwards, a large offset would eat the digits.
    means = [_means(left), _means(right)]
    products = np.zeros((left.shape[1], right.shape[1]))
    squares = [np.zeros(left.shape[1]), np.zeros(right.shape[1])]
    for first in range(0, n_bins, step):
        pieces = []
        for table, mean, square in zip((left, right), means, squares, strict=True):
            piece = dense(table[first : first + step]) - mean
            square += np.square(piece).sum(axis=0)
            pieces.append(piece)
        products += pieces[0].T @ pieces[1]
    for mean, square in zip(means, squares, strict=True):
        # Rounding leaves a trace of variance in a column that is constant but not zero.
        square[square <= n_bins * (1e-7 * mean) ** 2] = 0
    with np.errstate(divide="ignore", invalid="ignore"):
        r = products / np.sqrt(np.multiply.outer(*squares))
    r[np.multiply.outer(*squares) == 0] = np.nan
    return np.clip(r, -1, 1)


def as_activations(given: ActivationsLike) -> Activations:
    """Return activations ``(bin, latent)`` as numbers: CSR where they are sparse.

    Raises
    ------
    InputError
        They have not two axes, or hold no numbers.
    """
    is_sparse = scipy.sparse.issparse(given)
    table = given if is_sparse else np.asarray(given)
    if table.ndim != 2 or table.dtype.kind not in "buif":
        problem = f"activations of shape {table.shape} and type {table.dtype}"
        raise InputError(problem, allowed="numbers, (bins, latents)")
    table = scipy.sparse.csr_array(table) if is_sparse else table
    return table.astype(np.float64) if table.dtype == bool else table


def dense(activations) -> Float[np.ndarray, "bin latent"]:
    """Return sparse or dense activations as a dense table of double precision."""
    table = activations.toarray() if scipy.sparse.issparse(activations) else activations
    return np.asarray(table, dtype=np.float64)


def _means(table: Activations) -> Float[np.ndarray, "latent"]:
    mean = np.asarray(table.sum(axis=0, dtype=np.float64)).ravel() / max(table.shape[0], 1)
    if not np.isfinite(mean).all():
        raise InputError(
            f"column {int(np.argmin(np.isfinite(mean)))} of the activations holds NaN or infinity",
            allowed="finite values",
        )
    return mean

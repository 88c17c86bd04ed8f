"""Sums over bins of the products of two tables' columns, piece by piece."""

import numpy as np
import scipy.sparse
from jaxtyping import Float, Shaped

_CELLS_AT_ONCE = 1 << 22


def products(
    left: Shaped[np.ndarray, "bin left"] | scipy.sparse.sparray,
    right: Shaped[np.ndarray, "bin right"] | scipy.sparse.sparray,
) -> Float[np.ndarray, "left right"]:
    """Return ``left.T @ right`` in double precision.

    Rows are made dense a piece at a time: where activations are not very sparse that is many times
    faster than a sparse product, and never holds a dense table as a whole.
    """
    left, right = (x.tocsr() if scipy.sparse.issparse(x) else x for x in (left, right))
    step = max(1, _CELLS_AT_ONCE // max(left.shape[1] + right.shape[1], 1))
    total = np.zeros((left.shape[1], right.shape[1]))
    for first in range(0, left.shape[0], step):
        rows = slice(first, first + step)
        a, b = (x[rows].toarray() if scipy.sparse.issparse(x) else x[rows] for x in (left, right))
        total += a.astype(np.float64).T @ b.astype(np.float64)
    return total

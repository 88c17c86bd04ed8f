"""R2, the share of the variance that a prediction explains, of many columns at once.

Plain numpy: importing a library of learners for it would cost every job more than a second.
"""

import numpy as np
from jaxtyping import Float, Real


def column_r2(
    true: Real[np.ndarray, "row column"], predicted: Real[np.ndarray, "row column"]
) -> Float[np.ndarray, "column"]:
    """Return one minus the squared error over the variance of each column.

    NaN where a column of ``true`` is constant. Below 0 where its mean would predict better.
    """
    true, predicted = (np.asarray(x, dtype=np.float64) for x in (true, predicted))
    left = np.square(true - predicted).sum(axis=0)
    there = np.square(true - true.mean(axis=0)).sum(axis=0) if len(true) else np.zeros_like(left)
    return np.divide(-left, there, out=np.full_like(left, np.nan), where=there > 0) + 1

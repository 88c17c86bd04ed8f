"""Which units a step of training hides: random, and a function of a number alone."""

from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Bool


def random_mask(key: int, share: float, n_rows: int, n_units: int) -> Bool[np.ndarray, "row unit"]:
    """Return a mask whose cells are True by chance ``share`` each, to a 65,536th.

    The same ``key`` gives the same mask. Each cell has 16 bits of a hash of its number (splitmix64:
    Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators"): drawing one
    by one from a generator would cost more than the step that the mask is for.
    """
    n_words = -(-n_rows * n_units // 4)
    cells = np.empty((n_words, 4), np.bool_)
    _fill(np.uint64(key), np.uint16(min(round(65_536 * share), 65_535)), cells)
    return cells.reshape(-1)[: n_rows * n_units].reshape(n_rows, n_units)


@numba.njit(cache=True, nogil=True)
@no_type_check  # the tests' shape checker cannot wrap what numba compiles
def _fill(key, below, cells):
    for word in range(len(cells)):
        z = key + np.uint64(word + 1) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
        cells[word, 0] = np.uint16(z) < below
        cells[word, 1] = np.uint16(z >> np.uint64(16)) < below
        cells[word, 2] = np.uint16(z >> np.uint64(32)) < below
        cells[word, 3] = np.uint16(z >> np.uint64(48)) < below

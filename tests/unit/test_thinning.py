"""Thinning: two independent counts from one, and where that breaks."""

import numpy as np
import pytest

from spikesieve.errors import InputError
from spikesieve.thinning import thin


def correlation(a, b):
    return np.corrcoef(a.ravel().astype(float), b.ravel().astype(float))[0, 1]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int64])
def test_the_parts_make_up_the_whole(kind):
    counts = np.random.default_rng(0).poisson(3, (500, 20)).astype(kind)
    kept, rest = thin(counts, 0.7, 1)
    assert kept.dtype == rest.dtype == kind
    np.testing.assert_array_equal(kept + rest, counts)
    assert kept.sum() / counts.sum() == pytest.approx(0.7, abs=0.01)
    np.testing.assert_array_equal(thin(counts, 0.7, 1)[0], kept)
    assert (thin(counts, 0.7, 2)[0] != kept).any()


def test_parts_of_poisson_counts_are_independent_and_poisson():
    counts = np.random.default_rng(0).poisson(2.0, (40_000, 5))
    kept, rest = thin(counts, 0.5, 0)
    assert abs(correlation(kept, rest)) < 0.01
    assert kept.var() / kept.mean() == pytest.approx(1, abs=0.02)


def test_parts_of_other_counts_are_not_independent():
    rng = np.random.default_rng(0)
    regular = np.full((20_000, 2), 4)
    bursting = rng.negative_binomial(1, 0.2, (20_000, 2))
    assert correlation(*thin(regular, 0.5, 0)) == pytest.approx(-1)
    assert correlation(*thin(bursting, 0.5, 0)) > 0.3


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="share 1"):
        thin(np.ones((2, 2), np.uint8), 1, 0)
    with pytest.raises(InputError, match="a count of -3"):
        thin(np.full((2, 2), -3), 0.5, 0)
    kept, rest = thin(np.empty((0, 3), np.uint8), 0.5, 0)
    assert kept.shape == rest.shape == (0, 3)

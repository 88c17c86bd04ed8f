"""R2 of columns, against scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import r2_score

from spikesieve.r2 import column_r2


@given(st.integers(0, 2**32 - 1), st.integers(2, 30), st.integers(1, 6))
def test_the_same_as_scikit_learns(seed, n_rows, n_columns):
    random = np.random.default_rng(seed)
    true = random.poisson(3, (n_rows, n_columns))
    true[0], true[1] = 0, 1  # no column is constant
    predicted = true + random.normal(size=true.shape)
    expected = r2_score(true, predicted, multioutput="raw_values")
    np.testing.assert_allclose(column_r2(true, predicted), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("n_rows", [0, 1, 5])
def test_what_does_not_vary_has_none(n_rows):
    true = np.full((n_rows, 2), 3.0)
    assert np.isnan(column_r2(true, true)).all()


def test_counts_are_not_wrapped():
    true = np.array([[0], [200]], np.uint8)
    assert column_r2(true, np.array([[200], [0]], np.uint8)) == pytest.approx(-3)

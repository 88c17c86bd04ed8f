"""Planted features are counted as found when, and only when, a latent follows them."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from spikesieve.errors import InputError
from spikesieve.latents import features_found, stability
from spikesieve.latents.matching import correlations


@pytest.fixture
def truth():
    rng = np.random.default_rng(0)
    return np.where(rng.random((2000, 6)) < 0.1, rng.gamma(4, 0.25, (2000, 6)), 0)


def test_the_truth_itself_is_found_in_any_order_and_scale(truth):
    order = np.array([3, 0, 5, 1, 4, 2])
    found = features_found(truth, scipy.sparse.csr_array((7 * truth)[:, order]))
    assert (found.recall, found.precision, found.f1) == (1, 1, 1)
    assert found.mean_abs_r == pytest.approx(1) and found.auroc == pytest.approx(1)
    assert (order[found.matches.latent.to_numpy(int)] == np.arange(6)).all()


def test_figures_by_hand(truth):
    rng = np.random.default_rng(1)
    noise = np.abs(rng.normal(size=(2000, 3)))
    # Two features found, one of them twice; three live latents are noise, one is silent.
    latents = np.column_stack([truth[:, :2], truth[:, 0], noise, np.zeros(2000)])
    found = features_found(truth, latents)
    assert found.n_live == 6
    assert found.recall == pytest.approx(2 / 6)
    assert found.precision == pytest.approx(2 / 6)
    assert found.f1 == pytest.approx(2 / 6)
    assert found.matches.found.tolist() == [True, True] + [False] * 4


def test_a_latent_is_found_at_the_limit_and_not_below(truth):
    one = (truth[:, 0] - truth[:, 0].mean()) / truth[:, 0].std()
    other = np.random.default_rng(2).normal(size=2000)
    other -= other.mean() + one * (one @ other) / (one @ one)
    other /= other.std()
    for r, recall in ((0.71, 1), (0.69, 0)):
        latent = (r * one + np.sqrt(1 - r * r) * other)[:, None]
        found = features_found(truth[:, :1], latent)
        assert found.mean_abs_r == pytest.approx(r) and found.recall == recall


def test_a_negative_latent_is_turned_round_by_its_correlation(truth):
    found = features_found(truth, -truth)
    assert found.recall == 1 and found.auroc == pytest.approx(1)
    assert (found.matches.r < 0).all()


def test_auroc_counts_ties_as_half():
    truth = np.array([[1.0], [2.0], [0.0], [0.0]])
    latents = np.array([[1.0], [0.0], [0.0], [0.0]])
    # Four pairs of on and off: two won, two tied.
    assert features_found(truth, latents).auroc == pytest.approx(0.75)


def test_fewer_latents_than_features(truth):
    found = features_found(truth, truth[:, [4]])
    assert found.recall == pytest.approx(1 / 6) and found.precision == 1
    assert found.mean_abs_r == pytest.approx(1 / 6)
    assert found.auroc == pytest.approx((1 + 5 * 0.5) / 6)
    assert found.matches.latent.isna().sum() == 5


def test_features_that_never_vary_are_left_out(truth):
    truth[:, 2] = 0
    found = features_found(truth, truth)
    assert found.recall == 1 and found.n_live == 5 and found.precision == 1
    assert found.matches.found.isna().tolist() == [False, False, True, False, False, False]


def test_nothing_planted_and_nothing_live(truth):
    nothing = features_found(truth[:, :0], truth)
    assert np.isnan([nothing.recall, nothing.precision, nothing.f1]).all()
    silent = features_found(truth, scipy.sparse.csr_array((2000, 9)))
    assert silent.recall == 0 and np.isnan(silent.precision) and silent.f1 == 0


def test_correlations_agree_with_numpy_across_pieces(monkeypatch):
    rng = np.random.default_rng(3)
    a, b = rng.random((501, 4)) + 1e4, rng.random((501, 3)) * (rng.random((501, 3)) < 0.2)
    b[:, 1] = 5.3
    monkeypatch.setattr("spikesieve.latents.matching._CELLS_AT_ONCE", 7 * 50)
    r = correlations(a, scipy.sparse.csr_array(b))
    assert np.isnan(r[:, 1]).all()
    expected = np.corrcoef(a.T, b[:, [0, 2]].T)[:4, 4:]
    assert r[:, [0, 2]] == pytest.approx(expected, abs=1e-9)


def test_bad_input_is_refused(truth):
    with pytest.raises(InputError, match="2000 and of 1999 bins"):
        features_found(truth, truth[1:])
    truth[5, 3] = np.nan
    with pytest.raises(InputError, match="column 3"):
        features_found(truth, np.ones((2000, 2)))


@pytest.mark.parametrize(
    "kind",
    [
        scipy.sparse.csc_array,
        scipy.sparse.coo_array,
        scipy.sparse.csr_matrix,
        scipy.sparse.lil_array,
        pd.DataFrame,
        np.ndarray.tolist,
    ],
)
def test_tables_of_any_kind_say_the_same(truth, kind):
    latents = np.column_stack([truth[:, :4], np.zeros((2000, 3))])
    wanted = features_found(truth, latents)
    for found in (features_found(kind(truth), latents), features_found(truth, kind(latents))):
        assert found[:-1] == pytest.approx(wanted[:-1])
        pd.testing.assert_frame_equal(found.matches, wanted.matches)
    again = stability([kind(latents), latents])
    np.testing.assert_allclose(again.matched_r[0], stability([latents, latents]).matched_r[0])


def test_on_and_off_will_do(truth):
    found = features_found(truth > 0, scipy.sparse.csc_array(truth > 0))
    assert (found.recall, found.precision, found.n_live) == (1, 1, 6)
    assert found.mean_abs_r == pytest.approx(1)


@pytest.mark.parametrize("bad", [lambda t: t[:, 0], lambda t: [["a"]] * 2000, lambda t: 3])
def test_what_is_no_table_is_named(truth, bad):
    for pair in ((truth, bad(truth)), (bad(truth), truth)):
        with pytest.raises(InputError, match=r"activations of shape.*numbers, \(bins, latents\)"):
            features_found(*pair)
    with pytest.raises(InputError, match="activations of shape"):
        stability([truth, bad(truth)])

"""Latents that every seed finds are told from those that one seed made up."""

import numpy as np
import pytest
import scipy.sparse

from spikesieve.errors import InputError
from spikesieve.latents import stability
from spikesieve.latents.participation import LEAST_UNITS, effective_units
from spikesieve.latents.stability import sure_stability, surely


@pytest.fixture
def seeds():
    """Return three seeds: latents 0 and 1 shared (in other places), one of each its own."""
    rng = np.random.default_rng(0)
    shared = np.where(rng.random((3000, 2)) < 0.1, rng.random((3000, 2)), 0)
    own = np.where(rng.random((3000, 3)) < 0.1, rng.random((3000, 3)), 0)
    return [
        np.column_stack([shared, own[:, :1]]),
        np.column_stack([own[:, 1:2], 3 * shared[:, ::-1]]),
        np.column_stack([shared[:, 0], own[:, 2], shared[:, 1], np.zeros(3000)]),
    ]


def test_shared_latents_are_stable_and_others_are_not(seeds):
    found = stability([scipy.sparse.csr_array(seed) for seed in seeds])
    stable = [(r >= 0.7).tolist() for r in found.matched_r]
    assert stable == [[True, True, False], [False, True, True], [True, False, True, False]]
    assert found.stable_share == pytest.approx(6 / 10)
    assert found.matched_r[0][:2] == pytest.approx(1)
    assert found.matched_r[2][3] == 0


def test_two_copies_cannot_both_claim_one_latent(seeds):
    one, twice = seeds[0][:, :2], seeds[0][:, [0, 0, 1]]
    found = stability([one, twice])
    assert sorted(found.matched_r[1].round(3)) == pytest.approx([0, 1, 1])


def test_a_latent_of_two_seeds_out_of_three_scores_between(seeds):
    second, third = seeds[1].copy(), seeds[2][:, :3].copy()
    third[:, 0] = np.random.default_rng(1).random(3000)
    found = stability([seeds[0], second, third])
    assert found.matched_r[0][0] == pytest.approx(0.5, abs=0.05)


def test_independent_latents_are_not_stable():
    rng = np.random.default_rng(2)
    noise = [np.abs(rng.normal(size=(3000, 40))) for _ in range(2)]
    assert stability(noise).stable_share == 0


def test_one_seed_or_other_bins_are_refused(seeds):
    with pytest.raises(InputError, match="of 1 seeds"):
        stability(seeds[:1])
    with pytest.raises(InputError, match="3000 and of 2999 bins"):
        stability([seeds[0], seeds[1][1:]])


def test_the_fewer_bins_are_active_the_less_is_sure():
    rng = np.random.default_rng(3)
    codes = scipy.sparse.csr_array(
        (rng.random((2000, 4)) < [0.5, 0.01, 0.001, 0.0]).astype(np.float32)
    )
    n_active = np.bincount(codes.indices, minlength=4)
    low = surely(np.full(4, 0.8), codes)
    assert 0.75 < low[0] < 0.8
    assert low[1] == pytest.approx(np.tanh(np.arctanh(0.8) - 1.645 / np.sqrt(n_active[1] - 3)))
    assert low[2:].tolist() == [0, 0]
    assert surely(np.array([1.0, 0.0, 0.5, 1.0]), codes)[:2] == pytest.approx([1, 0], abs=1e-4)


def test_units_that_share_a_latent_are_counted():
    loadings = np.array([[0, 3, 0, 0], [1, 1, -1, 1], [2, 1, 0, 0], [0, 0, 0, 0]], np.float32)
    assert effective_units(loadings) == pytest.approx([1, 4, 25 / 17, 0])
    copy = np.r_[1, np.full(2000, 0.005)].astype(np.float32)
    assert effective_units(copy[None])[0] < LEAST_UNITS


def test_a_latent_of_hardly_more_than_one_unit_is_never_stable():
    loadings = np.array([[1, 0.3], [1, 0.4], [0, 1]], np.float32)
    codes = scipy.sparse.csr_array(np.ones((500, 3), np.float32))
    r = np.array([0.99, 0.9, 0.99])
    assert sure_stability(loadings, r, codes).tolist() == [0, surely(r, codes)[1], 0]

"""Null counts: coincidences are gone, what belongs to a unit alone stays."""

import numpy as np
import pytest

from spikesieve.errors import InputError
from spikesieve.nulls import NULLS, poisson_counts, shifted_counts


def shared_bursts(n_bins=4000, n_units=12, seed=0):
    """Counts of units that are driven by one common slow rhythm."""
    rng = np.random.default_rng(seed)
    drive = np.repeat(rng.gamma(0.5, 2.0, n_bins // 8), 8)[:, None]
    return rng.poisson(drive * rng.uniform(0.5, 1.5, n_units)).astype(np.uint8)


def mean_correlation(counts):
    r = np.corrcoef(counts.T.astype(float))
    return np.abs(r[np.triu_indices(len(r), 1)]).mean()


def autocorrelation(x, lag):
    x = x - x.mean()
    return (x * np.roll(x, lag)).sum() / (x**2).sum()


@pytest.mark.parametrize("null", NULLS)
def test_a_null_keeps_rates_and_destroys_coincidences(null):
    counts = shared_bursts()
    drawn = NULLS[null](counts, np.arange(len(counts)), 3)
    assert drawn.shape == counts.shape
    assert mean_correlation(counts) > 0.5
    assert mean_correlation(drawn) < 0.06
    np.testing.assert_allclose(drawn.mean(axis=0), counts.mean(axis=0), rtol=0.15)


def test_shifting_keeps_each_units_counts_and_autocorrelation():
    counts = shared_bursts()
    shifted = shifted_counts(counts, np.arange(len(counts)), 0)
    assert shifted.dtype == counts.dtype
    for before, after in zip(counts.T, shifted.T, strict=True):
        assert sorted(before) == sorted(after)
        for lag in (1, 4, 30):
            assert autocorrelation(after, lag) == pytest.approx(autocorrelation(before, lag))
    assert autocorrelation(shifted[:, 0], 1) > 0.3
    drawn = poisson_counts(counts, 0)
    assert abs(autocorrelation(drawn[:, 0], 1)) < 0.06


def offsets_of(shifted, marks):
    """Return by how many bins each unit was shifted; each has one spike, in row ``marks``."""
    return (shifted.argmax(axis=0) - marks) % len(shifted)


@pytest.mark.parametrize(("n_bins", "n_units", "least"), [(1000, 20, 20), (100, 20, 5)])
def test_offsets_lie_apart_as_far_as_the_stretch_allows(n_bins, n_units, least):
    for seed in range(20):
        counts = np.zeros((n_bins, n_units), np.uint8)
        counts[5] = 1
        offsets = np.sort(offsets_of(shifted_counts(counts, np.arange(n_bins), seed), 5))
        gaps = np.diff(np.r_[offsets, offsets[0] + n_bins])
        assert gaps.min() >= least


def test_more_units_than_bins_spread_evenly():
    counts = np.zeros((30, 60), np.uint8)
    counts[0] = 1
    shifted = shifted_counts(counts, np.arange(30), 1)
    assert np.bincount(shifted.argmax(axis=0), minlength=30).tolist() == [2] * 30


def test_no_spike_crosses_a_missing_bin():
    counts = np.zeros((600, 5), np.uint16)
    counts[:300] = 7
    bins = np.r_[0:300, 400:700]
    shifted = shifted_counts(counts, bins, 0)
    assert (shifted[:300] == 7).all() and not shifted[300:].any()
    joined = shifted_counts(counts, np.arange(600), 0)
    assert joined[300:].any()


def test_the_seed_decides():
    counts, bins = shared_bursts(), np.arange(4000)
    for null in NULLS.values():
        np.testing.assert_array_equal(null(counts, bins, 1), null(counts, bins, 1))
        assert (null(counts, bins, 1) != null(counts, bins, 2)).any()


def test_bins_in_pieces_too_short_to_shift_are_refused():
    counts = shared_bursts()[:100]
    with pytest.raises(InputError, match="100 of 100 bins lie in stretches of under 20 bins"):
        shifted_counts(counts, np.arange(100) * 2, 0)
    with pytest.raises(InputError, match="ascending"):
        shifted_counts(counts, np.arange(100)[::-1], 0)
    with pytest.raises(InputError, match="99 bin numbers of 100 bins"):
        shifted_counts(counts, np.arange(99), 0)


def test_counts_of_great_means_are_not_wrapped():
    counts = np.full((500, 2), 250, np.uint8)
    counts[:, 1] = 0
    drawn = poisson_counts(counts, 0)
    assert drawn[:, 0].max() > 255 and drawn[:, 0].mean() == pytest.approx(250, rel=0.02)
    assert not drawn[:, 1].any()

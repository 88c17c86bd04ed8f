"""Co-smoothing: known predictors have known scores, and copying is worth nothing."""

import numpy as np
import pandas as pd
import pytest

from spikesieve.cosmoothing import cosmooth, hidden_masks, score_cosmoothing
from spikesieve.evaluation import metrics_table
from spikesieve.recording import read_table, write_table


def always(rate):
    """Return a predictor that knows the ``(bin, unit)`` rates and looks at no count."""
    return lambda counts, bins, hidden: rate[:, hidden].astype(np.float32)


def value(scores, metric):
    (found,) = scores.loc[scores["metric"] == metric, "value"]
    return found


@pytest.fixture
def planted():
    rng = np.random.default_rng(0)
    rate = np.where(rng.random((2000, 1)) < 0.3, 4.0, 0.5) * rng.uniform(0.5, 2, 40)
    return rate, rng.poisson(rate).astype(np.uint8)


@pytest.mark.parametrize("n_units", [10, 23, 150])
def test_each_mask_hides_three_tenths_and_each_unit_is_hidden_thrice(n_units):
    masks = hidden_masks(n_units)
    assert len(masks) == 10
    assert masks.sum(axis=0).tolist() == [3] * n_units
    assert (np.abs(masks.mean(axis=1) - 0.3) <= 3 / n_units).all()
    np.testing.assert_array_equal(masks, hidden_masks(n_units))


@pytest.mark.parametrize("n_units", range(10))
def test_few_units_leave_out_masks_that_hide_all_or_none(n_units):
    masks = hidden_masks(n_units)
    assert masks.any(axis=1).all()
    assert not masks.all(axis=1).any()
    assert masks.any(axis=0).all() or n_units < 2


def test_the_true_rates_score_what_poisson_noise_allows(planted):
    rate, counts = planted
    r2, bits, _ = cosmooth(always(rate), counts, np.arange(2000), counts.mean(axis=0))
    allowed = rate.var(axis=0) / (rate.var(axis=0) + rate.mean(axis=0))
    np.testing.assert_allclose(r2, allowed, atol=0.06)
    mean = counts.mean(axis=0)
    gained = (counts * np.log(rate / mean) - rate + mean).sum(axis=0)
    np.testing.assert_allclose(bits, gained / counts.sum(axis=0) / np.log(2), rtol=1e-5)


def test_the_mean_of_these_bins_scores_zero_and_scores_are_per_mask_means(planted):
    _, counts = planted
    mean = counts.mean(axis=0)
    flat = np.tile(mean, (2000, 1))
    r2, bits, _ = cosmooth(always(flat), counts, np.arange(2000), mean)
    np.testing.assert_allclose(r2, 0, atol=1e-6)
    np.testing.assert_allclose(bits, 0, atol=1e-6)

    asked = []

    def worse_each_time(counts, bins, hidden):
        asked.append(hidden)
        return (flat[:, hidden] + len(asked)).astype(np.float32)

    r2, *_ = cosmooth(worse_each_time, counts, np.arange(2000), mean)
    times = np.array(asked)[:, 5].nonzero()[0] + 1
    expected = np.mean([-(t**2) / counts[:, 5].var() for t in times])
    assert r2[5] == pytest.approx(expected, rel=1e-4)


def test_a_copier_sees_zeros_where_units_are_hidden(planted):
    _, counts = planted

    def copy(seen, bins, hidden):
        assert not seen[:, hidden].any()
        assert np.array_equal(seen[:, ~hidden], counts[:, ~hidden])
        return seen[:, hidden].astype(np.float32)

    r2, bits, _ = cosmooth(copy, counts, np.arange(2000), counts.mean(axis=0))
    assert (r2 < 0).all()
    assert (bits < 0).all()
    assert np.isfinite(bits).all()  # predicting 0 costs much, not infinitely


def test_units_without_spikes_have_no_score(planted):
    rate, counts = planted
    counts[:, 3] = 0
    mean = counts.mean(axis=0)
    mean[7] = 0
    scores = score_cosmoothing(
        always(rate), counts, np.arange(2000), mean, unit_ids=np.arange(40, dtype=np.int32)
    )
    by_unit = scores.dropna(subset="unit_id").set_index(["metric", "unit_id"])["value"]
    assert by_unit["cosmoothing_r2"].isna().to_numpy().nonzero()[0].tolist() == [3]
    assert by_unit["cosmoothing_bits"].isna().to_numpy().nonzero()[0].tolist() == [3, 7]
    for metric in ("cosmoothing_r2", "cosmoothing_bits"):
        assert value(scores, f"{metric}_mean") == pytest.approx(by_unit[metric].mean())
        assert value(scores, f"{metric}_median") == pytest.approx(by_unit[metric].median())


def test_one_unit_cannot_be_predicted_from_others(tmp_path):
    counts = np.array([[1], [3]], np.uint8)
    scores = score_cosmoothing(
        always(counts), counts, np.arange(2), np.array([2.0]), unit_ids=np.array([8], np.int32)
    )
    assert scores["value"].isna().all()
    names = {"recording": "r", "method": "pca", "model": "pca1", "seed": 0, "split": "test"}
    write_table(tmp_path / "m.parquet", "metrics", metrics_table(scores, **names))
    assert len(read_table(tmp_path / "m.parquet", "metrics")) == len(scores)
    assert isinstance(scores, pd.DataFrame)


def test_what_all_units_share_earns_no_pattern_bits_and_who_fires_does(planted):
    rate, counts = planted
    mean, bins = counts.mean(axis=0), np.arange(2000)
    shared = cosmooth(always(rate), counts, bins, mean)
    assert np.median(shared.bits) > 0.1
    assert shared.pattern_bits == pytest.approx(0, abs=5e-3)

    rng = np.random.default_rng(1)
    pattern = np.where((rng.random((2000, 1)) < 0.5) == (np.arange(40) % 2), 2.0, 0.5)
    counts = rng.poisson(pattern)
    mean = counts.mean(axis=0)
    for scale in (1, 7):  # right up to a factor is right
        found = cosmooth(always(scale * pattern), counts, bins, mean)
        share = pattern / pattern.sum(axis=1, keepdims=True)
        by_hand = (counts * np.log2(share * 40)).sum() / counts.sum()
        assert found.pattern_bits == pytest.approx(by_hand, abs=0.02)
    assert np.isnan(cosmooth(always(pattern), 0 * counts, bins, mean).pattern_bits)

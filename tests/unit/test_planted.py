"""Planted counts are what the recovery benchmark says they are."""

import numpy as np
import pytest

from spikesieve.errors import InputError
from spikesieve.planted import TIERS, planted_counts


@pytest.mark.parametrize("tier", list(TIERS))
def test_a_tier_has_its_size_and_fires_at_its_rate(tier):
    plan, planted = TIERS[tier], planted_counts(tier, seed=1)
    assert planted.counts.shape == (plan.n_bins, 150) and planted.counts.dtype.kind == "u"
    assert planted.activations.shape == (plan.n_bins, plan.n_features)
    assert planted.bin_s == plan.bin_s
    assert planted.counts.mean() / plan.bin_s == pytest.approx(plan.mean_rate_hz, rel=0.01)


@pytest.mark.parametrize(
    ("tier", "base_hz", "loading_hz"),
    [("A", 2.1, 34), ("B", 0.8, 12.5), ("C", 2.4, 37), ("D", 0.7, 10.5)],
)
def test_base_rates_and_loadings_are_what_the_caption_of_the_benchmark_says(
    tier, base_hz, loading_hz
):
    drawn = [planted_counts(tier, seed, n_bins=8000) for seed in range(4)]
    base = np.mean([p.base_rate_hz.mean() for p in drawn])
    loading = np.mean([p.loadings[p.loadings > 0].mean() for p in drawn])
    assert base == pytest.approx(base_hz, rel=0.15)
    assert loading == pytest.approx(loading_hz, rel=0.15)
    # Before both are scaled to the tier's mean rate: 2 Hz, and 30 Hz at a loading of 1.
    assert loading / base == pytest.approx(15, rel=0.15)


def test_counts_are_poisson_around_what_the_features_drive():
    planted = planted_counts("A", seed=2)
    expected = planted.base_rate_hz + planted.activations @ planted.loadings
    expected *= planted.bin_s
    rest = (planted.counts - expected) / np.sqrt(expected)
    assert np.abs(rest.mean(axis=0)).max() < 0.03
    assert rest.var(axis=0).mean() == pytest.approx(1, abs=0.01)


def test_features_switch_in_bursts_and_vary_while_on():
    planted = planted_counts("A", seed=3)
    on = planted.activations > 0
    share = on.mean(axis=0)
    assert share.min() > 0.005 and share.max() < 0.15
    burst = on.sum(axis=0) / np.maximum((np.diff(on.astype(int), axis=0) == 1).sum(axis=0), 1)
    assert np.percentile(burst, 10) > 2.5 and np.percentile(burst, 90) < 14
    amplitude = planted.activations[on]
    assert amplitude.mean() == pytest.approx(1, abs=0.01)
    assert amplitude.std() == pytest.approx(0.5, abs=0.01)
    n_driven = (planted.loadings > 0).sum(axis=1)
    assert n_driven.min() >= 6 and n_driven.max() <= 20


def test_children_are_on_only_under_their_parent():
    planted = planted_counts("C", seed=4)
    on = planted.activations > 0
    children = np.flatnonzero(planted.parents >= 0)
    assert len(children) == 45 and (planted.parents == -1).sum() == 15
    gates = on[:, planted.parents[children]]
    assert not (on[:, children] & ~gates).any()
    given_parent = on[:, children].sum(axis=0) / gates.sum(axis=0)
    assert given_parent.min() > 0.1 and given_parent.max() < 0.7


def test_units_of_the_empty_tier_are_independent():
    counts = planted_counts("E", seed=5).counts.astype(float)
    r = np.corrcoef(counts.T) - np.eye(150)
    assert np.abs(r).max() < 5 / np.sqrt(len(counts))
    neighbours = [np.corrcoef(unit[1:], unit[:-1])[0, 1] for unit in counts.T[:20]]
    assert np.abs(neighbours).max() < 5 / np.sqrt(len(counts))


def test_a_seed_is_a_data_set():
    first, again, other = (planted_counts("A", seed, n_bins=4000) for seed in (0, 0, 1))
    assert np.array_equal(first.counts, again.counts)
    assert not np.array_equal(first.loadings, other.loadings)


def test_unknown_tiers_and_too_few_bins_are_refused():
    with pytest.raises(InputError, match="tier 'F'"):
        planted_counts("F", 0)
    with pytest.raises(InputError, match="20 bins are too few"):
        planted_counts("A", 0, n_bins=20)

"""Windows: what a network sees and is asked, against plain loops."""

import numpy as np
import pytest
import torch
from distance_samples import flicker_bins
from hypothesis import given
from hypothesis import strategies as st

from spikesieve.distance.shape import Shape
from spikesieve.distance.transform import future_distance, nearest_spikes
from spikesieve.distance.windows import blocks_of, gather, on_device, window_starts
from spikesieve.errors import InputError

SHAPE = Shape(n_in=64, prefix=8, future=16, counts=(5, 10, 24), max_distance=30)


def test_a_window_shows_the_past_and_asks_for_the_future():
    bins = flicker_bins()
    recorded = on_device(bins, torch.device("cpu"))
    now, units = np.array([70, 500, 3000]), np.array([2, 0])
    batch = gather(recorded, torch.from_numpy(now), torch.from_numpy(units), SHAPE)
    for w, n in enumerate(now):
        np.testing.assert_array_equal(batch.stimulus[w], bins.stimulus[:, n - 64 : n])
        for u, unit in enumerate(units):
            train = bins.spikes[unit]
            np.testing.assert_array_equal(batch.history[w, u], train[n - 64 : n])
            np.testing.assert_array_equal(batch.spikes[w, u], train[n : n + 16] > 0)
            counts = [train[n : n + span].sum() for span in SHAPE.counts]
            np.testing.assert_array_equal(batch.counts[w, u], counts)
            ahead = n + np.flatnonzero(train[n:])
            gaps = np.abs(np.arange(n - 8, n + 16)[:, None] - ahead).min(axis=1)
            wanted = np.where(gaps == 0, 0.25, np.minimum(gaps, 30))
            np.testing.assert_array_equal(batch.distance[w, u], wanted)


@given(st.integers(0, 2**32 - 1), st.floats(0.0, 0.3))
def test_distances_are_those_of_the_transform(seed, rate):
    random = np.random.default_rng(seed)
    bins = flicker_bins(n_units=2, n_bins=400)
    bins = bins._replace(spikes=(random.random((2, 400)) < rate).astype(np.uint8))
    now = random.integers(64, 376, 5)
    recorded = on_device(bins, torch.device("cpu"))
    batch = gather(recorded, torch.from_numpy(now), torch.arange(2), SHAPE)
    for unit in range(2):
        wanted = future_distance(
            *nearest_spikes(bins.spikes[unit]), now, prefix=8, n_bins=24, max_distance=30
        )
        np.testing.assert_array_equal(batch.distance[:, unit], wanted)


def test_windows_stay_inside_the_blocks_of_their_split():
    bins = flicker_bins(n_bins=2000)
    split = np.array(["train"] * 700 + ["gap"] * 100 + ["test"] * 400 + ["train"] * 800, object)
    bins = bins._replace(split=split)
    assert blocks_of(bins, "train") == [(0, 700), (1200, 2000)]
    for offset in (0, 3, 11):
        now = window_starts(bins, "train", SHAPE, stride=8, offset=offset)
        assert now[0] == 64 + offset % 8
        for n in now:
            assert set(split[n - 64 : n + 24]) == {"train"}
    assert now.max() > 1960


def test_a_window_longer_than_the_block_is_refused():
    bins = flicker_bins(n_bins=200)
    with pytest.raises(InputError, match="block of validation has 50 bins.*64 before now and 24"):
        window_starts(bins, "validation", SHAPE, stride=8)
    with pytest.raises(InputError, match="block of gap has 0 bins"):
        window_starts(bins, "gap", SHAPE, stride=8)


def test_nothing_is_copied_per_window():
    """Held on the device: a few numbers a bin, however many windows there are."""
    bins = flicker_bins(n_units=2, n_bins=100_000)
    recorded = on_device(bins, torch.device("cpu"))
    held = sum(t.element_size() * t.numel() for t in recorded)
    assert held / 100_000 < 2 * (1 + 3 * 4) + 2 * 4 + 1

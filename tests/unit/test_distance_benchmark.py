"""What is timed does the same work on both sides."""

import numpy as np

from spikesieve.distance import spike_distance
from spikesieve.distance.benchmark import (
    compare_em,
    compare_transform,
    naive_distance,
    noisy_windows,
)


def test_the_naive_form_gives_the_same_distances():
    spikes = (np.random.default_rng(0).random(3000) < 0.02).astype(np.uint8)
    ours = spike_distance(spikes, max_distance=50)
    np.testing.assert_array_equal(naive_distance(spikes, max_distance=50), ours)


def test_each_comparison_is_a_row():
    table = compare_transform(np.eye(1, 2000, 700, dtype=np.uint8)[0])
    assert table["other"].tolist() == ["a pass a spike"]
    assert table["size"].tolist() == ["2000 bins, 1 of them with spikes"]
    distance, last = noisy_windows(4)
    table = compare_em(distance, last, repeats=1)
    assert table["ours"].tolist() == ["spikesieve, 1 thread", "spikesieve, all processors"]
    assert (table["ratio"] > 0).all() and (table["us_a_window"] > 0).all()


def test_windows_are_those_of_trains():
    """Without noise every window has its spikes' distances; last spikes fit the first bins."""
    distance, last = noisy_windows(50, noise=0)
    assert ((distance == np.floor(distance)) | (distance == 0.25)).all()
    assert (np.abs(np.diff(distance, axis=1)) <= 1).all()
    assert (last <= 0).all() and (last < -32).any()
    bin_before = distance[np.arange(50), 31]
    near = (last < 0) & (last >= -198)
    assert (bin_before[near] <= np.maximum(-last[near] - 1, 0.25)).all()

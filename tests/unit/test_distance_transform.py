"""Distances in linear time, against a minimum over every spike."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikesieve.distance import spike_distance
from spikesieve.distance.transform import FAR, future_distance, nearest_spikes
from spikesieve.errors import InputError

COUNTS = hnp.arrays(
    np.uint8, st.integers(0, 60), elements=st.sampled_from([0, 0, 0, 0, 0, 1, 3]), fill=st.nothing()
)
LIMITS = st.sampled_from([1, 3, 7.5, 20, 200, 1e8])


def naive_distance(counts, *, max_distance, minimum=0.25):
    """One pass over the recording for each spike."""
    k = np.arange(len(counts))
    distance = np.full(len(counts), float(max_distance))
    for n in np.flatnonzero(counts):
        distance = np.minimum(distance, np.where(k == n, minimum, np.abs(k - n)))
    return distance.astype(np.float32)


@given(COUNTS, LIMITS, st.sampled_from([0.25, 0.5, 0.999]))
def test_distance_is_the_minimum_over_spikes(counts, max_distance, minimum):
    ours = spike_distance(counts, max_distance=max_distance, minimum=minimum)
    expected = naive_distance(counts, max_distance=max_distance, minimum=minimum)
    assert ours.dtype == np.float32
    np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("kind", [bool, np.int64, np.float64, np.uint16, list])
def test_counts_of_any_type(kind):
    counts = np.array([0, 1, 0, 0, 0, 1, 1, 0])
    given = counts.tolist() if kind is list else counts.astype(kind)
    expected = [1, 0.25, 1, 2, 1, 0.25, 0.25, 1]
    assert spike_distance(given, max_distance=200).tolist() == expected


def test_strided_counts():
    """A column of a table (bin, unit)."""
    table = np.zeros((30, 3), np.uint8)
    table[[4, 20], 1] = 2
    ours = spike_distance(table[:, 1], max_distance=9)
    np.testing.assert_array_equal(ours, naive_distance(table[:, 1], max_distance=9))


def test_a_long_silence_counts_every_bin():
    """More bins than whole numbers of single precision reach one by one from a float counter."""
    counts = np.zeros((1 << 24) + 10, np.uint8)
    counts[0] = 1
    assert spike_distance(counts, max_distance=1e9)[-1] == np.float32((1 << 24) + 9)


def test_no_spike_and_no_bin():
    assert (spike_distance(np.zeros(40, np.uint8), max_distance=12.5) == 12.5).all()
    assert spike_distance(np.zeros(0, np.uint8), max_distance=12.5).shape == (0,)


@given(COUNTS)
def test_nearest_spikes_on_both_sides(counts):
    previous, following = nearest_spikes(counts)
    spikes = np.flatnonzero(counts)
    for k in range(len(counts)):
        assert previous[k] == max(spikes[spikes <= k], default=-FAR)
        assert following[k] == min(spikes[spikes >= k], default=FAR)


@given(COUNTS, LIMITS, st.data())
def test_future_distance_forgets_earlier_spikes(counts, max_distance, data):
    """The same as the whole transform of a recording without the spikes before "now"."""
    if len(counts) == 0:
        return
    n_bins = data.draw(st.integers(1, len(counts)))
    prefix = data.draw(st.integers(0, n_bins - 1))
    first = st.integers(0, len(counts) - n_bins)
    now = np.array(data.draw(st.lists(first, max_size=4)), np.int64) + prefix
    ours = future_distance(
        *nearest_spikes(counts), now, prefix=prefix, n_bins=n_bins, max_distance=max_distance
    )
    assert ours.shape == (len(now), n_bins)
    assert ours.dtype == np.float32
    for window, start in enumerate(now):
        future = np.where(np.arange(len(counts)) < start, 0, counts)
        whole = naive_distance(future, max_distance=max_distance)
        expected = whole[start - prefix : start - prefix + n_bins]
        np.testing.assert_array_equal(ours[window], expected)


@pytest.mark.parametrize(
    ("counts", "problem"),
    [
        (np.array([0.0, np.nan]), "bin 1 is nan"),
        (np.array([0.0, np.inf]), "bin 1 is inf"),
        (np.array([0, 1, -2]), "bin 2 is -2"),
        (np.array([0.5, 0]), "bin 0 is 0.5"),
        (np.zeros((2, 3)), r"shape \(2, 3\)"),
        (np.array(["1"]), "type <U1"),
    ],
)
def test_impossible_counts(counts, problem):
    for transform in (lambda c: spike_distance(c, max_distance=9), nearest_spikes):
        with pytest.raises(InputError, match=problem):
            transform(counts)


@pytest.mark.parametrize("max_distance", [0.5, 0, -3, np.nan, np.inf])
def test_impossible_clamp(max_distance):
    with pytest.raises(InputError, match="max_distance"):
        spike_distance(np.zeros(4, np.uint8), max_distance=max_distance)


@pytest.mark.parametrize("minimum", [0, 1, -1, np.nan, 2])
def test_impossible_minimum(minimum):
    with pytest.raises(InputError, match="minimum"):
        spike_distance(np.zeros(4, np.uint8), max_distance=9, minimum=minimum)


@pytest.mark.parametrize(
    ("now", "prefix", "n_bins", "problem"),
    [
        ([5, 2], 3, 6, "window 1 covers bins -1 to 4"),
        ([5, 8], 3, 6, "window 1 covers bins 5 to 10"),
        ([5], 6, 6, "prefix 6 of 6"),
        ([5], -1, 6, "prefix -1"),
    ],
)
def test_windows_stay_within_the_recording(now, prefix, n_bins, problem):
    nearest = nearest_spikes(np.zeros(10, np.uint8))
    with pytest.raises(InputError, match=problem):
        future_distance(*nearest, np.array(now), prefix=prefix, n_bins=n_bins, max_distance=9)

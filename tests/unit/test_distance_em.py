"""The compiled sieve against the algorithm in plain Python, spike by spike."""

import numpy as np
import pytest
from distance_trains import windows
from hypothesis import given, settings
from hypothesis import strategies as st

from spikesieve.distance import infer_spikes, spike_distance
from spikesieve.distance.inference.em import jitter
from spikesieve.distance.inference.plain import plain_em


def plain(distance, last, jitters=None, **options):
    """Run the plain form window by window."""
    return np.array(
        [
            plain_em(
                row.astype(np.float64).tolist(),
                last_spike=None if last is None or last[i] == 0 else int(last[i]),
                jitter=None if jitters is None else jitters[i].tolist(),
                **options,
            )
            for i, row in enumerate(distance)
        ]
    )


@pytest.mark.parametrize("noise", [0, 0.3, 1.0])
@pytest.mark.parametrize("refractory", [0, 3])
def test_the_same_spikes_as_in_plain_python(noise, refractory):
    """Real sizes; last spikes within the prefix and before it; and windows without any."""
    distance, last, _ = windows(40, noise=noise)
    assert (last < -32).any() and ((last >= -32) & (last < 0)).any()
    options = {"prefix": 32, "refractory": refractory}
    for known in (last, None):
        ours = infer_spikes(distance, last_spike=known, **options)
        np.testing.assert_array_equal(ours, plain(distance, known, **options))


@settings(max_examples=150)
@given(st.data())
def test_any_window(data):
    """Windows of any length (with end nodes or without), prefix, clamp, ties and last spike."""
    n_bins = data.draw(st.integers(1, 70))
    prefix = data.draw(st.integers(0, n_bins - 1))
    values = st.sampled_from([0.25, 0.3, 1, 1, 2, 2, 3, 5, 8, 13, 40, 198])
    distance = np.array([data.draw(st.lists(values, min_size=n_bins, max_size=n_bins))])
    last = np.array([data.draw(st.integers(-2 * n_bins, 0))])
    options = {
        "prefix": prefix,
        "max_distance": data.draw(st.sampled_from([1, 4, 7.5, 20, 198])),
        "refractory": data.draw(st.integers(0, 6)),
    }
    ours = infer_spikes(distance, last_spike=last, **options)
    np.testing.assert_array_equal(ours, plain(distance, last, **options))


def test_jitter_changes_the_first_visits_only():
    """The same spikes as the plain form that is handed the same jitter.

    Windows as an unsure network predicts them: far from 0 and nearly flat.
    """
    distance, last, _ = windows(60, noise=0.5)
    distance = 30 + distance**0.25
    jitters = jitter(distance.astype(np.float64), 7)
    ours = infer_spikes(distance, last_spike=last, prefix=32, jitter_seed=7)
    np.testing.assert_array_equal(ours, plain(distance, last, jitters, prefix=32))
    assert (ours != infer_spikes(distance, last_spike=last, prefix=32)).any()


def test_jitter_is_uniform_and_follows_from_seed_and_window():
    distance, _, _ = windows(200, noise=0.5)
    t = distance.astype(np.float64)
    share = jitter(t, 1) / (0.05 * t.min(axis=1, keepdims=True))
    assert share.min() >= 0 and share.max() < 1
    counts = np.histogram(share, bins=10, range=(0, 1))[0]
    expected = share.size / 10  # chi-square of 9 degrees of freedom: 40 has a chance of 1e-5
    assert ((counts - expected) ** 2 / expected).sum() < 40
    assert abs(np.corrcoef(share[:, 0], share[:, 1])[0, 1]) < 0.3
    np.testing.assert_array_equal(jitter(t[50:60], 1), jitter(t, 1)[50:60])
    assert (jitter(t, 1) != jitter(t, 2)).mean() > 0.99
    assert (jitter(t, -1) != jitter(t, 1)).mean() > 0.99


@pytest.mark.parametrize("method", ["em", "exact"])
def test_threads_and_batches_change_nothing(method):
    distance, last, _ = windows(300, noise=0.5)
    options = {"method": method, "prefix": 32} | ({"jitter_seed": 3} if method == "em" else {})
    alone = infer_spikes(distance, last_spike=last, n_threads=1, **options)
    shared = infer_spikes(distance, last_spike=last, n_threads=4, **options)
    np.testing.assert_array_equal(alone, shared)
    parts = [
        infer_spikes(distance[i : i + 70], last_spike=last[i : i + 70], **options)
        for i in range(0, 300, 70)
    ]
    np.testing.assert_array_equal(alone, np.concatenate(parts))


def test_clean_distances_give_back_most_trains():
    """The window's end may hold a false spike (the next one's distance pulls), so look before."""
    distance, last, truth = windows(300)
    found = infer_spikes(distance, last_spike=last, prefix=32)
    assert (found == truth)[:, :40].all(axis=1).mean() > 0.9


def test_refractory_drops_the_later_of_two():
    """The known spike counts if it lies in the window; each drop is judged by who stayed."""
    train = np.zeros(100, bool)
    train[[30, 33, 40, 42, 44, 60]] = True
    distance = spike_distance(train, max_distance=198)[None]
    known = {"prefix": 32, "last_spike": -2}
    assert np.flatnonzero(infer_spikes(distance, **known)[0]).tolist() == [1, 8, 10, 12, 28]
    found = infer_spikes(distance, refractory=3, **known)[0]
    assert np.flatnonzero(found).tolist() == [8, 12, 28]


@pytest.mark.parametrize("level", [0.25, 1.0, 50.0, 198.0])
def test_flat_distances(level):
    """Defined, and the same as in plain Python: spikes everywhere at 0.25, none at the clamp."""
    flat = np.full((2, 128), level, np.float32)
    found = infer_spikes(flat, prefix=32)
    np.testing.assert_array_equal(found, plain(flat, None, prefix=32))
    if level in (0.25, 198.0):
        assert (found == (level == 0.25)).all()


def test_log_space_judges_the_energy_of_logarithms():
    """Noise of a constant ratio hurts small distances least in log space."""
    distance, last, truth = windows(300, noise=0.3, seed=4)
    wrong = {
        space: (infer_spikes(distance, last_spike=last, prefix=32, space=space) != truth).sum()
        for space in ("linear", "log")
    }
    assert wrong["log"] < wrong["linear"]

"""The one interface, and the methods that need no oracle of their own."""

import numpy as np
import pytest
from distance_trains import windows
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikesieve.distance import infer_spikes, spike_distance
from spikesieve.distance.inference import METHODS
from spikesieve.distance.inference.cumulative import carry_on
from spikesieve.distance.inference.sampled import sample_counts
from spikesieve.errors import InputError

#: Sums of these are exact, so that a sum in two parts is the sum in one.
HAZARD = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 3), st.integers(1, 40)),
    elements=st.integers(0, 64).map(lambda n: n / 64),
)
CARRIED = st.integers(0, 63).map(lambda n: n / 64)


def run(method, n_windows=3, **options):
    """Call a method on windows of 12 bins, 4 of them before now."""
    rng = np.random.default_rng(0)
    distance = rng.uniform(0.25, 9, (n_windows, 12))
    hazard = rng.uniform(0, 0.5, (n_windows, 8))
    return infer_spikes(distance, **({"method": method, "prefix": 4, "hazard": hazard} | options))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_answers_in_the_same_shape(method):
    """Bins from now on; no windows at all give no rows."""
    for n_windows in (3, 1, 0):
        found = run(method, n_windows)
        assert found.shape == (n_windows, 8)
        assert found.dtype == bool


@pytest.mark.parametrize("method", METHODS)
def test_every_method_obeys_the_refractory_time(method):
    """Also that of the known last spike."""
    hazard = np.full((40, 8), 0.9)
    for last in (-1, -3):
        found = run(method, 40, hazard=hazard, refractory=2, last_spike=np.full(40, last))
        padded = np.hstack([np.zeros((40, 4), bool), found])
        padded[:, 4 + last] = True
        for row in padded:
            assert (np.diff(np.flatnonzero(row)) > 2).all()
    assert method == "none" or run(method, 40, hazard=hazard, refractory=2).any()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("level", [0.25, 3.0, 198.0])
def test_flat_predictions_have_a_defined_result(method, level):
    """Equal windows give equal rows, call after call (but for draws, which a seed repeats)."""
    flat, hazard = np.full((2, 12), level), np.full((2, 8), 0.2)
    first, second = (infer_spikes(flat, method=method, prefix=4, hazard=hazard) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert method == "sampled" or (first[0] == first[1]).all()


@given(HAZARD, CARRIED, st.data())
def test_cumulative_counts_what_the_hazard_adds_up_to(hazard, carried, data):
    """As many spikes as whole numbers crossed; cut anywhere, the parts give the whole."""
    found = infer_spikes(None, method="cumulative", hazard=hazard, carried=carried)
    crossed = np.floor(carried + np.cumsum(hazard, axis=1))
    np.testing.assert_array_equal(np.cumsum(found, axis=1), crossed)
    cut = data.draw(st.integers(0, hazard.shape[1] - 1))
    after = carry_on(hazard, carried, n_bins=cut)
    rest = infer_spikes(None, method="cumulative", hazard=hazard[:, cut:], carried=after)
    np.testing.assert_array_equal(found[:, cut:], rest)


def test_cumulative_places_one_spike_a_unit_of_hazard():
    hazard = np.full((1, 8), 0.25)
    found = infer_spikes(None, method="cumulative", hazard=hazard, carried=0.0)
    assert np.flatnonzero(found).tolist() == [3, 7]
    found = infer_spikes(None, method="cumulative", hazard=hazard, carried=np.array([0.5]))
    assert np.flatnonzero(found).tolist() == [1, 5]


def test_sampled_follows_the_hazard():
    """Each bin by itself, within 5 standard deviations; a seed repeats, a generator goes on."""
    chance = np.array([0.0, 0.01, 0.3, 0.9, 1.0])
    n = 20_000
    hazard = np.tile(chance, (n, 1))
    found = infer_spikes(None, method="sampled", hazard=hazard, seed=1)
    assert (np.abs(found.mean(axis=0) - chance) <= 5 * np.sqrt(chance * (1 - chance) / n)).all()
    assert abs(np.corrcoef(found[:, 2], found[:, 3])[0, 1]) < 0.04
    np.testing.assert_array_equal(
        found, infer_spikes(None, method="sampled", hazard=hazard, seed=1)
    )
    generator = np.random.default_rng(1)
    first = infer_spikes(None, method="sampled", hazard=hazard, seed=generator)
    np.testing.assert_array_equal(found, first)
    assert (infer_spikes(None, method="sampled", hazard=hazard, seed=generator) != found).any()


def test_sampled_counts_are_poisson_and_spread_evenly():
    """Mean and variance of the count; every bin alike; none after the bins that were counted."""
    n, mean = 20_000, 3.0
    options = {"method": "sampled", "expected_count": np.full(n, mean), "count_bins": 40}
    found = infer_spikes(np.ones((n, 60)), prefix=10, seed=2, **options)
    assert found.shape == (n, 50)
    assert not found[:, 40:].any()
    count = found.sum(axis=1)
    assert abs(count.mean() - mean) < 5 * np.sqrt(mean / n)
    assert abs(count.var() - mean) < 0.25
    share = found[:, :40].mean(axis=0)
    assert np.abs(share - mean / 40).max() < 5 * np.sqrt(mean / 40 / n)
    assert infer_spikes(None, seed=2, **options).shape == (n, 40)


def test_more_counts_than_bins_fill_them():
    generator = np.random.default_rng(0)
    found = sample_counts(np.array([1000.0, 0.0]), 5, generator)
    assert found.tolist() == [[True] * 5, [False] * 5]


def test_gradient_moves_spikes_to_where_distances_are_small():
    """From equal spacing to the planted train, which is regular enough for the right number."""
    train = np.zeros(160, bool)
    train[[50, 79, 121, 150]] = True
    distance = spike_distance(train, max_distance=198)[None, :128]
    found = {
        n: infer_spikes(distance, method="gradient", prefix=32, initial="equal", n_steps=n)[0]
        for n in (0, 60)
    }
    start, end = (np.flatnonzero(found[n]) + 32 for n in (0, 60))
    assert len(start) == 3
    assert np.abs(end - [50, 79, 121]).max() <= 1 < np.abs(start - [50, 79, 121]).max()


@pytest.mark.parametrize("space", ["linear", "log"])
def test_gradient_leaves_a_perfect_placement_alone(space):
    distance, last, truth = windows(100)
    found = infer_spikes(distance, last_spike=last, prefix=32, method="em")
    right = (found == truth).all(axis=1)
    assert right.mean() > 0.5
    distance, last, truth = distance[right], last[right], truth[right]
    options = {"last_spike": last, "prefix": 32, "method": "gradient", "space": space}
    assert (infer_spikes(distance, **options) == truth).mean() > 0.995


def test_none_is_silent():
    assert not run("none").any()
    assert infer_spikes(None, method="none", hazard=np.ones((2, 5))).shape == (2, 5)


@pytest.mark.parametrize("method", ["em", "exact", "gradient"])
def test_one_last_spike_for_all_windows(method):
    """A number stands for every window; 0 for one that isn't known."""
    each = run(method, last_spike=np.full(3, -2))
    np.testing.assert_array_equal(run(method, last_spike=-2), each)
    np.testing.assert_array_equal(run(method, last_spike=0), run(method))
    np.testing.assert_array_equal(run(method, last_spike=-(1 << 40)), run(method))


def changed(table, value):
    table = table.copy()
    table[1, 3] = value
    return table


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"method": "exakt"}, "did you mean 'exact'"),
        ({"method": "em", "jitter_sed": 3}, "no option 'jitter_sed'.*'jitter_seed'"),
        ({"method": "none", "seed": 3}, "no option 'seed'.*Allowed: none"),
        ({"method": "cumulative"}, "needs a hazard"),
        ({"method": "joint"}, "needs a hazard"),
        ({"method": "sampled"}, "nothing to draw from"),
        ({"distance": None}, "'em' needs a distance"),
        ({"distance": changed(np.ones((2, 6)), np.nan)}, "window 1, bin 3 is nan"),
        ({"distance": changed(np.ones((2, 6)), np.inf)}, "window 1, bin 3 is inf"),
        ({"distance": changed(np.ones((2, 6)), 0)}, "window 1, bin 3 is 0.*exponential"),
        ({"distance": changed(np.ones((2, 6)), -1)}, "window 1, bin 3 is -1.*exponential"),
        ({"distance": np.ones(6)}, r"distance of shape \(6,\)"),
        ({"distance": np.array([["a"]])}, "type <U1"),
        ({"hazard": changed(np.zeros((2, 4)), 1.5)}, "hazard of window 1, bin 3 is 1.5"),
        ({"hazard": changed(np.zeros((2, 4)), -0.1)}, "hazard of window 1, bin 3 is -0.1"),
        ({"hazard": changed(np.zeros((2, 4)), np.nan)}, "hazard of window 1, bin 3 is nan"),
        ({"hazard": np.zeros((2, 6))}, r"hazard of shape \(2, 6\).*\(2, 4\)"),
        ({"hazard": np.zeros(4)}, r"hazard of shape \(4,\)"),
        ({"prefix": 6}, "prefix of 6 bins in windows of 6"),
        ({"prefix": -1}, "prefix -1"),
        ({"method": "joint", "hazard": np.zeros((2, 4)), "hazard_weight": np.nan}, "hazard_weight"),
        ({"last_spike": np.array([-1, 2])}, "last_spike of window 1 is 2"),
        ({"last_spike": np.array([-1.0, -2.0])}, "last_spike of shape.*float64"),
        ({"last_spike": np.array([-1])}, r"last_spike of shape \(1,\)"),
        ({"refractory": -1}, "refractory -1"),
        ({"max_distance": 0.5}, "max_distance 0.5"),
        ({"space": "logarithmic"}, "space 'logarithmic'"),
        ({"method": "gradient", "initial": "random"}, "initial 'random'"),
        ({"method": "gradient", "n_steps": -1}, "n_steps -1"),
        ({"method": "cumulative", "hazard": np.zeros((2, 4)), "carried": 1.0}, "carried value"),
        ({"method": "cumulative", "hazard": np.zeros((2, 4)), "carried": np.zeros(3)}, "carried"),
        ({"method": "sampled", "expected_count": np.zeros(3)}, "expected_count of shape"),
        ({"method": "sampled", "expected_count": np.array([1, np.nan])}, "expected count"),
        ({"method": "sampled", "expected_count": np.ones(2), "count_bins": 5}, "count_bins 5"),
        ({"method": "sampled", "expected_count": np.ones(2), "distance": None}, "count_bins"),
        ({"method": "none", "distance": None}, "knows no windows"),
    ],
)
def test_impossible_calls(options, problem):
    options = {"distance": np.ones((2, 6)), "prefix": 2} | options
    with pytest.raises(InputError, match=problem):
        infer_spikes(options.pop("distance"), **options)


@pytest.mark.parametrize(
    ("hazard", "carried", "n_bins", "problem"),
    [
        (np.zeros((1, 4)), 0.0, 5, "n_bins 5"),
        (np.zeros((1, 4)), -0.5, 2, "carried"),
        (np.full((1, 4), 2.0), 0.0, 2, "hazard of window 0"),
    ],
)
def test_impossible_carrying_on(hazard, carried, n_bins, problem):
    with pytest.raises(InputError, match=problem):
        carry_on(hazard, carried, n_bins=n_bins)

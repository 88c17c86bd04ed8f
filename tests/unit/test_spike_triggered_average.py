"""Spike-triggered averages: a plain loop agrees, and a planted filter comes back."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikesieve.distance.averages import average_table, averages_of, spike_triggered_average
from spikesieve.errors import InputError
from spikesieve.recording import read_table, write_table


def by_loop(spikes, stimulus, n_lags):
    """The definition, a number at a time."""
    averages = np.full((len(spikes), len(stimulus), n_lags), np.nan)
    for u, train in enumerate(spikes):
        for c, signal in enumerate(stimulus.astype(float)):
            for lag in range(n_lags):
                seen = [
                    (int(train[t]), signal[t - lag] - np.nanmean(signal))
                    for t in range(n_lags, len(train))
                    if train[t] and not np.isnan(signal[t - lag])
                ]
                if seen:
                    n, value = np.array(seen).T
                    averages[u, c, lag] = (n * value).sum() / n.sum()
    return averages


@given(
    seed=st.integers(0, 2**32 - 1),
    n_units=st.integers(0, 3),
    n_channels=st.integers(1, 3),
    n_bins=st.integers(2, 40),
    share_unknown=st.sampled_from([0.0, 0.2, 0.9]),
    data=st.data(),
)
def test_equals_the_definition(seed, n_units, n_channels, n_bins, share_unknown, data):
    n_lags = data.draw(st.integers(1, n_bins - 1))
    rng = np.random.default_rng(seed)
    spikes = rng.poisson(0.4, (n_units, n_bins)).astype(np.uint8)
    stimulus = rng.normal(100, 1, (n_channels, n_bins)).astype(np.float32)
    stimulus[rng.random(stimulus.shape) < share_unknown] = np.nan
    stimulus[:, 0] = 100.0
    expected = by_loop(spikes, stimulus, n_lags)
    found = spike_triggered_average(spikes, stimulus, n_lags=n_lags)
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_a_planted_filter_comes_back():
    """Of a linear cell under white noise the average is its filter (de Boer & Kuyper 1968)."""
    rng = np.random.default_rng(0)
    n_lags, n_bins = 20, 200_000
    stimulus = rng.choice([0.0, 255.0], (2, n_bins)).astype(np.float32)
    filters = rng.normal(0, 1, (2, n_lags)) * np.exp(-np.arange(n_lags) / 5)
    drive = sum(
        np.convolve(s - 127.5, f)[:n_bins] / 127.5 for s, f in zip(stimulus, filters, strict=True)
    )
    spikes = rng.poisson(np.maximum(0.3 + 0.03 * drive, 0))[None].astype(np.uint8)
    found = spike_triggered_average(spikes, stimulus, n_lags=n_lags)[0]
    assert np.corrcoef(found.ravel(), filters.ravel())[0, 1] > 0.98
    shuffled = rng.permutation(spikes[0])[None]
    none = spike_triggered_average(shuffled, stimulus, n_lags=n_lags)
    assert np.abs(none).max() < 0.2 * np.abs(found).max()


def test_lag_counts_bins_before_the_spike():
    stimulus = np.zeros((1, 100), np.float32)
    stimulus[0, 50] = 99.0
    spikes = np.zeros((1, 100), np.uint8)
    spikes[0, 53] = 1
    average = spike_triggered_average(spikes, stimulus, n_lags=10)[0, 0]
    assert average.argmax() == 3
    np.testing.assert_allclose(average[[2, 3, 4]], [-0.99, 98.01, -0.99], rtol=1e-6)


def test_a_spike_whose_past_is_not_known_is_left_out():
    spikes = np.zeros((2, 30), np.uint8)
    spikes[0, :10] = 1
    spikes[1, 10] = 255
    averages = spike_triggered_average(spikes, np.ones((1, 30), np.float32), n_lags=10)
    assert np.isnan(averages[0]).all()
    assert (averages[1] == 0).all()


def test_a_channel_that_is_never_known_spoils_no_other():
    spikes = np.ones((1, 30), np.uint8)
    stimulus = np.ones((2, 30), np.float32)
    stimulus[0] = np.nan
    averages = spike_triggered_average(spikes, stimulus, n_lags=3)
    assert np.isnan(averages[0, 0]).all()
    assert (averages[0, 1] == 0).all()


@pytest.mark.parametrize(
    ("n_stimulus", "n_lags", "value", "problem"),
    [
        (29, 3, 1.0, "30 bins of spikes, but 29"),
        (30, 0, 1.0, "0 lags"),
        (30, 30, 1.0, "30 lags"),
        (30, 3, np.inf, "infinite"),
    ],
)
def test_what_does_not_fit_is_refused(n_stimulus, n_lags, value, problem):
    stimulus = np.full((1, n_stimulus), value, np.float32)
    with pytest.raises(InputError, match=problem):
        spike_triggered_average(np.ones((1, 30), np.uint8), stimulus, n_lags=n_lags)


@pytest.fixture
def table():
    averages = np.arange(24, dtype=np.float32).reshape(3, 2, 4)
    return average_table("a", np.array([7, 2, 5]), ["red", "blue"], averages, bin_s=0.002)


def test_the_table_gives_back_the_averages(table, tmp_path):
    write_table(tmp_path / "x.parquet", "stimulus_average", table)
    read = read_table(tmp_path / "x.parquet", "stimulus_average")
    units = pd.DataFrame({"recording": ["a", "b", "a"], "unit_id": [5, 7, 7]})
    averages, channels, lags = averages_of(read.sample(frac=1, random_state=0), units)
    order = [channels.index(c) for c in ("red", "blue")]
    np.testing.assert_array_equal(lags, [0, 2, 4, 6])
    np.testing.assert_array_equal(averages[0, order], np.arange(16, 24).reshape(2, 4))
    np.testing.assert_array_equal(averages[2, order], np.arange(8).reshape(2, 4))
    assert np.isnan(averages[1]).all()


def test_averages_of_different_stimuli_are_refused(table):
    units = table[["recording", "unit_id"]].drop_duplicates()
    with pytest.raises(InputError, match="unit 2 has 0 stimulus averages of channel 'red', 0 ms"):
        averages_of(table.drop(index=8), units)
    with pytest.raises(InputError, match="'a': unit 7 has 2 .* of channel 'red', 0 ms"):
        averages_of(pd.concat([table, table.iloc[:1]]), units)


def test_no_averages_are_unknown_averages(table):
    units = table[["recording", "unit_id"]].drop_duplicates()
    averages, channels, lags = averages_of(table.iloc[:0], units)
    assert averages.shape == (3, 0, 0)
    assert len(channels) == len(lags) == 0


def test_averages_need_an_id_a_unit():
    with pytest.raises(InputError, match="2 unit ids and 1 channels"):
        average_table("a", np.arange(2), ["x"], np.zeros((3, 1, 4)), bin_s=0.001)

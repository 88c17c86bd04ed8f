import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikesieve.counts import (
    NORMALISATIONS,
    bin_edges,
    bin_spikes,
    fit_normalisation,
    number_of_bins,
    split_bins,
)
from spikesieve.errors import InputError


@st.composite
def spike_lists(draw):
    n = draw(st.integers(0, 60))
    times = sorted(draw(st.lists(st.floats(0, 9.999), min_size=n, max_size=n)))
    units = draw(st.lists(st.integers(0, 4), min_size=n, max_size=n))
    return np.array(times), np.array(units, dtype=np.int32)


@given(spike_lists(), st.sampled_from([0.001, 0.01, 0.05, 0.25, 1 / 3, 18 / 17852.767845719834]))
def test_binning_conserves_the_spikes_inside_the_window(spikes, bin_s):
    time_s, unit = spikes
    counts = bin_spikes(time_s, unit, n_units=5, bin_s=bin_s, duration_s=10.0)
    inside = time_s < bin_edges(len(counts), bin_s)[-1]
    assert (counts.sum(axis=0) == np.bincount(unit[inside], minlength=5)).all()


@given(spike_lists(), st.integers(0, 20), st.sampled_from([1 / 1024, 1 / 16, 0.25]))
def test_binning_is_shift_equivariant_by_whole_bins(spikes, shift, bin_s):
    time_s, unit = spikes  # widths of a power of two: the shift itself is then exact
    time_s = np.round(time_s * 2**20) / 2**20
    size = {"n_units": 5, "bin_s": bin_s}
    plain = bin_spikes(time_s, unit, duration_s=10.0, **size)
    late = bin_spikes(time_s + shift * bin_s, unit, duration_s=10.0 + shift * bin_s, **size)
    assert (late[:shift] == 0).all()
    assert (late[shift:] == plain).all()


def test_a_spike_on_an_edge_belongs_to_the_bin_it_opens():
    time_s = np.arange(4000) / 20  # every edge of 50 ms bins, as nearest doubles
    unit = np.zeros(4000, dtype=np.int32)
    counts = bin_spikes(time_s, unit, n_units=1, bin_s=0.05, duration_s=200.0)
    assert counts.shape == (4000, 1)
    assert (counts == 1).all()  # floor(t / 0.05) puts 3 of the first 10 one bin too early
    assert (np.floor(time_s / 0.05) != np.arange(4000)).any()


def test_the_last_double_before_an_edge_stays_in_its_bin():
    edges = bin_edges(1000, 0.05)
    before = np.nextafter(edges[1:], 0)
    counts = bin_spikes(before, np.zeros(1000, np.int32), n_units=1, bin_s=0.05, duration_s=50.0)
    assert (counts == 1).all()


@pytest.mark.parametrize(
    ("duration_s", "bin_s", "n_bins"),
    [(0.15, 0.05, 3), (0.3, 0.1, 3), (0.14, 0.05, 2), (0.04, 0.05, 0)],
)
def test_only_whole_bins_count(duration_s, bin_s, n_bins):
    assert number_of_bins(duration_s, bin_s) == n_bins


def test_counts_take_the_smallest_type_that_holds_them():
    time_s = np.linspace(0, 0.9, 300)
    unit = np.zeros(300, dtype=np.int32)
    wide = bin_spikes(time_s, unit, n_units=1, bin_s=1.0, duration_s=1.0)
    assert wide.dtype == np.uint16
    assert wide[0, 0] == 300
    assert bin_spikes(time_s, unit, n_units=1, bin_s=0.1, duration_s=1.0).dtype == np.uint8


@pytest.mark.parametrize("late", [1.0, 7.5, np.inf])
def test_spikes_beyond_the_window_are_left_out(late):
    times = np.array([0.95, late])
    counts = bin_spikes(times, np.zeros(2, int), n_units=1, bin_s=0.1, duration_s=1.0)
    assert counts.sum() == 1


def test_a_window_shorter_than_a_bin_has_no_bins():
    counts = bin_spikes(np.array([0.01]), np.array([0]), n_units=3, bin_s=0.05, duration_s=0.04)
    assert counts.shape == (0, 3)


def test_times_and_indices_must_be_equally_many():
    """In a process of its own, without the tests' shape checker, as a user would call it."""
    call = "bin_spikes(np.zeros(2), np.zeros(1, int), n_units=1, bin_s=0.1, duration_s=1.0)"
    program = f"import numpy as np; from spikesieve.counts import bin_spikes; {call}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "InputError: 2 times, but 1 unit indices" in done.stderr


@pytest.mark.parametrize("bad", [[0.5, 0.2], [-0.1, 0.2], [0.1, np.nan]])
def test_impossible_times_are_refused(bad):
    with pytest.raises(InputError, match="ascending times"):
        bin_spikes(np.array(bad), np.zeros(2, int), n_units=1, bin_s=0.1, duration_s=1.0)


def test_an_index_outside_the_units_is_refused():
    with pytest.raises(InputError, match="unit index 3"):
        bin_spikes(np.array([0.1]), np.array([3]), n_units=3, bin_s=0.1, duration_s=1.0)


def test_splits_are_contiguous_blocks_with_gaps():
    blocks = [["train", 7], ["validation", 1], ["test", 2]]
    split = split_bins(1000, blocks, 20, np.ones(1000, bool))
    changes = np.flatnonzero(split[1:] != split[:-1]) + 1
    assert [split[0], *split[changes]] == ["train", "gap", "validation", "gap", "test"]
    assert (split == "gap").sum() == 40
    assert (split == "train").sum() == 700


def test_the_mirror_split_comes_back_to_its_blocks():
    blocks = [["train", 7], ["validation", 2], ["test", 2], ["validation", 2], ["train", 7]]
    split = split_bins(2000, blocks, 0, np.ones(2000, bool))
    assert (split == "train").sum() == 1400
    assert (split == split[::-1]).all()


def test_a_block_lost_in_its_gap_is_refused_though_its_name_comes_back():
    blocks = [["test", 10], ["train", 1], ["test", 10], ["train", 10]]
    with pytest.raises(InputError, match="no bin is left for train, block 2 of 4"):
        split_bins(310, blocks, 12, np.ones(310, bool))


def test_invalid_bins_belong_to_no_split():
    valid = np.ones(100, bool)
    valid[10:20] = False
    split = split_bins(100, [["train", 1], ["test", 1]], 5, valid)
    assert (split[10:20] == "invalid").all()


def test_a_split_without_bins_is_refused():
    with pytest.raises(InputError, match="no bin is left for validation, block 2 of 3"):
        split_bins(20, [["train", 8], ["validation", 1], ["test", 2]], 5, np.ones(20, bool))


@given(st.sampled_from(NORMALISATIONS), st.integers(0, 1000))
def test_normalisations_can_be_undone(method, seed):
    counts = np.random.default_rng(seed).poisson(3, (40, 6)).astype(np.uint8)
    normalisation = fit_normalisation(counts[:20], method)
    assert np.allclose(normalisation.invert(normalisation.apply(counts)), counts, atol=1e-3)


def test_normalisations_scale_as_they_say():
    counts = np.array([[0, 4], [2, 16]], dtype=np.uint8)
    assert fit_normalisation(counts, "max_recording").apply(counts).max() == 1
    assert fit_normalisation(counts, "max_unit").apply(counts).max(axis=0).tolist() == [1, 1]
    centred = fit_normalisation(counts, "sqrt_centred").apply(counts)
    assert np.allclose(centred.mean(axis=0), 0)
    assert centred[1, 1] == 1
    silent = np.zeros((5, 2), np.uint8)
    assert all(
        np.isfinite(fit_normalisation(silent, m).apply(silent)).all() for m in NORMALISATIONS
    )


def test_an_unknown_normalisation_names_the_known_ones():
    with pytest.raises(InputError, match="max_recording"):
        fit_normalisation(np.zeros((2, 2)), "zscore")

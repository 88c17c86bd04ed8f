import numpy as np
import pandas as pd
import pytest

from spikesieve import binning
from spikesieve.binning import binned_counter, spike_counter, touched, write_counts
from spikesieve.counts import bin_edges, bin_spikes
from spikesieve.errors import InputError
from spikesieve.recording import open_table, read_table
from spikesieve.spikes import Spikes, write_spikes

UNITS = np.array([2, 5, 11], dtype=np.int32)
SETTINGS = {"split": [["train", 7], ["validation", 1], ["test", 2]], "gap_s": 0.5}
NONE = pd.DataFrame({"start_s": [], "stop_s": [], "name": []})


@pytest.fixture
def spikes(tmp_path):
    rng = np.random.default_rng(0)
    spikes = Spikes(np.sort(rng.random(20_000) * 100), rng.choice(UNITS, 20_000))
    about = {"duration_s": 100.0, "recording": "rat", "source": "rat"}
    write_spikes(tmp_path / "spikes.parquet", [spikes], unit_ids=UNITS, **about)
    return spikes


def write(tmp_path, unit_ids=UNITS, intervals=NONE, bin_s=0.05, duration_s=100.0, **settings):
    path = tmp_path / "counts.parquet"
    counter = spike_counter(tmp_path / "spikes.parquet", unit_ids, bin_s)
    write_counts(
        path,
        counter,
        unit_ids,
        intervals,
        SETTINGS | settings,
        duration_s=duration_s,
        bin_s=bin_s,
        recording="rat",
    )
    return read_table(path, "counts")


@pytest.mark.parametrize("cells", [100, 1 << 25])
def test_the_table_holds_the_counts_of_the_kept_units(tmp_path, spikes, monkeypatch, cells):
    monkeypatch.setattr(binning, "CELLS_PER_BLOCK", cells)
    kept = UNITS[[0, 2]]
    table = write(tmp_path, kept)
    inside = np.isin(spikes.unit_id, kept)
    expected = bin_spikes(
        spikes.time_s[inside],
        np.searchsorted(kept, spikes.unit_id[inside]),
        n_units=2,
        bin_s=0.05,
        duration_s=100.0,
    )
    assert list(table.columns) == ["time_s", "split", "2", "11"]
    assert np.array_equal(table[["2", "11"]].to_numpy(), expected)
    assert table["time_s"].tolist() == bin_edges(2000, 0.05)[:-1].tolist()
    assert table["2"].dtype == np.uint8


def test_a_count_too_large_for_a_byte_widens_the_whole_table(tmp_path, spikes):
    table = write(tmp_path, bin_s=10.0, split=[["train", 1]])
    assert table["5"].dtype == np.uint16
    assert table[["2", "5", "11"]].to_numpy().sum() == 20_000


def test_bins_that_touch_an_invalid_interval_are_masked(tmp_path, spikes):
    intervals = pd.DataFrame(
        {"start_s": [10.01, 20.0], "stop_s": [10.1, 30.0], "name": ["invalid", "grating"]}
    )
    split = write(tmp_path, intervals=intervals)["split"].to_numpy()
    assert np.flatnonzero(split == "invalid").tolist() == [200, 201]


def test_intervals_touch_the_bins_they_overlap_only():
    edges = bin_edges(10, 0.1)
    one = pd.DataFrame({"start_s": [0.3], "stop_s": [0.5]})
    assert np.flatnonzero(touched(edges, one)).tolist() == [3, 4]
    late = pd.DataFrame({"start_s": [0.95], "stop_s": [7.0]})
    assert np.flatnonzero(touched(edges, late)).tolist() == [9]


def test_given_bins_are_summed_into_wider_ones():
    counts = np.arange(24, dtype=np.uint8).reshape(8, 3)
    joined = binned_counter(counts, 50, 25.0)(1, 3)
    assert joined.tolist() == (counts[2:6:2] + counts[3:6:2]).tolist()


def test_given_bins_cannot_be_split():
    with pytest.raises(InputError, match=r"bins of 50 ms cannot be joined into bins of 70 ms"):
        binned_counter(np.zeros((4, 1), np.uint8), 70, 50)


def test_a_recording_shorter_than_a_bin_is_refused(tmp_path, spikes):
    with pytest.raises(InputError, match=r"'rat': lasts 100.0 s, less than one bin of 200.0 s"):
        write(tmp_path, bin_s=200.0)
    assert not (tmp_path / "counts.parquet").exists()


def test_a_split_without_bins_names_the_recording(tmp_path, spikes):
    with pytest.raises(InputError, match=r"'rat'.*no bin is left for validation, block 2 of 3"):
        write(tmp_path, gap_s=30.0)


def test_the_table_is_written_in_row_groups(tmp_path, spikes, monkeypatch):
    monkeypatch.setattr(binning, "CELLS_PER_BLOCK", 900)
    write(tmp_path)
    file = open_table(tmp_path / "counts.parquet", "counts")
    assert file.num_row_groups == 7

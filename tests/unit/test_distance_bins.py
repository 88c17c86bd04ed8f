"""Bins of about a millisecond: whole samples, held stimuli, units that fire enough."""

import numpy as np
import pandas as pd
import pytest
from distance_samples import flicker_bins

from spikesieve.distance.bins import (
    count_trains,
    make_bins,
    read_bins,
    samples_per_bin,
    stimulus_channels,
    write_bins,
)
from spikesieve.errors import ContractError, InputError
from spikesieve.spikes import SpikeTrains

RETINA_HZ = 17852.767845719834
SETTINGS = {
    "bin_ms": 1.0,
    "stimulus": None,
    "split": [["train", 2], ["validation", 1], ["test", 1]],
    "gap_s": 0.1,
    "min_training_rate_hz": 0.75,
    "max_units": None,
}
NO_INTERVALS = pd.DataFrame({"start_s": [], "stop_s": [], "name": []})


def trains(*times) -> SpikeTrains:
    arrays = [np.asarray(t, dtype=float) for t in times]
    offset = np.cumsum([0, *map(len, arrays)])
    return SpikeTrains(np.concatenate(arrays), offset)


def signals(**rows) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"time_s": t, "name": name, "value": np.asarray(v, np.float32)})
        for name, (t, v) in rows.items()
    ]
    return pd.concat(parts, ignore_index=True).astype({"name": "category"})


def test_a_bin_is_a_whole_number_of_samples():
    assert samples_per_bin(RETINA_HZ, 1.0) == 18
    assert samples_per_bin(30_000, 1.0) == 30
    assert samples_per_bin(1250, 1.0) == 1  # a rate that does not divide
    with pytest.raises(InputError, match="shorter than a sample"):
        samples_per_bin(400, 1.0)


def test_each_spike_lands_in_the_bin_of_its_sample():
    """Times are samples over the rate: rounding must not move one across an edge."""
    sample = np.arange(18_000)
    counts = count_trains(
        trains(sample / RETINA_HZ), 1000, n_samples=18, sampling_rate_hz=RETINA_HZ
    )
    assert (counts == 18).all()


def test_several_spikes_of_a_bin_are_kept_and_late_ones_left_out():
    counts = count_trains(trains([0.0, 0.0001, 0.0015, 9.0]), 3, n_samples=30, sampling_rate_hz=3e4)
    assert counts.tolist() == [[2, 1, 0]]
    with pytest.raises(InputError, match="300 spikes"):
        count_trains(trains(np.zeros(300)), 3, n_samples=30, sampling_rate_hz=3e4)


def test_a_stimulus_holds_until_its_next_row():
    centres = np.array([0.0005, 0.0015, 0.0025, 0.0035])
    table = signals(b=([0.001, 0.002], [1, 2]), a=([0.0, 0.003], [5, np.nan]))
    names, values = stimulus_channels(table, None, centres)
    assert names == ("a", "b")
    np.testing.assert_array_equal(values, [[5, 5, 5, np.nan], [np.nan, 1, 2, np.nan]])
    assert stimulus_channels(table, ["b"], centres)[0] == ("b",)


def test_stimuli_that_make_no_sense_are_refused():
    table = signals(led=([0.0, 0.05, 0.01], [0, 1, 0]))
    with pytest.raises(InputError, match="goes back in time at row 2"):
        stimulus_channels(table, None, np.array([0.5]))
    with pytest.raises(InputError, match="did you mean 'led'"):
        stimulus_channels(table, ["let"], np.array([0.5]))
    with pytest.raises(InputError, match="no signal that could be a stimulus"):
        stimulus_channels(table.iloc[:0], None, np.array([0.5]))


def recording(*times, duration_s=8.0, leds=None, intervals=NO_INTERVALS, **settings):
    leds = leds or {"led": (np.arange(0, 8, 0.05), np.arange(160) % 2)}
    return make_bins(
        "r",
        trains(*times),
        np.arange(len(times)),
        signals(**leds),
        intervals,
        SETTINGS | settings,
        duration_s=duration_s,
        sampling_rate_hz=20_000.0,
    )


BUSY = np.arange(0, 8, 0.21)


def test_units_that_fire_too_little_are_dropped_and_said_why():
    late = BUSY[BUSY > 6.2]
    bins, why = recording(BUSY, late, np.sort([*BUSY, 0.001]), BUSY[BUSY < 6])
    assert bins.unit_ids.tolist() == [0, 2]
    assert "less than 0.75 Hz" in why[1]
    assert why[3] == "has no spike in test bins"
    assert recording(BUSY, BUSY, BUSY, max_units=2)[1] == {
        2: "2 units come before it (distance.max_units)"
    }
    with pytest.raises(InputError, match=r"recording 'r'.*no unit is left of 1"):
        recording([1.0])


def test_bins_without_a_stimulus_belong_to_no_split():
    leds = {"led": (np.arange(0, 7, 0.05), np.arange(140) % 2)}
    leds["led"][1][-1] = 1
    short = {"led": ([*leds["led"][0], 7.0], [*map(float, leds["led"][1]), np.nan])}
    bins, _ = recording(BUSY, leds=short)
    assert set(bins.split[7000:]) == {"invalid"}
    assert (bins.stimulus[:, 7000:] == 0).all()
    assert bins.split[6999] == "test"
    with pytest.raises(InputError, match=r"no bin is left for test.*distance\.bin_ms"):
        recording(BUSY, leds={"led": ([0.0, 5.9], [1.0, np.nan])})


def test_a_stimulus_that_ends_early_does_not_go_on_unchanged():
    """It holds for as long as the longest value before; then it is unknown, not frozen."""
    leds = {"led": ([*np.arange(0, 7, 0.05), 7.2], np.arange(141) % 2)}
    bins, _ = recording(BUSY, leds=leds)
    assert set(bins.split[7300:7449]) == {"test"}
    assert set(bins.split[7452:]) == {"invalid"}
    with pytest.raises(InputError, match="no bin is left for validation"):
        recording(BUSY, leds={"led": (np.arange(0, 4, 0.05), np.arange(80) % 2)})


def test_a_stimulus_that_pauses_is_unknown_until_it_comes_again():
    early, late = np.arange(0, 5, 0.05), np.arange(7, 8, 0.05)
    centres = np.array([4.99, 5.9, 5.98, 6.9, 7.01])  # of 20 intervals of 50 ms the pause is known
    table = signals(led=(np.concatenate([early, late]), np.ones(120)))
    _, values = stimulus_channels(table, None, centres)
    np.testing.assert_array_equal(np.isnan(values[0]), [False, False, True, True, False])


@pytest.mark.parametrize("name", ["630", "split", "time_s"])
def test_signals_named_like_other_columns_are_refused(name):
    table = signals(**{name: ([0.0, 1.0], [0, 1])})
    with pytest.raises(InputError, match=f"signal '{name}' has the name of a column"):
        stimulus_channels(table, None, np.array([0.5]))


def test_the_stimulus_is_standardised_on_training_bins():
    bins, _ = recording(BUSY)
    training = bins.stimulus[:, bins.split == "train"]
    assert abs(training.mean()) < 1e-6
    assert training.std() == pytest.approx(1)
    brighter = {
        "led": (np.arange(0, 8, 0.05), np.where(np.arange(160) > 130, 9, np.arange(160) % 2))
    }
    other, _ = recording(BUSY, leds=brighter)
    np.testing.assert_array_equal(other.stimulus[:, :6000], bins.stimulus[:, :6000])


def test_a_table_of_bins_reads_back(tmp_path):
    bins = flicker_bins()
    write_bins(tmp_path / "bins.parquet", bins)
    back = read_bins(tmp_path / "bins.parquet", "flicker")
    assert back.bin_s == pytest.approx(bins.bin_s)
    assert back.channels == bins.channels
    for name in ("unit_ids", "spikes", "stimulus", "split"):
        np.testing.assert_array_equal(getattr(back, name), getattr(bins, name))
    content = bytearray((tmp_path / "bins.parquet").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "bins.parquet").write_bytes(bytes(content))
    with pytest.raises(ContractError):
        read_bins(tmp_path / "bins.parquet", "flicker")


def test_the_papers_cells_are_those_of_the_paper(data, tmp_path):
    """154 cells; 60 at most 19 Hz and at least 0.75 Hz in training bins: the archive's own list."""
    from spikesieve.ingest.retina import read_retina

    source = read_retina(data / "retina/chicken_2021_08_17.tar.gz", recording="chicken")
    pieces = list(source.spikes)
    time_s = np.concatenate([p.time_s for p in pieces])
    unit_id = np.concatenate([p.unit_id for p in pieces])
    ids = source.units["unit_id"].to_numpy()
    rate = np.array([(unit_id == i).sum() for i in ids]) / source.duration_s
    ids = ids[rate <= 19]
    mirror = [["train", 7], ["validation", 2], ["test", 2], ["validation", 2], ["train", 7]]
    bins, _ = make_bins(
        "chicken",
        trains(*(time_s[unit_id == i] for i in ids)),
        ids,
        source.signals,
        source.intervals,
        SETTINGS | {"split": mirror},
        duration_s=source.duration_s,
        sampling_rate_hz=source.sampling_rate_hz,
    )
    used = source.units.loc[source.units["used_in_paper"], "unit_id"]
    assert bins.unit_ids.tolist() == used.tolist()
    assert len(used) == 60
    assert 1 / bins.bin_s == pytest.approx(991.82, abs=0.005)

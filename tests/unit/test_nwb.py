"""Reading any NWB file with units, and writing any recording as one."""

from datetime import UTC, datetime

import h5py
import numpy as np
import pandas as pd
import pynwb
import pytest
from hdmf.common import VectorData
from pynwb.behavior import Position
from pynwb.epoch import TimeIntervals

from spikesieve.errors import InputError
from spikesieve.exports.nwb import write_nwb
from spikesieve.files import sha256
from spikesieve.ingest.nwb import read_nwb
from spikesieve.ingest.writing import Source, long_signal, no_intervals, no_signals, write_recording
from spikesieve.recording import INVALID, read_recording_json, read_table
from spikesieve.spikes import Spikes, read_spike_trains

TABLES = ("spikes", "sorted_units", "intervals", "signals")
TRAINS = {7: [0.5, 1.0, 9.25], 3: [0.25, 0.75], 11: []}


def new_file() -> pynwb.NWBFile:
    return pynwb.NWBFile("a test", "test", datetime(2026, 1, 1, tzinfo=UTC))


def save(file: pynwb.NWBFile, path):
    with pynwb.NWBHDF5IO(path, "w") as io:
        io.write(file)
    return path


def with_units(trains=None, **columns) -> pynwb.NWBFile:
    file = new_file()
    for name in columns:
        file.add_unit_column(name, "test")
    for i, (unit, train) in enumerate((TRAINS if trains is None else trains).items()):
        values = {name: column[i] for name, column in columns.items()}
        file.add_unit(id=unit, spike_times=np.asarray(train, dtype=float), **values)
    return file


def with_electrodes(regions, groups, rel_y=None) -> pynwb.NWBFile:
    file = new_file()
    device = file.create_device("device")
    for name in dict.fromkeys(groups):
        file.create_electrode_group(name, "shank", "cortex", device)
    for i, (region, group) in enumerate(zip(regions, groups, strict=True)):
        place = {} if rel_y is None else {"rel_y": rel_y[i], "rel_x": 0.0}
        file.add_electrode(location=region, group=file.electrode_groups[group], **place)
    return file


def read(path, **options) -> Source:
    return read_nwb(path, recording="rec", **options)


def all_spikes(source: Source) -> Spikes:
    pieces = list(source.spikes)
    return Spikes(*(np.concatenate([p[k] for p in pieces]) for k in (0, 1)))


def refused(tmp_path, path, match, **options):
    folder = tmp_path / "recording"
    with pytest.raises(InputError, match=match) as caught:
        write_recording(folder, read(path, **options))
    assert "'rec'" in str(caught.value)
    assert str(path) in str(caught.value)
    assert "Fix: " in str(caught.value)
    assert not folder.exists() or not list(folder.iterdir())


# ------------------------------------------------------------------------------------ units


def test_spikes_come_out_sorted_and_whole(tmp_path):
    spikes = all_spikes(read(save(with_units(), tmp_path / "a.nwb")))
    assert spikes.time_s.tolist() == [0.25, 0.5, 0.75, 1.0, 9.25]
    assert spikes.unit_id.tolist() == [3, 7, 3, 7, 7]


def test_unit_columns_are_kept_and_arrays_left(tmp_path):
    file = with_units(snr=[1.0, 2.0, 3.0], firing_rate=[5.0, 6.0, 7.0], comment=["a", "null", "c"])
    shapes = VectorData(name="shapes", description="arrays", data=np.zeros((3, 4)))
    file.units.add_column(name="shapes", description="arrays", data=shapes.data)
    source = read(save(file, tmp_path / "a.nwb"))
    assert source.units["unit_id"].tolist() == [7, 3, 11]
    assert source.units["snr"].tolist() == [1.0, 2.0, 3.0]
    assert source.units["source_firing_rate"].tolist() == [5.0, 6.0, 7.0]
    assert source.units["comment"].isna().tolist() == [False, True, False]
    assert "shapes" not in source.units
    assert any("shapes" in note for note in source.notes)


@pytest.mark.parametrize("column", ["quality", "group", "KSLabel"])
def test_quality_is_read_where_labels_fit(tmp_path, column):
    source = read(save(with_units(**{column: ["Good", "mua", ""]}), tmp_path / "a.nwb"))
    assert source.units["quality"].tolist() == ["good", "mua", "unsorted"]
    assert any(repr(column) in note for note in source.notes)


def test_unknown_labels_are_kept_but_not_quality(tmp_path):
    source = read(save(with_units(quality=["A", "B", "good"]), tmp_path / "a.nwb"))
    assert set(source.units["quality"]) == {"unsorted"}
    assert source.units["source_quality"].tolist() == ["A", "B", "good"]
    assert any("['A', 'B']" in note for note in source.notes)


def test_region_probe_depth_come_from_the_electrodes(tmp_path):
    file = with_electrodes(
        ["V1", "V1", "CA1", "unknown"], ["p0", "p0", "p0", "p1"], [10.0, 30.0, 50.0, 70.0]
    )
    for unit, electrodes in enumerate([[0, 1], [1, 2], [3]]):
        file.add_unit(id=unit, spike_times=[0.5], electrodes=electrodes)
    source = read(save(file, tmp_path / "a.nwb"))
    assert source.units["region"].fillna("-").tolist() == ["V1", "-", "-"]
    assert source.units["probe"].tolist() == ["p0", "p0", "p1"]
    assert source.units["depth_um"].tolist() == [20.0, 40.0, 70.0]
    assert any("1 unit(s) on electrodes of several regions" in note for note in source.notes)


def test_region_comes_from_the_group_without_electrodes(tmp_path):
    file = with_electrodes([], [])
    group = file.create_electrode_group("shank", "one", "LGN", file.devices["device"])
    file.add_unit(id=0, spike_times=[0.5], electrode_group=group)
    units = read(save(file, tmp_path / "a.nwb")).units
    assert units.loc[0, ["region", "probe"]].tolist() == ["LGN", "shank"]
    assert np.isnan(units.loc[0, "depth_um"])


# ------------------------------------------------------------------- intervals and signals


def test_every_interval_table_is_read(tmp_path):
    file = with_units({0: [0.5]})
    file.add_trial_column("side", "text")
    file.add_trial_column("angle", "numbers written as text")
    for start, stop, angle in [
        (3.0, 4.0, "0.5"),
        (1.0, 2.0, "null"),
        (5.0, np.nan, "1"),
        (6.0, 6.0, "2"),
    ]:
        file.add_trial(start_time=start, stop_time=stop, side="left", angle=angle, tags=["x"])
    stimuli = TimeIntervals(name="gabors", description="stimuli")
    for column in ("stimulus_name", "side", "frame"):
        stimuli.add_column(column, "test")
    stimuli.add_interval(start_time=0.0, stop_time=0.5, stimulus_name="gabor", side=1, frame=4)
    stimuli.add_interval(start_time=8.0, stop_time=8.5, stimulus_name="", side=2, frame=5)
    file.add_time_intervals(stimuli)
    file.add_invalid_time_interval(start_time=7.0, stop_time=7.5, tags=["artefact", "probe0"])
    source = read(save(file, tmp_path / "a.nwb"))
    table = source.intervals
    assert table["name"].tolist() == ["gabor", "trials", "trials", INVALID, "gabors"]
    assert table["start_s"].tolist() == [0.0, 1.0, 3.0, 7.0, 8.0]
    assert table["angle"].dtype.kind == "f"
    assert table["angle"].isna().tolist() == [True, True, False, True, True]
    assert table["side"].fillna("-").tolist() == ["1", "left", "left", "-", "2"]
    assert table["frame"].dropna().tolist() == [4, 5]
    assert table.loc[3, "reason"] == "artefact probe0"
    assert not {"tags", "timeseries", "stimulus_name"} & set(table)
    assert any("2 of 4 intervals of 'trials' left out" in note for note in source.notes)
    write_recording(tmp_path / "recording", source)


@pytest.mark.parametrize("stop", [np.inf, np.nan, 1e6])
@pytest.mark.parametrize("duration_s", [None, 80.0])
def test_what_is_bad_to_the_end_is_masked_to_the_end(tmp_path, stop, duration_s):
    file = with_units({0: [0.5, 70.0]})
    file.add_trial(start_time=1.0, stop_time=75.0)
    file.add_invalid_time_interval(start_time=50.0, stop_time=stop, tags=["x"])
    file.add_invalid_time_interval(start_time=-3.0, stop_time=2.0, tags=["y"])
    file.add_invalid_time_interval(start_time=90.0, stop_time=stop, tags=["z"])
    source = read(save(file, tmp_path / "a.nwb"), duration_s=duration_s)
    end = duration_s or 75.0
    assert source.duration_s == end
    invalid = source.intervals[source.intervals["name"] == INVALID]
    assert invalid[["start_s", "stop_s"]].to_numpy().tolist() == [[0.0, 2.0], [50.0, end]]
    assert sum("interval(s)" in note for note in source.notes) == 3
    assert any(f"cut to end at {end:g} s" in note for note in source.notes)
    write_recording(tmp_path / "recording", source)


def test_intervals_before_the_start_are_cut(tmp_path):
    file = with_units({0: [0.5]})
    for start, stop in [(-0.5, 1.0), (-0.1, 0.5), (-2.0, -1.0), (-1.0, 0.0), (2.0, 3.0)]:
        file.add_trial(start_time=start, stop_time=stop)
    path = save(file, tmp_path / "a.nwb")
    source = read(path)
    times = source.intervals[["start_s", "stop_s"]].to_numpy().tolist()
    assert times == [[0.0, 0.5], [0.0, 1.0], [2.0, 3.0]]
    assert any(note.startswith("2 interval(s) start before 0 s") for note in source.notes)
    assert any(note.startswith("2 interval(s) lie wholly before 0 s") for note in source.notes)
    write_recording(tmp_path / "whole", source)
    refused(tmp_path, path, "1 interval.*out of place, the first 'trials'", duration_s=2.5)


def test_missing_words_and_regions_are_those_of_other_sources(tmp_path):
    file = with_units(ecephys_structure_acronym=["V1", "UNKNOWN", "n/a"], depth_um=["a", "b", "c"])
    file.add_unit_column("source_depth_um", "test", data=[1.0, 2.0, 3.0])
    file.add_trial_column("side", "test")
    for start, side in enumerate(["left", "None", "N/A"]):
        file.add_trial(start_time=float(start), stop_time=start + 0.5, side=side)
    source = read(save(file, tmp_path / "a.nwb"))
    assert source.units["region"].fillna("-").tolist() == ["V1", "-", "-"]
    assert source.units["source_source_depth_um"].tolist() == ["a", "b", "c"]
    assert source.units["source_depth_um"].tolist() == [1.0, 2.0, 3.0]
    assert source.intervals["side"].fillna("-").tolist() == ["left", "-", "-"]


def test_signals_of_processing_modules_are_read(tmp_path):
    file = with_units({0: [0.5]})
    module = file.create_processing_module("behavior", "test")
    speed = {"data": np.arange(4), "rate": 2.0, "starting_time": 1.0, "conversion": 10.0}
    module.add(pynwb.TimeSeries(name="speed", unit="cm/s", **speed))
    position = Position(name="Position")
    module.add(position)
    position.create_spatial_series(
        name="place",
        data=np.array([[1.0, 2.0], [3.0, 4.0]]),
        timestamps=[0.0, 1.0],
        reference_frame="room",
    )
    module.add(pynwb.TimeSeries(name="wide", unit="V", data=np.zeros((3, 9)), rate=1.0))
    file.add_acquisition(pynwb.TimeSeries(name="raw", unit="V", data=np.zeros(3), rate=1.0))
    source = read(save(file, tmp_path / "a.nwb"))
    by_name = dict(list(source.signals.groupby("name")))
    assert set(by_name) == {"speed", "place_x", "place_y"}
    assert by_name["speed"]["time_s"].tolist() == [1.0, 1.5, 2.0, 2.5]
    assert by_name["speed"]["value"].tolist() == [0.0, 10.0, 20.0, 30.0]
    assert by_name["place_y"]["value"].tolist() == [2.0, 4.0]
    assert any("'wide'" in note for note in source.notes)


def test_duration_is_given_or_the_latest_thing(tmp_path):
    file = with_units()
    path = save(file, tmp_path / "spikes.nwb")
    assert read(path, duration_s=12.5).duration_s == 12.5
    assert read(path).duration_s == 9.251
    assert any("last spike" in note for note in read(path).notes)
    file = with_units()
    file.add_trial(start_time=1.0, stop_time=20.0)
    source = read(save(file, tmp_path / "trials.nwb"))
    assert source.duration_s == 20.0
    assert any("last interval" in note for note in source.notes)
    file = new_file()
    file.add_unit(id=0, spike_times=[0.5], obs_intervals=[[0.0, 30.0]])
    assert read(save(file, tmp_path / "observed.nwb")).duration_s == 30.0


# -------------------------------------------------------------------------------- bad input


def test_files_that_are_no_nwb_are_refused(tmp_path):
    whole = save(with_units(), tmp_path / "whole.nwb").read_bytes()
    bad = {"empty": b"", "cut": whole[: len(whole) * 2 // 3], "text": b"unit,time\n1,0.5\n" * 99}
    match = {"empty": "is empty", "cut": "is cut short", "text": "no HDF5 file"}
    for name, content in bad.items():
        path = tmp_path / f"{name}.nwb"
        path.write_bytes(content)
        refused(tmp_path, path, match[name])
    with h5py.File(tmp_path / "other.nwb", "w") as file:
        file["units/spike_times"] = [0.5]
    refused(tmp_path, tmp_path / "other.nwb", "not NWB")
    refused(tmp_path, tmp_path / "absent.nwb", "no such file")


def test_files_without_units_or_spikes_are_refused(tmp_path):
    refused(tmp_path, save(new_file(), tmp_path / "none.nwb"), "has no units")
    file = new_file()
    file.add_unit_column("snr", "test")
    file.add_unit(id=0, snr=1.0)
    refused(tmp_path, save(file, tmp_path / "timeless.nwb"), "no spike_times")


def test_wrong_checksum_is_refused(tmp_path):
    path = save(with_units(), tmp_path / "a.nwb")
    refused(tmp_path, path, "SHA-256", sha256="0" * 64)
    assert read(path, sha256=sha256(path)).units["unit_id"].tolist() == [7, 3, 11]


@pytest.mark.parametrize(
    ("train", "match"),
    [
        ([0.5, np.nan], "not finite"),
        ([0.5, np.inf], "not finite"),
        ([-0.5, 0.5], "is negative"),
        ([0.5, 0.75, 0.25], "earlier than the spike before"),
        ([0.5, 10.0], "beyond the recording's end"),
    ],
)
def test_impossible_spike_times_are_refused(tmp_path, train, match):
    path = save(with_units({1: [1.0], 2: train}), tmp_path / "a.nwb")
    refused(tmp_path, path, f"unit 2: .*{match}", duration_s=10.0)
    if match != "beyond the recording's end":  # nor does it hide behind a duration we choose
        refused(tmp_path, path, f"unit 2: .*{match}")


def test_duplicate_unit_ids_are_refused(tmp_path):
    path = save(with_units(), tmp_path / "a.nwb")
    with h5py.File(path, "r+") as file:
        file["units/id"][:] = [7, 3, 7]
    refused(tmp_path, path, "unit id 7 stands twice")


def test_times_that_do_not_start_at_the_recording_are_refused(tmp_path):
    path = save(with_units({0: [1.7e9, 1.7e9 + 1]}), tmp_path / "a.nwb")
    refused(tmp_path, path, "would last 1700000001 s")


def test_an_index_that_does_not_fit_is_refused(tmp_path):
    path = save(with_units(), tmp_path / "a.nwb")
    with h5py.File(path, "r+") as file:
        file["units/spike_times_index"][:] = [3, 2, 5]
    refused(tmp_path, path, "spike_times_index")


def test_damaged_data_is_refused(tmp_path):
    path = save(with_units({0: np.sort(np.random.default_rng(0).random(5000))}), tmp_path / "a.nwb")
    with h5py.File(path, "r+") as file:
        values, kept = file["units/spike_times"][:], dict(file["units/spike_times"].attrs)
        del file["units/spike_times"]
        times = file["units"].create_dataset("spike_times", data=values, compression="gzip")
        times.attrs.update(kept)
        file["units/spike_times_index"].attrs["target"] = times.ref
    assert len(all_spikes(read(path)).time_s) == 5000
    with h5py.File(path) as file:
        chunk = file["units/spike_times"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset + 20 : chunk.byte_offset + 200] = bytes(180)
    path.write_bytes(content)
    refused(tmp_path, path, "damaged", duration_s=2.0)
    refused(tmp_path, path, "damaged")


# ----------------------------------------------------------------------------------- export


def any_recording() -> Source:
    rng = np.random.default_rng(1)
    n = 500
    units = pd.DataFrame({"unit_id": [2, 4, 9], "quality": ["good", "mua", "noise"]})
    units = units.assign(
        region=["V1", None, "CA1"], probe=["p", "p", "q"], depth_um=[1.5, np.nan, 3.0]
    )
    units = units.assign(
        source_firing_rate=[1.0, np.nan, 2.0], curated=[True, False, True], note=["a", None, ""]
    )
    intervals = pd.DataFrame({"start_s": np.arange(6.0), "stop_s": np.arange(6.0) + 0.5})
    intervals["name"] = ["a/b", "a:b", "c", INVALID, "c", "c"]
    intervals["orientation"] = [45.0, np.nan, 90.0, np.nan, 0.0, 90.0]
    intervals["image"] = ["x", "y", None, None, None, None]
    return Source(
        recording="any",
        source="simulated",
        path="any",
        duration_s=20.0005,
        sampling_rate_hz=30000.0,
        subject="mouse 1",
        units=units,
        intervals=intervals,
        signals=pd.concat(
            [long_signal(s, np.arange(0, 20, 0.5), rng.random(40)) for s in ("b", "a/1")]
        ),
        inputs=[],
        notes=["a note"],
        spikes=[Spikes(np.sort(rng.random(n)) * 20, rng.choice([2, 4, 9], n))],
    )


def test_round_trip_is_identity(tmp_path):
    write_recording(tmp_path / "one", any_recording())
    path = tmp_path / "any.nwb"
    write_nwb(tmp_path / "one", path)
    assert pynwb.validate(path=str(path)) == []
    write_recording(tmp_path / "two", read_nwb(path, recording="any"))
    for table in TABLES:
        one, two = (read_table(tmp_path / f / f"{table}.parquet", table) for f in ("one", "two"))
        if table == "sorted_units":
            one["note"] = one["note"].mask(one["note"] == "")  # NWB has no missing text but ""
        if table == "signals":  # series come back by name, with the slash that NWB forbids replaced
            one["name"] = one["name"].cat.rename_categories({"a/1": "a_1"}).astype(str)
            two["name"] = two["name"].astype(str)
            one = one.sort_values(["name", "time_s"], ignore_index=True)
            two = two.sort_values(["name", "time_s"], ignore_index=True)
        pd.testing.assert_frame_equal(one, two, check_like=True)
    one, two = (read_recording_json(tmp_path / f / "recording.json") for f in ("one", "two"))
    same = ("duration_s", "sampling_rate_hz", "subject")
    assert [one[k] for k in same] == pytest.approx([two[k] for k in same])


def test_export_without_extras(tmp_path):
    source = any_recording()._replace(
        intervals=no_intervals(), signals=no_signals(), subject=None, sampling_rate_hz=None
    )
    write_recording(tmp_path / "one", source)
    write_nwb(tmp_path / "one", tmp_path / "a.nwb")
    back = read(tmp_path / "a.nwb")
    assert len(back.intervals) == len(back.signals) == 0
    assert back.subject is None
    assert back.sampling_rate_hz is None


def test_export_of_counts_is_refused_and_leaves_nothing(tmp_path):
    binned = pd.DataFrame({"time_s": [0.0, 0.25], "2": [1, 0], "4": [0, 2], "9": [0, 0]})
    source = any_recording()._replace(spikes=None, binned=binned)
    write_recording(tmp_path / "one", source)
    with pytest.raises(InputError, match="counts only"):
        write_nwb(tmp_path / "one", tmp_path / "out" / "a.nwb")
    assert not (tmp_path / "out").exists()


def test_export_that_fails_leaves_the_old_file(tmp_path):
    write_recording(tmp_path / "one", any_recording())
    (tmp_path / "a.nwb").write_text("old")
    (tmp_path / "one" / "signals.parquet").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="signals"):
        write_nwb(tmp_path / "one", tmp_path / "a.nwb")
    assert (tmp_path / "a.nwb").read_text() == "old"
    assert {p.name for p in tmp_path.iterdir()} == {"one", "a.nwb"}


# ------------------------------------------------------------------------------------- real


@pytest.mark.data
def test_real_file_from_dandi(tmp_path, data):
    path = data / "nwb" / "dandi000207_sub4" / "sub-4_ses-4_ecephys+image.nwb"
    write_recording(tmp_path, read(path))
    with h5py.File(path) as file:
        times, stop = file["units/spike_times"][:], file["units/spike_times_index"][:]
    trains = read_spike_trains(tmp_path / "spikes.parquet", np.arange(35))
    assert trains.time_s.tolist() == times.tolist()
    assert trains.offset.tolist() == [0, *stop]
    assert len(times) == 214_278
    units = read_table(tmp_path / "sorted_units.parquet", "sorted_units")
    assert set(units["region"]) == {"hippocampus_right", "amygdala_right"}
    intervals = read_table(tmp_path / "intervals.parquet", "intervals")
    counts = intervals["name"].value_counts().to_dict()
    assert counts == {
        "encoding_table": 90,
        "recognition_table": 180,
        "timediscrimination_table": 180,
    }
    assert intervals["Clip_name"].iloc[0] == "NB_24.mp4"

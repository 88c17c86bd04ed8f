"""The counts source: four formats, the tables beside them, and what is refused."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spikesieve.errors import InputError
from spikesieve.files import sha256
from spikesieve.ingest.counts import read_counts
from spikesieve.ingest.writing import write_recording
from spikesieve.recording import read_recording_json, read_table

IDS = np.array([7, 3, 915_957_834])
N_BINS = 40


@pytest.fixture
def counts():
    return np.random.default_rng(1).poisson([0.5, 2.0, 9.0], (N_BINS, 3)).astype(np.int16)


def written(tmp_path, path, bin_ms=50, **options):
    folder = tmp_path / "out"
    write_recording(folder, read_counts(path, recording="r", bin_ms=bin_ms, **options))
    assert not (folder / "spikes.parquet").exists()
    names = ("binned", "sorted_units", "intervals", "signals")
    return {n: read_table(folder / f"{n}.parquet", n) for n in names} | {
        "json": read_recording_json(folder / "recording.json")
    }


def refused(tmp_path, path, match, **options):
    with pytest.raises(InputError, match=rf"(?s)recording 'r': .*{match}"):
        written(tmp_path, path, **options)
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


def write(path, counts, ids=IDS, **arrays):
    """Write ``counts`` in the format that the suffix of ``path`` names."""
    if path.suffix == ".npz":
        np.savez(path, counts=counts, unit_ids=ids, **arrays)
    elif path.suffix == ".npy":
        np.save(path, counts)
    else:
        table = pd.DataFrame(counts, columns=[str(i) for i in ids]).assign(**arrays)
        table.to_csv(path, index=False) if path.suffix == ".csv" else table.to_parquet(path)
    return path


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".csv", ".parquet"])
def test_every_format_gives_the_same_counts(tmp_path, counts, suffix):
    tables = written(tmp_path, write(tmp_path / f"c{suffix}", counts), subject="rat")
    binned, order = tables["binned"], np.argsort(IDS)
    ids = np.arange(3) if suffix == ".npy" else IDS[order]
    expected = counts if suffix == ".npy" else counts[:, order]
    assert list(binned) == ["time_s", *map(str, ids)]
    assert tables["sorted_units"]["unit_id"].tolist() == ids.tolist()
    np.testing.assert_array_equal(binned.drop(columns="time_s"), expected)
    assert set(binned.drop(columns="time_s").dtypes) == {np.dtype(np.uint8)}
    np.testing.assert_array_equal(binned["time_s"], np.arange(N_BINS) / 20)
    record = tables["json"]
    assert (record["duration_s"], record["sampling_rate_hz"]) == (2.0, None)
    assert (record["source"], record["subject"]) == ("counts", "rat")
    assert set(tables["sorted_units"]["quality"]) == {"unsorted"}
    assert any("No unit table" in n for n in record["notes"])


def test_the_type_is_the_smallest_that_holds_all(tmp_path, counts):
    for largest, kind in [(255, np.uint8), (256, np.uint16), (70_000, np.uint32)]:
        big = counts.astype(np.float64)
        big[3, 1] = largest
        binned = written(tmp_path, write(tmp_path / "c.npz", big))["binned"]
        assert binned["3"].dtype == kind
        assert binned["3"][3] == largest


def test_units_by_bins_is_turned_and_asked_for(tmp_path, counts):
    path = write(tmp_path / "c.npz", counts.T)
    refused(tmp_path, path, "3 unit ids, but a matrix of 3 x 40.*set layout to units_by_bins")
    turned = written(tmp_path, path, layout="units_by_bins")["binned"]
    np.testing.assert_array_equal(turned["7"], counts[:, 0])
    empty = tmp_path / "empty"
    right = write(tmp_path / "d.npz", counts)
    refused(empty, right, "set layout to bins_by_units", layout="units_by_bins")
    refused(empty, right, "layout 'sideways'.*bins_by_units, units_by_bins", layout="sideways")
    table = write(tmp_path / "c.csv", counts)
    refused(empty, table, "layout units_by_bins is for npz", layout="units_by_bins")


def test_a_wide_matrix_without_ids_is_pointed_out(tmp_path, counts):
    notes = written(tmp_path, write(tmp_path / "c.npy", counts.T))["json"]["notes"]
    assert any("set layout to units_by_bins" in n for n in notes)


def test_arrays_beside_become_signals_and_the_rest_is_noted(tmp_path, counts):
    position = np.random.default_rng(0).normal(size=(N_BINS, 2))
    speed = np.arange(N_BINS)
    path = write(
        tmp_path / "c.npz", counts, position=position, speed=speed, label="x", short=speed[:5]
    )
    tables = written(tmp_path, path)
    signals = tables["signals"]
    assert sorted(signals["name"].unique()) == ["position_0", "position_1", "speed"]
    one = signals[signals["name"] == "position_1"]
    np.testing.assert_allclose(one["value"], position[:, 1], rtol=1e-6)
    np.testing.assert_array_equal(one["time_s"], np.arange(N_BINS) / 20)
    assert any("label" in n and "short" in n for n in tables["json"]["notes"])


def test_which_array_is_the_matrix(tmp_path, counts):
    other = counts.astype(float)
    path = tmp_path / "c.npz"
    np.savez(path, spikes=counts, more=counts)
    assert written(tmp_path, path)["binned"].shape == (N_BINS, 4)
    np.savez(path, anything=counts, rate=other)
    assert written(tmp_path, path)["binned"].shape == (N_BINS, 4)
    np.savez(path, a=counts, b=counts)
    with pytest.raises(InputError, match=r"several arrays.*a int16 \(40, 3\), b int16"):
        read_counts(path, recording="r", bin_ms=50)
    np.savez(path, counts=counts, spikes=counts)
    with pytest.raises(InputError, match="several arrays"):
        read_counts(path, recording="r", bin_ms=50)
    np.savez(path, rate=other)
    with pytest.raises(InputError, match="no array could be the counts"):
        read_counts(path, recording="r", bin_ms=50)


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".csv", ".parquet"])
@pytest.mark.parametrize(
    "value, problem",
    [
        (-1, "bin 4, unit .*is negative"),
        (0.5, "bin 4, unit .*is fractional"),
        (np.nan, "bin 4, unit .*is not finite"),
        (np.inf, "bin 4, unit .*is not finite"),
        (1e12, "bin 4, unit .*too large"),
    ],
)
def test_what_no_count_can_be_is_refused(tmp_path, counts, suffix, value, problem):
    wrong = counts.astype(float)
    wrong[4, 1] = value
    refused(tmp_path, write(tmp_path / f"c{suffix}", wrong), problem)


def test_texts_and_objects_are_refused_and_not_run(tmp_path, counts):
    touched = tmp_path / "touched"

    class Touch:
        def __reduce__(self):
            return open, (str(touched), "w")

    hostile = np.array([[Touch()]], dtype=object)
    np.savez(tmp_path / "c.npz", counts=hostile)
    np.save(tmp_path / "c.npy", hostile, allow_pickle=True)
    for name in ("c.npz", "c.npy"):
        refused(tmp_path, tmp_path / name, "not readable .*no pickled objects")
    assert not touched.exists()
    (tmp_path / "c.csv").write_text("1,2\n3,four\n")
    refused(tmp_path, tmp_path / "c.csv", "unit 2: the column holds")


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".parquet"])
@pytest.mark.parametrize("share", [0.0, 0.4, 0.95])
def test_truncated_files_are_refused(tmp_path, counts, suffix, share):
    path = write(tmp_path / f"c{suffix}", counts)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    refused(tmp_path, path, "not readable")


def test_empty_and_misshapen_files_are_refused(tmp_path, counts):
    np.save(tmp_path / "c.npy", np.zeros((0, 3), int))
    refused(tmp_path, tmp_path / "c.npy", r"shape \(0, 3\)")
    np.save(tmp_path / "c.npy", counts[:, 0])
    refused(tmp_path, tmp_path / "c.npy", r"shape \(40,\)")
    for content in ("", "1,2\n", "time_s\n0\n"):
        (tmp_path / "c.csv").write_text(content)
        refused(tmp_path, tmp_path / "c.csv", r"c\.csv")
    (tmp_path / "c.csv").write_text("1,2\n1,2,3\n")
    refused(tmp_path, tmp_path / "c.csv", "more cells than the 2 column names")
    (tmp_path / "c.txt").write_text("1")
    refused(tmp_path, tmp_path / "c.txt", r"format '.txt'.*npz")
    refused(tmp_path, tmp_path / "absent.npz", "no such file")
    write(tmp_path / "c.npz", counts).rename(tmp_path / "d.npy")
    refused(tmp_path, tmp_path / "d.npy", "call it .npz")
    write(tmp_path / "c.npy", counts).rename(tmp_path / "d.npz")
    refused(tmp_path, tmp_path / "d.npz", "call it .npy")


def test_unit_ids_must_be_ids(tmp_path, counts):
    for ids, problem in [
        ([1, 1, 2], "unit id 1 stands twice"),
        ([-1, 1, 2], "from -1 to 2"),
        ([1, 2, 2**31], "to 2147483648"),
        ([1.5, 2, 3], "float64"),
        (["a", "b", "c"], "unit_ids are <U1"),
        ([1, 2], "2 unit ids, but a matrix of 40 x 3.*correct the file"),
    ]:
        path = tmp_path / "c.npz"
        np.savez(path, counts=counts, unit_ids=ids)
        refused(tmp_path, path, problem)
    for names, problem in [("1,1", "id 1 stands twice"), (",1", "column '' is no unit id")]:
        (tmp_path / "c.csv").write_text(f"{names}\n0,3\n1,4\n")
        refused(tmp_path, tmp_path / "c.csv", problem)


def test_time_s_is_checked(tmp_path, counts):
    time_s = 12.5 + np.arange(N_BINS) / 20
    for suffix in (".npz", ".csv", ".parquet"):
        tables = written(tmp_path, write(tmp_path / f"c{suffix}", counts, time_s=time_s))
        assert tables["binned"]["time_s"][0] == 0
        assert any("time_s starts at 12.5 s" in n for n in tables["json"]["notes"])
        assert len(tables["signals"]) == 0
    gap = np.where(np.arange(N_BINS) < 30, time_s, time_s + 1)
    path = write(tmp_path / "gap.csv", counts, time_s=gap)
    refused(tmp_path / "other", path, "row 30 stands at 15.0 s.*bin_ms")
    path = write(tmp_path / "c.csv", counts, time_s=time_s)
    refused(tmp_path / "other", path, "row 1 stands", bin_ms=25)


def units_table(path, **changed):
    columns = {
        "cluster_id": [915_957_834, 7, 3, 99],
        "quality": ["good", " Good", "MUA", "noise"],
        "area": ["VISp", "", "CA1", "CA3"],
        "firing_rate": [1.0, 2.0, 3.0, 4.0],
        "isi_violations": [0.1, 0.2, 0.3, 0.4],
        "cortical_depth": [0, 0, 0, 0],
        "probe_vertical_position": [20, 40, 60, 80],
        "name": ["probeA", "probeB", "probeB", "probeC"],
        "snr": [1.5, 2.5, 3.5, 4.5],
    }
    frame = pd.DataFrame({k: v for k, v in (columns | changed).items() if v is not None})
    frame.to_csv(path, index=False)
    return path


def test_a_unit_table_fills_the_contract_and_loses_nothing(tmp_path, counts):
    table = units_table(tmp_path / "u.csv")
    tables = written(tmp_path, write(tmp_path / "c.npz", counts), units=table)
    units = tables["sorted_units"]
    assert units["unit_id"].tolist() == [3, 7, 915_957_834]
    assert units["quality"].tolist() == ["mua", "good", "good"]
    assert units["region"].fillna("").tolist() == ["CA1", "", "VISp"]
    assert units["probe"].tolist() == ["probeB", "probeB", "probeA"]
    assert units["depth_um"].tolist() == [60, 40, 20]
    assert units["snr"].tolist() == [3.5, 2.5, 1.5]
    assert units["source_firing_rate"].tolist() == [3, 2, 1]
    assert units["source_isi_violations"].tolist() == [0.3, 0.2, 0.1]
    assert {"cluster_id", "cortical_depth", "area", "name"} <= set(units)
    notes = " ".join(tables["json"]["notes"])
    assert "1 unit(s) of the unit table have no counts" in notes
    assert "depth_um is the table's column 'probe_vertical_position'" in notes
    assert {Path(p).name for p in tables["json"]["inputs"]} == {"c.npz", "u.csv"}


def test_a_column_name_that_is_no_probe_stays_itself(tmp_path, counts):
    table = units_table(tmp_path / "u.csv", name=["Anna", "Ben", "Cleo", "Dan"], quality=None)
    units = written(tmp_path, write(tmp_path / "c.npz", counts), units=table)["sorted_units"]
    assert units["probe"].isna().all()
    assert units["name"].tolist() == ["Cleo", "Ben", "Anna"]
    assert set(units["quality"]) == {"unsorted"}


@pytest.mark.parametrize(
    "changed, problem",
    [
        ({"cluster_id": [915_957_834, 7, 4, 99]}, r"lacks 1 counted unit\(s\), the first \[3\]"),
        ({"cluster_id": [3, 7, 3, 99]}, "unit id 3 stands twice"),
        ({"cluster_id": [3, 7, np.nan, 99]}, "missing entries"),
        ({"cluster_id": None}, "one of .*cluster_id"),
        ({"quality": ["good", "best", "mua", "noise"]}, "quality labels.*good, mua"),
    ],
)
def test_bad_unit_tables_are_refused(tmp_path, counts, changed, problem):
    table = units_table(tmp_path / "u.csv", **changed)
    refused(tmp_path, write(tmp_path / "c.npz", counts), problem, units=table)


def test_damaged_tables_are_refused(tmp_path, counts):
    path = write(tmp_path / "c.npz", counts)
    for name, content in [
        ("t.csv", b""),
        ("t.parquet", b"PAR1"),
        ("t.xlsx", b"PK"),
        ("u.csv", b"a"),
    ]:
        (tmp_path / name).write_bytes(content)
        for option in ("units", "intervals", "bins"):
            refused(tmp_path, path, name, **{option: tmp_path / name})
    refused(tmp_path, path, "absent.csv", units=tmp_path / "absent.csv")


def test_intervals_and_their_conditions(tmp_path, counts):
    (tmp_path / "i.csv").write_text(
        "start_time,stop_time,stimulus_name,angle,image,note\n"
        "1.0,1.5,grating,null,12,blue\n0.0,1.0,flash,45,null,12\n"
    )
    path = write(tmp_path / "c.npz", counts)
    intervals = written(tmp_path, path, intervals=tmp_path / "i.csv")["intervals"]
    assert intervals["name"].tolist() == ["flash", "grating"]
    assert intervals[["start_s", "stop_s"]].values.tolist() == [[0, 1], [1, 1.5]]
    np.testing.assert_array_equal(intervals["angle"], [45, np.nan])
    np.testing.assert_array_equal(intervals["image"], [np.nan, 12])
    assert intervals["note"].tolist() == ["12", "blue"]


@pytest.mark.parametrize(
    "content, problem",
    [
        ("start_s,stop_s\n0,1\n", "lacks name"),
        ("start_s,name\n0,a\n", "lacks stop_s"),
        ("start_s,stop_s,name\n0,1,\n", "row 0 has no name"),
        ("start_s,stop_s,name\n0,x,a\n", "'stop_s' holds no numbers"),
        ("start_s,stop_s,name\n1,1,a\n", "out of place"),
        ("start_s,stop_s,name\n0,2.1,a\n", "out of place.*to 2.1 s"),
        ("start_s,stop_s,name\n-1,1,a\n", "out of place"),
        ("start_s,stop_s,name\n,1,a\n", "out of place"),
    ],
)
def test_bad_intervals_are_refused(tmp_path, counts, content, problem):
    (tmp_path / "i.csv").write_text(content)
    path = write(tmp_path / "c.npz", counts)
    refused(tmp_path, path, problem, intervals=tmp_path / "i.csv")


def bin_table(path, n=N_BINS, **columns):
    pd.DataFrame({"x": np.arange(n) % 4} | columns).to_csv(path, index=False)
    return path


def test_named_bins_become_intervals(tmp_path, counts):
    size = np.where(np.arange(N_BINS) % 2, "null", "20.0")
    times = {
        "start_time": np.arange(N_BINS) * 0.0501,
        "stop_time": np.arange(1, N_BINS + 1) * 0.0501,
    }
    table = bin_table(tmp_path / "b.csv", stimulus_name="gabors", size=size, **times)
    tables = written(tmp_path, write(tmp_path / "c.npz", counts), bins=table)
    intervals = tables["intervals"]
    np.testing.assert_array_equal(intervals["start_s"], np.arange(N_BINS) / 20)
    np.testing.assert_array_equal(intervals["stop_s"], np.arange(1, N_BINS + 1) / 20)
    np.testing.assert_array_equal(intervals["x"], np.arange(N_BINS) % 4)
    np.testing.assert_array_equal(intervals["size"][:2], [20, np.nan])
    np.testing.assert_allclose(intervals["source_start_s"], times["start_time"])
    assert any("mean 50.100" in n for n in tables["json"]["notes"])
    assert len(tables["signals"]) == 0


def test_bins_without_a_name_are_no_interval_and_noted(tmp_path, counts):
    names = np.where(np.arange(N_BINS) < 30, "run", "")
    table = bin_table(tmp_path / "b.csv", name=names)
    tables = written(tmp_path, write(tmp_path / "c.npz", counts), bins=table)
    assert len(tables["intervals"]) == 30
    assert any("10 row(s)" in n for n in tables["json"]["notes"])


def test_unnamed_bins_become_signals(tmp_path, counts):
    mood = np.where(np.arange(N_BINS) % 2, "good", "bad")
    table = bin_table(tmp_path / "b.csv", mood=mood, time_s=np.arange(N_BINS) / 20)
    tables = written(tmp_path, write(tmp_path / "c.npz", counts), bins=table)
    signals = tables["signals"]
    assert list(signals["name"].unique()) == ["x"]
    np.testing.assert_array_equal(signals["value"], np.arange(N_BINS) % 4)
    assert any("mood" in n for n in tables["json"]["notes"])


def test_intervals_and_bins_are_joined_and_signals_may_not_clash(tmp_path, counts):
    (tmp_path / "i.csv").write_text("start_s,stop_s,name\n0.5,1.5,block\n")
    both = {"intervals": tmp_path / "i.csv", "bins": bin_table(tmp_path / "b.csv", name="gabor")}
    path = write(tmp_path / "c.npz", counts)
    intervals = written(tmp_path, path, **both)["intervals"]
    assert len(intervals) == N_BINS + 1
    assert intervals["start_s"].is_monotonic_increasing
    path = write(tmp_path / "d.npz", counts, x=np.arange(N_BINS))
    refused(tmp_path / "other", path, r"signals \['x'\] also", bins=bin_table(tmp_path / "s.csv"))


def test_a_table_of_bins_with_other_rows_is_refused(tmp_path, counts):
    table = bin_table(tmp_path / "b.csv", n=N_BINS - 1)
    refused(tmp_path, write(tmp_path / "c.npz", counts), "39 rows for 40 bins", bins=table)


def test_checksum_and_width_are_checked(tmp_path, counts):
    path = write(tmp_path / "c.npz", counts)
    refused(tmp_path, path, f"{sha256(path)}, not the expected", sha256="0" * 64)
    refused(tmp_path, path, "bin_ms is 0", bin_ms=0)
    written(tmp_path, path, sha256=sha256(path))


def test_the_script(tmp_path, counts, root):
    script = root / "workflow/scripts/ingest_counts.py"
    path, table = write(tmp_path / "c.npz", counts.T), units_table(tmp_path / "u.csv")
    command = [sys.executable, script, path, "--recording", "r", "--folder", tmp_path / "out"]
    command += ["--bin-ms", "50.0", "--layout", "units_by_bins", "--units", table]
    subprocess.run(command, check=True)
    assert read_table(tmp_path / "out" / "binned.parquet", "binned").shape == (N_BINS, 4)


@pytest.mark.data
@pytest.mark.parametrize("session, n_units", [("732592105", 947), ("742951821", 509)])
def test_real_gabor_sessions(tmp_path, data, session, n_units):
    stem = str(data / "counts" / "allen_gabor" / session)
    tables = written(
        tmp_path,
        f"{stem}_gabor_spike_counts.npz",
        bin_ms=250,
        layout="units_by_bins",
        units=f"{stem}_visual_unit_population.csv",
        bins=f"{stem}_gabor_trial_gaze_table.csv",
    )
    units, intervals = tables["sorted_units"], tables["intervals"]
    binned = tables["binned"].drop(columns="time_s")
    assert binned.shape == (3645, n_units)
    rate = binned.to_numpy().sum(axis=0) / tables["json"]["duration_s"]
    assert np.corrcoef(rate, units["firing_rate_rf"])[0, 1] > 0.999999  # Allen's own rates
    assert set(intervals["name"]) == {"gabors"}
    assert intervals[["x_position", "y_position", "orientation"]].nunique().tolist() == [9, 9, 3]
    assert set(units["region"]) == {"VISp", "VISl", "VISal", "VISrl", "VISpm"}
    assert units["probe"].nunique() == 5
    original = pd.read_csv(f"{stem}_visual_unit_population.csv")
    lost = {c for c in original if c not in units and f"source_{c}" not in units}
    assert not lost


@pytest.mark.data
def test_real_hippocampus(tmp_path, data):
    path = data / "counts" / "hc11_buddy" / "buddy_safe.npz"
    tables = written(tmp_path, path, bin_ms=25)
    assert tables["binned"].shape == (6577, 49)
    assert tables["binned"].drop(columns="time_s").to_numpy().sum() == 7269
    assert sorted(tables["signals"]["name"].unique()) == [f"position_{i}" for i in range(3)]
    assert tables["json"]["duration_s"] == 164.425

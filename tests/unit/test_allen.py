"""Allen sessions: read as AllenSDK reads them, downloaded whole or not at all."""

import os
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from make_cache import make_cache, session_file
from warehouse import serve

from spikesieve.errors import InputError
from spikesieve.ingest.allen import read_allen
from spikesieve.ingest.writing import write_recording
from spikesieve.recording import INVALID, read_recording_json, read_table
from spikesieve.spikes import read_spike_trains

TOOLS = Path(__file__).parents[1] / "tools"
SESSION = 742951821


@pytest.fixture(scope="session")
def made(allensdk_python, tmp_path_factory) -> Path:
    """Return a session file with pupil tracking, written by AllenSDK."""
    path = tmp_path_factory.mktemp("made") / "session.nwb"
    script = [allensdk_python, TOOLS / "make_allen_nwb.py", path, str(SESSION)]
    subprocess.run(script, check=True, env=os.environ | {"PYTHONPATH": ""})
    return path


def dump(python: str, path: Path, folder: Path):
    script = [python, TOOLS / "dump_allensdk.py", path, folder / "sdk.npz"]
    subprocess.run(script, check=True, env=os.environ | {"PYTHONPATH": ""})
    return np.load(folder / "sdk.npz", allow_pickle=False)


def check_same_as_sdk(folder: Path, path: Path, sdk) -> None:
    write_recording(folder, read_allen(path, recording="rec"))
    units = read_table(folder / "sorted_units.parquet", "sorted_units")
    order = np.argsort(sdk["unit_id"])
    assert units["unit_id"].tolist() == sdk["unit_id"][order].tolist()
    assert units["region"].fillna("").tolist() == sdk["area"][order].tolist()
    assert units["probe"].tolist() == sdk["probe"][order].tolist()
    assert units["depth_um"].tolist() == sdk["depth_um"][order].tolist()
    trains = read_spike_trains(folder / "spikes.parquet", units["unit_id"].to_numpy())
    theirs = np.split(sdk["time_s"], np.cumsum(sdk["n_spikes"])[:-1])
    for ours, unit in enumerate(order):
        np.testing.assert_array_equal(trains.of(ours), theirs[unit])

    default = units.query(
        "quality == 'good' and valid_data and region.notna() and amplitude_cutoff <= 0.1 "
        "and source_presence_ratio >= 0.95 and source_isi_violations <= 0.5"
    )
    assert default["unit_id"].tolist() == sorted(sdk["default_units"].tolist())

    intervals = read_table(folder / "intervals.parquet", "intervals")
    invalid = intervals[intervals["name"] == INVALID]
    assert invalid[["start_s", "stop_s"]].to_numpy().tolist() == sdk["invalid"].tolist()
    shown = intervals[intervals["name"] != INVALID]
    theirs = pd.DataFrame(
        {"name": sdk["stimulus"], "start_s": sdk["start_s"], "stop_s": sdk["stop_s"]}
    )
    assert shown["name"].value_counts().to_dict() == theirs["name"].value_counts().to_dict()
    columns = ["start_s", "stop_s", "name"]
    ours = shown[columns].sort_values(columns).to_numpy().tolist()
    assert ours == theirs[columns].sort_values(columns).to_numpy().tolist()

    signals = read_table(folder / "signals.parquet", "signals")
    for name, times, values in (
        ("running_speed", "running_s", "running"),
        ("pupil_area", "pupil_s", "pupil_area"),
    ):
        mine = signals[signals["name"] == name]
        np.testing.assert_array_equal(mine["time_s"], sdk[times])
        np.testing.assert_array_equal(mine["value"], sdk[values].astype(np.float32))


@pytest.mark.allensdk
@pytest.mark.data
def test_same_as_allensdk(allensdk_python, data, tmp_path):
    path = data / "nwb" / "allen_layout" / "session_732592105.nwb"
    sdk = dump(allensdk_python, path, tmp_path)
    assert len(sdk["unit_id"]) == 40
    assert len(sdk["default_units"]) == 28
    check_same_as_sdk(tmp_path / "recording", path, sdk)


@pytest.mark.allensdk
def test_same_as_allensdk_with_pupil(allensdk_python, made, tmp_path):
    sdk = dump(allensdk_python, made, tmp_path)
    assert len(sdk["pupil_area"]) == 1200
    assert np.isnan(sdk["pupil_area"]).any()
    check_same_as_sdk(tmp_path / "recording", made, sdk)


@pytest.mark.allensdk
def test_stimulus_conditions(made):
    source = read_allen(made, recording="rec")
    gratings = source.intervals.query("name == 'drifting_gratings'")
    assert gratings["orientation"].fillna(-1).tolist() == [0.0, 90.0, -1, 45.0]
    assert gratings["temporal_frequency"].fillna(-1).tolist() == [2.0, 2.0, -1, 2.0]
    assert gratings["spatial_frequency"].tolist() == [0.04] * 4
    flashes = source.intervals.query("name == 'flashes'")
    assert flashes["color"].tolist() == [1.0, -1.0] * 3
    assert source.intervals.query("name == @INVALID")["reason"].tolist() == [
        "EcephysProbe 700 probeA"
    ]
    assert source.subject == "42"


@pytest.mark.allensdk
def test_pupil_area_from_ellipses_where_gaze_is_missing(made, tmp_path):
    with h5py.File(made) as file:
        area = file["processing/raw_gaze_mapping/pupil_area/data"][:]
    path = tmp_path / "no_gaze.nwb"
    path.write_bytes(made.read_bytes())
    with h5py.File(path, "r+") as file:
        del file["processing/raw_gaze_mapping"], file["processing/filtered_gaze_mapping"]
    source = read_allen(path, recording="rec")
    pupil = source.signals.query("name == 'pupil_area'")
    np.testing.assert_allclose(pupil["value"], area, rtol=1e-6)
    assert any("ellipse" in note for note in source.notes)


@pytest.mark.data
def test_without_pupil_and_with_running(data, tmp_path):
    path = data / "nwb" / "allen_layout" / "session_732592105.nwb"
    write_recording(tmp_path, read_allen(path, recording="rec", subject="mouse"))
    signals = read_table(tmp_path / "signals.parquet", "signals")
    assert signals["name"].unique().tolist() == ["running_speed"]
    about = read_recording_json(tmp_path / "recording.json")
    assert about["subject"] == "mouse"
    assert about["sampling_rate_hz"] == 30000.0
    assert "the file has no pupil tracking" in about["notes"]
    intervals = read_table(tmp_path / "intervals.parquet", "intervals")
    counts = {
        "natural_scenes": 376,
        "drifting_gratings": 16,
        "flashes": 10,
        "spontaneous": 3,
        INVALID: 1,
    }
    assert intervals["name"].value_counts().to_dict() == counts


@pytest.mark.data
def test_foreign_nwb_is_refused_as_allen(data, tmp_path):
    path = data / "nwb" / "dandi000207_sub4" / "sub-4_ses-4_ecephys+image.nwb"
    with pytest.raises(InputError, match=r"'rec': .*no Allen .*peak_channel_id.*source to 'nwb'"):
        write_recording(tmp_path / "recording", read_allen(path, recording="rec"))
    assert not (tmp_path / "recording").exists()


# --------------------------------------------------------------------------------- download


@pytest.fixture
def download(allensdk_python, root, tmp_path):
    """Return a function that runs the download script; nothing answers at its default address."""

    def run(session=SESSION, warehouse="http://127.0.0.1:9", retries=0, timeout=1):
        script = [allensdk_python, root / "workflow" / "scripts" / "download_allen.py"]
        arguments = [str(session), tmp_path / "out" / "session.nwb", "--cache", tmp_path / "cache"]
        options = ["--warehouse", warehouse, "--retries", str(retries), "--timeout", str(timeout)]
        environment = os.environ | {"PYTHONPATH": str(root / "src"), "COLUMNS": "300"}
        command = [*script, *arguments, *options, "--wait", "0.1"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)

    return run


def left_over(folder: Path) -> list[str]:
    """Return session files and parts of files under ``folder``."""
    return [p.name for p in folder.rglob("*") if p.is_file() and p.suffix not in (".csv", ".json")]


@pytest.mark.allensdk
def test_download_from_an_offline_cache(download, made, tmp_path):
    make_cache(tmp_path / "cache", [made])
    done = download()
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "session.nwb").read_bytes() == made.read_bytes()
    assert left_over(tmp_path / "out") == ["session.nwb"]


@pytest.mark.allensdk
@pytest.mark.parametrize("damage", ["truncated", "empty", "of another session"])
def test_damaged_file_in_the_cache_is_deleted(download, made, tmp_path, damage):
    cached = session_file(make_cache(tmp_path / "cache", [made]), SESSION)
    if damage == "of another session":
        with h5py.File(cached, "r+") as file:
            file["identifier"][()] = "1"
    else:
        cached.write_bytes(made.read_bytes()[: 200_000 if damage == "truncated" else 0])
    done = download()
    assert done.returncode != 0
    assert "deleted from the cache" in done.stderr
    assert "could not be fetched in 1 tries" in done.stderr
    assert "Fix: " in done.stderr
    assert left_over(tmp_path) == []


@pytest.mark.allensdk
def test_unknown_session_lists_near_ids(download, tmp_path):
    make_cache(tmp_path / "cache")
    done = download(session=742951820, retries=3)
    assert done.returncode != 0
    assert "no Allen session 742951820 among the 5 released" in done.stderr
    assert "742951821" in done.stderr
    assert "next in" not in done.stderr


@pytest.mark.allensdk
def test_download_goes_on_after_failures(download, made, tmp_path):
    with serve(SESSION, made, faults=("cut", "silent", "page", "error", "whole")) as warehouse:
        done = download(warehouse=warehouse.address, retries=4)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("failed") == 4
    assert (tmp_path / "out" / "session.nwb").read_bytes() == made.read_bytes()
    assert left_over(tmp_path / "cache") == [f"session_{SESSION}.nwb"]


@pytest.mark.allensdk
def test_download_gives_up_and_leaves_nothing(download, made, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "manifest.json").write_text('{"manifest": [{"ty')  # a killed run's
    with serve(SESSION, made, faults=("cut",)) as warehouse:
        done = download(warehouse=warehouse.address, retries=1)
    assert done.returncode != 0
    assert "could not be fetched in 2 tries" in done.stderr
    assert left_over(tmp_path) == []

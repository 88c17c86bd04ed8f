"""Recordings written in Kilosort's layout and read back, also through the scripts."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from kilosort_folder import (
    ingest,
    make_folder,
)

from spikesieve.errors import InputError
from spikesieve.exports.kilosort import write_kilosort
from spikesieve.ingest.kilosort import read_kilosort
from spikesieve.ingest.writing import Source, long_signal, no_intervals, write_recording
from spikesieve.recording import read_recording_json, read_table
from spikesieve.spikes import Spikes


@pytest.fixture
def folder(tmp_path) -> Path:
    """Return a small curated folder: 4 clusters over 20 s, cluster 7 merged from 7 and 8."""
    return make_folder(tmp_path / "sorted")


def simulated(rate_hz: float | None, duration_s: float) -> Source:
    random = np.random.default_rng(8)
    time_s = np.sort(random.uniform(0, duration_s, 5000))
    time_s[-1] = np.nextafter(duration_s, 0)
    units = pd.DataFrame(
        {
            "unit_id": [1, 4, 5, 9],
            "quality": ["good", "mua", "noise", "unsorted"],
            "region": None,
            "probe": None,
            "depth_um": [12.5, 700.0, np.nan, 12.5],
        }
    )
    spikes = [Spikes(time_s, random.choice([1, 4, 5], 5000))]
    return Source(
        recording="sim",
        source="simulated",
        path="nowhere",
        duration_s=duration_s,
        sampling_rate_hz=rate_hz,
        subject=None,
        units=units.astype({"region": "string", "probe": "string"}),
        intervals=no_intervals(),
        signals=long_signal("speed", [0.0], [1.0]),
        inputs=[],
        notes=[],
        spikes=spikes,
    )


@pytest.mark.parametrize("rate_hz", [30_000.0, 17852.767845719834, None])
def test_round_trip(tmp_path, rate_hz):
    source = simulated(rate_hz, duration_s=61.3)
    write_recording(tmp_path / "sim", source)
    write_kilosort(tmp_path / "sim", tmp_path / "kilosort")
    units = ingest(tmp_path / "kilosort", tmp_path / "back")
    before = read_table(tmp_path / "sim" / "spikes.parquet", "spikes")
    after = read_table(tmp_path / "back" / "spikes.parquet", "spikes")
    rate_hz = rate_hz or 30_000.0
    assert np.abs(after["time_s"] - before["time_s"]).max() <= 1 / rate_hz
    assert (after["unit_id"] == before["unit_id"]).all()
    assert units["quality"].tolist() == ["good", "mua", "noise", "unsorted"]
    assert units["depth_um"].dropna().to_dict() == {1: 12.5, 4: 700.0}
    about = read_recording_json(tmp_path / "back" / "recording.json")
    assert (about["duration_s"], about["sampling_rate_hz"]) == (61.3, rate_hz)


def test_export_of_an_import_is_the_same_spikes(folder, tmp_path):
    ingest(folder, tmp_path / "once")
    write_kilosort(tmp_path / "once", tmp_path / "kilosort")
    ingest(tmp_path / "kilosort", tmp_path / "twice")
    for name in ("spike_times", "spike_clusters"):
        first, second = (np.load(f / f"{name}.npy") for f in (folder, tmp_path / "kilosort"))
        np.testing.assert_array_equal(first, second)
    once, twice = ((tmp_path / n / "spikes.parquet").read_bytes() for n in ("once", "twice"))
    assert once == twice


def test_failed_export_leaves_nothing(tmp_path):
    write_recording(tmp_path / "sim", simulated(30_000.0, 61.3))
    os.truncate(tmp_path / "sim" / "spikes.parquet", 2000)
    with pytest.raises(ValueError, match=r"spikes\.parquet"):
        write_kilosort(tmp_path / "sim", tmp_path / "kilosort")
    assert not list((tmp_path / "kilosort").iterdir())


def test_export_of_binned_counts_is_refused(tmp_path):
    binned = pd.DataFrame(
        {"time_s": [0.0, 0.05], "1": [1, 0], "4": [0, 2], "5": [0, 0], "9": [1, 1]}
    )
    source = simulated(None, 61.3)._replace(spikes=None, binned=binned)
    write_recording(tmp_path / "counts", source)
    with pytest.raises(InputError, match="recording 'sim'.*binned counts, no spike times"):
        write_kilosort(tmp_path / "counts", tmp_path / "kilosort")
    assert not (tmp_path / "kilosort").exists()


# ---------------------------------------------------------------- the scripts


def run_script(root: Path, name: str, *arguments) -> None:
    command = [sys.executable, root / "workflow" / "scripts" / name, *arguments]
    environment = os.environ | {"PYTHONPATH": str(root / "src")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_scripts_ingest_and_export(root, folder, tmp_path):
    out = tmp_path / "a space"
    options = ["--recording", "r", "--folder", out, "--duration-s", "21.5", "--subject", "m1"]
    run_script(root, "ingest_kilosort.py", folder, *options)
    run_script(root, "export_kilosort.py", out, tmp_path / "exported")
    assert read_recording_json(out / "recording.json")["subject"] == "m1"
    assert read_kilosort(tmp_path / "exported", recording="r").duration_s == 21.5

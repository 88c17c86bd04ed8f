"""The retina source: a small archive with planted spikes and stimulus, and the real one."""

import io
import pickle
import subprocess
import sys
import tarfile

import numpy as np
import pandas as pd
import pytest

from spikesieve.errors import InputError
from spikesieve.files import sha256
from spikesieve.ingest.retina import ELECTRODE_HZ, LEDS, read_retina
from spikesieve.ingest.writing import write_recording
from spikesieve.recording import read_recording_json, read_table

TRIGGERS = np.array([0, 910, 1884, 2686, 3624])
PATTERN = np.array(
    [[0, 1, 0, 0], [1, 1, 0, 0], [1, 1, 0, 1], [0, 1, 0, 1], [1, 0, 1, 1], [1, 0, 1, 0]], np.int8
)
SPIKES = {17: [5, 900, 3000], 4: [31, 31 + 40, 3623], 9: [], 300: [2]}
BEGIN = 2_374_893


def objects(columns, index):
    """Return a table of Python objects only, as pandas 2 made it (pandas 3 would take Arrow)."""
    cells = np.empty((len(index), len(columns)), dtype=object)
    for column, values in enumerate(columns.values()):
        for row, value in enumerate(values):
            cells[row, column] = value
    names = pd.Index(list(columns), dtype=object)
    return pd.DataFrame(cells, index=index, columns=names, dtype=object)


def response(spikes, recordings=None):
    longest = max((len(s) for s in spikes.values()), default=0)
    masked = [
        np.ma.masked_array(
            np.r_[s, np.zeros(longest - len(s))].astype(np.int32), np.arange(longest) >= len(s)
        )
        for s in spikes.values()
    ]
    levels = {"Cell index": list(spikes), "Stimulus ID": [1] * len(spikes)}
    if recordings:
        levels["Recording"] = pd.Index(recordings, dtype=object)
    index = pd.MultiIndex.from_arrays(list(levels.values()), names=list(levels))
    return objects({"Spikes": masked}, index)


def stimulus(names=("Chicken_1",), triggers=TRIGGERS, end=TRIGGERS[-1], rate=17852.76785):
    index = pd.MultiIndex.from_arrays(
        [[1] * len(names), pd.Index(names, dtype=object)], names=["Stimulus_index", "Recording"]
    )
    columns = {
        "Stimulus_name": "FF_Noise",
        "Begin_Fr": BEGIN,
        "End_Fr": BEGIN + int(end),
        "Trigger_Fr_relative": np.asarray(triggers),
        "Sampling_Freq": rate,
    }
    return objects({k: [v] * len(names) for k, v in columns.items()}, index)


def array_bytes(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def make_archive(path, **changed):
    """Write an archive of the paper's layout; ``None`` leaves a file out."""
    members = {
        "spike_response_allcells": response(SPIKES),
        "spike_response": response({4: SPIKES[4], 17: SPIKES[17]}, ["Chicken_1"] * 2),
        "recorded_stimulus": stimulus(),
        "stimulus_pattern": array_bytes(PATTERN),
    } | changed
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            if content is None:
                continue
            is_bytes = isinstance(content, bytes)
            suffix = ".npy" if name == "stimulus_pattern" else ".pickle"
            content = content if is_bytes else pickle.dumps(content)
            info = tarfile.TarInfo(f"./chicken/{name}{suffix}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def written(tmp_path, path, **options):
    folder = tmp_path / "out"
    write_recording(folder, read_retina(path, recording="r", **options))
    names = ("spikes", "sorted_units", "intervals", "signals")
    return {n: read_table(folder / f"{n}.parquet", n) for n in names} | {
        "json": read_recording_json(folder / "recording.json")
    }


def test_planted_spikes_come_back_in_samples(tmp_path):
    tables = written(tmp_path, make_archive(tmp_path / "a.tar.gz"), subject="hen")
    spikes = tables["spikes"]
    samples = spikes["time_s"] * ELECTRODE_HZ
    np.testing.assert_allclose(samples, np.round(samples), atol=1e-6)
    for unit_id, planted in SPIKES.items():
        np.testing.assert_array_equal(np.round(samples[spikes["unit_id"] == unit_id]), planted)
    assert tables["json"]["duration_s"] == 3624 / ELECTRODE_HZ
    assert tables["json"]["sampling_rate_hz"] == ELECTRODE_HZ
    assert tables["json"]["subject"] == "hen"
    assert "Chicken_1" in tables["json"]["notes"][0]


def test_units_say_which_the_paper_used(tmp_path):
    units = written(tmp_path, make_archive(tmp_path / "a.tar.gz"))["sorted_units"]
    assert units["unit_id"].tolist() == [4, 9, 17, 300]
    assert units["used_in_paper"].tolist() == [True, False, True, False]
    assert set(units["quality"]) == {"good"}


def test_leds_are_step_functions_at_the_trigger_times(tmp_path):
    signals = written(tmp_path, make_archive(tmp_path / "a.tar.gz"))["signals"]
    at = TRIGGERS / ELECTRODE_HZ
    expected = {0: ([0, 1, 3], [0, 1, 0]), 1: ([0], [1]), 2: ([0], [0]), 3: ([0, 2], [0, 1])}
    for column, (changes, values) in expected.items():
        led = signals[signals["name"] == LEDS[column]]
        np.testing.assert_array_equal(led["time_s"], at[changes])
        np.testing.assert_array_equal(led["value"], values)


def test_the_interval_ends_at_the_last_trigger(tmp_path):
    path = make_archive(tmp_path / "a.tar.gz", recorded_stimulus=stimulus(end=5000))
    tables = written(tmp_path, path)
    interval = tables["intervals"].iloc[0]
    assert (interval["start_s"], interval["stop_s"]) == (0, 3624 / ELECTRODE_HZ)
    assert interval["name"] == "FF_Noise" and interval["n_frames"] == 4
    assert tables["json"]["duration_s"] == 5000 / ELECTRODE_HZ
    last = tables["signals"].groupby("name", observed=True).last(skipna=False)
    assert last["value"].isna().all()  # nobody knows what was shown afterwards
    np.testing.assert_array_equal(last["time_s"], 3624 / ELECTRODE_HZ)


def test_another_sampling_rate_is_kept(tmp_path):
    path = make_archive(tmp_path / "a.tar.gz", recorded_stimulus=stimulus(rate=20000.0))
    assert written(tmp_path, path)["json"]["sampling_rate_hz"] == 20000.0


def test_without_all_cells_the_papers_are_read_and_noted(tmp_path):
    tables = written(tmp_path, make_archive(tmp_path / "a.tar.gz", spike_response_allcells=None))
    assert tables["sorted_units"]["unit_id"].tolist() == [4, 17]
    assert any("lacks spike_response_allcells.pickle" in n for n in tables["json"]["notes"])


BAD = {
    "no_stimulus": ({"recorded_stimulus": None}, r"lacks recorded_stimulus.pickle"),
    "no_pattern": ({"stimulus_pattern": None}, r"lacks stimulus_pattern.npy"),
    "no_cells": ({"spike_response": None, "spike_response_allcells": None}, "lacks spike_response"),
    "two_recordings": ({"recorded_stimulus": stimulus(("A", "B"))}, "holds 2 stimuli.*one arch"),
    "other_recording": (
        {"spike_response": response({4: [31]}, ["Chicken_2"])},
        r"spike_response.pickle holds Recording \['Chicken_2'\]",
    ),
    "cell_twice": (
        {"spike_response": pd.concat([response({4: [31]}, ["Chicken_1"])] * 2)},
        "cell 4 stands twice",
    ),
    "unknown_cell": ({"spike_response": response({5: [31]}, ["Chicken_1"])}, r"cells \[5\]"),
    "beyond_end": ({"spike_response_allcells": response(SPIKES | {9: [3624]})}, "unit 9: .*beyond"),
    "negative": ({"spike_response_allcells": response(SPIKES | {9: [-1]})}, "unit 9: .*negative"),
    "unsorted": ({"spike_response_allcells": response(SPIKES | {9: [9, 3]})}, "unit 9: .*earlier"),
    "late_trigger": ({"recorded_stimulus": stimulus(triggers=TRIGGERS + 1)}, "0 first"),
    "mixed_triggers": ({"recorded_stimulus": stimulus(triggers=[0, 5, 5])}, "ascending"),
    "fractional": ({"recorded_stimulus": stimulus(triggers=[0.0, 5.0])}, "not sample numbers"),
    "early_end": ({"recorded_stimulus": stimulus(end=3000)}, "up to End_Fr"),
    "short_pattern": ({"stimulus_pattern": array_bytes(PATTERN[:3])}, "5 triggers, but 3 rows"),
    "broken_pattern": (
        {"stimulus_pattern": array_bytes(PATTERN).replace(b"}", b"(")},
        "stimulus_pattern.npy is no readable array",
    ),
    "zip_pattern": ({"stimulus_pattern": b"PK\3\4" * 30}, "stimulus_pattern.npy is no readable"),
    "wrong_pattern": ({"stimulus_pattern": array_bytes(PATTERN[:, :3])}, r"shape \(6, 3\)"),
    "object_pattern": (
        {"stimulus_pattern": array_bytes(PATTERN.astype(object), allow_pickle=True)},
        "no readable array",
    ),
    "no_table": ({"recorded_stimulus": np.arange(3)}, "holds a ndarray, not a pandas table"),
    "no_column": ({"recorded_stimulus": response(SPIKES)}, "lacks columns"),
    "damaged": ({"spike_response": b"\x80\x04]"}, "spike_response.pickle: damaged pickle"),
    "hostile": ({"recorded_stimulus": b"cos\nsystem\n(S'true'\ntR."}, r"asks for os\.system"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_archives_are_named_and_leave_nothing(tmp_path, case):
    changed, problem = BAD[case]
    path = make_archive(tmp_path / "a.tar.gz", **changed)
    with pytest.raises(InputError, match=rf"(?s)recording 'r': .*a\.tar\.gz.*{problem}"):
        written(tmp_path, path)
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


def test_a_wrong_checksum_shows_both(tmp_path):
    path = make_archive(tmp_path / "a.tar.gz")
    with pytest.raises(InputError, match=f"{sha256(path)}, not the expected {'0' * 64}"):
        read_retina(path, recording="r", sha256="0" * 64)
    read_retina(path, recording="r", sha256=sha256(path).upper())
    with pytest.raises(InputError, match="no such file"):
        read_retina(tmp_path / "absent", recording="r")


def test_the_script(tmp_path, root):
    path = make_archive(tmp_path / "a.tar.gz")
    script = root / "workflow/scripts/ingest_retina.py"
    command = [sys.executable, script, path, "--recording", "r", "--folder", tmp_path / "out"]
    subprocess.run([*command, "--sha256", sha256(path)], check=True)
    assert len(read_table(tmp_path / "out" / "spikes.parquet", "spikes")) == 7


@pytest.mark.data
def test_the_real_archive(tmp_path, data):
    path = data / "retina" / "chicken_2021_08_17.tar.gz"
    expected = "26814f23f8f320be599bb065b24e68b76fc2ee03cdf75e0148dc9ae3b460bceb"
    tables = written(tmp_path, path, sha256=expected)
    units, spikes, signals = tables["sorted_units"], tables["spikes"], tables["signals"]
    assert (len(units), units["used_in_paper"].sum(), len(spikes)) == (154, 60, 215_941)
    assert tables["json"]["duration_s"] == pytest.approx(900.22629, abs=1e-5)
    assert tables["intervals"][["name", "n_frames"]].values.tolist() == [["FF_Noise", 18_000]]
    assert set(signals["value"]) == {0, 1}
    # Cells of ~20 Hz follow the trigger: a wrong origin of time would break this lock.
    times = spikes.loc[spikes["unit_id"] == 13, "time_s"].to_numpy()
    led = np.unique(signals["time_s"])
    phase = led[np.minimum(np.searchsorted(led, times), len(led) - 1)] - times
    assert np.median(np.abs(phase)) < 0.001


@pytest.mark.data
def test_time_zero_of_the_real_archive_agrees_with_its_own_kernels(data):
    """The archive's kernels are sums of the pattern around spikes: the authors' own alignment."""
    from spikesieve.ingest.archives import read_archive
    from spikesieve.ingest.pickles import load_pickle

    path = data / "retina" / "chicken_2021_08_17.tar.gz"
    name = "spike_response.pickle"
    table = load_pickle(read_archive(path, {name}).contents[name])
    source = read_retina(path, recording="r")
    cell = max(table.index, key=lambda i: table.loc[i, "Spikes"].count())
    kernel = table.loc[cell, "Kernel"]
    spikes = pd.concat([pd.DataFrame(s._asdict()) for s in source.spikes])
    times = spikes.loc[spikes["unit_id"] == cell[0], "time_s"].to_numpy()
    for column, led in enumerate(LEDS):
        steps = source.signals[source.signals["name"] == led]
        lag = np.arange(500, 1000, 20)
        when = times[None, :] + (lag[:, None] - 1000) / 1000
        shown = np.searchsorted(steps["time_s"], when, side="right") - 1
        average = np.where(shown >= 0, steps["value"].to_numpy()[shown], 0).sum(axis=1)
        assert np.corrcoef(average, kernel[lag, column])[0, 1] > 0.98

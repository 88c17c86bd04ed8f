"""Kilosort and Phy folders are read as they are, like SpikeInterface where that is right."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from kilosort_folder import (
    IDS,
    RATE_HZ,
    ingest,
    make_folder,
    notes_of,
    templates,
    write_tsv,
)

from spikesieve.exports.kilosort import write_kilosort
from spikesieve.ingest import kilosort_arrays
from spikesieve.recording import read_recording_json, read_table
from spikesieve.spikes import read_spike_trains


@pytest.fixture
def folder(tmp_path) -> Path:
    """Return a small curated folder: 4 clusters over 20 s, cluster 7 merged from 7 and 8."""
    return make_folder(tmp_path / "sorted")


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
@pytest.mark.parametrize("dtype", ["int64", "uint64", "int32", ">i8"])
def test_spikes_are_those_of_the_clusters(tmp_path, monkeypatch, dtype, shape):
    monkeypatch.setattr(kilosort_arrays, "SPIKES_PER_PIECE", 999)
    folder = make_folder(tmp_path / "sorted", dtype, shape)
    units = ingest(folder, tmp_path / "out")
    samples = np.load(folder / "spike_times.npy").ravel().astype("int64")
    clusters = np.load(folder / "spike_clusters.npy").ravel()
    trains = read_spike_trains(tmp_path / "out" / "spikes.parquet", units.index.to_numpy())
    assert list(units.index) == [0, 2, 3, 7, 8]
    for i, unit in enumerate(units.index):
        np.testing.assert_array_equal(trains.of(i), samples[clusters == unit] / RATE_HZ)


def test_label_is_curated_then_sorter_then_unsorted(folder, tmp_path):
    units = ingest(folder, tmp_path / "out")
    assert units["quality"].to_dict() == {
        0: "good",
        2: "good",
        3: "noise",
        7: "unsorted",
        8: "good",
    }
    assert units["label_source"].to_dict() == {
        0: "KSLabel",
        2: "group",
        3: "group",
        7: "none",
        8: "KSLabel",
    }
    assert units["ContamPct"].dropna().to_dict() == {0: 1.5, 2: 80.0, 3: 0.0}
    assert units.loc[2, "KSLabel"] == "mua"
    assert "1 cluster(s) stand in a table but have no spikes" in notes_of(tmp_path / "out")
    assert "1 unit(s) without a label are unsorted" in notes_of(tmp_path / "out")


def test_kilosort4s_group_table_is_not_curation(folder, tmp_path):
    shutil.copy(folder / "cluster_KSLabel.tsv", folder / "cluster_group.tsv")
    units = ingest(folder, tmp_path / "out")
    assert set(units["label_source"]) == {"KSLabel", "none"}
    assert units.loc[[2, 3], "quality"].tolist() == ["mua", "good"]


@pytest.mark.parametrize("separator", ["\t", ","])
def test_labels_from_phys_summary_in_a_csv(folder, tmp_path, separator):
    for table in folder.glob("cluster_*.tsv"):
        table.unlink()
    text = "id,group,n_spikes,depth\n7,Good ,99,140.0\n0,,12,\n".replace(",", separator)
    (folder / "cluster_info.csv").write_text(text)
    units = ingest(folder, tmp_path / "out")
    assert units["quality"].to_dict() == {0: "unsorted", 2: "unsorted", 3: "unsorted", 7: "good"}
    assert units["source_n_spikes"].dropna().to_dict() == {0: 12, 7: 99}
    assert "n_spikes" not in units


def test_tables_that_disagree_are_both_kept(folder, tmp_path):
    write_tsv(folder / "cluster_info.tsv", group={0: "mua", 2: "mua"}, ContamPct={0: 1.5, 7: 3.0})
    units = ingest(folder, tmp_path / "out")
    assert units.loc[[0, 2], "quality"].tolist() == ["mua", "good"]
    assert units.loc[2, "group_in_cluster_info.tsv"] == "mua"
    assert units.loc[7, "ContamPct"] == 3.0
    note = "group of 1 cluster(s) differs between cluster_group.tsv and cluster_info.tsv"
    assert note in notes_of(tmp_path / "out")


def test_columns_named_like_ours_are_not_lost(folder, tmp_path):
    write_tsv(
        folder / "cluster_more.tsv",
        quality={0: "superb"},
        depth_um={0: 5.0},
        isi_violations={0: 0.1},
        region={0: "VISp"},
    )
    unit = ingest(folder, tmp_path / "out").loc[0]
    assert (unit["source_quality"], unit["source_depth_um"]) == ("superb", 5.0)
    assert (unit["source_isi_violations"], unit["region"]) == (0.1, "VISp")
    assert unit["quality"] == "good"


def test_no_label_tables_is_a_note(folder, tmp_path):
    for table in folder.glob("cluster_*.tsv"):
        table.unlink()
    units = ingest(folder, tmp_path / "out")
    assert set(units["quality"]) == {"unsorted"}
    assert "every unit is unsorted" in notes_of(tmp_path / "out")


def test_templates_stand_in_for_missing_clusters(folder, tmp_path):
    (folder / "spike_clusters.npy").unlink()
    units = ingest(folder, tmp_path / "out")
    trains = read_spike_trains(tmp_path / "out" / "spikes.parquet", units.index.to_numpy())
    assert len(trains.of(4)) == (np.load(folder / "spike_templates.npy") == 8).sum() > 0
    assert "not curated" in notes_of(tmp_path / "out")


def test_place_from_templates(folder, tmp_path):
    units = ingest(folder, tmp_path / "out")
    expected = {0: 0.0, 2: 40.0, 3: 60.0, 7: 20.0}  # 7: more of its spikes are of template 7 than 8
    assert units["depth_um"].dropna().to_dict() == expected
    assert units["peak_channel"].dropna().to_dict() == {0: 10, 2: 12, 3: 13, 7: 11}


def test_place_from_sparse_templates(folder, tmp_path):
    dense = templates()
    kept = np.stack([np.arange(9) % 6, (np.arange(9) + 1) % 6, np.full(9, -1)], axis=1)
    sparse = np.take_along_axis(dense, np.maximum(kept, 0)[:, None], axis=2)
    np.save(folder / "templates.npy", np.asfortranarray(sparse * (kept >= 0)[:, None]))
    np.save(folder / "templates_ind.npy", kept.astype(float))
    units = ingest(folder, tmp_path / "out")
    assert units["depth_um"].dropna().to_dict() == {0: 0.0, 2: 40.0, 3: 60.0, 7: 20.0}


def test_place_from_spike_positions(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(kilosort_arrays, "SPIKES_PER_PIECE", 777)
    clusters = np.load(folder / "spike_clusters.npy")
    y = np.random.default_rng(1).normal(100.0 * clusters, 30.0).astype(np.float32)
    y[:5] = np.nan
    np.save(folder / "spike_positions.npy", np.stack([0 * y, y], axis=1))
    units = ingest(folder, tmp_path / "out")
    for unit in IDS:
        assert units.loc[unit, "depth_um"] == np.nanmedian(y[clusters == unit])
    assert units.loc[7, "peak_channel"] == 11


def test_unknown_place_is_a_note(folder, tmp_path):
    for name in ("templates", "channel_positions"):
        (folder / f"{name}.npy").unlink()
    assert ingest(folder, tmp_path / "out")["depth_um"].isna().all()
    assert "depths unknown" in notes_of(tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "raw_bytes", "duration_s", "note"),
    [
        ({"duration_s": 25.0}, 6 * 2 * 900_000, 25.0, ""),
        ({}, 6 * 2 * 900_000, 30.0, "length of the raw file raw.bin"),
        ({}, 6 * 2 * 900_000 + 5, 30.0, "incomplete frame"),
        ({}, None, None, "taken to end with its last spike"),
    ],
)
def test_duration(folder, tmp_path, options, raw_bytes, duration_s, note):
    if raw_bytes:
        with (folder / "raw.bin").open("wb") as file:
            file.truncate(raw_bytes)
    ingest(folder, tmp_path / "out", **options)
    last = int(np.load(folder / "spike_times.npy").max())
    found = read_recording_json(tmp_path / "out" / "recording.json")["duration_s"]
    assert found == (duration_s or (last + 1) / RATE_HZ)
    assert note in notes_of(tmp_path / "out")


def test_every_file_read_has_its_checksum(folder, tmp_path):
    ingest(folder, tmp_path / "out")
    inputs = read_recording_json(tmp_path / "out" / "recording.json")["inputs"]
    assert set(inputs) == {str(p) for p in folder.iterdir()}


# ---------------------------------------------------------------- against SpikeInterface


def assert_same_trains(spikes: Path, sorting) -> None:
    ids = np.sort(np.asarray(sorting.unit_ids)).astype(int)
    rate_hz = sorting.get_sampling_frequency()
    frame = read_table(spikes, "spikes")
    assert set(frame["unit_id"]) <= set(ids)
    by_unit = {i: g.to_numpy() for i, g in frame.groupby("unit_id")["time_s"]}
    for unit in ids:
        samples = sorting.get_unit_spike_train(unit, segment_index=0)
        np.testing.assert_array_equal(by_unit.get(unit, np.zeros(0)), samples / rate_hz)


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_same_trains_as_spikeinterface(tmp_path, shape):
    from spikeinterface.extractors import read_kilosort as theirs
    from spikeinterface.extractors import read_phy

    folder = make_folder(tmp_path / "sorted", "uint64", shape)
    everything = dict.fromkeys([0, 2, 3, 7], "good")  # theirs drops what a table does not list
    for name, column in (("cluster_KSLabel", "KSLabel"), ("cluster_group", "group")):
        write_tsv(folder / f"{name}.tsv", **{column: everything})
    (folder / "cluster_ContamPct.tsv").unlink()
    ingest(folder, tmp_path / "out")
    write_kilosort(tmp_path / "out", tmp_path / "exported")
    for copy in (folder, tmp_path / "exported"):
        for read in (theirs, read_phy):
            assert_same_trains(tmp_path / "out" / "spikes.parquet", read(copy))


@pytest.mark.data
def test_real_kilosort4_folder(data, tmp_path):
    from spikeinterface.extractors import read_kilosort as theirs

    real = data / "kilosort" / "ks4_ibl_zfm02370"
    units = ingest(real, tmp_path / "out")
    assert units["quality"].value_counts().to_dict() == {"good": 253, "mua": 150}
    assert set(units["label_source"]) == {"KSLabel"}
    assert {"Amplitude", "ContamPct", "KSLabel"} <= set(units)
    about = read_recording_json(tmp_path / "out" / "recording.json")
    assert about["sampling_rate_hz"] == 30_000
    assert about["duration_s"] == pytest.approx(90, abs=0.01)
    assert len(read_table(tmp_path / "out" / "spikes.parquet", "spikes")) == 290_360

    y = pd.Series(np.load(real / "spike_positions.npy")[:, 1])
    median = y.groupby(np.load(real / "spike_clusters.npy")).median()
    np.testing.assert_allclose(units["depth_um"], median, rtol=1e-6)

    clean = tmp_path / "clean"  # SpikeInterface executes params.py: give it one of our own
    clean.mkdir()
    for file in real.iterdir():
        if file.name.startswith(("spike_", "cluster_")):
            shutil.copyfile(file, clean / file.name)
    (clean / "params.py").write_text("sample_rate = 30000\n")
    sorting = theirs(clean)
    assert len(sorting.unit_ids) == 403
    assert_same_trains(tmp_path / "out" / "spikes.parquet", sorting)

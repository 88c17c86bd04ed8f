"""A small Kilosort folder with known truth, and a short way to ingest one."""

from pathlib import Path

import numpy as np
import pandas as pd

from spikesieve.ingest.kilosort import read_kilosort
from spikesieve.ingest.writing import write_recording
from spikesieve.recording import read_recording_json, read_table

RATE_HZ = 30_000.0
IDS = np.array([0, 2, 3, 7])
N_SPIKES = 4000


def make_folder(path: Path, dtype="int64", shape=(-1,)) -> Path:
    """Write a curated folder: 4 clusters over 20 s, 7 merged from 7 and 8; return ``path``."""
    path.mkdir(parents=True)
    random = np.random.default_rng(4)
    samples = np.sort(random.choice(20 * int(RATE_HZ), N_SPIKES, replace=False))
    clusters = random.choice(IDS, N_SPIKES, p=[0.4, 0.3, 0.2, 0.1])
    merged = (clusters == 7) & (random.random(N_SPIKES) < 0.3)
    save = {
        "spike_times": samples.astype(dtype).reshape(shape),
        "spike_clusters": clusters.astype("int32").reshape(shape),
        "spike_templates": np.where(merged, 8, clusters).astype("uint32").reshape(shape),
        "channel_positions": np.stack([np.zeros(6), 20.0 * np.arange(6)], axis=1),
        "channel_map": np.arange(10, 16).reshape(shape),
        "templates": templates(),
    }
    for name, array in save.items():
        np.save(path / f"{name}.npy", array)
    (path / "params.py").write_text(
        "dat_path = 'raw.bin'\nn_channels_dat = 6\ndtype = 'int16'\noffset = 0\n"
        f"sample_rate = {RATE_HZ}\nhp_filtered = False\n"
    )
    write_tsv(path / "cluster_KSLabel.tsv", KSLabel={0: "good", 2: "mua", 3: "good", 8: "good"})
    write_tsv(path / "cluster_group.tsv", group={2: "good", 3: "noise", 7: "unsorted"})
    write_tsv(path / "cluster_ContamPct.tsv", ContamPct={0: 1.5, 2: 80.0, 3: 0.0})
    return path


def templates() -> np.ndarray:
    """Return templates 0 to 8 of 6 channels; template t peaks on channel t modulo 6."""
    waveform = np.zeros((9, 12, 6), dtype=np.float32)
    for t in range(9):
        waveform[t, 5, t % 6] = -3.0
        waveform[t, 5, (t + 1) % 6] = 2.0
    return waveform


def write_tsv(path: Path, **columns) -> None:
    """Write a table of ``{column: {cluster: value}}``."""
    separator = "\t" if path.suffix == ".tsv" else ","
    pd.DataFrame(columns).rename_axis("cluster_id").to_csv(path, sep=separator)


def ingest(folder: Path, out: Path, **options) -> pd.DataFrame:
    """Ingest a folder and return its units by id."""
    write_recording(out, read_kilosort(folder, recording="r", **options))
    return read_table(out / "sorted_units.parquet", "sorted_units").set_index("unit_id")


def notes_of(out: Path) -> str:
    return "\n".join(read_recording_json(out / "recording.json")["notes"])

"""Any ingested recording as a folder in the layout of Kilosort 4 and Phy.

It holds what a sorting has to say (spikes, clusters, labels, places), not the raw traces and no
templates: enough for SpikeInterface and for this project's own reader.
"""

from contextlib import ExitStack
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from spikesieve.errors import InputError
from spikesieve.files import atomic_path
from spikesieve.recording import open_table, read_recording_json, read_table
from spikesieve.spikes import Spikes, read_spikes

#: Used where the source has no sampling rate; a comment in ``params.py`` then says so.
DEFAULT_RATE_HZ = 30_000.0

_ARRAYS = {
    "spike_times.npy": np.dtype("<i8"),
    "spike_clusters.npy": np.dtype("<i4"),
    "spike_templates.npy": np.dtype("<i4"),
    "spike_positions.npy": np.dtype("<f4"),
}
_OTHERS = (
    "params.py",
    "channel_positions.npy",
    "channel_map.npy",
    "cluster_KSLabel.tsv",
    "cluster_group.tsv",
)


def write_kilosort(recording_folder: str | PathLike, out_folder: str | PathLike) -> None:
    """Write the recording in ``recording_folder`` as a Kilosort folder; all files or none.

    Times become samples: the nearest at ``sampling_rate_hz`` (30 kHz where the source has
    none), so they move by half a sample at most (by one at the recording's very end). A spike's
    position is (0, its unit's depth) in um, NaN where the depth is unknown; the channels are
    invented, one at each depth. ``params.py`` carries ``duration_s`` beside Kilosort's own keys.

    Raises
    ------
    InputError
        The recording has binned counts and no spikes.
    ContractError
        A table of the recording is missing or damaged.
    """
    folder = Path(recording_folder)
    recording = read_recording_json(folder / "recording.json")
    if (folder / "binned.parquet").is_file():
        raise InputError(
            "holds binned counts, no spike times",
            recording=recording["recording"],
            path=folder,
            allowed="a recording from any source but counts",
        )
    units = read_table(folder / "sorted_units.parquet", "sorted_units")
    rate_hz = recording["sampling_rate_hz"] or DEFAULT_RATE_HZ
    with ExitStack() as stack:
        paths = {
            name: stack.enter_context(atomic_path(Path(out_folder) / name))
            for name in (*_ARRAYS, *_OTHERS)
        }
        _write_spikes(paths, folder / "spikes.parquet", units, rate_hz, recording["duration_s"])
        n_channels = _write_channels(paths, units)
        _write_labels(paths, units)
        paths["params.py"].write_text(_params(recording, rate_hz, n_channels), encoding="utf-8")


def _write_spikes(paths: dict, spikes: Path, units: pd.DataFrame, rate_hz, duration_s) -> None:
    n = open_table(spikes, "spikes").metadata.num_rows
    ids, depth = units["unit_id"].to_numpy(), units["depth_um"].to_numpy(dtype=np.float32)
    last = int(duration_s * rate_hz) + 1
    while last / rate_hz >= duration_s:
        last -= 1
    with ExitStack() as stack:
        files = {name: stack.enter_context(paths[name].open("wb")) for name in _ARRAYS}
        for name, dtype in _ARRAYS.items():
            shape = (n, 2) if name == "spike_positions.npy" else (n,)
            header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(files[name], header)
        for piece in read_spikes(spikes):
            for name, values in _columns(piece, ids, depth, rate_hz, last).items():
                values.astype(_ARRAYS[name]).tofile(files[name])


def _columns(piece: Spikes, ids, depth, rate_hz: float, last: int) -> dict[str, np.ndarray]:
    sample = np.minimum(np.rint(piece.time_s * rate_hz), last)
    y = depth[np.searchsorted(ids, piece.unit_id)]
    return {
        "spike_times.npy": sample,
        "spike_clusters.npy": piece.unit_id,
        "spike_templates.npy": piece.unit_id,
        "spike_positions.npy": np.stack([np.zeros_like(y), y], axis=1),
    }


def _write_channels(paths: dict, units: pd.DataFrame) -> int:
    depth = np.unique(units["depth_um"].dropna().to_numpy(dtype=np.float32))
    depth = depth if len(depth) else np.zeros(1, dtype=np.float32)
    positions = np.stack([np.zeros_like(depth), depth], axis=1)
    for name, array in (
        ("channel_positions.npy", positions),
        ("channel_map.npy", np.arange(len(depth), dtype=np.int32)),
    ):
        with paths[name].open("wb") as file:
            np.save(file, array, allow_pickle=False)
    return len(depth)


def _write_labels(paths: dict, units: pd.DataFrame) -> None:
    # Every unit stands in both tables, since SpikeInterface keeps only those that do.
    table = units[["unit_id", "quality"]].set_axis(["cluster_id", "group"], axis=1)
    table.to_csv(paths["cluster_group.tsv"], sep="\t", index=False)
    sorter_says = table["group"].where(table["group"].isin(["good", "mua"]))  # it knows no other
    sorters = table[["cluster_id"]].assign(KSLabel=sorter_says)
    sorters.to_csv(paths["cluster_KSLabel.tsv"], sep="\t", index=False)


def _params(recording: dict, rate_hz: float, n_channels: int) -> str:
    invented = "" if recording["sampling_rate_hz"] else "  # the source has none; chosen"
    return (
        "dat_path = ''\n"
        f"n_channels_dat = {n_channels}\n"
        "dtype = 'int16'\n"
        "offset = 0\n"
        f"sample_rate = {float(rate_hz)!r}{invented}\n"
        "hp_filtered = True\n"
        f"duration_s = {float(recording['duration_s'])!r}\n"
    )

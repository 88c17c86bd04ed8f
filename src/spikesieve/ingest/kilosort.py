"""Ingest of Kilosort 2.5, 3, 4 and Phy folders.

What stands in ``spike_clusters.npy`` are the units, because that is what curation edits;
templates only help to place them. SpikeInterface's reader is not used: it executes ``params.py``
and joins the label tables so that clusters missing in one of them vanish.
"""

from collections.abc import Iterator
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from spikesieve.errors import InputError
from spikesieve.ingest.kilosort_arrays import (
    count_per_cluster,
    count_rows,
    last_sample,
    read_pieces,
)
from spikesieve.ingest.kilosort_depth import Places, locate_units
from spikesieve.ingest.kilosort_labels import ClusterTables, label_clusters, read_cluster_tables
from spikesieve.ingest.kilosort_params import Params, raw_duration_s, read_params
from spikesieve.ingest.writing import Source, no_intervals, no_signals, source_columns
from spikesieve.spikes import Spikes

_OWN_COLUMNS = ("unit_id", "quality", "depth_um", "label_source", "peak_channel")


def read_kilosort(
    folder: str | PathLike,
    *,
    recording: str,
    duration_s: float | None = None,
    subject: str | None = None,
) -> Source:
    """Return the recording in a Kilosort or Phy folder; its spikes are read in pieces.

    Parameters
    ----------
    folder : holds ``params.py`` (parsed, never executed), ``spike_times.npy`` (samples),
        ``spike_clusters.npy`` (else ``spike_templates.npy``, with a note) and, where present,
        ``cluster_*.tsv`` or ``.csv``, ``spike_positions.npy``, ``templates.npy`` with
        ``channel_positions.npy`` and ``channel_map.npy``.
    duration_s : length of the recording. Without it: ``duration_s`` in ``params.py`` (which
        this project's export writes), else the length of the raw file that ``dat_path`` names,
        else up to the last spike.

    Units are all clusters that have spikes or stand in a table. ``label_source`` says whether a
    ``quality`` is the curator's (``group``), the sorter's (``KSLabel``) or not given (``none``).

    Raises
    ------
    InputError
        Naming the file that is missing, damaged or contradicts another.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(
            "not a folder" if folder.exists() else "no such folder",
            recording=recording,
            path=folder,
            allowed="the folder that Kilosort or Phy wrote",
        )
    params = read_params(folder / "params.py", recording=recording)
    times, clusters, notes = _spike_files(folder, recording)
    last = last_sample(times, recording=recording)
    length_s, length_notes = _duration(duration_s, params, folder, last)
    per_unit = count_per_cluster(clusters)
    places = locate_units(folder, clusters, per_unit, recording=recording)
    tables = read_cluster_tables(folder, recording=recording)
    units, unit_notes = _units(per_unit, places, tables)
    files = [folder / "params.py", times, clusters, *places.files, *tables.files]
    return Source(
        recording=recording,
        source="kilosort",
        path=folder,
        duration_s=length_s,
        sampling_rate_hz=params.sampling_rate_hz,
        subject=subject,
        units=units,
        intervals=no_intervals(),
        signals=no_signals(),
        inputs=list(dict.fromkeys(files)),
        notes=[*params.notes, *notes, *length_notes, *tables.notes, *places.notes, *unit_notes],
        spikes=_spikes(times, clusters, params.sampling_rate_hz),
    )


def _spikes(times: Path, clusters: Path, rate_hz: float) -> Iterator[Spikes]:
    for samples, cluster in read_pieces(times, clusters):
        yield Spikes(samples / rate_hz, cluster)


def _spike_files(folder: Path, recording: str) -> tuple[Path, Path, list[str]]:
    times, clusters, notes = folder / "spike_times.npy", folder / "spike_clusters.npy", []
    if not clusters.is_file() and (folder / "spike_templates.npy").is_file():
        clusters = folder / "spike_templates.npy"
        notes = ["no spike_clusters.npy: the units are those of spike_templates.npy, not curated"]
    n_times, n_clusters = (count_rows(p, recording=recording) for p in (times, clusters))
    if n_times != n_clusters:
        raise InputError(
            f"{times.name} has {n_times} entries, {clusters.name} {n_clusters}",
            recording=recording,
            path=folder,
            fix="restore the files of one and the same sorting",
        )
    if n_times == 0:
        raise InputError("holds no spike", recording=recording, path=times, fix="sort again")
    return times, clusters, notes


def _duration(
    given_s: float | None, params: Params, folder: Path, last: int
) -> tuple[float, list[str]]:
    if given_s is not None:
        return float(given_s), []
    written_s = params.values.get("duration_s")
    if type(written_s) in (int, float) and 0 < written_s < 1e12:
        return float(written_s), []
    raw_s, notes = raw_duration_s(params, folder)
    if raw_s is not None:
        return raw_s, notes
    length_s = (last + 1) / params.sampling_rate_hz
    return length_s, [
        *notes,
        f"no duration_s given and no raw file here: the recording is taken to end with its last "
        f"spike, at {length_s:.4f} s",
    ]


def _units(
    per_unit: pd.Series, places: Places, tables: ClusterTables
) -> tuple[pd.DataFrame, list[str]]:
    ids = per_unit.index.union(tables.frame.index)
    listed = tables.frame.reindex(ids)
    labels = label_clusters(listed)
    extra = source_columns(listed, also=_OWN_COLUMNS)
    for column in ("region", "probe"):
        extra[column] = extra[column].astype("string") if column in extra else pd.NA
    units = labels.join(extra).astype({"region": "string", "probe": "string"})
    units["depth_um"] = pd.Series(places.depth_um, per_unit.index).reindex(ids)
    if places.peak_channel is not None:
        units["peak_channel"] = places.peak_channel.reindex(ids)
    notes = []
    if not tables.files:
        notes.append("no cluster_*.tsv or .csv: every unit is unsorted")
    elif unlabelled := int((labels["label_source"] == "none").sum()):
        notes.append(f"{unlabelled} unit(s) without a label are unsorted")
    if silent := len(ids) - len(per_unit):
        notes.append(f"{silent} cluster(s) stand in a table but have no spikes; kept as units")
    units.insert(0, "unit_id", np.asarray(ids, dtype=np.int64))
    return units.reset_index(drop=True), notes

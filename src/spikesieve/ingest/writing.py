"""The border where a source becomes a recording: everything is checked, then appears at once."""

import shutil
from collections.abc import Collection, Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from spikesieve.errors import InputError
from spikesieve.files import sha256
from spikesieve.ingest.columns import prefix_source
from spikesieve.recording import QUALITIES, write_recording_json, write_table
from spikesieve.spikes import Spikes, write_spikes


class Source(NamedTuple):
    """What a reader hands over. ``spikes`` is walked once; pieces sorted by time.

    ``units`` has the columns of ``sorted_units.parquet`` (and any of the source's own: those
    whose names the project recomputes get the prefix ``source_``); ``intervals`` those of
    ``intervals.parquet`` and the conditions; ``signals`` ``time_s``, ``name``, ``value``.
    ``binned`` stands in for ``spikes`` where only counts exist: ``time_s`` and a column a unit.
    """

    recording: str
    source: str
    path: str | PathLike
    duration_s: float
    sampling_rate_hz: float | None
    subject: str | None
    units: pd.DataFrame
    intervals: pd.DataFrame
    signals: pd.DataFrame
    inputs: Sequence[str | PathLike]
    notes: Sequence[str]
    spikes: Iterable[Spikes] | None = None
    binned: pd.DataFrame | None = None


def write_recording(folder: str | PathLike, source: Source) -> None:
    """Check ``source`` and write its tables into ``folder``; on any error nothing appears there.

    Raises
    ------
    InputError
        Naming the recording, its file, what is wrong and the likely fix.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    source = source._replace(units=_check_units(source))
    _check_times(source)
    staging = target / ".ingest.tmp"
    shutil.rmtree(staging, ignore_errors=True)  # of a run that was killed
    staging.mkdir()
    try:
        _write_tables(staging, source)
        # Tables that only another kind of source has, of an earlier recording of the same name.
        for name in ("spikes.parquet", "binned.parquet", "truth.npz"):
            (target / name).unlink(missing_ok=True)
        for file in sorted(staging.iterdir()):
            file.replace(target / file.name)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _write_tables(folder: Path, source: Source) -> None:
    if source.spikes is not None:
        write_spikes(
            folder / "spikes.parquet",
            source.spikes,
            unit_ids=source.units["unit_id"].to_numpy(),
            duration_s=source.duration_s,
            recording=source.recording,
            source=source.path,
        )
    else:
        write_table(folder / "binned.parquet", "binned", source.binned)
    write_table(folder / "sorted_units.parquet", "sorted_units", source.units)
    write_table(folder / "intervals.parquet", "intervals", source.intervals)
    signals = source.signals.astype({"name": "category", "value": "float32"})
    write_table(folder / "signals.parquet", "signals", signals)
    write_recording_json(
        folder / "recording.json",
        recording=source.recording,
        source=source.source,
        duration_s=float(source.duration_s),
        sampling_rate_hz=source.sampling_rate_hz,
        subject=source.subject,
        inputs={str(p): sha256(p) for p in source.inputs},
        notes=list(source.notes),
    )


def _check_units(source: Source) -> pd.DataFrame:
    about = {"recording": source.recording, "path": source.path}
    units = source.units.sort_values("unit_id", ignore_index=True)
    if units.empty:
        raise InputError("holds no unit", **about, fix="check that sorting was run on it")
    ids = units["unit_id"].to_numpy()
    if ids.min() < 0 or ids.max() > np.iinfo(np.int32).max:
        raise InputError("unit ids out of range", **about, allowed="0 to 2147483647")
    if (twice := units["unit_id"].duplicated()).any():
        raise InputError(
            f"unit id {ids[twice.to_numpy()][0]} stands twice in the unit table",
            **about,
            fix="give each unit an id of its own",
        )
    unknown = sorted(set(units["quality"]) - set(QUALITIES))
    if unknown:
        raise InputError(f"quality labels {unknown}", **about, allowed=", ".join(QUALITIES))
    return units.astype({"unit_id": np.int32})


def _check_times(source: Source) -> None:
    about = {"recording": source.recording, "path": source.path}
    if not (np.isfinite(source.duration_s) and source.duration_s > 0):
        raise InputError(f"lasts {source.duration_s} s", **about, fix="set duration_s in the sheet")
    start, stop = (source.intervals[c].to_numpy(dtype=float) for c in ("start_s", "stop_s"))
    bad = ~((start >= 0) & (start < stop) & (stop <= source.duration_s))
    if bad.any():
        i = int(np.argmax(bad))
        raise InputError(
            f"{bad.sum()} interval(s) out of place, the first {source.intervals['name'].iloc[i]!r} "
            f"from {start[i]} to {stop[i]} s",
            **about,
            allowed=f"0 <= start_s < stop_s <= {source.duration_s} s",
            fix="correct the interval table, or set the recording's duration_s",
        )


def no_intervals() -> pd.DataFrame:
    """Return an empty interval table."""
    return pd.DataFrame({"start_s": [], "stop_s": [], "name": []}).astype(
        {"start_s": float, "stop_s": float, "name": "string"}
    )


def no_signals() -> pd.DataFrame:
    """Return an empty signal table."""
    return pd.DataFrame({"time_s": [], "name": [], "value": []}).astype(
        {"time_s": float, "name": "string", "value": "float32"}
    )


def long_signal(name: str, time_s, value) -> pd.DataFrame:
    """Return one signal in long form: ``time_s`` in seconds, ``value`` in the source's unit."""
    value = np.asarray(value, dtype=np.float32)
    return pd.DataFrame({"time_s": np.asarray(time_s, dtype=float), "name": name, "value": value})


def source_columns(frame: pd.DataFrame, also: Collection[str] = ()) -> pd.DataFrame:
    """Prefix with ``source_`` the columns that the project computes itself, so none is lost.

    ``also`` are further names to prefix. The prefix is repeated where a name is taken.
    """
    recomputed = {
        "n_spikes",
        "firing_rate",
        "firing_rate_hz",
        "isi_violations",
        "isi_violations_ratio",
        "isi_violations_fraction",
        "presence_ratio",
        "kept",
        "dropped_because",
    }
    return prefix_source(frame, recomputed | set(also))

"""Any ingested recording as an NWB file, for other tools and for this project's own reader."""

from datetime import UTC, datetime
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd
import pynwb
from hdmf.common import ElementIdentifiers, VectorData, VectorIndex
from pynwb.epoch import TimeIntervals
from pynwb.file import Subject
from pynwb.misc import Units

from spikesieve.errors import InputError
from spikesieve.files import atomic_path
from spikesieve.recording import INVALID, read_recording_json, read_table
from spikesieve.spikes import SpikeTrains, read_spike_trains

#: NWB wants a start; recordings have none, and a moment of writing would differ every time.
UNKNOWN_START = datetime(1970, 1, 1, tzinfo=UTC)

#: Columns that NWB keeps for arrays and references of its own.
RESERVED = {c["name"] for c in (*Units.__columns__, *TimeIntervals.__columns__)} | {
    "id",
    "resolution",
}


def write_nwb(recording_folder: str | PathLike, path: str | PathLike) -> None:
    """Write the recording in ``recording_folder`` as an NWB file, whole or not at all.

    Units carry every column of ``sorted_units.parquet`` and the recording's length as their
    observation interval; intervals become one table a name (``invalid_times`` for the invalid
    ones), signals time series in the module ``behavior``. Missing texts are written "null", as
    the Allen Institute does; condition columns without any value in a table are left out of it.

    Raises
    ------
    InputError
        The recording has no spike times, only counts.
    ContractError
        A table of the recording is missing or damaged.
    """
    folder = Path(recording_folder)
    about = read_recording_json(folder / "recording.json")
    if not (folder / "spikes.parquet").exists():
        raise InputError(
            "has counts only, and NWB needs spike times",
            recording=about["recording"],
            path=folder,
            fix="export a recording whose source has spikes",
        )
    units = read_table(folder / "sorted_units.parquet", "sorted_units")
    trains = read_spike_trains(folder / "spikes.parquet", units["unit_id"].to_numpy())
    file = pynwb.NWBFile(
        session_description=f"{about['recording']}, exported by spikesieve; start time unknown",
        identifier=about["recording"],
        session_start_time=UNKNOWN_START,
        file_create_date=UNKNOWN_START,
        notes="\n".join(about["notes"]) or None,
        subject=Subject(subject_id=about["subject"]) if about["subject"] else None,
    )
    file.units = _units(units, trains, about)
    for table in _interval_tables(read_table(folder / "intervals.parquet", "intervals")):
        if table.name == "invalid_times":
            file.invalid_times = table
        else:
            file.add_time_intervals(table)
    _add_signals(file, read_table(folder / "signals.parquet", "signals"))
    with atomic_path(path) as temporary, pynwb.NWBHDF5IO(temporary, "w") as io:
        io.write(file)


def _units(units: pd.DataFrame, trains: SpikeTrains, about: dict) -> Units:
    columns = _columns(units.drop(columns="unit_id"))
    observed = np.tile([[0.0, about["duration_s"]]], (len(units), 1))
    columns += _indexed("spike_times", "spike times in s", trains.time_s, trains.offset[1:])
    columns += _indexed("obs_intervals", "s", observed, np.arange(1, len(units) + 1))
    rate_hz = about["sampling_rate_hz"]
    return Units(
        name="units",
        description="sorted units",
        id=ElementIdentifiers(name="id", data=units["unit_id"].to_numpy()),
        columns=columns,
        colnames=[c.name for c in columns if not isinstance(c, VectorIndex)],
        resolution=1 / rate_hz if rate_hz else None,
    )


def _indexed(name: str, description: str, data, stop) -> list[VectorData]:
    target = VectorData(name=name, description=description, data=data)
    return [target, VectorIndex(name=f"{name}_index", data=stop.astype(np.uint64), target=target)]


def _interval_tables(intervals: pd.DataFrame) -> list[TimeIntervals]:
    tables = {}
    for name, rows in intervals.groupby("name", sort=True):
        rows = rows.rename(columns={"start_s": "start_time", "stop_s": "stop_time"})
        rows = rows.rename(columns={"name": "stimulus_name"}).dropna(axis="columns", how="all")
        if name == INVALID:
            rows, key = rows.drop(columns="stimulus_name"), "invalid_times"
        else:
            key = _free_name(f"{_allowed(str(name))}_intervals", tables)
        columns = _columns(rows, reserved=RESERVED - {"start_time", "stop_time"})
        tables[key] = TimeIntervals(
            name=key,
            description=f"intervals named {name!r}",
            id=ElementIdentifiers(name="id", data=np.arange(len(rows))),
            columns=columns,
            colnames=[c.name for c in columns],
        )
    return list(tables.values())


def _add_signals(file: pynwb.NWBFile, signals: pd.DataFrame) -> None:
    if signals.empty:
        return
    module = file.create_processing_module("behavior", "signals of the recording")
    for name, rows in signals.groupby("name", observed=True):
        key = _free_name(_allowed(str(name)), module.data_interfaces)
        times, values = rows["time_s"].to_numpy(), rows["value"].to_numpy()
        module.add(pynwb.TimeSeries(name=key, data=values, timestamps=times, unit="unknown"))


def _columns(frame: pd.DataFrame, reserved: set[str] = RESERVED) -> list[VectorData]:
    columns = {}
    for name, values in frame.items():
        key = _allowed(f"source_{name}" if name in reserved else str(name))
        key = _free_name(key, columns)
        columns[key] = VectorData(name=key, description=str(name), data=_values(values))
    return list(columns.values())


def _values(column: pd.Series) -> np.ndarray | list[str]:
    if column.dtype.kind in "biuf":
        return column.to_numpy()
    return ["null" if pd.isna(value) else str(value) for value in column]


def _allowed(name: str) -> str:
    return name.replace("/", "_").replace(":", "_")


def _free_name(name: str, taken) -> str:
    while name in taken:
        name += "_"
    return name

"""Tables of an NWB file as plain data frames: units, intervals, signals.

NWB stores a table's columns one by one. Columns of single values are read; columns that hold
arrays (waveforms, amplitudes of every spike) or references stay in the file, and a note says so.
Source: the NWB schema 2.8, https://nwb-schema.readthedocs.io.
"""

import numpy as np
import pandas as pd
from hdmf.common import DynamicTable, DynamicTableRegion, VectorIndex
from pynwb import NWBFile, TimeSeries
from pynwb.base import TimeSeriesReferenceVectorData
from pynwb.behavior import SpatialSeries
from pynwb.epoch import TimeIntervals
from pynwb.misc import Units

from spikesieve.ingest.columns import (
    NO_REGION,
    REGION_COLUMNS,
    conditions,
    known_text,
    prefix_source,
)
from spikesieve.ingest.writing import long_signal, no_intervals, no_signals, source_columns
from spikesieve.recording import INVALID, QUALITIES

QUALITY_COLUMNS = ("quality", "group", "KSLabel")
DEPTH_COLUMNS = ("probe_vertical_position", "rel_y")
#: Unit columns that are read, but not as columns: spikes, places, observation intervals.
READ_OTHERWISE = ("spike_times", "electrodes", "electrode_group", "obs_intervals")
MAX_SIGNAL_SAMPLES = 20_000_000


def scalar_column(column) -> pd.Series | None:
    """Return one column as numbers, booleans or strings; None where it holds anything else."""
    if isinstance(column, VectorIndex | DynamicTableRegion | TimeSeriesReferenceVectorData):
        return None
    if len(getattr(column.data, "shape", (0,))) != 1:
        return None
    values = np.asarray(column[:])
    if values.dtype.kind in "biuf":
        return pd.Series(values, dtype="boolean" if values.dtype == bool else values.dtype)
    texts = [v.decode() if isinstance(v, bytes) else v for v in values.tolist()]
    if values.ndim != 1 or not all(isinstance(v, str) for v in texts):
        return None
    return pd.Series(texts, dtype="string")


def scalar_columns(table: DynamicTable, skip: tuple[str, ...] = ()) -> tuple[pd.DataFrame, list]:
    """Return the columns of single values as a frame, and the names of those left in the file."""
    columns = {name: scalar_column(table[name]) for name in table.colnames if name not in skip}
    left = [name for name, values in columns.items() if values is None]
    kept = {name: values for name, values in columns.items() if values is not None}
    return pd.DataFrame(kept, index=range(len(table))), left


# ------------------------------------------------------------------------------------ units


def read_units(units: Units, electrodes: DynamicTable | None, notes: list[str]) -> pd.DataFrame:
    """Return one row a unit, in the file's order: the contract's columns, then the file's own.

    Quality is taken from a column whose values are labels that the project knows. Region and
    probe come from the unit table, else from the unit's electrodes, else from its electrode
    group; depth from the electrodes' position along the probe. What was decided goes to ``notes``.
    """
    columns, left = scalar_columns(units, skip=READ_OTHERWISE)
    if left:
        notes.append(f"unit columns left in the file (arrays or references): {', '.join(left)}")
    for name in columns.columns[columns.dtypes == "string"]:
        columns[name] = known_text(columns[name])
    contract = pd.DataFrame({"unit_id": np.asarray(units.id[:])})
    contract["quality"] = _quality(columns, notes)
    place = _placement(units, electrodes, columns, notes)
    contract = contract.assign(**{c: place[c] for c in ("region", "probe", "depth_um")})
    used = {
        c for c in ("quality", "region", "probe", "depth_um") if contract[c].equals(columns.get(c))
    }
    own = source_columns(columns.drop(columns=list(used)), also=set(contract))
    return contract.join(own)


def _quality(columns: pd.DataFrame, notes: list[str]) -> pd.Series:
    for name in QUALITY_COLUMNS:
        if name not in columns or columns[name].dtype != "string":
            continue
        labels = columns[name].str.strip().str.lower().fillna("unsorted")
        if unknown := sorted(set(columns[name][~labels.isin(QUALITIES)])):
            notes.append(f"unit column {name!r} holds {unknown[:5]}: not read as quality")
        else:
            notes.append(f"quality is the unit column {name!r}")
            return labels
    notes.append("no unit column says good, mua or noise: every unit is 'unsorted'")
    return pd.Series("unsorted", index=columns.index, dtype="string")


def _placement(units, electrodes, columns: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Return region, probe and depth of each unit, each from the first place that has it."""
    place = pd.DataFrame(index=columns.index)
    unit, row = _electrode_rows(units, electrodes, columns)
    if len(row):
        place = _from_electrodes(electrodes, unit, row, notes).reindex(columns.index)
    elif "electrode_group" in units.colnames:
        groups = units["electrode_group"][:]
        place["region"], place["probe"] = [g.location for g in groups], [g.name for g in groups]
    for target, names in (("region", REGION_COLUMNS), ("probe", ("probe",))):
        text = [n for n in names if n in columns and columns[n].dtype == "string"]
        place[target] = columns[text[0]] if text else place.get(target)
        place[target] = place[target].astype("string")
    if "depth_um" in columns and pd.api.types.is_numeric_dtype(columns["depth_um"]):
        place["depth_um"] = columns["depth_um"].astype(float)
    elif "depth_um" not in place:
        place["depth_um"] = np.nan
    place["region"] = known_text(place["region"], NO_REGION)
    return place


def _electrode_rows(units, electrodes, columns):
    """Return parallel arrays: units, and a row of the electrode table that belongs to each."""
    nothing = np.zeros(0, dtype=int), np.zeros(0, dtype=int)
    if electrodes is None or len(electrodes) == 0:
        return nothing
    if "peak_channel_id" in columns:
        row = pd.Index(np.asarray(electrodes.id[:])).get_indexer(columns["peak_channel_id"])
        return np.flatnonzero(row >= 0), row[row >= 0]
    if "electrodes" not in units.colnames:
        return nothing
    region = units["electrodes"]
    if isinstance(region, VectorIndex):
        row = np.asarray(region.target.data[:], dtype=int)
        per_unit = np.diff(np.asarray(region.data[:], dtype=int), prepend=0)
        return np.repeat(np.arange(len(per_unit)), per_unit), row
    row = np.asarray(region.data[:], dtype=int)
    return np.arange(len(row)), row


def _from_electrodes(electrodes, unit, row, notes: list[str]) -> pd.DataFrame:
    table, _ = scalar_columns(electrodes, skip=("group",))
    found = pd.DataFrame({"region": table.get("location")}, index=table.index)
    if "group" in electrodes.colnames:
        found["probe"] = [group.name for group in electrodes["group"][:]]
    depth = next((c for c in DEPTH_COLUMNS if c in table), None)
    found["depth_um"] = table[depth].astype(float) if depth else np.nan
    if depth:
        notes.append(f"depth_um is the electrodes' {depth!r}")
    by_unit = found.iloc[row].groupby(unit)
    place = by_unit.first()
    several = by_unit[["region"]].nunique().gt(1)["region"]
    if several.any():
        notes.append(f"{several.sum()} unit(s) on electrodes of several regions have no region")
        place.loc[several, "region"] = None
    return place.assign(depth_um=by_unit["depth_um"].mean())


# -------------------------------------------------------------------------------- intervals


def read_intervals(file: NWBFile, notes: list[str]) -> pd.DataFrame:
    """Return every interval table of the file as one.

    An interval is named by its ``stimulus_name`` where there is one, else by its table;
    those of ``invalid_times`` are named ``INVALID``, and where they have no stop they end at
    infinity. Other intervals without a stop, and all that stop before they start, are left out
    and counted in ``notes``.
    """
    tables = [t for t in file.objects.values() if isinstance(t, TimeIntervals)]
    frames = [_one_table(table, notes) for table in sorted(tables, key=lambda t: t.name)]
    frames = [frame for frame in frames if len(frame)]
    if not frames:
        return no_intervals()
    intervals = pd.concat(frames, ignore_index=True)
    for name, values in intervals.items():
        if pd.api.types.is_object_dtype(values):  # numbers in one table, texts in another
            intervals[name] = values.map(str).where(values.notna(), None).astype("string")
    return intervals


def fit_intervals(intervals: pd.DataFrame, duration_s: float, notes: list[str]) -> pd.DataFrame:
    """Return intervals cut to the recording, sorted by start; what is cut goes to ``notes``.

    All are cut at 0 s. Only invalid ones are cut at the end: what is bad to the end, or longer,
    must be masked, while another interval beyond the end says that ``duration_s`` is wrong.
    """
    start, stop = intervals["start_s"], intervals["stop_s"]
    invalid = intervals["name"] == INVALID
    inside = (stop > 0) & ~(invalid & (start >= duration_s))
    early, late = inside & (start < 0), inside & invalid & (stop > duration_s)
    for rows, what in [
        (early, "start before 0 s: cut to start there"),
        (late, f"are invalid to beyond the end, or have no stop: cut to end at {duration_s:g} s"),
        (~inside, "lie wholly before 0 s, or are invalid ones beyond the end: left out"),
    ]:
        if rows.any():
            notes.append(f"{rows.sum()} interval(s) {what}")
    cut = intervals.assign(start_s=start.mask(early, 0.0), stop_s=stop.mask(late, duration_s))
    return cut[inside].sort_values(["start_s", "stop_s", "name"], kind="stable", ignore_index=True)


def _one_table(table: TimeIntervals, notes: list[str]) -> pd.DataFrame:
    columns, left = scalar_columns(table, skip=("tags", "timeseries"))
    if left:
        notes.append(f"columns of {table.name!r} left in the file: {', '.join(left)}")
    frame = pd.DataFrame(
        {c: columns.pop(f"{c[:-2]}_time").astype(float) for c in ("start_s", "stop_s")}
    )
    frame["name"] = pd.Series(table.name, index=frame.index, dtype="string")
    if "stimulus_name" in columns:
        frame["name"] = known_text(columns.pop("stimulus_name")).fillna(frame["name"])
    if table.name == "invalid_times":
        frame["name"] = INVALID
        if "tags" in table.colnames:
            frame["reason"] = [" ".join(map(str, tags)) for tags in table["tags"][:]]
    frame = frame.join(conditions(prefix_source(columns, set(frame))))
    invalid = frame["name"] == INVALID
    frame["stop_s"] = frame["stop_s"].mask(invalid & frame["stop_s"].isna(), np.inf)
    usable = invalid | (np.isfinite(frame["start_s"]) & np.isfinite(frame["stop_s"]))
    usable &= frame["start_s"] < frame["stop_s"]
    if not usable.all():
        notes.append(
            f"{(~usable).sum()} of {len(frame)} intervals of {table.name!r} left out: "
            "start or stop is missing, or stop is not after start"
        )
    return frame[usable]


# ---------------------------------------------------------------------------------- signals


def read_signals(file: NWBFile, notes: list[str]) -> pd.DataFrame:
    """Return the time series of the processing modules (running, pupil, position) in long form.

    Series of up to three components are read, components named ``_x``, ``_y``, ``_z``; raw
    traces under ``acquisition`` stay in the file.
    """
    frames = []
    for series in file.objects.values():
        if type(series) in (TimeSeries, SpatialSeries) and series.get_ancestor("ProcessingModule"):
            frames += signal_frames(series, series.name, notes)
    return pd.concat(frames, ignore_index=True) if frames else no_signals()


def signal_frames(series: TimeSeries, name: str, notes: list[str]) -> list[pd.DataFrame]:
    """Return one series as long-form frames, one a component; nothing, and a note, if unusable."""
    shape = np.shape(series.data)
    if not shape or len(shape) > 2 or shape[-1 if len(shape) == 2 else 0] == 0:
        return _refused(name, "has no samples, or more than two dimensions", notes)
    if shape[0] > MAX_SIGNAL_SAMPLES or (len(shape) == 2 and shape[1] > 3):
        return _refused(name, f"is too large ({shape})", notes)
    time_s, data = np.asarray(series.get_timestamps(), dtype=float), np.asarray(series.data[:])
    if data.dtype.kind not in "biuf" or len(time_s) != len(data):
        return _refused(name, "holds no numbers, or not one time a sample", notes)
    known = np.isfinite(time_s)
    if not known.all():
        notes.append(f"signal {name!r}: {(~known).sum()} samples without a time left out")
    values = (data * series.conversion + series.offset)[known]
    if values.ndim == 1:
        return [long_signal(name, time_s[known], values)]
    parts = zip("xyz", values.T, strict=False)
    return [long_signal(f"{name}_{axis}", time_s[known], part) for axis, part in parts]


def _refused(name: str, why: str, notes: list[str]) -> list:
    notes.append(f"signal {name!r} left in the file: it {why}")
    return []

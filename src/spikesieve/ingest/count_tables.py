"""The tables that stand beside a matrix of counts: its units, its intervals, its bins."""

from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from jaxtyping import Float64, Int

from spikesieve.errors import InputError
from spikesieve.ingest.columns import (
    NO_REGION,
    REGION_COLUMNS,
    as_text,
    conditions,
    known_text,
)
from spikesieve.ingest.count_matrix import check_regular, numeric_signals, whole_ids
from spikesieve.ingest.writing import no_intervals, source_columns

ID_COLUMNS = ("unit_id", "ecephys_unit_id", "cluster_id", "id")
#: Micrometres first; ``cortical_depth`` is a fraction, or all zero, in some of Allen's tables.
DEPTH_COLUMNS = ("depth_um", "probe_vertical_position", "cortical_depth")
PROBE_COLUMNS = ("probe", "probe_name")
NAME_COLUMNS = ("name", "stimulus_name")
START_COLUMNS, STOP_COLUMNS = ("start_s", "start_time"), ("stop_s", "stop_time")


class BinTable(NamedTuple):
    """What a per-bin table became: intervals of one bin each, or signals a bin."""

    intervals: pd.DataFrame
    signals: dict[str, np.ndarray]
    notes: list[str]


def unsorted_units(unit_ids: Int[np.ndarray, "unit"]) -> tuple[pd.DataFrame, list[str]]:
    """Return a unit table that says nothing but ids, and a note."""
    units = pd.DataFrame({"unit_id": unit_ids, "quality": "unsorted", "region": None})
    note = "No unit table: quality is 'unsorted' (add it to units.quality to keep them)."
    return units.assign(probe=None, depth_um=np.nan), [note]


def read_unit_table(
    path: str | PathLike, unit_ids: Int[np.ndarray, "unit"], *, recording: str | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """Read the unit table of the counted ``unit_ids``; return it in their order, and notes.

    The first column found among ``ID_COLUMNS`` (and so on) fills the contract's; all columns
    of the source are kept beside, those that the project recomputes as ``source_...``, and so
    a ``depth_um`` that holds no depths; lists become strings.

    Raises
    ------
    InputError
        No id column, an id twice or missing, or a counted unit that the table lacks.
    """
    about = {"recording": recording, "path": path}
    frame = read_frame(path, about)
    key = _first(frame, ID_COLUMNS)
    if key is None:
        raise InputError(f"columns {list(frame)}", **about, allowed=f"one of {ID_COLUMNS} for ids")
    frame.index = pd.Index(whole_ids(frame[key].to_numpy(), f"column {key!r}", about))
    lacking = [int(i) for i in unit_ids if i not in frame.index]
    if lacking:
        raise InputError(
            f"lacks {len(lacking)} counted unit(s), the first {lacking[:5]}",
            **about,
            fix="add their rows, or check that table and counts belong together",
        )
    notes = [f"Unit table: ids from column {key!r}."]
    if surplus := len(frame) - len(unit_ids):
        notes.append(f"{surplus} unit(s) of the unit table have no counts and are left out.")
    frame = frame.loc[unit_ids].reset_index(drop=True)
    quality, told = _quality(frame)
    notes += told
    found = {"region": _first(frame, REGION_COLUMNS), "probe": _probe_column(frame)}
    found["depth_um"] = next((c for c in DEPTH_COLUMNS if _says_something(frame, c)), None)
    notes += [f"{k} is the table's column {c!r}." for k, c in found.items() if c not in (None, k)]
    units = pd.DataFrame({"unit_id": unit_ids, "quality": quality})
    units["region"] = known_text(frame[found["region"]], NO_REGION) if found["region"] else None
    units["probe"] = as_text(frame[found["probe"]]) if found["probe"] else None
    units["depth_um"] = frame[found["depth_um"]].astype(float) if found["depth_um"] else np.nan
    rest = frame.drop(columns=[c for c in ("unit_id", "quality", "region", "probe") if c in frame])
    if found["depth_um"] == "depth_um":
        rest = rest.drop(columns="depth_um")
    elif "depth_um" in frame:
        notes.append("Column 'depth_um' holds no depths in um: kept as source_depth_um.")
    rest, told = _without_lists(source_columns(rest, also=["depth_um"]))
    return pd.concat([units, rest], axis=1), notes + told


def _without_lists(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the table with lists, mappings, bytes and mixtures as strings, and a note on it."""
    odd = [
        name
        for name, values in frame.items()
        if values.dtype == object and values.convert_dtypes().dtype == object
    ]
    odd = [name for name in odd if frame[name].notna().any()]
    notes = [f"Unit columns of lists or other objects became text: {', '.join(odd)}."] * bool(odd)
    return frame.assign(**{name: as_text(frame[name]) for name in odd}), notes


def _quality(frame: pd.DataFrame) -> tuple[pd.Series | str, list[str]]:
    if "quality" not in frame:
        return "unsorted", ["The unit table has no quality: all are 'unsorted'."]
    quality = as_text(frame["quality"]).str.strip().str.lower()
    notes = [f"{quality.isna().sum()} unit(s) without a quality are 'unsorted'."]
    return quality.fillna("unsorted"), notes * bool(quality.isna().any())


def _probe_column(frame: pd.DataFrame) -> str | None:
    """Return the column of probes; Allen's is ``name``, which elsewhere can be the unit's."""
    if (column := _first(frame, PROBE_COLUMNS)) or "name" not in frame:
        return column
    names = as_text(frame["name"].dropna()).str.lower()
    return "name" if len(names) and names.str.startswith("probe").all() else None


def _says_something(frame: pd.DataFrame, column: str) -> bool:
    if column not in frame or not pd.api.types.is_numeric_dtype(frame[column]):
        return False
    return bool((frame[column].fillna(0) != 0).any())


def read_interval_table(path: str | PathLike, *, recording: str | None = None) -> pd.DataFrame:
    """Read intervals in seconds from the first bin: start, stop, name and conditions.

    Raises
    ------
    InputError
        A column or a name is missing, or times are no numbers.
    """
    about = {"recording": recording, "path": path}
    frame = read_frame(path, about)
    chosen = {}
    for column, known in [
        ("start_s", START_COLUMNS),
        ("stop_s", STOP_COLUMNS),
        ("name", NAME_COLUMNS),
    ]:
        chosen[column] = _first(frame, known)
        if chosen[column] is None:
            raise InputError(f"lacks {column}; it has {list(frame)}", **about, allowed=f"{known}")
    frame = frame.rename(columns={v: k for k, v in chosen.items()})
    for column in ("start_s", "stop_s"):
        if not pd.api.types.is_numeric_dtype(frame[column]):
            raise InputError(f"column {chosen[column]!r} holds no numbers", **about)
    if frame["name"].isna().any():
        row = int(np.argmax(frame["name"].isna()))
        raise InputError(f"row {row} has no name", **about, fix="name each interval")
    frame["name"] = as_text(frame["name"])
    times = frame[["start_s", "stop_s"]].astype(float)
    conditions_ = conditions(frame.drop(columns=["start_s", "stop_s", "name"]))
    frame = pd.concat([times, frame["name"], conditions_], axis=1)
    return frame.sort_values("start_s", kind="stable", ignore_index=True)


def read_bin_table(
    path: str | PathLike, edges: Float64[np.ndarray, "edge"], *, recording: str | None = None
) -> BinTable:
    """Read the table with exactly one row a bin (``edges`` in seconds).

    With a column ``name`` or ``stimulus_name`` each named row becomes an interval, from the bin's
    left edge to its right one, with the other columns as conditions. Without, each numeric
    column becomes a signal.

    Raises
    ------
    InputError
        Rows and bins differ in number, or ``time_s`` is not regular.
    """
    about = {"recording": recording, "path": path}
    frame = read_frame(path, about)
    n_bins = len(edges) - 1
    if len(frame) != n_bins:
        raise InputError(
            f"has {len(frame)} rows for {n_bins} bins",
            **about,
            allowed="exactly one row a bin",
            fix="check that table and counts belong together, and the layout of the counts",
        )
    notes = []
    if "time_s" in frame:
        notes = check_regular(frame.pop("time_s").to_numpy(), n_bins, edges[1], about)
    name = _first(frame, NAME_COLUMNS)
    if name is None:
        columns = {c: _signal(v) for c, v in conditions(frame).items()}
        signals, left = numeric_signals(columns, n_bins)
        return BinTable(no_intervals(), signals, notes + left)
    notes += _compare_times(frame, edges)
    times = {
        _first(frame, START_COLUMNS): "source_start_s",
        _first(frame, STOP_COLUMNS): "source_stop_s",
    }
    rest = conditions(frame.drop(columns=name).rename(columns=times))
    intervals = pd.DataFrame({"start_s": edges[:-1], "stop_s": edges[1:]})
    intervals["name"] = as_text(frame[name])
    intervals = pd.concat([intervals, rest], axis=1)
    unnamed = int(intervals["name"].isna().sum())
    notes += [f"{unnamed} row(s) of the table of bins have no {name}: no interval."] * bool(unnamed)
    return BinTable(intervals.dropna(subset="name", ignore_index=True), {}, notes)


def _signal(values: pd.Series) -> np.ndarray:
    numeric = pd.api.types.is_numeric_dtype(values)
    return values.to_numpy(float, na_value=np.nan) if numeric else values.to_numpy()


def _compare_times(frame: pd.DataFrame, edges: Float64[np.ndarray, "edge"]) -> list[str]:
    """Return notes on how the source's own times differ from regular bins."""
    start, stop = _first(frame, START_COLUMNS), _first(frame, STOP_COLUMNS)
    if not (start and stop and _says_something(frame, start) and _says_something(frame, stop)):
        return []
    begin, end = frame[start].to_numpy(float), frame[stop].to_numpy(float)
    width_ms, gap_ms = (end - begin) * 1000, (begin[1:] - end[:-1]) * 1000
    return [
        f"Bins are regular here, {edges[1] * 1000:g} ms from 0 s on. In the source they start at "
        f"{begin[0]:g} s and last {width_ms.min():.3f} to {width_ms.max():.3f} ms (mean "
        f"{width_ms.mean():.3f}), gaps up to {gap_ms.max(initial=0):.3f} ms; its own times are in "
        "source_start_s and source_stop_s."
    ]


def read_frame(path: str | PathLike, about: dict) -> pd.DataFrame:
    """Read a csv, tsv or parquet table; raises ``InputError`` when it is damaged or empty."""
    suffix = Path(path).suffix.lower()
    try:
        if suffix == ".parquet":
            with pq.ParquetFile(path) as file:
                table = file.read()
            table.validate(full=True)  # strings that are no UTF-8 would only surface later
            frame = table.to_pandas()
        elif suffix in (".csv", ".tsv"):
            frame = pd.read_csv(path, sep="\t" if suffix == ".tsv" else ",", low_memory=False)
        else:
            raise InputError(f"format {suffix!r}", **about, allowed=".csv, .tsv, .parquet")
        frame = frame.reset_index(drop=frame.index.names == [None])
        frame.columns = frame.columns.astype(str)
    except InputError:
        raise
    except Exception as error:  # pandas raises whatever a damaged file makes it trip over
        raise InputError(
            f"not a readable table ({type(error).__name__}: {str(error)[:200]})",
            **about,
            fix="it may be cut short or of another format: write it again",
        ) from error
    if (twice := frame.columns.duplicated()).any():
        raise InputError(f"column {frame.columns[twice][0]!r} stands twice", **about)
    if frame.empty:
        raise InputError("the table is empty", **about)
    return frame


def _first(frame: pd.DataFrame, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in frame), None)

"""Reading a matrix of spike counts from npz, npy, parquet or csv, and the arrays beside it."""

import csv
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from jaxtyping import Int, Num, Shaped, UInt

from spikesieve.counts import bin_edges
from spikesieve.errors import InputError

LAYOUTS = ("bins_by_units", "units_by_bins")
MATRIX_NAMES = ("counts", "spikes")
LARGEST_ID = np.iinfo(np.int32).max


class CountMatrix(NamedTuple):
    """Counts, the id of each column, and ``beside``: other arrays with their names."""

    counts: UInt[np.ndarray, "bin unit"]
    unit_ids: Int[np.ndarray, "unit"]
    beside: dict[str, Shaped[np.ndarray, "..."]]
    notes: list[str]


def read_count_matrix(
    path: str | PathLike, *, bin_s: float, layout: str | None = None, recording: str | None = None
) -> CountMatrix:
    """Read counts with one row a bin of ``bin_s`` seconds, columns by ascending unit id.

    Parameters
    ----------
    layout : ``bins_by_units`` (also when None) or ``units_by_bins``, for npz and npy.

    Raises
    ------
    InputError
        Unknown or damaged file; no matrix, or several; counts that are negative, fractional or
        missing; unit ids that are no whole numbers, stand twice or don't fit the matrix; a
        ``time_s`` that isn't regular.
    """
    about = {"recording": recording, "path": path}
    if layout not in (None, *LAYOUTS):
        raise InputError(f"layout {layout!r}", **about, allowed=", ".join(LAYOUTS))
    suffix = Path(path).suffix.lower()
    if suffix not in _READERS:
        raise InputError(f"format {suffix!r}", **about, allowed=", ".join(_READERS))
    if suffix in (".csv", ".parquet") and layout == "units_by_bins":
        raise InputError(
            "layout units_by_bins is for npz and npy",
            **about,
            fix="write the table with one row a bin and one column a unit, and drop layout",
        )
    if not Path(path).is_file():
        raise InputError("no such file", **about, fix="check the path in the sheet of recordings")
    matrix, unit_ids, beside = _READERS[suffix](path, about)
    matrix, unit_ids, notes = _orient(matrix, unit_ids, layout, about)
    if "time_s" in beside:
        notes += check_regular(beside.pop("time_s"), len(matrix), bin_s, about)
    order = np.argsort(unit_ids)
    counts = whole_counts(matrix, unit_ids, about)
    return CountMatrix(counts[:, order], unit_ids[order], beside, notes)


def _orient(matrix, unit_ids, layout: str | None, about: dict):
    """Return the matrix with one row a bin, its unit ids, and notes."""
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise InputError(
            f"the counts have shape {matrix.shape}", **about, allowed="bins x units, neither 0"
        )
    notes = []
    transposed = layout == "units_by_bins"
    n_units = matrix.shape[0 if transposed else 1]
    if unit_ids is None:
        unit_ids = np.arange(n_units)
        notes.append(f"The file names no units: they are numbered 0 to {n_units - 1}.")
        if layout is None and matrix.shape[0] < matrix.shape[1]:
            notes.append(
                f"The matrix, {matrix.shape[0]} x {matrix.shape[1]}, was read as bins x units. If "
                "it is units x bins, set layout to units_by_bins in the sheet."
            )
    unit_ids = whole_ids(unit_ids, "unit_ids", about)
    if len(unit_ids) != n_units:
        used, other = LAYOUTS[transposed], LAYOUTS[not transposed]
        fits = len(unit_ids) == matrix.shape[1 if transposed else 0]
        raise InputError(
            f"{len(unit_ids)} unit ids, but a matrix of {matrix.shape[0]} x {matrix.shape[1]} "
            f"read as {used} has {n_units} units",
            **about,
            fix=f"set layout to {other} in the sheet" if fits else "correct the file",
        )
    return (matrix.T if transposed else matrix), unit_ids, notes


def whole_counts(matrix, unit_ids, about: dict) -> UInt[np.ndarray, "bin unit"]:
    """Return ``matrix`` in the smallest unsigned type, refusing what no count can be."""

    def refuse(bad, problem):
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise InputError(
                f"bin {row}, unit {unit_ids[column]}: count {matrix[row, column]} {problem} "
                f"({bad.sum()} such entries)",
                **about,
                allowed="whole numbers from 0",
                fix="hand in raw counts, neither rates nor smoothed nor z-scored",
            )

    if matrix.dtype.kind not in "iufb":
        raise InputError(f"the counts are {matrix.dtype}", **about, allowed="whole numbers from 0")
    if matrix.dtype.kind == "f":
        refuse(~np.isfinite(matrix), "is not finite")
    refuse(matrix < 0, "is negative")
    if matrix.dtype.kind == "f":
        refuse(matrix != np.floor(matrix), "is fractional")
    refuse(matrix > np.iinfo(np.uint32).max, "is too large")
    return matrix.astype(np.min_scalar_type(int(matrix.max())))


def whole_ids(ids, what: str, about: dict) -> Int[np.ndarray, "unit"]:
    """Return unit ids as int64; raises ``InputError`` when one is no id, or stands twice."""
    ids = np.asarray(ids)
    kind = ids.dtype.kind
    if ids.ndim != 1 or kind not in "iuf" or (kind == "f" and not (ids == np.floor(ids)).all()):
        problem = f"{what} are {ids.dtype} of shape {ids.shape}, or have missing entries"
    elif ids.size and (ids.min() < 0 or ids.max() > LARGEST_ID):
        problem = f"{what} reach from {ids.min()} to {ids.max()}"
    else:
        ids = ids.astype(np.int64)
        values, times = np.unique(ids, return_counts=True)
        if (times == 1).all():
            return ids
        problem = f"{what}: unit id {values[times > 1][0]} stands twice"
    raise InputError(
        problem,
        **about,
        allowed=f"a list of different whole numbers from 0 to {LARGEST_ID}",
        fix="give each unit a number of its own",
    )


def check_regular(time_s, n_bins: int, bin_s: float, about: dict) -> list[str]:
    """Compare left edges in seconds with regular bins of ``bin_s``; return notes.

    Raises ``InputError`` when an edge is more than a hundredth of a bin off.
    """
    time_s = np.asarray(time_s)
    if time_s.shape != (n_bins,) or time_s.dtype.kind not in "iuf":
        raise InputError(f"time_s is {time_s.dtype} of shape {time_s.shape}", **about)
    off = np.abs(time_s - time_s[0] - bin_edges(n_bins, bin_s)[:-1]) / bin_s
    if (bad := ~(off < 0.01)).any():
        row = int(np.argmax(bad))
        raise InputError(
            f"time_s is not regular: row {row} stands at {time_s[row]} s",
            **about,
            allowed=f"steps of {bin_s * 1000:g} ms without gaps (bin_ms)",
            fix="set bin_ms to the true width, and fill gaps or make two recordings of it",
        )
    if time_s[0] == 0:
        return []
    return [f"time_s starts at {time_s[0]} s; here the first bin starts at 0 s."]


def _load(path, about: dict):
    """Return the array of an npy, or the arrays of an npz by name."""
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            # A member that is no array comes as bytes.
            return {name: np.asarray(loaded[name]) for name in loaded.files}
    except Exception as error:  # numpy parses headers as Python: anything may come out
        raise _damaged(error, about) from error


def _read_npz(path, about: dict):
    arrays = _load(path, about)
    if isinstance(arrays, np.ndarray):
        raise InputError("is a single array, not an npz", **about, fix="call it .npy")
    name = _name_of_matrix(arrays, about)
    return arrays.pop(name), arrays.pop("unit_ids", None), arrays


def _name_of_matrix(arrays: dict, about: dict) -> str:
    candidates = [name for name in MATRIX_NAMES if name in arrays and arrays[name].ndim == 2]
    candidates = candidates or [
        name for name, array in arrays.items() if array.ndim == 2 and array.dtype.kind in "iu"
    ]
    if len(candidates) == 1:
        return candidates[0]
    listing = ", ".join(f"{n} {a.dtype} {a.shape}" for n, a in arrays.items()) or "nothing"
    raise InputError(
        f"{'several arrays' if candidates else 'no array'} could be the counts; it holds {listing}",
        **about,
        allowed="one 2-D array called counts or spikes, or a single 2-D array of whole numbers",
        fix="rename the matrix to counts",
    )


def _read_npy(path, about: dict):
    matrix = _load(path, about)
    if not isinstance(matrix, np.ndarray):
        raise InputError("is an npz, not a single array", **about, fix="call it .npz")
    return matrix, None, {}


def _read_csv(path, about: dict):
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            names = next(csv.reader(file), [])
        frame = pd.read_csv(path, header=None, skiprows=1, names=range(len(names)))
    except Exception as error:  # a byte or two off, pandas raises what it likes
        raise _damaged(error, about) from error
    if not isinstance(frame.index, pd.RangeIndex):  # pandas takes surplus cells for an index
        raise InputError(f"rows have more cells than the {len(names)} column names", **about)
    return _columns(names, [frame[i].to_numpy() for i in range(len(names))], about)


def _read_parquet(path, about: dict):
    try:
        with pq.ParquetFile(path) as file:
            table = file.read()
            names, columns = table.column_names, [c.to_numpy() for c in table.columns]
    except Exception as error:  # names may be no UTF-8, pages of any length
        raise _damaged(error, about) from error
    return _columns(names, columns, about)


def _columns(names: list[str], columns: list, about: dict):
    """Return matrix, unit ids and ``time_s`` (where there) of a table's columns."""
    ids, values, beside = [], [], {}
    for name, column in zip(names, columns, strict=True):
        if name.strip() == "time_s":
            beside["time_s"] = column
            continue
        if not name.strip().isdecimal():
            raise InputError(
                f"column {name!r} is no unit id",
                **about,
                allowed="columns named by whole unit ids, and time_s",
                fix="put behaviour into a table of its own (column bins of the sheet)",
            )
        if column.dtype.kind not in "iufb":
            raise InputError(f"unit {name}: the column holds {column.dtype}", **about)
        ids.append(int(name))
        values.append(column)
    if not ids or not len(values[0]):
        raise InputError("holds no counts", **about, allowed="one column a unit, one row a bin")
    return np.stack(values, axis=1), np.array(ids), beside


def _damaged(error: Exception, about: dict) -> InputError:
    return InputError(
        f"not readable ({type(error).__name__}: {str(error)[:200]})",
        **about,
        allowed="plain arrays of numbers; no pickled objects",
        fix="it may be cut short or of another format: write it again",
    )


_READERS = {".npz": _read_npz, ".npy": _read_npy, ".parquet": _read_parquet, ".csv": _read_csv}


def numeric_signals(
    arrays: dict[str, Shaped[np.ndarray, "..."]], n_bins: int
) -> tuple[dict[str, Num[np.ndarray, "bin"]], list[str]]:
    """Split arrays with one row a bin into named signals; return them, and notes on the rest."""
    signals, left = {}, []
    for name, array in arrays.items():
        fits = array.dtype.kind in "iufb" and array.ndim in (1, 2) and len(array) == n_bins
        if not fits or (array.ndim == 2 and array.shape[1] > 100):
            left.append(f"{name} ({array.dtype} {array.shape})")
        elif array.ndim == 1:
            signals[name] = array
        else:
            signals |= {f"{name}_{i}": column for i, column in enumerate(array.T)}
    return signals, [f"Not used, as no number a bin: {', '.join(left)}."] * bool(left)

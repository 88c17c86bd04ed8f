"""The counts table: one row a bin, one column a kept unit, written block by block."""

from collections.abc import Callable
from contextlib import suppress
from os import PathLike

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Float, Integer, UInt
from tqdm import tqdm

from spikesieve.counts import bin_edges, count_block, number_of_bins, split_bins
from spikesieve.errors import InputError
from spikesieve.files import atomic_path
from spikesieve.recording import INVALID, PARQUET_OPTIONS, table_schema
from spikesieve.spikes import places, read_spikes
from spikesieve.widths import whole_multiple

#: Cells (bins x units) counted and written at a time.
CELLS_PER_BLOCK = 1 << 25


def write_counts(
    path: str | PathLike,
    count_rows: Callable[[int, int], UInt[np.ndarray, "bin unit"]],
    unit_ids: Integer[np.ndarray, "unit"],
    intervals: pd.DataFrame,
    settings: dict,
    *,
    duration_s: float,
    bin_s: float,
    recording: str,
) -> None:
    """Write the counts of ``unit_ids`` (the kept units) with each bin's time and split.

    Parameters
    ----------
    count_rows : ``count_rows(first, last)`` gives the counts of bins ``[first, last)``;
        see ``spike_counter`` and ``binned_counter``.
    intervals : those named ``"invalid"`` mask every bin they touch.
    settings : the ``counts`` section of the configuration (``split``, ``gap_s``).

    Raises
    ------
    InputError
        The recording is shorter than one bin, or a split has no bin left.
    """
    n_bins = number_of_bins(duration_s, bin_s)
    if n_bins < 1:
        raise InputError(
            f"lasts {duration_s} s, less than one bin of {bin_s} s",
            recording=recording,
            fix="take a smaller counts.bin_ms",
        )
    edges = bin_edges(n_bins, bin_s)
    gap_bins = int(np.ceil(settings["gap_s"] / bin_s))
    valid = ~touched(edges, intervals[intervals["name"] == INVALID])
    try:
        split = split_bins(n_bins, settings["split"], gap_bins, valid)
    except InputError as error:
        raise InputError(str(error), recording=recording) from None
    for kind in (np.uint8, np.uint16, np.uint32):  # the smallest that fits: memory downstream
        with suppress(_TooLarge):
            _write(path, count_rows, unit_ids, edges, split, kind)
            break


class _TooLarge(Exception):
    """A count does not fit the type that the table is being written with."""


def _write(path, count_rows, unit_ids, edges, split, kind) -> None:
    columns = {str(unit): pa.from_numpy_dtype(kind) for unit in unit_ids}
    schema = table_schema("counts", columns)
    rows = max(1, CELLS_PER_BLOCK // len(unit_ids))
    with (
        atomic_path(path) as temporary,
        pq.ParquetWriter(temporary, schema, **PARQUET_OPTIONS) as out,
    ):
        for first in tqdm(range(0, len(split), rows), "counting", disable=None, unit="block"):
            last = min(first + rows, len(split))
            counts = count_rows(first, last)
            if counts.max(initial=0) > np.iinfo(kind).max:
                raise _TooLarge
            counts = np.asfortranarray(counts.astype(kind, copy=False))
            arrays = [edges[first:last], pa.array(split[first:last], pa.string()), *counts.T]
            out.write_table(pa.table(arrays, schema=schema), row_group_size=rows)


def touched(edges: Float[np.ndarray, "edge"], intervals: pd.DataFrame) -> Bool[np.ndarray, "bin"]:
    """Mark the bins that overlap any of ``intervals`` (``start_s``, ``stop_s``) at all."""
    marked = np.zeros(len(edges) - 1, dtype=bool)
    for start, stop in zip(intervals["start_s"], intervals["stop_s"], strict=True):
        first = np.searchsorted(edges, start, side="right") - 1
        marked[max(first, 0) : np.searchsorted(edges, stop, side="left")] = True
    return marked


def spike_counter(
    spikes: str | PathLike, unit_ids: Integer[np.ndarray, "unit"], bin_s: float
) -> Callable[[int, int], UInt[np.ndarray, "bin unit"]]:
    """Return a function that counts the spikes of ``spikes.parquet`` in bins ``[first, last)``."""

    def count_rows(first: int, last: int) -> UInt[np.ndarray, "bin unit"]:
        start_s, stop_s = bin_edges(last, bin_s)[[first, last]]
        pieces = [*read_spikes(spikes, start_s, stop_s)]
        time_s = np.concatenate([[], *(p.time_s for p in pieces)])
        ids = np.concatenate([np.empty(0, np.int32), *(p.unit_id for p in pieces)])
        kept, column = places(unit_ids, ids)
        return count_block(time_s[kept], column, first, last - first, len(unit_ids), bin_s)

    return count_rows


def binned_counter(
    counts: UInt[np.ndarray, "fine_bin unit"], bin_ms: float, source_bin_ms: float
) -> Callable[[int, int], UInt[np.ndarray, "bin unit"]]:
    """Return a function that sums bins of ``source_bin_ms`` into bins ``[first, last)``.

    Raises ``InputError`` where ``bin_ms`` is no whole multiple of the given bins.
    """
    factor = whole_multiple(bin_ms, source_bin_ms)
    if factor is None:
        raise InputError(
            f"bins of {source_bin_ms} ms cannot be joined into bins of {bin_ms} ms",
            allowed=f"whole multiples of {source_bin_ms} ms",
        )

    def count_rows(first: int, last: int) -> UInt[np.ndarray, "bin unit"]:
        rows = counts[first * factor : last * factor]
        return rows.reshape(last - first, factor, -1).sum(axis=1, dtype=np.uint32)

    return count_rows

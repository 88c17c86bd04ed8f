"""Spike times in pieces: written, merged and read without holding a whole recording twice.

An Allen session has 131 million spikes. Every function here either streams or holds at most
one number a spike, so that a recording larger than memory's half still passes.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from os import PathLike
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Float64, Integer
from tqdm import tqdm

from spikesieve.errors import InputError
from spikesieve.files import atomic_path
from spikesieve.recording import PARQUET_OPTIONS, damage_named, open_table, table_schema

ROWS_PER_GROUP = 1 << 20


class Spikes(NamedTuple):
    """Spikes sorted by time: ``time_s`` in seconds and the ``unit_id`` of each."""

    time_s: Float64[np.ndarray, "spike"]
    unit_id: Integer[np.ndarray, "spike"]


class SpikeTrains(NamedTuple):
    """Spikes grouped by unit: unit ``i`` fired at ``time_s[offset[i]:offset[i + 1]]``, sorted."""

    time_s: Float64[np.ndarray, "spike"]
    offset: Integer[np.ndarray, "units_plus_one"]

    @property
    def n_units(self) -> int:
        """How many units there are, those that never fired among them."""
        return len(self.offset) - 1

    def of(self, unit: int) -> Float64[np.ndarray, "spike"]:
        """Return the spike times in seconds of the unit at this place (not of this id)."""
        return self.time_s[self.offset[unit] : self.offset[unit + 1]]


def write_spikes(
    path: str | PathLike,
    pieces: Iterable[Spikes],
    *,
    unit_ids: Integer[np.ndarray, "unit"],
    duration_s: float,
    recording: str,
    source: str | PathLike,
) -> None:
    """Write time-sorted ``pieces`` as ``spikes.parquet``, checking each on its way.

    Parameters
    ----------
    unit_ids : the units that exist, ascending.
    duration_s : end of the recording; every spike lies in ``[0, duration_s)``.
    recording, source : named in errors.

    Raises
    ------
    InputError
        A time is not finite, negative, at or beyond the end, or earlier than the one before;
        or a unit is unknown.
    """
    schema = table_schema("spikes")
    last = 0.0
    with (
        atomic_path(path) as temporary,
        pq.ParquetWriter(temporary, schema, use_dictionary=["unit_id"], **PARQUET_OPTIONS) as out,
    ):
        for piece in tqdm(pieces, "writing spikes", disable=None, unit="piece"):
            last = _check_piece(piece, last, unit_ids, duration_s, recording, source)
            for start in range(0, len(piece.time_s), ROWS_PER_GROUP):
                rows = slice(start, start + ROWS_PER_GROUP)
                columns = [piece.time_s[rows], piece.unit_id[rows].astype(np.int32)]
                out.write_table(pa.table(columns, schema=schema), row_group_size=ROWS_PER_GROUP)


def _check_piece(piece, last, unit_ids, duration_s, recording, source) -> float:
    time_s, unit_id = piece
    if len(time_s) == 0:
        return last

    def refuse(bad, problem, fix):
        if bad.any():
            i = int(np.argmax(bad))
            raise InputError(
                f"unit {unit_id[i]}: spike at {time_s[i]:.6f} s {problem} "
                f"({bad.sum()} such spikes in this piece)",
                recording=recording,
                path=source,
                allowed=f"finite, ascending times in [0, {duration_s:.6f}) s",
                fix=fix,
            )

    refuse(~np.isfinite(time_s), "is not finite", "remove or correct the spike times")
    refuse(time_s < 0, "is negative", "shift the times so that the recording starts at 0")
    refuse(
        time_s >= duration_s,
        "lies at or beyond the recording's end",
        "set duration_s in the sheet, or cut the spikes",
    )
    refuse(np.diff(time_s, prepend=last) < 0, "is earlier than the spike before it", "sort them")
    known, _ = places(unit_ids, unit_id)
    refuse(~known, "belongs to a unit that the unit table lacks", "add the unit or drop its spikes")
    return float(time_s[-1])


def merge_trains(
    trains: Callable[[], Iterable[Float64[np.ndarray, "spike"]]],
    unit_ids: Integer[np.ndarray, "unit"],
    duration_s: float,
    spikes_per_piece: int = 1 << 21,
) -> Iterator[Spikes]:
    """Merge one sorted train a unit into pieces sorted by time.

    ``trains()`` is walked twice (to count, then to place), so that the largest thing held is
    one time and one unit a spike. Trains must be finite, ascending and in ``[0, duration_s)``:
    check them with ``check_train`` as they are read.
    """
    seconds = np.arange(np.ceil(duration_s) + 1)
    per_second = np.zeros(len(seconds) - 1, dtype=np.int64)
    for train in trains():
        per_second += np.diff(np.searchsorted(train, seconds))
    before = np.concatenate([[0], np.cumsum(per_second)])
    cuts = np.unique(np.searchsorted(before, np.arange(0, before[-1] + 1, spikes_per_piece)))
    edges = np.unique(np.concatenate([seconds[cuts], seconds[[0, -1]]]))
    start = before[edges.astype(np.int64)]
    time_s = np.empty(before[-1])
    unit_index = np.empty(before[-1], dtype=np.int32)
    free = start[:-1].copy()
    for index, train in enumerate(trains()):
        cut = np.searchsorted(train, edges)
        for piece in np.flatnonzero(np.diff(cut)):
            taken = train[cut[piece] : cut[piece + 1]]
            place = slice(free[piece], free[piece] + len(taken))
            time_s[place], unit_index[place] = taken, index
            free[piece] += len(taken)
    for first, last in pairwise(start):
        order = np.argsort(time_s[first:last], kind="stable")
        yield Spikes(time_s[first:last][order], unit_ids[unit_index[first:last][order]])


def check_train(train, *, unit_id, duration_s, recording, source):
    """Return ``train`` as float64 seconds; raises ``InputError`` when a time is impossible."""
    train = np.asarray(train, dtype=np.float64)
    units = np.full(len(train), unit_id)
    _check_piece(Spikes(train, units), 0.0, np.array([unit_id]), duration_s, recording, source)
    return train


def read_spikes(
    path: str | PathLike, start_s: float = 0.0, stop_s: float = np.inf
) -> Iterator[Spikes]:
    """Yield the spikes in ``[start_s, stop_s)``, sorted by time, a row group at a time."""
    file = open_table(path, "spikes")
    for group in range(file.num_row_groups):
        with damage_named(path):
            bounds = file.metadata.row_group(group).column(0).statistics
            if bounds is not None and (bounds.max < start_s or bounds.min >= stop_s):
                continue
            table = file.read_row_group(group)
        time_s = table["time_s"].to_numpy()
        rows = slice(*np.searchsorted(time_s, [start_s, stop_s]))
        yield Spikes(time_s[rows], table["unit_id"].to_numpy()[rows])


def read_spike_trains(path: str | PathLike, unit_ids: Integer[np.ndarray, "unit"]) -> SpikeTrains:
    """Read the spikes of ``unit_ids`` (ascending) grouped by unit; those of others are left out."""
    file = open_table(path, "spikes")
    per_unit = np.zeros(len(unit_ids), dtype=np.int64)
    for group in range(file.num_row_groups):
        with damage_named(path):
            ids = file.read_row_group(group, columns=["unit_id"])["unit_id"].to_numpy()
        _, index = places(unit_ids, ids)
        per_unit += np.bincount(index, minlength=len(unit_ids))
    offset = np.concatenate([[0], np.cumsum(per_unit)])
    time_s = np.empty(offset[-1])
    free = offset[:-1].copy()
    for piece in read_spikes(path):
        known, index = places(unit_ids, piece.unit_id)
        counts = np.bincount(index, minlength=len(unit_ids))
        order, rank = rank_within(index, counts)
        time_s[np.repeat(free, counts) + rank] = piece.time_s[known][order]
        free += counts
    return SpikeTrains(time_s, offset)


def places(
    unit_ids: Integer[np.ndarray, "unit"], ids: Integer[np.ndarray, "spike"]
) -> tuple[Bool[np.ndarray, "spike"], Integer[np.ndarray, "known"]]:
    """Return which of ``ids`` are in ``unit_ids`` (ascending), and the place there of those."""
    if len(unit_ids) == 0:
        return np.zeros(len(ids), dtype=bool), np.empty(0, dtype=np.int64)
    index = np.minimum(np.searchsorted(unit_ids, ids), len(unit_ids) - 1)
    known = unit_ids[index] == ids
    return known, index[known]


def rank_within(
    index: Integer[np.ndarray, "spike"], counts: Integer[np.ndarray, "unit"]
) -> tuple[Integer[np.ndarray, "spike"], Integer[np.ndarray, "spike"]]:
    """Return the order that groups ``index`` by unit, and each spike's rank within its unit."""
    small = np.int16 if len(counts) < 1 << 15 else np.int32  # numpy sorts 16 bits by radix
    order = np.argsort(index.astype(small), kind="stable")
    return order, np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)

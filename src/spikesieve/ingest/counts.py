"""The ``counts`` source: a recording already binned, with what is known of units and bins."""

from os import PathLike

import numpy as np
import pandas as pd
from jaxtyping import Float64, Num

from spikesieve.counts import bin_edges
from spikesieve.errors import InputError
from spikesieve.files import check_sha256
from spikesieve.ingest.count_matrix import numeric_signals, read_count_matrix
from spikesieve.ingest.count_tables import (
    BinTable,
    read_bin_table,
    read_interval_table,
    read_unit_table,
    unsorted_units,
)
from spikesieve.ingest.writing import Source, long_signal, no_intervals, no_signals


def read_counts(
    path: str | PathLike,
    *,
    recording: str,
    bin_ms: float,
    layout: str | None = None,
    units: str | PathLike | None = None,
    intervals: str | PathLike | None = None,
    bins: str | PathLike | None = None,
    subject: str | None = None,
    sha256: str | None = None,
) -> Source:
    """Read binned counts (npz, npy, parquet, csv) and the tables beside them.

    Parameters
    ----------
    bin_ms : width of the bins in ms; bin ``k`` is ``[k, k + 1) * bin_ms`` from time 0 on.
    layout : ``bins_by_units`` (default) or ``units_by_bins``, of an npz or npy matrix.
    units : unit table (csv, parquet) that names every counted unit.
    intervals : table of intervals, in seconds from the first bin.
    bins : table with one row a bin: conditions (with a name column) or behaviour (without).
    sha256 : what the checksum of ``path`` must be.

    Raises
    ------
    InputError
        A file is missing, damaged or contradicts another; counts are no counts.
    """
    check_sha256(path, sha256, recording)
    if not (np.isfinite(bin_ms) and bin_ms > 0):
        raise InputError(f"bin_ms is {bin_ms}", recording=recording, allowed="above 0")
    bin_s = bin_ms / 1000
    matrix = read_count_matrix(path, bin_s=bin_s, layout=layout, recording=recording)
    n_bins = len(matrix.counts)
    edges = bin_edges(n_bins, bin_s)
    if units is None:
        unit_table, unit_notes = unsorted_units(matrix.unit_ids)
    else:
        unit_table, unit_notes = read_unit_table(units, matrix.unit_ids, recording=recording)
    signals, signal_notes = numeric_signals(matrix.beside, n_bins)
    per_bin = BinTable(no_intervals(), {}, [])
    if bins is not None:
        per_bin = read_bin_table(bins, edges, recording=recording)
    listed = (
        no_intervals() if intervals is None else read_interval_table(intervals, recording=recording)
    )
    if both := sorted(set(signals) & set(per_bin.signals)):
        raise InputError(f"signals {both} also stand in {path}", recording=recording, path=bins)
    return Source(
        recording=recording,
        source="counts",
        path=path,
        duration_s=float(edges[-1]),
        sampling_rate_hz=None,
        subject=subject,
        units=unit_table,
        intervals=_joined(listed, per_bin.intervals),
        signals=_long(signals | per_bin.signals, edges),
        inputs=[p for p in (path, units, intervals, bins) if p is not None],
        notes=[*matrix.notes, *unit_notes, *signal_notes, *per_bin.notes],
        binned=_binned(matrix, edges),
    )


def _binned(matrix, edges: Float64[np.ndarray, "edge"]) -> pd.DataFrame:
    columns = pd.DataFrame(matrix.counts, columns=matrix.unit_ids.astype(str))
    return pd.concat([pd.Series(edges[:-1], name="time_s"), columns], axis=1)


def _joined(*tables: pd.DataFrame) -> pd.DataFrame:
    filled = [t for t in tables if len(t)]
    if not filled:
        return no_intervals()
    return pd.concat(filled, ignore_index=True).sort_values(
        "start_s", kind="stable", ignore_index=True
    )


def _long(
    signals: dict[str, Num[np.ndarray, "bin"]], edges: Float64[np.ndarray, "edge"]
) -> pd.DataFrame:
    parts = [long_signal(name, edges[:-1], value) for name, value in signals.items()]
    return pd.concat(parts, ignore_index=True) if parts else no_signals()

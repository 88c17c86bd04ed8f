"""The data contracts: every source becomes these tables, and later stages read nothing else.

A recording's folder holds

============================ ===================================================================
``spikes.parquet``           one row a spike, sorted by time (absent where only counts exist)
``sorted_units.parquet``     one row a unit, as the source describes it
``units.parquet``            the same with recomputed metrics and the filter's verdict
``intervals.parquet``        one row a stimulus presentation or trial
``signals.parquet``          running speed, pupil, stimulus channels, position: long form
``recording.json``           who, how long, from which files
============================ ===================================================================

Times are seconds from the recording's start, depths are micrometres, rates are in Hz.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from spikesieve.errors import ContractError
from spikesieve.files import atomic_path, write_json
from spikesieve.meaning_tables import MEANING

SCHEMA_VERSION = 1

#: Labels a unit may carry; ``unsorted`` means that the source does not say.
QUALITIES = ("good", "mua", "noise", "unsorted")

#: Name of the intervals in which the recording itself is unusable; bins there are masked.
INVALID = "invalid"

_UNITS = {
    "unit_id": pa.int32(),
    "quality": pa.string(),
    "region": pa.string(),
    "probe": pa.string(),
    "depth_um": pa.float64(),
}
_METRICS = {
    "n_spikes": pa.int64(),
    "firing_rate_hz": pa.float64(),
    "isi_violations": pa.float64(),
    "isi_violations_ratio": pa.float64(),
    "isi_violations_fraction": pa.float64(),
    "presence_ratio": pa.float64(),
    "kept": pa.bool_(),
    "dropped_because": pa.string(),
}

#: Every page carries a checksum, so that a flipped byte is noticed when it is read.
PARQUET_OPTIONS = {"compression": "zstd", "write_page_checksum": True}

#: Required columns and types of each table; ``extra`` tables may hold more columns.
CONTRACTS: dict[str, dict[str, pa.DataType]] = {
    "spikes": {"time_s": pa.float64(), "unit_id": pa.int32()},
    "sorted_units": _UNITS,
    "units": _UNITS | _METRICS,
    "intervals": {"start_s": pa.float64(), "stop_s": pa.float64(), "name": pa.string()},
    "signals": {
        "time_s": pa.float64(),
        "name": pa.dictionary(pa.int32(), pa.string()),
        "value": pa.float32(),
    },
    "latents": {"bin": pa.int64(), "latent": pa.int32(), "activation": pa.float32()},
    "metrics": {
        "recording": pa.string(),
        "method": pa.string(),
        "model": pa.string(),
        "seed": pa.int64(),
        "split": pa.string(),
        "metric": pa.string(),
        "unit_id": pa.int32(),
        "latent": pa.int32(),
        "bin": pa.int64(),
        "value": pa.float64(),
    },
    "history": {"step": pa.int64()},
    "dictionary": {
        "seed": pa.int64(),
        "latent": pa.int32(),
        "density": pa.float64(),
        "stability": pa.float64(),
        "n_units": pa.float64(),
        "stable": pa.bool_(),
        "kept": pa.bool_(),
        "merged_into": pa.int32(),
        "dropped_because": pa.string(),
    },
    "trials": {
        "recording": pa.string(),
        "bin_ms": pa.float64(),
        "n_latents": pa.int64(),
        "k": pa.int64(),
        "smoothing": pa.float64(),
        "masked_share": pa.float64(),
        "pattern_bits": pa.float64(),
        "thinned_bits": pa.float64(),
        "cosmoothing_r2": pa.float64(),
    },
    "stimulus_average": {
        "recording": pa.string(),
        "unit_id": pa.int32(),
        "channel": pa.string(),
        "lag_ms": pa.float64(),
        "value": pa.float32(),
    },
    "unit_map": {
        "recording": pa.string(),
        "unit_id": pa.int32(),
        "firing_rate_hz": pa.float64(),
        "x_tsne": pa.float64(),
        "y_tsne": pa.float64(),
        "x_pca": pa.float64(),
        "y_pca": pa.float64(),
    },
    "map_scores": {
        "score": pa.string(),
        "value": pa.float64(),
        "chance": pa.float64(),
        "chance_low": pa.float64(),
        "chance_high": pa.float64(),
        "p": pa.float64(),
        "n": pa.int64(),
        "note": pa.string(),
    },
    "counts": {"time_s": pa.float64(), "split": pa.string()},
    "binned": {"time_s": pa.float64()},
    "distance_bins": {"time_s": pa.float64(), "split": pa.string()},
    "inferred_spikes": {
        "recording": pa.string(),
        "method": pa.string(),
        "unit_id": pa.int32(),
        "bin": pa.int64(),
        "time_s": pa.float64(),
    },
    "unit_embedding": {"recording": pa.string(), "unit_id": pa.int32()},
    "scores": {
        "recording": pa.string(),
        "method": pa.string(),
        "model": pa.string(),
        "seed": pa.int64(),
        "unit_id": pa.int32(),
        "metric": pa.string(),
        "scale_ms": pa.float64(),
        "value": pa.float64(),
    },
    **MEANING,
}
_EXTRA_COLUMNS = {
    "sorted_units",
    "units",
    "intervals",
    "history",
    "trials",
    "counts",
    "binned",
    "distance_bins",
    "unit_embedding",
}


def table_schema(name: str, columns: dict[str, pa.DataType] | None = None) -> pa.Schema:
    """Return the schema of table ``name`` plus extra ``columns``, stamped with the version."""
    stamp = {"spikesieve": json.dumps({"table": name, "version": SCHEMA_VERSION})}
    return pa.schema(CONTRACTS[name] | (columns or {}), metadata=stamp)


def write_table(path: str | PathLike, name: str, frame: pd.DataFrame) -> None:
    """Check ``frame`` against the contract of table ``name`` and write it atomically.

    Raises
    ------
    ContractError
        A column is missing, unknown, of the wrong type, or a row breaks an invariant.
    """
    frame = frame.reset_index(drop=True)
    missing = set(CONTRACTS[name]) - set(frame)
    if missing:
        raise ContractError(f"table {name!r} lacks columns {sorted(missing)}", path=path)
    if unknown := set(frame) - set(CONTRACTS[name]):
        if name not in _EXTRA_COLUMNS:
            raise ContractError(f"table {name!r} has unknown columns {sorted(unknown)}", path=path)
        frame = frame[[*CONTRACTS[name], *(c for c in frame if c in unknown)]]
    frame = frame.assign(**{c: _plain(frame[c]) for c in unknown})
    _check_rows(path, name, frame)
    inferred = pa.Schema.from_pandas(frame[[c for c in frame if c in unknown]])
    columns = {f.name: f.type for f in inferred}
    try:
        table = pa.Table.from_pandas(frame, table_schema(name, columns), preserve_index=False)
    except (pa.ArrowException, OverflowError) as error:
        raise ContractError(f"table {name!r} does not fit its types: {error}", path=path) from error
    with atomic_path(path) as temporary:
        stamped = table.replace_schema_metadata(table_schema(name).metadata)
        pq.write_table(stamped, temporary, **PARQUET_OPTIONS)


def open_table(path: str | PathLike, name: str) -> pq.ParquetFile:
    """Open table ``name`` for reading in pieces, after checking its stamp and columns.

    Raises
    ------
    ContractError
        The file is missing, damaged, another table, or of a newer schema than this code.
    """
    try:
        file = pq.ParquetFile(path, memory_map=True, page_checksum_verification=True)
        columns, metadata = set(file.schema_arrow.names), file.schema_arrow.metadata
    except (OSError, ValueError, pa.ArrowException) as error:
        raise ContractError(
            f"not a readable Parquet file ({error})", path=path, fix="delete it and run again"
        ) from error
    try:
        stamp = json.loads((metadata or {})[b"spikesieve"])
        held, version = stamp["table"], int(stamp["version"])
    except (KeyError, TypeError, ValueError):
        raise ContractError("not a table written by spikesieve", path=path) from None
    if held != name:
        raise ContractError(f"holds table {held!r}, not {name!r}", path=path)
    if version > SCHEMA_VERSION:
        raise ContractError(
            f"schema version {version} is newer than this code's {SCHEMA_VERSION}",
            path=path,
            fix="update spikesieve",
        )
    if missing := set(CONTRACTS[name]) - columns:
        raise ContractError(f"table {name!r} lacks columns {sorted(missing)}", path=path)
    return file


@contextmanager
def damage_named(path: str | PathLike) -> Iterator[None]:
    """Turn what pyarrow raises on damaged pages (checksums differ) into a ``ContractError``."""
    try:
        yield
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise ContractError(
            f"damaged ({error})", path=path, fix="delete it and run again"
        ) from error


def read_table(path: str | PathLike, name: str, columns: list[str] | None = None) -> pd.DataFrame:
    """Read table ``name`` into memory and check its rows; raises as ``open_table`` does."""
    file = open_table(path, name)
    with damage_named(path):
        frame = file.read(columns=columns).to_pandas()
    if columns is None:
        _check_rows(path, name, frame)
    return frame


def write_recording_json(path: str | PathLike, **fields) -> None:
    """Write ``recording.json``; ``fields`` must be exactly those of ``RECORDING_FIELDS``."""
    if set(fields) != RECORDING_FIELDS:
        raise ContractError(f"fields {sorted(set(fields) ^ RECORDING_FIELDS)} differ", path=path)
    write_json(path, fields | {"schema_version": SCHEMA_VERSION})


def read_recording_json(path: str | PathLike) -> dict:
    """Read ``recording.json``; raises ``ContractError`` when damaged or of a newer schema."""
    try:
        content = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise ContractError(f"unreadable ({error})", path=path) from error
    if content.get("schema_version", 0) > SCHEMA_VERSION:
        raise ContractError("written by a newer spikesieve", path=path, fix="update spikesieve")
    if missing := RECORDING_FIELDS - set(content):
        raise ContractError(f"lacks {sorted(missing)}", path=path)
    return content


#: ``inputs`` maps each input file's path to its SHA-256; ``notes`` say what ingest decided.
RECORDING_FIELDS = {
    "recording",
    "source",
    "duration_s",
    "sampling_rate_hz",
    "subject",
    "inputs",
    "notes",
}


def _plain(column: pd.Series) -> pd.Series:
    """Turn a column of mixed Python objects into strings, so that it has one type."""
    if column.dtype != object:
        return column
    missing = column.isna()
    kinds = {type(v) for v in column[~missing]}
    if len(kinds) <= 1 and kinds <= {bool, int, float, str}:
        return column.convert_dtypes() if kinds else column.astype("float64")
    return column.astype("string").mask(missing)


def _check_rows(path, name: str, frame: pd.DataFrame) -> None:
    def refuse(problem: str, bad) -> None:
        if np.any(bad):
            row = int(np.flatnonzero(np.asarray(bad))[0])
            raise ContractError(f"table {name!r}, row {row}: {problem}", path=path)

    if name in ("units", "sorted_units"):
        refuse("unit_id appears twice", frame["unit_id"].duplicated())
        refuse("unit_id is not ascending", np.diff(frame["unit_id"], prepend=-1) < 0)
        refuse(f"quality is not one of {QUALITIES}", ~frame["quality"].isin(QUALITIES))
    if name == "units":
        refuse("a dropped unit does not say why", ~frame["kept"] & (frame["dropped_because"] == ""))
        refuse("a kept unit has a reason to drop", frame["kept"] & (frame["dropped_because"] != ""))
    if name == "intervals":
        ordered = frame["start_s"].to_numpy() < frame["stop_s"].to_numpy()
        refuse("start_s is not before stop_s", ~ordered)
        refuse("start_s is negative", frame["start_s"].to_numpy() < 0)
    if name == "signals":
        refuse("time_s is not finite", ~np.isfinite(frame["time_s"].to_numpy()))

"""A recording in bins of about a millisecond: spikes, stimulus and split, from tables to arrays."""

from os import PathLike
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float, Float32, Int, Integer, Shaped, UInt8

from spikesieve.binning import touched
from spikesieve.counts import split_bins
from spikesieve.errors import ContractError, InputError, suggest
from spikesieve.files import atomic_path
from spikesieve.recording import (
    CONTRACTS,
    INVALID,
    PARQUET_OPTIONS,
    damage_named,
    open_table,
    table_schema,
)
from spikesieve.spikes import SpikeTrains

_LARGEST = np.iinfo(np.uint8).max
_ROWS = 1 << 17
#: A stimulus that doesn't come for so many of its usual intervals has paused, and isn't known.
LONGEST_HELD = 20


class Bins(NamedTuple):
    """A recording as networks see it; bin ``b`` is ``[b * bin_s, (b + 1) * bin_s)``.

    ``spikes`` are counts (a bin can hold two), ``stimulus`` is standardised on training bins, 0
    where it is unknown, and ``split`` names each bin's block.
    """

    recording: str
    unit_ids: Int[np.ndarray, "unit"]
    spikes: UInt8[np.ndarray, "unit bin"]
    channels: tuple[str, ...]
    stimulus: Float32[np.ndarray, "channel bin"]
    split: Shaped[np.ndarray, "bin"]
    bin_s: float


def samples_per_bin(sampling_rate_hz: float, bin_ms: float) -> int:
    """Return the whole number of samples nearest to ``bin_ms``.

    A bin is a number of samples, so that each holds equally many: 18 samples of the retina's
    17852.77 Hz are 1.008 ms, while every 53rd bin of exactly 1 ms would hold 17.

    Raises ``InputError`` where a sample is longer than twice the bin.
    """
    n_samples = round(bin_ms / 1000 * sampling_rate_hz)
    if n_samples < 1:
        raise InputError(
            f"bins of {bin_ms} ms are shorter than a sample at {sampling_rate_hz} Hz",
            fix="take a larger distance.bin_ms",
        )
    return n_samples


def count_trains(
    trains: SpikeTrains, n_bins: int, *, n_samples: int, sampling_rate_hz: float
) -> UInt8[np.ndarray, "unit bin"]:
    """Count spikes in bins of ``n_samples`` samples; those after the last whole bin are left out.

    Times that are a sample number divided by the rate, but for rounding, are taken as that sample.

    Raises ``InputError`` where more than 255 spikes of a unit share a bin.
    """
    counts = np.zeros((trains.n_units, n_bins), np.uint8)
    for unit in range(trains.n_units):
        sample = trains.of(unit) * sampling_rate_hz
        nearest = np.rint(sample)
        sample = np.where(np.abs(sample - nearest) < 1e-3, nearest, sample)
        index = np.floor(sample / n_samples).astype(np.int64)
        held = np.bincount(index[index < n_bins], minlength=n_bins)
        if held.max(initial=0) > _LARGEST:
            raise InputError(f"{held.max()} spikes of a unit in one bin", allowed=f"{_LARGEST}")
        counts[unit] = held
    return counts


def stimulus_channels(
    signals: pd.DataFrame, chosen: list[str] | None, centres_s: Float[np.ndarray, "bin"]
) -> tuple[tuple[str, ...], Float32[np.ndarray, "channel bin"]]:
    """Return the names and values of the stimulus in the middle of each bin.

    A value holds until the next row of its signal, but at most for ``LONGEST_HELD`` of the medians
    between rows; the last one for no longer than any before it. From then on it is unknown (NaN),
    as it is before the first row and where a row says NaN. A single row holds.

    Parameters
    ----------
    signals : the recording's ``signals`` table. ``chosen`` : names to take, None for all.

    Raises
    ------
    InputError
        There is no such signal, or times of one are out of order.
    """
    known = [str(name) for name in signals["name"].astype(str).unique()]
    names = sorted(known) if chosen is None else chosen
    if missing := [name for name in names if name not in known]:
        raise InputError(
            f"no signal {missing[0]!r}{suggest(missing[0], known)}",
            allowed=", ".join(sorted(known)) or "none: this recording has no signals",
            fix="correct distance.stimulus",
        )
    if taken := [name for name in names if name.isdecimal() or name in CONTRACTS["distance_bins"]]:
        raise InputError(
            f"signal {taken[0]!r} has the name of a column of another kind",
            allowed="names that aren't numbers, time_s or split",
            fix="leave it out of distance.stimulus, or rename it",
        )
    if not names:
        raise InputError(
            "the recording has no signal that could be a stimulus",
            fix="take it off distance.recordings",
        )
    values = np.full((len(names), len(centres_s)), np.nan, np.float32)
    for row, name in enumerate(names):
        one = signals[signals["name"] == name]
        time_s, value = one["time_s"].to_numpy(), one["value"].to_numpy()
        if (np.diff(time_s) < 0).any():
            first = int(np.flatnonzero(np.diff(time_s) < 0)[0])
            raise InputError(
                f"signal {name!r} goes back in time at row {first + 1} ({time_s[first + 1]} s)",
                fix="sort the triggers, and check that no clock was reset",
            )
        last = np.searchsorted(time_s, centres_s, side="right") - 1
        steps = np.diff(time_s)
        longest = min(LONGEST_HELD * np.median(steps), steps.max()) if len(steps) else np.inf
        known_here = (last >= 0) & (centres_s <= time_s[np.maximum(last, 0)] + longest)
        values[row] = np.where(known_here, value[np.maximum(last, 0)], np.nan)
    return tuple(names), values


def make_bins(
    recording: str,
    trains: SpikeTrains,
    unit_ids: Integer[np.ndarray, "unit"],
    signals: pd.DataFrame,
    intervals: pd.DataFrame,
    settings: dict,
    *,
    duration_s: float,
    sampling_rate_hz: float | None,
) -> tuple[Bins, dict[int, str]]:
    """Bin a recording, and drop units that fire too little to learn from.

    Parameters
    ----------
    settings : ``bin_ms``, ``stimulus`` (names, or None for all), ``split`` (blocks as in
        ``spikesieve.counts.split_bins``), ``gap_s``, ``min_training_rate_hz`` (of the paper: 0.75),
        ``max_units`` (the first so many by id, or None).

    Returns
    -------
    The bins, and why units were dropped, by unit id. Bins without a known stimulus, or in an
    interval named ``"invalid"``, belong to no split.

    Raises
    ------
    InputError
        No unit or no stimulus is left, or a split has no bin.
    """
    rate = sampling_rate_hz or 1000 / settings["bin_ms"]
    try:
        n_samples = samples_per_bin(rate, settings["bin_ms"])
        bin_s = n_samples / rate
        n_bins = int(duration_s / bin_s + 1e-6)
        edges = np.arange(n_bins + 1) * bin_s
        centres_s = edges[:-1] + bin_s / 2
        channels, stimulus = stimulus_channels(signals, settings["stimulus"], centres_s)
        valid = np.isfinite(stimulus).all(axis=0)
        valid &= ~touched(edges, intervals[intervals["name"] == INVALID])
        gap_bins = int(np.ceil(settings["gap_s"] / bin_s))
        split = split_bins(n_bins, settings["split"], gap_bins, valid)
        spikes = count_trains(trains, n_bins, n_samples=n_samples, sampling_rate_hz=rate)
        training = split == "train"
        kept, why = _units_to_learn(spikes, unit_ids, split, bin_s, settings)
    except InputError as error:
        text = str(error).replace("counts.bin_ms", "distance.bin_ms")
        text = text.replace("counts.gap_s", "distance.gap_s")
        raise InputError(text, recording=recording) from None
    level = stimulus[:, training].mean(axis=1, keepdims=True)
    spread = stimulus[:, training].std(axis=1, keepdims=True)
    scaled = (stimulus - level) / np.where(spread > 0, spread, 1)
    stimulus = np.nan_to_num(scaled, nan=0.0).astype(np.float32)
    unit_ids = np.asarray(unit_ids)[kept].astype(np.int32)
    return Bins(recording, unit_ids, spikes[kept], channels, stimulus, split, bin_s), why


def _units_to_learn(spikes, unit_ids, split, bin_s, settings) -> tuple[list[int], dict[int, str]]:
    """Return the rows of units to keep, and why the others were dropped."""
    kept, why = [], {}
    lowest, most = settings["min_training_rate_hz"], settings["max_units"]
    for row, unit in enumerate(unit_ids):
        rate = spikes[row, split == "train"].mean() / bin_s
        silent = [s for s in dict.fromkeys(split) if not spikes[row, split == s].any()]
        silent = [s for s in silent if s in ("train", "validation", "test")]
        if rate < lowest:
            why[int(unit)] = f"fires at {rate:.3g} Hz in training bins, less than {lowest} Hz"
        elif silent:
            why[int(unit)] = f"has no spike in {' and '.join(silent)} bins"
        elif most is not None and len(kept) >= most:
            why[int(unit)] = f"{most} units come before it (distance.max_units)"
        else:
            kept.append(row)
    if not kept:
        raise InputError(
            f"no unit is left of {len(unit_ids)}: {'; '.join([*why.values()][:3]) or 'none kept'}",
            fix="lower distance.min_training_rate_hz, or loosen the unit filter",
        )
    return kept, why


def take_units(bins: Bins, unit_ids: list[int] | None) -> Bins:
    """Return the bins of these units, in the order asked for; None takes all.

    Raises
    ------
    InputError
        A unit is not there.
    """
    if unit_ids is None:
        return bins
    known = bins.unit_ids.tolist()
    if missing := [unit for unit in unit_ids if unit not in known]:
        raise InputError(
            f"no unit {missing[0]} among its {len(known)} units",
            recording=bins.recording,
            allowed=", ".join(map(str, known)),
            fix="correct units of the model, or keep that unit (unit filter, distance.max_units)",
        )
    rows = [known.index(unit) for unit in unit_ids]
    return bins._replace(unit_ids=bins.unit_ids[rows], spikes=bins.spikes[rows])


def write_bins(path: str | PathLike, bins: Bins) -> None:
    """Write bins as one Parquet table: a row a bin, a column a unit and a channel."""
    columns = {str(unit): pa.uint8() for unit in bins.unit_ids}
    columns |= {channel: pa.float32() for channel in bins.channels}
    schema = table_schema("distance_bins", columns)
    time_s = np.arange(bins.spikes.shape[1]) * bins.bin_s
    with (
        atomic_path(path) as temporary,
        pq.ParquetWriter(temporary, schema, **PARQUET_OPTIONS) as out,
    ):
        for first in range(0, len(time_s), _ROWS):
            rows = slice(first, first + _ROWS)
            split = pa.array(bins.split[rows], pa.string())
            arrays = [time_s[rows], split, *bins.spikes[:, rows], *bins.stimulus[:, rows]]
            out.write_table(pa.table(arrays, schema=schema))


def read_bins(path: str | PathLike, recording: str) -> Bins:
    """Read what ``write_bins`` wrote.

    Raises
    ------
    ContractError
        The file is missing, damaged or another table.
    """
    file = open_table(path, "distance_bins")
    names = [n for n in file.schema_arrow.names if n not in CONTRACTS["distance_bins"]]
    units = [name for name in names if name.isdecimal()]
    channels = [name for name in names if not name.isdecimal()]
    with damage_named(path):
        table = file.read()
    if len(table) < 2 or not units or not channels:
        raise ContractError(
            f"{len(table)} bins of {len(units)} units and channels {channels}", path=path
        )
    time_s = table["time_s"].to_numpy()
    return Bins(
        recording,
        np.array(units, np.int64).astype(np.int32),
        np.stack([table[name].to_numpy() for name in units]),
        tuple(channels),
        np.stack([table[name].to_numpy() for name in channels]),
        np.array(table["split"].to_pylist(), dtype=object),
        float(time_s[-1] / (len(time_s) - 1)),
    )

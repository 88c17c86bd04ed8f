"""Spike-triggered averages: what the stimulus was, on average, before a unit's spikes."""

from collections.abc import Sequence
from typing import no_type_check

import numba
import numpy as np
import pandas as pd
from jaxtyping import Float, Float32, Integer, UInt8

from spikesieve.errors import InputError


def spike_triggered_average(
    spikes: UInt8[np.ndarray, "unit bin"],
    stimulus: Float32[np.ndarray, "channel _"],
    *,
    n_lags: int,
) -> Float32[np.ndarray, "unit channel lag"]:
    """Average the stimulus up to each spike, around the stimulus' mean.

    ``average[u, c, j] = sum_t n[u, t] (s[c, t - j] - mean(s[c])) / sum_t n[u, t]`` over bins ``t``
    from ``n_lags`` on, the estimate of de Boer and Kuyper (1968). Lag 0 is the spike's own bin,
    lag ``j`` lies ``j`` bins before. As the mean of each channel (over all its bins that are not
    NaN) is taken away, 0 means no relation. It is no correlation: the unit is the stimulus' own.

    A NaN in the stimulus is left out of both sums, for that channel and lag alone. Spikes in the
    first ``n_lags`` bins are left out, as their past is not known. Where nothing is left (a unit
    without spikes, a channel that is NaN throughout), the average is NaN.

    The cost grows with spikes times channels times lags: bins without a spike are skipped.

    Raises
    ------
    InputError
        Spikes and stimulus differ in length; ``n_lags`` does not fit; the stimulus is infinite.
    """
    n_bins = spikes.shape[1]
    if stimulus.shape[1] != n_bins:
        raise InputError(f"{n_bins} bins of spikes, but {stimulus.shape[1]} of the stimulus")
    if not 1 <= n_lags < n_bins:
        raise InputError(f"{n_lags} lags", allowed=f"1 to {n_bins - 1}, one less than the bins")
    if np.isinf(stimulus).any():
        raise InputError("the stimulus is infinite somewhere", allowed="numbers, or NaN for none")
    known = np.isfinite(stimulus)
    centred = np.zeros(stimulus.shape, np.float32)
    for channel, valid in enumerate(known):
        if valid.any():
            values = stimulus[channel, valid]
            centred[channel, valid] = values - values.mean(dtype=np.float64)
    averages = np.empty((len(spikes), len(stimulus), n_lags), np.float32)
    _average(spikes, centred, known, known.all(axis=1), averages)
    return averages


@numba.njit(cache=True, nogil=True)
@no_type_check  # the tests' shape checker cannot wrap what numba compiles
def _average(spikes, stimulus, known, complete, averages):
    """Add up, for each spike, the stretch of the stimulus that ends with it, in order of time.

    So all three arrays are read forwards, which the processor does in blocks; lags run backwards,
    and are turned round as the sums are written.
    """
    n_units, n_bins = spikes.shape
    n_channels, n_lags = averages.shape[1:]
    for unit in range(n_units):
        total = np.zeros((n_channels, n_lags))
        n_seen = np.zeros((n_channels, n_lags), np.int64)
        n_spikes = 0
        for now in range(n_lags, n_bins):
            count = spikes[unit, now]
            if count == 0:
                continue
            n_spikes += count
            first = now - n_lags + 1
            for channel in range(n_channels):
                for step in range(n_lags):
                    total[channel, step] += count * stimulus[channel, first + step]
                if not complete[channel]:
                    for step in range(n_lags):
                        n_seen[channel, step] += count * known[channel, first + step]
        for channel in range(n_channels):
            for step in range(n_lags):
                n = n_spikes if complete[channel] else n_seen[channel, step]
                mean = total[channel, step] / n if n > 0 else np.nan
                averages[unit, channel, n_lags - 1 - step] = mean


def average_table(
    recording: str,
    unit_ids: Integer[np.ndarray, "_"],
    channels: Sequence[str],
    averages: Float[np.ndarray, "unit channel lag"],
    *,
    bin_s: float,
) -> pd.DataFrame:
    """Return averages as table ``stimulus_average``: a row a unit, channel and lag."""
    n_units, n_channels, n_lags = averages.shape
    if (len(unit_ids), len(channels)) != (n_units, n_channels):
        raise InputError(
            f"{len(unit_ids)} unit ids and {len(channels)} channels for averages of "
            f"{n_units} units and {n_channels} channels",
            recording=recording,
        )
    return pd.DataFrame(
        {
            "recording": recording,
            "unit_id": np.repeat(unit_ids.astype(np.int32), n_channels * n_lags),
            "channel": np.tile(np.repeat(np.array(channels, dtype=object), n_lags), n_units),
            "lag_ms": np.tile(np.arange(n_lags) * (1000 * bin_s), n_units * n_channels),
            "value": averages.ravel().astype(np.float32),
        }
    )


def averages_of(
    table: pd.DataFrame, units: pd.DataFrame
) -> tuple[Float[np.ndarray, "unit channel lag"], list[str], Float[np.ndarray, "lag"]]:
    """Return the averages of ``units`` from table ``stimulus_average`` of all their recordings.

    Parameters
    ----------
    units : columns ``recording`` and ``unit_id``; sets the order.

    Returns
    -------
    The averages, NaN for a unit that the table lacks; the channels as they come first; the lags in
    milliseconds before the spike, ascending.

    Raises
    ------
    InputError
        A unit, channel and lag stands twice, or units differ in their channels or lags (averages
        of different stimuli cannot be compared).
    """
    groups = table[["recording", "unit_id"]].groupby(["recording", "unit_id"], observed=True)
    held, held_ids = groups.ngroup().to_numpy(), groups.size().index
    channel, channels = pd.factorize(table["channel"])
    lags, lag = np.unique(table["lag_ms"], return_inverse=True)
    shape = (len(held_ids), len(channels), len(lags))
    cell = np.ravel_multi_index((held, channel, lag), shape) if len(table) else held
    n_rows = np.bincount(cell, minlength=np.prod(shape)).reshape(shape)
    if (n_rows != 1).any():
        unit, *where = np.argwhere(n_rows != 1)[0]
        n, what = n_rows[unit, *where], f"channel {channels[where[0]]!r}, {lags[where[1]]:g} ms"
        raise InputError(
            f"unit {held_ids[unit][1]} has {n} stimulus averages of {what}",
            recording=held_ids[unit][0],
            allowed="one; all units of a map have the same channels and lags",
            fix="make one map for each stimulus",
        )
    averages = np.full((len(units), *shape[1:]), np.nan, np.float32)
    row = held_ids.get_indexer(pd.MultiIndex.from_frame(units[["recording", "unit_id"]]))
    ordered = np.empty(shape, np.float32)
    ordered.reshape(-1)[cell] = table["value"]
    averages[row >= 0] = ordered[row[row >= 0]]
    return averages, list(channels), lags

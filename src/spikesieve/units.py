"""Unit quality: metrics recomputed from the spikes, and the filter that reads them."""

from collections.abc import Callable
from math import ceil
from os import PathLike
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer
from spikeinterface.metrics.quality.misc_metrics import isi_violations, presence_ratio
from tqdm import tqdm

from spikesieve.errors import InputError
from spikesieve.spikes import SpikeTrains

#: Presence is asked for in pieces of at most this many seconds (SpikeInterface's default) ...
PRESENCE_BIN_S = 60.0
#: ... and in at least this many pieces, so that a short recording can still show a gap.
PRESENCE_BINS = 10


class Criterion(NamedTuple):
    """One test of the filter. ``fails(units)`` marks the units that do not pass."""

    name: str
    threshold: object
    fails: Callable[[pd.DataFrame], pd.Series]


def unit_metrics(
    trains: SpikeTrains, *, duration_s: float, isi_threshold_ms: float
) -> dict[str, Float[np.ndarray, "unit"] | Integer[np.ndarray, "unit"]]:
    """Compute the metrics of every unit from its spike train.

    Returns
    -------
    ``n_spikes``; ``firing_rate_hz``; ``isi_violations_ratio`` (Hill, Mehta & Kleinfeld 2011, by
    SpikeInterface: unbounded, not a share, NaN without spikes); ``isi_violations_fraction``
    (violations over intervals, NaN below two spikes); ``presence_ratio`` (share of equal pieces
    of the recording, at most 60 s long and at least 10 of them, with a spike).
    """
    n_spikes = np.diff(trains.offset)
    threshold_s = isi_threshold_ms / 1000
    edges = np.linspace(0, duration_s, max(PRESENCE_BINS, ceil(duration_s / PRESENCE_BIN_S)) + 1)
    ratio, violations, presence = np.full((3, trains.n_units), np.nan)
    for unit in tqdm(range(trains.n_units), "measuring units", disable=None, unit="unit"):
        result = isi_violations([trains.of(unit)], duration_s, isi_threshold_s=threshold_s)
        ratio[unit], _, violations[unit] = result
        presence[unit] = presence_ratio(trains.of(unit), bin_edges=edges)
    intervals = np.where(n_spikes > 1, n_spikes - 1.0, np.nan)
    return {
        "n_spikes": n_spikes,
        "firing_rate_hz": n_spikes / duration_s,
        "isi_violations_ratio": ratio,
        "isi_violations_fraction": violations / intervals,
        "presence_ratio": presence,
    }


def binned_unit_metrics(
    counts: Integer[np.ndarray, "bin unit"], *, duration_s: float
) -> dict[str, Float[np.ndarray, "unit"] | Integer[np.ndarray, "unit"]]:
    """Compute what counts still tell of each unit; intervals between spikes are lost (NaN)."""
    n_spikes = counts.sum(axis=0, dtype=np.int64)
    pieces = min(len(counts), max(PRESENCE_BINS, ceil(duration_s / PRESENCE_BIN_S)))
    present = [piece.any(axis=0) for piece in np.array_split(counts, pieces)]
    unknown = np.full(counts.shape[1], np.nan)
    return {
        "n_spikes": n_spikes,
        "firing_rate_hz": n_spikes / duration_s,
        "isi_violations_ratio": unknown,
        "isi_violations_fraction": unknown,
        "presence_ratio": np.mean(present, axis=0),
    }


def filter_units(
    units: pd.DataFrame, settings: dict, *, recording: str, path: str | PathLike, has_spikes: bool
) -> pd.DataFrame:
    """Return ``units`` with ``isi_violations``, ``kept`` and ``dropped_because`` filled in.

    Parameters
    ----------
    units : ``sorted_units`` with the metrics of ``unit_metrics``.
    settings : the ``units`` section of the configuration; ``None`` switches a criterion off.
    has_spikes : False for a source of counts, where ISI violations cannot be known and that
        criterion is left out.

    Raises
    ------
    InputError
        No unit passes (each threshold's toll is listed), or a criterion needs a column that the
        source does not have.
    """
    units = units.assign(isi_violations=units[f"isi_violations_{settings['isi_method']}"])
    criteria = _criteria(settings, has_spikes)
    about = {"recording": recording, "path": path}
    if settings["max_amplitude_cutoff"] is not None and "amplitude_cutoff" not in units:
        raise InputError(
            "max_amplitude_cutoff is set, but the source has no amplitude_cutoff",
            **about,
            fix=f"set overrides.{recording}.units.max_amplitude_cutoff to null",
        )
    failed = pd.DataFrame({c.name: c.fails(units).astype(bool) for c in criteria}, units.index)
    units["dropped_because"] = failed.apply(lambda row: ", ".join(failed.columns[row]), axis=1)
    units["kept"] = ~failed.any(axis=1)
    if not units["kept"].any():
        tolls = "; ".join(f"{c.name} ({c.threshold}): {failed[c.name].sum()}" for c in criteria)
        raise InputError(
            f"none of {len(units)} units passes the filter. Dropped by {tolls}",
            **about,
            fix=f"loosen the criterion under overrides.{recording}.units in the configuration",
        )
    return units


def _criteria(settings: dict, has_spikes: bool) -> list[Criterion]:
    """Return the criteria that are switched on. NaN never passes: ``not (x <= limit)``."""

    def at_most(name, column, limit):
        return Criterion(name, f"at most {limit}", lambda u: ~(u[column] <= limit))

    def at_least(name, column, limit):
        return Criterion(name, f"at least {limit}", lambda u: ~(u[column] >= limit))

    labels = settings["quality"]
    on = [Criterion("quality", "one of " + ", ".join(labels), lambda u: ~u["quality"].isin(labels))]
    if has_spikes and (limit := settings["max_isi_violations"]) is not None:
        on.append(at_most("isi_violations", "isi_violations", limit))
    if (limit := settings["min_firing_rate_hz"]) is not None:
        on.append(at_least("low_firing_rate", "firing_rate_hz", limit))
    if (limit := settings["max_firing_rate_hz"]) is not None:
        on.append(at_most("high_firing_rate", "firing_rate_hz", limit))
    if (limit := settings["min_presence_ratio"]) is not None:
        on.append(at_least("presence_ratio", "presence_ratio", limit))
    if (limit := settings["max_amplitude_cutoff"]) is not None:
        on.append(at_most("amplitude_cutoff", "amplitude_cutoff", limit))
    if (regions := settings["regions"]) is not None:
        named = "one of " + ", ".join(regions)
        on.append(Criterion("region", named, lambda u: ~u["region"].isin(regions)))
    return on


def drop_table(units: pd.DataFrame) -> pd.DataFrame:
    """Count what each criterion cost: ``n_failing`` units, ``n_only`` by nothing but it."""
    reasons = units["dropped_because"].str.split(", ")
    rows = [
        {
            "criterion": name,
            "n_failing": int(sum(name in r for r in reasons)),
            "n_only": int(sum(r == [name] for r in reasons)),
        }
        for name in dict.fromkeys(r for rs in reasons for r in rs if r)
    ]
    return pd.DataFrame(rows, columns=["criterion", "n_failing", "n_only"])

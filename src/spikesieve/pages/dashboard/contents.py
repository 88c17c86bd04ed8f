"""What a page holds: the tables of a run, as its scripts read them."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Int, Shaped, UInt

from spikesieve.pages.dashboard.activations import (
    by_latent,
    encoded_activations,
    histograms,
    pooled,
)
from spikesieve.pages.dashboard.curves import triggered_lines, tuning_curves
from spikesieve.pages.dashboard.lanes import condition_lanes, split_lane, stimulus_lanes
from spikesieve.pages.dashboard.moments import (
    BINS_AROUND,
    counts_around,
    spikes_around,
    top_moments,
)
from spikesieve.pages.dashboard.rows import (
    companion_rows,
    latent_columns,
    match_columns,
    unit_rows,
)
from spikesieve.spikes import SpikeTrains


class Tables(NamedTuple):
    """The tables of one recording and run: what ``reading.read_tables`` returns.

    ``summary`` to ``coactive`` have rows of this run alone. ``split`` is that of each bin.
    """

    summary: pd.DataFrame
    features: pd.DataFrame
    tuning: pd.DataFrame
    triggered: pd.DataFrame
    sources: pd.DataFrame
    coactive: pd.DataFrame
    latents: pd.DataFrame
    conditions: pd.DataFrame
    intervals: pd.DataFrame
    split: Shaped[np.ndarray, "bin"]


class Firing(NamedTuple):
    """What units did: ``trains``, or ``counts`` where there are no spike times.

    ``unit_ids`` ascend, and are those of the trains or of the counts' columns.
    """

    unit_ids: Int[np.ndarray, "unit"]
    trains: SpikeTrains | None = None
    counts: UInt[np.ndarray, "bin unit"] | None = None


class Detail(NamedTuple):
    """How much a page tells: bins that share one activation (their strongest), and moments of
    each latent.
    """

    bins_together: int
    n_moments: int


def contents(tables: Tables, firing: Firing, detail: Detail, bin_s: float) -> dict:
    """Return all that is shown, with arrays in it, for ``pack``; ``bin_s``: width of a bin in s."""
    ids = tables.summary["latent"].to_numpy()
    activations = by_latent(tables.latents, ids)
    units, strongest = unit_rows(tables.sources, ids)
    n_bins = len(tables.split)
    middle_s = (np.arange(n_bins) + 0.5) * bin_s
    moments = top_moments(activations, detail.n_moments)
    # Places among the page's units -> places among those that fired; -1 stays -1.
    place = np.append(_places(firing.unit_ids, np.array(units["id"], np.int64)), -1)[strongest]
    around = (
        {"spikes": spikes_around(moments, place, firing.trains, bin_s)}
        if firing.trains is not None
        else {"counts": counts_around(moments, place, firing.counts)}
    )
    shown = pooled(activations, detail.bins_together)
    return {
        "n_bins": n_bins,
        "bin_s": bin_s,
        "bins_together": detail.bins_together,
        "latents": latent_columns(tables.summary),
        "matches": match_columns(tables.features, ids),
        "activations": encoded_activations(shown),
        "n_active": np.diff(activations.start).tolist(),
        "histograms": histograms(activations),
        "lanes": [
            *stimulus_lanes(tables.conditions, tables.intervals, middle_s),
            *condition_lanes(tables.conditions, n_bins),
            split_lane(tables.split),
        ],
        "tuning": tuning_curves(tables.tuning, ids),
        "triggered": triggered_lines(tables.triggered, ids),
        "units": units,
        "companions": companion_rows(tables.coactive, ids),
        "moments": {
            "n": detail.n_moments,
            "around": BINS_AROUND,
            "bin": moments.astype(np.int32),
            **around,
        },
    }


def _places(unit_ids: Int[np.ndarray, "unit"], wanted: Int[np.ndarray, "wanted"]):
    return pd.Index(unit_ids).get_indexer(wanted)

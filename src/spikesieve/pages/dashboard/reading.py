"""Reading what a page of features shows of one run."""

from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from spikesieve.count_table import read_counts_table
from spikesieve.pages.dashboard.contents import Firing, Tables
from spikesieve.recording import CONTRACTS, open_table, read_table
from spikesieve.spikes import read_spike_trains

_OF_A_RUN = ("summary", "features", "tuning", "triggered", "sources", "coactive")


def read_tables(
    meaning: str | PathLike,
    conditions: str | PathLike,
    intervals: str | PathLike,
    counts: str | PathLike,
    latents: str | PathLike,
    *,
    seed: int,
) -> tuple[Tables, float]:
    """Return the tables of one run, and the width of its bins in seconds.

    Parameters
    ----------
    meaning : folder of the model's tables, of all its seeds. The others are files.
    """
    own = {name: read_table(Path(meaning) / f"{name}.parquet", name) for name in _OF_A_RUN}
    bins = read_table(counts, "counts", columns=["time_s", "split"])
    tables = Tables(
        **{name: table[table["seed"] == seed] for name, table in own.items()},
        latents=read_table(latents, "latents"),
        conditions=read_table(conditions, "conditions"),
        intervals=read_table(intervals, "intervals"),
        split=bins["split"].to_numpy(object),
    )
    return tables, float(np.median(np.diff(bins["time_s"])))


def read_firing(
    counts: str | PathLike, sources: pd.DataFrame, spikes: str | PathLike | None = None
) -> Firing:
    """Return the spikes of the units in table ``sources``, or all counts where there are none."""
    if spikes is None:
        table = read_counts_table(counts)
        return Firing(table.unit_ids, counts=table.counts)
    names = set(open_table(counts, "counts").schema_arrow.names) - set(CONTRACTS["counts"])
    unit_ids = np.array(sorted(set(map(int, names)) & set(sources["unit_id"])), np.int32)
    return Firing(unit_ids, trains=read_spike_trains(spikes, unit_ids))

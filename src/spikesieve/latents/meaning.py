"""Everything that is said of the meaning of one model's latents: the tables of all its runs."""

from collections.abc import Sequence
from os import PathLike

import numpy as np
import pandas as pd

from spikesieve.count_table import CountTable
from spikesieve.latents.coactivity import coactive_table
from spikesieve.latents.decoding import decoding_tables
from spikesieve.latents.features import Seen, features_table
from spikesieve.latents.reading import judged_split
from spikesieve.latents.runs import Run, network_of, read_runs, weights_of
from spikesieve.latents.sources import ablations, sources_table
from spikesieve.latents.summary import summary_table
from spikesieve.latents.triggered import triggered_table
from spikesieve.latents.tuning import tuning_table
from spikesieve.latents.variables import Variable, variables_of
from spikesieve.recording import CONTRACTS

TABLES = (
    "features",
    "tuning",
    "triggered",
    "sources",
    "coactive",
    "summary",
    "decoding",
    "confusion",
)


def meaning_tables(
    counts: CountTable,
    conditions: pd.DataFrame,
    units: pd.DataFrame,
    folders: Sequence[str | PathLike],
    *,
    recording: str,
    model: str,
    gap_s: float,
    settings: dict,
    tables: Sequence[str] = TABLES,
) -> dict[str, pd.DataFrame]:
    """Return the tables of meaning (``spikesieve.meaning_tables``) of all runs of one model.

    Latents, labels, lags and decoders are chosen on training and validation bins; every score is of
    test bins (without any, validation bins are judged, and training bins choose).

    Parameters
    ----------
    counts, conditions, units : the recording's tables.
    folders : of the runs, one a seed. ``model`` : what they are called in the tables.
    gap_s : what the splits are apart; blocks of a cross-validation are too.
    settings : section ``meaning`` of the configuration.
    tables : which to make; ``("features",)`` is all that a control needs.
    """
    bin_s = float(np.median(np.diff(counts.time_s)))
    variables = variables_of(conditions)
    runs = read_runs(counts, folders)
    every = [_of_run(run, counts, variables, units, bin_s, gap_s, settings, tables) for run in runs]
    joined = {}
    for name in tables:
        parts = [
            one[name].assign(method=run.method, seed=np.int64(run.seed))
            for run, one in zip(runs, every, strict=True)
            if len(one[name])
        ]
        table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
        columns = list(CONTRACTS[name])
        joined[name] = table.assign(recording=recording, model=model).reindex(columns=columns)
    return joined


def split_of(run: Run, counts: CountTable, splits: Sequence[str]) -> Seen:
    """Return a run's activations in the bins of these splits."""
    bins = np.flatnonzero(np.isin(counts.split, splits))
    return Seen(run.latents[bins], bins)


def _of_run(run: Run, counts, variables, units, bin_s, gap_s, settings, tables) -> dict:
    judged = judged_split(counts)
    choice = split_of(run, counts, [s for s in ("train", "validation") if s != judged])
    test = split_of(run, counts, [judged])
    least_shift = int(np.ceil(settings["least_shift_s"] / bin_s))
    found = {}
    found["features"] = features_table(
        choice,
        test,
        variables,
        run.stability,
        lags=lags_in_bins(settings["lags_ms"], bin_s),
        least_shift=least_shift,
        settings=settings,
    )
    if tuple(tables) == ("features",):
        return found
    features, weights = found["features"], weights_of(run, counts)
    active = np.bincount(test.latents.indices, minlength=test.latents.shape[1]) > 0
    network = network_of(run)
    ablated = None
    if network is not None:
        ablated = ablations(*network, counts.counts[test.bins], test.bins, test.latents)
    found["summary"] = summary_table(run, test.latents, weights, features)
    found["tuning"] = tuning_table(test, variables, _lag_of_latent(features, len(active)))
    window = tuple(settings["triggered_s"])
    found["triggered"] = triggered_table(test, variables, features, bin_s=bin_s, window_s=window)
    found["sources"] = sources_table(weights, ablated, counts.unit_ids, units, active)
    found["coactive"] = coactive_table(test.latents, run.level)
    found["decoding"], found["confusion"] = decoding_tables(
        choice,
        test,
        variables,
        _lag_of_variable(features, variables),
        gap_bins=int(np.ceil(gap_s / bin_s)),
        least_shift=least_shift,
        settings=settings,
    )
    return found


def lags_in_bins(lags_ms: Sequence[float], bin_s: float) -> list[int]:
    """Return the distinct lags in bins, to the nearest."""
    return sorted({round(lag / 1000 / bin_s) for lag in lags_ms})


def _lag_of_latent(features: pd.DataFrame, n_latents: int) -> np.ndarray:
    lag = np.zeros(n_latents, dtype=np.int64)
    best = features[features["chosen_by"] == "latent"]
    lag[best["latent"].to_numpy(np.int64)] = best["lag_bins"].to_numpy(np.int64)
    return lag


def _lag_of_variable(features: pd.DataFrame, variables: Sequence[Variable]) -> dict[str, int]:
    """Return the lag that most labels of each variable chose (the shortest of equals)."""
    best = features[features["chosen_by"] == "label"]
    of = {name: group["lag_bins"].mode() for name, group in best.groupby("variable")}
    return {v.name: int(of[v.name].min()) if v.name in of else 0 for v in variables}

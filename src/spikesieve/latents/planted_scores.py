"""Planted features against the latents of every method, in one simulated recording."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from spikesieve.count_table import read_counts_table
from spikesieve.errors import InputError
from spikesieve.evaluation import metric_rows, metrics_table
from spikesieve.ingest.simulated import read_truth
from spikesieve.latents.reading import read_latents
from spikesieve.latents.recovery import features_found
from spikesieve.recording import read_table

SCORES = ("recall", "precision", "f1", "mean_abs_r", "auroc")


def planted_scores(
    truth: str | PathLike,
    counts: str | PathLike,
    runs: Sequence[str | PathLike],
    *,
    recording: str,
    bin_s: float,
) -> pd.DataFrame:
    """Return the rows of ``metrics.parquet`` that say what each run found of the planted features.

    Parameters
    ----------
    truth : ``truth.npz`` of the simulation. ``counts`` : table of counts, ``bin_s`` wide.
    runs : folders of runs, each with ``latents.parquet`` and ``metrics.parquet``. One with
        ``dictionary.parquet`` in the folder above is scored a second time without the latents
        that were pruned there (model ``{model}_pruned``).

    Raises
    ------
    InputError
        ``bin_s`` is no whole multiple of the truth's bins.
    """
    table = read_counts_table(counts)
    test = table.rows("test")
    activation = _at_width(read_truth(truth), bin_s, len(test), recording)[test]
    tables = []
    for run in map(Path, runs):
        names = _names(run)
        n_latents = names.pop("n_latents")
        if not n_latents:
            continue
        latents = read_latents(run / "latents.parquet", test, n_latents)
        tables.append(_scored(activation, latents, names))
        dictionary = run.parent / "dictionary.parquet"
        if dictionary.is_file():
            kept = read_table(dictionary, "dictionary").query("seed == @names['seed'] and kept")
            left = latents[:, kept["latent"].to_numpy()]
            pruned = names | {"model": f"{names['model']}_pruned"}
            tables.append(_scored(activation, left, pruned))
    return pd.concat(tables, ignore_index=True).assign(recording=recording)


def _scored(activation, latents, names: dict) -> pd.DataFrame:
    found = features_found(activation, latents)
    rows = [metric_rows(name, getattr(found, name)) for name in SCORES]
    return metrics_table(pd.concat(rows), recording="", split="test", **names)


def _names(run: Path) -> dict:
    """Return what names a run, and how many latents it has."""
    metrics = read_table(run / "metrics.parquet", "metrics")
    first = metrics.iloc[0]
    density = metrics[metrics["metric"] == "density"]
    n_latents = int(density["latent"].max()) + 1 if len(density) else 0
    about = {"method": first["method"], "model": first["model"], "seed": int(first["seed"])}
    return about | {"n_latents": n_latents}


def _at_width(
    truth: dict, bin_s: float, n_bins: int, recording: str
) -> Float[np.ndarray, "bin feature"]:
    """Return mean activations in bins of another width."""
    activation, own = truth["activation"], float(truth["bin_s"])
    times = round(bin_s / own)
    if times < 1 or abs(times * own - bin_s) > 1e-9:
        raise InputError(
            f"bins of {1000 * bin_s:g} ms",
            recording=recording,
            allowed=f"whole multiples of the {1000 * own:g} ms in which the truth was planted",
        )
    whole = activation[: len(activation) // times * times]
    mean = whole.reshape(-1, times, whole.shape[1]).mean(axis=1)
    return mean[:n_bins]

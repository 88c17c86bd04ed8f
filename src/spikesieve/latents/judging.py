"""The latents of a model's seeds, side by side: which another seed finds, which say the same."""

from os import PathLike

import numpy as np
import pandas as pd

from spikesieve.count_table import CountTable
from spikesieve.latents.matching import SAME_FEATURE
from spikesieve.latents.participation import LEAST_UNITS, effective_units
from spikesieve.latents.reading import judged_split, read_latents
from spikesieve.latents.stability import stability, sure_stability, surely
from spikesieve.sae.checkpoints import read_model
from spikesieve.sae.pruning import prune


def dictionary_table(
    counts: CountTable, runs: list[str | PathLike], *, seeds: list[int]
) -> pd.DataFrame:
    """Judge every latent of a model's runs without truth.

    Parameters
    ----------
    counts : the recording's. ``runs`` : folder of each seed's run.

    Returns
    -------
    A row a seed and latent: ``density`` and ``stability`` on the bins of ``judged_split`` (|r| with
    its one-to-one partner in the other seeds, 0 without one), ``n_units`` (``effective_units``),
    ``stable`` (``sure_stability`` of 0.7 or more), and what pruning says, by activity on the
    training bins: ``kept``, ``merged_into``, ``dropped_because``.
    """
    train, test = counts.rows("train"), counts.rows(judged_split(counts))
    decoders, on_train, held_out = [], [], []
    for run in runs:
        tensors, _ = read_model(run)
        # What latents add up by: what they are read by, or else the decoder.
        decoder = tensors.get("readout0.loadings", tensors["parameters.decoder"][0]).numpy()
        n_latents = len(decoder)
        decoders.append(decoder)
        on_train.append(read_latents(f"{run}/latents.parquet", train, n_latents))
        held_out.append(read_latents(f"{run}/latents.parquet", test, n_latents))
    matched = stability(held_out).matched_r
    tables = []
    for seed, decoder, active, out, r in zip(
        seeds, decoders, on_train, held_out, matched, strict=True
    ):
        least = {"min_stability": SAME_FEATURE, "min_units": LEAST_UNITS}
        pruned = prune(decoder, active, surely(r, out), **least).table
        density = np.bincount(out.indices, minlength=len(decoder)) / max(out.shape[0], 1)
        stable = sure_stability(decoder, r, out) >= SAME_FEATURE
        about = {"density": density, "stability": r, "stable": stable}
        about["n_units"] = effective_units(decoder)
        tables.append(pruned.assign(seed=np.int64(seed), **about))
    first = ["seed", "latent", "density", "stability", "n_units", "stable"]
    every = pd.concat(tables, ignore_index=True)
    return every[[*first, *(c for c in every if c not in first)]]


def stability_metrics(table: pd.DataFrame, split: str) -> pd.DataFrame:
    """Return the rows of ``metrics.parquet`` that ``dictionary_table`` amounts to, of ``split``."""
    rows = table.assign(metric="stability", value=table["stability"])[
        ["seed", "metric", "latent", "value"]
    ]
    by_seed = table.groupby("seed").agg(
        stability_mean=("stability", "mean"),
        stable_fraction=("stable", "mean"),
        n_kept=("kept", "sum"),
    )
    sums = by_seed.reset_index().melt("seed", var_name="metric")
    every = pd.concat([rows, sums.assign(latent=pd.NA)], ignore_index=True)
    return every.astype({"latent": "Int32", "value": np.float64}).assign(
        split=split, unit_id=pd.array([pd.NA] * len(every), "Int32"), bin=pd.NA
    )

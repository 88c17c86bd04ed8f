"""Tuning and triggered averages of every latent, small enough for a page."""

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from spikesieve.pages.dashboard.lanes import labels_of
from spikesieve.pages.dashboard.packing import numbers, sixteen_bits


def tuning_curves(tuning: pd.DataFrame, ids: Int[np.ndarray, "latent"]) -> list[dict]:
    """Return the tuning to each variable: its labels, how many bins have each, and the curves.

    ``line`` has the shape (latent, label, 2): ``mean, sem`` as shares of ``scale`` (latent,).
    """
    curves = []
    for name, rows in tuning.groupby("variable", sort=False):
        labels = labels_of(rows)
        lines = np.full((len(ids), len(labels), 2), np.nan)
        latent = pd.Index(ids).get_indexer(rows["latent"])
        known = latent >= 0
        place = np.searchsorted(labels["order"], rows["order"])
        lines[latent[known], place[known]] = rows[["mean", "sem"]].to_numpy(np.float64)[known]
        n_bins = rows.groupby("order")["n_bins"].max()
        curves.append(
            {
                "name": name,
                "labels": list(map(str, labels["label"])),
                "values": numbers(labels["value"]),
                "n": [int(n) for n in n_bins],
                **_lines(lines),
            }
        )
    return curves


def triggered_lines(triggered: pd.DataFrame, ids: Int[np.ndarray, "latent"]) -> dict:
    """Return averages around the onsets of labels, those of each latent together, highest first.

    ``start`` (latents + 1) says which lines are whose; each has a ``variable``, a ``label``, ``n``
    events, and ``line``, of shape (line, lag, 2): ``mean, sem`` as shares of ``scale`` (line,).
    """
    keys = ["place", "variable", "label"]
    rows = triggered.assign(place=pd.Index(ids).get_indexer(triggered["latent"]))
    rows = rows[rows["place"] >= 0]
    groups = rows.groupby(keys, sort=False).agg(highest=("mean", "max"), n=("n_events", "max"))
    groups = groups.reset_index().sort_values(
        ["place", "variable", "highest"], ascending=[True, True, False], kind="stable"
    )
    lags = np.unique(rows["lag_s"])
    lines = np.full((len(groups), len(lags), 2), np.nan)
    known = pd.MultiIndex.from_frame(groups[keys])
    at = known.get_indexer(pd.MultiIndex.from_frame(rows[keys]))
    place = at[at >= 0], np.searchsorted(lags, rows["lag_s"])[at >= 0]
    lines[place] = rows[["mean", "sem"]].to_numpy(np.float64)[at >= 0]
    n_lines = np.bincount(groups["place"], minlength=len(ids))
    return {
        "start": [0, *np.cumsum(n_lines).tolist()],
        "lags": numbers(lags, 7),
        "variable": list(map(str, groups["variable"])),
        "label": list(map(str, groups["label"])),
        "n": groups["n"].astype(int).tolist(),
        **_lines(lines),
    }


def _lines(values: Float[np.ndarray, "row ..."]) -> dict:
    whole, scale = sixteen_bits(values)
    return {"line": whole, "scale": scale.astype(np.float32)}

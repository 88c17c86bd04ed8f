"""What the tables say of each latent: its row, its matches, its units, its company."""

import numpy as np
import pandas as pd
from jaxtyping import Int

from spikesieve.pages.dashboard.moments import strongest_units
from spikesieve.pages.dashboard.packing import numbers

N_UNITS = 12
N_COMPANIONS = 10
N_MATCHES = 12

_NUMBERS = (
    "density",
    "mean_active",
    "stability",
    "n_units",
    "auroc",
    "chance_auroc",
    "p_corrected",
)
_FLAGS = ("kept", "dead", "dense", "named")
_WORDS = ("variable", "label", "name")
_MATCH_NUMBERS = ("auroc", "chance_auroc", "p_corrected", "selectivity", "coverage", "specificity")


def latent_columns(summary: pd.DataFrame) -> dict[str, list]:
    """Return the columns of table ``summary`` as lists for JSON; words that lack are empty."""
    level = [None if pd.isna(v) else int(v) for v in summary["level"]]
    columns = {"latent": summary["latent"].astype(int).tolist(), "level": level}
    columns |= {name: numbers(summary[name].astype("float64")) for name in _NUMBERS}
    columns |= {name: summary[name].fillna(False).astype(bool).tolist() for name in _FLAGS}
    return columns | {name: _words(summary[name]) for name in _WORDS}


def match_columns(features: pd.DataFrame, ids: Int[np.ndarray, "latent"]) -> dict:
    """Return the best matches of each latent, at most 12, the furthest from chance level first.

    ``start`` (latents + 1) says which rows are whose.
    """
    features = features.assign(
        place=pd.Index(ids).get_indexer(features["latent"]),
        away=-(features["auroc"] - 0.5).abs(),
    )
    features = features[features["place"] >= 0].sort_values(["place", "away"], kind="stable")
    features = features.drop_duplicates(["place", "variable", "label"])
    features = features[features.groupby("place").cumcount() < N_MATCHES]
    n = np.bincount(features["place"], minlength=len(ids))
    return {
        "start": [0, *np.cumsum(n).tolist()],
        "variable": _words(features["variable"]),
        "label": _words(features["label"]),
        "sign": features["sign"].astype(int).tolist(),
        "lag": features["lag_bins"].astype(int).tolist(),
        "n": features["n_bins"].astype(int).tolist(),
        **{name: numbers(features[name].astype("float64"), 4) for name in _MATCH_NUMBERS},
    }


def unit_rows(sources: pd.DataFrame, ids: Int[np.ndarray, "latent"]) -> tuple[dict, np.ndarray]:
    """Return the units, the 12 with the largest weights of each latent, and their places.

    ``unit`` (latent, 12) numbers the rows of ``units``; 65,535 stands for none, and in the array
    that is returned beside, -1.
    """
    units = sources.drop_duplicates("unit_id").sort_values("unit_id")
    latent = pd.Index(ids).get_indexer(sources["latent"])
    known = latent >= 0
    at = latent[known], np.searchsorted(units["unit_id"], sources["unit_id"])[known]
    values = np.full((2, len(ids), len(units)), np.nan)
    for table, name in zip(values, ("weight", "ablation"), strict=True):
        table[at] = sources[name].to_numpy(np.float64)[known]
    order = strongest_units(values[0], min(N_UNITS, len(units)))
    taken = [np.take_along_axis(v, np.maximum(order, 0), 1).astype(np.float32) for v in values]
    return {
        "id": units["unit_id"].astype(int).tolist(),
        "region": _words(units["region"]),
        "depth": numbers(units["depth_um"].astype("float64")),
        "unit": np.where(order < 0, 65_535, order).astype(np.uint16),
        "weight": taken[0],
        "ablation": taken[1],
        "places": order.shape[1],
    }, order


def companion_rows(coactive: pd.DataFrame, ids: Int[np.ndarray, "latent"]) -> dict:
    """Return the latents that are active together with each, at most 10, by Jaccard index."""
    coactive = coactive.assign(place=pd.Index(ids).get_indexer(coactive["latent"]))
    coactive = coactive[(coactive["place"] >= 0) & coactive["other"].isin(ids)]
    coactive = coactive.sort_values(
        ["place", "is_parent", "jaccard"], ascending=[True, False, False], kind="stable"
    )
    coactive = coactive[coactive.groupby("place").cumcount() < N_COMPANIONS]
    n = np.bincount(coactive["place"], minlength=len(ids))
    return {
        "start": [0, *np.cumsum(n).tolist()],
        "other": coactive["other"].astype(int).tolist(),
        "jaccard": numbers(coactive["jaccard"], 3),
        "r": numbers(coactive["r"], 3),
        "parent": coactive["is_parent"].fillna(False).astype(bool).tolist(),
    }


def _words(values: pd.Series) -> list[str]:
    return ["" if pd.isna(v) else str(v) for v in values]

"""How much better one method is than another, where both were judged on the same parts."""

import numpy as np
import pandas as pd
from jaxtyping import Float

N_RESAMPLED = 2_000
#: An interval of fewer pairs than this would say more about the bootstrap than about the methods.
LEAST_PAIRS = 4


def paired_difference(
    scores: pd.DataFrame, name: str, other: str, pair: str
) -> Float[np.ndarray, "3"] | None:
    """Return how much more ``name`` scores than ``other``, and the 95 % interval of that.

    Percentile bootstrap over pairs (Efron and Tibshirani 1993, chapter 13); seeds are averaged
    first. With fewer than ``LEAST_PAIRS`` pairs the interval is NaN. None where a method, or any
    common pair, is missing.

    Parameters
    ----------
    scores : columns ``name``, ``value``, ``pair`` (what both were judged on: a contiguous block of
        test bins, a label) and ``weight`` of each pair.
    """
    each = scores.groupby(["name", pair])[["value", "weight"]].mean()
    if not {name, other} <= set(each.index.get_level_values("name")):
        return None
    one, two = each.loc[name], each.loc[other]
    common = one.index.intersection(two.index)
    if common.empty:
        return None
    gain = (one["value"] - two["value"])[common].to_numpy()
    weight = (one["weight"] + two["weight"])[common].to_numpy() / 2
    middle = (weight * gain).sum() / weight.sum()
    if len(gain) < LEAST_PAIRS:
        return np.array([middle, np.nan, np.nan])
    drawn = np.random.default_rng(0).integers(len(gain), size=(N_RESAMPLED, len(gain)))
    resampled = (weight * gain)[drawn].sum(axis=1) / weight[drawn].sum(axis=1)
    low, high = np.quantile(resampled, [0.025, 0.975])
    return np.array([middle, low, high])

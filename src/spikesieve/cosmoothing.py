"""Co-smoothing: predict units that were hidden from the others, in held-out bins.

A method that merely copies its input can reconstruct everything and predicts nothing here
(Macke et al. 2011; Pei et al. 2021, the Neural Latents Benchmark).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int, Real

from spikesieve.evaluation import metric_rows, summary_rows
from spikesieve.poisson import mean_deviance, pattern_gain, poisson_deviance

N_GROUPS = 10
GROUPS_HIDDEN = 3
_SEED = 20210903


class Cosmoothing(NamedTuple):
    """R2 and bits a spike of each unit, and bits a spike of the pattern of all."""

    r2: Float[np.ndarray, "unit"]
    bits: Float[np.ndarray, "unit"]
    pattern_bits: float


def hidden_masks(n_units: int) -> Bool[np.ndarray, "mask unit"]:
    """Return which units each mask hides: 30 % of them, every unit in three masks.

    Units in a random order, always the same, are dealt into 10 groups; mask ``m`` hides groups
    ``m``, ``m + 1`` and ``m + 2`` (modulo 10). With under 10 units some groups are empty: masks
    that hide nothing, or leave nothing to see, are left out.
    """
    group = np.empty(n_units, int)
    group[np.random.default_rng(_SEED).permutation(n_units)] = np.arange(n_units) % N_GROUPS
    masks = (group - np.arange(N_GROUPS)[:, None]) % N_GROUPS < GROUPS_HIDDEN
    return masks[masks.any(axis=1) & ~masks.all(axis=1)]


def score_cosmoothing(
    predict_hidden: Callable[..., Float[np.ndarray, "bin hidden"]],
    counts: Real[np.ndarray, "bin unit"],
    bins: Int[np.ndarray, "bin"],
    training_mean: Float[np.ndarray, "unit"],
    *,
    unit_ids: Int[np.ndarray, "unit"],
) -> pd.DataFrame:
    """Hide units of held-out bins, predict them from the others, and compare.

    Parameters
    ----------
    predict_hidden : ``(counts, bins, hidden) -> (bin, hidden unit)``, expected counts a bin. It
        is handed counts in which the hidden units are 0.
    training_mean : mean count a bin of each unit in the training bins.

    Returns
    -------
    Columns ``metric, unit_id, latent, bin, value``. ``cosmoothing_r2`` per unit, the mean of its
    masks: one minus the squared error over that of the unit's mean in these bins; null where
    the unit is constant. ``cosmoothing_bits`` per unit: bits a spike gained over predicting
    ``training_mean``, if counts are Poisson; null where the unit is silent here or was in
    training. ``_mean`` and ``_median`` of each over units. ``cosmoothing_pattern_bits``: bits a
    spike gained on which of the hidden units fire, told how many spikes they have in a bin;
    null without any.
    """
    r2, bits, pattern_bits = cosmooth(predict_hidden, counts, bins, training_mean)
    tables = [
        metric_rows("cosmoothing_r2", r2, unit_id=unit_ids),
        metric_rows("cosmoothing_bits", bits, unit_id=unit_ids),
        summary_rows("cosmoothing_r2", r2),
        summary_rows("cosmoothing_bits", bits),
        metric_rows("cosmoothing_pattern_bits", pattern_bits),
    ]
    return pd.concat(tables, ignore_index=True)


def cosmooth(
    predict_hidden: Callable[..., Float[np.ndarray, "bin hidden"]],
    counts: Real[np.ndarray, "bin unit"],
    bins: Int[np.ndarray, "bin"],
    training_mean: Float[np.ndarray, "unit"],
) -> Cosmoothing:
    """Return the scores that ``score_cosmoothing`` explains; arguments as there."""
    n_units = counts.shape[1]
    masks = hidden_masks(n_units)
    error, deviance = np.zeros((2, n_units))
    gained_on_pattern = n_judged = 0.0
    for hidden in masks:
        seen = np.where(hidden, 0, counts).astype(counts.dtype)
        predicted = predict_hidden(seen, bins, hidden).astype(np.float64)
        true = counts[:, hidden].astype(np.float64)
        error[hidden] += ((true - predicted) ** 2).sum(axis=0)
        deviance[hidden] += poisson_deviance(true, predicted, training_mean[hidden])
        gained_on_pattern += pattern_gain(true, predicted, training_mean[hidden])
        n_judged += true[:, training_mean[hidden] > 0].sum()
    times, total = masks.sum(axis=0), counts.var(axis=0, dtype=np.float64) * len(counts)
    n_spikes = counts.sum(axis=0, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        r2 = 1 - error / times / total
        gained = mean_deviance(counts, training_mean) - deviance / times
        bits = gained / (2 * n_spikes * np.log(2))
    r2[(total == 0) | (times == 0)] = np.nan
    bits[(n_spikes == 0) | (training_mean == 0) | (times == 0)] = np.nan
    pattern_bits = gained_on_pattern / n_judged / np.log(2) if n_judged else np.nan
    return Cosmoothing(r2, bits, pattern_bits)

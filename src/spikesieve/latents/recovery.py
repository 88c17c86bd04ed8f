"""Planted features found again among latents."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse
from jaxtyping import Bool, Float

from spikesieve.latents.matching import (
    SAME_FEATURE,
    Activations,
    ActivationsLike,
    as_activations,
    dense,
    match_columns,
)


class FeaturesFound(NamedTuple):
    """How many true features a set of latents found; see ``features_found``.

    ``matches`` has a row a true feature: ``feature``, ``latent`` (null without a partner),
    ``r`` signed, ``auroc``, ``found``; ``r``, ``auroc`` are NaN and ``found`` null for a feature
    that never varies in these bins.
    """

    recall: float
    precision: float
    f1: float
    mean_abs_r: float
    auroc: float
    n_live: int
    matches: pd.DataFrame


def features_found(
    truth: ActivationsLike,
    latents: ActivationsLike,
    *,
    least_r: float = SAME_FEATURE,
) -> FeaturesFound:
    """Match latents to true features, one to one, and count the pairs with ``|r| >= least_r``.

    Both are activations ``(bin, feature)`` and ``(bin, latent)`` of the same held-out bins, as
    arrays, lists, data frames or sparse matrices; truth is 0 while a feature is off.

    Returns
    -------
    FeaturesFound, with ``recall``: share found of the features that vary in these bins;
    ``precision``: pairs found as a share of the ``n_live`` latents that are active (not zero) in
    any of these bins; ``f1``: their harmonic mean; ``mean_abs_r``: over the same features, 0
    for one without a partner; ``auroc``: how well the partner tells on from off bins, on average,
    0.5 without a partner. A partner that correlates negatively is turned round first: its sign
    comes from ``r``, not from the better of two AUROCs. What there is nothing to average over
    (no feature, no live latent) is NaN.

    Raises
    ------
    InputError
        Other bins in one than in the other; values that are not finite; not two axes.
    """
    truth, latents = dense(as_activations(truth)), as_activations(latents)
    pairs = match_columns(truth, latents)
    varies = np.ptp(truth, axis=0) > 0 if len(truth) else np.zeros(truth.shape[1], bool)
    matches = pd.DataFrame(
        {
            "feature": np.arange(truth.shape[1]),
            "latent": pd.array([pd.NA] * truth.shape[1], dtype="Int64"),
            "r": np.where(varies, 0.0, np.nan),
            "auroc": np.where(varies, 0.5, np.nan),
        }
    )
    matches.loc[pairs.left, "latent"] = pairs.right
    matches.loc[pairs.left, "r"] = pairs.r
    on = truth > 0
    by_column = latents.tocsc() if scipy.sparse.issparse(latents) else latents
    matches.loc[pairs.left, "auroc"] = [
        _auroc(on[:, feature], np.sign(r) * dense(by_column[:, [latent]])[:, 0])
        for feature, latent, r in zip(*pairs, strict=True)
    ]
    found = matches.r.abs() >= least_r
    matches["found"] = found.astype("boolean").where(varies)
    n_live, n_found = _n_live(latents), int(found.sum())
    recall = n_found / varies.sum() if varies.any() else np.nan
    precision = n_found / n_live if n_live and varies.any() else np.nan
    return FeaturesFound(
        recall=float(recall),
        precision=float(precision),
        # The harmonic mean, written so that nothing found is 0 and not 0 / 0.
        f1=float(2 * n_found / (n_live + varies.sum())) if varies.any() else np.nan,
        mean_abs_r=float(matches.r.abs().mean()),
        auroc=float(matches.auroc.mean()),
        n_live=n_live,
        matches=matches,
    )


def _n_live(latents: Activations) -> int:
    if scipy.sparse.issparse(latents):
        return len(np.unique(latents.indices[latents.data != 0]))
    return int(np.any(latents != 0, axis=0).sum())


def _auroc(on: Bool[np.ndarray, "bin"], score: Float[np.ndarray, "bin"]) -> float:
    """Return how often a bin that is on scores above one that is off (ties count a half)."""
    n_on, n_off = int(on.sum()), int((~on).sum())
    if not (n_on and n_off):
        return np.nan
    # Here, since importing it takes most users of the package longer than all they do with it.
    from scipy.stats import rankdata

    return float((rankdata(score)[on].sum() - n_on * (n_on + 1) / 2) / (n_on * n_off))

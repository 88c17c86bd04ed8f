"""How well a method reconstructs counts, and how sparsely: the same code for every method."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import scipy.sparse
from jaxtyping import Float, Int, Real

from spikesieve.poisson import mean_deviance, poisson_deviance
from spikesieve.r2 import column_r2
from spikesieve.recording import CONTRACTS

_COLUMNS_AT_ONCE = 64

#: A latent active in a larger share of the bins is dense: it says little about any of them.
DENSE = 0.5


def score_reconstruction(
    counts: Real[np.ndarray, "bin unit"],
    reconstruction: Float[np.ndarray, "bin unit"],
    *,
    unit_ids: Int[np.ndarray, "unit"],
    bins: Int[np.ndarray, "bin"] | None = None,
    training_mean: Float[np.ndarray, "unit"] | None = None,
) -> pd.DataFrame:
    """Compare counts with their reconstruction, both as counts (not normalised), of one split.

    Parameters
    ----------
    bins : numbers of the bins in the counts table; where given, each bin gets its cosine.
    training_mean : mean count a bin of each unit in the training bins; where given, the share of
        the Poisson deviance is scored too.

    Returns
    -------
    Columns ``metric, unit_id, latent, bin, value``. ``r2`` and ``cosine_unit`` per unit: null
    where the unit is constant, or silent, in these bins. ``cosine_bin`` per bin: null where no
    unit fires. A reconstruction of nothing has cosine 0 with anything that is there.
    ``deviance_explained`` per unit: one minus the Poisson deviance over that of predicting
    ``training_mean``; null where the unit was silent in training. Of each, ``_mean`` and
    ``_median`` over what is not null. ``r2_pooled``: one minus the squared error of all units
    over their variance; ``deviance_explained_pooled`` the same with deviances;
    ``r2_population_sum``: R2 of the summed counts of all units.
    """
    r2, variance = _r2(counts, reconstruction)
    by_unit, by_bin = _cosines(counts, reconstruction)
    tables = [
        metric_rows("r2", r2, unit_id=unit_ids),
        metric_rows("cosine_unit", by_unit, unit_id=unit_ids),
        metric_rows("cosine_bin", by_bin, bin=bins) if bins is not None else None,
        metric_rows("r2_pooled", _pooled(r2, variance)),
        metric_rows("r2_population_sum", _population_r2(counts, reconstruction)),
        summary_rows("r2", r2),
        summary_rows("cosine_unit", by_unit),
        summary_rows("cosine_bin", by_bin),
    ]
    if training_mean is not None:
        explained, pooled = _deviance_explained(counts, reconstruction, training_mean)
        tables.append(metric_rows("deviance_explained", explained, unit_id=unit_ids))
        tables.append(metric_rows("deviance_explained_pooled", pooled))
        tables.append(summary_rows("deviance_explained", explained))
    return pd.concat([t for t in tables if t is not None], ignore_index=True)


def score_latents(latents: scipy.sparse.csr_array) -> pd.DataFrame:
    """Describe how sparse the latents ``(bin, latent)`` of one split are.

    ``l0``: active latents a bin on average; ``density`` per latent: share of the bins in which
    it is active. Shares of the latents: ``live_fraction`` active in any bin, ``dead_fraction`` in
    none, ``dense_fraction`` in over half of the bins (null where there are no latents).
    """
    n_bins, n_latents = latents.shape
    active = np.bincount(latents.indices[latents.data != 0], minlength=n_latents)
    shares = {
        "live_fraction": active > 0,
        "dead_fraction": active == 0,
        "dense_fraction": active > DENSE * n_bins,
    }
    tables = [
        metric_rows("l0", active.sum() / n_bins),
        *(metric_rows(name, x.mean() if n_latents else np.nan) for name, x in shares.items()),
        metric_rows("density", active / n_bins, latent=np.arange(n_latents)),
    ]
    return pd.concat(tables, ignore_index=True)


def metrics_table(scores: pd.DataFrame, **names) -> pd.DataFrame:
    """Return ``scores`` with the columns of ``metrics.parquet``; ``names`` fill the others."""
    return scores.assign(**names)[list(CONTRACTS["metrics"])]


def latents_table(latents: scipy.sparse.csr_array, bins: Int[np.ndarray, "bin"]) -> pd.DataFrame:
    """Return the active latents as rows ``bin, latent, activation``, by bin, then by latent.

    ``bins`` are the numbers, ascending, of the bins in the counts table.
    """
    latents = scipy.sparse.csr_array(latents, copy=True)
    latents.eliminate_zeros()
    latents.sort_indices()
    return pd.DataFrame(
        {
            "bin": np.repeat(np.asarray(bins, np.int64), np.diff(latents.indptr)),
            "latent": latents.indices.astype(np.int32),
            "activation": latents.data.astype(np.float32),
        }
    )


def metric_rows(metric: str, value, *, unit_id=None, latent=None, bin=None) -> pd.DataFrame:
    """Return a row a value: of all, or of the units, latents or bins that are named."""
    value = np.atleast_1d(np.asarray(value, dtype=np.float64))

    def column(values, dtype):
        return pd.array([pd.NA] * len(value) if values is None else values, dtype=dtype)

    return pd.DataFrame(
        {
            "metric": metric,
            "unit_id": column(unit_id, "Int32"),
            "latent": column(latent, "Int32"),
            "bin": column(bin, "Int64"),
            "value": value,
        }
    )


def summary_rows(metric: str, values: Float[np.ndarray, "any"]) -> pd.DataFrame:
    """Return ``metric_mean`` and ``metric_median`` over what is not NaN (null if nothing is)."""
    there = values[~np.isnan(values)]
    mean, median = (there.mean(), np.median(there)) if len(there) else (np.nan, np.nan)
    return pd.concat([metric_rows(f"{metric}_mean", mean), metric_rows(f"{metric}_median", median)])


def _pieces(counts, reconstruction, axis: int) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Yield both in double precision, a piece along ``axis`` at a time, to spare memory."""
    step = _COLUMNS_AT_ONCE if axis else max(1, (1 << 22) // counts.shape[1])
    for first in range(0, counts.shape[axis], step):
        part = slice(first, first + step)
        where = (slice(None), part) if axis else part
        yield part, counts[where].astype(np.float64), reconstruction[where].astype(np.float64)


def _r2(counts, reconstruction) -> tuple[Float[np.ndarray, "unit"], Float[np.ndarray, "unit"]]:
    """Return R2 and variance of each unit; R2 is NaN where the variance is 0."""
    r2, variance = np.full((2, counts.shape[1]), np.nan)
    for units, true, predicted in _pieces(counts, reconstruction, axis=1):
        variance[units] = true.var(axis=0)
        r2[units] = column_r2(true, predicted)
    r2[variance == 0] = np.nan
    return r2, variance


def _pooled(r2: Float[np.ndarray, "unit"], variance: Float[np.ndarray, "unit"]) -> float:
    varies = variance > 0
    return np.average(r2[varies], weights=variance[varies]) if varies.any() else np.nan


def _population_r2(counts, reconstruction) -> float:
    """Return R2 of the sum over units; NaN where that is constant."""
    true, predicted = (x.sum(axis=1, dtype=np.float64) for x in (counts, reconstruction))
    return float(column_r2(true[:, None], predicted[:, None])[0])


def _deviance_explained(counts, reconstruction, mean) -> tuple[Float[np.ndarray, "unit"], float]:
    """Return the share of the deviance that is explained: of each unit, and of all together."""
    left, all_there = np.empty((2, counts.shape[1]))
    for units, true, predicted in _pieces(counts, reconstruction, axis=1):
        left[units] = poisson_deviance(true, predicted, mean[units])
        all_there[units] = mean_deviance(true, mean[units])
    counted = (mean > 0) & (all_there > 0)
    left[~counted] = all_there[~counted] = np.nan
    pooled = 1 - np.nansum(left) / np.nansum(all_there) if counted.any() else np.nan
    return 1 - left / all_there, pooled


def _cosines(counts, reconstruction) -> tuple[Float[np.ndarray, "unit"], Float[np.ndarray, "bin"]]:
    """Return the cosine of each unit over bins and of each bin over units."""
    by_bin, sums = np.empty(len(counts)), np.zeros((3, counts.shape[1]))
    for rows, true, predicted in _pieces(counts, reconstruction, axis=0):
        products = np.stack([true * predicted, true**2, predicted**2])
        sums += products.sum(axis=1)
        by_bin[rows] = _cosine(*products.sum(axis=2))
    return _cosine(*sums), by_bin


def _cosine(product, true, predicted):
    """Return ``product / sqrt(true * predicted)``: NaN where ``true`` is 0, 0 where only the
    other is."""
    norm = np.sqrt(true * predicted)
    cosine = np.divide(product, norm, out=np.zeros_like(norm), where=norm > 0)
    return np.where(true > 0, cosine, np.nan)

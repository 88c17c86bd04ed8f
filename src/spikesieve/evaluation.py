"""How well a method reconstructs counts, and how sparsely: the same code for every method."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import scipy.sparse
from jaxtyping import Float, Int, Real
from sklearn.metrics import r2_score

from spikesieve.recording import CONTRACTS

_COLUMNS_AT_ONCE = 64


def score_reconstruction(
    counts: Real[np.ndarray, "bin unit"],
    reconstruction: Float[np.ndarray, "bin unit"],
    *,
    unit_ids: Int[np.ndarray, "unit"],
    bins: Int[np.ndarray, "bin"] | None = None,
) -> pd.DataFrame:
    """Compare counts with their reconstruction, both as counts (not normalised), of one split.

    Parameters
    ----------
    bins : numbers of the bins in the counts table; where given, each bin gets its cosine.

    Returns
    -------
    Columns ``metric, unit_id, latent, bin, value``. ``r2`` and ``cosine_unit`` per unit: null
    where the unit is constant, or silent, in these bins. ``r2_pooled``: one minus the squared
    error of all units over their variance. ``cosine_bin`` per bin: null where no unit fires.
    A reconstruction of nothing has cosine 0 with anything that is there. Of each of the three,
    ``_mean`` and ``_median`` over what is not null.
    """
    r2, variance = _r2(counts, reconstruction)
    by_unit, by_bin = _cosines(counts, reconstruction)
    tables = [
        _rows("r2", r2, unit_id=unit_ids),
        _rows("cosine_unit", by_unit, unit_id=unit_ids),
        _rows("cosine_bin", by_bin, bin=bins) if bins is not None else None,
        _rows("r2_pooled", _pooled(r2, variance)),
    ]
    for name, values in (("r2", r2), ("cosine_unit", by_unit), ("cosine_bin", by_bin)):
        there = values[~np.isnan(values)]
        tables.append(_rows(f"{name}_mean", there.mean() if len(there) else np.nan))
        tables.append(_rows(f"{name}_median", np.median(there) if len(there) else np.nan))
    return pd.concat([t for t in tables if t is not None], ignore_index=True)


def score_latents(latents: scipy.sparse.csr_array) -> pd.DataFrame:
    """Describe how sparse the latents ``(bin, latent)`` of one split are.

    ``l0``: active latents a bin on average; ``density`` per latent: share of the bins in which
    it is active; ``live_fraction``: share of the latents active in any bin (null without any).
    """
    n_bins, n_latents = latents.shape
    active = np.bincount(latents.indices[latents.data != 0], minlength=n_latents)
    tables = [
        _rows("l0", active.sum() / n_bins),
        _rows("live_fraction", (active > 0).mean() if n_latents else np.nan),
        _rows("density", active / n_bins, latent=np.arange(n_latents)),
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


def _rows(metric: str, value, *, unit_id=None, latent=None, bin=None) -> pd.DataFrame:
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
        if len(true) > 1:
            r2[units] = r2_score(true, predicted, multioutput="raw_values")
    r2[variance == 0] = np.nan
    return r2, variance


def _pooled(r2: Float[np.ndarray, "unit"], variance: Float[np.ndarray, "unit"]) -> float:
    varies = variance > 0
    return np.average(r2[varies], weights=variance[varies]) if varies.any() else np.nan


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

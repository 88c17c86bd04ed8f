"""What latents do around the moment a label begins, in held-out bins."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy.sparse
from jaxtyping import Int

from spikesieve.latents.features import Seen
from spikesieve.latents.variables import Variable, rows_told

#: Labels of a latent's variable whose beginnings it is averaged around: its own, and so many of
#: those that go with its highest activity.
OTHERS = 3


def triggered_table(
    test: Seen,
    variables: Sequence[Variable],
    features: pd.DataFrame,
    *,
    bin_s: float,
    window_s: tuple[float, float],
) -> pd.DataFrame:
    """Return mean activations around the bins in which a label of a latent's best variable begins.

    Parameters
    ----------
    features : the run's features table; latents that are silent in the test bins are left out.
    window_s : from and to, around the beginning.

    Returns
    -------
    Columns ``latent``, ``variable``, ``label``, ``lag_s`` (from the left edge of the event's first
    bin to that of the bin), ``mean``, ``sem`` over events, ``n_events`` (bins outside the test
    split are left out, so it may vary).
    """
    columns, parts = scipy.sparse.csc_array(test.latents).astype(np.float64), []
    lags = np.arange(round(window_s[0] / bin_s), round(window_s[1] / bin_s) + 1)
    best = features[features["chosen_by"] == "latent"]
    best = best[np.diff(columns.indptr)[best["latent"].to_numpy(np.int64)] > 0]
    by_name = {variable.name: variable for variable in variables}
    for name, group in best.groupby("variable", sort=False):
        variable, rows = by_name[name], rows_told(by_name[name], test.bins, 0)
        latents = group["latent"].to_numpy(np.int64)
        own = np.array([variable.labels.index(label) for label in group["label"]])
        first = rows.drop_duplicates(["code", "event"])  # rows are in order of bins
        shown = _shown(rows, columns[:, latents], own, len(variable.labels))
        for code in np.flatnonzero(shown.any(axis=0)):
            begins = first.loc[first["code"] == code, "row"].to_numpy()
            mine = latents[shown[:, code]]
            found = _averaged(columns[:, mine], _around(begins, test.bins, lags))
            about = {"variable": name, "label": variable.labels[code]}
            lag_s = np.tile(lags * bin_s, len(mine))
            latent = np.repeat(mine.astype(np.int32), len(lags))
            parts.append(pd.DataFrame({"latent": latent, **about, "lag_s": lag_s, **found}))
    if not parts:
        return pd.DataFrame()
    return pd.concat(parts, ignore_index=True).sort_values(
        "latent", kind="stable", ignore_index=True
    )


def _shown(rows: pd.DataFrame, columns, own, n_labels: int):
    """Return ``(latent, label)``: a latent's own label, and the ``OTHERS`` strongest."""
    code, n_bins = rows["code"].to_numpy(), columns.shape[0]
    of_label = scipy.sparse.csr_array(
        (np.ones(len(rows)), (code, rows["row"].to_numpy())), (n_labels, n_bins)
    )
    n = np.bincount(code, minlength=n_labels)
    mean = (of_label @ columns).toarray().T / np.maximum(n, 1)
    mean[:, n == 0] = -np.inf
    mean[np.arange(len(own)), own] = np.inf
    shown = np.zeros(mean.shape, bool)
    order = np.argsort(-mean, axis=1, kind="stable")[:, : 1 + OTHERS]
    np.put_along_axis(shown, order, True, axis=1)
    return shown & ((n > 0) | (np.arange(n_labels) == own[:, None]))


def _around(
    row: Int[np.ndarray, "event"], bins: Int[np.ndarray, "bin"], lags: Int[np.ndarray, "lag"]
) -> scipy.sparse.csr_array:
    """Return ``(lag, bin)``: how many events have the bin at that lag."""
    wanted = (bins[row][:, None] + lags).ravel()
    place = np.minimum(np.searchsorted(bins, wanted), len(bins) - 1)
    there = bins[place] == wanted
    lag = np.tile(np.arange(len(lags)), len(row))[there]
    ones = np.ones(int(there.sum()))
    return scipy.sparse.csr_array((ones, (lag, place[there])), (len(lags), len(bins)))


def _averaged(columns, around: scipy.sparse.csr_array) -> dict:
    """Return mean, standard error and number of events: latent by latent, lag by lag."""
    n = np.asarray(around.sum(axis=1)).ravel()[:, None]
    n_latents = columns.shape[1]
    sums, squares = (around @ columns).toarray(), (around @ columns.power(2)).toarray()
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = sums / n
        sem = np.sqrt(np.maximum(squares - n * mean**2, 0) / (n * (n - 1)))
    sem = np.where(n > 1, sem, np.nan)
    n_events = np.tile(n.ravel().astype(np.int64), n_latents)
    return {"mean": mean.T.ravel(), "sem": sem.T.ravel(), "n_events": n_events}

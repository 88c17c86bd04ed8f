"""What latents do under each label, and around the moment a label begins; of held-out bins."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy.sparse
from jaxtyping import Float, Int

from spikesieve.latents.features import Seen
from spikesieve.latents.variables import Variable, rows_told

_LATENTS_AT_ONCE = 256
#: Labels of a latent's variable whose beginnings it is averaged around, its best ones.
TRIGGERING = 6


def tuning_table(
    test: Seen, variables: Sequence[Variable], lag_bins: Int[np.ndarray, "latent"]
) -> pd.DataFrame:
    """Return each active latent's mean activation under each label.

    Parameters
    ----------
    lag_bins : how far each latent lags behind, as its best label has it.

    Returns
    -------
    Columns ``latent``, ``variable``, ``label``, ``order``, ``value`` (the label's mean value, on
    the circle for angles; NaN for classes), ``mean`` (over bins), ``sem``, ``n_bins``. ``sem`` is
    the standard error over events, weighted by their bins: bins of one presentation are not
    independent. It is NaN where there is one.
    """
    columns, parts = scipy.sparse.csc_array(test.latents), []
    alive = np.flatnonzero(np.diff(columns.indptr))
    for lag in np.unique(lag_bins[alive]):
        mine = alive[lag_bins[alive] == lag]
        for variable in variables:
            rows = rows_told(variable, test.bins, int(lag))
            if len(rows):
                parts += _tuned(columns, mine, variable, rows)
    if not parts:
        return pd.DataFrame()
    return pd.concat(parts, ignore_index=True).sort_values(
        ["latent", "variable", "order"], kind="stable", ignore_index=True
    )


def _tuned(columns, latents, variable: Variable, rows: pd.DataFrame) -> list[pd.DataFrame]:
    code, event, value = (rows[c].to_numpy() for c in ("code", "event", "value"))
    keys, group = np.unique(np.stack([code, event]), axis=1, return_inverse=True)
    group = group.ravel()
    weight = np.bincount(group).astype(float)  # bins of each event
    ones = np.ones(len(rows))
    sums = scipy.sparse.csr_array(
        (ones, (group, rows["row"].to_numpy())), (len(weight), columns.shape[0])
    )
    known, place = np.unique(keys[0], return_inverse=True)
    of_label = scipy.sparse.csr_array((np.ones(len(place)), (place, np.arange(len(place)))))
    n_bins = np.asarray(of_label @ weight)
    about = {
        "variable": variable.name,
        "label": np.array(variable.labels, dtype=object)[known],
        "order": known.astype(np.int32),
        "value": _values(variable, code, value, known),
        "n_bins": n_bins.astype(np.int64),
    }
    parts = []
    for first in range(0, len(latents), _LATENTS_AT_ONCE):
        some = latents[first : first + _LATENTS_AT_ONCE]
        total = (sums @ columns[:, some]).toarray()
        mean, sem = _mean_and_error(total, weight, of_label, n_bins)
        grid = {name: np.tile(v, len(some)) for name, v in about.items() if np.ndim(v)}
        parts.append(
            pd.DataFrame(
                {
                    "latent": np.repeat(some.astype(np.int32), len(known)),
                    "variable": variable.name,
                    "mean": mean.T.ravel(),
                    "sem": sem.T.ravel(),
                    **grid,
                }
            )
        )
    return parts


def _mean_and_error(total, weight, of_label, n_bins):
    """Return the mean over bins of each label, and its error over events (ratio estimator)."""
    mean = (of_label @ total) / n_bins[:, None]
    residual = total - weight[:, None] * (of_label.T @ mean)
    n_events = np.asarray(of_label.sum(axis=1)).ravel()[:, None]
    squares = of_label @ np.square(residual)
    with np.errstate(divide="ignore", invalid="ignore"):
        sem = np.sqrt(squares * n_events / (n_events - 1)) / n_bins[:, None]
    return mean, np.where(n_events > 1, sem, np.nan)


def _values(variable: Variable, code, value, known) -> Float[np.ndarray, "label"]:
    if variable.kind == "class":
        return np.full(len(known), np.nan)
    if variable.kind == "value":
        return np.array([value[code == c].mean() for c in known])
    return np.array([_circular_mean(value[code == c]) for c in known])


def _circular_mean(angle: Float[np.ndarray, "row"]) -> float:
    """Return the mean of angles within one label: they lie close together, but maybe around 0."""
    near = angle[0] + (angle - angle[0] + 90) % 180 - 90
    return float(near.mean() % 360) if angle.max() >= 180 else float(near.mean() % 180)


def triggered_table(
    test: Seen,
    variables: Sequence[Variable],
    features: pd.DataFrame,
    *,
    bin_s: float,
    window_s: tuple[float, float],
) -> pd.DataFrame:
    """Return mean activations around the bins in which a label begins, for each latent's best
    variable and the ``TRIGGERING`` labels that go with its highest activity there.

    Parameters
    ----------
    features : the run's features table. ``window_s`` : from and to, around the beginning.

    Returns
    -------
    Columns ``latent``, ``variable``, ``label``, ``lag_s`` (start of the bin after the event's
    first bin), ``mean``, ``sem`` over events, ``n_events`` (bins outside the test split are left
    out, so it may vary).
    """
    columns, parts = scipy.sparse.csc_array(test.latents), []
    lags = np.arange(round(window_s[0] / bin_s), round(window_s[1] / bin_s) + 1)
    best = features[features["chosen_by"] == "latent"]
    by_name = {variable.name: variable for variable in variables}
    for name, group in best.groupby("variable", sort=False):
        rows = rows_told(by_name[name], test.bins, 0)
        first = rows.drop_duplicates(["code", "event"])  # rows are in order of bins
        around = _around(first["row"].to_numpy(), test.bins, lags)
        for latent, label in zip(group["latent"], group["label"], strict=True):
            activity = columns[:, [latent]].toarray().ravel()
            own = by_name[name].labels.index(label)
            chosen = _strongest(rows, activity, own)
            parts.append(
                _averaged(around, first, activity, chosen, by_name[name], latent, lags * bin_s)
            )
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _strongest(rows: pd.DataFrame, activity, own: int) -> list[int]:
    """Return the code of a latent's label, and those of the strongest others."""
    code = rows["code"].to_numpy()
    n = np.bincount(code)
    mean = np.bincount(code, activity[rows["row"].to_numpy()]) / np.maximum(n, 1)
    others = [c for c in np.argsort(-mean, kind="stable") if n[c] and c != own]
    return [own, *others[: TRIGGERING - 1]]


def _around(row, bins, lags) -> Int[np.ndarray, "event lag"]:
    """Return the place of each bin around each event, -1 where it is not among ``bins``."""
    wanted = bins[row][:, None] + lags
    place = np.minimum(np.searchsorted(bins, wanted), len(bins) - 1)
    return np.where(bins[place] == wanted, place, -1)


def _averaged(around, first, activity, chosen, variable: Variable, latent: int, lag_s):
    parts = []
    for code in chosen:
        place = around[(first["code"] == code).to_numpy()]
        there = place >= 0
        values = np.where(there, activity[place], 0.0)
        n = there.sum(axis=0)
        mean = np.divide(values.sum(axis=0), n, out=np.full(len(n), np.nan), where=n > 0)
        squares = np.where(there, np.square(values - mean), 0.0).sum(axis=0)
        sem = np.sqrt(np.divide(squares, n * (n - 1), out=np.full(len(n), np.nan), where=n > 1))
        about = {"latent": np.int32(latent), "variable": variable.name}
        numbers = {"lag_s": lag_s, "mean": mean, "sem": sem, "n_events": n.astype(np.int64)}
        parts.append(pd.DataFrame({**about, "label": variable.labels[code], **numbers}))
    return pd.concat(parts, ignore_index=True)

"""What latents do under each label, in held-out bins."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy.sparse
from jaxtyping import Float, Int

from spikesieve.latents.features import Seen
from spikesieve.latents.variables import Variable, rows_told

_LATENTS_AT_ONCE = 256


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

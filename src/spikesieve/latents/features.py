"""Names of latents: for each latent its best label, for each label its best latent, and proof.

Latent, label, lag and threshold are chosen on training and validation bins. On the test bins the
chosen pair is scored once, against shifts of the labels. A name needs an effect, significance after
correction, and a latent that another training finds again.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse
from jaxtyping import Float, Int

from spikesieve.latents.chance import chance_areas, corrected, shifts_of
from spikesieve.latents.measures import Measures, best_threshold, column_of, measure
from spikesieve.latents.ranks import areas, rank_deviations
from spikesieve.latents.variables import Told, Variable, told
from spikesieve.recording import CONTRACTS

#: Significance that a name needs after correction.
ALPHA = 0.05
#: Pairs are chosen on about so many bins of a variable, evenly spread: more choose no better.
CHOSEN_ON = 50_000
_LATENTS_AT_ONCE = 512


class Seen(NamedTuple):
    """A run's activations ``(bin, latent)`` in some bins, and these bins' numbers, ascending."""

    latents: scipy.sparse.csr_array
    bins: Int[np.ndarray, "bin"]


def features_table(
    choice: Seen,
    test: Seen,
    variables: Sequence[Variable],
    stability: Float[np.ndarray, "latent"],
    *,
    lags: Sequence[int],
    least_shift: int,
    settings: dict,
) -> pd.DataFrame:
    """Return a row a latent (``chosen_by`` "latent") and a row a label (``chosen_by`` "label").

    Parameters
    ----------
    choice, test : activations in the bins that choose, and in those that are reported.
    stability : of each latent across seeds; NaN where there is one run only, and then not asked.
    lags : bins that activity may lag behind a label. ``least_shift`` : bins, for chance.
    settings : ``min_bins`` (of a label, members and others, and of a latent's activity, to be
        tried), ``n_shifts``, ``effect`` (least distance of the area from 0.5 for a name),
        ``min_stability``.

    Returns
    -------
    Columns of ``features`` but for ``recording``, ``method``, ``model``, ``seed``. ``auroc`` and
    all after it up to ``d_prime`` are of the test bins, turned round where ``sign`` is -1 (being
    low signals the label). ``p_corrected`` is over the rows of the same ``chosen_by``.
    """
    pairs = _chosen(choice, test, variables, lags, settings["min_bins"])
    if pairs.empty:
        return _empty()
    rows = []
    for (number, lag), group in pairs.groupby(["number", "lag_bins"], sort=True):
        variable = variables[number]
        rows.append(_judged(group, choice, test, variable, lag, least_shift, settings))
    table = pd.concat(rows).sort_index()
    for _, mine in table.groupby("chosen_by"):
        table.loc[mine.index, "p_corrected"] = corrected(mine["p"].to_numpy())
    table["stability"] = stability[table["latent"]]
    steady = table["stability"].isna() | (table["stability"] >= settings["min_stability"])
    effect = table["auroc"] >= 0.5 + settings["effect"]
    table["named"] = effect & (table["p_corrected"] <= ALPHA) & steady
    return table.drop(columns=["number", "code"]).reset_index(drop=True)


def _chosen(choice: Seen, test: Seen, variables, lags, min_bins: int) -> pd.DataFrame:
    """Return the best pair of each latent and of each label by the bins that choose."""
    active = np.bincount(choice.latents.indices, minlength=choice.latents.shape[1])
    alive = np.flatnonzero(active >= min_bins)
    columns = scipy.sparse.csc_array(choice.latents)[:, alive]
    best, about = [], []
    for variable in variables:
        by_lag = []
        for lag in lags:
            seen = told(variable, choice.bins, lag)
            judged = _enough(seen, min_bins) & _enough(told(variable, test.bins, lag), min_bins)
            by_lag.append(np.where(judged[:, None], _areas_of_all(columns, seen) - 0.5, 0.0))
        stacked = np.stack(by_lag)  # (lag, label, latent)
        at = np.abs(stacked).argmax(axis=0)
        best.append(np.take_along_axis(stacked, at[None], axis=0)[0])
        about.append(at)
    if not best or not len(alive):
        return pd.DataFrame()
    area, at = np.concatenate(best), np.concatenate(about)
    number = np.repeat(np.arange(len(variables)), [len(v.labels) for v in variables])
    code = np.concatenate([np.arange(len(v.labels)) for v in variables])
    tried = np.abs(area).max(axis=1) > 0
    latent, label = np.arange(len(alive)), np.flatnonzero(tried)
    # Of two labels either tells as much as the other: being active is what names, not being silent.
    strength = np.abs(area) + 1e-9 * (area > 0)
    every_label, every_latent = strength.argmax(axis=0), strength.argmax(axis=1)
    chosen = [("latent", every_label, latent), ("label", label, every_latent[label])]
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "chosen_by": by,
                    "latent": alive[j].astype(np.int32),
                    "number": number[i],
                    "code": code[i],
                    "lag_bins": np.asarray(lags, np.int32)[at[i, j]],
                    "sign": np.where(area[i, j] < 0, -1, 1).astype(np.int32),
                    "auroc_choice": 0.5 + np.abs(area[i, j]),
                }
            )
            for by, i, j in chosen
        ],
        ignore_index=True,
    ).loc[lambda pairs: pairs["auroc_choice"] > 0.5]


def _areas_of_all(columns: scipy.sparse.csc_array, seen: Told) -> Float[np.ndarray, "label latent"]:
    """Return the area of every label and latent; ranks are never held as a whole."""
    some = slice(None, None, max(1, len(seen.rows) // CHOSEN_ON))
    rows, members = seen.rows[some], seen.members[:, some]
    area = np.empty((members.shape[0], columns.shape[1]))
    for first in range(0, columns.shape[1], _LATENTS_AT_ONCE):
        piece = slice(first, first + _LATENTS_AT_ONCE)
        area[:, piece] = areas(*rank_deviations(columns[:, piece][rows]), members)
    return area


def _enough(seen: Told, min_bins: int):
    n = np.asarray(seen.members.sum(axis=1)).ravel()
    return (n >= min_bins) & (seen.members.shape[1] - n >= min_bins)


def _judged(group, choice: Seen, test: Seen, variable, lag: int, least_shift, settings):
    """Return the rows of pairs that share a variable and a lag, scored on test bins."""
    before, after = told(variable, choice.bins, lag), told(variable, test.bins, lag)
    latent, place = np.unique(group["latent"], return_inverse=True)
    chosen = scipy.sparse.csc_array(choice.latents[before.rows][:, latent])
    held_out = scipy.sparse.csc_array(test.latents[after.rows][:, latent])
    deviations, zero_rank = rank_deviations(held_out)
    code, sign = group["code"].to_numpy(), group["sign"].to_numpy()
    area = areas(deviations, zero_rank, after.members)[code, place]
    area = 0.5 + sign * (area - 0.5)
    n_bins = len(after.rows)
    shifts = shifts_of(n_bins, settings["n_shifts"], least_shift)
    chance = chance_areas(
        deviations[:, place], zero_rank[place], after.members[code], sign, area, shifts
    )
    scores, thresholds = [], []
    for j, i, s in zip(place.tolist(), code.tolist(), sign.tolist(), strict=True):
        was, now = (m[[i]].toarray()[0] > 0 for m in (before.members, after.members))
        threshold = best_threshold(column_of(chosen, j, s), was)
        thresholds.append(s * threshold)
        scores.append(measure(column_of(held_out, j, s), now, threshold))
    return group.assign(
        variable=variable.name,
        label=np.array(variable.labels, dtype=object)[code],
        n_bins=np.asarray(after.members.sum(axis=1)).ravel()[code].astype(np.int64),
        threshold=thresholds,
        auroc=area,
        chance_auroc=chance.high,
        p=chance.p,
        **dict(zip(Measures._fields, np.array(scores).T, strict=True)),
    )


def _empty() -> pd.DataFrame:
    names = ("recording", "method", "model", "seed")
    return pd.DataFrame({c: [] for c in CONTRACTS["features"] if c not in names})

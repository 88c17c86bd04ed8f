"""What was going on in each bin: intervals and signals as labels that latents are held against.

A *variable* is one question about a bin (which stimulus? which orientation? how fast?), a *label*
one answer to it. Variables made of intervals know bins inside these only: an orientation is told
from other orientations, not from grey screen.
"""

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Shaped

from spikesieve.latents.labelling import (
    coarse_labels,
    held_at,
    joint_labels,
    labels_of,
    left_out,
    mean_in_bins,
)
from spikesieve.recording import CONTRACTS, INVALID

#: The variable that tells names of intervals apart, and its label of bins in no interval.
STIMULUS, NONE = "stimulus", "(none)"
#: A signal with at most so many values is one of classes: lamps, reward, direction of a run.
FEW_VALUES = 10


def conditions_table(
    intervals: pd.DataFrame,
    signals: pd.DataFrame,
    time_s: Float[np.ndarray, "bin"],
    split: Shaped[np.ndarray, "bin"],
    *,
    bin_s: float,
    settings: dict,
) -> pd.DataFrame:
    """Return the ``conditions`` table: a row a bin and variable that the bin has a label of.

    Variables are ``stimulus`` (the intervals' names), the intervals' condition columns, joint ones
    (a position of two coordinates), and signals averaged a bin. A bin belongs to an interval by its
    centre. A column that several kinds of interval have is a variable of each: ``"flashes color"``.
    Numbers with few values are classes; others fall into quantile bins, whose edges come from
    training and validation bins, or, for angles, into eight sectors. A variable with a single label
    is left out, as there is nothing to tell apart.

    Parameters
    ----------
    intervals, signals : the recording's tables.
    time_s, split : each bin's left edge in s, and its split.
    settings : section ``meaning`` of the configuration (``quantiles``, ``max_classes``,
        ``min_repeats``, ``leave_out``, ``angles``, ``joint``).
    """
    centre = time_s + bin_s / 2
    seen = np.isin(split, ["train", "validation"])
    parts = [
        *_interval_variables(intervals[intervals["name"] != INVALID], centre, seen, settings),
        *_signal_variables(signals, time_s, bin_s, seen, settings),
    ]
    told = [part for part in parts if _varies(part["label"])]
    if not told:
        columns = CONTRACTS["conditions"]
        return pd.DataFrame({name: [] for name in columns}).astype({"bin": int, "event": int})
    table = pd.concat(told, ignore_index=True)
    return table.astype({"order": np.int32, "bin": np.int64, "event": np.int64})[
        list(CONTRACTS["conditions"])
    ]


def _interval_variables(intervals, centre, seen, settings) -> list[pd.DataFrame]:
    intervals = intervals.sort_values("start_s", kind="stable", ignore_index=True)
    bins, rows = bins_inside(intervals, centre)
    if not len(bins):
        return []
    shown = intervals.iloc[rows].reset_index(drop=True)
    parts = [_stimulus(shown["name"].astype(str).to_numpy(), bins, rows, len(centre))]
    taken = {STIMULUS}
    for column, names in _columns_of(intervals, settings).items():
        for name in names:
            mine = (shown["name"] == name).to_numpy()
            variable = column if len(names) == 1 and column not in taken else f"{name} {column}"
            found = _labelled(shown, column, mine, bins, rows, seen, settings)
            if found is not None:
                taken.add(variable)
                parts.append(found.assign(variable=variable))
    return parts


def _columns_of(intervals: pd.DataFrame, settings: dict) -> dict[str, list[str]]:
    """Return condition columns, joint ones last, and the names of intervals that differ in them."""
    own = [c for c in intervals if c not in ("start_s", "stop_s", "name")]
    own = [c for c in own if not left_out(c, settings["leave_out"])]
    groups = dict(list(intervals.groupby("name", sort=False)))
    differ = {
        column: [str(n) for n, group in groups.items() if _varies(group[column])] for column in own
    }
    for name, joint in settings["joint"].items():
        together = [set(differ.get(column, ())) for column in joint["of"]]
        both = set.intersection(*together)
        differ[name] = [str(n) for n in groups if str(n) in both]
    return {column: names for column, names in differ.items() if names}


def _labelled(shown, column, mine, bins, rows, seen, settings) -> pd.DataFrame | None:
    """Return the labels of one column in the bins of one kind of interval."""
    of_interval, first = np.unique(rows[mine], return_index=True)
    each = shown[mine].iloc[first]  # a row an interval
    learnt = seen[bins[mine][first]]
    if column in settings["joint"] and column not in shown:
        joint = settings["joint"][column]
        parts = [each[c].reset_index(drop=True) for c in joint["of"]]
        if levels := joint.get("levels"):
            parts = [coarse_labels(part, levels) for part in parts]
        labels = joint_labels(parts, settings)
    else:
        labels = labels_of(column, each[column].reset_index(drop=True), learnt, settings)
    if labels is None:
        return None
    place = np.searchsorted(of_interval, rows[mine])
    table = labels.iloc[place].reset_index(drop=True).assign(bin=bins[mine], event=rows[mine])
    return table.dropna(subset="label", ignore_index=True)


def _varies(column: pd.Series) -> bool:
    return len(column.dropna().unique()) > 1


def bins_inside(
    intervals: pd.DataFrame, centre: Float[np.ndarray, "bin"]
) -> tuple[Int[np.ndarray, "pair"], Int[np.ndarray, "pair"]]:
    """Return pairs of bins and of rows of ``intervals`` that their centres (s) lie in."""
    first = np.searchsorted(centre, intervals["start_s"].to_numpy(), side="left")
    stop = np.searchsorted(centre, intervals["stop_s"].to_numpy(), side="left")
    n = stop - first
    rows = np.repeat(np.arange(len(intervals)), n)
    offset = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
    return first[rows] + offset, rows


def _stimulus(names, bins, rows, n_bins: int) -> pd.DataFrame:
    """Return which kind of interval each bin lies in, ``NONE`` for those in none."""
    free = np.setdiff1d(np.arange(n_bins), bins)
    runs = np.cumsum(np.diff(free, prepend=-2) > 1)
    labels = np.concatenate([names, np.full(len(free), NONE)]).astype(str)
    known = [*dict.fromkeys(names), NONE]
    order = pd.Categorical(labels, known).codes
    return pd.DataFrame(
        {
            "variable": STIMULUS,
            "kind": "class",
            "bin": np.concatenate([bins, free]),
            "event": np.concatenate([rows, rows.max(initial=0) + runs]),
            "value": np.nan,
            "label": labels,
            "order": order,
        }
    )


def _signal_variables(signals, time_s, bin_s, seen, settings) -> list[pd.DataFrame]:
    parts = []
    for name, rows in signals.groupby("name", observed=True, sort=False):
        rows = rows.dropna(subset="value").sort_values("time_s", kind="stable")
        if left_out(str(name), settings["leave_out"]) or rows.empty:
            continue
        when, value = rows["time_s"].to_numpy(float), rows["value"].to_numpy(float)
        if rows["value"].nunique() <= FEW_VALUES:
            held = held_at(when, value, time_s + bin_s / 2)
        else:
            edges = np.append(time_s, time_s[-1] + bin_s)
            held = mean_in_bins(when, value, edges, settings["angles"].get(str(name)))
        there = np.flatnonzero(np.isfinite(held))
        labels = labels_of(str(name), pd.Series(held[there]), seen[there], settings)
        if labels is not None and len(there):
            changes = (np.diff(there) > 1) | np.diff(labels["order"].to_numpy()).astype(bool)
            event = np.concatenate([[0], np.cumsum(changes)])
            parts.append(labels.assign(variable=str(name), bin=there, event=event))
    return parts

"""What was going on in each bin, as lanes under the activation: stimulus, conditions, splits."""

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Shaped

from spikesieve.counts import GAP, MASKED, SPLITS
from spikesieve.pages.dashboard.packing import numbers, smallest_unsigned

#: Names of lanes: which kind of interval a bin lies in, and which split it belongs to.
STIMULUS, SPLIT = "stimulus", "split"


def lane(name: str, kind: str, labels: list[str], code: Int[np.ndarray, "bin"], values=None):
    """Return a lane: ``code`` 0 is nothing, ``n`` the ``n``-th label.

    ``kind`` is that of the condition, ``interval`` or ``split``. ``values``: labels' centres, where
    they stand for values.
    """
    return {
        "name": name,
        "kind": kind,
        "labels": labels,
        "values": values,
        "code": smallest_unsigned(code),
    }


def stimulus_lanes(
    conditions: pd.DataFrame, intervals: pd.DataFrame, middle_s: Float[np.ndarray, "bin"]
) -> list[dict]:
    """Return the lane of which interval each bin's middle lies in; of several, the last to start.

    None where there is no interval, or where conditions tell it already.
    """
    if not len(intervals) or (conditions["variable"] == STIMULUS).any():
        return []
    names = list(dict.fromkeys(intervals["name"]))
    code = np.zeros(len(middle_s), np.int64)
    ordered = intervals.sort_values("start_s", kind="stable")
    number = pd.Index(names).get_indexer(ordered["name"]) + 1
    first = np.searchsorted(middle_s, ordered["start_s"])
    last = np.searchsorted(middle_s, ordered["stop_s"])
    for start, stop, value in zip(first, last, number, strict=True):
        code[start:stop] = value
    return [lane(STIMULUS, "interval", names, code)]


def split_lane(split: Shaped[np.ndarray, "bin"]) -> dict:
    """Return which split each bin belongs to."""
    names = [*SPLITS, GAP, MASKED]
    return lane(SPLIT, "split", names, pd.Index(names).get_indexer(split) + 1)


def condition_lanes(conditions: pd.DataFrame, n_bins: int) -> list[dict]:
    """Return a lane a variable of table ``conditions``, with its labels in their order."""
    lanes = []
    for name, rows in conditions.groupby("variable", sort=False):
        labels = labels_of(rows)
        code = np.zeros(n_bins, np.int64)
        code[rows["bin"]] = np.searchsorted(labels["order"], rows["order"]) + 1
        kind = rows["kind"].iloc[0]
        values = None if kind == "class" else numbers(labels["value"])
        lanes.append(lane(name, kind, list(map(str, labels["label"])), code, values))
    return lanes


def labels_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Return ``order``, ``label`` and mean ``value`` of the labels of one variable, in order."""
    found = rows.groupby("order").agg(label=("label", "first"), value=("value", "mean"))
    return found.reset_index()

"""From tables of spikes (unit, bin, method) to counts, for the figures that show spike trains."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Int64

from spikesieve.errors import InputError
from spikesieve.figures.distance_methods import TRUE_RATE, ordered

#: Name of the true spikes where they stand beside the methods'.
TRUTH = "truth"


def shown_methods(configured: Sequence[str] | None, inferred: pd.DataFrame) -> list[str] | None:
    """Return the methods to show: all that were configured, in their order, then the true rate.

    A method that placed no spike is in no table of spikes, but has its place in a figure. ``None``
    where it is not known what was configured: those of the table.
    """
    if configured is None:
        return None
    known = [TRUE_RATE] if (inferred["method"] == TRUE_RATE).any() else []
    return list(dict.fromkeys([*configured, *known]))


def train_counts(
    spikes: pd.DataFrame, unit_ids: list[int], first_bin: int, n_bins: int
) -> Int64[np.ndarray, "unit bin"]:
    """Return counts of each unit in bins ``[first_bin, first_bin + n_bins)``; others are left out.

    Parameters
    ----------
    spikes : columns ``unit_id`` and ``bin``, a row a spike.
    """
    index = pd.Index(unit_ids).get_indexer(spikes["unit_id"])
    bins = spikes["bin"].to_numpy() - first_bin
    inside = (index >= 0) & (bins >= 0) & (bins < n_bins)
    counts = np.zeros((len(unit_ids), n_bins), np.int64)
    np.add.at(counts, (index[inside], bins[inside]), 1)
    return counts


def method_counts(
    truth: pd.DataFrame,
    inferred: pd.DataFrame,
    methods: Sequence[str] | None,
    first_bin: int,
    n_bins: int,
) -> tuple[list[int], np.ndarray, dict[str, np.ndarray]]:
    """Return the unit ids, true counts (unit, bin), and those of each method in order.

    Units are those with true spikes in the span. ``methods`` : where given, these are counted (one
    that inferred no spike is in no table), else those in ``inferred``.

    Raises
    ------
    InputError
        The span holds no bin.
    """
    if n_bins < 1:
        raise InputError(f"a span of {n_bins} bins", allowed="at least one")
    here = truth["bin"].between(first_bin, first_bin + n_bins - 1)
    unit_ids = sorted(int(u) for u in truth.loc[here, "unit_id"].unique())
    names = ordered(inferred["method"] if methods is None else methods)
    each = {
        m: train_counts(inferred[inferred["method"] == m], unit_ids, first_bin, n_bins)
        for m in names
    }
    return unit_ids, train_counts(truth, unit_ids, first_bin, n_bins), each

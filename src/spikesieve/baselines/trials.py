"""Trials of equal length, cut from intervals: what a tensor of trials is made of."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Real

from spikesieve.errors import InputError, suggest
from spikesieve.recording import INVALID

#: A trial is as long as this quantile of the intervals; shorter ones are left out.
SHORT = 0.1
#: Slower than any trial; what lasts longer is a block of the experiment.
LONGEST_S = 60.0


class Trials(NamedTuple):
    """Where trials start in the counts table, and how many bins each has."""

    name: str
    first_bin: Int[np.ndarray, "trial"]
    n_bins: int


def find_trials(
    intervals: pd.DataFrame, time_s: Float[np.ndarray, "bin"], name: str | None = None
) -> Trials:
    """Return the trials that intervals named ``name`` are.

    A trial starts with the bin whose left edge is nearest to the interval's start, and has as many
    bins as fit into nine of ten of the intervals. Trials that overlap one before are left out.

    Parameters
    ----------
    intervals : table ``intervals``. ``time_s`` : left edges of the bins of the counts table.
    name : of the intervals; None takes the name that covers most time in intervals of two bins to a
        minute.

    Raises
    ------
    InputError
        No interval has that name, or none is two bins long.
    """
    usable = intervals[intervals["name"] != INVALID]
    bin_s = float(np.median(np.diff(time_s))) if len(time_s) > 1 else np.inf
    length = usable["stop_s"] - usable["start_s"]
    known = list(usable["name"].unique())
    if name is None:
        fit = usable.assign(length=length)[(length >= 1.99 * bin_s) & (length <= LONGEST_S)]
        covered = fit.groupby("name", sort=False)["length"].sum()
        if covered.empty:
            raise InputError(
                f"sliceTCA: no interval is from 2 bins ({2 * bin_s:g} s) to {LONGEST_S:g} s long",
                fix="leave slicetca out for this recording, or take narrower bins",
            )
        name = covered.idxmax()
    if name not in known:
        raise InputError(
            f"no interval is named {name!r}{suggest(str(name), known)}",
            allowed=", ".join(known) or "none: the recording has no intervals",
        )
    own = usable["name"] == name
    # A width of 0.05 is no binary number: 0.25 s hold five bins, not four.
    n_bins = int(np.quantile(length[own], SHORT) / bin_s + 1e-6)
    if n_bins < 2:
        raise InputError(
            f"sliceTCA: intervals {name!r} are {n_bins} bins long",
            allowed="2 or more",
            fix="name longer ones (trials), or take narrower bins",
        )
    long_enough = own & (length >= (n_bins - 1e-6) * bin_s)
    first = np.round((usable["start_s"][long_enough] - time_s[0]) / bin_s).astype(int).to_numpy()
    first = np.unique(first[(first >= 0) & (first + n_bins <= len(time_s))])
    return Trials(str(name), _apart(first, n_bins), n_bins)


def whole_trials(trials: Trials, bins: Int[np.ndarray, "bin"]) -> Int[np.ndarray, "trial place"]:
    """Return the rows of the trials that a block of bins holds whole; ``bins`` are ascending."""
    wanted = trials.first_bin[:, None] + np.arange(trials.n_bins)
    rows = np.searchsorted(bins, wanted)
    there = rows < len(bins)
    there[there] = bins[rows[there]] == wanted[there]
    return rows[there.all(axis=1)]


def trial_tensor(
    x: Real[np.ndarray, "bin unit"], rows: Int[np.ndarray, "trial place"]
) -> Real[np.ndarray, "trial unit place"]:
    """Return the trials as one tensor."""
    return x[rows].transpose(0, 2, 1)


def _apart(first: Int[np.ndarray, "start"], n_bins: int) -> Int[np.ndarray, "trial"]:
    kept, end = [], -1
    for start in first.tolist():
        if start >= end:
            kept.append(start)
            end = start + n_bins
    return np.array(kept, dtype=int)

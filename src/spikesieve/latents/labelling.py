"""Values as labels: classes, quantile bins, sectors of a circle; signals averaged in bins."""

from collections.abc import Sequence
from fnmatch import fnmatch
from itertools import pairwise

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

#: Sectors that a continuous angle falls into.
SECTORS = 8
#: A sample counts until the next, but for at most so many seconds or typical steps.
LONGEST_HOLD_S, LONGEST_HOLD_STEPS = 1.0, 10
#: The Allen Institute's text for a condition that does not apply.
NO_VALUE = ("null", "")


def left_out(name: str, patterns: Sequence[str]) -> bool:
    """Say whether a variable's name matches one of ``patterns`` (``*`` stands for anything)."""
    return any(fnmatch(name, pattern) for pattern in patterns)


def labels_of(
    name: str, values: pd.Series, learnt: Bool[np.ndarray, "row"], settings: dict
) -> pd.DataFrame | None:
    """Return ``kind``, ``value``, ``label``, ``order`` of each of ``values``, None where too many.

    Few distinct values, each ``min_repeats`` times on average, are classes (angles, where the name
    is one of ``angles``). More numbers become quantile bins with edges from the rows in ``learnt``,
    or eight sectors of the circle; other classes cannot be told apart and give None. Missing values
    keep a missing label.
    """
    missing = values.isna() | values.isin(NO_VALUE)
    if missing.all():
        return None
    numeric = pd.api.types.is_numeric_dtype(values) and values.dtype != bool
    n_distinct = values[~missing].nunique()
    repeated = (~missing).sum() / n_distinct >= settings["min_repeats"]
    period = settings["angles"].get(name) if numeric else None
    numbers = values.astype(float).to_numpy() if numeric else None
    if period and np.nanmax(numbers) >= 180:
        period = 360.0  # "orientations" beyond 180 degrees are directions of motion
    if n_distinct <= settings["max_classes"] and repeated:
        return _classes(values.where(~missing), period)
    if not numeric:
        return None
    return _sectors(numbers, period) if period else _quantiles(numbers, learnt, settings)


def _classes(values: pd.Series, period: float | None) -> pd.DataFrame:
    if pd.api.types.is_numeric_dtype(values) and values.dtype != bool:
        values = values.astype(float) if period is None else values.astype(float) % period
    else:
        values = values.astype("string")
    known = sorted(values.dropna().unique())
    end = "°" if period else ""
    text = [f"{v:.10g}{end}" if not isinstance(v, str) else v for v in known]
    code = pd.Categorical(values, known).codes
    label = np.array([*text, None], dtype=object)[code]
    value = values.to_numpy(float) if period else np.nan
    return _labels("angle" if period else "class", value, label, code)


def _quantiles(numbers, learnt, settings) -> pd.DataFrame | None:
    known = numbers[learnt & np.isfinite(numbers)]
    if not len(known):
        return None
    edges = np.unique(np.quantile(known, np.linspace(0, 1, settings["quantiles"] + 1)))
    if len(edges) < 3:
        return None
    code = np.searchsorted(edges[1:-1], numbers, side="right")
    code[~np.isfinite(numbers)] = -1
    text = [*_spans(edges), None]
    return _labels("value", numbers, np.array(text, dtype=object)[code], code)


def _sectors(numbers, period: float) -> pd.DataFrame:
    width = period / SECTORS
    code = np.floor((numbers % period) / width)
    code = np.where(np.isfinite(code), np.minimum(code, SECTORS - 1), -1).astype(int)
    text = [f"{i * width:g}° to {(i + 1) * width:g}°" for i in range(SECTORS)]
    return _labels("angle", numbers % period, np.array([*text, None], dtype=object)[code], code)


def _labels(kind: str, value, label, code) -> pd.DataFrame:
    return pd.DataFrame({"kind": kind, "value": value, "label": label, "order": code})


def _spans(edges) -> list[str]:
    """Return "a to b" of neighbouring edges, in as few digits as tell them apart."""
    for digits in (3, 4, 6, 10):
        text = [f"{edge:.{digits}g}" for edge in edges]
        if len(set(text)) == len(text):
            break
    return [f"{a} to {b}" for a, b in pairwise(text)]


def coarse_labels(values: pd.Series, levels: int) -> pd.Series:
    """Return numbers grouped into ``levels`` groups of equally many distinct values, as text.

    Fewer distinct values than levels stay as they are.
    """
    known = np.unique(values.dropna().to_numpy(float))
    if len(known) <= levels:
        return values
    group = np.arange(len(known)) * levels // len(known)
    text = {
        value: f"{known[group == g][0]:g} to {known[group == g][-1]:g}"
        for value, g in zip(known, group, strict=True)
    }
    ordered = list(dict.fromkeys(text.values()))
    return pd.Series(pd.Categorical(values.astype(float).map(text), ordered, ordered=True))


def joint_labels(parts: list[pd.Series], settings: dict) -> pd.DataFrame | None:
    """Return each combination of several columns' values as one class, ``"-30, 20"``."""
    codes, texts = [], []
    for part in parts:
        known = pd.Categorical(part)
        texts.append([f"{v:.10g}" if isinstance(v, float) else str(v) for v in known.categories])
        codes.append(known.codes.astype(int))
    there = np.all([code >= 0 for code in codes], axis=0)
    shape = tuple(map(len, texts))
    flat = np.where(there, np.ravel_multi_index([np.maximum(c, 0) for c in codes], shape), -1)
    used = np.unique(flat[there])
    if not 1 < len(used) <= settings["max_classes"]:
        return None
    places = zip(*np.unravel_index(used, shape), strict=True)
    text = [", ".join(t[i] for t, i in zip(texts, place, strict=True)) for place in places]
    code = np.where(there, np.searchsorted(used, flat), -1)
    return _labels("class", np.nan, np.array([*text, None], dtype=object)[code], code)


def _hold_s(when: Float[np.ndarray, "sample"]) -> float:
    step = np.median(np.diff(when)) if len(when) > 1 else 0.0
    return max(LONGEST_HOLD_S, LONGEST_HOLD_STEPS * step)


def held_at(
    when: Float[np.ndarray, "sample"],
    value: Float[np.ndarray, "sample"],
    time_s: Float[np.ndarray, "moment"],
) -> Float[np.ndarray, "moment"]:
    """Return the last sample before each moment; NaN before the first and long after any."""
    index = np.searchsorted(when, time_s, side="right") - 1
    fresh = (index >= 0) & (time_s - when[index] <= _hold_s(when))
    return np.where(fresh, value[index], np.nan)


def mean_in_bins(
    when: Float[np.ndarray, "sample"],
    value: Float[np.ndarray, "sample"],
    edges: Float[np.ndarray, "edge"],
    period: float | None = None,
) -> Float[np.ndarray, "bin"]:
    """Return the mean over each bin of a signal that keeps its value until the next sample.

    NaN where samples cover less than half of a bin. Angles of ``period`` degrees are averaged as
    points on the circle (Fisher 1993, "Statistical analysis of circular data", 2.3).
    """
    if period:
        turn = 2 * np.pi / period
        x, y = (mean_in_bins(when, f(value * turn), edges) for f in (np.cos, np.sin))
        return np.arctan2(y, x) / turn % period
    length = np.minimum(np.diff(when, append=np.inf), _hold_s(when))
    total = np.concatenate([[0], np.cumsum(value * length)])
    covered = np.concatenate([[0], np.cumsum(length)])
    index = np.searchsorted(when, edges, side="right") - 1
    inside = np.minimum(edges - when[index], length[index])
    before = index < 0
    sums = np.where(before, 0, total[index] + value[index] * inside)
    times = np.where(before, 0, covered[index] + inside)
    time = np.diff(times)
    enough = time >= np.diff(edges) / 2
    mean = np.divide(np.diff(sums), time, out=np.full(len(time), np.nan), where=enough)
    return mean.astype(np.float32).astype(np.float64)  # sums leave a trace of rounding

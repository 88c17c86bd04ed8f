"""Ways from a prediction to spikes: how they are named, ordered and coloured, and their scores."""

import re
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from spikesieve.figures import style

#: Method, in the order to draw them -> how it reads, its colour, its marker. Colours are those of
#: Okabe & Ito; markers tell apart what a colour alone may not. ``poisson_N``: after ``sampled``.
METHODS = {
    "joint": ("joint", style.VERMILION, "o"),
    "em": ("em", style.BLUE, "s"),
    "em_counted": ("em counted", "#00408A", "H"),
    "exact": ("exact", style.SKY, "D"),
    "gradient": ("gradient", style.PURPLE, "v"),
    "cumulative": ("cumulative", style.GREEN, "^"),
    "sampled": ("sampled", style.ORANGE, "P"),
    "none": ("no spikes", style.GREY, ""),
    "true_rate": ("true rate", style.BLACK, "*"),
}
#: Not rivals: what silence gets, and what is possible where the true rates are known.
TRUE_RATE = "true_rate"
CONTROLS = ("none", TRUE_RATE)
#: Colours of methods that are not known here, in the order in which they come.
_OTHERS = ("#882255", "#5B3A8C", "#00665E", "#A0522D")
#: Of ``poisson_N``: shades of the fewest and of the most bins, and a marker and a dash for each
#: doubling of N. They depend on N alone, so that a method looks alike in every figure.
_POISSON_BINS, _POISSON_SHADES = (5, 160), ("#CDC22C", "#4A4300")
_POISSON_MARKERS = ("X", "<", ">", "p", "h", "d")
_POISSON_DASHES = ("-", (0, (5, 1)), (0, (4, 1, 1, 1)), (0, (1, 1)), (0, (3, 2)), (0, (7, 1, 1, 1)))
#: Between a method and its model, where a method has several.
_BY = ", "
_DASHES = ("-", "--", ":", "-.")

N_BOOTSTRAPS = 2000


def method_of(name: str) -> str:
    """Return the method of a name that may carry a model."""
    return name.split(_BY)[0]


def ordered(names: Iterable[str]) -> list[str]:
    """Return the different names in the order to draw them, unknown methods last."""
    rank = {method: (number, 0) for number, method in enumerate(METHODS)}

    def place(name: str) -> tuple[int, int]:
        method = method_of(name)
        n = _poisson_bins(method)
        return (rank["sampled"][0], n) if n else rank.get(method, (len(rank), 0))

    return sorted(dict.fromkeys(names), key=place)


def pretty(name: str, *said: str) -> str:
    """Return a method's name as it reads in a figure; its model, and what is ``said``, in brackets.

    Too long a name loses its middle.
    """
    method, *model = name.split(_BY, 1)
    text = METHODS[method][0] if method in METHODS else method.replace("_", " ")
    if n := _poisson_bins(method):
        text = f"Poisson, {style.plural(n, 'bin')}"
    brackets = _BY.join([*model, *said])
    return style.shortened(text + (f" ({brackets})" if brackets else ""), 30)


def _poisson_bins(method: str) -> int:
    """Return N of ``poisson_N``, 0 for any other method."""
    found = re.fullmatch(r"poisson_([1-9]\d*)", method)
    return int(found[1]) if found else 0


def looks(names: Sequence[str]) -> dict[str, dict]:
    """Return colour, marker and line style of each name: a colour a method, a dash a model."""
    known = {method: look[1:] for method, look in METHODS.items()}
    methods = dict.fromkeys(map(method_of, names))
    unknown = [m for m in methods if m not in METHODS and not _poisson_bins(m)]
    known |= {m: (_OTHERS[i % len(_OTHERS)], "o") for i, m in enumerate(unknown)}
    found, models = {}, {}
    for name in names:
        method = method_of(name)
        number = models[method] = models.get(method, -1) + 1
        if n := _poisson_bins(method):
            found[name] = _poisson_look(n, number)
            continue
        colour, marker = known[method]
        dash = "--" if method in CONTROLS else _DASHES[number % len(_DASHES)]
        found[name] = {"color": colour, "marker": marker, "linestyle": dash}
    return found


def _poisson_look(n_bins: int, number: int) -> dict:
    """Return how ``poisson_N`` looks, its model the one of this number."""
    first, last = _POISSON_BINS
    doublings = np.log2(n_bins / first)
    share = np.clip(doublings / np.log2(last / first), 0, 1)
    light, dark = map(np.array, map(to_rgb, _POISSON_SHADES))
    place = round(float(doublings))
    return {
        "color": to_hex(light + share * (dark - light)),
        "marker": _POISSON_MARKERS[place % len(_POISSON_MARKERS)],
        "linestyle": _POISSON_DASHES[(place + number) % len(_POISSON_DASHES)],
    }


def unit_scores(scores: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return one value a method, metric, scale and unit: the mean over seeds.

    Only units that every method scores and that have true spikes (a count ratio) are kept, so
    that all means are over the same units. A correlation that is undefined because a prediction
    never varies counts as 0: it tells nothing.

    Parameters
    ----------
    scores : tables ``scores``, any number of methods and seeds in each.

    Returns
    -------
    Columns ``name`` (the method; with its model where a method has several), ``unit_id``,
    ``metric``, ``scale_ms``, ``value``.
    """
    every = pd.concat([*scores], ignore_index=True)
    several = every.groupby("method")["model"].transform("nunique") > 1
    name = every["method"].where(~several, every["method"] + _BY + every["model"])
    every = every.assign(name=name)
    if len(set(every["recording"])) > 1:  # an id is one recording's own
        every["unit_id"] = every.groupby(["recording", "unit_id"], sort=False).ngroup()
    ratio = every[(every["metric"] == "count_ratio") & every["value"].notna()]
    n_methods = ratio.groupby("unit_id")["name"].nunique()
    common = n_methods.index[n_methods == every["name"].nunique()]
    keys = ["name", "unit_id", "metric", "scale_ms"]
    means = every[every["unit_id"].isin(common)].groupby(keys, dropna=False, sort=False)
    means = means["value"].mean().reset_index()
    flat = (means["metric"] == "correlation") & means["value"].isna()
    return means.assign(value=means["value"].mask(flat, 0.0))


def scores_at(units: pd.DataFrame, metric: str, scale_ms: float) -> pd.DataFrame:
    """Return the table (unit, name) of one metric at one scale; empty where there is none."""
    chosen = (units["metric"] == metric) & np.isclose(units["scale_ms"], scale_ms)
    wide = units[chosen].pivot_table(index="unit_id", columns="name", values="value", sort=False)
    return wide[ordered(wide.columns)].sort_index()


def mean_interval(values: Float[np.ndarray, "unit"]) -> tuple[float, float, float]:
    """Return the mean over units and the ends of its 95 % bootstrap interval.

    Units are drawn with replacement, always in the same way; with one unit there is no interval,
    without any there is no mean (NaN).
    """
    values = values[np.isfinite(values)]
    n = len(values)
    if n < 2:
        return (float(values[0]) if n else np.nan), np.nan, np.nan
    drawn = np.random.default_rng(0).integers(0, n, (N_BOOTSTRAPS, n))
    low, high = np.quantile(values[drawn].mean(axis=1), [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


def explain_methods(figure: Figure, names: Sequence[str], **others: Line2D) -> None:
    """Write the legend of the methods, and of ``others``, below all panels."""
    handles = {
        pretty(name): Line2D([], [], linewidth=1.2, markersize=4, **look)
        for name, look in looks(names).items()
    }
    handles |= {text.replace("_", " "): line for text, line in others.items()}
    if not handles:
        return
    columns = len(handles)
    while columns > 1 and _legend_length([*handles], columns) > style.LEGEND_LENGTH:
        columns -= 1
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=columns)


def _legend_length(texts: list[str], columns: int) -> int:
    """Return about how many characters wide a legend is: it is filled column by column, and each
    is as wide as its longest text and its line."""
    full, rest = divmod(len(texts), columns)
    sizes = [full + (number < rest) for number in range(columns)]
    ends = np.cumsum(sizes)
    parts = [texts[end - size : end] for size, end in zip(sizes, ends, strict=True)]
    return sum(max(map(len, part)) + 11 for part in parts)

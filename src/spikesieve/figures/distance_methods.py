"""Ways from a prediction to spikes: how they are named, ordered and coloured, and their scores."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from spikesieve.figures import style

#: Method, in the order to draw them -> how it reads, its colour, its marker. Colours are those of
#: Okabe & Ito and one more dark red; markers tell apart what a colour alone may not.
METHODS = {
    "joint": ("joint", style.VERMILION, "o"),
    "em": ("em", style.BLUE, "s"),
    "exact": ("exact", style.SKY, "D"),
    "gradient": ("gradient", style.PURPLE, "v"),
    "cumulative": ("cumulative", style.GREEN, "^"),
    "sampled": ("sampled", style.ORANGE, "P"),
    "sampled_counts": ("sampled counts", "#882255", "X"),
    "none": ("no spikes", style.GREY, ""),
    "true_rate": ("true rate", style.BLACK, "*"),
}
#: Not rivals: what silence gets, and what is possible where the true rates are known.
CONTROLS = ("none", "true_rate")
#: Colours of methods that are not known here, in the order in which they come.
_OTHERS = ("#8A6D00", "#5B3A8C", "#00665E", "#A0522D")
#: Between a method and its model, where a method has several.
_BY = ", "
_DASHES = ("-", "--", ":", "-.")

N_BOOTSTRAPS = 2000


def method_of(name: str) -> str:
    """Return the method of a name that may carry a model."""
    return name.split(_BY)[0]


def ordered(names: Iterable[str]) -> list[str]:
    """Return the different names in the order to draw them, unknown methods last."""
    rank = {method: number for number, method in enumerate(METHODS)}
    return sorted(dict.fromkeys(names), key=lambda name: rank.get(method_of(name), len(rank)))


def pretty(name: str) -> str:
    """Return a method's name as it reads in a figure."""
    method, *model = name.split(_BY, 1)
    text = METHODS[method][0] if method in METHODS else method.replace("_", " ")
    return style.shortened(text + "".join(f" ({m})" for m in model), 30)


def looks(names: Sequence[str]) -> dict[str, dict]:
    """Return colour, marker and line style of each name: a colour a method, a dash a model."""
    unknown = dict.fromkeys(m for m in map(method_of, names) if m not in METHODS)
    colours = {m: _OTHERS[i % len(_OTHERS)] for i, m in enumerate(unknown)}
    found, models = {}, {}
    for name in names:
        method = method_of(name)
        number = models[method] = models.get(method, -1) + 1
        _, colour, marker = METHODS.get(method, ("", colours.get(method), "o"))
        dash = "--" if method in CONTROLS else _DASHES[number % len(_DASHES)]
        found[name] = {"color": colour, "marker": marker, "linestyle": dash}
    return found


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
    length = sum(len(text) + 11 for text in handles)
    columns = -(-len(handles) // -(-length // style.LEGEND_LENGTH))
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=columns)

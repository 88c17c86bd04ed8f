"""Methods compared: how they are named and ordered, and points of each seed beside their mean."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from spikesieve.figures import style
from spikesieve.figures.style import drawing_table, part, rows

#: A method or model of this ending was fitted on counts that were smoothed over bins.
SMOOTHED = "_smoothed"
#: Names that read better otherwise.
PRETTY = {
    "sae": "SAE",
    "pca": "PCA",
    "nmf": "NMF",
    "ica": "ICA",
    "mean": "mean (chance)",
    "raw": "raw counts",
    "nmf_frobenius": "NMF (Frobenius)",
    "cebra_time": "CEBRA-Time",
    "cebra_behaviour": "CEBRA-Behaviour",
    "slicetca": "sliceTCA",
    "lfads": "LFADS",
}
OURS, OTHERS = style.BLUE, style.VERMILION
#: How far raw and smoothed counts of a method stand apart.
_ASIDE = 0.19


def method_names(metrics: list[pd.DataFrame]) -> list[str]:
    """Return the name of each run: the model of an autoencoder, else the method.

    A method with several models (two sizes of a PCA) is named by them. ``SMOOTHED`` is kept as
    the ending of the name.
    """
    first = pd.DataFrame([m.iloc[0][["method", "model"]] for m in metrics]).astype(str)
    smoothed = first["method"].str.endswith(SMOOTHED) | first["model"].str.endswith(SMOOTHED)
    method, model = (first[c].str.removesuffix(SMOOTHED) for c in ("method", "model"))
    several = model.groupby(method).transform("nunique") > 1
    named = method.where((method != "sae") & ~several, model)
    return (named + np.where(smoothed, SMOOTHED, "")).tolist()


def is_ours(metrics: list[pd.DataFrame]) -> list[bool]:
    """Return which runs are of an autoencoder (``mini`` is one, too)."""
    return [m["method"].iloc[0].removesuffix(SMOOTHED) in ("sae", "mini") for m in metrics]


def method_rows(names: list[str], ours: list[bool]) -> pd.DataFrame:
    """Return rows of panel ``method``: the line ``y`` of each, ``label`` "ours" or "others".

    A method on raw and on smoothed counts has one line.
    """
    owned = dict(zip((n.removesuffix(SMOOTHED) for n in names), ours, strict=True))
    label = ["ours" if own else "others" for own in owned.values()]
    return rows("method", [*owned], y=np.arange(float(len(owned))), label=label)


def point_rows(panel: str, values: pd.DataFrame, methods: pd.DataFrame) -> list[pd.DataFrame]:
    """Return a point a seed and, in panel ``{panel} mean``, one a method.

    ``values`` has columns ``name``, ``seed`` and ``value``; those that are not finite are left
    out.
    """
    values = values[np.isfinite(values["value"].astype(float))]
    line = methods.set_index("series")["y"]
    parts = []
    both = {n.removesuffix(SMOOTHED) for n in values["name"] if n.endswith(SMOOTHED)}
    for name, one in values.groupby("name", sort=False):
        base = name.removesuffix(SMOOTHED)
        aside = 0.0 if base not in both else _ASIDE if name.endswith(SMOOTHED) else -_ASIDE
        y = line[base] + aside
        seeds = [f"seed {s}" for s in one["seed"]]
        parts.append(rows(panel, name, one["value"].to_numpy(float), y, label=seeds))
        parts.append(rows(f"{panel} mean", name, float(one["value"].mean()), y))
    return parts


def draw_points(ax: Axes, table: pd.DataFrame, panel: str, lacking: str) -> None:
    """Draw the points of ``panel`` (hollow: on smoothed counts) with means and target."""
    points, means = part(table, panel), part(table, f"{panel} mean")
    for _, target in part(table, "target", panel).iterrows():
        ax.axvline(target["x"], color=style.BLACK, linestyle="--", linewidth=0.8, zorder=0)
    if points.empty:
        style.say(ax, lacking)
    for marker in (points, means):
        for name, one in marker.groupby("series", sort=False):
            colour = colour_of(table, name)
            if marker is means:
                x, y = one["x"].iloc[0], one["y"].iloc[0]
                ax.vlines(x, y - 0.2, y + 0.2, color=colour, linewidth=1.6, zorder=3)
            else:
                face = "white" if name.endswith(SMOOTHED) else colour
                look = {"edgecolors": colour, "linewidths": 0.6, "clip_on": False}
                ax.scatter(one["x"], one["y"], 7, face, zorder=4, **look)
    method_lines(ax, table)


def method_lines(ax: Axes, table: pd.DataFrame) -> None:
    """Name the methods beside the y axis, the first at the top."""
    methods = part(table, "method")
    ax.set_yticks(methods["y"], [pretty(m) for m in methods["series"]])
    ax.set_ylim(len(methods) - 0.45, -0.55)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", color=style.PALE, linewidth=0.4)
    ax.set_axisbelow(True)


def colour_of(table: pd.DataFrame, name: str) -> str:
    """Return the colour of a method: one for ours, one for the others."""
    method = part(table, "method", name.removesuffix(SMOOTHED))
    return OURS if (method["label"] == "ours").any() else OTHERS


def pretty(name: str) -> str:
    """Return a method's name as it reads in a figure."""
    if name.endswith(SMOOTHED):
        return f"{pretty(name.removesuffix(SMOOTHED))}, smoothed"
    for known, text in PRETTY.items():
        if name == known or (name.startswith(known) and name[len(known) :].isdigit()):
            return text + name[len(known) :]
    return style.shortened(name.replace("_", " "), 22)


def explain_points(figure: Figure, table: pd.DataFrame, target: str = "") -> None:
    """Write the legend of ``draw_points`` below all panels."""
    line, names = {"linestyle": "none", "markersize": 4}, part(table, "method")
    entries = {}
    for label, text, colour in (("ours", "sparse autoencoder", OURS), ("others", "others", OTHERS)):
        if (names["label"] == label).any():
            entries[text] = Line2D([], [], color=colour, linewidth=5)
    points = table[~table["panel"].isin(["method", "panel", "target", "header"])]
    entries["a seed"] = Line2D([], [], color=style.GREY, marker="o", **line)
    if points["series"].str.endswith(SMOOTHED).any():
        hollow = {"markerfacecolor": "white", "color": style.GREY, "marker": "o"}
        entries["on smoothed counts"] = Line2D([], [], **hollow, **line)
    entries["mean"] = Line2D([], [], color=style.GREY, marker="|", markeredgewidth=1.6, **line)
    if target:
        entries[target] = Line2D([], [], color=style.BLACK, linestyle="--", linewidth=0.8)
    figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=len(entries))


def methods_table(metrics: list[pd.DataFrame]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the methods' rows, and all runs' metrics joined, with a column ``name``."""
    names = method_names(metrics)
    joined = pd.concat(
        [m.assign(name=n) for m, n in zip(metrics, names, strict=True)], ignore_index=True
    )
    return drawing_table(method_rows(names, is_ours(metrics))), joined

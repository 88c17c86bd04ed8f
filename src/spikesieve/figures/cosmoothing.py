"""Co-smoothing: how well every method predicts units that it cannot see, in held-out bins."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spikesieve.figures import style
from spikesieve.figures.methods import (
    SMOOTHED,
    colour_of,
    explain_points,
    method_lines,
    methods_table,
    point_rows,
    pretty,
)
from spikesieve.figures.style import drawing_table, facts, header, part, rows

#: Metric of each unit -> title, axis label, the lowest value that is drawn.
PANELS = {
    "cosmoothing_r2": ("R² of hidden units", "R² (1 is perfect)", -0.5),
    "cosmoothing_bits": ("Information about hidden units", "Bits per spike", -1.0),
}
SPLITS = ("test", "validation", "train")
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def cosmoothing_table(recording: str, metrics: list[pd.DataFrame]) -> pd.DataFrame:
    """Return the drawing table of the figure.

    Parameters
    ----------
    metrics : the ``metrics`` table of each run of each method, in the order to draw them: values of
        each unit and, with the ending ``_mean``, over units.
    """
    methods, every = methods_table(metrics)
    scored = every[every["metric"].isin(PANELS)]
    split = next((s for s in SPLITS if s in set(scored["split"])), "test")
    every = every[every["split"] == split]
    parts = [facts(recording=recording, split=split), methods]
    for panel in PANELS:
        units = every[every["metric"] == panel].dropna(subset=["value"])
        means = every[every["metric"] == f"{panel}_mean"]
        points = point_rows(panel, means, methods)
        height = {p["series"].iloc[0]: p["y"].iloc[0] for p in points}
        parts += points
        for name, one in units.groupby("name", sort=False):
            by_unit = one.groupby("unit_id")["value"].mean()
            if name in height:
                label = [f"quantile {q:g}" for q in QUANTILES]
                x = by_unit.quantile(QUANTILES).to_numpy()
                parts.append(rows(f"{panel} units", name, x, height[name], label=label))
        n = units.groupby("name")["unit_id"].nunique().max() if len(units) else 0
        parts.append(facts(**{f"n_{panel}": n}))
    return drawing_table(*parts)


@style.in_style
def draw_cosmoothing(table: pd.DataFrame) -> Figure:
    """Draw the table of ``cosmoothing_table``."""
    about = header(table)
    n_lines = len(part(table, "method"))
    wide = table["series"].str.endswith(SMOOTHED).any()
    figure = style.new_figure(30 + (6.5 if wide else 4.5) * max(n_lines, 3))
    axes = figure.subplots(1, len(PANELS), sharey=True)
    where = "training bins" if about["split"] == "train" else f"held-out {about['split']} bins"
    style.title_figure(figure, about["recording"], f"co-smoothing in {where}: {_best(table)}")
    for (panel, (title, label, lowest)), ax in zip(PANELS.items(), axes, strict=True):
        if part(table, panel).empty:
            style.say(ax, "No unit could be scored")
            ax.set_xticks([])
        else:
            _draw_methods(ax, table, panel, lowest)
        method_lines(ax, table)
        ax.set(title=f"{title}, n = {int(about[f'n_{panel}']):,}", xlabel=label)
    style.letter_panels([*axes])
    explain_points(figure, table, "chance")
    return figure


def _best(table: pd.DataFrame) -> str:
    means = part(table, "cosmoothing_r2 mean")
    if means.empty:
        return "no method was scored"
    best = means.loc[means["x"].idxmax()]
    name = best["series"].removesuffix(SMOOTHED)
    counts = " on smoothed counts" if best["series"].endswith(SMOOTHED) else ""
    return f"{pretty(name)}{counts} is best (R²\u00a0{best['x']:.2f})"


def _draw_methods(ax: Axes, table: pd.DataFrame, panel: str, lowest: float) -> None:
    """Draw quartiles and 5 to 95 % over units, and the mean of each seed, none below ``lowest``."""
    units, points = part(table, f"{panel} units"), part(table, panel)
    drawn = pd.concat([units["x"], points["x"]])
    left = max(lowest, min(drawn.min(), 0)) - 0.02
    ax.axvline(0, color=style.BLACK, linestyle="--", linewidth=0.8, zorder=0)
    for name, one in units.groupby("series", sort=False):
        low, lower, _, upper, high = np.maximum(one["x"], left)
        y, colour = one["y"].iloc[0], colour_of(table, name)
        ax.hlines(y, low, high, color=colour, linewidth=0.8, alpha=0.6)
        ax.barh(y, upper - lower, 0.26, lower, color=colour, alpha=0.35, linewidth=0)
    for name, one in points.groupby("series", sort=False):
        colour, x = colour_of(table, name), np.maximum(one["x"], left)
        face = "white" if name.endswith(SMOOTHED) else colour
        ax.scatter(x, one["y"], 8, face, edgecolors=colour, linewidths=0.7, zorder=4, clip_on=False)
    right = max(drawn.max(), 0.05)
    for _, mean in part(table, f"{panel} mean").iterrows():
        ax.vlines(
            max(mean["x"], left),
            mean["y"] - 0.2,
            mean["y"] + 0.2,
            style.BLACK,
            linewidth=1.4,
            zorder=5,
        )
        below = "◂ " if mean["x"] < left else ""
        white = {"facecolor": "white", "edgecolor": "none", "pad": 0.4}
        at = {"xycoords": ax.get_yaxis_transform(), "ha": "right", "va": "center", "fontsize": 6.5}
        shown = f"{mean['x']:.2f}" if abs(mean["x"]) < 1000 else f"{mean['x']:.0e}"
        ax.annotate(f"{below}{shown}", (1.0, mean["y"]), bbox=white, **at)
    ax.set_xlim(left, right + 0.16 * (right - left))

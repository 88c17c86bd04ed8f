"""Matryoshka levels: what each nested dictionary reconstructs, with how many active latents."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spikesieve.figures import style
from spikesieve.figures.style import drawing_table, facts, header, part, rows

#: Metric ``level{n}_...``, n from 1 -> title, axis label.
PANELS = {
    "r2_mean": ("Reconstruction", "R² (mean over units)"),
    "l0": ("Active latents, and budget ± 20 %", "L0 (latents per bin)"),
    "live_fraction": ("Latents in use", "Live fraction of the level"),
}
HELD_OUT = ("test", "validation")
TOLERANCE = 0.2


def sae_levels_table(
    recording: str,
    metrics: list[pd.DataFrame],
    levels: Mapping[str, Sequence[Sequence[int]]],
) -> pd.DataFrame:
    """Return the drawing table of the figure.

    Parameters
    ----------
    metrics : the ``metrics`` table of each run (a model and seed).
    levels : of each model, ``(width, k)`` of its levels, narrow to wide; models that have none may
        be left out. ``k`` 0: the level has no budget.
    """
    splits = {s for m in metrics for s in m["split"].unique()}
    held_out = next((s for s in HELD_OUT if s in splits), "train")
    about = facts(recording=recording, held_out=held_out)
    parts = [about]
    for run in metrics:
        model, seed = run["model"].iloc[0], run["seed"].iloc[0]
        for n, (width, _) in enumerate(levels.get(model, []), 1):
            for panel in PANELS:
                one = run[run["metric"] == f"level{n}_{panel}"].set_index("split")["value"].dropna()
                for split in dict.fromkeys([held_out, "train"]):
                    if split in one:
                        series = f"{model} {split}"
                        y = float(one[split])
                        parts.append(rows(panel, series, float(width), y, label=f"seed {seed}"))
    drawn = {s.rsplit(" ", 1)[0] for p in parts[1:] for s in p["series"]}
    for model, pairs in levels.items():
        for width, k in pairs:
            if k and model in drawn:
                parts.append(rows("nominal", model, float(width), float(k)))
    return drawing_table(*parts)


@style.in_style
def draw_sae_levels(table: pd.DataFrame) -> Figure:
    """Draw the table of ``sae_levels_table``."""
    about = header(table)
    points = table[table["panel"].isin(PANELS)]
    models = list(dict.fromkeys(points["series"].str.rsplit(n=1).str[0]))
    colours = {m: style.CYCLE[i % len(style.CYCLE)] for i, m in enumerate(models)}
    figure = style.new_figure(68)
    axes = dict(zip(PANELS, figure.subplots(1, len(PANELS)), strict=True))
    held_out = about["held_out"]
    which = f"held-out {held_out} bins (dashed: train)" if held_out != "train" else "training bins"
    style.title_figure(figure, about["recording"], f"nested dictionaries in {which}")
    for panel, ax in axes.items():
        title, label = PANELS[panel]
        ax.set(title=title, ylabel=label, xlabel="Width of the level (latents)")
        one = part(table, panel)
        if one.empty:
            style.say(ax, "No model has levels")
            ax.set(xticks=[], yticks=[])
            continue
        for model, colour in colours.items():
            _draw_model(ax, one, model, held_out, colour)
        if panel == "l0":
            _draw_budget(ax, table)
        _widths(ax, np.unique(one["x"]))
        top = max(ax.get_ylim()[1], 1.08 * one["y"].max(), 1.05 * (panel == "live_fraction"))
        ax.set_ylim(min(0, 1.1 * one["y"].min()), top or 1)
    if colours:
        style.explain_colours(figure, colours)
    style.letter_panels(list(axes.values()))
    return figure


def _widths(ax: Axes, widths: np.ndarray) -> None:
    """Make the axis logarithmic, with a tick at each width where there is room."""
    room = 2 if len(widths) == 1 else 1.3
    style.log_scale(ax, "x", widths[0] / room, widths[-1] * room)
    if len(widths) == 1 or (len(widths) <= 6 and (widths[1:] / widths[:-1] >= 1.5).all()):
        ax.set_xticks(widths, [f"{w:g}" for w in widths])
        ax.set_xticks([], minor=True)
    ax.set_xlim(widths[0] / room, widths[-1] * room)


def _draw_model(ax: Axes, points: pd.DataFrame, model: str, held_out: str, colour: str) -> None:
    """Draw the mean over seeds as a line and each seed as a point; train dashed and hollow."""
    for split in dict.fromkeys([held_out, "train"]):
        one = points[points["series"] == f"{model} {split}"]
        solid = split == held_out
        mean = one.groupby("x")["y"].mean()
        ax.plot(mean.index, mean, color=colour, linestyle="-" if solid else "--", linewidth=0.9)
        face = colour if solid else "white"
        ax.scatter(one["x"], one["y"], 10, face, edgecolors=colour, linewidths=0.7, zorder=3)


def _draw_budget(ax: Axes, table: pd.DataFrame) -> None:
    for _, level in part(table, "nominal").iterrows():
        span, k = level["x"] * np.array([0.87, 1.15]), level["y"]
        low, high = (1 - TOLERANCE) * k, (1 + TOLERANCE) * k
        ax.fill_between(span, low, high, color=style.PALE, linewidth=0, zorder=0)
        ax.plot(span, [k, k], color=style.BLACK, linewidth=0.9, zorder=1)

"""Speed of training the sparse autoencoder: against other packages, and as the work grows."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spikesieve.figures import style
from spikesieve.figures.style import drawing_table, facts, header, part, rows

#: Axis of growth -> what is on it.
GROWTH = {"units": "Units", "latents": "Latents", "batch": "Bins in a batch"}


def sae_speed_table(ratios: pd.DataFrame, growth: pd.DataFrame) -> pd.DataFrame:
    """Return the drawing table of the tables of ``spikesieve.sae.benchmark``.

    Bars are milliseconds a step of all instances; ``label`` says how many times ours. Peers that
    were absent are named in the label of a bar without length.
    """
    parts = []
    for number, (size, some) in enumerate(ratios.groupby("size", sort=False)):
        panel = f"work{number + 1}"
        parts.append(rows(panel, some["ours"].iloc[0], x=0, x_stop=1e3 * some["ours_s"].iloc[0]))
        said = [f"{r:.1f} times" if np.isfinite(r) else "absent" for r in some["ratio"]]
        width = 1e3 * some["other_s"].to_numpy()
        parts.append(rows(panel, some["other"].to_numpy(), x=0, x_stop=width, label=said))
        parts.append(facts(**{panel: size}))
    for axis, some in growth.groupby("axis", sort=False):
        for column, series in (("step_s", "median"), ("step_min_s", "fastest turn")):
            parts.append(
                rows(axis, series, some["value"].to_numpy(), 1e3 * some[column].to_numpy())
            )
    return drawing_table(*parts)


@style.in_style
def draw_sae_speed(table: pd.DataFrame) -> Figure:
    """Draw the table of ``sae_speed_table``."""
    works = [name for name in header(table) if name.startswith("work")]
    lines = [axis for axis in GROWTH if len(part(table, axis))]
    figure = style.new_figure(62 + 26 * len(works))
    style.title_figure(figure, "Training of the sparse autoencoder: time a step, all instances")
    above, below = figure.subfigures(2, 1, height_ratios=[26 * len(works), 56])
    bars = above.subplots(len(works), 1, squeeze=False).ravel()
    growth = below.subplots(1, len(lines), sharey=True, squeeze=False).ravel()
    for name, ax in zip(works, bars, strict=True):
        _draw_bars(ax, part(table, name), header(table)[name])
    bars[-1].set_xlabel("Time of a step, median (ms); how many times ours")
    for axis, ax in zip(lines, growth, strict=True):
        _draw_growth(ax, part(table, axis), GROWTH[axis])
    growth[0].set_ylabel("Time of a step (ms)")
    growth[0].legend(loc="upper left")
    style.letter_panels([*bars, *growth])
    return figure


def _draw_bars(ax: Axes, bars: pd.DataFrame, size: str) -> None:
    widths = bars["x_stop"].fillna(0)
    colours = [style.BLUE] + [style.GREY] * (len(bars) - 1)
    ax.barh(range(len(bars)), widths, color=colours, height=0.7)
    for number, (width, said) in enumerate(zip(widths, bars["label"], strict=True)):
        text = (
            (f"{width:,.0f} ms" if width >= 100 else f"{width:.1f} ms")
            + (f", {said}" if said else "")
            if width
            else said
        )
        ax.annotate(text, (width, number), (3, 0), textcoords="offset points", va="center")
    ax.set_yticks(range(len(bars)), bars["series"])
    ax.set(title=size, ylim=(len(bars) - 0.5, -0.5), xlim=(0, 1.25 * max(widths.max(), 1e-9)))
    ax.tick_params(axis="y", length=0)


def _draw_growth(ax: Axes, lines: pd.DataFrame, label: str) -> None:
    for name, colour in (("median", style.BLUE), ("fastest turn", style.SKY)):
        one = lines[lines["series"] == name]
        ax.plot(one["x"], one["y"], color=colour, marker=".", label=name)
    slowest = lines[lines["series"] == "median"]
    first = slowest.iloc[0]
    proportional = first["y"] * slowest["x"] / first["x"]
    ax.plot(slowest["x"], proportional, color=style.GREY, linestyle=":", label="in proportion")
    ax.set(xscale="log", yscale="log", xlabel=label, title=f"{label}: growth of our step")
    ax.set_xticks(slowest["x"], [f"{x:g}" for x in slowest["x"]], rotation=45)
    ax.minorticks_off()

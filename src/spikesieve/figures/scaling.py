"""Time and peak memory of every method, as bins and as units grow."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spikesieve.figures import style
from spikesieve.figures.methods import pretty
from spikesieve.figures.style import drawing_table, facts, header, part, rows

#: Row of panels -> what is on its y axis.
MEASURES = {"seconds": "Processor time (s)", "peak_mb": "Peak memory (MB)"}
AXES = {"bins": "Bins", "units": "Units"}
#: Slower than a line of slope 1 is what grows faster than the data.
_MARKERS = "osD^vP*X<>"


def scaling_table(costs: pd.DataFrame) -> pd.DataFrame:
    """Return the drawing table of the table of ``benchmark_methods.py``.

    One size is common to both axes: the one that most other sizes share a number with.
    """
    common = {axis: costs[axis].mode().iloc[0] for axis in AXES}
    parts = [facts(**common)]
    for axis, other in (("bins", "units"), ("units", "bins")):
        some = costs[costs[other] == common[other]].sort_values(axis)
        for method, one in some.groupby("method", sort=False):
            for measure in MEASURES:
                x, y = one[axis].to_numpy(), one[measure].to_numpy()
                parts.append(rows(f"{measure} {axis}", method, x, y))
    return drawing_table(*parts)


@style.in_style
def draw_scaling(table: pd.DataFrame) -> Figure:
    """Draw the table of ``scaling_table``."""
    figure = style.new_figure(120)
    common = header(table)
    style.title_figure(figure, "Fitting each method and reading its latents, on one core")
    axes = figure.subplots(len(MEASURES), len(AXES), sharex="col", sharey="row")
    for line, measure in zip(axes, MEASURES, strict=True):
        for ax, axis in zip(line, AXES, strict=True):
            _draw_lines(ax, part(table, f"{measure} {axis}"), measure)
    for ax, axis, other in zip(axes[0], AXES, reversed(AXES), strict=True):
        ax.set_title(f"{common[other]} {other}")
        axes[-1][list(AXES).index(axis)].set_xlabel(AXES[axis])
    for line, label in zip(axes, MEASURES.values(), strict=True):
        line[0].set_ylabel(label)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles[:-1] + handles[-1:], labels, loc="outside right center")
    style.letter_panels([*axes.ravel()])
    return figure


def _draw_lines(ax: Axes, lines: pd.DataFrame, measure: str) -> None:
    order = list(lines.groupby("series", sort=False))
    for number, (method, one) in enumerate(order):
        colour = style.BLUE if method == "sae" else _colour(number)
        width = 1.6 if method == "sae" else 0.9
        marker = _MARKERS[number % len(_MARKERS)]
        look = {"color": colour, "linewidth": width, "marker": marker, "markersize": 3.5}
        ax.plot(one["x"], one["y"], **look, label=pretty(method))
    if measure == "seconds":
        x = lines["x"].drop_duplicates().sort_values()
        lowest = lines.loc[lines["x"] == x.iloc[0], "y"].min()
        y = lowest * x / x.iloc[0]
        ax.plot(x, y, color=style.GREY, linestyle=":", label="in proportion")
    ax.set(xscale="log", yscale="log")
    ticks = lines["x"].drop_duplicates().sort_values()
    ax.set_xticks(ticks, [f"{x:,.0f}" for x in ticks])
    ax.minorticks_off()


def _colour(number: int) -> str:
    """Return one of the colours that are not ours."""
    others = (style.VERMILION, style.GREEN, style.PURPLE, style.ORANGE, style.SKY, style.BLACK)
    return others[number % len(others)]

"""Time and peak memory of every method, as bins and as units grow."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spikesieve.figures import style
from spikesieve.figures.methods import pretty
from spikesieve.figures.style import drawing_table, facts, header, part, rows

#: Row of panels -> what is on its y axis.
MEASURES = {"seconds": "Processor time (s)", "peak_mb": "Peak memory of the process (MB)"}
AXES = {"bins": "Bins", "units": "Units"}
_COLOURS = (style.VERMILION, style.GREEN, style.PURPLE, style.ORANGE, style.SKY, style.BLACK)
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
    drawn = table[table["panel"] != "header"]
    looks = {name: _look(name, number) for number, name in enumerate(drawn["series"].unique())}
    for line, measure in zip(axes, MEASURES, strict=True):
        for ax, axis in zip(line, AXES, strict=True):
            _draw_lines(ax, part(table, f"{measure} {axis}"), looks)
            if measure == "seconds":
                _draw_proportion(ax, part(table, f"{measure} {axis}"))
        line[0].set(yscale="log") if measure == "seconds" else line[0].set_ylim(0)
    for column, axis, other in zip(axes.T, AXES, reversed(AXES), strict=True):
        for ax in column:
            ax.set_title(f"{int(common[other]):,} {other}")
        column[-1].set_xlabel(AXES[axis])
    for line, label in zip(axes, MEASURES.values(), strict=True):
        line[0].set_ylabel(label)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center")
    style.letter_panels([*axes.ravel()])
    return figure


def _draw_lines(ax: Axes, lines: pd.DataFrame, looks: dict[str, dict]) -> None:
    for method, one in lines.groupby("series", sort=False):
        ax.plot(one["x"], one["y"], markersize=3.5, **looks[method], label=pretty(method))
    ticks = sorted(set(lines["x"]))
    ax.set(xscale="log")
    ax.set_xticks(ticks, [f"{x:,.0f}" for x in ticks])
    ax.minorticks_off()


def _draw_proportion(ax: Axes, lines: pd.DataFrame) -> None:
    """Draw how what takes the least time at the smallest size would grow with the data."""
    x = lines["x"].drop_duplicates().sort_values()
    y = lines.loc[lines["x"] == x.iloc[0], "y"].min() * x / x.iloc[0]
    ax.plot(x, y, color=style.GREY, linestyle=":", label="in proportion")


def _look(method: str, number: int) -> dict:
    """Return how a method is drawn, the same in all panels."""
    look = {"marker": _MARKERS[number % len(_MARKERS)]}
    if method == "sae":
        return look | {"color": style.BLUE, "linewidth": 1.6}
    again = number >= len(_COLOURS)
    colour = _COLOURS[number % len(_COLOURS)]
    return look | {"color": colour, "linewidth": 0.9, "linestyle": "--" if again else "-"}

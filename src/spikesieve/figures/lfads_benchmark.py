"""LFADS on spikes of a Lorenz system: the rates and coordinates that it finds in new trials."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spikesieve.figures import style
from spikesieve.figures.style import drawing_table, facts, header, part, rows

#: Rates and coordinates are to be found at this R2, in the mean.
TARGET = 0.9
_NAMES = {"rate": "LFADS", "rate, smoothed counts": "smoothed\ncounts", "coordinate": "coordinates"}
_COLOURS = {"rate": style.BLUE, "rate, smoothed counts": style.VERMILION, "coordinate": style.BLUE}


def lfads_benchmark_table(
    scores: pd.DataFrame, example: pd.DataFrame, history: pd.DataFrame
) -> pd.DataFrame:
    """Return the drawing table of the tables of ``spikesieve.baselines.lfads.benchmark``."""
    parts = [facts(target=TARGET, n_units=(scores["what"] == "rate").sum())]
    for what, some in example.groupby("what", sort=False):
        for name, one in some.groupby("of", sort=False):
            for series in ("true", "found"):
                panel = rows(
                    f"{what} {name}", series, one["bin"].to_numpy(), one[series].to_numpy()
                )
                parts.append(panel)
    for place, (what, some) in enumerate(scores.groupby("what", sort=False)):
        values = some["r2"].to_numpy()
        parts.append(rows("r2", what, float(place), values, label=some["of"].to_numpy()))
        parts.append(rows("r2 mean", what, float(place), values.mean()))
    for column, series in (("likelihood", "training"), ("validation_loss", "validation")):
        step, loss = history["step"].to_numpy(), history[column].to_numpy()
        parts.append(rows("history", series, step, loss))
    return drawing_table(*parts)


@style.in_style
def draw_lfads_benchmark(table: pd.DataFrame) -> Figure:
    """Draw the table of ``lfads_benchmark_table``."""
    figure = style.new_figure(105)
    style.title_figure(figure, "LFADS on the Lorenz benchmark: trials that it was not trained on")
    left, right = figure.subfigures(1, 2, width_ratios=[1.7, 1])
    panels = [p for p in table["panel"].unique() if p.startswith(("coordinate ", "rate "))]
    traces = left.subplots(3, 2, sharex=True)
    for ax, name in zip(traces.T.ravel(), panels, strict=True):
        _draw_trace(ax, table, name)
    low, high = traces[0, 0].get_ylim()
    traces[0, 0].set_ylim(low, high + 0.2 * (high - low))
    traces[0, 0].legend(loc="upper right", ncols=2)
    traces[-1, 0].set_xlabel("Bin in the trial (10 ms)")
    traces[-1, 1].set_xlabel("Bin in the trial (10 ms)")
    above, below = right.subplots(2, 1)
    _draw_r2(above, table)
    _draw_history(below, table)
    style.letter_panels([traces[0, 0], traces[0, 1], above, below])
    return figure


def _draw_trace(ax: Axes, table: pd.DataFrame, name: str) -> None:
    what, of = name.split(" ")
    for series, colour, width in (("true", style.GREY, 2.2), ("found", style.BLUE, 0.9)):
        one = part(table, name, series)
        ax.plot(one["x"], one["y"], color=colour, linewidth=width, label=series)
    label = f"{of} (s.d.)" if what == "coordinate" else f"Unit {of}\n(spikes a bin)"
    ax.set_ylabel(label)
    if of in ("x",):
        ax.set_title("Coordinates of a trial")
    elif what == "rate" and not ax.get_subplotspec().rowspan.start:
        ax.set_title("Rates of three units in it")


def _draw_r2(ax: Axes, table: pd.DataFrame) -> None:
    target = float(header(table)["target"])
    ax.axhline(target, color=style.BLACK, linestyle="--", linewidth=0.8, zorder=0)
    ax.annotate("target", (2.5, target), (0, -3), textcoords="offset points", ha="right", va="top")
    ticks = []
    for what, one in part(table, "r2").groupby("series", sort=False):
        mean = part(table, "r2 mean", what).iloc[0]
        spread = (pd.Series(range(len(one))) / max(len(one) - 1, 1) - 0.5) * 0.5
        ax.scatter(one["x"].to_numpy() + spread, one["y"], 7, _COLOURS[what], linewidths=0)
        ax.hlines(mean["y"], mean["x"] - 0.35, mean["x"] + 0.35, color=style.BLACK, linewidth=1.4)
        ticks.append((mean["x"], f"{_NAMES[what]}\nmean {mean['y']:.2f}"))
    ax.set_xticks(*zip(*ticks, strict=True))
    ax.set(xlim=(-0.5, 2.5), ylim=(min(0, part(table, "r2")["y"].min() - 0.05), 1.02))
    ax.set_ylabel("R² of true values")
    ax.set_title(f"{header(table)['n_units']} units and 3 coordinates")


def _draw_history(ax: Axes, table: pd.DataFrame) -> None:
    for series, colour in (("training", style.SKY), ("validation", style.BLUE)):
        one = part(table, "history", series)
        ax.plot(one["x"], one["y"], color=colour, label=series)
    ax.set(xlabel="Step", ylabel="Poisson loss (nats)", title="Training, of hidden entries")
    ax.legend(loc="upper right")

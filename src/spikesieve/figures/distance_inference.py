"""Inference on one window: from predicted distance to spikes, and the elbow of its energy."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spikesieve.errors import InputError
from spikesieve.figures import style
from spikesieve.figures.distance_methods import looks, ordered, pretty
from spikesieve.figures.distance_trains import TRUTH
from spikesieve.figures.style import drawing_table, facts, header, part, rows

#: Series of panel ``distance``: what is drawn, and its line (the last in its method's colour).
CURVES = {
    "true": ("true", {"color": style.PALE, "linewidth": 3.0}),
    "predicted": ("predicted", {"color": style.BLACK, "linewidth": 1.0}),
    "implied": ("of the spikes inferred", {"linestyle": "--", "linewidth": 1.3}),
}

#: The method that switches nodes off; its spikes imply the distance that is drawn, where there.
GREEDY = "em"


def distance_inference_table(
    recording: str,
    predicted: Float[np.ndarray, "bin"],
    true: Float[np.ndarray, "true_bin"],
    true_spikes: Integer[np.ndarray, "spike"],
    spikes: Mapping[str, Integer[np.ndarray, "_"]],
    elimination: pd.DataFrame,
    *,
    unit: str,
    bin_s: float,
    prefix: int,
    max_distance: float,
    minimum: float = 0.25,
) -> pd.DataFrame:
    """Return the drawing table of the figure.

    Parameters
    ----------
    predicted, true : linear distance (bins) of each bin of the window, true one included.
    true_spikes : bins of the window with true spikes. ``spikes`` : the same for each method; a
        spike that is known may stand in the prefix.
    elimination : ``n_spikes`` and ``energy``, a row each time that a node goes off.
    unit : what the title calls it. ``bin_s`` : bin width in seconds. ``prefix`` : bins before now.
    max_distance, minimum : at which distances are cut off, and that of a spike's own bin.

    Raises
    ------
    InputError
        The two distances are not equally long, or a spike lies outside of the window.
    """
    n = len(predicted)
    methods = ordered(spikes)
    for name, bins in {"true": true_spikes, **spikes}.items():
        if len(true) != n or np.any((np.asarray(bins) < 0) | (np.asarray(bins) >= n)):
            raise InputError(
                f"window of {n} predicted bins: {len(true)} true ones, {name} spikes {bins}",
                allowed="distances of the same bins, and spikes within them",
            )
    first = GREEDY if GREEDY in methods else next(iter(methods), "")
    curves = {"true": true, "predicted": predicted}
    if first:
        curves["implied"] = _implied(np.asarray(spikes[first]), n, max_distance, minimum)
    ms = (np.arange(n) - prefix + 0.5) * bin_s * 1000
    trains = {TRUTH: true_spikes} | {name: spikes[name] for name in methods}
    parts = [facts(recording=recording, unit=unit, first=first, start_ms=ms[0], stop_ms=ms[-1])]
    parts += [
        rows("distance", name, ms, np.asarray(d, float) * bin_s * 1000)
        for name, d in curves.items()
    ]
    for line, (name, bins) in enumerate(trains.items()):
        bins = np.asarray(bins, int)
        parts.append(rows("train", name, float((bins >= prefix).sum()), float(line)))
        parts.append(rows("spikes", name, ms[bins], float(line)))
    energy = elimination["n_spikes"].to_numpy(float), elimination["energy"].to_numpy(float)
    parts.append(rows("energy", first, *energy))
    return drawing_table(*parts)


def _implied(spikes, n_bins: int, max_distance: float, minimum: float):
    """Return the distance of each bin to the nearest of ``spikes``."""
    if not len(spikes):
        return np.full(n_bins, float(max_distance))
    nearest = np.abs(np.arange(n_bins)[:, None] - spikes).min(axis=1).astype(float)
    return np.minimum(np.where(nearest == 0, minimum, nearest), max_distance)


@style.in_style
def draw_distance_inference(table: pd.DataFrame) -> Figure:
    """Draw the table of ``distance_inference_table``."""
    about, trains = header(table), part(table, "train")
    ticks = 4 * len(trains) + 3
    figure = style.new_figure(32 + 46 + ticks)
    axes = figure.subplot_mosaic(
        [["distance", "energy"], ["spikes", "energy"]],
        width_ratios=[2.1, 1],
        height_ratios=[46, ticks],
    )
    style.title_figure(figure, about["recording"], f"{about['unit']}, one window: {_said(table)}")
    _draw_distance(axes["distance"], table, about)
    _draw_trains(axes["spikes"], table, about)
    _draw_energy(axes["energy"], table)
    style.letter_panels([axes["distance"], axes["spikes"], axes["energy"]])
    return figure


def _said(table: pd.DataFrame) -> str:
    """Say how many spikes there are, and how many each method infers."""
    n = part(table, "train").set_index("series")["x"]
    told = [f"{pretty(name)} {int(k)}" for name, k in n.iloc[1:4].items()]
    true = style.plural(int(n[TRUTH]), "true spike")
    return f"{true} from now on" + (", inferred: " + ", ".join(told) if told else "")


def _draw_distance(ax: Axes, table: pd.DataFrame, about: dict[str, str]) -> None:
    for name, (text, look) in CURVES.items():
        curve = part(table, "distance", name)
        if len(curve):
            if name == "implied":
                text = f"{text}: {pretty(about['first'])}"
                look = look | {"color": looks([about["first"]])[about["first"]]["color"]}
            ax.plot(curve["x"], curve["y"], label=text, **look)
    top = np.nanmax([part(table, "distance")["y"].max(), 1.0])
    ax.set_ylim(0, 1.3 * top)  # room for the legend
    ax.legend(loc="upper left", ncols=3, handlelength=1.6, columnspacing=1.2)
    ax.set(title="Distance to the nearest spike", ylabel="Distance (ms)")
    _span(ax, about)
    ax.tick_params(labelbottom=False)


def _span(ax: Axes, about: dict[str, str]) -> None:
    ax.axvline(0, color=style.GREY, linewidth=0.8, linestyle=":")
    ax.set_xlim(float(about["start_ms"]), float(about["stop_ms"]))


def _draw_trains(ax: Axes, table: pd.DataFrame, about: dict[str, str]) -> None:
    trains = part(table, "train")
    names = list(trains["series"])
    colours = {TRUTH: style.BLACK} | {n: k["color"] for n, k in looks(names[1:]).items()}
    for name, y in zip(names, trains["y"], strict=True):
        spikes = part(table, "spikes", name)["x"]
        ax.vlines(spikes, y - 0.36, y + 0.36, colours[name], linewidth=1.3)
    ax.set_yticks(trains["y"], [n if n == TRUTH else pretty(n) for n in names])
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.set(title="Spikes", xlabel="Time from now (ms); before it the past is known")
    _span(ax, about)


def _draw_energy(ax: Axes, table: pd.DataFrame) -> None:
    """Draw the elbow: switching off spikes too many costs nothing, then it costs a lot."""
    ax.set(title="Energy as spikes go off", xlabel="Spikes left", ylabel="Energy (bins²)")
    energy = part(table, "energy")
    known = energy[np.isfinite(energy["y"])]
    if known.empty:
        style.say(ax, "No elimination was recorded")
        ax.set(xticks=[], yticks=[])
        return
    first = known["series"].iloc[0]
    colour = looks([first])[first]["color"] if first else style.BLUE
    ax.plot(known["x"], known["y"], color=colour, marker=".", markersize=2.5)
    n = part(table, "train").set_index("series")["x"]
    label = style.plural(int(n[TRUTH]), "true spike")
    ax.axvline(n[TRUTH], color=style.BLACK, linewidth=0.8, linestyle="--", label=label)
    if first in n:
        stopped = known[known["x"] == n[first]].iloc[:1]
        ax.scatter(
            stopped["x"],
            stopped["y"],
            40,
            "none",
            edgecolors=style.BLACK,
            linewidths=1.4,
            zorder=4,
            label=f"{pretty(first)} stops",
        )
    if known["y"].min() > 0:
        style.log_scale(ax, "y", known["y"].min(), known["y"].max())
    ax.set_xlim(max(known["x"].max(), 1) + 1, -1)
    style.whole_numbers(ax.xaxis, 5)
    ax.legend(loc="best")

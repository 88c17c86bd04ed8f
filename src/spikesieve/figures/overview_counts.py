"""The overview of a recording of counts: what replaces its raster and its intervals of spikes."""

from os import PathLike

import numpy as np
import pandas as pd
from jaxtyping import Int, Shaped
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from spikesieve.figures import style
from spikesieve.figures.overview_panels import NO_SPIKE_SHOWN, numbers
from spikesieve.figures.style import facts, part, rows
from spikesieve.recording import open_table, read_table


def binned_rows(
    path: str | PathLike,
    units: pd.DataFrame,
    shown: pd.DataFrame,
    window_s: tuple[float, float],
    duration_s: float,
) -> list[pd.DataFrame]:
    """Return counts of the window (cells of zero left out), and how often each count occurs."""
    time_s = open_table(path, "binned").read(columns=["time_s"])["time_s"].to_numpy()
    # A single bin is as wide as the recording.
    width_s = float(np.median(np.diff(time_s))) if len(time_s) > 1 else duration_s
    parts = [facts(bin_ms=f"{1000 * width_s:g}")]
    inside = slice(*np.searchsorted(time_s, window_s))
    columns = shown["unit_id"].astype(str).tolist()
    seen = read_table(path, "binned", columns=columns).to_numpy()[inside]
    bins, row = np.nonzero(seen)
    parts.append(
        rows("cells", np.array(columns)[row], time_s[inside][bins], row, label=seen[bins, row])
    )
    for series, chosen in (("kept", units["kept"]), ("dropped", ~units["kept"])):
        if chosen.any():
            names = units.loc[chosen, "unit_id"].astype(str).tolist()
            n = _tally(read_table(path, "binned", columns=names).to_numpy())
            label = f"{n.sum():,}"
            parts.append(rows("counts", series, np.arange(len(n)), n / n.sum()).assign(label=label))
    return parts


def _tally(counts: Shaped[np.ndarray, "bin unit"]) -> Int[np.ndarray, "count"]:
    n = int(counts.max(initial=0)) + 1  # column by column: all at once takes 8 bytes a cell
    return sum(np.bincount(column, minlength=n) for column in counts.T)


def draw_cells(ax: Axes, table: pd.DataFrame, about: dict[str, str]) -> None:
    """Draw the counts of the shown units as a picture, a row a unit, a column a bin."""
    cells = part(table, "cells")
    width_s = float(about["bin_ms"]) / 1000
    start, stop = float(about["start_s"]), float(about["stop_s"])
    n_bins = max(1, round((stop - start) / width_s) + 1)
    image = np.zeros((int(about["n_shown"]), n_bins))
    first = cells["x"].min() if len(cells) else start
    column = ((cells["x"] - first) / width_s).round().astype(int).to_numpy()
    image[cells["y"].astype(int), column] = cells["label"].astype(float)
    # A few bursts must not make all else pale.
    top = max(1.0, np.quantile(image[image > 0], 0.99)) if len(cells) else 1.0
    colours = LinearSegmentedColormap.from_list("counts", ["white", style.SKY, style.BLUE, "black"])
    extent = (first, first + n_bins * width_s, -0.5, len(image) - 0.5)
    shown = ax.imshow(
        image,
        cmap=colours,
        vmin=0,
        vmax=top,
        extent=extent,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
    )
    ax.set_facecolor("white")
    extend = "max" if image.max() > top else "neither"
    bar = ax.figure.colorbar(shown, cax=ax.inset_axes((1.01, 0, 0.012, 1)), extend=extend)
    bar.set_label("Spikes per bin")
    style.whole_numbers(bar.ax.yaxis)
    if cells.empty:
        style.say(ax, NO_SPIKE_SHOWN)


def draw_tally(ax: Axes, table: pd.DataFrame, about: dict[str, str]) -> None:
    """Draw how often each count occurs."""
    for series, colour, marker in (("kept", style.KEPT, "o"), ("dropped", style.DROPPED, "s")):
        shares = part(table, "counts", series)
        seen = shares[shares["y"] > 0]
        if len(seen):
            ax.plot(seen["x"], seen["y"], marker + "-", color=colour, markersize=2.5)
    ax.set_yscale("log")
    style.whole_numbers(ax.xaxis, 6)
    ax.set_xlabel(f"Spikes per {about['bin_ms']} ms bin\n{numbers(table, 'counts')}")
    ax.set_ylabel("Share of cells")
    ax.set_title("Counts, a cell is a unit's bin")

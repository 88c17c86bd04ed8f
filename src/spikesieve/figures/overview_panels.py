"""The panels of the overview: each draws its rows of the table of ``overview_table``."""

import pandas as pd
from matplotlib.axes import Axes

from spikesieve.figures import style
from spikesieve.figures.style import part
from spikesieve.recording import INVALID

#: A raster with more spikes is drawn as an image inside the PDF.
VECTOR_SPIKES = 40_000
#: Height of the raster in millimetres.
RASTER_MM = 62
#: Labels closer than this would touch.
LABEL_MM = 2.6
NO_SPIKE_SHOWN = "No spike of the units shown in this window"


def draw_raster(ax: Axes, table: pd.DataFrame, about: dict[str, str]) -> None:
    """Draw the spikes of the shown units as ticks, a row a unit."""
    spikes = part(table, "raster")
    n = int(about["n_shown"])
    # A tick fills most of its row (a marker's size is in points).
    size = min(0.8 * RASTER_MM / 25.4 * 72 / n, 8)
    ax.plot(
        spikes["x"],
        spikes["y"],
        "|",
        color=style.BLACK,
        markersize=size,
        markeredgewidth=0.35,
        rasterized=len(spikes) > VECTOR_SPIKES,
    )
    if spikes.empty:
        style.say(ax, NO_SPIKE_SHOWN)


def draw_probes(ax: Axes, table: pd.DataFrame) -> None:
    """Mark which rows belong to which probe."""
    probes = part(table, "probe")
    ax.set_ylim(-0.5, probes["x_stop"].max() - 0.5)
    style.whole_numbers(ax.yaxis)
    ax.set_ylabel("Kept unit (row)")
    if len(probes) < 2:
        return
    for edge in probes["x"].iloc[1:]:
        ax.axhline(edge - 0.5, color=style.VERMILION, linewidth=0.6)
    row_mm = RASTER_MM / probes["x_stop"].max()
    ticks, names = [], []
    for middle, name in zip(
        (probes["x"] + probes["x_stop"] - 1) / 2, probes["series"], strict=True
    ):
        if not ticks or (middle - ticks[-1]) * row_mm > LABEL_MM:
            ticks.append(middle)
            names.append(style.shortened(name or "no probe", 14))
    ax.set_yticks(ticks, names)
    ax.tick_params(axis="y", length=0)
    ax.set_ylabel("Probe")


def draw_lanes(ax: Axes, below: Axes, table: pd.DataFrame, about: dict[str, str]) -> None:
    """Draw a lane of spans for each kind of interval, and shade the panel ``below`` with them."""
    spans = part(table, "intervals")
    names = list(dict.fromkeys(spans["series"]))
    for lane, name in enumerate(names):
        colour = style.GREY if name == INVALID else style.CYCLE[lane % len(style.CYCLE)]
        one = spans[spans["series"] == name]
        lengths = one["x_stop"] - one["x"]
        ax.broken_barh([*zip(one["x"], lengths, strict=True)], (lane - 0.4, 0.8), color=colour)
        if lengths.sum() < 0.95 * (float(about["stop_s"]) - float(about["start_s"])):
            for start, stop in zip(one["x"], one["x_stop"], strict=True):
                below.axvspan(start, stop, color=colour, alpha=0.12, linewidth=0, zorder=0)
    labels = spans.drop_duplicates("series")["label"]
    ax.set_yticks(range(len(names)), labels.tolist())
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.tick_params(axis="both", length=0)
    ax.spines[["left", "bottom"]].set_visible(False)
    if "n_names_hidden" in about:
        ax.set_xlabel(f"and {about['n_names_hidden']} more kinds of interval", loc="left")


def draw_signal(ax: Axes, table: pd.DataFrame) -> None:
    """Draw the signal."""
    signal = part(table, "signal")
    name = signal["series"].iloc[0]
    # Two or three values are states that hold until the next sample.
    held = "steps-post" if signal["y"].round(6).nunique() <= 3 else "default"
    ax.plot(signal["x"], signal["y"], color=style.GREEN, linewidth=0.8, drawstyle=held)
    ax.margins(y=0.1)
    ax.set_ylabel("Source's unit")
    ax.set_title(f"Signal: {name.replace('_', ' ')}")


def _draw_steps(ax: Axes, table: pd.DataFrame, panel: str, nothing: str) -> None:
    """Draw each group's histogram, an outline over a pale fill; ``nothing`` is said of none."""
    for series, colour in (("dropped", style.DROPPED), ("kept", style.KEPT)):
        bars = part(table, panel, series)
        if len(bars):
            edges = [*bars["x"], bars["x_stop"].iloc[-1]]
            ax.stairs(bars["y"], edges, fill=True, color=colour, alpha=0.25)
            ax.stairs(bars["y"], edges, color=colour, linewidth=1.0)
    bars = part(table, panel)
    if bars.empty:
        style.say(ax, nothing)
        ax.set_xticks([])
        return
    style.log_scale(ax, "x", bars["x"].min(), bars["x_stop"].max())
    ax.set_ylim(bottom=0)


def numbers(table: pd.DataFrame, panel: str) -> str:
    """Return how many intervals or cells each group of units has, in words."""
    groups = part(table, panel).drop_duplicates("series")
    each = [f"{n} {s}" for s, n in zip(groups["series"], groups["label"], strict=True)]
    return "n = " + (", ".join(each) or "0")


def draw_rates(ax: Axes, table: pd.DataFrame, about: dict[str, str]) -> None:
    """Draw the histogram of firing rates."""
    _draw_steps(ax, table, "rate", "No unit has a spike")
    style.whole_numbers(ax.yaxis)
    ax.set_ylabel("Number of units")
    silent = int(about["n_silent"])
    left_out = f"\n{silent:,} without a spike not shown" if silent else ""
    ax.set_xlabel(f"Firing rate (Hz){left_out}")
    ax.set_title(f"Firing rates, n = {style.plural(int(about['n_units']) - silent, 'unit')}")


def draw_isi(ax: Axes, table: pd.DataFrame, about: dict[str, str]) -> None:
    """Draw the histogram of intervals between spikes."""
    _draw_steps(ax, table, "isi", "No unit has two spikes here")
    if len(part(table, "isi")):
        threshold = float(about["isi_threshold_ms"])
        ax.axvline(threshold, color=style.VERMILION, linestyle="--", linewidth=0.8)
        ax.text(
            threshold,
            0.97,
            f"{threshold:g} ms ",
            color=style.VERMILION,
            transform=ax.get_xaxis_transform(),
            ha="right",
            va="top",
        )
    start, stop = float(about["isi_start_s"]), float(about["isi_stop_s"])
    span = "" if stop - start >= float(about["duration_s"]) else f", {start:,.0f} to {stop:,.0f} s"
    ax.set_title(f"Intervals between spikes, pooled{span}")
    ax.set_xlabel(f"Interval (ms)\n{numbers(table, 'isi')}")
    ax.set_ylabel("Share of intervals")


def draw_drops(ax: Axes, table: pd.DataFrame) -> None:
    """Draw the number of units kept and dropped, by criterion."""
    drops = part(table, "drops")
    colours = [style.KEPT if s == "kept" else style.DROPPED for s in drops["series"]]
    bars = ax.barh(drops["series"], drops["y"], color=colours, height=0.65)
    ax.bar_label(bars, labels=[f"{n:,.0f}" for n in drops["y"]], padding=2)
    style.bars_from_top(ax, drops["y"].max(), len(drops))
    ax.set_xlabel("Number of units")
    ax.set_title("Units by criterion")

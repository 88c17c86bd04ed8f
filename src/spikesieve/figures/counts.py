"""Counts: how sparse they are at each bin width, how they are spread, where the splits lie."""

from collections.abc import Mapping
from os import PathLike
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Shaped
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from spikesieve.counts import GAP, MASKED, SPLITS
from spikesieve.figures import style
from spikesieve.figures.style import drawing_table, facts, header, part, plural, rows
from spikesieve.recording import damage_named, open_table

#: Larger counts than this are tallied together.
MAX_COUNT = 255
QUARTILES = {"lower quartile": 0.25, "median": 0.5, "upper quartile": 0.75}
COLOURS = {
    "train": style.BLUE,
    "validation": style.ORANGE,
    "test": style.GREEN,
    GAP: style.PALE,
    MASKED: style.VERMILION,
}


class Summary(NamedTuple):
    """What one counts table tells, its invalid bins left out; ``split`` has all of them."""

    zero_share: Float[np.ndarray, "unit"]
    mean: Float[np.ndarray, "unit"]
    tally: Int[np.ndarray, "unit count"]
    time_s: Float[np.ndarray, "bin"]
    split: Shaped[np.ndarray, "bin"]


def counts_table(
    recording: str, tables: Mapping[float, str | PathLike], main_ms: float
) -> pd.DataFrame:
    """Return the drawing table of the figure.

    Parameters
    ----------
    tables : bin width in ms -> ``counts`` table; read a row group at a time.
    main_ms : the width that the learners see; a key of ``tables``.
    """
    summaries = {width: summarise(path) for width, path in sorted(tables.items())}
    main = summaries[main_ms]
    valid = main.split != MASKED
    by_unit = rows("scatter", "units", main.mean, main.zero_share)
    return drawing_table(
        facts(
            recording=recording,
            main_ms=f"{main_ms:g}",
            n_units=len(main.mean),
            n_bins=len(main.split),
            n_valid_bins=int(valid.sum()),
        ),
        *(_quartiles("zero_share", w, s.zero_share) for w, s in summaries.items()),
        *(_quartiles("mean_count", w, s.mean) for w, s in summaries.items()),
        by_unit,
        _runs(main, main_ms / 1000),
        *_distribution(main),
    )


def summarise(path: str | PathLike) -> Summary:
    """Read a counts table in pieces and return what the figure needs of it."""
    file = open_table(path, "counts")
    names = [n for n in file.schema_arrow.names if n not in ("time_s", "split")]
    tally = np.zeros((len(names), MAX_COUNT + 1), dtype=np.int64)
    total = np.zeros(len(names))
    time_s, split = [], []
    for group in range(file.num_row_groups):
        with damage_named(path):
            piece = file.read_row_group(group)
        time_s.append(piece["time_s"].to_numpy())
        split.append(piece["split"].to_numpy())
        valid = split[-1] != MASKED
        for unit, name in enumerate(names):
            counts = piece[name].to_numpy()[valid]
            total[unit] += counts.sum(dtype=np.int64)
            tally[unit] += np.bincount(np.minimum(counts, MAX_COUNT), minlength=MAX_COUNT + 1)
    n = np.maximum(tally.sum(axis=1), 1)
    return Summary(tally[:, 0] / n, total / n, tally, np.concatenate(time_s), np.concatenate(split))


def _quartiles(panel: str, x, values: Float[np.ndarray, "unit"]) -> pd.DataFrame:
    return rows(panel, list(QUARTILES), x, np.quantile(values, list(QUARTILES.values())))


def _runs(summary: Summary, width_s: float) -> pd.DataFrame:
    """One row a run of bins of one split; the label holds the number of bins."""
    split = summary.split
    first = np.flatnonzero(np.r_[True, split[1:] != split[:-1]])
    n = np.diff(np.r_[first, len(split)])
    start = summary.time_s[first]
    stop = summary.time_s[first + n - 1] + width_s
    return rows("split", split[first], start, x_stop=stop, label=n)


def _distribution(summary: Summary) -> list[pd.DataFrame]:
    """Shares of bins with each count: quartiles over units, and all units pooled."""
    share = summary.tally / np.maximum(summary.tally.sum(axis=1, keepdims=True), 1)
    pooled = summary.tally.sum(axis=0) / summary.tally.sum()
    # The last 0.01 % would stretch the axis to a few bursts.
    last = int(np.searchsorted(np.cumsum(pooled), 0.9999)) + 1
    count = np.arange(last)
    parts = [rows("distribution", "pooled", count, pooled[:last])]
    parts += [
        rows("distribution", name, count, np.quantile(share[:, :last], q, axis=0))
        for name, q in QUARTILES.items()
    ]
    return [*parts, facts(share_above=f"{max(0.0, 1 - pooled[:last].sum()):.2g}")]


@style.in_style
def draw_counts(table: pd.DataFrame) -> Figure:
    """Draw the table of ``counts_table``."""
    about = header(table)
    figure = style.new_figure(88)
    several = len(part(table, "zero_share", "median")) > 1
    top = ["zero", "mean", "distribution"] if several else ["scatter", "scatter", "distribution"]
    axes = figure.subplot_mosaic([top, ["split"] * 3], height_ratios=[1, 0.2])
    units, bins = plural(int(about["n_units"]), "kept unit"), int(about["n_valid_bins"])
    style.title_figure(
        figure, about["recording"], f"{units}, {plural(bins, 'valid bin')} of {about['main_ms']} ms"
    )
    if several:
        _draw_widths(axes["zero"], part(table, "zero_share"), about)
        axes["zero"].set(ylabel="Share of bins without a spike", ylim=(0, 1))
        axes["zero"].set_title("Sparsity (median unit, quartiles)")
        _draw_widths(axes["mean"], part(table, "mean_count"), about)
        axes["mean"].set_ylabel("Mean count (spikes per bin)")
        means = part(table, "mean_count")["y"]
        if means.max() > 0:
            style.log_scale(axes["mean"], "y", means[means > 0].min(), means.max())
        hidden = "; 0 not shown" if means.max() > 0 and means.min() == 0 else ""
        axes["mean"].set_title(f"Mean count (median unit, quartiles{hidden})")
    else:
        _draw_scatter(axes["scatter"], table, about)
    _draw_distribution(axes["distribution"], table, about)
    _draw_split(axes["split"], table, about)
    style.letter_panels(list(axes.values()))
    return figure


def _draw_widths(ax: Axes, quartiles: pd.DataFrame, about: dict[str, str]) -> None:
    lower, middle, upper = (quartiles[quartiles["series"] == s] for s in QUARTILES)
    ax.fill_between(middle["x"], lower["y"], upper["y"], color=style.BLUE, alpha=0.2, linewidth=0)
    ax.plot(middle["x"], middle["y"], "o-", color=style.BLUE, markersize=3)
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(FixedLocator(middle["x"].tolist()))
    ax.xaxis.set_minor_locator(NullLocator())
    labels = ax.set_xticklabels([f"{w:g}" for w in middle["x"]])
    for label in labels:
        if label.get_text() == about["main_ms"]:
            label.set_weight("bold")
    ax.set_xlabel("Bin width (ms; bold: learnt on)")


def _draw_scatter(ax: Axes, table: pd.DataFrame, about: dict[str, str]) -> None:
    every = part(table, "scatter")
    points = every[every["x"] > 0]  # the axis is logarithmic
    if len(points):
        ax.scatter(points["x"], points["y"], 6, style.BLUE, alpha=0.6, linewidths=0, label="a unit")
        low, high = points["x"].clip(lower=1e-4).agg(["min", "max"])
        mean = np.geomspace(low, high, 200)
        ax.plot(mean, np.exp(-mean), color=style.VERMILION, label="Poisson: exp(-mean)")
        style.log_scale(ax, "x", low, high)
        ax.legend(loc="lower left")
    else:
        style.say(ax, "No unit has a spike in a valid bin")
        ax.set_xticks([])
    ax.set_ylim(-0.02, 1.02)
    ax.set_xlabel(f"Mean count (spikes per {about['main_ms']} ms bin)")
    ax.set_ylabel("Share of bins without a spike")
    silent = len(every) - len(points)
    left_out = f" ({silent:,} without a spike not shown)" if silent else ""
    ax.set_title(f"Sparsity, n = {plural(len(points), 'unit')}{left_out}")


def _draw_distribution(ax: Axes, table: pd.DataFrame, about: dict[str, str]) -> None:
    shares = part(table, "distribution")
    pooled = shares[(shares["series"] == "pooled") & (shares["y"] > 0)]
    ax.plot(pooled["x"], pooled["y"], "-", color=style.GREY, label="all units pooled")
    lower, middle, upper = (shares[shares["series"] == s].set_index("x")["y"] for s in QUARTILES)
    seen = middle[middle > 0].index
    ax.plot(seen, middle[seen], "o", color=style.BLUE, markersize=3, label="median unit")
    floor = pooled["y"].min() / 3
    ax.vlines(
        seen,
        lower[seen].clip(lower=floor),
        upper[seen],
        color=style.BLUE,
        linewidth=0.8,
        label="quartiles over units",
    )
    ax.set_yscale("log")
    ax.set_ylim(floor, 1.5)
    style.whole_numbers(ax.xaxis, 7)
    above = float(about["share_above"])
    rest = f"\n{100 * above:.1g} % of all bins hold more" if above > 0 else ""
    ax.set_xlabel(f"Spikes per {about['main_ms']} ms bin{rest}")
    ax.set_ylabel("Share of bins")
    ax.set_title("Distribution of counts")
    ax.legend(loc="upper right")


def _draw_split(ax: Axes, table: pd.DataFrame, about: dict[str, str]) -> None:
    runs = part(table, "split")
    for name in (*SPLITS, GAP, MASKED):
        one = runs[runs["series"] == name]
        if len(one):
            spans = [*zip(one["x"], one["x_stop"] - one["x"], strict=True)]
            label = f"{name} ({plural(int(one['label'].astype(int).sum()), 'bin')})"
            ax.broken_barh(spans, (0, 1), color=COLOURS[name], label=label, linewidth=0)
    ax.set_xlim(runs["x"].min(), runs["x_stop"].max())
    ax.set_ylim(0, 1)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("Time in the recording (s)")
    ax.set_title(f"Splits of the {about['main_ms']} ms bins")
    ax.legend(
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=5,
        borderaxespad=0.2,
        handlelength=1,
        columnspacing=1.2,
    )

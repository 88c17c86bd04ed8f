"""An example rollout: true spikes of some units, and those that each method infers."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.ndimage import gaussian_filter1d

from spikesieve.distance.scores import schreiber_similarity
from spikesieve.figures import style
from spikesieve.figures.distance_methods import explain_methods, looks, pretty
from spikesieve.figures.distance_trains import TRUTH, method_counts
from spikesieve.figures.style import drawing_table, facts, header, part, rows

#: Units are chosen by this similarity of one method, in seconds of smoothing.
CHOOSING_SIGMA_S = 0.005
#: The units that stand at these places of the order from worst to best.
QUANTILES = {0.25: "lower quartile", 0.5: "median", 0.75: "upper quartile"}
#: Rates are smoothed by this much (s); so many methods have their rate drawn.
RATE_SIGMA_S = 0.02
N_RATES = 3
#: Steps of the drawn rates, in bins.
_EVERY = 4


def distance_rollout_table(
    recording: str,
    truth: pd.DataFrame,
    inferred: pd.DataFrame,
    *,
    bin_s: float,
    first_bin: int,
    n_bins: int,
    seconds: float = 4.0,
    methods: Sequence[str] | None = None,
    split: str = "test",
) -> pd.DataFrame:
    """Return the drawing table of the figure.

    Units are those at the quartiles of Schreiber similarity (5 ms) of one method, over the whole
    span; the window is the one in which these units have the largest shares of their true
    spikes (each counts alike), so that there is something to see.

    Parameters
    ----------
    truth : columns ``unit_id``, ``bin``: the true spikes. ``inferred`` : the same and ``method``.
    bin_s : bin width. ``first_bin``, ``n_bins`` : the span that was rolled out, in bins.
    seconds : length of the window that is drawn. ``methods`` : those to show, also one that
        inferred no spike; those of the table where not given. Units are chosen by the first of
        them, or where not given by the first in the order of drawing.
    """
    unit_ids, true, inferred_counts = method_counts(truth, inferred, methods, first_bin, n_bins)
    first = methods[0] if methods else next(iter(inferred_counts), "")
    rated = [first, *(name for name in inferred_counts if name != first)][:N_RATES]
    n_shown = min(max(int(seconds / bin_s), 1), n_bins)
    chosen = _choose_units(true, inferred_counts.get(first), bin_s)
    start = _choose_window(true[[*chosen.values()]], n_shown)
    window = slice(start, start + n_shown)
    parts = [
        facts(
            recording=recording,
            split=split,
            n_units=len(unit_ids),
            first=first,
            start_s=f"{start * bin_s:.6f}",
            seconds=f"{n_shown * bin_s:.3g}",
        ),
        rows("method", [*inferred_counts], y=np.arange(1.0, len(inferred_counts) + 1)),
    ]
    for number, (quantile, unit) in enumerate(chosen.items()):
        trains = {TRUTH: true} | inferred_counts
        similarity = schreiber_similarity(
            true[unit], trains[first][unit], sigma_s=CHOOSING_SIGMA_S, bin_s=bin_s
        )
        label = f"unit {unit_ids[unit]}, {QUANTILES[quantile]} ({similarity:.2f})"
        parts.append(rows("unit", f"{number}", similarity, quantile, label=label))
        for line, (name, counts) in enumerate(trains.items()):
            bins = np.flatnonzero(counts[unit, window])
            parts.append(rows(f"{number} spikes", name, (bins + 0.5) * bin_s, float(line)))
            if name in (TRUTH, *rated):
                parts.append(_rate_rows(f"{number} rate", name, counts[unit], window, bin_s))
    return drawing_table(*parts)


def _rate_rows(panel, name, counts, window: slice, bin_s: float) -> pd.DataFrame:
    """Return the smoothed rate (Hz) in the window; spikes just outside count, too."""
    rate = gaussian_filter1d(counts / bin_s, RATE_SIGMA_S / bin_s, mode="constant")
    shown = rate[window][::_EVERY]
    return rows(panel, name, (np.arange(len(shown)) * _EVERY + 0.5) * bin_s, shown.round(4))


def _choose_units(true, first, bin_s: float) -> dict[float, int]:
    """Return the index of the unit at each quantile of similarity; a unit is there once."""
    if first is None or not len(true):
        return {}
    similarity = [
        schreiber_similarity(t, f, sigma_s=CHOOSING_SIGMA_S, bin_s=bin_s)
        for t, f in zip(true, first, strict=True)
    ]
    order = np.argsort(similarity, kind="stable")
    found = {int(order[round(q * (len(order) - 1))]): q for q in (0.25, 0.75, 0.5)}
    return {q: unit for unit, q in sorted(found.items(), key=lambda item: item[1])}


def _choose_window(true, n_shown: int) -> int:
    """Return the first bin of the window with the largest summed share of spikes."""
    if not len(true):
        return 0
    share = (true / true.sum(axis=1, keepdims=True)).sum(axis=0)
    total = np.r_[0.0, np.cumsum(share)]
    starts = np.arange(0, len(share) - n_shown + 1, max(n_shown // 4, 1))
    return int(starts[np.argmax(total[starts + n_shown] - total[starts])])


@style.in_style
def draw_distance_rollout(table: pd.DataFrame) -> Figure:
    """Draw the table of ``distance_rollout_table``."""
    about, units = header(table), part(table, "unit")
    names = list(part(table, "method")["series"])
    n_units, n_lines = max(len(units), 1), max(len(names) + 1, 2)
    raster, rate = 3.4 * n_lines + 4, 15
    figure = style.new_figure(20 + n_units * (raster + rate + 4))
    axes = figure.subplots(
        2 * n_units, 1, sharex=True, squeeze=False, height_ratios=[raster, rate] * n_units
    ).ravel()
    style.title_figure(figure, about["recording"], _title(about, units))
    for number in range(n_units):
        above, below = axes[2 * number : 2 * number + 2]
        if units.empty:
            style.say(above, "No unit has true spikes and inferred ones")
            style.say(below, "No rate")
        else:
            above.set_title(units["label"].iloc[number])
            _draw_spikes(above, table, number, names)
            _draw_rates(below, table, number, names)
        below.set_ylabel("Rate (Hz)")
    axes[-1].set_xlim(0, float(about["seconds"]))
    start_s = float(about["start_s"])
    axes[-1].set_xlabel(f"Time (s) from {start_s:.1f} s after the rollout's start")
    truth = Line2D([], [], color=style.PALE, linewidth=5)
    explain_methods(figure, _with_rate(table, names), **{"truth (rate)": truth})
    style.letter_panels([*axes[::2]])
    return figure


def _title(about: dict[str, str], units: pd.DataFrame) -> str:
    n = style.plural(int(about["n_units"]), "unit")
    said = f"{about['split']} bins, {n}"
    if units.empty:
        return f"{said}: nothing to show"
    found = ", ".join(f"{x:.2f}" for x in units["x"])
    return f"{said}: at the quartiles, {pretty(about['first'])} has Schreiber (5 ms) {found}"


def _with_rate(table: pd.DataFrame, names: list[str]) -> list[str]:
    drawn = set(table.loc[table["panel"].str.endswith(" rate"), "series"])
    return [name for name in names if name in drawn]


def _draw_spikes(ax: Axes, table: pd.DataFrame, number: int, names: list[str]) -> None:
    colours = {TRUTH: style.BLACK} | {n: look["color"] for n, look in looks(names).items()}
    for line, (name, colour) in enumerate(colours.items()):
        spikes = part(table, f"{number} spikes", name)
        ax.vlines(spikes["x"], line - 0.38, line + 0.38, colour, linewidth=0.7)
    ax.axhline(0.5, color=style.PALE, linewidth=0.5)
    ax.set_yticks(range(len(colours)), [TRUTH, *map(pretty, names)])
    ax.set_ylim(len(colours) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.tick_params(axis="x", length=0, labelbottom=False)


def _lines(table: pd.DataFrame, number: int, names) -> Iterator[tuple[str, dict, pd.DataFrame]]:
    for name, look in looks(names).items():
        line = part(table, f"{number} rate", name)
        if len(line):
            yield name, look, line


def _draw_rates(ax: Axes, table: pd.DataFrame, number: int, names: list[str]) -> None:
    truth = part(table, f"{number} rate", TRUTH)
    ax.fill_between(truth["x"], truth["y"], color=style.PALE, linewidth=0)
    for _, look, line in _lines(table, number, names):
        ax.plot(line["x"], line["y"], color=look["color"], linestyle=look["linestyle"])
    ax.set_ylim(0, None)
    style.whole_numbers(ax.yaxis, 2)

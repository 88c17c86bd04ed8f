"""Overview of a recording: what was recorded, when stimuli ran, which units fire how."""

from os import PathLike
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from matplotlib.figure import Figure

from spikesieve.figures import style
from spikesieve.figures.overview_counts import binned_rows, draw_cells, draw_tally
from spikesieve.figures.overview_panels import (
    RASTER_MM,
    draw_drops,
    draw_isi,
    draw_lanes,
    draw_probes,
    draw_raster,
    draw_rates,
    draw_signal,
)
from spikesieve.figures.style import drawing_table, facts, header, part, plural, rows
from spikesieve.recording import INVALID
from spikesieve.spikes import read_spikes

WINDOW_S = 25.0
MAX_UNITS = 100
MAX_LANES = 6
#: Intervals between spikes are taken from a central stretch with about so many spikes.
ISI_SPIKES = 2_000_000
SIGNAL_POINTS = 2_000


class Window(NamedTuple):
    """A stretch of the recording, in seconds."""

    start_s: float
    stop_s: float


def overview_table(
    recording: dict,
    units: pd.DataFrame,
    intervals: pd.DataFrame,
    signals: pd.DataFrame,
    activity: str | PathLike,
    *,
    isi_threshold_ms: float,
) -> pd.DataFrame:
    """Return the drawing table of the overview.

    Parameters
    ----------
    recording : ``recording.json``. ``units``, ``intervals``, ``signals`` : its tables.
    activity : ``spikes.parquet`` or, for a source of counts, ``binned.parquet``; read in pieces.
    isi_threshold_ms : where the line in the histogram of intervals stands.
    """
    duration_s = recording["duration_s"]
    window = chosen_window(duration_s, intervals)
    shown = shown_units(units)
    has_spikes = recording["source"] != "counts"
    details = (
        [_raster(activity, shown, window), _isi(activity, units, duration_s)]
        if has_spikes
        else binned_rows(activity, units, shown, window, duration_s)
    )
    return drawing_table(
        facts(
            recording=recording["recording"],
            source=recording["source"],
            duration_s=duration_s,
            n_kept=int(units["kept"].sum()),
            n_units=len(units),
            n_shown=len(shown),
            order=_order_of(shown),
            start_s=window.start_s,
            stop_s=window.stop_s,
            isi_threshold_ms=isi_threshold_ms,
        ),
        _probes(shown),
        *_lanes(intervals, window),
        *_signal(signals, window),
        *_rates(units),
        *details,
        _drops(units),
    )


def chosen_window(duration_s: float, intervals: pd.DataFrame) -> Window:
    """Return the window of the raster: the middle of the recording, or where stimuli are near.

    When no interval (other than invalid ones) touches the middle, the window is centred on the
    start of the nearest one.
    """

    def around(centre_s: float) -> Window:
        length = min(WINDOW_S, duration_s)
        start = float(np.clip(centre_s - length / 2, 0, duration_s - length))
        return Window(start, start + length)

    middle = around(duration_s / 2)
    stimuli = intervals[intervals["name"] != INVALID]
    start, stop = stimuli["start_s"].to_numpy(), stimuli["stop_s"].to_numpy()
    if len(stimuli) == 0 or ((start < middle.stop_s) & (stop > middle.start_s)).any():
        return middle
    return around(start[np.argmin(np.abs(start - duration_s / 2))])


def shown_units(units: pd.DataFrame) -> pd.DataFrame:
    """Return at most ``MAX_UNITS`` kept units by probe and depth, evenly spread over them."""
    kept = units[units["kept"]].sort_values(["probe", "depth_um", "unit_id"])
    chosen = np.linspace(0, len(kept) - 1, min(MAX_UNITS, len(kept))).round().astype(int)
    return kept.iloc[chosen].reset_index(drop=True)


def _order_of(shown: pd.DataFrame) -> str:
    """Say in words how ``shown_units`` ordered them: by those columns that tell units apart."""
    names = {"probe": "probe", "depth_um": "depth"}
    known = [name for column, name in names.items() if len(shown[column].dropna().unique()) > 1]
    return " and ".join(known) or "id"


def _probes(shown: pd.DataFrame) -> pd.DataFrame:
    """One row a probe: ``x`` to ``x_stop`` are its rows of the raster."""
    names = shown["probe"].fillna("").to_numpy()
    first = np.flatnonzero(np.r_[True, names[1:] != names[:-1]])
    return rows("probe", names[first], first, x_stop=np.r_[first[1:], len(names)])


def _lanes(intervals: pd.DataFrame, window: Window) -> list[pd.DataFrame]:
    """Spans of each interval name inside the window; gaps too small to see are closed."""
    inside = intervals[
        (intervals["start_s"] < window.stop_s) & (intervals["stop_s"] > window.start_s)
    ]
    names = inside["name"].value_counts().index
    unseen_s = (window.stop_s - window.start_s) / 1000
    lanes = []
    for name in names[:MAX_LANES]:
        lane = inside[inside["name"] == name].sort_values("start_s")
        start = lane["start_s"].to_numpy().clip(min=window.start_s)
        stop = np.maximum.accumulate(lane["stop_s"].to_numpy()).clip(max=window.stop_s)
        first = np.flatnonzero(np.r_[True, start[1:] > stop[:-1] + unseen_s])
        last = np.r_[first[1:] - 1, len(start) - 1]
        label = f"{style.shortened(name, 20)} (n = {len(lane):,})"
        lanes.append(rows("intervals", name, start[first], x_stop=stop[last], label=label))
    if len(names) > MAX_LANES:
        lanes.append(facts(n_names_hidden=len(names) - MAX_LANES))
    return lanes


def _signal(signals: pd.DataFrame, window: Window) -> list[pd.DataFrame]:
    """The running speed, or the first signal there is, thinned out to what can be seen.

    A signal may be stored only where it changes: the sample before the window counts too.
    """
    names = signals["name"].unique().tolist()
    if not names:
        return []
    name = next((n for n in names if "running" in n), names[0])
    one = signals[signals["name"] == name].sort_values("time_s")
    first, last = np.searchsorted(one["time_s"], window)
    one = one.iloc[max(first - 1, 0) : last]
    if one.empty:
        return []
    one = one.iloc[:: max(1, len(one) // SIGNAL_POINTS)]
    time_s = one["time_s"].to_numpy().clip(min=window.start_s)
    return [rows("signal", name, time_s, one["value"].to_numpy(dtype=float))]


def _rates(units: pd.DataFrame) -> list[pd.DataFrame]:
    rate = units["firing_rate_hz"].to_numpy()
    firing = rate > 0
    parts = [facts(n_silent=int((~firing).sum()))]
    if not firing.any():
        return parts
    edges = style.log_edges(rate[firing].min(), rate[firing].max(), 5)
    for series, chosen in (("kept", units["kept"]), ("dropped", ~units["kept"])):
        n = np.histogram(rate[firing & chosen], edges)[0]
        if chosen.any():
            parts.append(rows("rate", series, edges[:-1], n, x_stop=edges[1:]))
    return parts


def _read_window(path, window: Window) -> tuple[Float[np.ndarray, "n"], Int[np.ndarray, "n"]]:
    pieces = [*read_spikes(path, *window)]
    time_s = np.concatenate([np.empty(0), *(p.time_s for p in pieces)])
    return time_s, np.concatenate([np.empty(0, np.int32), *(p.unit_id for p in pieces)])


def _raster(path, shown: pd.DataFrame, window: Window) -> pd.DataFrame:
    time_s, unit_id = _read_window(path, window)
    row_of_unit = pd.Series(shown.index, index=shown["unit_id"])
    row = row_of_unit.reindex(unit_id).to_numpy()
    drawn = ~np.isnan(row)
    return rows("raster", unit_id[drawn].astype(str), time_s[drawn], row[drawn])


def _isi(path, units: pd.DataFrame, duration_s: float) -> pd.DataFrame:
    """Shares of intervals between spikes, pooled over units, from a central stretch."""
    n_spikes = units["n_spikes"].sum()
    length = duration_s * min(1.0, ISI_SPIKES / max(n_spikes, 1))
    window = Window((duration_s - length) / 2, (duration_s + length) / 2)
    time_s, unit_id = _read_window(path, window)
    order = np.argsort(unit_id, kind="stable")
    time_s, unit_id = time_s[order], unit_id[order]
    isi_ms = 1000 * np.diff(time_s)[np.diff(unit_id) == 0]
    kept = np.isin(unit_id[1:][np.diff(unit_id) == 0], units.loc[units["kept"], "unit_id"])
    edges = style.log_edges(0.2, max(1000 * length, 1.0), 10)
    parts = [facts(isi_start_s=window.start_s, isi_stop_s=window.stop_s)]
    for series, chosen in (("kept", kept), ("dropped", ~kept)):
        n = np.histogram(isi_ms[chosen].clip(min=edges[0]), edges)[0]
        if n.sum():
            share = n / n.sum()
            last = np.flatnonzero(n)[-1] + 1
            label = f"{n.sum():,}"
            bars = rows("isi", series, edges[:last], share[:last], x_stop=edges[1 : last + 1])
            parts.append(bars.assign(label=label))
    return drawing_table(*parts)


def _drops(units: pd.DataFrame) -> pd.DataFrame:
    """Units kept, and units that each criterion drops; a unit may fail several."""
    reasons = units.loc[~units["kept"], "dropped_because"].str.split(", ").explode()
    toll = reasons.value_counts()
    n = [int(units["kept"].sum()), *toll.to_numpy()]
    return rows("drops", ["kept", *style.criterion_names(toll.index)], y=np.array(n))


@style.in_style
def draw_overview(table: pd.DataFrame) -> Figure:
    """Draw the table of ``overview_table``."""
    about = header(table)
    panels = [p for p in ("intervals", "raster", "signal") if p == "raster" or len(part(table, p))]
    n_lanes = part(table, "intervals")["series"].nunique()
    heights = {"intervals": 3.2 * n_lanes, "raster": RASTER_MM, "signal": 15}
    ratios = [*(heights[p] for p in panels), 36]
    figure = style.new_figure(24 + sum(ratios) + 6 * len(panels))
    mosaic = [*([p] * 3 for p in panels), ["rate", "third", "drops"]]
    axes = figure.subplot_mosaic(mosaic, height_ratios=ratios)
    _title(figure, about)
    counted = "bin_ms" in about
    (draw_cells if counted else draw_raster)(axes["raster"], table, about)
    draw_probes(axes["raster"], table)
    if "intervals" in axes:
        draw_lanes(axes["intervals"], axes["raster"], table, about)
    if "signal" in axes:
        draw_signal(axes["signal"], table)
    for name in panels:
        axes[name].set_xlim(float(about["start_s"]), float(about["stop_s"]))
        axes[name].tick_params(labelbottom=name == panels[-1])
    axes[panels[-1]].set_xlabel("Time in the recording (s)")
    draw_rates(axes["rate"], table, about)
    (draw_tally if counted else draw_isi)(axes["third"], table, about)
    draw_drops(axes["drops"], table)
    groups = {"kept units": style.KEPT, "dropped units": style.DROPPED}
    style.explain_colours(figure, groups)
    axes[panels[0]].set_title(_activity_title(table, about))
    lettered = (panels[0], "signal", "rate", "third", "drops")
    style.letter_panels([axes[p] for p in lettered if p in axes])
    return figure


def _title(figure: Figure, about: dict[str, str]) -> None:
    duration_s = float(about["duration_s"])
    kept = f"{int(about['n_kept']):,} of {plural(int(about['n_units']), 'unit')} kept"
    lasts = f"{duration_s:,.1f} s ({duration_s / 60:.1f} min)"
    style.title_figure(figure, about["recording"], about["source"], lasts, kept)


def _activity_title(table: pd.DataFrame, about: dict[str, str]) -> str:
    shown, kept = int(about["n_shown"]), int(about["n_kept"])
    which = f"{shown} of {kept:,} kept units" if shown < kept else plural(kept, "kept unit")
    if "bin_ms" in about:
        what = f"Counts in bins of {about['bin_ms']} ms"
    else:
        what = plural(len(part(table, "raster")), "spike")
    return f"{what} of {which}, ordered by {about['order']}"

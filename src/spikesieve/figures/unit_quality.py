"""Unit quality: where the units lie against the filter's thresholds, and what each one cost."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from spikesieve.figures import style
from spikesieve.figures.style import drawing_table, facts, header, part, plural, rows
from spikesieve.units import drop_table

#: Settings that are a limit of a metric: the metric's column, and how the limit is worded.
LIMITS = {
    "max_isi_violations": ("isi_violations", "≤"),
    "min_firing_rate_hz": ("firing_rate_hz", "≥"),
    "max_firing_rate_hz": ("firing_rate_hz", "≤"),
    "min_presence_ratio": ("presence_ratio", "≥"),
}
NAMES = {
    "isi_violations": "ISI violations",
    "firing_rate_hz": "Firing rate (Hz)",
    "presence_ratio": "Presence ratio",
    "depth_um": "Depth on the probe (µm)",
    "rank": "Rank of the unit by firing rate",
}


def unit_quality_table(recording: str, units: pd.DataFrame, settings: dict) -> pd.DataFrame:
    """Return the drawing table of the figure.

    Parameters
    ----------
    units : ``units.parquet``, with the verdicts of the filter.
    settings : the ``units`` section of the configuration that the filter was given.
    """
    spiking = units[units["n_spikes"] > 0].sort_values("firing_rate_hz", ascending=False)
    spiking = spiking.assign(rank=np.arange(1.0, len(spiking) + 1))
    has_isi = bool(spiking["isi_violations"].notna().any())
    has_depth = spiking["depth_um"].notna().mean() > 0.5
    left = "isi_violations" if has_isi else "presence_ratio"
    right = ("presence_ratio", "depth_um") if has_depth else ("rank", "firing_rate_hz")
    if has_isi and not has_depth:
        right = ("firing_rate_hz", "presence_ratio")
    return drawing_table(
        facts(
            recording=recording,
            n_units=len(units),
            n_kept=int(units["kept"].sum()),
            n_silent=len(units) - len(spiking),
            quality=" or ".join(settings["quality"]),
            isi_method=settings["isi_method"],
            isi_threshold_ms=settings["isi_threshold_ms"],
            left_x="firing_rate_hz",
            left_y=left,
            right_x=right[0],
            right_y=right[1],
        ),
        *_limits(settings, has_isi),
        *_points("left", spiking, "firing_rate_hz", left),
        *_points("right", spiking, *right),
        _toll(units),
    )


def _limits(settings: dict, has_isi: bool) -> list[pd.DataFrame]:
    given = {k: v for k, v in LIMITS.items() if settings.get(k) is not None}
    if not has_isi:
        given.pop("max_isi_violations", None)
    return [
        rows("threshold", column, y=settings[key], label=f"{sign} {settings[key]:g}")
        for key, (column, sign) in given.items()
    ]


def _points(panel: str, units: pd.DataFrame, x: str, y: str) -> list[pd.DataFrame]:
    known = units[units[[x, y]].notna().all(axis=1)]
    groups = {"dropped": known[~known["kept"]], "kept": known[known["kept"]]}
    return [
        rows(panel, s, g[x].to_numpy(), g[y].to_numpy(), label=g["unit_id"].astype(str).to_numpy())
        for s, g in groups.items()
        if len(g)
    ]


def _toll(units: pd.DataFrame) -> pd.DataFrame:
    toll = drop_table(units).sort_values("n_failing", ascending=False)
    names = style.criterion_names(toll["criterion"])
    kept = float(units["kept"].sum())
    return drawing_table(
        rows("toll", "kept", y=kept, label="kept"),
        rows("toll", "failing", y=toll["n_failing"].to_numpy(), label=names),
        rows("toll", "failing only this", y=toll["n_only"].to_numpy(), label=names),
    )


@style.in_style
def draw_unit_quality(table: pd.DataFrame) -> Figure:
    """Draw the table of ``unit_quality_table``."""
    about = header(table)
    figure = style.new_figure(72)
    axes = figure.subplot_mosaic([["left", "toll", "right"]], width_ratios=[1.1, 0.9, 1.1])
    kept, n = int(about["n_kept"]), int(about["n_units"])
    verdict = f"{kept:,} of {plural(n, 'unit')} kept: {_rule(table, about)}"
    style.title_figure(figure, about["recording"], verdict)
    for panel in ("left", "right"):
        _scatter(axes[panel], table, panel, about)
    silent = int(about["n_silent"])
    left_out = f" ({silent:,} without a spike not shown)" if silent else ""
    axes["left"].set_title(f"n = {plural(len(part(table, 'left')), 'unit')}{left_out}")
    axes["right"].set_title(f"n = {plural(len(part(table, 'right')), 'unit')}")
    _draw_toll(axes["toll"], table)
    _legend(figure, table)
    style.letter_panels([axes[p] for p in ("left", "toll", "right")])
    return figure


def _scatter(ax: Axes, table: pd.DataFrame, panel: str, about: dict[str, str]) -> None:
    points = part(table, panel)
    if points.empty:
        all_silent = about["n_silent"] == about["n_units"]
        style.say(ax, "No unit has a spike" if all_silent else "No unit has both values")
    floors = {}
    for axis in "xy":
        column = about[f"{panel}_{axis}"]
        if column in ("firing_rate_hz", "isi_violations"):
            floor = _log_axis(ax, axis, points[axis], part(table, "threshold", column)["y"])
            floors |= {} if floor is None else {axis: floor}
        elif column == "presence_ratio":
            ax.set(**{f"{axis}lim": (-0.03, 1.05)})
        getattr(ax, f"set_{axis}label")(_axis_name(column, about))
        _draw_limits(ax, axis, part(table, "threshold", column))
    for series, colour in (("dropped", style.DROPPED), ("kept", style.KEPT)):
        one = points[points["series"] == series]
        x, y = (one[a].where(one[a] > 0, floors[a]) if a in floors else one[a] for a in "xy")
        size = float(np.clip(1500 / max(len(points), 1), 3, 14))
        ax.scatter(x, y, size, colour, alpha=0.65, linewidths=0)


def _rule(table: pd.DataFrame, about: dict[str, str]) -> str:
    """Return the filter in words."""
    limits = part(table, "threshold")
    words = [
        NAMES[column].replace(" (Hz)", "").replace("Firing", "firing").replace("Pres", "pres")
        + f" {limit}{' Hz' if column == 'firing_rate_hz' else ''}"
        for column, limit in zip(limits["series"], limits["label"], strict=True)
    ]
    return ", ".join([f"label {about['quality']}", *words])


def _legend(figure: Figure, table: pd.DataFrame) -> None:
    """Explain the colours of all panels, below them."""
    keys = {"kept": style.KEPT}
    if len(part(table, "toll")) > 1:
        keys["dropped; failing only this criterion"] = style.DROPPED
    failing, only = (part(table, "toll", s)["y"].sum() for s in ("failing", "failing only this"))
    if failing > only:
        keys["failing this and others"] = style.YELLOW
    if len(part(table, "threshold")):
        keys["threshold (dashed)"] = style.VERMILION
    style.explain_colours(figure, keys)


def _axis_name(column: str, about: dict[str, str]) -> str:
    if column == "isi_violations":
        unit = "ratio" if about["isi_method"] == "ratio" else "share of all intervals"
        return f"ISI violations, {float(about['isi_threshold_ms']):g} ms ({unit})"
    return NAMES[column]


def _log_axis(ax: Axes, axis: str, values: pd.Series, limits: pd.Series) -> float | None:
    """Make the axis logarithmic; return where zeros are drawn, below all else and marked.

    Nothing is returned where there is no zero, or nothing else (the axis stays linear then).
    """
    positive = values[values > 0]
    if not len(positive):
        return None
    style.log_scale(ax, axis, positive.min(), positive.max())
    if len(positive) == len(values):
        return None
    seen = np.log10([*positive, *limits[limits > 0]])
    decades = 10.0 ** np.arange(np.floor(seen.min()), np.ceil(seen.max()) + 0.5)
    floor = decades[0] / 3
    line = ax.axhline if axis == "y" else ax.axvline
    line(floor * 1.7, color=style.GREY, linewidth=0.5, linestyle=":")
    ticks = [floor, *decades]
    names = ["0", *(f"$10^{{{np.log10(d):.0f}}}$" for d in decades)]
    own = ax.yaxis if axis == "y" else ax.xaxis
    own.set_major_locator(FixedLocator(ticks))
    own.set_ticklabels(names)
    own.set_minor_locator(FixedLocator([d * m for d in decades[:-1] for m in range(2, 10)]))
    ax.set(**{f"{axis}lim": (floor / 1.7, decades[-1] * 1.2)})
    return floor


def _draw_limits(ax: Axes, axis: str, limits: pd.DataFrame) -> None:
    for value in limits["y"]:
        line = ax.axhline if axis == "y" else ax.axvline
        line(value, color=style.VERMILION, linestyle="--", linewidth=0.8)


def _draw_toll(ax: Axes, table: pd.DataFrame) -> None:
    toll = part(table, "toll")
    for series, colour in (
        ("kept", style.KEPT),
        ("failing", style.YELLOW),
        ("failing only this", style.DROPPED),
    ):
        one = toll[toll["series"] == series]
        if len(one):
            bars = ax.barh(one["label"], one["y"], color=colour, height=0.7, label=series)
            if series != "failing only this":
                ax.bar_label(bars, [f"{n:,.0f}" for n in one["y"]], padding=2)
    style.bars_from_top(ax, toll["y"].max(), toll["label"].nunique())
    ax.set_xlabel("Number of units")
    ax.set_title("Toll of each criterion")

"""Scores of inferred spike trains against the time scale, for every method."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from spikesieve.figures import style
from spikesieve.figures.distance_methods import (
    CONTROLS,
    TRUE_RATE,
    explain_methods,
    looks,
    mean_interval,
    method_of,
    ordered,
    pretty,
    scores_at,
    unit_scores,
)
from spikesieve.figures.style import drawing_table, facts, header, part, rows

#: Metric -> title, label of x and of y.
PANELS = {
    "schreiber": ("Schreiber similarity", "Smoothing sigma (ms)", "Similarity (1 is perfect)"),
    "van_rossum_relative": (
        "van Rossum distance over silence's",
        "Time constant tau (ms)",
        "Ratio (0 is perfect)",
    ),
    "correlation": ("Correlation of counts", "Bin width (ms)", "Pearson's r (1 is perfect)"),
}
#: What the title tells: the first metric at this scale.
TITLE_SCALE_MS = 5
#: Count ratios that are close enough.
BAND = (0.9, 1.1)
#: Larger ratios are drawn at the edge.
_LARGEST_RATIO = 2.0
#: Told as a share of what the true rate gives: metric -> scale (ms), how it reads.
SHARES = {
    "schreiber": (TITLE_SCALE_MS, "Schreiber, 5 ms"),
    "correlation": (100, "correlation, 100 ms"),
}
#: Shares of less than this score of the true rate tell nothing: such units are left out.
LEAST_SCORE = 0.05
#: Size of the dot of each share, and whether it is filled.
_SHARE_DOTS = ((9, True), (22, False))


def distance_scores_table(
    recording: str, scores: Sequence[pd.DataFrame], *, split: str = "test"
) -> pd.DataFrame:
    """Return the drawing table of the figure.

    Parameters
    ----------
    scores : tables ``scores`` of every method, model and seed; see ``unit_scores`` for the units
        that count. ``split`` : the bins that were scored, for the title.
    """
    units = unit_scores(scores)
    names = ordered(units["name"])
    about = facts(recording=recording, split=split, n_units=units["unit_id"].nunique())
    parts = [about, rows("method", names, y=np.arange(float(len(names))))]
    for metric in PANELS:
        of_metric = units[units["metric"] == metric]
        for name in names:
            mine = of_metric[of_metric["name"] == name].groupby("scale_ms", sort=True)["value"]
            found = [(scale, *mean_interval(v.to_numpy())) for scale, v in mine]
            scale, mean, low, high = np.reshape(found, (-1, 4)).T
            for panel, y in ((metric, mean), (f"{metric} low", low), (f"{metric} high", high)):
                known = np.isfinite(y)
                parts.append(rows(panel, name, scale[known], y[known]))
    ratios = units[units["metric"] == "count_ratio"]
    for place, name in enumerate(names):
        mine = ratios[ratios["name"] == name].sort_values("unit_id")
        label = [f"unit {u}" for u in mine["unit_id"]]
        parts.append(rows("count_ratio", name, place, mine["value"].to_numpy(), label=label))
        for kind, y in zip(
            ("mean", "low", "high"), mean_interval(mine["value"].to_numpy()), strict=True
        ):
            if np.isfinite(y):
                parts.append(rows(f"count_ratio {kind}", name, place, y))
    return drawing_table(*parts, *_shares(units, names))


def _shares(units: pd.DataFrame, names: list[str]) -> list[pd.DataFrame]:
    """Return each method's scores over the true rate's, means over units, where that is known."""
    parts = []
    for metric, (scale_ms, label) in SHARES.items():
        wide = scores_at(units, metric, scale_ms)
        true = wide[[name for name in wide if method_of(name) == TRUE_RATE]].mean(axis=1)
        true = true[true >= LEAST_SCORE]
        if true.empty:
            continue
        share = wide.loc[true.index].div(true, axis=0).mean()
        parts.append(rows("share units", label, len(true)))
        for place, name in enumerate(names):
            if method_of(name) != TRUE_RATE:
                parts.append(rows("share", name, share[name], place, label=label))
    return parts


@style.in_style
def draw_distance_scores(table: pd.DataFrame) -> Figure:
    """Draw the table of ``distance_scores_table``."""
    about, names = header(table), list(part(table, "method")["series"])
    shares = part(table, "share")
    figure = style.new_figure(118 + 3 * max(len(names) - 10, 0))
    axes = _panels(figure, shared=len(shares) > 0)
    n = style.plural(int(about["n_units"]), "unit")
    style.title_figure(figure, about["recording"], f"{about['split']} bins, {n}: {_best(table)}")
    for (metric, (title, x_label, y_label)), ax in zip(PANELS.items(), axes[:3], strict=True):
        _draw_curves(ax, table, metric, names)
        ax.set(title=title, xlabel=x_label, ylabel=y_label)
    _draw_ratios(axes[3], table, names)
    if len(shares):
        _draw_shares(axes[4], table, names)
        axes[4].set_ylim(axes[3].get_ylim())
    explain_methods(figure, names, **_explain_shares(table, int(about["n_units"])))
    style.letter_panels(axes)
    return figure


def _panels(figure: Figure, *, shared: bool) -> list[Axes]:
    """Return the panels in order; the last, of shares, is there where the true rate is known."""
    widths = [4, 4, 2.5] if shared else [1, 1]
    above, below = figure.add_gridspec(2, 1)
    lines = above.subgridspec(1, 2), below.subgridspec(1, len(widths), width_ratios=widths)
    return [figure.add_subplot(place) for line in lines for place in line]


def _best(table: pd.DataFrame) -> str:
    """Say which method leads, and the runner-up, with count ratios; controls don't run."""
    curve = part(table, "schreiber")
    at = curve[np.isclose(curve["x"], TITLE_SCALE_MS)]
    at = at[~at["series"].map(method_of).isin(CONTROLS)].sort_values("y", ascending=False)
    if at.empty:
        return "no method was scored"
    ratio = part(table, "count_ratio mean").set_index("series")["y"]
    told = [
        f"{row['y']:.2f}, count ratio {ratio[row['series']]:.2f}"
        for _, row in at.iloc[:2].iterrows()
    ]
    share = part(table, "share", at["series"].iloc[0])
    share = share.loc[share["label"] == SHARES["schreiber"][1], "x"]
    told[0] += "".join(f", {x:.0%} of what the true rate gives".replace("%", " %") for x in share)
    told = [f"{pretty(name)} ({text})" for name, text in zip(at["series"], told, strict=False)]
    where = f"Schreiber similarity at {TITLE_SCALE_MS} ms"
    if len(told) == 1:
        return f"{where} of {told[0]}"
    return f"{where} is highest for {told[0]}, then {told[1]}"


def _draw_curves(ax: Axes, table: pd.DataFrame, metric: str, names: list[str]) -> None:
    """Draw means and intervals; scales stand one beside the other, at equal steps."""
    curves = part(table, metric)
    if curves.empty:
        style.say(ax, "No unit is scored by every method")
        ax.set(xticks=[], yticks=[])
        return
    scales = sorted(set(curves["x"]))
    place = {scale: number for number, scale in enumerate(scales)}
    if metric == "van_rossum_relative":
        ax.axhline(1, color=style.PALE, linewidth=0.8, zorder=0)
    for name, look in looks(names).items():
        mean = part(table, metric, name)
        low, high = (part(table, f"{metric} {end}", name) for end in ("low", "high"))
        ax.plot(mean["x"].map(place), mean["y"], markersize=3, zorder=3, **look)
        shade = {"color": look["color"], "alpha": 0.15, "linewidth": 0}
        ax.fill_between(low["x"].map(place), low["y"], high["y"], **shade)
    ax.set_xticks(range(len(scales)), [f"{scale:g}" for scale in scales])
    ax.set_xlim(-0.3, len(scales) - 0.7)
    y = table.loc[table["panel"].isin([metric, f"{metric} low", f"{metric} high"]), "y"]
    lowest, highest = y.min(), y.max()
    ax.set_ylim(min(lowest * 1.08, 0) - 0.01, max(highest * 1.06, 0.1))


def _draw_ratios(ax: Axes, table: pd.DataFrame, names: list[str]) -> None:
    """Draw a point a unit, and each mean with its interval; a method a line."""
    ax.set(title="Count ratio", xlabel="Predicted / true spikes (1 is perfect)")
    points = part(table, "count_ratio")
    if points.empty:
        style.say(ax, "No unit is scored by every method")
        ax.set(xticks=[], yticks=[])
        return
    ax.axvspan(*BAND, color=style.PALE, alpha=0.6, linewidth=0, zorder=0)
    right = min(_LARGEST_RATIO, max(1.2, 1.05 * points["y"].max()))
    for name, look in looks(names).items():
        mine = part(table, "count_ratio", name)
        line = mine["x"] + (np.linspace(-0.25, 0.25, len(mine)) if len(mine) > 1 else 0.0)
        for marker, chosen in (("o", mine["y"] <= right), (">", mine["y"] > right)):
            dots = {"s": 5, "color": look["color"], "marker": marker, "linewidths": 0}
            x = mine["y"][chosen].clip(upper=right)
            ax.scatter(x, line[chosen], alpha=0.5, clip_on=False, **dots)
        ends = [part(table, f"count_ratio {end}", name)["y"] for end in ("low", "high")]
        mean = part(table, "count_ratio mean", name)
        line, mean = mean["x"], mean["y"].clip(upper=right)
        if len(ends[0]):
            low, high = (end.clip(upper=right) for end in ends)
            ax.hlines(line, low, high, style.BLACK, linewidth=1, zorder=4)
        ax.vlines(mean, line - 0.36, line + 0.36, style.BLACK, linewidth=1.4, zorder=4)
    ax.set_xlim(0, right * 1.03)
    ax.set_yticks(range(len(names)), [pretty(name) for name in names])
    ax.set_ylim(max(len(names), 3) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)


def _draw_shares(ax: Axes, table: pd.DataFrame, names: list[str]) -> None:
    """Draw each method's scores as shares of the true rate's, on the line of its count ratios."""
    ax.set(title="Share of true rate's", xlabel="Score / true rate's score")
    ax.axvline(1, color=style.BLACK, linestyle="--", linewidth=0.8, zorder=0)
    shares = part(table, "share")
    right = max(1.05 * shares["x"].max(), 1.05)
    ax.hlines(sorted(set(shares["y"])), 0, right, style.PALE, linewidth=0.5, zorder=0)
    for name, look in looks(names).items():
        mine = part(table, "share", name)
        for (_, label), (size, filled) in zip(SHARES.values(), _SHARE_DOTS, strict=True):
            of = mine[mine["label"] == label]
            face = look["color"] if filled else "none"
            edge = {"edgecolors": look["color"], "linewidths": 1}
            ax.scatter(of["x"], of["y"], size, face, clip_on=False, zorder=3, **edge)
    ax.set_xlim(min(shares["x"].min(), 0), right)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)


def _explain_shares(table: pd.DataFrame, n_units: int) -> dict[str, Line2D]:
    """Return what the legend says of the dots; how many units, where not all."""
    known = part(table, "share units").set_index("series")["x"]
    found = {}
    for (_, label), (size, filled) in zip(SHARES.values(), _SHARE_DOTS, strict=True):
        if label in known:
            few = f" ({known[label]:.0f} units)" if known[label] < n_units else ""
            look = {"marker": "o", "markersize": size**0.5, "linestyle": ""}
            look |= {"color": style.BLACK, "markerfacecolor": style.BLACK if filled else "none"}
            found[f"share, {label}{few}"] = Line2D([], [], **look)
    return found

"""The unit map: units laid out by their embeddings, and what the layout is worth."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from spikesieve.figures import style
from spikesieve.figures.style import drawing_table, facts, header, part, rows

#: Layout -> title.
LAYOUTS = {"tsne": "t-SNE", "pca": "PCA"}
#: Score -> what it is called.
SCORES = {
    "neighbour_similarity": "Correlation of neighbours",
    "neighbour_similarity_within": "... permuted within recordings",
    "recording_given_away": "Accuracy of naming the recording",
}
MARKERS = ("o", "s", "^", "D")
#: More recordings are drawn, but not named.
MOST_NAMED = 12


def unit_map_table(name: str, unit_map: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Return the drawing table of the figure.

    Parameters
    ----------
    name : what is mapped, for the title. ``unit_map``, ``scores`` : tables ``unit_map`` and
        ``map_scores``. Where there is one recording, its units are permuted within it anyway, so
        that the score of that name is left out.
    """
    by_name = scores.set_index("score")
    recordings = list(dict.fromkeys(unit_map["recording"]))
    share = by_name["value"].get("pca_share", np.nan)
    parts = [facts(name=name, n_units=len(unit_map), pca_share=f"{share:.4f}")]
    parts.append(rows("recording", recordings, label=[str(i) for i in range(len(recordings))]))
    for layout in LAYOUTS:
        known = unit_map.dropna(subset=[f"x_{layout}", f"y_{layout}"])
        place = (known[f"{axis}_{layout}"].to_numpy() for axis in "xy")
        label = known["unit_id"].astype(str).to_numpy()
        parts.append(rows(layout, known["recording"].to_numpy(), *place, label=label))
    shown = [s for s in SCORES if s in by_name.index]
    if len(recordings) == 1:
        shown = [s for s in shown if s != "neighbour_similarity_within"]
    for height, score in enumerate(shown):
        found = by_name.loc[score]
        if np.isnan(found["value"]):
            parts.append(rows("no score", score, 0.0, float(height), label=found["note"]))
            continue
        span = {"x": found["chance_low"], "x_stop": found["chance_high"]}
        parts.append(rows("chance span", score, y=float(height), label=found["note"], **span))
        parts.append(rows("chance", score, found["chance"], float(height)))
        label = f"p\u00a0=\u00a0{found['p']:.2g}, n\u00a0=\u00a0{found['n']:,}"
        parts.append(rows("score", score, found["value"], float(height), label=label))
    return drawing_table(*parts)


@style.in_style
def draw_unit_map(table: pd.DataFrame) -> Figure:
    """Draw the table of ``unit_map_table``."""
    about = header(table)
    keys, n_columns = _keys(table)
    figure = style.new_figure(70 + 4 * -(-len(keys) // n_columns))
    axes = figure.subplots(1, 3, width_ratios=[1, 1, 1.05])
    style.title_figure(figure, about["name"], _verdict(table, int(about["n_units"])))
    for (layout, title), ax in zip(LAYOUTS.items(), axes[:2], strict=True):
        _draw_layout(ax, table, layout)
        ax.set_title(title)
    if part(table, "pca").size and about["pca_share"] != "nan":
        share = f"{100 * float(about['pca_share']):.0f} % of variance"
        axes[1].set_title(f"{LAYOUTS['pca']} ({share})")
    _draw_scores(axes[2], table)
    axes[2].set_title("Scores against chance")
    style.letter_panels([*axes])
    figure.legend(keys.values(), keys, loc="outside lower center", ncols=n_columns)
    return figure


def _verdict(table: pd.DataFrame, n_units: int) -> str:
    units = style.plural(n_units, "unit")
    found = part(table, "score", "neighbour_similarity")
    if found.empty:
        return f"map of {units} by embedding"
    chance = part(table, "chance", "neighbour_similarity")["x"].iloc[0]
    value, p = found["x"].iloc[0], found["label"].iloc[0].split(",")[0]
    means = f"correlate at {value:.2f} (chance {chance:.2f}, {p})"
    return f"{units}: neighbours' stimulus averages {means}"


def _looks(table: pd.DataFrame) -> dict[str, dict]:
    """Return marker and colour of each recording: no two alike among the first 24."""
    names = part(table, "recording")["series"]
    n = len(style.CYCLE)
    return {
        name: {"color": style.CYCLE[i % n], "marker": MARKERS[i // n % len(MARKERS)]}
        for i, name in enumerate(names)
    }


def _draw_layout(ax: Axes, table: pd.DataFrame, layout: str) -> None:
    points = part(table, layout)
    if points.empty:
        style.say(ax, "No t-SNE: it needs 5 units or more whose embeddings differ")
    size = 14 if len(points) < 200 else 5
    for name, look in _looks(table).items():
        own = points[points["series"] == name]
        ax.scatter(own["x"], own["y"], size, linewidths=0.3, edgecolors="white", **look)
    if len(points):
        # Distances are what a map shows: both axes have one scale, and no numbers.
        low, high = points[["x", "y"]].min(), points[["x", "y"]].max()
        half = 0.54 * max((high - low).max(), 1e-6)
        (x, y) = (low + high) / 2
        ax.set(xlim=(x - half, x + half), ylim=(y - half, y + half))
    ax.set(xticks=[], yticks=[], box_aspect=1)
    axis = {"tsne": "t-SNE", "pca": "Component"}[layout]
    ax.set(xlabel=f"{axis} 1", ylabel=f"{axis} 2")


def _draw_scores(ax: Axes, table: pd.DataFrame) -> None:
    """Draw each score as a point beside the span of its null, its name and numbers above it."""
    spans, points, none = (part(table, p) for p in ("chance span", "score", "no score"))
    width = spans["x_stop"] - spans["x"]
    ax.barh(spans["y"], width, 0.16, spans["x"], color=style.PALE, linewidth=0)
    chance = part(table, "chance")
    ax.vlines(chance["x"], chance["y"] - 0.08, chance["y"] + 0.08, style.GREY, linewidth=1)
    ax.scatter(points["x"], points["y"], 18, style.BLACK, zorder=3, clip_on=False)
    for _, row in points.iterrows():
        _write(ax, row["y"], 9, f"{SCORES[row['series']]}\n{row['x']:.2f} ({row['label']})")
    for _, row in none.iterrows():
        why = textwrap.fill(f"none: {row['label']}", 44)
        _write(ax, row["y"], -9, f"{SCORES[row['series']]}\n{why}")
    n = len(points) + len(none)
    low = min([0.0, *spans["x"], *points["x"]])
    ax.set(ylim=(n - 0.7, -0.65), yticks=[], xlabel="Correlation, or accuracy")
    ax.set_xlim(1.05 * low, max([1.0, *points["x"]]))
    ax.spines["left"].set_visible(False)
    ax.axvline(0, color=style.BLACK, linewidth=0.6, zorder=0)


def _write(ax: Axes, height: float, above: float, text: str) -> None:
    at = {"xycoords": ax.get_yaxis_transform(), "textcoords": "offset points"}
    ax.annotate(text, (0.0, height), (3, above), va="bottom", fontsize=6.5, **at)


def _keys(table: pd.DataFrame) -> tuple[dict[str, Line2D], int]:
    """Return the legend of recordings and of the null, and in how many columns it fits."""
    looks = _looks(table)
    keys = {
        style.shortened(name, 40): Line2D([], [], linestyle="", markersize=4, **look)
        for name, look in [*looks.items()][:MOST_NAMED]
    }
    if len(looks) > MOST_NAMED:
        keys[f"... and {len(looks) - MOST_NAMED} more"] = Line2D([], [], linestyle="")
    keys["95 % of the null (line: mean)"] = Line2D([], [], color=style.PALE, linewidth=5)
    return keys, min(len(keys), style.LEGEND_LENGTH // (max(map(len, keys)) + 14))

"""Decoding: what all latents of each method tell of each variable, and whether more than counts."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from spikesieve.figures import style
from spikesieve.figures.method_heights import bar_height, heights
from spikesieve.figures.methods import (
    OTHERS,
    OURS,
    colour_of,
    draw_points,
    method_lines,
    method_rows,
    point_rows,
    pretty,
)
from spikesieve.figures.style import drawing_table, facts, header, part, rows
from spikesieve.latents.paired import paired_difference

#: Variables that fit side by side; of more, those are drawn that are decoded furthest above chance.
MOST_VARIABLES = 4
#: What others are compared with.
RAW = "raw"
SCORES = {"balanced_accuracy": "Bal. accuracy", "r2": "R²"}
#: A difference is told in the title where its interval lies above this.
NOTICEABLE = 0.01
#: Scores below are drawn at the edge.
LOWEST = -0.5


def decoding_drawing_table(
    recording: str, decoding: Sequence[pd.DataFrame], confusions: Sequence[pd.DataFrame]
) -> pd.DataFrame:
    """Return the drawing table of the figure.

    Parameters
    ----------
    decoding, confusions : these tables of each model and baseline, in the order to draw them; the
        confusions drawn are of the method and classes that are decoded furthest above chance.
    """
    every = pd.concat([t for t in decoding if len(t)] or [pd.DataFrame({"variable": []})])
    if every.empty:
        return drawing_table(facts(recording=recording))
    names = [str(t["model"].iloc[0]) for t in decoding if len(t)]
    ours = [t["method"].iloc[0] == "sae" for t in decoding if len(t)]
    methods = method_rows(names, ours)
    every = every.assign(name=every["model"])
    whole = every[every["fold"].isna()]
    above = (whole["value"] - whole["chance_high"]).where(whole["of"] == "all")
    order = above.groupby(whole["variable"], sort=False).max()
    chosen = set(order.sort_values(ascending=False, kind="stable").index[:MOST_VARIABLES])
    parts = [facts(recording=recording, n_variables=len(order)), methods]
    for number, variable in enumerate(v for v in order.index if v in chosen):
        mine = every[every["variable"] == variable]
        parts += _variable(number, variable, mine, methods)
    parts += _confusion(whole, confusions)
    return drawing_table(*parts)


def _variable(number: int, variable: str, mine: pd.DataFrame, methods) -> list[pd.DataFrame]:
    score, n_classes = mine["score"].iloc[0], mine["n_classes"].max()
    classes = "" if pd.isna(n_classes) else f"{int(n_classes)} classes"
    parts = [rows("variable", variable, x=number, label=f"{score},{classes}")]
    whole = mine[mine["fold"].isna()]
    height = heights(list(dict.fromkeys(mine["name"])), methods)
    parts += point_rows(f"all {number}", whole[whole["of"] == "all"], methods)
    single = whole[whole["of"] == "single"].groupby("name", sort=False)["value"].mean()
    y = height[single.index].to_numpy()
    parts.append(rows(f"single {number}", [*single.index], single.to_numpy(), y))
    chance = whole[whole["of"] == "all"].groupby("name", sort=False)
    low, high = chance["chance"].mean(), chance["chance_high"].mean()
    y = height[low.index].to_numpy()
    parts.append(rows(f"chance {number}", [*low.index], low.to_numpy(), y, x_stop=high.to_numpy()))
    blocks = mine[mine["fold"].notna() & (mine["of"] == "all")]
    for name in [n for n in height.index if n != RAW and n in set(blocks["name"])]:
        difference = paired_difference(blocks, name, RAW, "fold")
        if difference is not None:
            middle, low, high = difference
            at = {"y": height[name]}
            parts.append(rows(f"difference {number}", name, middle, **at))
            parts.append(rows(f"interval {number}", name, low, x_stop=high, **at))
    return parts


def _confusion(whole: pd.DataFrame, confusions: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    """Return the confusion matrix of what is decoded furthest above chance."""
    classes = whole[(whole["score"] == "balanced_accuracy") & (whole["of"] == "all")]
    if classes.empty:
        return []
    means = classes.groupby(["model", "variable"], sort=False)[["value", "chance_high"]].mean()
    model, variable = (means["value"] - means["chance_high"]).idxmax()
    best = classes[(classes["model"] == model) & (classes["variable"] == variable)].iloc[0]
    table = next(t for t in confusions if len(t) and t["model"].iloc[0] == best["model"])
    mine = table[(table["variable"] == best["variable"]) & (table["seed"] == best["seed"])]
    labels = list(dict.fromkeys(mine["true_label"]))
    place = {label: float(i) for i, label in enumerate(labels)}
    about = facts(confusion_of=best["model"], confusion_variable=best["variable"])
    names = rows("confusion label", labels, np.arange(float(len(labels))))
    cells = rows(
        "confusion",
        mine["true_label"].to_numpy(),
        mine["decoded_label"].map(place).to_numpy(float),
        mine["true_label"].map(place).to_numpy(float),
        label=mine["share"].map("{:.4f}".format).to_numpy(),
    )
    return [about, names, cells]


@style.in_style
def draw_decoding(table: pd.DataFrame) -> Figure:
    """Draw the table of ``decoding_drawing_table``."""
    about, variables = header(table), part(table, "variable")
    n_lines = max(len(part(table, "method")), 3)
    figure = style.new_figure(48 + 11 * n_lines if len(variables) else 40)
    if variables.empty:
        ax = figure.subplots()
        ax.set_axis_off()
        style.title_figure(figure, about["recording"], "nothing to decode")
        style.say(ax, "Nothing is known of the bins that varies in all parts of the recording")
        return figure
    style.title_figure(figure, about["recording"], _verdict(table))
    n = len(variables)
    axes = figure.subplots(2, n + 1, width_ratios=[1] * n + [1.25], squeeze=False)
    for number, (_, variable) in enumerate(variables.iterrows()):
        score, _, classes = variable["label"].partition(",")
        ax = axes[0, number]
        draw_points(ax, table, f"all {number}", "No method has a score")
        _draw_others(ax, table, number)
        name = style.shortened(variable["series"].replace("_", " "), 22)
        ax.set(title=f"{name}\n{classes}", xlabel=SCORES[score])
        _draw_differences(axes[1, number], table, number)
        axes[1, number].set(title="less raw counts", xlabel=SCORES[score])
        if number:
            for row in (0, 1):
                axes[row, number].set_yticklabels([])
    axes[1, -1].remove()
    has_matrix = int(len(part(table, "confusion")) > 0)
    _draw_confusion(axes[0, -1], table)
    style.letter_panels([*axes[0, :n], *axes[1, :n], axes[0, -1]][: 2 * n + has_matrix])
    _explain(figure, table)
    return figure


def _explain(figure: Figure, table: pd.DataFrame) -> None:
    line = {"linestyle": "none", "color": style.GREY}
    own = (("ours", "sparse autoencoder", OURS), ("others", "others", OTHERS))
    there = set(part(table, "method")["label"])
    entries = {text: Line2D([], [], color=c, linewidth=5) for k, text, c in own if k in there}
    entries["all latents"] = Line2D([], [], marker="o", markersize=4, **line)
    entries["best single latent"] = Line2D(
        [], [], marker="D", markersize=4, markerfacecolor="none", **line
    )
    entries["chance to 95 %"] = Line2D([], [], color=style.PALE, linewidth=5)
    entries["difference, 95 %"] = Line2D([], [], color=style.GREY, marker="o", markersize=4)
    n = len(entries)
    figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=n)


def _draw_others(ax: Axes, table: pd.DataFrame, number: int) -> None:
    """Draw the single best latent, and chance: from its mean to its 95th percentile."""
    single, chance = part(table, f"single {number}"), part(table, f"chance {number}")
    points = part(table, f"all {number}")
    left = max(LOWEST, min(0.0, points["x"].min(), single["x"].min(), chance["x"].min()))
    start = np.maximum(chance["x"], left)
    width, high = np.maximum(chance["x_stop"], left) - start, bar_height(chance["series"])
    ax.barh(chance["y"], width, high, start, color=style.PALE)
    colours = [colour_of(table, name) for name in single["series"]]
    look = {"facecolors": "none", "linewidths": 0.7, "clip_on": False, "zorder": 4}
    ax.scatter(
        np.maximum(single["x"], left), single["y"], 12, marker="D", edgecolors=colours, **look
    )
    right = max(points["x"].max(), chance["x_stop"].max(), single["x"].max())
    ax.set_xlim(left - 0.02 * (right - left), right + 0.06 * (right - left))


def _draw_differences(ax: Axes, table: pd.DataFrame, number: int) -> None:
    middle, span = part(table, f"difference {number}"), part(table, f"interval {number}")
    ax.axvline(0, color=style.BLACK, linestyle="--", linewidth=0.8, zorder=0)
    if middle.empty:
        style.say(ax, "Raw counts were not decoded")
    colours = [colour_of(table, name) for name in middle["series"]]
    ax.hlines(span["y"], span["x"], span["x_stop"], colors=colours, linewidth=1.2)
    ax.scatter(middle["x"], middle["y"], 10, colours, zorder=3)
    method_lines(ax, table)


def _draw_confusion(ax: Axes, table: pd.DataFrame) -> None:
    about, cells, names = header(table), part(table, "confusion"), part(table, "confusion label")
    if cells.empty:
        ax.remove()
        return
    n = len(names)
    image = np.zeros((n, n))
    image[cells["y"].astype(int), cells["x"].astype(int)] = cells["label"].astype(float)
    shown = ax.imshow(image, cmap="cividis", vmin=0, vmax=max(image.max(), 1e-6), aspect="equal")
    ticks = names.iloc[:: -(-n // 9)]
    text = [style.shortened(t, 16) for t in ticks["series"]]
    short = max(map(len, text)) <= 4
    ax.set_xticks(ticks["x"], text if short else [""] * len(text))
    ax.set_yticks(ticks["x"], text)
    ax.set(xlabel="Decoded" if short else "Decoded (in the same order)", ylabel="True")
    who = pretty(about["confusion_of"])
    ax.set_title(f"{about['confusion_variable'].replace('_', ' ')},\n{who}")
    bar = ax.figure.colorbar(shown, ax=ax, fraction=0.05, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label("Share of true label")


def _verdict(table: pd.DataFrame) -> str:
    """Return which method decodes each variable surely better than raw counts, the best first."""
    surely = []
    for number, name in enumerate(part(table, "variable")["series"]):
        spans = part(table, f"interval {number}")
        better = set(spans.loc[spans["x"] >= NOTICEABLE, "series"])
        gains = part(table, f"difference {number}").set_index("series")["x"]
        gains = gains[gains.index.isin(better)].sort_values(ascending=False, kind="stable")
        if len(gains):
            best = f"{pretty(gains.index[0])} by {gains.iloc[0]:.2f}"
            more = f" and {len(gains) - 1} more" if len(gains) > 1 else ""
            surely.append(f"{name.replace('_', ' ')}: {best}{more}")
    if not surely:
        return "no method decodes surely more from its latents than raw counts give"
    return f"surely {NOTICEABLE:g} or more above raw counts: " + "; ".join(surely)

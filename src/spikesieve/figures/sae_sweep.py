"""A sweep over settings: what is told by validation bins and other seeds, and what was chosen."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spikesieve.figures import style
from spikesieve.figures.style import drawing_table, facts, header, part, rows

#: Column of the sweep's table -> label of its row of panels. The first chooses.
SCORES = {
    "pattern_bits": "Which hidden units\nfire (bits/spike)",
    "r2": "Reconstruction R²",
    "stability": "Stability, mean |r|\nwith other seeds",
}
AXIS_NAMES = {
    "n_latents": "Width (latents)",
    "k": "Budget k (latents per bin)",
    "smoothing": "Smoothing (bins)",
    "learning_rate": "Learning rate",
    "bin_ms": "Bin width (ms)",
    "tau": "tau",
    "masked_share": "Share of units hidden",
}


def sae_sweep_table(recording: str, sweep: pd.DataFrame, parameters: Sequence[str]) -> pd.DataFrame:
    """Return the drawing table of the figure.

    Trials that differ in one setting alone make a line of that setting's column.

    Parameters
    ----------
    sweep : the table of trials, a row a trial: the ``parameters``, ``chosen`` (bool) and the
        columns of ``SCORES`` (NaN where unknown).
    parameters : columns that may have been swept, in the order in which they are drawn.
    """
    text = sweep[[*parameters]].map(_text)
    varied = [p for p in parameters if len(set(text[p])) > 1] or [*parameters[:1]]
    parts = [facts(recording=recording, n_trials=len(sweep))]
    for setting in varied:
        names = _ordered(text[setting])
        parts.append(rows("axis", setting, np.arange(len(names)), label=names))
        others = [p for p in varied if p != setting]
        same = text[others].agg(" ".join, axis=1) if others else pd.Series("", text.index)
        for number, group in enumerate(text.groupby(same, sort=False).groups.values()):
            if len(set(text.loc[group, setting])) < 2 and others:
                continue
            place = text.loc[group, setting].map(names.index).astype(float)
            order = place.sort_values(kind="stable").index
            for score in SCORES:
                points = place[order], sweep.loc[order, score].astype(float)
                series = f"{setting} {number}"
                parts.append(
                    rows(score, series, *points, label=sweep.loc[order, "chosen"].map(str))
                )
    for chosen in sweep.index[sweep["chosen"]][:1]:
        label = ", ".join(f"{p} {text.loc[chosen, p]}" for p in varied)
        parts.append(rows("chosen", "chosen", label=label))
    return drawing_table(*parts)


def _text(value) -> str:
    known = isinstance(value, (int, float, np.number)) and np.isfinite(value)
    return f"{value:g}" if known else "none"


def _ordered(values: pd.Series) -> list[str]:
    """Return the different values, numbers ascending."""
    return sorted(set(values), key=lambda text: np.inf if text == "none" else float(text))


@style.in_style
def draw_sae_sweep(table: pd.DataFrame) -> Figure:
    """Draw the table of ``sae_sweep_table``."""
    about, places = header(table), part(table, "axis")
    settings = list(dict.fromkeys(places["series"]))
    figure = style.new_figure(30 * len(SCORES) + 12)
    axes = figure.subplots(len(SCORES), len(settings), squeeze=False, sharey="row", sharex="col")
    trials = style.plural(int(about["n_trials"]), "trial")
    chosen = part(table, "chosen")["label"]
    verdict = f"chosen of {trials}: {chosen.iloc[0]}" if len(chosen) else f"{trials}, none chosen"
    style.title_figure(figure, about["recording"], verdict)
    for line, score in enumerate(SCORES):
        axes[line, 0].set_ylabel(SCORES[score])
        for column, setting in enumerate(settings):
            _draw_trials(axes[line, column], table, score, setting)
    for column, setting in enumerate(settings):
        ticks = part(table, "axis", setting)
        axes[-1, column].set_xticks(ticks["x"], ticks["label"])
        axes[-1, column].set_xlabel(AXIS_NAMES.get(setting, setting))
        axes[-1, column].set_xlim(-0.5, max(len(ticks), 2) - 0.5)
    style.letter_panels([*axes[:, 0]])
    return figure


def _draw_trials(ax: Axes, table: pd.DataFrame, score: str, setting: str) -> None:
    points = part(table, score)
    mine = points[points["series"].str.rpartition(" ")[0] == setting]
    for _, line in mine.groupby("series", sort=False):
        ax.plot(line["x"], line["y"], color=style.BLUE, marker="o", markersize=3, alpha=0.8)
    best = mine[mine["label"] == "True"].dropna(subset="y")
    ax.scatter(
        best["x"], best["y"], 45, "none", edgecolors=style.VERMILION, linewidths=1.5, zorder=4
    )
    if mine["y"].isna().all():
        style.say(ax, "No trial has a value")
    ax.margins(y=0.15)

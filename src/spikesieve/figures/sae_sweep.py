"""A sweep over settings: what is told by validation bins and other seeds, and what was chosen."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spikesieve.figures import style
from spikesieve.figures.style import drawing_table, facts, header, part, rows

#: Column of the sweep's table -> title, axis label. The first decides which run is shown.
PANELS = {
    "cosmoothing_r2": ("Co-smoothing", "R² of hidden units, validation"),
    "r2": ("Reconstruction", "R², validation"),
    "stability": ("Stability across seeds", "Mean |r| with other seeds"),
}
AXIS_NAMES = {
    "n_latents": "Width (latents)",
    "k": "Budget k (latents per bin)",
    "learning_rate": "Learning rate",
    "bin_ms": "Bin width (ms)",
    "tau": "tau",
    "masked_share": "Share of units hidden in training",
    "seq_len": "Window (bins)",
}
#: More values than this are not written into the cells.
MOST_CELLS_WRITTEN = 48


def sae_sweep_table(recording: str, sweep: pd.DataFrame, parameters: Sequence[str]) -> pd.DataFrame:
    """Return the drawing table of the figure.

    Parameters
    ----------
    sweep : the table of trials, a row a training: the ``parameters``, ``chosen`` (bool) and the
        columns of ``PANELS`` (NaN where unknown; a column may be missing). Rows of the same
        parameters are averaged.
    parameters : columns that were swept, the two to draw against first. Where more of them vary,
        each cell shows the combination of the others with the best co-smoothing.
    """
    varied = [p for p in parameters if len(set(sweep[p].map(_text))) > 1]
    x, y = [*varied, *[p for p in parameters if p not in varied], None, None][:2]
    sweep = sweep.assign(**{p: sweep[p].map(_text) for p in parameters})
    scores = [p for p in PANELS if p in sweep]
    mean = sweep.groupby([*parameters], sort=False).agg(
        dict.fromkeys(scores, "mean") | {"chosen": "any"}
    )
    mean = mean.reset_index()
    order = {p: _ordered(sweep[p]) for p in (x, y) if p}
    if len(varied) < 2:
        y = None
    chosen = mean[mean["chosen"]].head(1)
    shown = mean.sort_values(["chosen", scores[0]], ascending=False, kind="stable")
    shown = shown.drop_duplicates([p for p in (x, y) if p])
    others = ", ".join(p for p in varied if p not in (x, y))
    about = facts(recording=recording, x=x, y=y or "", others=others, n_trainings=len(sweep))
    parts = [about]
    for axis, name in (("x", x), ("y", y)):
        if name:
            parts.append(rows(f"axis {axis}", name, np.arange(len(order[name])), label=order[name]))
    for panel in scores:
        place = [shown[p].map(order[p].index).to_numpy(float) if p else 0.0 for p in (x, y)]
        if y is None:
            parts.append(rows(panel, "mean", place[0], shown[panel].to_numpy(float)))
        else:
            value = [f"{v:.4g}" for v in shown[panel]]
            parts.append(rows(panel, "cell", *place, label=value))
    for _, best in chosen.iterrows():
        label = ", ".join(f"{p} {best[p]}" for p in varied or [x])
        place = [float(order[p].index(best[p])) if p else 0.0 for p in (x, y)]
        parts.append(rows("chosen", "chosen", *place, label=label))
    return drawing_table(*parts)


def _text(value) -> str:
    if isinstance(value, (int, float, np.number)) and np.isfinite(value):
        return f"{value:g}"
    return "none" if value is None or value is pd.NA or value != value else str(value)


def _ordered(values: pd.Series) -> list[str]:
    """Return the different values, numbers ascending, names after them."""

    def key(text: str):
        try:
            return 0, float(text), text
        except ValueError:
            return 1, 0.0, text

    return sorted(set(values), key=key)


@style.in_style
def draw_sae_sweep(table: pd.DataFrame) -> Figure:
    """Draw the table of ``sae_sweep_table``."""
    about = header(table)
    panels = [p for p in PANELS if len(part(table, p))]
    n_lines = max(len(part(table, "axis y")), 4)
    figure = style.new_figure(68 if not about["y"] else 40 + 6 * n_lines)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    trainings = style.plural(int(about["n_trainings"]), "training")
    chosen = part(table, "chosen")["label"]
    verdict = (
        f"chosen of {trainings}: {chosen.iloc[0]}" if len(chosen) else f"{trainings}, none chosen"
    )
    style.title_figure(figure, about["recording"], verdict)
    for panel, ax in zip(panels, axes, strict=True):
        (_draw_cells if about["y"] else _draw_line)(ax, figure, table, panel)
        ax.set_title(PANELS[panel][0])
        ax.set_xlabel(AXIS_NAMES.get(about["x"], about["x"]))
    if about["y"]:
        axes[0].set_ylabel(AXIS_NAMES.get(about["y"], about["y"]))
    style.letter_panels([*axes])
    if about["others"]:
        figure.supxlabel(f"Each cell: the {about['others']} of the best co-smoothing", fontsize=7)
    return figure


def _draw_line(ax: Axes, figure: Figure, table: pd.DataFrame, panel: str) -> None:
    line = part(table, panel).sort_values("x")
    ax.plot(line["x"], line["y"], color=style.BLUE, marker="o", markersize=3)
    for _, best in part(table, "chosen").iterrows():
        y = line.loc[line["x"] == best["x"], "y"]
        ax.scatter(best["x"], y, 60, "none", edgecolors=style.VERMILION, linewidths=1.5, zorder=4)
    if line["y"].isna().all():
        style.say(ax, "No training has a value")
    _name_places(ax, table, "x")
    ax.set_ylabel(PANELS[panel][1])
    ax.margins(y=0.15)


def _draw_cells(ax: Axes, figure: Figure, table: pd.DataFrame, panel: str) -> None:
    cells = part(table, panel)
    n_x, n_y = len(part(table, "axis x")), len(part(table, "axis y"))
    image = np.full((n_y, n_x), np.nan)
    at = cells["y"].astype(int), cells["x"].astype(int)
    image[at] = cells["label"].astype(float)
    if np.isfinite(image).any():
        drawn = ax.pcolormesh(image, cmap="cividis", edgecolors="white", linewidth=0.4)
        bar = figure.colorbar(drawn, ax=ax, orientation="horizontal", aspect=30, pad=0.02)
        bar.set_label(PANELS[panel][1])
        bar.outline.set_visible(False)
        bar.ax.locator_params(nbins=4)
        middle = np.nanmean([np.nanmin(image), np.nanmax(image)])
    else:
        style.say(ax, "No training has a value")
    for (row, column), value in np.ndenumerate(image):
        place = (column + 0.5, row + 0.5)
        if np.isnan(value):
            ax.plot(*place, marker="x", color=style.GREY, markersize=4)
        elif image.size <= MOST_CELLS_WRITTEN:
            colour = "white" if value <= middle else "black"
            ax.text(*place, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=6.5)
    for _, best in part(table, "chosen").iterrows():
        x, y = best["x"], best["y"]
        ax.plot(
            [x, x + 1, x + 1, x, x], [y, y, y + 1, y + 1, y], color=style.VERMILION, linewidth=2
        )
    ax.set(xlim=(-0.05, n_x + 0.05), ylim=(-0.05, n_y + 0.05))
    _name_places(ax, table, "x", 0.5)
    _name_places(ax, table, "y", 0.5)


def _name_places(ax: Axes, table: pd.DataFrame, axis: str, shift: float = 0.0) -> None:
    places = part(table, f"axis {axis}")
    names = [style.shortened(n, 10) for n in places["label"]]
    getattr(ax, f"set_{axis}ticks")(places["x"] + shift, names)
    ax.tick_params(axis=axis, length=0)
    if axis == "x" and (len(names) > 6 or max(map(len, names)) > 5):
        ax.tick_params(axis="x", rotation=90)

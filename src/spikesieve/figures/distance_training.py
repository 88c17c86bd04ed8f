"""Training of spike-distance networks: loss of each head in training and validation, schedule."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from spikesieve.figures import style
from spikesieve.figures.style import drawing_table, facts, header, part, rows

RATE = "learning_rate"
_TRAINING, _VALIDATION = "loss", "validation_loss"
#: Training losses are averaged over stretches of the steps, so many of them.
N_STRETCHES = 60
_COLUMNS = 3


def distance_training_table(recording: str, histories: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the drawing table of the figure.

    A panel a head that any history has, after the sum of all, then the learning rate. Training
    losses are means over stretches of steps; validation losses stand where they were measured.

    Parameters
    ----------
    histories : the ``history`` table of each run, named as the legend will: ``step``,
        ``learning_rate``, ``loss``, ``loss_{head}``, ``validation_loss``,
        ``validation_loss_{head}`` (NaN at steps without validation).
    """
    columns = dict.fromkeys(c for h in histories.values() for c in h)
    heads = [c.removeprefix(f"{_TRAINING}_") for c in columns if c.startswith(f"{_TRAINING}_")]
    panels = {"all heads": (_TRAINING, _VALIDATION)} | {
        head: (f"{_TRAINING}_{head}", f"{_VALIDATION}_{head}") for head in heads
    }
    if len(heads) == 1:  # the sum of one
        del panels["all heads"]
    n_steps = max((int(h["step"].max()) + 1 for h in histories.values() if len(h)), default=0)
    parts = [facts(recording=recording, n_steps=n_steps, n_runs=len(histories))]
    parts.append(rows("run", [*histories], y=np.arange(float(len(histories)))))
    parts.append(rows("panel", [*panels], y=np.arange(float(len(panels)))))
    for head, (training, validation) in panels.items():
        for name, history in histories.items():
            parts.append(rows(head, name, *_averaged(history, training)))
            x, y = _known(history, validation)
            parts.append(rows(f"{head} validation", name, x, y))
            if len(y):
                parts.append(rows(f"{head} best", name, x[np.argmin(y)], y.min()))
    parts += [rows(RATE, name, *_known(h, RATE)) for name, h in histories.items()]
    return drawing_table(*parts)


def _known(history: pd.DataFrame, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Return steps and values where the column is there and finite."""
    if column not in history:
        return np.empty(0), np.empty(0)
    y = history[column].to_numpy(float)
    known = np.isfinite(y)
    return history["step"].to_numpy(float)[known], y[known]


def _averaged(history: pd.DataFrame, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Return mean steps and values of up to ``N_STRETCHES`` stretches."""
    x, y = _known(history, column)
    stretch = np.arange(len(x)) * min(N_STRETCHES, len(x)) // max(len(x), 1)
    n = np.bincount(stretch)
    return np.bincount(stretch, x) / n, np.bincount(stretch, y) / n


@style.in_style
def draw_distance_training(table: pd.DataFrame) -> Figure:
    """Draw the table of ``distance_training_table``."""
    about, runs = header(table), list(part(table, "run")["series"])
    heads = list(part(table, "panel")["series"])
    n_panels = len(heads) + 1
    n_columns = min(n_panels, _COLUMNS)
    n_rows = -(-n_panels // n_columns)
    figure = style.new_figure(18 + 46 * n_rows)
    axes = figure.subplots(n_rows, n_columns, sharex=True, squeeze=False).ravel()
    n = style.plural(int(about["n_runs"]), "run")
    title = f"spike-distance networks, {n}, {int(about['n_steps']):,} steps{_overfit(table)}"
    style.title_figure(figure, about["recording"], title)
    colours = {run: style.CYCLE[i % len(style.CYCLE)] for i, run in enumerate(runs)}
    for head, ax in zip(heads, axes, strict=False):
        _draw_head(ax, table, head, colours)
    _draw_rate(axes[len(heads)], table, colours)
    for number, ax in enumerate(axes[:n_panels]):
        if number + n_columns >= n_panels:
            ax.set_xlabel("Step of the optimiser")
            ax.tick_params(labelbottom=True)
            style.whole_numbers(ax.xaxis, 4)
    for ax in axes[n_panels:]:
        ax.remove()
    _explain(figure, colours)
    style.letter_panels([*axes[:n_panels]])
    return figure


def _overfit(table: pd.DataFrame) -> str:
    """Say at which share of its steps the median run had its best validation loss."""
    heads = part(table, "panel")["series"]
    if heads.empty or (best := part(table, f"{heads.iloc[0]} best")).empty:
        return ""
    last = part(table, f"{heads.iloc[0]} validation").groupby("series")["x"].max()
    share = float((best.set_index("series")["x"] / last.clip(lower=1)).median())
    return f": validation loss is lowest at {share:.0%} of the training (median run)"


def _draw_head(ax: Axes, table: pd.DataFrame, head: str, colours: dict[str, str]) -> None:
    ax.set(title=f"Loss, {head.replace('_', ' ')}", ylabel="Loss")
    both = pd.concat([part(table, head), part(table, f"{head} validation")])
    if both.empty:
        style.say(ax, "No finite loss was logged")
        return
    for run, colour in colours.items():
        line = part(table, head, run)
        ax.plot(
            line["x"],
            line["y"],
            color=colour,
            linewidth=0.7,
            alpha=0.6,
            marker="." if len(line) == 1 else "",
        )
        line = part(table, f"{head} validation", run)
        ax.plot(line["x"], line["y"], color=colour, linewidth=1.2, marker="o", markersize=2.2)
        best = part(table, f"{head} best", run)
        ax.scatter(best["x"], best["y"], 34, "none", edgecolors=colour, linewidths=1, zorder=4)
    # The first steps are far above what matters.
    values = both["y"]
    low, high = values.min(), max(values.quantile(0.97), part(table, f"{head} best")["y"].max())
    room = 0.08 * (high - low) or 0.05 * abs(high) or 0.05
    ax.set_ylim(low - room, high + room)


def _draw_rate(ax: Axes, table: pd.DataFrame, colours: dict[str, str]) -> None:
    ax.set(title="Schedule", ylabel="Learning rate (per step)")
    if part(table, RATE).empty:
        style.say(ax, "No learning rate was logged")
        return
    for number, (run, colour) in enumerate(colours.items()):
        line = part(table, RATE, run)
        width = max(0.8, 2.4 - 0.5 * number)  # schedules that agree all stay visible
        ax.plot(line["x"], line["y"], color=colour, linewidth=width)
    ax.set_ylim(0, None)


def _explain(figure: Figure, colours: dict[str, str]) -> None:
    grey = {"color": style.GREY}
    kinds = {
        "training": Line2D([], [], linewidth=0.7, **grey),
        "validation": Line2D([], [], linewidth=1.2, marker="o", markersize=2.5, **grey),
        "best": Line2D([], [], linestyle="none", marker="o", markerfacecolor="none", **grey),
    }
    if len(colours) <= len(style.CYCLE):
        named = {style.shortened(run, 30): colour for run, colour in colours.items()}
        kinds = {n: Line2D([], [], color=c, linewidth=5) for n, c in named.items()} | kinds
    n_lines = -(-sum(len(key) + 9 for key in kinds) // style.LEGEND_LENGTH)
    columns = -(-len(kinds) // n_lines)
    figure.legend(kinds.values(), kinds.keys(), loc="outside lower center", ncols=columns)

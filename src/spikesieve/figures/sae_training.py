"""Training of the sparse autoencoder: loss, active and live latents, validation, phases."""

import re
from collections.abc import Iterator, Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from spikesieve.figures import style
from spikesieve.figures.style import drawing_table, facts, header, part, rows

#: History column (``_level``: one column a level) -> title, axis label. Drawn where there.
PANELS = {
    "loss": ("Training loss, of all latents", "Loss"),
    "loss_level": ("Training loss of each level", "Loss"),
    "l0": ("Active latents, mean over a batch", "L0 (latents per bin)"),
    "l0_level": ("Active latents of each level", "L0 (latents per bin)"),
    "live_fraction": ("Latents in use", "Live fraction of latents"),
    "validation_cosmoothing": ("Hidden units of validation bins", "Pooled R² (1 is perfect)"),
    "gradient_norm": ("Gradient", "Norm of the gradient"),
    "learning_rate": ("Schedule", "Learning rate (per step)"),
}
#: Drawn only where there are no levels: the last level says the same.
WITHOUT_LEVELS = {"l0": "l0_level"}
#: The three phases, in order, and their shades.
PHASES = {
    "initial representation": "#E4EEF7",
    "specialisation": "#FCF1DC",
    "fine-tuning": "#E3F3EC",
}


def sae_training_table(
    recording: str,
    histories: Mapping[int, pd.DataFrame],
    phases: Mapping[int, Sequence[int | None]] | None = None,
) -> pd.DataFrame:
    """Return the drawing table of the figure.

    Parameters
    ----------
    histories : the ``history`` table of each seed.
    phases : for each seed the steps at which specialisation and fine-tuning begin; None where the
        training has no such phase. Shades stand between the means over the seeds that have both.
    """
    n_steps = max(int(h["step"].iloc[-1]) + 1 for h in histories.values())
    lines = [line for panel in PANELS for line in _lines(panel, histories)]
    about = facts(recording=recording, n_seeds=len(histories), n_steps=n_steps)
    known = {seed: two for seed, two in (phases or {}).items() if seed in histories}
    return drawing_table(about, *_phases(known, n_steps), *lines)


def _lines(panel: str, histories: Mapping[int, pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Yield a line for each seed, or for each level and seed, of what is finite."""
    levels = {c for h in histories.values() for c in h if re.fullmatch(rf"{panel}_?\d+", c)}
    instead = WITHOUT_LEVELS.get(panel)
    if instead and any(re.match(rf"{instead}_?\d+$", c) for h in histories.values() for c in h):
        return
    for column in sorted(levels, key=_number) if panel.endswith("_level") else [panel]:
        for seed, h in sorted(histories.items()):
            if column not in h:
                continue
            h = h[np.isfinite(h[column].astype(float))]
            series = f"level {_number(column)} seed {seed}" if levels else f"seed {seed}"
            yield rows(panel, series, h["step"].to_numpy(), h[column].to_numpy())


def _number(column: str) -> int:
    return int(re.search(r"\d+$", column).group())


def _phases(phases: Mapping[int, Sequence[int | None]], n_steps: int) -> list[pd.DataFrame]:
    """Return the mean span of each phase, and where each seed has its boundaries."""
    found = {seed: [b for b in two if b is not None] for seed, two in sorted(phases.items())}
    whole = np.array([two for two in found.values() if len(two) == 2], float)
    marks = [rows("boundary", f"seed {seed}", steps) for seed, steps in found.items() if steps]
    if not len(whole):
        return marks
    edges = np.r_[0, whole.mean(axis=0), n_steps - 1]
    return [rows("phase", [*PHASES], edges[:-1], x_stop=edges[1:]), *marks]


@style.in_style
def draw_sae_training(table: pd.DataFrame) -> Figure:
    """Draw the table of ``sae_training_table``."""
    about = header(table)
    panels = [p for p in PANELS if len(part(table, p))]
    n_columns = 2 if len(panels) <= 4 else 3
    n_rows = -(-len(panels) // n_columns)
    figure = style.new_figure(8 + 46 * n_rows)
    axes = figure.subplots(n_rows, n_columns, sharex=True, squeeze=False).ravel()
    n, steps = int(about["n_seeds"]), int(about["n_steps"])
    title = f"training of the sparse autoencoder, {style.plural(n, 'seed')}, {steps:,} steps"
    style.title_figure(figure, about["recording"], title)
    colours, levels = _colours(table), _levels(table)
    for panel, ax in zip(panels, axes, strict=False):
        _shade(ax, table)
        if panel.endswith("_level"):
            _draw_levels(ax, part(table, panel), levels)
        else:
            _draw_seeds(ax, part(table, panel), colours)
        _finish(ax, part(table, panel), panel)
    marks = part(table, "boundary")
    seeds = [colours[s] for s in marks["series"]]
    top = {"transform": axes[0].get_xaxis_transform(), "clip_on": False, "marker": "v"}
    axes[0].scatter(marks["x"], [1.02] * len(marks), 8, seeds, linewidths=0, **top)
    for ax in axes[max(len(panels) - n_columns, 0) : len(panels)]:
        ax.set_xlabel("Step of the optimiser")
        ax.tick_params(labelbottom=True)
        style.whole_numbers(ax.xaxis, 4)
    for ax in axes[len(panels) :]:
        ax.remove()
    shades = {p: PHASES[p] for p in part(table, "phase")["series"]}
    named = {n: c for i, (n, c) in enumerate(levels.items()) if i in (0, len(levels) - 1)}
    if keys := (colours if len(colours) <= 6 else {}) | named | shades:
        style.explain_colours(figure, keys)
    style.letter_panels([*axes[: len(panels)]])
    return figure


def _colours(table: pd.DataFrame) -> dict[str, str]:
    seeds = list(dict.fromkeys(part(table, "loss")["series"]))
    return {seed: style.CYCLE[i % len(style.CYCLE)] for i, seed in enumerate(seeds)}


def _levels(table: pd.DataFrame) -> dict[str, str]:
    """Return a colour for each level, narrow to wide, none of them a seed's."""
    series = part(table, "loss_level")["series"]
    names = dict.fromkeys(series.str.replace(r" seed.*", "", regex=True))
    shades = mpl.colormaps["magma"](np.linspace(0.1, 0.7, len(names)))
    return {name: to_hex(shade) for name, shade in zip(names, shades, strict=True)}


def _shade(ax: Axes, table: pd.DataFrame) -> None:
    for _, span in part(table, "phase").iterrows():
        ax.axvspan(span["x"], span["x_stop"], color=PHASES[span["series"]], zorder=0, linewidth=0)


def _draw_levels(ax: Axes, lines: pd.DataFrame, levels: dict[str, str]) -> None:
    for name, one in lines.groupby("series", sort=False):
        ax.plot(one["x"], one["y"], color=levels[name.split(" seed")[0]], linewidth=0.9)


def _draw_seeds(ax: Axes, lines: pd.DataFrame, colours: dict[str, str]) -> None:
    for number, (name, one) in enumerate(lines.groupby("series", sort=False)):
        # Later lines are thinner, so that curves that agree all stay visible.
        width = max(0.8, 2.4 - 1.6 * number / max(len(colours) - 1, 1))
        look = {"color": colours[name], "linewidth": width, "marker": "." if len(one) == 1 else ""}
        ax.plot(one["x"], one["y"], label=f"{one['y'].iloc[-1]:.3g}", **look)
    if len(colours) <= 6:
        small = {"title_fontsize": 6.5, "handlelength": 1.2, "labelspacing": 0.2}
        ax.legend(loc="best", title="at the end", **small)


def _finish(ax: Axes, lines: pd.DataFrame, panel: str) -> None:
    title, label = PANELS[panel]
    ax.set(ylabel=label, title=title)
    low, high = lines["y"].min(), lines["y"].max()
    if panel == "gradient_norm" and low > 0:
        style.log_scale(ax, "y", low, high)
    elif low >= 0:
        ax.set_ylim(0, 1.08 * high or 1)

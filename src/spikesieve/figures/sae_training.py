"""Training of the sparse autoencoder: loss, active latents, live latents, learning rate."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from spikesieve.figures import style
from spikesieve.figures.style import drawing_table, facts, header, part, rows

#: History column -> title, axis label.
PANELS = {
    "loss": ("Training loss: share of the variance unexplained", "Loss (share)"),
    "l0": ("Active latents, mean over a batch", "L0 (latents per bin)"),
    "live_fraction": ("Latents in use", "Live fraction of latents"),
    "learning_rate": ("Schedule", "Learning rate (per step)"),
}


def sae_training_table(recording: str, histories: Mapping[int, pd.DataFrame]) -> pd.DataFrame:
    """Return the drawing table of the figure; ``histories`` maps a seed to its history."""
    lines = [
        rows(panel, f"seed {seed}", h["step"].to_numpy(), h[panel].to_numpy())
        for panel in PANELS
        for seed, h in sorted(histories.items())
    ]
    n_steps = max(int(h["step"].iloc[-1]) + 1 for h in histories.values())
    return drawing_table(
        facts(recording=recording, n_seeds=len(histories), n_steps=n_steps), *lines
    )


@style.in_style
def draw_sae_training(table: pd.DataFrame) -> Figure:
    """Draw the table of ``sae_training_table``."""
    about = header(table)
    figure = style.new_figure(100)
    axes = figure.subplot_mosaic([["loss", "l0"], ["live_fraction", "learning_rate"]], sharex=True)
    n, steps = int(about["n_seeds"]), int(about["n_steps"])
    title = f"training of the sparse autoencoder, {style.plural(n, 'seed')}, {steps:,} steps"
    style.title_figure(figure, about["recording"], title)
    for panel, (name, label) in PANELS.items():
        ax = axes[panel]
        lines = part(table, panel)
        seeds = list(dict.fromkeys(lines["series"]))
        for number, seed in enumerate(seeds):
            one = lines[lines["series"] == seed]
            # Later lines are thinner, so that curves that agree all stay visible.
            width = max(0.8, 2.4 - 1.6 * number / max(len(seeds) - 1, 1))
            colour = style.CYCLE[number % len(style.CYCLE)]
            last = f"{seed}, at the end {one['y'].iloc[-1]:.3g}"
            ax.plot(one["x"], one["y"], color=colour, linewidth=width, label=last)
        ax.set_ylim(0, 1.08 * lines["y"].max() or 1)
        if panel in ("live_fraction", "learning_rate"):
            ax.set_xlabel("Step of the optimiser")
        ax.set_ylabel(label)
        ax.set_title(name)
        if len(seeds) <= 6:
            ax.legend(loc="best")
    style.letter_panels([axes[p] for p in PANELS])
    return figure

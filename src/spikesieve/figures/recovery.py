"""Planted features found again in one simulated recording, by every method."""

import pandas as pd
from matplotlib.figure import Figure

from spikesieve.figures import style
from spikesieve.figures.methods import (
    draw_points,
    explain_points,
    methods_table,
    point_rows,
    pretty,
)
from spikesieve.figures.style import drawing_table, facts, header, part

#: Metric -> title, axis label.
PANELS = {
    "recall": ("Features found", "Recall"),
    "precision": ("Latents that match", "Precision"),
    "f1": ("Both together", "F1"),
    "mean_abs_r": ("Likeness of pairs", "Mean |r|"),
    "auroc": ("On and off bins", "AUROC"),
}
SPLITS = ("test", "validation", "train")


def recovery_table(recording: str, metrics: list[pd.DataFrame]) -> pd.DataFrame:
    """Return the drawing table of the figure.

    Parameters
    ----------
    metrics : the ``metrics`` table of each run of each method, in the order to draw them; those of
        the metrics in ``PANELS`` that there are are drawn.
    """
    methods, every = methods_table(metrics)
    every = every[every["metric"].isin(PANELS)]
    split = next((s for s in SPLITS if s in set(every["split"])), "test")
    every = every[every["split"] == split]
    parts = [
        point
        for panel in PANELS
        for point in point_rows(panel, every[every["metric"] == panel], methods)
    ]
    return drawing_table(facts(recording=recording, split=split), methods, *parts)


@style.in_style
def draw_recovery(table: pd.DataFrame) -> Figure:
    """Draw the table of ``recovery_table``."""
    about = header(table)
    figure = style.new_figure(28 + 4.5 * max(len(part(table, "method")), 4))
    axes = figure.subplots(1, len(PANELS), sharey=True)
    where = "training bins" if about["split"] == "train" else f"held-out {about['split']} bins"
    style.title_figure(figure, about["recording"], f"planted features in {where}{_best(table)}")
    for (panel, (title, label)), ax in zip(PANELS.items(), axes, strict=True):
        draw_points(ax, table, panel, "Not scored")
        ax.set(title=title, xlabel=label, xlim=(0, 1.02))
        if panel == "auroc" and len(part(table, panel)):
            ax.set_xlim(min(0.5, part(table, panel)["x"].min() - 0.02), 1.01)
    style.letter_panels([*axes])
    explain_points(figure, table)
    return figure


def _best(table: pd.DataFrame) -> str:
    f1 = part(table, "f1 mean")
    if f1.empty:
        return ""
    best = f1.loc[f1["x"].idxmax()]
    return f": {pretty(best['series'])} finds them best (F1\u00a0{best['x']:.2f})"

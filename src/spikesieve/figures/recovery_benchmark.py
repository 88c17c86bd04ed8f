"""The recovery benchmark: planted features of every tier, found by every method."""

from collections.abc import Mapping

import numpy as np
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
from spikesieve.figures.style import drawing_table, facts, header, part, rows

#: Metric of every tier with features -> axis label; one row of panels each.
METRICS = {
    "recall": "Recall",
    "precision": "Precision",
    "f1": "F1",
    "mean_abs_r": "Mean |r| of pairs",
    "dead_fraction": "Dead latents (share)",
}
#: Tier and metric that is drawn of no other -> title, axis label; they share the last column.
SPECIAL = {
    ("C", "recall_parents"): ("parents", "Recall"),
    ("C", "recall_children"): ("children", "Recall"),
    ("E", "stable_share"): ("stable latents", "Share of latents"),
}
TIERS = {
    "A": "60 features",
    "B": "200 features",
    "C": "nested features",
    "D": "3 Hz, 20 ms",
    "E": "nothing planted",
}
#: Metrics whose target is the most that there should be.
AT_MOST = ("dead_fraction", "stable_share")
#: What the defaults should reach.
TARGETS = {
    ("A", "recall"): 0.97,
    ("A", "f1"): 0.9,
    ("B", "recall"): 0.75,
    ("C", "recall_parents"): 0.8,
    ("C", "recall_children"): 0.8,
    ("D", "recall"): 0.85,
    **{(tier, "dead_fraction"): 0.05 for tier in "ABCD"},
    ("E", "stable_share"): 0.01,
}


def recovery_benchmark_table(
    scores: pd.DataFrame, targets: Mapping[tuple[str, str], float] = TARGETS
) -> pd.DataFrame:
    """Return the drawing table of the figure.

    Parameters
    ----------
    scores : columns ``tier``, ``method``, ``seed``, ``metric``, ``value``; methods in the order to
        draw them, ours first (``sae``), on smoothed counts with the ending ``_smoothed``. Other
        metrics than ``METRICS`` and those of ``SPECIAL`` are left out.
    """
    scores = scores.assign(model=scores["method"])
    runs = [run for _, run in scores.groupby("method", sort=False)]
    methods, every = methods_table(runs)
    every = every[np.isfinite(every["value"].astype(float))]
    tiers = [t for t in TIERS if ((every["tier"] == t) & (every["metric"] == "recall")).any()]
    cells = {
        (tier, metric): (float(row), float(column), f"{tier}: {TIERS[tier]}" if not row else tier)
        for column, tier in enumerate(tiers)
        for row, metric in enumerate(METRICS)
    }
    known = {*zip(every["tier"], every["metric"], strict=True)}
    for row, cell in enumerate(cell for cell in SPECIAL if cell in known):
        cells[cell] = (float(row), float(len(tiers)), f"{cell[0]}: {SPECIAL[cell][0]}")
    parts = [facts(n_seeds=scores["seed"].nunique(), n_tiers=scores["tier"].nunique()), methods]
    for (tier, metric), (row, column, title) in cells.items():
        panel = f"{tier} {metric}"
        one = every[(every["tier"] == tier) & (every["metric"] == metric)]
        parts += [rows("panel", panel, column, row, label=title), *point_rows(panel, one, methods)]
        if (tier, metric) in targets:
            parts.append(rows("target", panel, targets[tier, metric]))
    return drawing_table(*parts)


@style.in_style
def draw_recovery_benchmark(table: pd.DataFrame) -> Figure:
    """Draw the table of ``recovery_benchmark_table``."""
    about, panels = header(table), part(table, "panel")
    n_rows, n_columns = (int(panels[c].max()) + 1 if len(panels) else 1 for c in "yx")
    height = 3.6 * max(len(part(table, "method")), 4) + 13
    figure = style.new_figure(16 + height * n_rows)
    axes = figure.subplots(n_rows, n_columns, sharey=True, squeeze=False)
    seeds = style.plural(int(about["n_seeds"]), "seed")
    title = f"Planted features found, {seeds} a tier"
    style.title_figure(figure, f"{title}: {_reached(table)}")
    used = set()
    for _, panel in panels.iterrows():
        cell = int(panel["y"]), int(panel["x"])
        used.add(cell)
        ax, (tier, metric) = axes[cell], panel["series"].split(" ", 1)
        draw_points(ax, table, panel["series"], "Not scored")
        label = METRICS[metric] if metric in METRICS else SPECIAL[tier, metric][1]
        ax.set(title=panel["label"], xlabel=label, xlim=(0, 1.02))
        if metric in AT_MOST:
            points = part(table, panel["series"])["x"]
            ax.set_xlim(0, max(0.08, 1.1 * points.max()))
    for cell in np.ndindex(axes.shape):
        if cell not in used:
            axes[cell].remove()
    explain_points(figure, table, "target of the default" if len(part(table, "target")) else "")
    return figure


def _reached(table: pd.DataFrame) -> str:
    """Say how many targets the first method reaches."""
    first = part(table, "method")["series"].iloc[0]
    reached, names = 0, part(table, "target")
    for _, target in names.iterrows():
        mean = part(table, f"{target['series']} mean", first)["x"]
        above = not target["series"].endswith(AT_MOST)
        reached += bool(len(mean)) and (mean.iloc[0] >= target["x"]) == above
    return (
        f"{pretty(first)} reaches {reached} of {len(names)} targets" if len(names) else "no target"
    )

"""Sizes of the network: does validation loss tell which size gives the better spike trains?"""

import itertools

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from scipy.stats import rankdata, spearmanr

from spikesieve.figures import style
from spikesieve.figures.style import drawing_table, facts, header, part, rows

LOSS = "validation_loss"
#: Up to so many runs all orders are tried: 5,040.
_FEW_RUNS = 7
#: Metric -> scale (ms), title, axis label.
SCORES = {
    "schreiber": (5, "Schreiber similarity, 5 ms", "Similarity (1 is perfect)"),
    "van_rossum": (10, "van Rossum distance, 10 ms", "Distance (0 is perfect)"),
}


def distance_sizes_table(
    recording: str, sizes: pd.DataFrame, *, split: str = "test"
) -> pd.DataFrame:
    """Return the drawing table of the figure.

    Spearman's rho of loss and score over all runs: -1 (of a similarity; 1 of a distance) where
    the lower loss always means the better spikes, 0 where it tells nothing.

    Parameters
    ----------
    sizes : columns ``model``, ``n_parameters``, ``seed``, ``validation_loss``, ``metric``,
        ``value`` and, where there are several, ``scale_ms``; a row a run and metric, or a row a
        unit of it (their mean is drawn). ``split`` : the bins in which spikes were scored.
    """
    keys = ["model", "n_parameters", "seed"]
    runs = sizes.groupby(keys, as_index=False, sort=False)[LOSS].mean()
    runs = runs.sort_values(["n_parameters", "model", "seed"], kind="stable")
    models = list(dict.fromkeys(runs["model"]))
    about = facts(recording=recording, split=split, n_models=len(models), n_runs=len(runs))
    parts = [about, rows("model", models, y=np.arange(float(len(models))))]
    parts += _against_size(LOSS, runs, LOSS)
    for metric, (scale_ms, *_) in SCORES.items():
        chosen = sizes["metric"] == metric
        if "scale_ms" in sizes:
            chosen &= np.isclose(sizes["scale_ms"].astype(float), scale_ms)
        value = sizes[chosen].groupby(keys, as_index=False)["value"].mean()
        scored = runs.merge(value, on=keys, how="inner")
        parts += _against_size(metric, scored, "value")
        known = scored[np.isfinite(scored[LOSS]) & np.isfinite(scored["value"])]
        label = [f"seed {seed}" for seed in known["seed"]]
        columns = known["model"].tolist(), known[LOSS].tolist(), known["value"].tolist()
        parts.append(rows(f"{metric} loss", *columns, label=label))
        rho, p = _spearman(known[LOSS], known["value"])
        parts += [rows("rho", metric, rho, p, label=str(len(known)))]
    return drawing_table(*parts)


def _against_size(panel: str, runs: pd.DataFrame, column: str) -> list[pd.DataFrame]:
    """Return a point a run, and the mean of each size."""
    known = runs[np.isfinite(runs[column].astype(float))]
    label = [f"seed {seed}" for seed in known["seed"]]
    size = known["n_parameters"].astype(float)
    means = known.groupby("n_parameters")[column].mean()
    return [
        rows(panel, known["model"].tolist(), size.tolist(), known[column].tolist(), label=label),
        rows(f"{panel} mean", "mean", means.index.to_numpy(float), means.to_numpy(float)),
    ]


def _spearman(loss: pd.Series, score: pd.Series) -> tuple[float, float]:
    """Return rho and its two-sided p; NaN under three runs, or where one never varies.

    Of few runs p is the share of their orders whose rho is as far from 0: what is exact of many
    says 0 for three runs, of which a third of the orders are as extreme.
    """
    if len(loss) < 3 or loss.nunique() < 2 or score.nunique() < 2:
        return np.nan, np.nan
    found = spearmanr(loss, score)
    if len(loss) > _FEW_RUNS:
        return float(found.statistic), float(found.pvalue)
    ranks = rankdata(loss), rankdata(score)
    orders = np.array(list(itertools.permutations(ranks[1])))
    every = np.corrcoef(ranks[0], orders)[0, 1:]
    extreme = np.abs(every) >= abs(found.statistic) - 1e-9
    return float(found.statistic), float(extreme.mean())


@style.in_style
def draw_distance_sizes(table: pd.DataFrame) -> Figure:
    """Draw the table of ``distance_sizes_table``."""
    about, models = header(table), list(part(table, "model")["series"])
    figure = style.new_figure(118)
    spans = [[LOSS] * 2 + ["schreiber"] * 2 + ["van_rossum"] * 2]
    spans += [["schreiber loss"] * 3 + ["van_rossum loss"] * 3]
    axes = figure.subplot_mosaic(spans)
    n = ", ".join(style.plural(int(about[f"n_{what}s"]), what) for what in ("model", "run"))
    style.title_figure(figure, about["recording"], f"{about['split']} bins, {n}: {_said(table)}")
    colours = _colours(models)
    titles = {LOSS: ("Validation loss", "Loss")}
    titles |= {metric: (title, label) for metric, (_, title, label) in SCORES.items()}
    for panel, (title, label) in titles.items():
        _draw_size(axes[panel], table, panel, colours)
        axes[panel].set(title=title, xlabel="Parameters", ylabel=label)
    for metric in SCORES:
        _draw_loss(axes[f"{metric} loss"], table, metric, colours)
        axes[f"{metric} loss"].set(xlabel="Validation loss", ylabel=titles[metric][1])
    keys = {style.shortened(m.replace("_", " "), 30): c for m, c in colours.items()}
    if len(models) > len(style.CYCLE):
        keys = {key: c for i, (key, c) in enumerate(keys.items()) if i in (0, len(keys) - 1)}
    if keys:
        style.explain_colours(figure, keys)
    style.letter_panels([*axes.values()])
    return figure


def _colours(models: list[str]) -> dict[str, str]:
    """Return a colour for each model: of the cycle, or, where they are many, from dark to light."""
    if len(models) <= len(style.CYCLE):
        return dict(zip(models, style.CYCLE, strict=False))
    shades = mpl.colormaps["magma"](np.linspace(0.1, 0.8, len(models)))
    return {model: to_hex(shade) for model, shade in zip(models, shades, strict=True)}


def _said(table: pd.DataFrame) -> str:
    """Say whether the model of the lowest loss is the one with the best spikes."""
    loss, score = (_best(table, panel, sign) for panel, sign in ((LOSS, -1), ("schreiber", 1)))
    rho = part(table, "rho", "schreiber")["x"]
    if not loss or not score:
        return "nothing to compare"
    tie = f" (rho {rho.iloc[0]:.2f}, -1 is full agreement)" if np.isfinite(rho).all() else ""
    if loss == score:
        return f"{loss} has the lowest validation loss and the best Schreiber similarity{tie}"
    return f"lowest validation loss: {loss}; best Schreiber similarity: {score}{tie}"


def _best(table: pd.DataFrame, panel: str, sign: int) -> str:
    """Return the model with the best mean over its seeds."""
    means = sign * part(table, panel).groupby("series", sort=False)["y"].mean()
    return style.shortened(str(means.idxmax()).replace("_", " "), 24) if len(means) else ""


def _draw_size(ax: Axes, table: pd.DataFrame, panel: str, colours: dict[str, str]) -> None:
    points, mean = part(table, panel), part(table, f"{panel} mean")
    if points.empty:
        style.say(ax, "No run has a value")
        ax.set(xticks=[], yticks=[])
        return
    ax.plot(mean["x"], mean["y"], color=style.PALE, zorder=1)
    for model, colour in colours.items():
        mine = points[points["series"] == model]
        ax.scatter(mine["x"], mine["y"], 12, colour, linewidths=0, zorder=3)
    low, high = points["x"].min(), points["x"].max()
    ax.set_xscale("log")
    ticks = sorted(set(points["x"]))
    ax.set_xlim(low / 1.5, high * 1.5)
    ax.set_xticks(_apart(ticks), [_short(t) for t in _apart(ticks)])
    ax.set_xticks([], minor=True)
    ax.margins(y=0.12)


def _apart(ticks: list[float]) -> list[float]:
    """Return those sizes whose labels have room beside one another on the logarithmic axis."""
    least = max((ticks[-1] / ticks[0] * 2.25) ** (1 / 5), 1.3)
    kept = ticks[:1]
    for tick in ticks[1:]:
        if tick / kept[-1] >= least:
            kept.append(tick)
    return kept


def _short(n: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if n >= size:
            return f"{n / size:.3g}{letter}"
    return f"{n:g}"


def _draw_loss(ax: Axes, table: pd.DataFrame, metric: str, colours: dict[str, str]) -> None:
    points = part(table, f"{metric} loss")
    rho = part(table, "rho", metric).iloc[0]
    known = f"rho {rho['x']:.2f}, p {rho['y']:.2g}" if np.isfinite(rho["x"]) else "rho undefined"
    name = SCORES[metric][1]
    ax.set_title(f"{name}: {known}, n = {rho['label']}")
    if points.empty:
        style.say(ax, "No run has a loss and a score")
        ax.set(xticks=[], yticks=[])
        return
    for model, colour in colours.items():
        mine = points[points["series"] == model]
        ax.scatter(mine["x"], mine["y"], 14, colour, linewidths=0)
    ax.margins(0.1)

"""Reconstruction of held-out counts by every method: R2 and cosine, per unit and per bin."""

import itertools
import re

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spikesieve.figures import style
from spikesieve.figures.style import drawing_table, facts, header, part, rows

#: Metric -> title, axis label.
PANELS = {
    "r2": ("R² of each unit", "R² (1 is perfect)"),
    "cosine_unit": ("Cosine of each unit", "Cosine similarity over bins"),
    "cosine_bin": ("Cosine of each bin", "Cosine similarity over units"),
}
#: Why a metric has no value at all.
WITHOUT = {
    "r2": "No unit varies in these bins",
    "cosine_unit": "No unit has a spike in these bins",
    "cosine_bin": "No bin holds a spike",
}
#: Bins are many: of their cosines these quantiles are drawn.
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
#: The split judged on: the first that there is.
SPLITS = ("test", "validation", "train")
#: Units below are drawn at the panel's lower edge, and counted there.
LOWEST_R2 = -0.5
CHANCE = "mean"
COLOURS = (style.ORANGE, style.BLUE, style.SKY, style.GREEN, style.PURPLE, style.VERMILION)
#: With more runs than these: panels stand one above the other; names stand upright; below the
#: panel's edge stands a number without a word.
SIDE_BY_SIDE, LYING, WORDY = 4, 10, 12
#: Ends the name of a run whose model has several.
SEED = r" seed \d+$"


def reconstruction_table(recording: str, metrics: list[pd.DataFrame]) -> pd.DataFrame:
    """Return the drawing table of the figure.

    Parameters
    ----------
    metrics : the ``metrics`` table of each run of each method, in the order to draw them; that
        of the mean predictor is the level of chance.
    """
    present = {s for m in metrics for s in m["split"].unique()}
    split = next(s for s in SPLITS if s in present)
    runs = {_name(m, metrics): m[m["split"] == split] for m in metrics}
    parts = []
    for x, (name, run) in enumerate(runs.items()):
        for metric in ("r2", "cosine_unit"):
            units = run[run["metric"] == metric].dropna(subset=["value"])
            offset = 0.6 * (np.arange(len(units)) * 0.618034 % 1 - 0.5)  # spread, and repeatable
            ids = units["unit_id"].astype(str).to_numpy()
            parts.append(rows(metric, name, x + offset, units["value"].to_numpy(), label=ids))
        bins = run.loc[run["metric"] == "cosine_bin", "value"].dropna()
        if len(bins):
            label = [f"quantile {q:g}" for q in QUANTILES]
            parts.append(rows("cosine_bin", name, x, bins.quantile(QUANTILES), label=label))
        parts += [_median(run, metric, name, x) for metric in PANELS]
    table = drawing_table(*parts)
    about = facts(recording=recording, split=split, **{f"n_{p}": _n(runs, p) for p in PANELS})
    missing = [_missing(runs, p, split) for p in PANELS if not _n(runs, p)]
    return drawing_table(about, *missing, rows("chance", _chance(runs)), table)


def _n(runs: dict[str, pd.DataFrame], metric: str) -> int:
    return max(int(r.loc[r["metric"] == metric, "value"].count()) for r in runs.values())


def _missing(runs: dict[str, pd.DataFrame], metric: str, split: str) -> pd.DataFrame:
    """Say in words why no run has a value of ``metric``."""
    asked = any((r["metric"] == metric).any() for r in runs.values())
    why = WITHOUT[metric] if asked else f"Not computed for {split} bins"
    return rows("missing", metric, label=why)


def _name(run: pd.DataFrame, runs: list[pd.DataFrame]) -> str:
    """Name a run by its model, and by its seed where the model has several."""
    model, seed = run["model"].iloc[0], run["seed"].iloc[0]
    several = sum(r["model"].iloc[0] == model for r in runs) > 1
    return f"{model} seed {seed}" if several else model


def _chance(runs: dict[str, pd.DataFrame]) -> list[str]:
    return [name for name, run in runs.items() if (run["method"] == CHANCE).any()]


def _median(run: pd.DataFrame, metric: str, name: str, x: float) -> pd.DataFrame:
    value = run.loc[run["metric"] == f"{metric}_median", "value"].dropna()
    return rows(f"{metric} median", [name] * len(value), [x] * len(value), value.to_numpy())


@style.in_style
def draw_reconstruction(table: pd.DataFrame) -> Figure:
    """Draw the table of ``reconstruction_table``."""
    about, axes = header(table), _panels(table)
    figure = axes["r2"].figure
    judged = (
        "training (not held out)" if about["split"] == "train" else f"held-out {about['split']}"
    )
    style.title_figure(figure, about["recording"], f"{judged} bins: {_best(table)}")
    for metric, ax in axes.items():
        title, label = PANELS[metric]
        if len(part(table, metric)):
            _draw_methods(ax, table, metric)
        for sentence in part(table, "missing", metric)["label"]:
            style.say(ax, sentence)
            ax.set(xticks=[], yticks=[])
        ax.set_ylabel(label)
        ax.set_title(f"{title}, n = {int(about[f'n_{metric}']):,}")
    _name_runs([ax for metric, ax in axes.items() if len(part(table, metric))], _places(table))
    chance = "chance (dashed): median of the mean predictor"
    style.explain_colours(figure, {"median": style.BLACK, chance: style.GREY})
    style.letter_panels(list(axes.values()))
    return figure


def _panels(table: pd.DataFrame) -> dict[str, Axes]:
    """Return the empty panels, above one another where runs are too many to stand beside."""
    n = len(_places(table))
    if n <= SIDE_BY_SIDE:
        axes = style.new_figure(82).subplots(1, len(PANELS))
    else:
        figure = style.new_figure(150 if n <= LYING else 170)
        axes = figure.subplots(len(PANELS), 1)
    return dict(zip(PANELS, axes, strict=True))


def _places(table: pd.DataFrame) -> dict[str, float]:
    """Return the place of each run that has a value."""
    drawn = pd.concat([part(table, metric) for metric in PANELS])
    return drawn.groupby("series", sort=False)["x"].mean().round().sort_values().to_dict()


def _best(table: pd.DataFrame) -> str:
    medians = part(table, "r2 median")
    if medians.empty:
        return "no unit varies in these bins"
    # A method counts by its mean over seeds: the best of several tries would be flattered.
    methods = medians["series"].str.replace(SEED, "", regex=True)
    means = medians["y"].groupby(methods, sort=False).mean()
    return f"{means.idxmax()} has the highest median R² ({means.max():.2f})"


def _draw_methods(ax: Axes, table: pd.DataFrame, metric: str) -> None:
    values, colours = part(table, metric), _colours(table)
    lowest = LOWEST_R2 if metric == "r2" else -1.0
    for name, one in values.groupby("series", sort=False):
        if metric == "cosine_bin":
            _draw_quantiles(ax, one, colours[name])
        else:
            _draw_units(ax, one[one["y"] >= lowest], colours[name], len(one))
    for _, median in part(table, f"{metric} median").iterrows():
        middle = [median["x"] - 0.38, median["x"] + 0.38]
        ax.plot(middle, [max(median["y"], lowest)] * 2, color=style.BLACK, linewidth=1.6)
        if len(part(table, "chance", median["series"])):
            ax.axhline(median["y"], color=style.GREY, linestyle="--", linewidth=0.9, zorder=0)
    bottom = min(0.0, max(values["y"].min(), lowest))
    below = values[values["y"] < lowest]
    if len(below):
        _draw_below(ax, below, colours, lowest, " below" if len(colours) <= WORDY else "")
        ax.set_yticks(np.arange(lowest, 1.01, 0.25))  # none beside the numbers
    ax.set_ylim(bottom - (0.16 if len(below) else 0.06) * (1 - bottom), 1.02)


def _colours(table: pd.DataFrame) -> dict[str, str]:
    """Return the colour of each run: seeds of one model share theirs."""
    chance, others, found = set(part(table, "chance")["series"]), itertools.cycle(COLOURS), {}
    for name in _places(table):
        model = re.sub(SEED, "", name)
        if model not in found:
            found[model] = style.GREY if name in chance else next(others)
    return {name: found[re.sub(SEED, "", name)] for name in _places(table)}


def _name_runs(axes: list[Axes], places: dict[str, float]) -> None:
    """Write the runs' names below each of ``axes``, or only the last where one is above another."""
    upright = len(places) > LYING
    names = [name if upright else _broken(name) for name in places]
    for ax in axes:
        named = len(places) <= SIDE_BY_SIDE or ax is axes[-1]
        ax.set_xticks([*places.values()], names if named else [""] * len(names))
        ax.set_xlim(-0.6, max(places.values()) + 0.6)
        ax.tick_params(axis="x", rotation=90 if upright else 0)


def _broken(name: str) -> str:
    """Return a name in lines short enough to stand beside the next."""
    return name.replace("_", "_\n").replace(" seed", "\nseed")


def _draw_quantiles(ax: Axes, quantiles: pd.DataFrame, colour: str) -> None:
    low, lower, _, upper, high = quantiles["y"]
    x = quantiles["x"].iloc[0]
    ax.vlines(x, low, high, color=colour, linewidth=0.8)
    ax.bar(x, upper - lower, 0.5, lower, color=colour, alpha=0.5)


def _draw_units(ax: Axes, units: pd.DataFrame, colour: str, n_units: int) -> None:
    size = float(np.clip(900 / max(n_units, 1), 1.5, 8))
    ax.scatter(units["x"], units["y"], size, colour, alpha=0.6, linewidths=0)


def _draw_below(
    ax: Axes, below: pd.DataFrame, colours: dict[str, str], lowest: float, word: str
) -> None:
    """Draw units at ``lowest``, and under them how many they are."""
    for name, one in below.groupby("series", sort=False):
        look = {"marker": "v", "alpha": 0.6, "linewidths": 0}
        ax.scatter(one["x"], [lowest] * len(one), 8, colours[name], **look)
        middle, at = one["x"].mean().round(), {"textcoords": "offset points", "fontsize": 6.5}
        ax.annotate(f"{len(one):,}{word}", (middle, lowest), (0, -3), ha="center", va="top", **at)

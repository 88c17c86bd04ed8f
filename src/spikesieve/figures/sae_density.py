"""How often latents are active: dead, rare and dense ones, and the budget against what is used."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spikesieve.evaluation import DENSE
from spikesieve.figures import style
from spikesieve.figures.style import drawing_table, facts, header, part, rows

SPLITS = ("train", "validation", "test")
#: L0 may differ from the nominal k by this share.
TOLERANCE = 0.2
PER_DECADE = 5
#: Of more latents than this, evenly spaced ranks (on a logarithmic scale) are drawn.
MOST_RANKS = 400
#: Density at which dead latents are drawn, as a share of the lowest edge.
DEAD_AT = 0.25
SHADE = "#EBEBEB"


def sae_density_table(
    recording: str, metrics: list[pd.DataFrame], nominal_k: Mapping[str, float | None]
) -> pd.DataFrame:
    """Return the drawing table of the figure.

    Parameters
    ----------
    metrics : the ``metrics`` table of each run (a model and seed), with ``density`` of each latent
        and ``l0`` of each split.
    nominal_k : of each model, the number of latents that it was told to use in a bin; None where
        it has no budget.
    """
    present = {s for m in metrics for s in m["split"].unique()}
    split = next(s for s in reversed(SPLITS) if s in present)
    runs = {_name(m): _density(m, split) for m in metrics}
    firing = np.concatenate([d[d > 0] for d in runs.values()])
    edges = style.log_edges(min(firing.min(initial=1), 0.1), 1, PER_DECADE)
    edges = edges[edges < 1.001]  # a latent can't be active in more than all bins
    about = facts(recording=recording, split=split, lowest=edges[0])
    parts = [about]
    for (name, density), run in zip(runs.items(), metrics, strict=True):
        count = np.histogram(np.minimum(density[density > 0], edges[-1]), edges)[0]
        parts.append(rows("histogram", name, edges[:-1], count, x_stop=edges[1:]))
        parts.append(_ranked(name, density))
        dead, dense = float((density == 0).sum()), (density > DENSE).sum()
        parts.append(rows("dead", name, DEAD_AT * edges[0], dead, label=str(len(density))))
        parts.append(rows("dense", name, DENSE, float(dense), label=str(len(density))))
        parts.append(_l0(name, run))
    nominal = {m: k for m, k in nominal_k.items() if k}
    parts += [rows("nominal", m, y=float(k)) for m, k in nominal.items()]
    return drawing_table(*parts)


def _name(run: pd.DataFrame) -> str:
    return f"{run['model'].iloc[0]} seed {run['seed'].iloc[0]}"


def _model(name: str) -> str:
    return name.rsplit(" seed ", 1)[0]


def _density(run: pd.DataFrame, split: str) -> np.ndarray:
    chosen = (run["metric"] == "density") & (run["split"] == split)
    return run.loc[chosen, "value"].dropna().to_numpy()


def _ranked(name: str, density: np.ndarray) -> pd.DataFrame:
    ordered = np.sort(density[density > 0])[::-1]
    n = len(ordered)
    ranks = (
        np.unique(np.geomspace(1, n, MOST_RANKS).round()) if n > MOST_RANKS else 1 + np.arange(n)
    )
    return rows("rank", [name] * len(ranks), ranks, ordered[ranks.astype(int) - 1])


def _l0(name: str, run: pd.DataFrame) -> pd.DataFrame:
    l0 = run[run["metric"] == "l0"].set_index("split")["value"]
    there = [s for s in SPLITS if s in l0]
    return rows("l0", [name] * len(there), y=l0[there].to_numpy(), label=there)


@style.in_style
def draw_sae_density(table: pd.DataFrame) -> Figure:
    """Draw the table of ``sae_density_table``."""
    about = header(table)
    names = list(dict.fromkeys(part(table, "dead")["series"]))
    models = list(dict.fromkeys(_model(n) for n in names))
    colours = {m: style.CYCLE[i % len(style.CYCLE)] for i, m in enumerate(models)}
    figure = style.new_figure(72)
    histogram, rank, budget = figure.subplots(1, 3, width_ratios=[1.1, 1, 0.9])
    runs = style.plural(len(names), "training") if len(names) == 1 else f"{len(names)} trainings"
    held_out = "training bins" if about["split"] == "train" else f"held-out {about['split']} bins"
    style.title_figure(figure, about["recording"], f"how often latents are active, {runs}")
    _draw_histogram(histogram, table, colours, float(about["lowest"]))
    _draw_ranks(rank, table, colours)
    _draw_budget(budget, table, colours)
    histogram.set(title=f"Density in {held_out}", ylabel="Latents")
    style.explain_colours(figure, colours | {f"dense: over {DENSE:.0%} of the bins": style.PALE})
    style.letter_panels([histogram, rank, budget])
    return figure


def _draw_histogram(ax: Axes, table: pd.DataFrame, colours: dict[str, str], lowest: float) -> None:
    for name, one in part(table, "histogram").groupby("series", sort=False):
        edges = np.r_[one["x"], one["x_stop"].iloc[-1]]
        ax.stairs(one["y"], edges, color=colours[_model(name)], linewidth=0.9, alpha=0.8)
    dead = part(table, "dead")
    ax.scatter(
        dead["x"], dead["y"], 14, [colours[_model(n)] for n in dead["series"]], "X", zorder=3
    )
    ax.axvspan(DENSE, 1, color=SHADE, linewidth=0, zorder=0)
    ax.set_xscale("log")
    decades = 10.0 ** np.arange(np.ceil(np.log10(lowest) - 1e-9), 1)
    ax.set_xticks([DEAD_AT * lowest, *decades], ["dead", *(f"{d:g}" for d in decades)])
    ax.set_xticks([], minor=True)
    ax.set_xlim(DEAD_AT * lowest / 2, 1.3)
    top = max(part(table, "histogram")["y"].max(), dead["y"].max(), 1)
    ax.set_ylim(-0.03 * top, 1.1 * top)
    style.whole_numbers(ax.yaxis)
    ax.set_xlabel("Share of bins in which a latent is active")


def _draw_ranks(ax: Axes, table: pd.DataFrame, colours: dict[str, str]) -> None:
    curves = part(table, "rank")
    for name, one in curves.groupby("series", sort=False):
        marker = "." if len(one) == 1 else ""
        look = {"color": colours[_model(name)], "linewidth": 0.9, "marker": marker, "alpha": 0.8}
        ax.plot(one["x"], one["y"], **look)
    ax.set(title="Density by rank", xlabel="Rank of the latent", ylabel="Share of bins")
    if curves.empty:
        style.say(ax, "No latent is active in these bins")
        ax.set(xticks=[], yticks=[])
        return
    style.log_scale(ax, "x", 1, max(curves["x"].max(), 2))
    style.log_scale(ax, "y", curves["y"].min(), 1)
    low = curves["y"].min()
    ax.set(
        xlim=(0.9, 1.15 * max(curves["x"].max(), 2)), ylim=(low / 10 ** (0.5 * len(colours)), 1.3)
    )
    ax.axhspan(DENSE, 1, color=SHADE, linewidth=0, zorder=0)
    for i, (model, colour) in enumerate(reversed(colours.items())):
        at = {"xy": (0.03, 0.03), "xycoords": "axes fraction", "textcoords": "offset points"}
        ax.annotate(_verdict(table, model), xytext=(0, 9 * i), color=colour, fontsize=6.5, **at)


def _verdict(table: pd.DataFrame, model: str) -> str:
    """Say how many latents of a model are dead and dense, over its seeds."""
    counts = []
    for panel in ("dead", "dense"):
        one = part(table, panel)
        one = one[[_model(n) == model for n in one["series"]]]
        low, high = int(one["y"].min()), int(one["y"].max())
        counts.append(f"{low:,}" if low == high else f"{low:,} to {high:,}")
        of = int(one["label"].iloc[0])
    return f"{counts[0]} dead, {counts[1]} dense of {of:,}"


def _draw_budget(ax: Axes, table: pd.DataFrame, colours: dict[str, str]) -> None:
    """Draw L0 of each split, a group a model, with the nominal k and what it may differ by."""
    l0, nominal = part(table, "l0"), part(table, "nominal").set_index("series")["y"]
    splits = [s for s in SPLITS if s in set(l0["label"])]
    for group, (model, colour) in enumerate(colours.items()):
        one = l0[[_model(n) == model for n in l0["series"]]]
        place = group * (len(splits) + 1)
        ax.scatter([place + splits.index(s) for s in one["label"]], one["y"], 12, colour, alpha=0.8)
        if model in nominal:
            span, k = np.array([place - 0.5, place + len(splits) - 0.5]), nominal[model]
            ax.plot(span, [k, k], color=style.BLACK, linestyle="--", linewidth=0.9)
            low, high = (1 - TOLERANCE) * k, (1 + TOLERANCE) * k
            ax.fill_between(span, low, high, color=SHADE, linewidth=0, zorder=0)
    places = [g * (len(splits) + 1) + i for g in range(len(colours)) for i in range(len(splits))]
    ax.set_xticks(places, splits * len(colours), rotation=90)
    ax.set_ylim(
        0, 1.15 * max(l0["y"].max(), (1 + TOLERANCE) * nominal.max() if len(nominal) else 0, 1)
    )
    ax.set(title="Budget ± 20 %, and use", ylabel="L0 (latents per bin)")

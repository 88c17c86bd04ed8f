"""Stability of latents across seeds, beside what nulls reach."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spikesieve.figures import style
from spikesieve.figures.style import drawing_table, facts, header, part, rows
from spikesieve.latents.matching import SAME_FEATURE
from spikesieve.latents.participation import LEAST_UNITS

#: Method of a run in its ``metrics`` table -> what its counts or its dictionary were.
KINDS = {
    "sae": "recorded",
    "sae_shifted": "shifted",
    "sae_poisson": "Poisson",
    "sae_random": "random dictionary",
}
NULL_COLOURS = {"shifted": "#5A5A5A", "Poisson": "#8C8C8C", "random dictionary": "#B5B5B5"}
EDGES = np.linspace(0, 1, 21)


def sae_stability_table(recording: str, metrics: list[pd.DataFrame]) -> pd.DataFrame:
    """Return the drawing table of the figure.

    Parameters
    ----------
    metrics : the ``metrics`` table of each run, with a row of metric ``stability`` for each
        latent (\\|r\\| with its partner in the other seeds, 0 without one) and of
        ``stable_fraction`` for each seed (the share of its latents that is surely stable, see
        ``spikesieve.latents.judging``). ``method`` says what the run was fitted on (``KINDS``);
        the nulls of a model carry its ``model``.
    """
    every = pd.concat(metrics)
    every = every[every["metric"].isin(["stability", "stable_fraction"])].drop_duplicates(
        ["model", "method", "seed", "metric", "latent"]
    )
    every = every.assign(value=every["value"].fillna(0.0))
    parts = [facts(recording=recording)]
    place = 0
    for model in dict.fromkeys(every["model"]):
        first = place
        for method, kind in KINDS.items():
            run = every[(every["model"] == model) & (every["method"] == method)]
            if run.empty:
                continue
            parts += _column(f"{model}: {kind}", place, run)
            place += 1
        parts.append(rows("model", model, float(first), x_stop=float(place - 1)))
        place += 0.6
    return drawing_table(*parts)


def _column(name: str, place: float, run: pd.DataFrame) -> list[pd.DataFrame]:
    latents = run.loc[run["metric"] == "stability", "value"]
    stable = run[run["metric"] == "stable_fraction"].set_index("seed")["value"]
    share = np.histogram(latents.clip(0, 1), EDGES)[0] / len(latents)
    # As wide as its share of the latents; the widest bin of each column has the same width.
    half = 0.42 * share / share.max()
    label = [f"share {s:.4g}" for s in share]
    return [
        rows("distribution", name, place - half, EDGES[:-1], x_stop=place + half, label=label),
        rows("median", name, float(place), float(latents.median()), label=str(len(latents))),
        rows(
            "share",
            name,
            float(place),
            stable.to_numpy(),
            label=[f"seed {s}" for s in stable.index],
        ),
        rows("share mean", name, float(place), float(stable.mean())),
    ]


@style.in_style
def draw_sae_stability(table: pd.DataFrame) -> Figure:
    """Draw the table of ``sae_stability_table``."""
    about = header(table)
    figure = style.new_figure(100)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[1.5, 1])
    style.title_figure(figure, about["recording"], _verdict(table))
    if part(table, "median").empty:
        for ax in (above, below):
            style.say(ax, "No stability: it needs two seeds or more")
            ax.set(xticks=[], yticks=[])
    else:
        _draw_distributions(above, table)
        _draw_shares(below, table)
    above.set(title="|r| of each latent with its partner in other seeds", ylabel="Stability (|r|)")
    rule = f"|r| surely {SAME_FEATURE:g} or more, {LEAST_UNITS:g} effective units or more"
    below.set(title=f"Share of stable latents ({rule})", ylabel="Share of latents")
    style.letter_panels([above, below])
    return figure


def _verdict(table: pd.DataFrame) -> str:
    means = part(table, "share mean").set_index("series")["y"]
    real = means[means.index.str.endswith(": recorded")]
    if real.empty:
        return "stability of latents"
    model = real.idxmax()
    text = f"{_percent(real.max())} of the latents of {model.removesuffix(': recorded')} are stable"
    nulls = means[means.index.str.startswith(model.removesuffix("recorded"))].drop(model)
    return text + (f", of its nulls at most {_percent(nulls.max())}" if len(nulls) else "")


def _percent(share: float) -> str:
    return f"{share:.1%}" if 0 < share < 0.1 else f"{share:.0%}"


def _looks(table: pd.DataFrame) -> dict[str, str]:
    """Return the colour of each column: a colour a model for what is real, greys for nulls."""
    models = list(part(table, "model")["series"])
    colours = {}
    for name in part(table, "median")["series"]:
        model, kind = name.rsplit(": ", 1)
        own = style.CYCLE[models.index(model) % len(style.CYCLE)]
        colours[name] = NULL_COLOURS.get(kind, own)
    return colours


def _draw_distributions(ax: Axes, table: pd.DataFrame) -> None:
    """Draw each column as its histogram, mirrored."""
    colours = _looks(table)
    for name, one in part(table, "distribution").groupby("series", sort=False):
        width, height = one["x_stop"] - one["x"], np.diff(EDGES)
        ax.barh(one["y"], width, height, one["x"], align="edge", color=colours[name])
    medians = part(table, "median")
    ax.hlines(
        medians["y"], medians["x"] - 0.42, medians["x"] + 0.42, color=style.BLACK, linewidth=1.4
    )
    ax.axhline(SAME_FEATURE, color=style.GREY, linestyle="--", linewidth=0.8, zorder=0)
    for _, median in medians.iterrows():
        n = ("n = " if len(medians) <= 10 else "") + f"{int(median['label']):,}"
        ax.annotate(n, (median["x"], 1.02), ha="center", va="bottom", fontsize=6.5)
    ax.set_ylim(0, 1.12)


def _draw_shares(ax: Axes, table: pd.DataFrame) -> None:
    colours, means, points = _looks(table), part(table, "share mean"), part(table, "share")
    ax.bar(means["x"], means["y"], 0.7, color=[colours[n] for n in means["series"]], alpha=0.45)
    ax.scatter(
        points["x"], points["y"], 9, [colours[n] for n in points["series"]], zorder=3, clip_on=False
    )
    for _, mean in means.iterrows():
        top = points.loc[points["series"] == mean["series"], "y"].max()
        text = _percent(mean["y"])
        at = {"textcoords": "offset points", "ha": "center", "fontsize": 6.5}
        ax.annotate(text, (mean["x"], top), (0, 4), **at)
    ax.set_ylim(0, 1.25 * max(points["y"].max(), 0.04))
    names = [n.rsplit(": ", 1)[1].replace(" ", "\n") for n in means["series"]]
    ax.set_xticks(means["x"], names, rotation=90 if len(names) > 10 else 0)
    ax.set_xlim(-0.7, means["x"].max() + 0.7)
    if len(part(table, "model")) > 1 or len(names) == 1:
        for _, model in part(table, "model").iterrows():
            middle = (model["x"] + model["x_stop"]) / 2
            at = {"xycoords": ax.get_xaxis_transform(), "textcoords": "offset points"}
            drop = -62 if len(names) > 10 else -24
            ax.annotate(
                model["series"],
                (middle, 0),
                (0, drop),
                ha="center",
                va="top",
                weight="bold",
                fontsize=7,
                **at,
            )

"""Methods compared by their single latents: how well the best one tells each label, and names."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spikesieve.figures import style
from spikesieve.figures.method_heights import bar_height, heights
from spikesieve.figures.methods import (
    SMOOTHED,
    colour_of,
    draw_points,
    explain_points,
    method_lines,
    method_rows,
    point_rows,
    pretty,
)
from spikesieve.figures.style import drawing_table, facts, header, part, rows

#: Variables that fit side by side; of more, those are drawn that any method tells best.
MOST_VARIABLES = 5
#: Ending of the name of a control that was fitted on shifted counts.
SHIFTED = ", shifted counts"


def method_comparison_table(
    recording: str, features: Sequence[pd.DataFrame], summaries: Sequence[pd.DataFrame], nulls=()
) -> pd.DataFrame:
    """Return the drawing table of the figure.

    Parameters
    ----------
    features, summaries : these tables of each model and baseline, in the order to draw them.
    nulls : features of controls that were fitted on shifted counts; only their names are counted.
    """
    pairs = [(f, s) for f, s in zip(features, summaries, strict=True) if len(s)]
    names = [str(s["model"].iloc[0]) for _, s in pairs]
    methods = method_rows(names, [s["method"].iloc[0] == "sae" for _, s in pairs])
    told = pd.concat([f[f["chosen_by"] == "label"] for f, _ in pairs]) if pairs else pd.DataFrame()
    parts = [facts(recording=recording), methods]
    if len(told):
        parts += _variables(told, methods)
    parts += _named(pairs, [null for null in nulls if len(null)], methods)
    return drawing_table(*parts)


def _variables(told: pd.DataFrame, methods: pd.DataFrame) -> list[pd.DataFrame]:
    """Return medians over labels: of each method, seed and variable, and what chance reaches."""
    told = told.assign(name=told["model"])
    keys = ["variable", "name", "seed"]
    medians = told.groupby(keys, sort=False)[["auroc", "chance_auroc"]].median().reset_index()
    order = medians.groupby("variable", sort=False)["auroc"].max()
    chosen = order.sort_values(ascending=False, kind="stable").index[:MOST_VARIABLES]
    parts = [facts(n_variables=len(order))]
    height = heights(list(dict.fromkeys(told["name"])), methods)
    for number, variable in enumerate(v for v in order.index if v in set(chosen)):
        mine = medians[medians["variable"] == variable]
        n_labels = told.loc[told["variable"] == variable, "label"].nunique()
        parts.append(rows("variable", variable, x=number, y=n_labels))
        parts += point_rows(f"auroc {number}", mine.assign(value=mine["auroc"]), methods)
        chance = mine.groupby("name", sort=False)["chance_auroc"].mean()
        y = height[chance.index].to_numpy()
        parts.append(rows(f"chance {number}", [*chance.index], chance.to_numpy(), y))
    return parts


def _named(pairs, nulls, methods: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the share of active latents that earned a name: a point a seed."""
    names = [str(summary["model"].iloc[0]) for _, summary in pairs]
    parts, height = [], heights(names, methods)
    for _, summary in pairs:
        name = str(summary["model"].iloc[0])
        active = summary[~summary["dead"]]
        shares = active.groupby("seed")["named"].mean().reset_index(name="value")
        parts += point_rows("named", shares.assign(name=name), methods)
        counts = f"{active['named'].sum()} of {len(active)}"
        parts.append(rows("named n", name, y=height[name], label=counts))
    for null in nulls:
        name = str(null["model"].iloc[0])
        tried = null[null["chosen_by"] == "latent"]
        if len(tried):
            counts = f"{int(tried['named'].sum())} of {len(tried)}"
            share = float(tried["named"].mean())
            parts.append(rows("named null", name + SHIFTED, share, height[name], label=counts))
    return parts


@style.in_style
def draw_method_comparison(table: pd.DataFrame) -> Figure:
    """Draw the table of ``method_comparison_table``."""
    about, variables = header(table), part(table, "variable")
    n_lines = max(len(part(table, "method")), 3)
    wide = part(table, "named n")["series"].str.endswith(SMOOTHED).any()
    figure = style.new_figure(32 + (9 if wide else 5.5) * n_lines)
    axes = figure.subplots(1, max(len(variables), 1) + 1, sharey=True)
    style.title_figure(figure, about["recording"], _verdict(table))
    if variables.empty:
        style.say(axes[0], "Nothing is known of the bins to hold latents against")
        axes[0].set_xticks([])
        method_lines(axes[0], table)
    for number, (ax, (_, variable)) in enumerate(zip(axes, variables.iterrows(), strict=False)):
        draw_points(ax, table, f"auroc {number}", "No latent could be judged")
        _draw_chance(ax, part(table, f"chance {number}"))
        length = 24 if len(variables) < MOST_VARIABLES else 14
        name = style.shortened(variable["series"].replace("_", " "), length)
        ax.set(title=f"{name}\n{style.plural(int(variable['y']), 'label')}", xlabel="Median AUROC")
        low, high = ax.get_xlim()
        ax.set_xlim(min(low, 0.45), max(high, 0.75))
    _draw_named(axes[-1], table)
    style.letter_panels([*axes])
    explain_points(figure, table, "0.5: no relation")
    return figure


def _draw_chance(ax: Axes, chance: pd.DataFrame) -> None:
    """Draw from 0.5 to what a label reaches by chance in 19 of 20 shifts."""
    ax.barh(
        chance["y"],
        chance["x"] - 0.5,
        bar_height(chance["series"]),
        0.5,
        color=style.PALE,
        alpha=0.6,
        zorder=0,
    )
    ax.axvline(0.5, color=style.BLACK, linestyle="--", linewidth=0.8, zorder=0)


def _draw_named(ax: Axes, table: pd.DataFrame) -> None:
    draw_points(ax, table, "named", "No latent was active")
    null = part(table, "named null")
    ax.scatter(null["x"], null["y"], 16, style.BLACK, marker="x", linewidths=0.9, zorder=5)
    for _, row in part(table, "named n").iterrows():
        at = {"xycoords": ax.get_yaxis_transform(), "fontsize": 6.5, "ha": "left", "va": "center"}
        ax.annotate(row["label"], (1.02, row["y"]), annotation_clip=False, **at)
    title = "Latents with a name" + ("\n(x: fitted on shifted counts)" if len(null) else "\n")
    ax.set(title=title, xlabel="Share of active latents", xlim=(-0.05, 1.02))
    ax.set_xticks([0, 0.5, 1])


def _verdict(table: pd.DataFrame) -> str:
    """Return which method's best latents tell the variables best, and which ours come to."""
    variables = part(table, "variable")
    said = []
    if variables.empty:
        return "no label to hold latents against"
    for number, name in enumerate(variables["series"]):
        means = part(table, f"auroc {number} mean")
        best = means.loc[means["x"].idxmax()]
        chance = part(table, f"chance {number}", best["series"])["x"].max()
        if not best["x"] > chance:
            continue
        ours = means[[colour_of(table, n) == style.BLUE for n in means["series"]]]
        text = f"{name.replace('_', ' ')}: {pretty(best['series'])} {best['x']:.2f}"
        if len(ours) and best["series"] not in set(ours["series"]):
            top = ours.loc[ours["x"].idxmax()]
            text += f" (SAE {top['x']:.2f})"
        said.append(text)
    if not said:
        return "no method's single latents tell labels better than chance may"
    return "best single latents by median AUROC on test bins: " + "; ".join(said[:3])

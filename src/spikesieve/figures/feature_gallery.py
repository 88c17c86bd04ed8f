"""The best latents of a model: what each goes with, when it is active, which units it speaks of."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spikesieve.figures import style
from spikesieve.figures.style import drawing_table, facts, header, part, rows

#: Latents that are shown, and units of each.
SHOWN, UNITS = 6, 8
#: Labels that are drawn as bars, more as lines; letters that fit below an axis.
MOST_BARS, TICK_LETTERS = 18, 42


def feature_gallery_table(
    recording: str,
    summary: pd.DataFrame,
    tuning: pd.DataFrame,
    triggered: pd.DataFrame,
    sources: pd.DataFrame,
) -> pd.DataFrame:
    """Return the drawing table of the figure, of the first seed in these tables of one model.

    Latents with a name come first, by how well they tell their label, each label once while there
    are others; then those without a name, and those of which nothing is known, by density.
    """
    seed = int(summary["seed"].min()) if len(summary) else 0
    summary = summary[(summary["seed"] == seed) & ~summary["dead"]]
    model = str(summary["model"].iloc[0]) if len(summary) else ""
    parts = [facts(recording=recording, model=model, seed=seed, n_active=len(summary))]
    parts.append(facts(n_named=int(summary["named"].sum())))
    for place, (_, latent) in enumerate(_best(summary).iterrows()):
        number = int(latent["latent"])
        parts.append(rows("latent", str(number), x=place, label=_caption(latent)))
        parts += _of_latent(str(number), latent, _of(tuning, number, seed), "tuning")
        parts += _of_latent(str(number), latent, _of(triggered, number, seed), "triggered")
        mine = _of(sources, number, seed).head(UNITS)
        text = [_unit_text(unit) for _, unit in mine.iterrows()]
        weight = mine["weight"].to_numpy(float)
        parts.append(rows("unit", str(number), weight, np.arange(float(len(mine))), label=text))
        lost = -mine["ablation"].to_numpy(float) / latent["mean_active"]
        parts.append(rows("ablation", str(number), lost, np.arange(float(len(mine)))))
    return drawing_table(*parts)


def _best(summary: pd.DataFrame) -> pd.DataFrame:
    ordered = summary.sort_values(
        ["named", "auroc", "density"], ascending=False, kind="stable", na_position="last"
    )
    repeated = ordered.duplicated(["variable", "label"]) & ordered["variable"].notna()
    named = ordered["named"].astype(bool)
    return pd.concat([ordered[~repeated & named], ordered[repeated & named], ordered[~named]])[
        :SHOWN
    ]


def _of(table: pd.DataFrame, latent: int, seed: int) -> pd.DataFrame:
    return table[(table["latent"] == latent) & (table["seed"] == seed)]


def _of_latent(name: str, latent: pd.Series, mine: pd.DataFrame, what: str) -> list[pd.DataFrame]:
    """Return what a latent does under each label of its variable: the best label is series 0."""
    mine = mine[mine["variable"] == latent["variable"]]
    if mine.empty:
        return []
    if what == "tuning":
        x, label = mine["order"].to_numpy(float), mine["label"].to_numpy()
    else:
        x = mine["lag_s"].to_numpy(float)
        label = mine["label"].where(mine["label"] == latent["label"], "other").to_numpy()
        label = [
            own if own != "other" else f"other: {t}"
            for own, t in zip(label, mine["label"], strict=True)
        ]
    best = np.where(mine["label"] == latent["label"], 1.0, 0.0)
    return [
        rows(what, name, x, mine["mean"].to_numpy(float), label=label),
        rows(f"{what} error", name, x, mine["sem"].to_numpy(float), x_stop=best, label=label),
    ]


def _caption(latent: pd.Series) -> str:
    if pd.isna(latent["variable"]):
        return f"{latent['latent']}|no name|active in {latent['density']:.1%} of bins"
    match = f"{latent['variable'].replace('_', ' ')} = {latent['label']}"
    lines = [style.shortened(match, 40) if latent["named"] else style.shortened(f"({match})", 40)]
    lines.append(f"AUROC {latent['auroc']:.2f} (chance {latent['chance_auroc']:.2f})")
    known = {"p": latent["p_corrected"], "stability": latent["stability"]}
    lines.append(", ".join(f"{name} {v:.2g}" for name, v in known.items() if pd.notna(v)))
    return "|".join([str(latent["latent"]), "" if latent["named"] else "no name", *lines])


def _unit_text(unit: pd.Series) -> str:
    region = "" if pd.isna(unit["region"]) or not unit["region"] else f" {unit['region']}"
    return f"{int(unit['unit_id'])}{region}"


@style.in_style
def draw_feature_gallery(table: pd.DataFrame) -> Figure:
    """Draw the table of ``feature_gallery_table``."""
    about, latents = header(table), part(table, "latent")
    n = max(len(latents), 1)
    figure = style.new_figure(16 + 37 * n)
    verdict = f"{about['n_named']} of {about['n_active']} active latents have a name"
    style.title_figure(figure, about["recording"], f"model {about['model']}: {verdict}")
    if latents.empty:
        style.say(figure.subplots(), "No latent is active")
        return figure
    axes = figure.subplots(n, 3, squeeze=False, width_ratios=[1.25, 1.1, 0.8])
    for line, (_, latent) in zip(axes, latents.iterrows(), strict=False):
        number, name, *known = latent["label"].split("|")
        _draw_tuning(line[0], table, latent["series"])
        _draw_triggered(line[1], table, latent["series"])
        _draw_units(line[2], table, latent["series"])
        title = f"$\\bf{{Latent\\ {number}}}$  {name}"
        line[0].set_title("\n".join([title, *filter(None, known)]), loc="left")
    axes[-1, 1].set_xlabel("Time from its beginning (s)")
    axes[-1, 2].set_xlabel("Weight (bar), loss (dot)")
    return figure


def _draw_tuning(ax: Axes, table: pd.DataFrame, latent: str) -> None:
    means, errors = part(table, "tuning", latent), part(table, "tuning error", latent)
    if means.empty:
        style.say(ax, "No label is known to go with it")
        ax.set(xticks=[], yticks=[])
        return
    grid = _grid(means)
    if grid is not None:
        _draw_grid(ax, *grid)
        return
    best = errors["x_stop"].to_numpy() > 0
    colours = np.where(best, style.VERMILION, style.BLUE)
    if len(means) <= MOST_BARS:
        ax.bar(means["x"], means["y"], 0.8, color=colours, alpha=0.6)
        ax.errorbar(
            means["x"], means["y"], errors["y"], fmt="none", ecolor=style.BLACK, elinewidth=0.7
        )
    else:
        ax.vlines(means["x"], 0, means["y"], colors=colours, linewidth=0.9)
    text = [_tick(label) for label in means["label"]]
    step = -(-len(text) * (max(map(len, text)) + 2) // TICK_LETTERS)
    ax.set_xticks(means["x"].iloc[::step], text[::step])
    ax.set_ylabel("Activation")


def _tick(label: str) -> str:
    """Return a label as it stands below an axis: of "0.3 to 0.7" where it begins."""
    start, _, stop = label.partition(" to ")
    return start if stop and ", " not in label else style.shortened(label, 12)


def _beginning(label: str) -> str:
    """Return "-40" of "-40 to -20"; what is no range stays as it is."""
    return label.partition(" to ")[0]


def _grid(means: pd.DataFrame) -> tuple | None:
    """Return axes and values of labels that are pairs of numbers ("-30, 20") on a full grid."""
    pairs = means["label"].str.split(", ", expand=True)
    if pairs.shape[1] != 2 or pairs.isna().any(axis=None):
        return None
    try:
        places = [sorted(set(pairs[c]), key=lambda t: float(t.split(" to ")[0])) for c in (0, 1)]
    except ValueError:
        return None
    if len(means) < 0.8 * len(places[0]) * len(places[1]) or min(map(len, places)) < 2:
        return None
    image = np.full((len(places[1]), len(places[0])), np.nan)
    row, column = (pairs[c].map(p.index).to_numpy() for c, p in ((1, places[1]), (0, places[0])))
    image[row, column] = means["y"]
    return places[0], places[1], image


def _draw_grid(ax: Axes, across: list[str], up: list[str], image: np.ndarray) -> None:
    shown = ax.imshow(image, cmap="cividis", origin="lower", aspect="equal", vmin=0)
    for axis, labels in (("x", across), ("y", up)):
        step = -(-len(labels) // 3)
        at = np.arange(0, len(labels), step)
        if axis == "x":  # whole ranges fit beside a map, not below it
            labels = [_beginning(label) for label in labels]
        ax.set(**{f"{axis}ticks": at, f"{axis}ticklabels": [labels[i] for i in at]})
    bar = ax.figure.colorbar(shown, ax=ax, fraction=0.05, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label("Activation")


def _draw_triggered(ax: Axes, table: pd.DataFrame, latent: str) -> None:
    means, errors = part(table, "triggered", latent), part(table, "triggered error", latent)
    if means.empty:
        style.say(ax, "Nothing begins that it goes with")
        ax.set(xticks=[], yticks=[])
        return
    for label, line in means.groupby("label", sort=False):
        error = errors.loc[errors["label"] == label, "y"].fillna(0).to_numpy()
        other = label.startswith("other: ")
        colour = style.GREY if other else style.VERMILION
        text = style.shortened(label.removeprefix("other: "), 18)
        ax.plot(line["x"], line["y"], color=colour, label=text, linewidth=0.7 if other else 1.3)
        low, high = line["y"] - error, line["y"] + error
        ax.fill_between(line["x"], low, high, color=colour, alpha=0.12, linewidth=0)
    ax.axvline(0, color=style.BLACK, linestyle="--", linewidth=0.6, zorder=0)
    first = means.loc[~means["label"].str.startswith("other: "), "label"]
    if len(first):
        text = style.shortened(first.iloc[0], 20)
        ax.set_title(f"when {text} begins\n(grey: other labels)", loc="left")
    ax.set_ylabel("Activation")


def _draw_units(ax: Axes, table: pd.DataFrame, latent: str) -> None:
    units, lost = part(table, "unit", latent), part(table, "ablation", latent)
    if units.empty:
        style.say(ax, "No unit is known")
        return
    top = np.abs(units["x"]).max() or 1
    ax.barh(units["y"], units["x"] / top, 0.7, color=style.BLUE, alpha=0.6)
    ax.scatter(lost["x"], lost["y"], 9, style.VERMILION, zorder=3, clip_on=False)
    ax.axvline(0, color=style.BLACK, linewidth=0.6)
    ax.set_yticks(units["y"], [style.shortened(t, 16) for t in units["label"]])
    ax.set_ylim(len(units) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.set_title("units", loc="left")

"""Paired differences: unit by unit, how much better one method scores than each other one."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import wilcoxon

from spikesieve.errors import InputError
from spikesieve.figures import style
from spikesieve.figures.distance_methods import (
    CONTROLS,
    looks,
    method_of,
    ordered,
    pretty,
    scores_at,
    unit_scores,
)
from spikesieve.figures.style import drawing_table, facts, header, part, rows

#: Metric -> scale (ms), title, and +1 where more is better, -1 where less is.
MEASURES = {
    "schreiber": (5, "Schreiber similarity, 5 ms", 1),
    "van_rossum": (10, "van Rossum distance, 10 ms", -1),
}
#: Characters after which the label below a panel goes on in a second line.
_LABEL_LENGTH = 40


def distance_pairs_table(
    recording: str,
    scores: Sequence[pd.DataFrame],
    *,
    reference: str | None = None,
    split: str = "test",
) -> pd.DataFrame:
    """Return the drawing table of the figure.

    Differences are positive where the reference is better, whatever the metric.

    Parameters
    ----------
    scores : tables ``scores`` of every method, model and seed; see ``unit_scores`` for the units
        that count. ``reference`` : the method that each other one is compared with; the first
        in the order of drawing where not given.

    Raises
    ------
    InputError
        The reference has no scores.
    """
    units = unit_scores(scores)
    names = ordered(units["name"])
    if reference and names and reference not in names:
        raise InputError(f"no scores of {reference!r}", allowed=", ".join(names))
    reference = reference or (names[0] if names else "")
    others = [name for name in names if name != reference]
    about = facts(
        recording=recording,
        split=split,
        reference=reference,
        n_units=units["unit_id"].nunique(),
    )
    parts = [about, rows("method", others, y=np.arange(float(len(others))))]
    ratios = units[units["metric"] == "count_ratio"].groupby("name")["value"].mean()
    known = [name for name in names if name in ratios]
    parts.append(rows("count_ratio", known, ratios[known].to_numpy()))
    for metric, (scale_ms, _, sign) in MEASURES.items():
        wide = scores_at(units, metric, scale_ms)
        for line, name in enumerate(others):
            if not {reference, name} <= set(wide):
                continue
            gain = (sign * (wide[reference] - wide[name])).dropna().sort_values(kind="stable")
            if gain.empty:
                continue
            label = [f"unit {u}" for u in gain.index]
            spread = np.linspace(-0.32, 0.32, len(gain)) if len(gain) > 1 else np.zeros(1)
            parts.append(rows(metric, name, gain.to_numpy(), line + spread, label=label))
            parts.append(rows(f"{metric} median", name, float(gain.median()), float(line)))
            verdict = f"{(gain > 0).sum()}/{len(gain)}"
            parts.append(rows(f"{metric} better", name, y=float(line), label=verdict))
            parts.append(rows(f"{metric} p", name, signed_rank_p(gain.to_numpy()), float(line)))
    return drawing_table(*parts)


def signed_rank_p(differences: Float[np.ndarray, "unit"]) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test; 1 where no pair differs."""
    differences = differences[differences != 0]
    return float(wilcoxon(differences).pvalue) if len(differences) else 1.0


@style.in_style
def draw_distance_pairs(table: pd.DataFrame) -> Figure:
    """Draw the table of ``distance_pairs_table``."""
    about, names = header(table), list(part(table, "method")["series"])
    figure = style.new_figure(26 + 9 * max(len(names), 3))
    axes = figure.subplots(1, len(MEASURES), sharey=True)
    n = style.plural(int(about["n_units"]), "unit")
    verdict = f"{about['split']} bins, {n}: {_verdict(table, about['reference'])}"
    style.title_figure(figure, about["recording"], verdict)
    for (metric, (_, title, _)), ax in zip(MEASURES.items(), axes, strict=True):
        _draw_gains(ax, table, metric, names)
        ax.set_title(title)
        gain = f"Gain of {_with_ratio(table, about['reference'])} over the other,"
        ax.set_xlabel(gain + ("\n" if len(gain) > _LABEL_LENGTH else " ") + "a point a unit")
    axes[0].set_yticks(range(len(names)), [_with_ratio(table, name) for name in names])
    axes[0].set_ylim(max(len(names), 1) - 0.45, -0.55)
    for ax in axes:
        ax.tick_params(axis="y", length=0)
    style.letter_panels([*axes])
    return figure


def _with_ratio(table: pd.DataFrame, name: str) -> str:
    """Return a method's name with its mean count ratio."""
    return pretty(name, *(f"{ratio:.2f}" for ratio in part(table, "count_ratio", name)["x"]))


def _verdict(table: pd.DataFrame, reference: str) -> str:
    better = part(table, "schreiber better")
    rivals = better[~better["series"].map(method_of).isin(CONTROLS)]
    if better.empty:
        return "nothing to compare"
    told = [
        f"{pretty(row['series'])} in {row['label']}"
        for _, row in (rivals if len(rivals) else better).iloc[:3].iterrows()
    ]
    scale_ms = MEASURES["schreiber"][0]
    return f"Schreiber {scale_ms} ms of {pretty(reference)} is above that of " + ", ".join(told)


def _draw_gains(ax: Axes, table: pd.DataFrame, metric: str, names: list[str]) -> None:
    points = part(table, metric)
    if points.empty:
        style.say(ax, "No two methods score the same units")
        ax.set_xticks([])
        return
    ax.axvline(0, color=style.BLACK, linestyle="--", linewidth=0.8, zorder=0)
    left, right = _limits(points)
    for name, look in looks(names).items():
        mine = part(table, metric, name)
        outside = (mine["x"] < left) | (mine["x"] > right)
        for chosen, face in ((~outside, look["color"]), (outside, "white")):
            x, y = mine["x"][chosen].clip(left, right), mine["y"][chosen]
            ax.scatter(
                x, y, 8, face, edgecolors=look["color"], linewidths=0.6, zorder=3, clip_on=False
            )
        for _, median in part(table, f"{metric} median", name).iterrows():
            x, y = np.clip(median["x"], left, right), median["y"]
            ax.vlines(x, y - 0.4, y + 0.4, style.BLACK, linewidth=1.4, zorder=4)
        for (_, better), (_, p) in zip(
            part(table, f"{metric} better", name).iterrows(),
            part(table, f"{metric} p", name).iterrows(),
            strict=True,
        ):
            text = f"{better['label']}, p\u00a0{_p_text(p['x'])}"
            at = {"xycoords": ax.get_yaxis_transform(), "ha": "right", "va": "center"}
            ax.annotate(text, (1.0, better["y"]), fontsize=6.5, **at)
    ax.set_xlim(left, right + 0.45 * (right - left))  # room for what is said at the right
    ax.set_xticks([t for t in ax.get_xticks() if left <= t <= right])


def _limits(points: pd.DataFrame) -> tuple[float, float]:
    """Return the span of the gains over rivals (over controls they can be far larger), with 0."""
    rivals = points[~points["series"].map(method_of).isin(CONTROLS)]
    x = rivals["x"] if len(rivals) else points["x"]
    low, high = min(x.min(), 0), max(x.max(), 0)
    room = 0.06 * (high - low) or 0.01
    return low - room, high + room


def _p_text(p: float) -> str:
    return "< 0.0001" if p < 1e-4 else f"= {p:.2g}"

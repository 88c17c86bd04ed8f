"""Counts of inferred spikes against the true ones in the same bins, for every method."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure

from spikesieve.distance.scores import coarse_counts
from spikesieve.figures import style
from spikesieve.figures.distance_methods import CONTROLS, pretty
from spikesieve.figures.distance_trains import method_counts
from spikesieve.figures.style import drawing_table, facts, header, part, rows

WIDTH_S = 0.1
#: Shades of how often a pair of counts comes, from pale to dark: legible without colour.
SHADES = LinearSegmentedColormap.from_list("times", ["#D3E3EF", style.BLUE, "#001726"])
_COLUMNS = 4
#: More panels than these have no letters: each has its method's name.
_LETTERED = 10


def distance_counts_table(
    recording: str,
    truth: pd.DataFrame,
    inferred: pd.DataFrame,
    *,
    bin_s: float,
    first_bin: int,
    n_bins: int,
    methods: Sequence[str] | None = None,
    split: str = "test",
) -> pd.DataFrame:
    """Return the drawing table of the figure.

    For every method: how often each pair of counts (true, predicted) in 100 ms comes; Pearson's
    r and R2 (of the prediction as it is, no line is fitted) over all units and bins; and the
    median of r over units (of which some may be undefined: a constant tells nothing, 0).

    Parameters
    ----------
    truth : columns ``unit_id``, ``bin``: the true spikes. ``inferred`` : the same and ``method``.
    bin_s : bin width. ``first_bin``, ``n_bins`` : the span that was scored, in bins.
    methods : those to show, also one that inferred no spike; those of the table where not given.
    """
    unit_ids, true, counted = method_counts(truth, inferred, methods, first_bin, n_bins)
    x = _coarse(true, bin_s)
    n = {"n_units": len(unit_ids), "n_wide": x.size}
    parts = [facts(recording=recording, split=split, **n), rows("method", [*counted])]
    for name, counts in counted.items():
        if not x.size:
            continue
        y = _coarse(counts, bin_s)
        pairs, times = np.unique(np.stack([x.ravel(), y.ravel()]), axis=1, return_counts=True)
        label = [str(t) for t in times]
        parts.append(
            rows("pairs", name, pairs[0].astype(float), pairs[1].astype(float), label=label)
        )
        each = [_pearson(a, b) for a, b in zip(x, y, strict=True)]
        found = _pearson(x.ravel(), y.ravel()), _r2(x, y), float(np.median(each))
        parts += [rows(k, name, v) for k, v in zip(("r", "r2", "unit r"), found, strict=True)]
    return drawing_table(*parts)


def _coarse(counts, bin_s: float):
    """Return counts in 100 ms (unit, wide bin)."""
    wide = [coarse_counts(train, WIDTH_S, bin_s) for train in counts]
    return np.array(wide) if wide else np.zeros((0, 0))


def _pearson(x, y) -> float:
    constant = not len(x) or x.min() == x.max() or y.min() == y.max()
    return 0.0 if constant else float(np.corrcoef(x, y)[0, 1])


def _r2(x, y) -> float:
    variance = ((x - x.mean()) ** 2).sum()
    return float(1 - ((x - y) ** 2).sum() / variance) if variance else np.nan


@style.in_style
def draw_distance_counts(table: pd.DataFrame) -> Figure:
    """Draw the table of ``distance_counts_table``."""
    about, names = header(table), list(part(table, "method")["series"])
    n_rows = max(-(-len(names) // _COLUMNS), 1)
    n_columns = max(min(len(names), _COLUMNS), 2)
    figure = style.new_figure(24 + 42 * n_rows)
    axes = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False).ravel()
    n = style.plural(int(about["n_units"]), "unit")
    bins = f"{int(about['n_wide']):,} counts in {WIDTH_S * 1000:g} ms"
    said = f"{about['split']} bins, {n}, {bins}: {_best(table)}"
    style.title_figure(figure, about["recording"], said)
    pairs = part(table, "pairs")
    top = max(pairs["x"].max(), pairs["y"].max(), 3) + 0.5 if len(pairs) else 3.5
    most = max(pairs["label"].astype(int).max(), 2) if len(pairs) else 2
    norm = LogNorm(1, most)
    for name, ax in zip(names, axes, strict=False):
        _draw_pairs(ax, table, name, top, norm)
    for ax in axes[max(len(names), 1) :]:
        ax.remove()
    if not names:
        style.say(axes[0], "No method inferred spikes")
    used = axes[: max(len(names), 1)]
    for number, ax in enumerate(used):
        if number + n_columns >= len(used):
            ax.set_xlabel("True spikes in 100 ms")
            ax.tick_params(labelbottom=True)
        if number % n_columns == 0:
            ax.set_ylabel("Predicted spikes in 100 ms")
    if len(pairs):
        shades = ScalarMappable(norm, SHADES)
        bar = figure.colorbar(shades, ax=[*used], aspect=30, label="Times that a pair comes")
        bar.outline.set_visible(False)
    if len(used) <= _LETTERED:
        style.letter_panels([*used])
    return figure


def _best(table: pd.DataFrame) -> str:
    r = part(table, "unit r")
    r = r[~r["series"].isin(CONTROLS)].sort_values("x", ascending=False, kind="stable")
    if r.empty:
        return "nothing to compare"
    best = r.iloc[0]
    return f"{pretty(best['series'])} follows best (median r of units\u00a0{best['x']:.2f})"


def _draw_pairs(ax: Axes, table: pd.DataFrame, name: str, top: float, norm: LogNorm) -> None:
    """Shade each pair of counts by how often it comes; the identity is perfect."""
    pairs = part(table, "pairs", name)
    if pairs.empty:
        ax.set_title(pretty(name))
        style.say(ax, "No unit has true spikes")
        return
    n = int(top + 0.5)
    image = np.zeros((n, n))
    image[pairs["y"].astype(int), pairs["x"].astype(int)] = pairs["label"].astype(int)
    edges = np.arange(n + 1) - 0.5
    ax.pcolormesh(edges, edges, np.ma.masked_less(image, 1), cmap=SHADES, norm=norm)
    ax.plot([0, top], [0, top], color=style.VERMILION, linestyle="--", linewidth=0.8)
    r, r2, unit_r = (part(table, k, name)["x"].iloc[0] for k in ("r", "r2", "unit r"))
    ax.set_title(f"{pretty(name)}\nr {r:.2f} (units {unit_r:.2f}), R² {_short(r2)}")
    ax.set(xlim=(-0.5, top), ylim=(-0.5, top))
    ax.set_aspect("equal")
    style.whole_numbers(ax.xaxis, 4)
    style.whole_numbers(ax.yaxis, 4)


def _short(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "undefined"

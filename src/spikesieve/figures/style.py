"""What all figures share: size, type, colours, the table that is drawn, deterministic saving.

A figure is two functions: one makes a *drawing table*, one draws it. The table is saved as the
figure's CSV, and as the picture knows nothing else, the two cannot disagree.
"""

import textwrap
from os import PathLike
from string import ascii_lowercase

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from spikesieve.files import atomic_path

mpl.use("Agg")

#: Full width of a journal page.
WIDTH_MM = 180
PNG_DPI = 200
#: Characters that fit into a line of the title.
TITLE_LENGTH = 92
#: Characters that fit into a line of the legend below the panels, 9 of them for each key's patch.
LEGEND_LENGTH = 150

# Okabe & Ito's colour-blind safe palette (https://jfly.uni-koeln.de/color/).
BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
VERMILION, PURPLE, SKY, YELLOW = "#D55E00", "#CC79A7", "#56B4E9", "#F0E442"
BLACK, GREY, PALE = "#000000", "#7F7F7F", "#D0D0D0"
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
KEPT, DROPPED = BLUE, ORANGE

STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same everywhere
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.titlelocation": "left",
    "axes.labelsize": 7,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "figure.titlesize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.0,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "pdf.fonttype": 42,  # text stays text
}

#: Use as a decorator of functions that draw.
in_style = mpl.rc_context(STYLE)

#: A drawing table: a row for a point (``x``, ``y``), a bar or span (from ``x`` to ``x_stop``) or,
#: in panel ``header``, a fact for titles and axes (``series`` names it, ``label`` holds it).
COLUMNS = {"panel": str, "series": str, "x": float, "x_stop": float, "y": float, "label": str}


def rows(panel: str, series, x=np.nan, y=np.nan, *, x_stop=np.nan, label="") -> pd.DataFrame:
    """Return rows of a drawing table; each argument is one value for all rows, or one a row."""
    values = (panel, series, x, x_stop, y, label)
    n = max((np.size(v) for v in values if np.ndim(v)), default=1)
    columns = zip(COLUMNS, values, strict=True)
    return pd.DataFrame({c: v if np.ndim(v) else [v] * n for c, v in columns}).astype(COLUMNS)


def facts(**values) -> pd.DataFrame:
    """Return header rows of a drawing table."""
    return rows("header", list(values), label=[str(v) for v in values.values()])


def drawing_table(*parts: pd.DataFrame) -> pd.DataFrame:
    """Join parts into one drawing table."""
    return pd.concat([p for p in parts if len(p)] or parts, ignore_index=True)


def part(table: pd.DataFrame, panel: str, series: str | None = None) -> pd.DataFrame:
    """Return the rows of one panel, or of one series of it."""
    chosen = table["panel"] == panel
    return table[chosen if series is None else chosen & (table["series"] == series)]


def header(table: pd.DataFrame) -> dict[str, str]:
    """Return the facts of a drawing table."""
    return part(table, "header").set_index("series")["label"].to_dict()


def new_figure(height_mm: float) -> Figure:
    """Return an empty figure of the page's width."""
    size = (WIDTH_MM / 25.4, height_mm / 25.4)
    figure = Figure(figsize=size, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.04, h_pad=0.04, wspace=0.03, hspace=0.03)
    return figure


def title_figure(figure: Figure, *parts: str) -> None:
    """Write the figure's title at its upper left, in as many lines as it needs."""
    text = textwrap.fill("   ".join(parts), TITLE_LENGTH)
    figure.suptitle(text, x=0.005, ha="left", weight="bold")


def explain_colours(figure: Figure, keys: dict[str, str]) -> None:
    """Write a legend for all panels below them; ``keys`` maps what is meant to its colour."""
    handles = [Line2D([], [], color=colour, linewidth=5) for colour in keys.values()]
    n_lines = -(-sum(len(key) + 9 for key in keys) // LEGEND_LENGTH)
    columns = -(-len(keys) // n_lines)
    figure.legend(handles, keys, loc="outside lower center", ncols=columns)


def say(ax: Axes, sentence: str) -> None:
    """Write into the middle of a panel what it lacks."""
    text = textwrap.fill(sentence, 36)
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color=BLACK)


def whole_numbers(axis: Axis, n: int = 5) -> None:
    """Put about ``n`` ticks on round whole numbers."""
    axis.set_major_locator(MaxNLocator(n, steps=[1, 2, 5, 10], integer=True))


def log_scale(ax: Axes, which: str, low: float, high: float) -> None:
    """Make axis ``which`` ("x" or "y") logarithmic; label decades, or 1, 2, 5 where few fit."""
    ax.set(**{f"{which}scale": "log"})
    axis = getattr(ax, f"{which}axis")
    axis.set_minor_formatter(NullFormatter())
    if high / low < 100:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")


def bars_from_top(ax: Axes, longest: float, n_bars: int) -> None:
    """Let horizontal bars start at the top, none thicker than a quarter, with room for labels."""
    ax.set_ylim(max(n_bars, 4) - 0.5, -0.5)
    ax.set_xlim(0, 1.25 * max(longest, 1))
    whole_numbers(ax.xaxis, 4)
    ax.tick_params(axis="y", length=0)


def criterion_names(names: pd.Series | pd.Index) -> list[str]:
    """Return names of the filter's criteria as they read in a figure."""
    return [name.replace("_", " ").replace("isi", "ISI") for name in names]


def letter_panels(axes: list[Axes]) -> None:
    """Put a, b, c ... in front of the titles of ``axes``."""
    for letter, ax in zip(ascii_lowercase, axes, strict=False):
        ax.set_title(f"$\\bf{{{letter}}}$  {ax.get_title(loc='left')}")


def log_edges(low: float, high: float, per_decade: int) -> np.ndarray:
    """Return bin edges, ``per_decade`` of them a factor of 10, that cover ``[low, high]``."""
    first = np.floor(np.log10(low) * per_decade)
    last = np.floor(np.log10(high) * per_decade) + 1
    return 10 ** (np.arange(first, last + 1) / per_decade)


def plural(n: int, noun: str) -> str:
    """Return ``1 unit`` or ``1,234 units``."""
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def shortened(text: str, length: int) -> str:
    """Return ``text``, its middle left out where it is longer than ``length``."""
    if len(text) <= length:
        return text
    head = (length - 1) // 2
    return f"{text[:head]}…{text[-(length - 1 - head) :]}"


@in_style
def save_figure(figure: Figure, table: pd.DataFrame, stem: str | PathLike) -> None:
    """Write ``stem`` + .pdf, .png and .csv, each atomically; same input, same bytes."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # laid out once: both pictures alike, and sooner done
    for suffix, undated in ((".pdf", {"CreationDate": None}), (".png", {"Software": None})):
        with atomic_path(f"{stem}{suffix}") as temporary:
            figure.savefig(temporary, dpi=PNG_DPI, metadata=undated)
    with atomic_path(f"{stem}.csv") as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")

"""The page of a unit map: two layouts, and of each unit what it answers to.

Points, lines and their axes are SVG that a small script draws (``unit_map.js``): a page of 60
units has 0.2 MB, where a plotting library alone would be 4.6 MB, and nothing needs to be kept up.
"""

import base64
import re
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from spikesieve.distance.averages import averages_of
from spikesieve.figures.style import CYCLE, plural
from spikesieve.pages.document import document, text

#: Most points of a line; more could not be told apart on a screen.
MOST_LAGS = 250
#: What all lines together may take; the page's other parts are small.
_LINE_BYTES = 6_000_000
#: Stands for NaN among 16-bit numbers.
_NONE = -32768

#: Shortest wavelength in nm -> a colour like that light's, seen on white and on black.
_LIGHT = {0: "#9a5fd0", 440: "#3d85d8", 500: "#2e9e50", 570: "#d99000", 600: "#e04545"}
_DASHES = ("", "7 3", "2 3", "9 3 2 3", "4 2", "1 2")
SHAPES = ("circle", "square", "triangle", "diamond")

#: Score -> how it reads.
READABLE = {
    "neighbour_similarity": "Neighbours' stimulus averages correlate",
    "neighbour_similarity_within": "The same, units permuted within recordings",
    "recording_given_away": "Recording named by a unit's neighbours (balanced accuracy)",
}

_BODY = """<header>
<h1>{title}</h1>
<p>{about}</p>
<table>
<thead><tr><th scope="col">Score</th><th scope="col">Value</th>
<th scope="col">Chance (95&nbsp;%)</th><th scope="col">p</th><th scope="col">Units</th></tr></thead>
<tbody>
{scores}
</tbody>
</table>
<p id="legend"></p>
</header>
<noscript><p>This page needs JavaScript to draw its maps. It fetches nothing.</p></noscript>
<main>
<figure><figcaption>t-SNE</figcaption><svg id="tsne"></svg></figure>
<figure><figcaption>Principal components{share}</figcaption><svg id="pca"></svg></figure>
<section id="details" aria-live="polite"></section>
</main>
<p id="hint">Point at a unit to see the stimulus before its spikes; click or tap to pin it, so that
it stays beside the next one. Keys: arrows go to the unit on that side, Page Up and Page Down to the
one before and after, Enter pins, Escape lets go.</p>"""


def unit_map_page(
    unit_map: pd.DataFrame, scores: pd.DataFrame, averages: pd.DataFrame, *, title: str
) -> str:
    """Return the page as HTML, from tables ``unit_map``, ``map_scores`` and ``stimulus_average``.

    Long averages are thinned to at most 250 means of neighbouring lags, and kept in 16 bits, so
    that a page of thousands of units stays under 10 MB.
    """
    stimulus, channels, lags = averages_of(averages, unit_map)
    lines, lags, per_point = _thinned(stimulus, lags)
    recordings = list(dict.fromkeys(unit_map["recording"]))
    code = pd.Index(recordings).get_indexer(unit_map["recording"])
    scale = np.where(np.isfinite(lines), np.abs(lines), 0).max(axis=(1, 2), initial=0)
    about = f"{plural(len(unit_map), 'unit')} of {plural(len(recordings), 'recording')}."
    if per_point > 1:
        about += f" Lines show means of {per_point} lags."
    data = {
        "recordings": [
            {"name": name, "colour": CYCLE[i % len(CYCLE)], "shape": SHAPES[i // len(CYCLE) % 4]}
            for i, name in enumerate(recordings)
        ],
        "recording": code.tolist(),
        "unit": unit_map["unit_id"].tolist(),
        "rate": _or_null(unit_map["firing_rate_hz"]),
        "tsne": [_or_null(unit_map[c]) for c in ("x_tsne", "y_tsne")],
        "pca": [_or_null(unit_map[c]) for c in ("x_pca", "y_pca")],
        "channels": channel_looks(channels),
        "lag": np.round(lags, 4).tolist(),
        "scale": scale.astype(float).tolist(),
        "lines": _packed(lines, scale),
    }
    body = _BODY.format(
        title=text(title),
        about=text(about),
        scores=_score_rows(scores, recordings),
        share=_share(scores),
    )
    style, script = (
        Path(__file__).with_suffix(kind).read_text(encoding="utf-8") for kind in (".css", ".js")
    )
    return document(title, body, data, style=style, script=script)


def channel_looks(names: list[str]) -> list[dict[str, str]]:
    """Return name, colour and dashes of each channel: that of its light where the name has one.

    A wavelength counts where it stands as in ``led_630nm``. Dashes tell channels apart for those
    who see the colours alike.
    """
    looks = []
    for number, name in enumerate(names):
        found = re.search(r"(?<!\d)(\d{3}) ?nm", name)
        colour = CYCLE[number % len(CYCLE)]
        if found:
            colour = _LIGHT[max(w for w in _LIGHT if w <= int(found[1]))]
        looks.append({"name": name, "colour": colour, "dash": _DASHES[number % len(_DASHES)]})
    return looks


def _thinned(
    averages: Float[np.ndarray, "unit channel lag"], lags: Float[np.ndarray, "lag"]
) -> tuple[Float[np.ndarray, "unit channel point"], Float[np.ndarray, "point"], int]:
    """Return means of neighbouring lags, the lags they stand for, and how many each holds."""
    n_units, n_channels, n_lags = averages.shape
    bytes_each = 8 / 3 * max(n_units * n_channels, 1)  # base64 of 16 bits
    most = max(1, min(MOST_LAGS, int(_LINE_BYTES / bytes_each)))
    width = max(1, -(-n_lags // most))
    starts = np.arange(0, n_lags, width)
    if not n_lags:
        return averages, lags, 1
    size = np.diff(np.append(starts, n_lags))
    return (
        np.add.reduceat(averages, starts, axis=2) / size,
        np.add.reduceat(lags, starts) / size,
        width,
    )


def _packed(
    lines: Float[np.ndarray, "unit channel point"], scale: Float[np.ndarray, "unit"]
) -> str:
    """Return lines as 16-bit numbers in base64: 32767 is the unit's largest value."""
    share = lines / np.where(scale > 0, scale, 1)[:, None, None] * 32767
    whole = np.where(np.isfinite(share), np.round(share), _NONE)
    return base64.b64encode(whole.astype("<i2").tobytes()).decode()


def _or_null(values: pd.Series) -> list[float | None]:
    return [float(f"{v:.6g}") if np.isfinite(v) else None for v in values]


def _share(scores: pd.DataFrame) -> str:
    share = scores.loc[scores["score"] == "pca_share", "value"]
    return f" ({100 * share.iloc[0]:.0f} % of the variance)" if share.notna().any() else ""


def _score_rows(scores: pd.DataFrame, recordings: list[str]) -> str:
    # Units of one recording are permuted within it anyway: one row says it all.
    left_out = ["pca_share", *["neighbour_similarity_within"] * (len(recordings) == 1)]
    rows = []
    for score in scores[~scores["score"].isin(left_out)].itertuples():
        name = f'<th scope="row">{text(READABLE.get(score.score, score.score))}</th>'
        if np.isnan(score.value):
            rows.append(f'<tr>{name}<td colspan="3">none: {text(score.note)}</td>')
        else:
            chance = f"{score.chance:.2f} ({score.chance_low:.2f} to {score.chance_high:.2f})"
            cells = (f"{score.value:.2f}", chance, f"{score.p:.2g}")
            rows.append(f'<tr title="{text(score.note)}">{name}')
            rows.append("".join(f"<td>{cell}</td>" for cell in cells))
        rows.append(f"<td>{score.n:,}</td></tr>\n")
    return "".join(rows)

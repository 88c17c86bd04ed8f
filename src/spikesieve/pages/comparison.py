"""The page that compares all methods of a recording: a table a variable, and what it says."""

from pathlib import Path

import numpy as np
import pandas as pd

from spikesieve.figures.methods import pretty
from spikesieve.pages.document import document, text

SCORES = {"balanced_accuracy": "balanced accuracy", "r2": "R²"}
_NO = "\N{EN DASH}"

_ABOUT = """<p>Scores are of test bins; latents, labels, lags and decoders were chosen on training
and validation bins. <b>Single latents</b>: the area under the ROC curve of the latent that tells a
label best, median over labels; in brackets what a label reaches by chance in 19 of 20 circular
shifts. <b>All latents</b>: what a linear decoder reads from all of them; in brackets the same of
chance. Differences carry 95&nbsp;% intervals, over labels for single latents (none for fewer than
four) and over contiguous blocks of the test bins for decoders; those that leave out zero are bold.
Labels share their bins, so intervals over labels are narrower than a new recording would show.
Rows in blue are sparse autoencoders. <b>Time</b> is of a whole fit, its tuning included; the sweep
that chooses an autoencoder's settings is a job of its own.</p>"""

_HEAD = """<thead><tr><th scope="col" rowspan="2">Method</th>
<th scope="colgroup" colspan="3">Single latents (AUROC)</th>
<th scope="colgroup" colspan="4">All latents ({score})</th></tr>
<tr><th scope="col">median (chance)</th><th scope="col">than raw counts</th>
<th scope="col">than {ours}</th><th scope="col">all (chance)</th><th scope="col">best one</th>
<th scope="col">than raw counts</th><th scope="col">than {ours}</th></tr></thead>"""

_ABOUT_HEAD = """<thead><tr><th scope="col">Method</th><th scope="col">Latents</th>
<th scope="col">Stability</th><th scope="col">Named, of active</th><th scope="col">Time, s</th>
<th scope="col">Peak memory, MB</th><th scope="col" class="name">Best features</th></tr></thead>"""


def comparison_page(table: pd.DataFrame, *, recording: str, ours: str) -> str:
    """Return the page of ``comparison_table``; the same names as there."""
    body = [f"<h1>Methods compared: {text(recording)}</h1>", _ABOUT]
    if table.empty:
        body.append("<p>Nothing is known of the bins to hold latents against.</p>")
    else:
        body.append(_methods(table.drop_duplicates("model")))
    for variable, rows in table.groupby("variable", sort=False):
        score = rows["score"].dropna()
        head = _HEAD.format(
            score=text(SCORES[score.iloc[0]] if len(score) else "not decoded"),
            ours=text(pretty(ours)),
        )
        n_labels = rows["n_labels"].max()
        labels = "" if pd.isna(n_labels) else f" ({int(n_labels)} labels)"
        body += [
            f"<h2>{text(variable.replace('_', ' '))}{labels}</h2>",
            f"<p>{text(verdict(rows, ours))}</p>",
            f'<div class="wide"><table>{head}<tbody>',
            *(_row(row) for row in rows.to_dict("records")),
            "</tbody></table></div>",
        ]
    style = Path(__file__).with_name("comparison.css").read_text()
    title = f"{recording}: methods compared"
    return document(title, "\n".join(body), {}, style=style, script="")


def verdict(rows: pd.DataFrame, ours: str) -> str:
    """Return in words where our model stands for one variable: beside raw counts and the best."""
    said = [_said(rows, ours, *kind) for kind in (("single_auroc", "single"), ("decoded",) * 2)]
    return " ".join(filter(None, said)) or "No method could be judged."


def _said(rows: pd.DataFrame, ours: str, column: str, kind: str) -> str:
    scores = rows.set_index("model")[column].dropna()
    what = "Single latents" if kind == "single" else "All latents"
    if scores.empty:
        return ""
    best, mine = scores.idxmax(), rows[rows["model"] == ours]
    sentence = f"{what}: {pretty(best)} is best ({_number(scores.max())})"
    if best == ours or mine.empty or ours not in scores:
        return sentence + "."
    sentence += f", {pretty(ours)} reaches {_number(scores[ours])}"
    row = mine.iloc[0]
    gain, low, high = (row[f"{kind}_than_raw{end}"] for end in ("", "_low", "_high"))
    if np.isnan(gain):
        return sentence + "."
    beside = "more than" if low > 0 else "less than" if high < 0 else "not surely other than"
    return f"{sentence}, {beside} raw counts ({_difference(gain, low, high)})."


def _methods(rows: pd.DataFrame) -> str:
    lines = []
    for row in rows.to_dict("records"):
        named = f"{_count(row['n_named'])} of {_count(row['n_active'])}"
        cells = [
            _count(row["n_latents"]),
            _number(row["stability"]),
            named,
            _count(row["seconds"]),
            _count(row["peak_mb"]),
        ]
        names = f'<td class="name">{text(row["best_features"] or _NO)}</td>'
        lines.append(_line(row, cells, names))
    return f'<div class="wide"><table>{_ABOUT_HEAD}<tbody>{"".join(lines)}</tbody></table></div>'


def _row(row: dict) -> str:
    cells = [
        _beside_chance(row["single_auroc"], row["single_chance"]),
        _gain(row, "single_than_raw"),
        _gain(row, "single_than_ours"),
        _beside_chance(row["decoded"], row["decoded_chance"]),
        _number(row["decoded_best"]),
        _gain(row, "decoded_than_raw"),
        _gain(row, "decoded_than_ours"),
    ]
    return _line(row, cells)


def _line(row: dict, cells: list[str], more: str = "") -> str:
    look = ' class="ours"' if row["method"] == "sae" else ""
    inside = "".join(f"<td>{cell}</td>" for cell in cells)
    return f'<tr{look}><th scope="row">{text(pretty(row["model"]))}</th>{inside}{more}</tr>'


def _gain(row: dict, name: str) -> str:
    gain, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
    said = text(_difference(gain, low, high))
    look = "better" if low > 0 else "worse" if high < 0 else ""
    return f'<span class="{look}">{said}</span>' if look else said


def _difference(gain: float, low: float, high: float) -> str:
    if np.isnan(gain):
        return _NO
    interval = "" if np.isnan(low) else f" [{_signed(low)}, {_signed(high)}]"
    return _signed(gain) + interval


def _beside_chance(value: float, chance: float) -> str:
    return _number(value) + ("" if np.isnan(chance) else f" ({_number(chance)})")


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "\N{MINUS SIGN}") if abs(value) < 1000 else f"{value:+.0e}"


def _number(value: float) -> str:
    return _NO if np.isnan(value) else f"{value:.2f}" if abs(value) < 1000 else f"{value:.0e}"


def _count(value: float) -> str:
    return _NO if np.isnan(value) else f"{value:.0f}"

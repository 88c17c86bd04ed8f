"""All methods of a recording in one table: single latents, all latents, chance, stability, cost."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from spikesieve.latents.paired import paired_difference

#: The methods' common measure: each unit its own latent.
RAW = "raw"
#: Names of features that a row tells.
MOST_NAMES = 5
#: What each method is held against, and how the columns that tell it end.
DIFFERENCES = {"than_raw": RAW, "than_ours": None}
_INTERVAL = ("", "_low", "_high")
COLUMNS = (
    *("recording", "variable", "n_labels", "model", "method", "n_latents", "stability"),
    *("n_active", "n_named", "best_features", "seconds", "peak_mb"),
    *("single_auroc", "single_chance"),
    *(f"single_{of}{end}" for of in DIFFERENCES for end in _INTERVAL),
    *("score", "decoded_best", "decoded", "decoded_chance"),
    *(f"decoded_{of}{end}" for of in DIFFERENCES for end in _INTERVAL),
)


def comparison_table(
    features: Sequence[pd.DataFrame],
    summaries: Sequence[pd.DataFrame],
    decodings: Sequence[pd.DataFrame],
    costs: pd.DataFrame,
    *,
    recording: str,
    ours: str,
) -> pd.DataFrame:
    """Return a row a variable and method with ``COLUMNS``; scores are of test bins.

    ``single_auroc`` is the median over a variable's labels of the area under the ROC curve of the
    latent that tells each best (chosen on other bins), ``decoded`` what all latents decode,
    ``decoded_best`` what the best one does, in units of ``score``; seeds are averaged.
    ``single_than_raw`` is the mean over labels of what a method's area is above that of raw counts,
    ``decoded_than_ours`` the mean over blocks of the test bins of what it decodes more than our
    model does, and so on; ``_low`` and ``_high`` end their 95 % intervals (``paired_difference``).

    Parameters
    ----------
    features, summaries, decodings : these tables of each model and baseline, in the order to show.
    costs : ``methods_table`` of the recording. ``ours`` : the model that methods are held against.
    """
    told = _joined(features)
    told = told[told["chosen_by"] == "label"] if len(told) else told
    decoded = _joined(decodings)
    about = _about(summaries, costs)
    names = about["model"].tolist()
    variables = dict.fromkeys(
        v for table in (told, decoded) if len(table) for v in table["variable"].astype(str)
    )
    rows = []
    for variable in variables:
        single = _single(_of(told, variable), names, ours)
        every = _decoded(_of(decoded, variable), names, ours)
        rows += [
            {"recording": recording, "variable": variable} | one | single[name] | every[name]
            for name, one in zip(names, about.to_dict("records"), strict=True)
        ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    some = [table for table in tables if len(table)]
    return pd.concat(some, ignore_index=True) if some else pd.DataFrame()


def _of(table: pd.DataFrame, variable: str) -> pd.DataFrame:
    return table[table["variable"] == variable] if len(table) else table


def _about(summaries: Sequence[pd.DataFrame], costs: pd.DataFrame) -> pd.DataFrame:
    """Return a row a method: what does not depend on a variable, means over seeds."""
    rows = []
    for table in (s for s in summaries if len(s)):
        active, name = table[~table["dead"]], str(table["model"].iloc[0])
        method, n_seeds = str(table["method"].iloc[0]), table["seed"].nunique()
        mine = costs[(costs["null"] == "none") & (costs["method"] == method)]
        mine = mine[mine["model"] == name] if method == "sae" else mine
        first = active[active["named"] & (active["seed"] == table["seed"].min())]
        best = first.sort_values("auroc", ascending=False, kind="stable")["name"].unique()
        rows.append(
            {
                "model": name,
                "method": method,
                "n_latents": len(table) / n_seeds,
                "stability": active["stability"].median() if len(active) else np.nan,
                "n_active": len(active) / n_seeds,
                "n_named": active["named"].sum() / n_seeds,
                "best_features": "; ".join(best[:MOST_NAMES]),
                "seconds": mine["seconds"].mean() if len(mine) else np.nan,
                "peak_mb": mine["peak_mb"].mean() if len(mine) else np.nan,
            }
        )
    return pd.DataFrame(rows, columns=[c for c in COLUMNS if rows and c in rows[0]] or ["model"])


def _single(told: pd.DataFrame, names: Sequence[str], ours: str) -> dict[str, dict]:
    found = {name: {} for name in names}
    if told.empty:
        return found
    scores = told.rename(columns={"model": "name", "auroc": "value"}).assign(weight=1.0)
    for name in names:
        mine = scores[scores["name"] == name]
        by_seed = mine.groupby("seed")[["value", "chance_auroc"]].median().mean()
        found[name] = {
            "n_labels": told["label"].nunique(),
            "single_auroc": by_seed.get("value", np.nan),
            "single_chance": by_seed.get("chance_auroc", np.nan),
        } | _differences("single", scores, name, ours, "label")
    return found


def _decoded(decoded: pd.DataFrame, names: Sequence[str], ours: str) -> dict[str, dict]:
    found = {name: {} for name in names}
    if decoded.empty:
        return found
    scores = decoded.rename(columns={"model": "name"})
    whole = scores[scores["fold"].isna()]
    blocks = scores[scores["fold"].notna() & (scores["of"] == "all")]
    for name in names:
        mine = whole[whole["name"] == name]
        every = mine[mine["of"] == "all"]
        found[name] = {
            "score": scores["score"].iloc[0],
            "decoded_best": mine.loc[mine["of"] == "single", "value"].mean(),
            "decoded": every["value"].mean(),
            "decoded_chance": every["chance_high"].mean(),
        } | _differences("decoded", blocks, name, ours, "fold")
    return found


def _differences(kind: str, scores: pd.DataFrame, name: str, ours: str, pair: str) -> dict:
    found = {}
    for of, other in DIFFERENCES.items():
        other = other or ours
        gain = None if name == other else paired_difference(scores, name, other, pair)
        if gain is not None:
            ends = (f"{kind}_{of}{end}" for end in _INTERVAL)
            found |= dict(zip(ends, gain.tolist(), strict=True))
    return found

"""Every run of every method in one table: what it cost, and how it scored, nulls among them."""

import json
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from spikesieve.recording import read_table

#: Scores of a run that the table holds, of test bins, or of validation bins where there are none.
SCORES = (
    "l0",
    "r2_median",
    "deviance_explained_pooled",
    "cosmoothing_r2_median",
    "cosmoothing_bits_median",
    "cosmoothing_pattern_bits",
)
COLUMNS = (
    "recording",
    "method",
    "model",
    "null",
    "seed",
    "seconds",
    "peak_mb",
    "n_latents",
    "split",
    *SCORES,
)


def methods_table(
    metrics: Sequence[str | PathLike], benchmarks: Sequence[str | PathLike]
) -> pd.DataFrame:
    """Return a row a run, in the order given, with ``COLUMNS``.

    ``seconds`` and ``peak_mb`` (resident memory) are of the whole job as Snakemake measured it:
    Python's start, reading, fitting, tuning where there is any, and scoring; NaN where the job was
    too short to measure. ``null`` names the control, ``none`` for the counts themselves.

    Parameters
    ----------
    metrics : ``metrics.parquet`` of each run, with ``model.json`` beside it. ``benchmarks`` :
        Snakemake's benchmark file of each, in the same order.
    """
    rows = []
    for path, benchmark in zip(metrics, benchmarks, strict=True):
        table = read_table(path, "metrics")
        split = "test" if (table["split"] == "test").any() else "validation"
        held_out = table[table["split"] == split]
        once = held_out[held_out["unit_id"].isna() & held_out["latent"].isna()]
        scores = once.drop_duplicates("metric").set_index("metric")["value"]
        first = table.iloc[0][["recording", "method", "model", "seed"]].to_dict()
        row = first | _cost(benchmark) | {"null": _null(Path(path).with_name("model.json"))}
        row |= {"split": split, "n_latents": int((held_out["metric"] == "density").sum())}
        rows.append(row | {name: scores.get(name, np.nan) for name in SCORES})
    return pd.DataFrame(rows, columns=COLUMNS)


def _cost(benchmark: str | PathLike) -> dict[str, float]:
    row = pd.read_csv(benchmark, sep="\t", na_values=["-", "NA"]).iloc[0]
    seconds, peak_mb = (pd.to_numeric(row[name], errors="coerce") for name in ("s", "max_rss"))
    return {"seconds": float(seconds), "peak_mb": float(peak_mb) if peak_mb else np.nan}


def _null(path: Path) -> str:
    content = json.loads(path.read_text())
    return content.get("about", content).get("null", "none")

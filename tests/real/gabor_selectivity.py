"""How well single latents tell gabor positions: python gabor_selectivity.py DATA [--seeds 3].

DATA is the folder of real recordings. Two Allen sessions, bins of 250 ms, 70/10/20 contiguous; for
each position the latent is picked on training bins and scored on test bins (area under the ROC
curve; medians over 81 positions, and over 9 coarse ones). Nothing is told a label or a width.
"""

import time
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from make_config import GABOR_SESSIONS

from spikesieve.baselines import BASELINES
from spikesieve.cosmoothing import cosmooth
from spikesieve.counts import SPLITS
from spikesieve.fitting import Block, Fitted
from spikesieve.latents.benchmark import MINI
from spikesieve.latents.selectivity import score_selectivity, selectivity_median
from spikesieve.sae.fitting import fit_sae

LEAST_RATE_HZ, BIN_S = 0.5, 0.25
METHODS = {"spikesieve": {}, "spikesieve, encoder": {"readout": "encoder"}, "mini": MINI}


def session(data: Path, number: int) -> tuple[dict[str, Block], pd.DataFrame]:
    """Return the blocks of the good units' counts, and the positions shown in all bins."""
    stem = data / "counts/allen_gabor"
    shown = pd.read_csv(stem / f"{number}_gabor_trial_gaze_table.csv")
    with np.load(stem / f"{number}_gabor_spike_counts.npz") as arrays:
        ids, counts = arrays["unit_ids"], arrays["counts"].T
    units = pd.read_csv(stem / f"{number}_visual_unit_population.csv", index_col=0).loc[ids]
    good = (units["quality"] == "good").to_numpy()
    counts = counts[:, good & (counts.mean(axis=0) / BIN_S >= LEAST_RATE_HZ)].astype(np.uint8)
    x, y = (np.unique(shown[f"{a}_position"], return_inverse=True)[1] for a in "xy")
    edges = np.array([0, 0.7, 0.8, 1]) * len(counts)
    parts = [np.arange(int(a), int(b)) for a, b in pairwise(edges)]
    blocks = {n: Block(counts[p], p) for n, p in zip(SPLITS, parts, strict=True)}
    return blocks, pd.DataFrame({"fine": 9 * x + y, "coarse": 3 * (x // 3) + y // 3})


def scores(fitted: Fitted, blocks: dict[str, Block], shown: pd.DataFrame) -> dict[str, float]:
    """Return the medians over positions, and co-smoothing of test bins."""
    train, test = blocks["train"], blocks["test"]
    latents = fitted.transform(*train), fitted.transform(*test)
    row = {"latents": latents[0].shape[1], "l0": latents[1].nnz / len(test.bins)}
    for name in shown:
        labels = (shown[name].to_numpy()[block.bins] for block in (train, test))
        (a, b), (c, d) = latents, labels
        row[f"auroc_{name}"] = selectivity_median(score_selectivity(a, c, b, d))
    found = cosmooth(fitted.predict_hidden, *test, train.counts.mean(axis=0, dtype=float))
    return row | {"cosmoothing_r2": np.nanmedian(found.r2), "pattern_bits": found.pattern_bits}


def main(
    data: Annotated[Path, typer.Argument(help="Folder of real recordings.")],
    seeds: Annotated[int, typer.Option(help="Trainings of each method that has any luck.")] = 3,
) -> None:
    """Print a row a session and method, means over seeds."""
    rows = []
    for number in GABOR_SESSIONS:
        blocks, shown = session(data, number)
        fits = {name: (fit_sae, {**told, "device": "cpu"}) for name, told in METHODS.items()}
        others = ("raw", "pca", "factor_analysis", "nmf", "ica")
        fits |= {name: (BASELINES[name], {}) for name in others}
        for name, (fit, told) in fits.items():
            for seed in range(seeds if name in METHODS else 1):
                start = time.perf_counter()
                block = {"validation": blocks["validation"]} if name in METHODS else {}
                fitted = fit(*blocks["train"], seed=seed, **block, **told)
                about = {"session": number, "method": name, "fit_s": time.perf_counter() - start}
                rows.append(about | scores(fitted, blocks, shown))
    table = pd.DataFrame(rows).groupby(["session", "method"], sort=False).mean()
    typer.echo(table.round(3).to_string())


if __name__ == "__main__":
    typer.run(main)

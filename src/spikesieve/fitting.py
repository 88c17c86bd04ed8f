"""Fit a method on the training bins of a table of counts, and judge it: one way for all."""

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse
from jaxtyping import Bool, Int, UInt

from spikesieve.backtransform import unbiased
from spikesieve.cosmoothing import score_cosmoothing
from spikesieve.count_table import CountTable, read_counts_table
from spikesieve.counts import SPLITS
from spikesieve.errors import InputError, SpikesieveError, suggest
from spikesieve.evaluation import (
    latents_table,
    metrics_table,
    score_latents,
    score_reconstruction,
)
from spikesieve.files import write_json
from spikesieve.nulls import NULLS
from spikesieve.recording import write_table

EMPTY = pd.DataFrame()


def write_description(folder: Path, about: dict) -> None:
    """Write ``model.json``: how a method was fitted."""
    write_json(folder / "model.json", about)


class Block(NamedTuple):
    """Bins of one split. Numbers that follow each other are neighbours in time; a window of
    bins never crosses a number that is missing."""

    counts: UInt[np.ndarray, "bin unit"]
    bins: Int[np.ndarray, "bin"]


class Fitted(NamedTuple):
    """A fitted method: what scoring needs of it, and nothing else. Counts in, counts out.

    ``transform(counts, bins)`` turns counts ``(bin, unit)`` into CSR ``(bin, latent)``;
    ``reconstruct(latents)`` into the counts expected in each bin, or, where that takes more than
    latents, ``expect(counts, bins)``; ``predict_hidden(counts, bins, hidden)`` into those of the
    ``hidden`` units ``(bin, hidden unit)``, from the others alone.
    ``method`` and ``model`` name it in tables (``"pca"``, ``"pca32"``); ``save(folder, about)``
    writes it; ``history`` has a row a logged step; ``score_levels(counts, bins)`` gives rows of
    metrics of nested dictionaries, where there are any.
    """

    method: str
    model: str
    transform: Callable[[np.ndarray, np.ndarray], scipy.sparse.csr_array]
    reconstruct: Callable[[scipy.sparse.csr_array], np.ndarray] | None
    predict_hidden: Callable[[np.ndarray, np.ndarray, Bool[np.ndarray, "unit"]], np.ndarray]
    save: Callable[[Path, dict], None] = write_description
    history: pd.DataFrame | None = None
    score_levels: Callable[[np.ndarray, np.ndarray], pd.DataFrame] = lambda counts, bins: EMPTY
    expect: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None


def derived_seed(root_seed: int, seed: int) -> int:
    """Return the seed of run ``seed`` (0, 1, ...) of a project whose root seed is ``root_seed``.

    Hashed together (numpy's SeedSequence), so that run 1 of root 0 is not run 0 of root 1.
    """
    return int(np.random.SeedSequence([root_seed, seed]).generate_state(1)[0])


def fit_and_score(
    counts: str | PathLike,
    folder: str | PathLike,
    fit: Callable[..., Fitted],
    *,
    recording: str,
    settings: dict,
    seed: int,
    root_seed: int,
    null: str = "none",
) -> None:
    """Fit on training bins only; write the model, ``latents.parquet`` and ``metrics.parquet``.

    Parameters
    ----------
    counts : path of a ``counts`` table. ``folder`` : where all is written, after all is done.
    fit : ``fit(counts, bins, validation=..., seed=..., **settings) -> Fitted`` on training bins;
        ``validation`` is a ``Block``, or None where there is no such split.
    seed : number of the run; ``derived_seed`` makes the real one, kept in ``model.json``.
    null : ``"none"``, or a name of ``spikesieve.nulls.NULLS``: learn and be judged on counts
        without structure between units, each split made so on its own.

    Raises
    ------
    InputError, ContractError
        No bin to train on, no unit, settings that ``fit`` refuses; a damaged table.
    """
    table, folder = read_counts_table(counts), Path(folder)
    blocks = {split: _block(table, split, null, root_seed) for split in SPLITS}
    train = blocks["train"]
    if 0 in train.counts.shape:
        raise InputError(
            f"{len(train.bins)} training bins of {table.counts.shape[1]} units: nothing to learn "
            "from",
            recording=recording,
            path=counts,
            fix="check counts.split and what the unit filter dropped",
        )
    validation = blocks["validation"] if len(blocks["validation"].bins) else None
    try:
        fitted = fit(*train, validation=validation, seed=derived_seed(root_seed, seed), **settings)
        fitted = unbiased(fitted, *train)
        latents, metrics = _judge(table, blocks, fitted)
    except SpikesieveError as error:
        raise type(error)(str(error), recording=recording, path=counts) from error
    names = {"recording": recording, "method": fitted.method, "model": fitted.model, "seed": seed}
    about = names | {
        "root_seed": root_seed,
        "derived_seed": derived_seed(root_seed, seed),
        "settings": settings,
        "null": null,
        "unit_ids": table.unit_ids.tolist(),
    }
    fitted.save(folder, about)
    if fitted.history is not None:
        write_table(folder / "history.parquet", "history", fitted.history)
    write_table(folder / "latents.parquet", "latents", latents)
    write_table(folder / "metrics.parquet", "metrics", metrics_table(metrics, **names))


def block_of(table: CountTable, split: str) -> Block:
    """Return the bins of a split; there may be none."""
    bins = np.flatnonzero(table.rows(split))
    return Block(table.counts[bins], bins)


def _block(table: CountTable, split: str, null: str, root_seed: int) -> Block:
    """Return the bins of a split, their structure destroyed where a ``null`` is asked for."""
    counts, bins = block_of(table, split)
    if null != "none" and len(bins):
        known = list(NULLS)
        if null not in NULLS:
            raise InputError(f"null {null!r}{suggest(null, known)}", allowed=", ".join(known))
        counts = NULLS[null](counts, bins, derived_seed(root_seed, SPLITS.index(split)))
    return Block(counts, bins)


def _judge(
    table: CountTable, blocks: dict[str, Block], fitted: Fitted
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return latents of all bins that belong to a split, and scores of each split there is."""
    latents, metrics = [], []
    mean = blocks["train"].counts.mean(axis=0, dtype=np.float64)
    for split, (counts, bins) in blocks.items():
        if not len(bins):
            continue
        found = fitted.transform(counts, bins)
        latents.append(latents_table(found, bins))
        scores = [
            score_reconstruction(
                counts,
                fitted.expect(counts, bins) if fitted.expect else fitted.reconstruct(found),
                unit_ids=table.unit_ids,
                bins=bins if split == "test" else None,
                training_mean=mean,
            ),
            score_latents(found),
        ]
        if split != "train":
            predict = fitted.predict_hidden
            scores.append(score_cosmoothing(predict, counts, bins, mean, unit_ids=table.unit_ids))
        scores += [rows for rows in [fitted.score_levels(counts, bins)] if len(rows)]
        metrics.append(pd.concat(scores).assign(split=split))
    in_order = pd.concat(latents).sort_values("bin", kind="stable", ignore_index=True)
    return in_order, pd.concat(metrics, ignore_index=True)

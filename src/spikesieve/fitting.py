"""Fit a method on the training bins of a table of counts, and judge it: one way for all."""

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse
from jaxtyping import Float, UInt

from spikesieve.count_table import CountTable, read_counts_table
from spikesieve.counts import SPLITS, Normalisation, fit_normalisation
from spikesieve.errors import InputError, SpikesieveError
from spikesieve.evaluation import (
    latents_table,
    metrics_table,
    score_latents,
    score_reconstruction,
)
from spikesieve.files import write_json
from spikesieve.recording import write_table

_CELLS_AT_ONCE = 1 << 22


def write_description(folder: Path, about: dict) -> None:
    """Write ``model.json``: how a method was fitted."""
    write_json(folder / "model.json", about)


class Fitted(NamedTuple):
    """A fitted method: what scoring needs of it, and nothing else.

    ``transform`` turns normalised counts ``(bin, unit)`` into CSR ``(bin, latent)``,
    ``inverse_transform`` back; ``method`` and ``model`` name it in tables (``"pca"``,
    ``"pca32"``); ``save(folder, about)`` writes it; ``history`` has a row a logged step.
    """

    method: str
    model: str
    transform: Callable[[np.ndarray], scipy.sparse.csr_array]
    inverse_transform: Callable[[scipy.sparse.csr_array], np.ndarray]
    save: Callable[[Path, dict], None] = write_description
    history: pd.DataFrame | None = None


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
    normalisation: str,
    seed: int,
    root_seed: int,
) -> None:
    """Fit on training bins only; write the model, ``latents.parquet`` and ``metrics.parquet``.

    Parameters
    ----------
    counts : path of a ``counts`` table. ``folder`` : where all is written, after all is done.
    fit : ``fit(x, seed=..., **settings) -> Fitted`` on normalised counts ``(bin, unit)``.
    seed : number of the run; ``derived_seed`` makes the real one, kept in ``model.json``.

    Raises
    ------
    InputError, ContractError
        No bin to train on, no unit, settings that ``fit`` refuses; a damaged table.
    """
    table, folder = read_counts_table(counts), Path(folder)
    train = table.rows("train")
    if not (train.any() and table.counts.shape[1]):
        raise InputError(
            f"{train.sum()} training bins of {table.counts.shape[1]} units: nothing to learn from",
            recording=recording,
            path=counts,
            fix="check counts.split and what the unit filter dropped",
        )
    scale = fit_normalisation(table.counts[train], normalisation)
    try:
        fitted = fit(
            _normalised(scale, table.counts[train]), seed=derived_seed(root_seed, seed), **settings
        )
    except SpikesieveError as error:
        raise type(error)(str(error), recording=recording, path=counts) from error
    latents, metrics = _judge(table, fitted, scale)
    names = {"recording": recording, "method": fitted.method, "model": fitted.model, "seed": seed}
    about = names | {
        "root_seed": root_seed,
        "derived_seed": derived_seed(root_seed, seed),
        "settings": settings,
        "unit_ids": table.unit_ids.tolist(),
        "normalisation": {
            "method": scale.method,
            "scale": scale.scale.tolist(),
            "centre": scale.centre.tolist(),
        },
    }
    fitted.save(folder, about)
    if fitted.history is not None:
        write_table(folder / "history.parquet", "history", fitted.history)
    write_table(folder / "latents.parquet", "latents", latents)
    write_table(folder / "metrics.parquet", "metrics", metrics_table(metrics, **names))


def _judge(
    table: CountTable, fitted: Fitted, scale: Normalisation
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return latents of all bins that belong to a split, and scores of each split there is."""
    latents, metrics = [], []
    for split in SPLITS:
        bins = np.flatnonzero(table.rows(split))
        if not len(bins):
            continue
        counts = table.counts[bins]
        found = fitted.transform(_normalised(scale, counts))
        latents.append(latents_table(found, bins))
        predicted = _counts_again(scale, fitted.inverse_transform(found))
        scores = score_reconstruction(
            counts, predicted, unit_ids=table.unit_ids, bins=bins if split == "test" else None
        )
        metrics.append(pd.concat([scores, score_latents(found)]).assign(split=split))
    in_order = pd.concat(latents).sort_values("bin", kind="stable", ignore_index=True)
    return in_order, pd.concat(metrics, ignore_index=True)


def _normalised(
    scale: Normalisation, counts: UInt[np.ndarray, "bin unit"]
) -> Float[np.ndarray, "bin unit"]:
    """Apply ``scale`` in pieces: at 195,000 bins of 2,800 units a temporary copy is 2 GB."""
    x = np.empty(counts.shape, np.float32)
    for rows in _pieces(x):
        x[rows] = scale.apply(counts[rows])
    return x


def _counts_again(
    scale: Normalisation, x: Float[np.ndarray, "bin unit"]
) -> Float[np.ndarray, "bin unit"]:
    """Undo ``scale`` in place and return ``x``."""
    for rows in _pieces(x):
        x[rows] = scale.invert(x[rows])
    return x


def _pieces(x: np.ndarray) -> list[slice]:
    step = max(1, _CELLS_AT_ONCE // x.shape[1])
    return [slice(first, first + step) for first in range(0, len(x), step)]

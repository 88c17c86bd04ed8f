"""One run of any method as the stage of meaning needs it: activations, loadings, levels."""

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse
from jaxtyping import Bool, Float, Int

from spikesieve.count_table import CountTable
from spikesieve.latents.reading import judged_split, read_latents
from spikesieve.latents.sources import regressed_weights
from spikesieve.latents.stability import stability
from spikesieve.recording import read_table

#: Weights of a method without a decoder are regressed on at most so many training bins.
MOST_BINS = 20_000


class Run(NamedTuple):
    """``latents`` are of all bins of the counts table (rows outside any split are empty).

    ``stability`` is NaN where there is no other run; ``level`` None where dictionaries are not
    nested; ``kept`` says what pruning left.
    """

    folder: Path
    method: str
    seed: int
    latents: scipy.sparse.csr_array
    stability: Float[np.ndarray, "latent"]
    kept: Bool[np.ndarray, "latent"]
    level: Int[np.ndarray, "latent"] | None


def read_runs(counts: CountTable, folders: Sequence[str | PathLike]) -> list[Run]:
    """Return the runs of one model, one a seed, in ``{model}/seed{n}/`` folders.

    Stability and what is kept come from ``dictionary.parquet`` in the folder above, or else from
    the runs themselves. Runs without latents (the mean) are left out.
    """
    folders = [Path(folder) for folder in folders]
    every = np.ones(len(counts.counts), dtype=bool)
    found = []
    for folder in folders:
        metrics = read_table(folder / "metrics.parquet", "metrics")
        density = metrics[metrics["metric"] == "density"]
        if density.empty:
            continue
        n = int(density["latent"].max()) + 1
        latents = read_latents(folder / "latents.parquet", every, n)
        method, seed = str(metrics["method"].iloc[0]), int(metrics["seed"].iloc[0])
        unknown = np.full(n, np.nan)
        run = Run(folder, method, seed, latents, unknown, np.ones(n, bool), _levels(folder, n))
        found.append(run)
    dictionary = folders[0].parent / "dictionary.parquet"
    if dictionary.is_file():
        table = read_table(dictionary, "dictionary")
        return [_judged(run, table[table["seed"] == run.seed]) for run in found]
    if len(found) > 1:
        held_out = counts.rows(judged_split(counts))
        matched = stability([run.latents[held_out] for run in found]).matched_r
        return [run._replace(stability=r) for run, r in zip(found, matched, strict=True)]
    return found


def _judged(run: Run, table: pd.DataFrame) -> Run:
    own = table.set_index("latent").reindex(range(run.latents.shape[1]))
    kept = own["kept"].astype("boolean").fillna(False).to_numpy(bool)
    return run._replace(stability=own["stability"].to_numpy(float), kept=kept)


def has_checkpoint(folder: Path) -> bool:
    """Say whether a run left a network behind that can be run again."""
    return (folder / "checkpoint.safetensors").is_file()


def _levels(folder: Path, n_latents: int) -> Int[np.ndarray, "latent"] | None:
    """Return which of its nested dictionaries each latent came with, 0 the narrowest."""
    if not has_checkpoint(folder):
        return None
    from spikesieve.sae.checkpoints import read_model  # imports torch

    tensors, description = read_model(folder)
    widths = [level["width"] for level in description["settings"]["levels"]]
    if len(widths) < 2:
        return None
    # A readout leaves unstable latents out; it says which of the dictionary's are left.
    kept = tensors.get("readout0.kept")
    number = np.arange(n_latents) if kept is None else kept.numpy()
    return np.searchsorted(widths, number, side="right").astype(np.int64)


def weights_of(run: Run, counts: CountTable) -> Float[np.ndarray, "latent unit"]:
    """Return what each latent adds to the units: an autoencoder's loadings, or a regression.

    The regression is also for autoencoders whose decoder has layers, or that never reconstruct
    the counts of the bin itself.
    """
    weights = _decoder(run.folder, counts.counts.shape[1]) if has_checkpoint(run.folder) else None
    if weights is not None:
        return weights
    rows = np.flatnonzero(counts.rows("train"))
    rows = rows[:: max(1, -(-len(rows) // MOST_BINS))]
    return regressed_weights(run.latents[rows], counts.counts[rows])


def _decoder(folder: Path, n_units: int) -> Float[np.ndarray, "latent unit"] | None:
    from spikesieve.sae.checkpoints import read_model

    tensors, description = read_model(folder)
    if "readout0.loadings" in tensors:
        return tensors["readout0.loadings"].numpy().astype(np.float64)
    settings = description["settings"]
    if settings["decoder_layers"] or 0 not in settings["reconstruct"]:
        return None
    if not description["predicts_counts"]:
        return None
    first = settings["reconstruct"].index(0) * n_units
    decoder = tensors["parameters.decoder"][0].numpy().astype(np.float64)
    return decoder[:, first : first + n_units]


def network_of(run: Run) -> tuple[Callable[..., scipy.sparse.csr_array], int] | None:
    """Return a run's network, and how many bins around a bin it looks at; None where none is kept.

    The network is a function of counts ``(bin, unit)`` and bin numbers to activations.
    """
    if not has_checkpoint(run.folder):
        return None
    from spikesieve.sae.model import SparseAutoencoder

    model = SparseAutoencoder.load(run.folder, device="cpu")
    settings = model.settings
    return model.transform, settings.seq_len - 1 + int(np.ceil(4 * settings.smoothing))

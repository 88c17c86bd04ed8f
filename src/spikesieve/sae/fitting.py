"""The sparse autoencoder as one of the methods that ``spikesieve.fitting`` judges."""

from collections.abc import Sequence
from functools import partial
from os import PathLike

import numpy as np
import pandas as pd
from jaxtyping import Int, Real

from spikesieve.backtransform import unbiased
from spikesieve.evaluation import metric_rows
from spikesieve.fitting import Fitted
from spikesieve.r2 import column_r2
from spikesieve.sae.model import SparseAutoencoder


def fit_sae(
    counts: Real[np.ndarray, "bin unit"],
    bins: Int[np.ndarray, "bin"],
    *,
    validation: tuple | None = None,
    name: str = "default",
    method: str = "sae",
    seed: int = 0,
    states: str | PathLike | None = None,
    keep_every_s: float = 600.0,
    tensorboard: str | PathLike | None = None,
    **settings,
) -> Fitted:
    """Train a ``SparseAutoencoder(seed=seed, **settings)``; raises as it does.

    ``name`` is the model's in tables, ``method`` the method's; all else as in
    ``SparseAutoencoder.fit``.
    """
    sae = SparseAutoencoder(seed=seed, **settings)
    sae.fit(
        counts,
        bins,
        validation=validation,
        states=states,
        keep_every_s=keep_every_s,
        tensorboard=tensorboard,
    )

    def save(folder, about):
        sae.save(folder, about=about, instance=0)

    nested = range(len(sae.settings.levels) if len(sae.settings.levels) > 1 else 0)
    levels = [unbiased(_level_of(sae, method, name, number), counts, bins) for number in nested]
    return Fitted(
        method,
        name,
        sae.transform,
        sae.inverse_transform,
        sae.predict_hidden,
        save,
        sae.history_,
        partial(level_scores, levels),
    )


def _level_of(sae: SparseAutoencoder, method: str, name: str, number: int) -> Fitted:
    transform = partial(sae.transform, level=number)
    return Fitted(
        method, name, transform, partial(sae.inverse_transform, level=number), sae.predict_hidden
    )


def level_scores(
    levels: Sequence[Fitted], counts: Real[np.ndarray, "bin unit"], bins: Int[np.ndarray, "bin"]
) -> pd.DataFrame:
    """Return metrics of each nested dictionary, narrow to wide: what it can do on its own.

    ``level1_r2_mean`` (over units that vary), ``level1_l0``, ``level1_live_fraction``, ...; no
    rows where there are no ``levels``.
    """
    tables = []
    for number, level in enumerate(levels, start=1):
        latents = level.transform(counts, bins)
        varies = np.ptp(counts, axis=0) > 0
        predicted = level.reconstruct(latents)[:, varies]
        r2 = np.nan
        if varies.any():
            r2 = column_r2(counts[:, varies], predicted).mean()
        live = len(np.unique(latents.indices)) / latents.shape[1]
        values = {"r2_mean": r2, "l0": latents.nnz / len(counts), "live_fraction": live}
        tables += [metric_rows(f"level{number}_{key}", v) for key, v in values.items()]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

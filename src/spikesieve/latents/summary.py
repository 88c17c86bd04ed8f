"""A row a latent: how it behaves, and its name, if it has earned one."""

import numpy as np
import pandas as pd
import scipy.sparse
from jaxtyping import Float

from spikesieve.evaluation import DENSE
from spikesieve.latents.participation import effective_units
from spikesieve.latents.runs import Run

_MATCH = ["variable", "label", "auroc", "chance_auroc", "p_corrected", "named"]


def name_of(variable: str, label: str, sign: int) -> str:
    """Return a feature's name: ``"x_position = -30"``; of one that is low then, with "(low)"."""
    return f"{variable} = {label}" + (" (low)" if sign < 0 else "")


def summary_table(
    run: Run,
    test_latents: scipy.sparse.csr_array,
    weights: Float[np.ndarray, "latent unit"],
    features: pd.DataFrame,
) -> pd.DataFrame:
    """Return the columns of ``summary`` but for those that name the run.

    ``density`` and ``mean_active`` (activation while active), ``dead`` (never active) and ``dense``
    (in over half) are of the test bins; ``name`` is empty where a latent has not earned one.
    """
    n_bins, n = test_latents.shape
    active = np.bincount(test_latents.indices[test_latents.data != 0], minlength=n)
    total = np.asarray(test_latents.sum(axis=0)).ravel()
    level = pd.array([pd.NA] * n if run.level is None else run.level, dtype="Int32")
    table = pd.DataFrame(
        {
            "latent": np.arange(n, dtype=np.int32),
            "density": active / max(n_bins, 1),
            "mean_active": np.divide(total, active, out=np.full(n, np.nan), where=active > 0),
            "level": level,
            "stability": run.stability,
            "n_units": effective_units(weights),
            "kept": run.kept,
            "dead": active == 0,
            "dense": active > DENSE * n_bins,
        }
    )
    best = features[features["chosen_by"] == "latent"].set_index("latent")
    best = best.reindex(table["latent"])
    for column in _MATCH:
        table[column] = best[column].to_numpy()
    table["named"] = table["named"].astype("boolean").fillna(False).to_numpy(bool)
    names = [
        name_of(v, label, s) if named else ""
        for v, label, s, named in zip(
            best["variable"], best["label"], best["sign"], table["named"], strict=True
        )
    ]
    return table.assign(name=names)

"""The recovery benchmark: which planted features each method finds, all told the same or more."""

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse
from jaxtyping import Float

from spikesieve.baselines import BASELINES
from spikesieve.errors import InputError, suggest
from spikesieve.fitting import Block
from spikesieve.latents.matching import SAME_FEATURE
from spikesieve.latents.recovery import features_found
from spikesieve.latents.stability import stability, sure_stability
from spikesieve.planted import Planted, planted_counts
from spikesieve.sae.model import SparseAutoencoder

#: Share of the bins, at the end, that nothing is fitted or chosen on.
HELD_OUT = 0.2
#: Share of the other bins, at their end, that autoencoders choose, set thresholds and are judged
#: for stability on.
CHOOSING = 0.1
#: The recipe of the notes. A second instance is trained beside it, only to tell its stability.
MINI = {
    "levels": [[256, 8], [512, 16], [1024, 24]],
    "n_latents": 1024,
    "k": 24,
    "normalisation": "max_recording",
    "seq_len": 1,
    "masked_share": 0.0,
    "loss": "msle",
    "output_activation": "relu",
    "smoothing": 0.0,
    "readout": "encoder",
    "min_stability": 0.0,
}
FOUND = ("recall", "precision", "f1", "mean_abs_r", "auroc")
#: Half-width in bins of the moving average in front of baselines named ``{name}_smoothed``.
SMOOTHING_BINS = 1


class Found(NamedTuple):
    """Latents of held-out bins, and what else there is to say about the fit."""

    latents: scipy.sparse.csr_array
    about: dict[str, float]


def recovery_scores(
    tier: str, seed: int, method: str, n_bins: int | None = None, **settings
) -> pd.DataFrame:
    """Fit ``method`` on the first four fifths of a tier's bins, and score it on the last fifth.

    Methods, in ``METHODS``: ``sae``, which is told neither width nor k nor smoothing; ``mini``,
    the recipe of the notes; ``pca``, ``nmf``, ``ica`` and ``factor_analysis``, each as well with
    the ending ``_smoothed`` (counts averaged over three bins). These are told the true number of
    features, which no scientist knows. ``sae`` in its turn chooses its smoothing, and a prior in
    its readout looks at still wider surroundings, where theirs is fixed. They have at most as many
    components as there are units, and nothing to look for in tier E.

    Parameters
    ----------
    seed : of the planted counts and of the fit. ``n_bins`` : instead of the tier's own.
    settings : handed to the autoencoders, to make them train shorter.

    Returns
    -------
    Columns ``tier``, ``method``, ``seed``, ``metric``, ``value``. Metrics of ``features_found``,
    ``recall_parents`` and ``recall_children`` where features are nested, ``l0``, ``fit_s``
    (choosing included) and ``dead_fraction`` (of the latents that are read, those silent in all
    held-out bins). Of autoencoders also ``n_latents``, ``k``, ``smoothing``, ``n_read`` (latents
    left after pruning), and of the dictionary before pruning ``stable_share`` (``sure_stability``
    of 0.7 or more, on the tenth of the training bins, their last, that only chooses and sets
    thresholds) and ``dead_fraction_encoder``, of its latents as the encoder gives them.

    Raises
    ------
    InputError
        The method or the tier is unknown.
    """
    if method not in METHODS:
        raise InputError(
            f"method {method!r}{suggest(method, list(METHODS))}", allowed=", ".join(METHODS)
        )
    planted = planted_counts(tier, seed, n_bins)
    n_features = len(planted.loadings)
    if not n_features and method not in AUTOENCODERS:
        return pd.DataFrame(columns=["tier", "method", "seed", "metric", "value"])
    first = round((1 - HELD_OUT) * len(planted.counts))
    bins = np.arange(len(planted.counts))
    train = Block(planted.counts[:first], bins[:first])
    test = Block(planted.counts[first:], bins[first:])
    told = settings if method in AUTOENCODERS else {"n_components": n_features}
    found = METHODS[method](train, test, seed=seed, **told)
    values = found.about | _scores(planted, first, found.latents)
    rows = pd.DataFrame({"metric": list(values), "value": np.array(list(values.values()), float)})
    return rows.assign(tier=tier, method=method, seed=seed)[
        ["tier", "method", "seed", "metric", "value"]
    ]


def _scores(planted: Planted, first: int, latents: scipy.sparse.csr_array) -> dict[str, float]:
    found = features_found(planted.activations[first:], latents)
    values = {name: getattr(found, name) for name in FOUND}
    values |= {"l0": latents.nnz / latents.shape[0], "dead_fraction": _dead(latents)}
    if planted.parents is not None:
        hits = found.matches["found"]
        values["recall_parents"] = float(hits[planted.parents < 0].mean())
        values["recall_children"] = float(hits[planted.parents >= 0].mean())
    return values


def _dead(latents: scipy.sparse.csr_array) -> float:
    return 1 - len(np.unique(latents.indices[latents.data != 0])) / latents.shape[1]


def _autoencoder(train: Block, test: Block, *, seed: int, **settings) -> Found:
    first = len(train.bins) - int(CHOOSING * len(train.bins))
    held_out = Block(train.counts[first:], train.bins[first:])
    model = SparseAutoencoder(seed=seed, device="cpu", **settings)
    start = time.perf_counter()
    model.fit(train.counts[:first], train.bins[:first], validation=held_out)
    about = {"fit_s": time.perf_counter() - start}
    latents, chosen = model.transform(*test), model.settings
    about |= {name: getattr(chosen, name) for name in ("n_latents", "k", "smoothing")}
    about |= {
        "n_read": latents.shape[1],
        "stable_share": float(np.mean(_stability(model, held_out) >= SAME_FEATURE)),
        "dead_fraction_encoder": _dead(model.transform(*test, level=len(chosen.levels) - 1)),
    }
    return Found(latents, about)


def _stability(model: SparseAutoencoder, held_out: Block) -> Float[np.ndarray, "latent"]:
    """Return the stability of the first instance's latents, before any is left out."""
    if model.stability_ is not None:
        return model.stability_[0]
    codes = [model.transform(*held_out, instance=i) for i in range(model.n_instances)]
    decoder = model.parameters_["decoder"][0].numpy()
    return sure_stability(decoder, stability(codes).matched_r[0], codes[0])


def _baseline(fit: Callable, smoothing_bins: int, train: Block, test: Block, **told) -> Found:
    start = time.perf_counter()
    fitted = fit(*train, smoothing_bins=smoothing_bins, **told)
    seconds = time.perf_counter() - start
    return Found(fitted.transform(*test), {"fit_s": seconds})


AUTOENCODERS: dict[str, Callable[..., Found]] = {
    "sae": _autoencoder,
    "mini": partial(_autoencoder, n_instances=2, **MINI),
}
METHODS = AUTOENCODERS | {
    f"{name}{ending}": partial(_baseline, BASELINES[name], bins)
    for name in ("pca", "nmf", "ica", "factor_analysis")
    for ending, bins in (("", 0), ("_smoothed", SMOOTHING_BINS))
}

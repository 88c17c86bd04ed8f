"""A map of units: their embeddings laid out in two dimensions, and what the layout is worth."""

import re
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Real
from threadpoolctl import threadpool_limits

from spikesieve.distance.averages import averages_of
from spikesieve.distance.map_scores import (
    N_NEIGHBOURS,
    N_PERMUTATIONS,
    Score,
    neighbour_similarity,
    recording_given_away,
    scores_table,
)
from spikesieve.errors import InputError

#: With fewer units there is no t-SNE: its neighbourhoods would be the whole map.
FEWEST_UNITS = 5
#: Up to here t-SNE is exact; above, by Barnes and Hut's approximation.
_EXACT_UNITS = 300
_LARGEST_PERPLEXITY = 30.0


class Layout(NamedTuple):
    """Two layouts of the same units. ``tsne`` is NaN where there is none; ``pca_share`` is the
    share of the embeddings' variance that the two axes of ``pca`` hold.
    """

    tsne: Float[np.ndarray, "unit 2"]
    pca: Float[np.ndarray, "unit 2"]
    pca_share: float


def lay_out(embedding: Real[np.ndarray, "unit dimension"], *, seed: int = 0) -> Layout:
    """Lay units out by t-SNE (van der Maaten & Hinton 2008) and by principal components.

    Dimensions are centred but not scaled: those of a variational embedding share one scale, that
    of its prior, and the ones that it leaves unused hold only small noise, which scaling each to
    the same variance would blow up to the size of the others.

    t-SNE starts from the principal components, so that its orientation is not arbitrary; its
    perplexity is 30, or a third of the other units where that is less. With fewer than 5 units,
    or where all embeddings are the same, its coordinates are NaN.

    Raises
    ------
    InputError
        There is no unit or no dimension, or an embedding is not finite.
    """
    if 0 in embedding.shape or not np.isfinite(embedding).all():
        raise InputError(
            f"embeddings of {embedding.shape[0]} units in {embedding.shape[1]} dimensions, "
            f"{int((~np.isfinite(embedding)).any(axis=1).sum())} of them not finite",
            allowed="finite numbers, a unit and a dimension at least",
        )
    centred = embedding.astype(np.float64) - embedding.mean(axis=0, dtype=np.float64)
    _, size, axes = np.linalg.svd(centred, full_matrices=False)
    # An axis may point either way: its largest weight is made positive.
    axes *= np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]
    pca = np.zeros((len(centred), 2))
    pca[:, : len(axes)] = centred @ axes[:2].T
    # Copies of one number differ from their mean in its last digits.
    spread = (size**2).sum() if (embedding != embedding[:1]).any() else 0.0
    share = float((size[:2] ** 2).sum() / spread) if spread else np.nan
    return Layout(_tsne(centred, seed) if spread else np.full_like(pca, np.nan), pca, share)


def _tsne(centred: Float[np.ndarray, "unit dimension"], seed: int) -> Float[np.ndarray, "unit 2"]:
    from sklearn.manifold import TSNE  # slow to import

    n_units = len(centred)
    if n_units < FEWEST_UNITS:
        return np.full((n_units, 2), np.nan)
    wide = np.pad(centred, ((0, 0), (0, max(0, 2 - centred.shape[1]))))
    model = TSNE(
        perplexity=min(_LARGEST_PERPLEXITY, (n_units - 1) / 3),
        init="pca",
        random_state=seed,
        method="exact" if n_units <= _EXACT_UNITS else "barnes_hut",
    )
    with threadpool_limits(1):  # sums in another order would give another picture
        return model.fit_transform(wide).astype(np.float64)


def map_units(
    embeddings: pd.DataFrame,
    averages: pd.DataFrame,
    units: dict[str, pd.DataFrame] | None = None,
    *,
    n_neighbours: int = N_NEIGHBOURS,
    n_permutations: int = N_PERMUTATIONS,
    seed: int = 0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return tables ``unit_map`` and ``map_scores``.

    Parameters
    ----------
    embeddings : table ``unit_embedding``, columns ``e0``, ``e1``, ... of one model (embeddings of
        models trained apart share no space).
    averages : table ``stimulus_average`` of all its recordings; units may lack.
    units : table ``units`` of each recording, by its id; only for the rates that are shown.

    Returns
    -------
    A row a unit, in the order of ``embeddings``; and the scores of ``neighbour_similarity`` and
    ``recording_given_away``, then ``pca_share`` (see ``Layout``).

    Raises
    ------
    InputError
        A unit stands twice; there is no embedding column; or as ``lay_out`` and ``averages_of``.
    """
    ids = embeddings[["recording", "unit_id"]].reset_index(drop=True)
    if ids.duplicated().any():
        twice = ids[ids.duplicated()].iloc[0]
        raise InputError(f"unit {twice['unit_id']} stands twice", recording=twice["recording"])
    embedding = embedding_of(embeddings)
    layout = lay_out(embedding, seed=seed)
    coordinates = {
        "firing_rate_hz": _rates(ids, units or {}),
        "x_tsne": layout.tsne[:, 0],
        "y_tsne": layout.tsne[:, 1],
        "x_pca": layout.pca[:, 0],
        "y_pca": layout.pca[:, 1],
    }
    recording = pd.factorize(ids["recording"])[0]
    settings = {"n_neighbours": n_neighbours, "n_permutations": n_permutations, "seed": seed}
    stimulus, _, _ = averages_of(averages, ids)
    unknown = [np.nan] * 4
    scores = [
        *neighbour_similarity(embedding, stimulus, recording, **settings),
        recording_given_away(embedding, recording, **settings),
        Score("pca_share", layout.pca_share, *unknown, len(ids), "share of variance in two axes"),
    ]
    return ids.assign(**coordinates), scores_table(scores)


def embedding_of(table: pd.DataFrame) -> Float[np.ndarray, "unit dimension"]:
    """Return the columns ``e0``, ``e1``, ... of table ``unit_embedding``, in order of number."""
    columns = sorted((c for c in table if re.fullmatch(r"e\d+", c)), key=lambda c: int(c[1:]))
    if not columns:
        raise InputError(f"no embedding among columns {list(table)}", allowed="e0, e1, ...")
    return table[columns].to_numpy(np.float64)


def _rates(ids: pd.DataFrame, units: dict[str, pd.DataFrame]) -> Float[np.ndarray, "unit"]:
    rates = {
        (recording, unit): rate
        for recording, table in units.items()
        for unit, rate in zip(table["unit_id"], table["firing_rate_hz"], strict=True)
    }
    pairs = zip(ids["recording"], ids["unit_id"], strict=True)
    return np.array([rates.get(pair, np.nan) for pair in pairs], dtype=np.float64)

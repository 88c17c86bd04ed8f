"""Linear decoders, their strength chosen on contiguous blocks of bins with gaps between."""

import warnings
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import balanced_accuracy_score, r2_score

#: Strengths to choose from, of standardised latents: ridge penalties a row, and what the inverse
#: penalties of logistic regression are when multiplied by the rows.
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
INVERSE_PENALTIES = (3.0, 30.0, 300.0)
#: Strengths are compared on at most so many bins, evenly spread.
CHOSEN_ON = 2_500
_MOST_STEPS = 100


def blocked_folds(
    bins: Int[np.ndarray, "row"], n_folds: int, gap_bins: int
) -> Iterator[tuple[Int[np.ndarray, "fitted"], Int[np.ndarray, "held"]]]:
    """Yield rows to fit and rows to judge: each contiguous block of ``bins`` (ascending) in turn.

    Rows within ``gap_bins`` of a block's bins are in neither part, so that what is correlated over
    that time does not help. Rows of one bin stay together.
    """
    edges = np.linspace(0, len(bins), n_folds + 1).astype(int)
    for first, stop in pairwise(edges):
        if first == stop:
            continue
        low, high = bins[first], bins[stop - 1]
        held = np.flatnonzero((bins >= low) & (bins <= high))
        fitted = np.flatnonzero((bins < low - gap_bins) | (bins > high + gap_bins))
        if len(fitted):
            yield fitted, held


def standardised(
    x: Float[np.ndarray, "row latent"], like: Float[np.ndarray, "fitted latent"]
) -> Float[np.ndarray, "row latent"]:
    """Return ``x`` less the means of ``like``, in its standard deviations (latents that never vary
    there are 0 everywhere)."""
    spread = like.std(axis=0)
    return np.where(spread > 0, (x - like.mean(axis=0)) / np.where(spread > 0, spread, 1), 0)


def fit_decoder(
    x: Float[np.ndarray, "row latent"],
    y: Int[np.ndarray, "row"] | Float[np.ndarray, "row"],
    bins: Int[np.ndarray, "row"],
    *,
    n_folds: int,
    gap_bins: int,
):
    """Fit logistic regression to classes (integers; all weigh the same), or ridge to values.

    Returns an estimator of scikit-learn; its strength does best over ``blocked_folds``.
    """
    classes = np.issubdtype(y.dtype, np.integer)
    options = INVERSE_PENALTIES if classes else PENALTIES
    if x.shape[1] == 1:
        return _fitted(x, y, options[-1] if classes else options[0])  # nothing to shrink
    scores = np.zeros(len(options))
    step = max(1, -(-len(x) // CHOSEN_ON))
    for fitted, held in blocked_folds(bins[::step], n_folds, gap_bins):
        fitted, held = fitted * step, held * step  # rows of x again
        known = np.isin(y[held], y[fitted]) if classes else np.ones(len(held), bool)
        if not known.any() or len(np.unique(y[fitted])) < 2:
            continue
        for i, option in enumerate(options):
            said = _fitted(x[fitted], y[fitted], option).predict(x[held])
            scores[i] += _score(y[held][known], said[known]) * known.sum()
    return _fitted(x, y, options[int(np.argmax(scores))])


def _score(true, said) -> float:
    if not np.issubdtype(true.dtype, np.integer):
        return r2_score(true, said) if np.ptp(true) > 0 else 0.0
    with warnings.catch_warnings():  # a label that is decoded but not in the block
        warnings.simplefilter("ignore")
        return balanced_accuracy_score(true, said)


def _fitted(x, y, strength: float):
    if not np.issubdtype(y.dtype, np.integer):
        return Ridge(alpha=strength * len(x)).fit(x, y)
    model = LogisticRegression(
        C=strength / len(x), class_weight="balanced", max_iter=_MOST_STEPS, tol=1e-3
    )
    with warnings.catch_warnings():
        # The last digits of the weights don't change what is decoded.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(x, y)

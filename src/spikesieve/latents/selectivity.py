"""How well single latents tell classes of bins (stimulus positions, say) apart."""

import numpy as np
import pandas as pd
import scipy.sparse
import scipy.stats
from jaxtyping import Float, Shaped

from spikesieve.errors import InputError

_LATENTS_AT_ONCE = 256


def area_under_curve(
    latents: Shaped[np.ndarray, "bin latent"] | scipy.sparse.csr_array,
    labels: Shaped[np.ndarray, "bin"],
    classes: Shaped[np.ndarray, "class"],
) -> Float[np.ndarray, "class latent"]:
    """Return the area under the ROC curve of each latent for each class against all others.

    By ranks (Mann and Whitney 1947); ties count half. NaN for a class that no bin, or every
    bin, belongs to.
    """
    member = np.asarray(labels) == np.asarray(classes)[:, None]
    n_members = member.sum(axis=1, dtype=np.float64)[:, None]
    n_others = member.shape[1] - n_members
    area = np.empty((len(classes), latents.shape[1]))
    for first in range(0, latents.shape[1], _LATENTS_AT_ONCE):
        block = latents[:, first : first + _LATENTS_AT_ONCE]
        block = block.toarray() if scipy.sparse.issparse(block) else block
        rank_sum = member @ scipy.stats.rankdata(block, axis=0)
        wins = rank_sum - n_members * (n_members + 1) / 2
        pairs = n_members * n_others
        area[:, first : first + _LATENTS_AT_ONCE] = np.divide(
            wins, pairs, out=np.full_like(wins, np.nan), where=pairs > 0
        )
    return area


def score_selectivity(
    train_latents: Shaped[np.ndarray, "_ _"] | scipy.sparse.csr_array,
    train_labels: Shaped[np.ndarray, "_"],
    test_latents: Shaped[np.ndarray, "_ _"] | scipy.sparse.csr_array,
    test_labels: Shaped[np.ndarray, "_"],
) -> pd.DataFrame:
    """For each class choose one latent on training bins, and score it on test bins.

    The latent, and whether it signals the class by being high or low, are those with the
    largest area under the ROC curve in training bins. ``selectivity_median`` sums it up.

    Parameters
    ----------
    train_latents, test_latents : ``(bin, latent)``. ``train_labels``, ``test_labels`` : the class
        of each bin, any type that sorts; leave out bins that have none.

    Returns
    -------
    A row a class that both hold, in order: ``class``, ``latent``, ``sign`` (1 high, -1 low),
    ``auroc_train``, ``auroc`` (of the test bins; below 0.5 is worse than chance).

    Raises
    ------
    InputError
        There is no latent, or latents and labels are not equally many.
    """
    _check(train_latents, train_labels, test_latents, test_labels)
    classes = np.intersect1d(train_labels, test_labels)
    train = area_under_curve(train_latents, train_labels, classes)
    latent = np.abs(train - 0.5).argmax(axis=1)
    row = np.arange(len(classes))
    sign = np.where(train[row, latent] < 0.5, -1, 1)
    test = area_under_curve(test_latents, test_labels, classes)
    return pd.DataFrame(
        {
            "class": classes,
            "latent": latent.astype(np.int32),
            "sign": sign,
            "auroc_train": 0.5 + sign * (train[row, latent] - 0.5),
            "auroc": 0.5 + sign * (test[row, latent] - 0.5),
        }
    )


def selectivity_median(scores: pd.DataFrame) -> float:
    """Return the median over classes of ``auroc``; NaN where there is no class."""
    return float(scores["auroc"].median())


def _check(train_latents, train_labels, test_latents, test_labels) -> None:
    for name, latents, labels in (
        ("training", train_latents, train_labels),
        ("test", test_latents, test_labels),
    ):
        if latents.shape[0] != len(labels):
            raise InputError(f"{len(labels)} labels for {latents.shape[0]} {name} bins")
    if train_latents.shape[1] != test_latents.shape[1]:
        raise InputError(
            f"{train_latents.shape[1]} latents in training, {test_latents.shape[1]} in test bins"
        )
    if not train_latents.shape[1]:
        raise InputError("there is no latent to choose from")

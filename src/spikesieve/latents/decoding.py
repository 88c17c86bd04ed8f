"""What can be decoded from latents, from all of them or the best one: fitted on the bins that
choose, judged on test bins, block by block, against labels shifted around the circle."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy.fft
import scipy.sparse
from jaxtyping import Float, Int

from spikesieve.latents.chance import shifts_of
from spikesieve.latents.decoders import fit_decoder, standardised
from spikesieve.latents.features import Seen
from spikesieve.latents.variables import Variable, rows_told

#: A decoder is fitted on at most so many bins, evenly spread: more change little.
MOST_BINS = 6_000
#: A value that varies less in the test bins than this share of its spread elsewhere is not decoded.
LEAST_SPREAD = 0.05


def decoding_tables(
    choice: Seen,
    test: Seen,
    variables: Sequence[Variable],
    lag_of: dict[str, int],
    *,
    gap_bins: int,
    least_shift: int,
    settings: dict,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Decode each variable from all latents (logistic regression of labels, ridge of values) and
    from the single one that tells it best in the bins that choose.

    Parameters
    ----------
    lag_of : bins by which latents lag behind each variable.
    gap_bins : left out around each block of the cross-validation.
    settings : ``min_bins`` of a label in both parts, ``n_shifts``, ``n_folds``, ``n_blocks``.

    Returns
    -------
    Columns of ``decoding`` and of ``confusion`` but for those that name the run. A row without
    ``fold`` is of all test bins; those with one of its contiguous blocks, ``weight`` of which
    average to it. ``chance`` is the mean over shifted labels, ``chance_high`` the 95th percentile.
    """
    scores, confusions = [], []
    for variable in variables:
        parts = _prepared(
            variable, choice, test, lag_of.get(variable.name, 0), settings["min_bins"]
        )
        if parts is None:
            continue
        (rows, y), (test_rows, truth), names = parts
        best = best_latent(choice.latents[rows], y)
        for of, latents in (("all", np.arange(choice.latents.shape[1])), ("single", [best])):
            x, held = (
                s.latents[r][:, latents].toarray().astype(float)
                for s, r in ((choice, rows), (test, test_rows))
            )
            folds = {"n_folds": settings["n_folds"], "gap_bins": gap_bins}
            decoder = fit_decoder(standardised(x, x), y, choice.bins[rows], **folds)
            said = decoder.predict(standardised(held, x))
            table = scored(truth, said, len(names), least_shift, settings)
            latent = pd.NA if of == "all" else best
            scores.append(table.assign(variable=variable.name, of=of, latent=latent))
            if of == "all" and names:
                confusions.append(confusion(truth, said, names).assign(variable=variable.name))
    joined = [
        pd.concat(t, ignore_index=True) if t else pd.DataFrame() for t in (scores, confusions)
    ]
    return joined[0], joined[1]


def _prepared(variable: Variable, choice: Seen, test: Seen, lag: int, min_bins: int):
    """Return rows and targets of both parts, and the names of classes (none for values)."""
    tables = [_single_labels(rows_told(variable, seen.bins, lag)) for seen in (choice, test)]
    if variable.kind == "value":
        targets, names = [t["value"].to_numpy() for t in tables], []
        if min(map(len, tables)) < 2 * min_bins:
            return None
        if np.std(targets[1]) <= LEAST_SPREAD * np.std(targets[0]):
            return None
    else:
        counts = [np.bincount(t["code"], minlength=len(variable.labels)) for t in tables]
        kept = np.flatnonzero(np.minimum(*counts) >= min_bins)
        if len(kept) < 2:
            return None
        tables = [t[t["code"].isin(kept)] for t in tables]
        targets = [np.searchsorted(kept, t["code"]) for t in tables]
        names = [variable.labels[k] for k in kept]
    rows, test_rows = (t["row"].to_numpy() for t in tables)
    every = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_BINS)).astype(int))
    return (rows[every], targets[0][every]), (test_rows, targets[1]), names


def _single_labels(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of bins with one label; where two intervals overlap there is no answer."""
    table = table.drop_duplicates(["row", "code"])
    return table[~table["row"].duplicated(keep=False)]


def best_latent(latents: scipy.sparse.csr_array, y: np.ndarray) -> int:
    """Return the latent of which classes, or a line in a value, explain the largest share.

    The correlation ratio (Fisher 1925) of classes, r squared of values.
    """
    n = latents.shape[0]
    mean = np.asarray(latents.mean(axis=0)).ravel()
    square = np.asarray(latents.multiply(latents).sum(axis=0)).ravel()
    total = np.maximum(square - n * mean**2, 0)
    if np.issubdtype(y.dtype, np.integer):
        of_class = scipy.sparse.csr_array((np.ones(n), (y, np.arange(n))))
        n_each = np.bincount(y)[:, None]
        means = (of_class @ latents).toarray() / np.maximum(n_each, 1)
        explained = (n_each * np.square(means - mean)).sum(axis=0)
    else:
        centred = y - y.mean()
        explained = np.square(latents.T @ centred) / max(np.square(centred).sum(), 1e-300)
    share = np.divide(explained, total, out=np.zeros(len(mean)), where=total > 1e-9)
    return int(np.argmax(share))


def scored(
    truth: np.ndarray, said: np.ndarray, n_classes: int, least_shift: int, settings: dict
) -> pd.DataFrame:
    """Return the score of all rows (``fold`` null) and of each contiguous block of them.

    Balanced accuracy of classes (the mean over classes of the share told right), else R2. Both
    are sums over rows, so that blocks average to the whole by their ``weight``.
    """
    classes = n_classes > 0
    if classes:
        weight = 1 / (n_classes * np.bincount(truth, minlength=n_classes))[truth]
        gain = weight * (said == truth)
    else:
        weight = np.square(truth - truth.mean())
        weight = weight / weight.sum()
        gain = weight - np.square(truth - said) / np.square(truth - truth.mean()).sum()
    shifts = shifts_of(len(truth), settings["n_shifts"], least_shift)
    chance = shifted_scores(truth, said, n_classes)[shifts]
    n_blocks = min(settings["n_blocks"], len(truth))
    edges = np.linspace(0, len(truth), n_blocks + 1).astype(int)[:-1]
    sums, weights = np.add.reduceat(gain, edges), np.add.reduceat(weight, edges)
    folds = np.arange(len(edges))
    value = np.divide(sums, weights, out=np.zeros(len(sums)), where=weights > 0)
    return pd.DataFrame(
        {
            "score": "balanced_accuracy" if classes else "r2",
            "value": [gain.sum(), *value],
            "chance": chance.mean() if len(chance) else np.nan,
            "chance_high": np.quantile(chance, 0.95) if len(chance) else np.nan,
            "fold": pd.array([pd.NA, *folds], dtype="Int32"),
            "weight": [1.0, *weights],
            "n_classes": pd.array([n_classes or pd.NA] * (len(folds) + 1), dtype="Int32"),
        }
    )


def shifted_scores(
    truth: np.ndarray, said: np.ndarray, n_classes: int
) -> Float[np.ndarray, "shift"]:
    """Return the score that would result if the truth were shifted by 0, 1, 2, ... rows."""
    n = len(truth)
    if not n_classes:
        centred = truth - truth.mean()
        cross = _circular(centred, said - truth.mean())
        total = np.square(centred).sum()
        return 1 - (total + np.square(said - truth.mean()).sum() - 2 * cross) / total
    share = 1 / (n_classes * np.bincount(truth, minlength=n_classes))
    return sum((share[c] * _circular(truth == c, said == c) for c in range(n_classes)), np.zeros(n))


def _circular(a, b) -> Float[np.ndarray, "shift"]:
    """Return the sum over rows of ``a[row - shift] * b[row]``, for every shift."""
    spectrum = np.conj(scipy.fft.rfft(a.astype(float))) * scipy.fft.rfft(b.astype(float))
    return scipy.fft.irfft(spectrum, len(a))


def confusion(
    truth: Int[np.ndarray, "row"], said: Int[np.ndarray, "row"], names: Sequence[str]
) -> pd.DataFrame:
    """Return ``true_label``, ``decoded_label``, ``share`` (of the bins with that true label)."""
    n = len(names)
    counts = np.bincount(truth * n + said, minlength=n * n).reshape(n, n)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    labels = np.array(names, dtype=object)
    return pd.DataFrame(
        {
            "true_label": np.repeat(labels, n),
            "decoded_label": np.tile(labels, n),
            "share": share.ravel(),
        }
    )

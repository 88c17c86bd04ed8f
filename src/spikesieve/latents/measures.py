"""How well one latent signals one label: a threshold chosen on some bins, scores on others."""

from typing import NamedTuple

import numpy as np
import scipy.sparse
from jaxtyping import Bool, Float, Int


class Column(NamedTuple):
    """One latent's activations in ``n`` bins: those that are not zero, and where."""

    place: Int[np.ndarray, "active"]
    value: Float[np.ndarray, "active"]
    n: int


class Measures(NamedTuple):
    """Scores of one latent and label; shares are NaN where there is nothing to share."""

    coverage: float
    specificity: float
    selectivity: float
    mutual_information_bits: float
    d_prime: float


def column_of(latents: scipy.sparse.csc_array, latent: int, sign: int) -> Column:
    """Return a latent's activations, turned round where ``sign`` is -1."""
    mine = slice(latents.indptr[latent], latents.indptr[latent + 1])
    value = sign * latents.data[mine].astype(np.float64)
    return Column(latents.indices[mine].astype(np.int64), value, latents.shape[0])


def best_threshold(column: Column, member: Bool[np.ndarray, "bin"]) -> float:
    """Return the threshold above which hits exceed false alarms most (Youden 1950).

    Half-way between the two activations that it separates. The activations must be of bins that
    scores are not reported on.
    """
    inside, n_members = member[column.place], int(member.sum())
    n_others = column.n - n_members
    zeros = [n_members - int(inside.sum()), n_others - int((~inside).sum())]
    value = np.append(column.value, 0.0)
    hits = np.append(inside, zeros[0]) / max(n_members, 1)
    alarms = np.append(~inside, zeros[1]) / max(n_others, 1)
    order = np.argsort(-value, kind="stable")
    value, gain = value[order], np.cumsum((hits - alarms)[order])
    last_of_its_kind = np.append(value[1:] < value[:-1], False)  # everything: no threshold at all
    if not last_of_its_kind.any():
        return float(value[0])
    best = int(np.argmax(np.where(last_of_its_kind, gain, -np.inf)))
    return float((value[best] + value[best + 1]) / 2)


def measure(column: Column, member: Bool[np.ndarray, "bin"], threshold: float) -> Measures:
    """Score "active" (above ``threshold``) as a detector of the bins in ``member``.

    ``coverage``: share of the members in which it is active; ``specificity``: share of the others
    in which it is not; ``selectivity``: coverage / (coverage + false alarms), 0.5 by chance.
    ``mutual_information_bits`` between active and member; ``d_prime``: difference of the mean
    activations over the root mean of both variances (Green and Swets 1966).
    """
    inside, n_members = member[column.place], int(member.sum())
    n_others, above = column.n - n_members, column.value > threshold
    hits, alarms = int((above & inside).sum()), int((above & ~inside).sum())
    if threshold < 0:  # zeros are active as well
        hits += n_members - int(inside.sum())
        alarms += n_others - int((~inside).sum())
    table = np.array([[hits, n_members - hits], [alarms, n_others - alarms]], dtype=float)
    coverage, false_alarms = _share(hits, n_members), _share(alarms, n_others)
    return Measures(
        coverage=coverage,
        specificity=1 - false_alarms,
        selectivity=_share(coverage, coverage + false_alarms),
        mutual_information_bits=_mutual_information(table),
        d_prime=_d_prime(column, inside, n_members, n_others),
    )


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else np.nan


def _mutual_information(table: Float[np.ndarray, "row column"]) -> float:
    joint = table / table.sum()
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    there = joint > 0
    return float(max(0.0, (joint[there] * np.log2(joint[there] / apart[there])).sum()))


def _d_prime(column: Column, inside, n_members: int, n_others: int) -> float:
    means, variances = [], []
    for chosen, n in ((inside, n_members), (~inside, n_others)):
        values = column.value[chosen]
        means.append(_share(values.sum(), n))
        variances.append(_share(np.square(values).sum(), n) - means[-1] ** 2)
    spread = np.sqrt(max(np.mean(variances), 0.0))
    return (means[0] - means[1]) / spread if spread > 0 else np.nan

"""The decomposition of a trial tensor into slice components, and how many of which kind.

By the package slicetca, called so that its traps are closed: data are float32, for which its loss
is the squared error (of whole numbers it silently takes a Poisson likelihood that overflows);
entries that a mask hides are never NaN; random numbers come from a seed and leave others' alone.
"""

import numpy as np
import slicetca
import torch
from jaxtyping import Bool, Real

from spikesieve.baselines.slices import Slices
from spikesieve.errors import InputError

#: Shares of components of units, of trials and of time in the trial, that are tried.
MIXES = ((1, 0, 0), (0, 1, 0), (1, 1, 0), (2, 1, 1))
#: Share of the pairs of trial and unit that have a stretch masked, and its share of the trial.
_MASKED_PAIRS, _MASKED_STRETCH = 0.4, 0.25


def decompose(
    x: Real[np.ndarray, "trial unit place"],
    ranks: tuple[int, int, int],
    *,
    n_steps: int,
    learning_rate: float,
    seed: int,
    mask: Bool[np.ndarray, "trial unit place"] | None = None,
    settle: bool = True,
) -> Slices:
    """Return components of least squared error, the same for the same seed.

    What is moved between kinds without a change of the sum is settled by the least squares of the
    kinds (L2 of the package), and within a kind by singular vectors (L3), turned so that most of a
    vector is positive.

    Parameters
    ----------
    ranks : numbers of components of units, of trials and of time in the trial.
    mask : entries to fit; None for all. ``settle`` : False leaves open what the sum does not tell.

    Raises
    ------
    InputError
        Ranks are negative, all 0, or more than a kind can have; the fit is not finite.
    """
    _check(ranks, x.shape)
    seen = np.ones(x.shape, bool) if mask is None else mask
    # A hidden entry times 0 is NaN where it is NaN, and stopping looks at all entries.
    data = torch.from_numpy(np.where(seen, x, 0).astype(np.float32))
    units, trials, places = ranks
    with torch.random.fork_rng(devices=[]):
        _, model = slicetca.decompose(
            data,
            (trials, units, places),
            learning_rate=learning_rate,
            batch_prop=1.0,
            max_iter=n_steps,
            min_std=1e-6,
            mask=torch.from_numpy(seen),
            progress_bar=False,
            seed=seed,
        )
        if settle:
            # Never "converged": it would speak to a progress bar that is not there.
            steps = {"max_iter": n_steps, "min_std": 0.0, "learning_rate": 0.02}
            model = slicetca.invariance(model, progress_bar=False, **steps)
    slices = _slices(model)
    if not all(np.isfinite(part).all() for part in slices):
        raise InputError(f"sliceTCA {ranks}: the fit is not finite", fix="lower learning_rate")
    return slices


def _check(ranks: tuple, shape: tuple) -> None:
    trials, units, places = shape
    most = min(units, trials * places), min(trials, units * places), min(places, units * trials)
    in_range = all(0 <= rank <= limit for rank, limit in zip(ranks, most, strict=False))
    if len(ranks) != 3 or not in_range or not sum(ranks):
        raise InputError(
            f"sliceTCA: ranks {list(ranks)}",
            allowed=f"three of 0 or more, one of them 1 or more, at most {list(most)}",
        )


def _slices(model) -> Slices:
    (trial, trial_slice), (unit, unit_slice), (place, place_slice) = (
        [part.astype(np.float64) for part in kind] for kind in model.get_components(numpy=True)
    )
    signs = [np.where(vector.sum(axis=1) < 0, -1.0, 1.0) for vector in (unit, trial, place)]
    turned = [
        part * sign.reshape(-1, *[1] * (part.ndim - 1))
        for sign, kind in zip(
            signs, ((unit, unit_slice), (trial, trial_slice), (place, place_slice)), strict=True
        )
        for part in kind
    ]
    return Slices(*turned)


def choose_ranks(
    x: Real[np.ndarray, "trial unit place"],
    most: int,
    *,
    n_steps: int,
    learning_rate: float,
    seed: int,
) -> tuple[int, int, int]:
    """Return the ranks that best predict masked entries of the training trials.

    First the mix of kinds at half of ``most`` components, then how many: a quarter, half, or all.
    """
    training = {"n_steps": n_steps // 2, "learning_rate": learning_rate, "seed": seed}

    def error(ranks):
        return masked_error(x, ranks, **training)

    half = list(dict.fromkeys(_mixed(mix, max(most // 2, 1), x.shape) for mix in MIXES))
    errors = {ranks: error(ranks) for ranks in half}
    mix = MIXES[half.index(min(errors, key=errors.get))]
    for size in (max(most // 4, 1), most):
        ranks = _mixed(mix, size, x.shape)
        if ranks not in errors:
            errors[ranks] = error(ranks)
    return min(errors, key=errors.get)


def masked_error(x: Real[np.ndarray, "trial unit place"], ranks, **training) -> float:
    """Return the mean squared error of entries that were masked in training.

    Stretches of single units in single trials are masked; their first and last bins, which
    smoothing ties to what is seen, are not judged. ``training`` goes to ``decompose``.
    """
    mask, judged = stretch_mask(x.shape, training["seed"])
    predicted = decompose(x, ranks, **training, mask=mask, settle=False).tensor()
    return float(((x - predicted)[judged] ** 2).mean())


def _mixed(mix: tuple, size: int, shape: tuple) -> tuple[int, int, int]:
    """Return ``size`` components in the shares of ``mix``, each kind at most what it can have."""
    trials, units, places = shape
    share = [max(round(size * part / sum(mix)), 1) if part else 0 for part in mix]
    limits = (min(units, trials * places), min(trials, units * places), min(places, units * trials))
    return tuple(min(n, limit) for n, limit in zip(share, limits, strict=True))


def stretch_mask(
    shape: tuple[int, ...], seed: int
) -> tuple[Bool[np.ndarray, "trial unit place"], Bool[np.ndarray, "trial unit place"]]:
    """Return which entries to fit, and which of the others to judge.

    Every trial, unit and place keeps entries to fit: one without any would be fitted to nothing.
    """
    rng = np.random.default_rng(seed)
    n_places = shape[2]
    length = max(round(_MASKED_STRETCH * n_places), 1)
    start = rng.integers(0, n_places - length + 1, (*shape[:2], 1))
    place = np.arange(n_places)
    masked = rng.random((*shape[:2], 1)) < _MASKED_PAIRS
    hidden = masked & (place >= start) & (place < start + length)
    for axes in ((1, 2), (0, 2), (0, 1)):
        hidden &= ~hidden.all(axis=axes, keepdims=True)
    edge = 1 if length >= 3 else 0
    inner = (place >= start + edge) & (place < start + length - edge)
    return ~hidden, hidden & inner

"""Slice components of a trial tensor, and the factors of trials that it was not fitted on.

Pellegrino, Stein and Cayco-Gajic 2024, "Dimensionality reduction beyond neural subspaces with slice
tensor component analysis", Nature Neuroscience 27:1199, equation 1: a tensor is a sum of outer
products of a vector along one axis with a matrix over the other two.
"""

from typing import NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import Bool, Float

#: Least variance of a factor over trials, as a share of the largest of its kind: what hardly varied
#: in training may still vary a little.
_LEAST_VARIANCE = 1e-3


class Slices(NamedTuple):
    """Components of three kinds. Parts with a trial axis belong to the trials of training."""

    unit: Float[np.ndarray, "r unit"]
    unit_slice: Float[np.ndarray, "r trial place"]
    trial: Float[np.ndarray, "q trial"]
    trial_slice: Float[np.ndarray, "q unit place"]
    place: Float[np.ndarray, "s place"]
    place_slice: Float[np.ndarray, "s trial unit"]

    def tensor(self) -> Float[np.ndarray, "trial unit place"]:
        """Return the sum of all components."""
        return (
            np.einsum("ru,rkt->kut", self.unit, self.unit_slice)
            + np.einsum("qk,qut->kut", self.trial, self.trial_slice)
            + np.einsum("st,sku->kut", self.place, self.place_slice)
        )


class TrialFactors(NamedTuple):
    """What differs from trial to trial, the rest of the components being as in training."""

    unit_slice: Float[np.ndarray, "trial r place"]
    trial: Float[np.ndarray, "trial q"]
    place_slice: Float[np.ndarray, "trial s unit"]


class TrialModel(NamedTuple):
    """A Gaussian of the numbers of a trial: ``design @ factors``, plus noise of one variance.

    ``mean`` and ``variance`` of each factor are those over the trials of training.
    """

    slices: Slices
    design: Float[np.ndarray, "entry factor"]
    mean: Float[np.ndarray, "factor"]
    variance: Float[np.ndarray, "factor"]
    noise: float


def trial_model(slices: Slices, noise: float) -> TrialModel:
    """Learn from the components of training trials what a trial's factors are like.

    ``noise`` : variance of what they leave, of entries that they were not fitted to.
    """
    r, q, s = len(slices.unit), len(slices.trial), len(slices.place)
    n_units, n_places = slices.unit.shape[1], slices.place.shape[1]
    n_trials = slices.trial.shape[1]
    design = np.concatenate(
        [
            np.einsum("ru,tv->utrv", slices.unit, np.eye(n_places)).reshape(n_units, n_places, -1),
            np.einsum("qut->utq", slices.trial_slice),
            np.einsum("st,uv->utsv", slices.place, np.eye(n_units)).reshape(n_units, n_places, -1),
        ],
        axis=2,
    ).reshape(n_units * n_places, r * n_places + q + s * n_units)
    factors = np.concatenate(
        [
            slices.unit_slice.transpose(1, 0, 2).reshape(n_trials, -1),
            slices.trial.T,
            slices.place_slice.transpose(1, 0, 2).reshape(n_trials, -1),
        ],
        axis=1,
    )
    variance = factors.var(axis=0)
    least = _LEAST_VARIANCE * variance.max(initial=0) + 1e-12
    largest = np.maximum(variance, least)
    return TrialModel(slices, design, factors.mean(axis=0), largest, noise + 1e-12)


def infer_trials(
    model: TrialModel, x: Float[np.ndarray, "trial unit place"], hidden: Bool[np.ndarray, "unit"]
) -> tuple[TrialFactors, Float[np.ndarray, "trial unit place"]]:
    """Return the factors of trials, told the units that are not ``hidden``, and their tensor.

    The posterior mean of a linear Gaussian model (Bishop 2006, equation 3.53 with a diagonal
    prior): a factor of which the seen units say nothing stays at its mean over training trials.
    """
    n_trials, n_units, n_places = x.shape
    seen = np.repeat(~hidden, n_places)
    design = model.design[seen]
    precision = design.T @ design / model.noise + np.diag(1 / model.variance)
    left = x.reshape(n_trials, n_units * n_places)[:, seen] - design @ model.mean
    shift = scipy.linalg.solve(precision, design.T @ left.T / model.noise, assume_a="pos").T
    factors = model.mean + shift
    expected = (factors @ model.design.T).reshape(x.shape)
    return _parted(model.slices, factors, n_units, n_places), expected


def _parted(slices: Slices, factors, n_units: int, n_places: int) -> TrialFactors:
    r, q, s = len(slices.unit), len(slices.trial), len(slices.place)
    ends = np.cumsum([r * n_places, q, s * n_units])
    first, second, third = np.split(factors, ends[:-1], axis=1)
    return TrialFactors(
        first.reshape(len(factors), r, n_places), second, third.reshape(len(factors), s, n_units)
    )


def latents_of(slices: Slices, factors: TrialFactors) -> Float[np.ndarray, "trial latent place"]:
    """Return one number a component, trial and bin: how strongly it is there.

    Of a unit component that is its slice. A trial (bin) component adds to a bin a pattern over
    units that depends on the bin (trial) as well: its latent is its weight in the trial (bin)
    times the length of that pattern.
    """
    by_place = np.linalg.norm(slices.trial_slice, axis=1)
    by_trial = np.linalg.norm(factors.place_slice, axis=2)
    return np.concatenate(
        [
            factors.unit_slice,
            factors.trial[:, :, None] * by_place,
            by_trial[:, :, None] * slices.place,
        ],
        axis=1,
    )

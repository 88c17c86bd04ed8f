"""Methods that turn what a network says of the coming bins into spikes, under one signature.

A *placer* takes an ``Asked`` and what it remembers of the step before, and returns spikes ``(row,
future)`` and what to remember; a row is a unit. After each step it is told how many of the bins
were used, since windows overlap.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from spikesieve.distance.inference import infer_spikes
from spikesieve.distance.inference.cumulative import carry_on
from spikesieve.distance.inference.sampled import sample_counts
from spikesieve.distance.methods import span
from spikesieve.distance.shape import Shape

#: Where the integrated hazard starts between two quantiles: halfway.
FIRST_CARRIED = 0.5
#: Distances are lowered by so many standard deviations (``em_counted``: by this factor's logarithm)
#: for each spike that is owed. On validation bins of 20 cells scores hardly differ over 0.15
#: to 0.3; at 1 windows without a sure spike are made to hold one.
LOWERED_A_SPIKE = 0.3
#: Bounds of what distances are lowered by.
LOWERED = (-3.0, 6.0)
#: So many spikes are owed, or ahead, at most: beyond, distances are at a bound anyway.
MOST_OWED = 20.0


class Asked(NamedTuple):
    """Predictions of one step for all rows, and their own past; a missing head is None."""

    distance: Float[np.ndarray, "row n_out"] | None
    variance: Float[np.ndarray, "row n_out"] | None
    hazard: Float[np.ndarray, "row future"] | None
    counts: Float[np.ndarray, "row span"] | None
    last_spike: Int[np.ndarray, "row"]  # relative to now, -1 or less; 0 where there is none


class Calibration(NamedTuple):
    """What the joint decoder takes from validation bins; ``lowered`` is each unit's own."""

    hazard_weight: float
    use_variance: bool
    lowered: Float[np.ndarray, "unit"]


Placer = Callable[
    [Asked, Any, np.random.Generator, int], tuple[Bool[np.ndarray, "row future"], Any]
]


def make_placer(name: str, shape: Shape, *, calibration: Calibration | None = None) -> Placer:
    """Return the placer of a method; ``joint`` needs its ``calibration``."""
    common = {"prefix": shape.prefix, "max_distance": shape.max_distance}
    if name == "cumulative":
        return _cumulative
    if name == "sampled":
        return lambda asked, memory, random, used: (
            infer_spikes(None, method="sampled", hazard=asked.hazard, seed=random),
            None,
        )
    if name == "none":
        return lambda asked, memory, random, used: (
            np.zeros((len(asked.last_spike), shape.future), bool),
            None,
        )
    if name.startswith("poisson_"):
        return _poisson(shape.counts.index(span(name, shape)), span(name, shape))
    if name == "joint":
        return joint_placer(calibration, shape)
    if name == "em_counted":
        return _owing(
            lambda asked, more: infer_spikes(
                asked.distance * np.exp(-np.clip(more, *LOWERED))[:, None],
                method="em",
                last_spike=asked.last_spike,
                **common,
            )
        )
    own = {"space": "log"} if name == "exact" else {}

    def place(asked: Asked, memory, random, used):
        found = infer_spikes(
            asked.distance, method=name, last_spike=asked.last_spike, **own, **common
        )
        return found, None

    return place


def _cumulative(asked: Asked, carried, random, used):
    if carried is None:
        carried = np.full(len(asked.last_spike), FIRST_CARRIED)
    found = infer_spikes(None, method="cumulative", hazard=asked.hazard, carried=carried)
    return found, carry_on(asked.hazard, carried, n_bins=used)


def _poisson(which: int, n_bins: int) -> Placer:
    def place(asked: Asked, memory, random, used):
        return sample_counts(asked.counts[:, which], n_bins, random), None

    return place


def joint_placer(calibration: Calibration, shape: Shape) -> Placer:
    """Return the joint decoder with what it was calibrated to.

    It remembers how many spikes it owes, so that its number of spikes stays that of the hazard
    whatever its own past: without that, spikes call for spikes, and single units tip over.
    """

    def infer(asked: Asked, more):
        return infer_spikes(
            asked.distance,
            method="joint",
            hazard=asked.hazard,
            hazard_weight=calibration.hazard_weight,
            variance=asked.variance if calibration.use_variance else None,
            lowered=np.clip(calibration.lowered + more, *LOWERED),
            last_spike=asked.last_spike,
            prefix=shape.prefix,
            max_distance=shape.max_distance,
        )

    return _owing(infer)


def _owing(infer: Callable[[Asked, np.ndarray], np.ndarray]) -> Placer:
    """Return a placer by ``infer(asked, more)``: more spikes where ``more``, a number a row, is
    higher. It grows by ``LOWERED_A_SPIKE`` with each spike that hazards have added up to and that
    wasn't placed."""

    def place(asked: Asked, owed, random, used):
        owed = np.zeros(len(asked.last_spike)) if owed is None else owed
        found = infer(asked, LOWERED_A_SPIKE * owed)
        owed = owed + asked.hazard[:, :used].sum(axis=1) - found[:, :used].sum(axis=1)
        return found, owed.clip(-MOST_OWED, MOST_OWED)

    return place

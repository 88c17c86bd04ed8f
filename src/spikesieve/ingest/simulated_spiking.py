"""Spike trains with known rates on a sampling clock, and the units that a filter must drop."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from spikesieve.errors import InputError
from spikesieve.spikes import Spikes

#: Samples a second of the simulated amplifier; every spike lies on one of its ticks.
SAMPLING_RATE_HZ = 30_000

#: Largest share of time for which events may forbid the next one; faster rates are cut there.
MAX_OCCUPIED = 0.5

SILENT_RATE_HZ = 0.05

#: The threshold of the default unit filter; shorter dead times make good units fail it.
ISI_THRESHOLD_MS = 2.0


class Simulation(NamedTuple):
    """A simulated recording and what was planted in it.

    ``spikes`` are sorted by time, ``units``, ``intervals`` and ``signals`` have the columns of
    the tables in ``spikesieve.recording``. ``truth`` maps names to arrays; ``simulate_features``
    and ``simulate_retina`` say which. ``notes`` tell what was decided for the caller.
    """

    spikes: Spikes
    units: pd.DataFrame
    intervals: pd.DataFrame
    signals: pd.DataFrame
    truth: dict[str, np.ndarray]
    duration_s: float
    notes: tuple[str, ...] = ()


class Events(NamedTuple):
    """Events of one unit: real-valued tick of each, and which of the shapes it has."""

    tick: Float[np.ndarray, "event"]
    shape: Int[np.ndarray, "event"]


class Extras(NamedTuple):
    """Units beyond the good ones: what each is, its label, its mean rate in Hz, its ticks."""

    role: list[str]
    quality: list[str]
    rate_hz: list[float]
    ticks: list[np.ndarray]


def ticks_of(duration_s: float) -> int:
    """Return the number of whole ticks in ``duration_s`` seconds."""
    return int(duration_s * SAMPLING_RATE_HZ)


def dead_ticks(refractory_ms: float) -> int:
    """Return the fewest ticks between two spikes: the first number beyond ``refractory_ms``.

    One more than needed on paper: intervals are later differences of seconds in floating point,
    which may fall just short of a period that the ticks meet exactly.
    """
    return int(np.floor(refractory_ms * SAMPLING_RATE_HZ / 1000)) + 1


def draw_events(
    rate_hz: Float[np.ndarray, "step"],
    ticks_per_step: int,
    occupied: Int[np.ndarray, "shape"],
    rng: np.random.Generator,
) -> Events:
    """Draw events at an expected rate of exactly ``rate_hz``, none while the last one lasts.

    Each event has one of several shapes, equally likely, and forbids others for ``occupied``
    ticks. With rate r and lengths L, an event is on at t with probability
    p(t) = E_L[integral of r from t - L to t], for no two are on at once. So the hazard
    h = r / (1 - p) outside events makes r the mean over repetitions, at every t and however r
    changes. Candidates at twice the rate are thinned to h.

    Raises ``ValueError`` when events would last longer than ``MAX_OCCUPIED`` of the time.
    """
    rate = np.asarray(rate_hz, dtype=float) / SAMPLING_RATE_HZ
    if rate.max() * occupied.mean() > MAX_OCCUPIED * (1 + 1e-9):
        raise ValueError(f"events last {rate.max() * occupied.mean():.3f} of the time at the peak")
    step = np.repeat(np.arange(len(rate)), rng.poisson(rate * ticks_per_step / (1 - MAX_OCCUPIED)))
    tick = np.sort((step + rng.random(len(step))) * ticks_per_step)
    cumulative = np.concatenate([[0.0], np.cumsum(rate)]) * ticks_per_step
    edges = np.arange(len(rate) + 1.0) * ticks_per_step
    lengths, repeats = np.unique(occupied, return_counts=True)
    before = np.interp(tick[:, None] - lengths, edges, cumulative) @ (repeats / repeats.sum())
    busy = np.interp(tick, edges, cumulative) - before
    tick = tick[rng.random(len(tick)) < (1 - MAX_OCCUPIED) / (1 - busy)]
    shape = rng.integers(len(occupied), size=len(tick))
    kept = _without_overlap(tick, occupied[shape])
    return Events(tick[kept], shape[kept])


def _without_overlap(tick: np.ndarray, length: np.ndarray) -> list[int]:
    kept, free_from = [], -np.inf
    for i, (start, end) in enumerate(zip(tick.tolist(), (tick + length).tolist(), strict=True)):
        if start >= free_from:
            kept.append(i)
            free_from = end
    return kept


def draw_train(
    rate_hz: Float[np.ndarray, "step"],
    ticks_per_step: int,
    dead: int,
    n_ticks: int,
    rng: np.random.Generator,
) -> Int[np.ndarray, "spike"]:
    """Draw the ticks of single spikes, at least ``dead`` ticks apart; mean rate ``rate_hz``."""
    tick = draw_events(rate_hz, ticks_per_step, np.array([dead]), rng).tick.astype(np.int64)
    return tick[tick < n_ticks]


def fastest_rate_hz(dead: int) -> float:
    """Return the fastest rate that ``draw_train`` can follow after ``dead`` ticks a spike."""
    return MAX_OCCUPIED * SAMPLING_RATE_HZ / dead


def draw_extras(
    n_contaminated: int,
    n_silent: int,
    mean_rate_hz: float,
    dead: int,
    n_ticks: int,
    rng: np.random.Generator,
) -> Extras:
    """Draw units that the default filter must drop, each for one reason only.

    ``contaminated``: as many spikes of a Poisson train as of a refractory one, labelled good;
    ``silent``: 0.05 Hz, labelled good; ``mua`` and ``noise``: clean, and dropped for the label.
    None follows the stimulus or a feature.
    """

    def train(rate, dead):
        return draw_train(np.full(-(-n_ticks // 1500), rate), 1500, dead, n_ticks, rng)

    extras = Extras([], [], [], [])

    def add(role, quality, rate, ticks):
        for column, value in zip(extras, (role, quality, rate, ticks), strict=True):
            column.append(value)

    limit = fastest_rate_hz(dead)
    # Fast enough that a minute shows the violations.
    for rate in max(mean_rate_hz, 8) * rng.uniform(0.8, 1.2, n_contaminated):
        clean = min(rate, limit)
        mixed = np.union1d(train(clean, dead), train(clean, 1))
        add("contaminated", "good", 2 * clean, mixed)
    for _ in range(n_silent):
        add("silent", "good", SILENT_RATE_HZ, train(SILENT_RATE_HZ, dead))
    for label in ("mua", "noise"):
        rate = min(mean_rate_hz * rng.uniform(0.8, 1.2), limit)
        add(label, label, rate, train(rate, dead))
    return extras


class Shuffled(NamedTuple):
    """Good and extra units in one order: ``order[i]`` is the place of unit i in the input."""

    order: Int[np.ndarray, "unit"]
    unit_id: Int[np.ndarray, "unit"]
    role: np.ndarray
    quality: list[str]
    spikes: Spikes


def shuffle_units(good: Sequence[np.ndarray], extras: Extras, rng: np.random.Generator) -> Shuffled:
    """Mix good and extra units and number them with gaps, as curated sortings are."""
    ticks = [*good, *extras.ticks]
    roles = np.array(["good"] * len(good) + extras.role)
    qualities = ["good"] * len(good) + extras.quality
    order = rng.permutation(len(ticks))
    numbers = rng.choice(2 * len(ticks), len(ticks), replace=False)
    unit_id = np.sort(numbers).astype(np.int32)
    tick = np.concatenate([ticks[i] for i in order])
    owner = np.repeat(unit_id, [len(ticks[i]) for i in order])
    by_time = np.lexsort((owner, tick))
    spikes = Spikes(tick[by_time] / SAMPLING_RATE_HZ, owner[by_time])
    return Shuffled(order, unit_id, roles[order], [qualities[i] for i in order], spikes)


def refractory_notes(refractory_ms: float) -> list[str]:
    """Say what a dead time shorter than the filter's threshold means for the good units."""
    if refractory_ms >= ISI_THRESHOLD_MS:
        return []
    return [
        f"refractory_ms is {refractory_ms:g}: good units too have intervals under "
        f"{ISI_THRESHOLD_MS:g} ms and may fail the unit filter (units.max_isi_violations)"
    ]


def check_common(
    *,
    duration_s: float,
    n_units: int,
    refractory_ms: float,
    n_contaminated: int,
    n_silent: int,
) -> None:
    """Raise ``InputError`` when a value that both kinds of simulation have is out of range."""
    for name, value, fits, allowed in [
        ("duration_s", duration_s, 10 <= duration_s < np.inf, "at least 10 s"),
        ("n_units", n_units, n_units >= 1, "at least 1"),
        ("refractory_ms", refractory_ms, 0 <= refractory_ms <= 20, "0 to 20 ms"),
        ("n_contaminated", n_contaminated, n_contaminated >= 0, "0 or more"),
        ("n_silent", n_silent, n_silent >= 0, "0 or more"),
    ]:
        refuse_unless(fits, name, value, allowed)


def check_mean_rate(mean_rate_hz: float, most_hz: float) -> None:
    """Raise ``InputError`` unless the mean rate is above 0 and at most ``most_hz``."""
    allowed = f"above 0, at most {most_hz:.4g} Hz at this refractory_ms"
    refuse_unless(0 < mean_rate_hz <= most_hz, "mean_rate_hz", mean_rate_hz, allowed)


def refuse_unless(fits: bool, name: str, value, allowed: str) -> None:
    """Raise ``InputError`` about a setting of a simulation unless it ``fits``."""
    if not fits:
        raise InputError(
            f"{name} is {value}", allowed=allowed, fix="change it under simulations in config"
        )

"""A population driven by planted sparse features, some of them tied to stimuli and running."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from scipy.signal import lfilter

from spikesieve.errors import InputError
from spikesieve.ingest.simulated_spiking import (
    SAMPLING_RATE_HZ,
    Simulation,
    check_common,
    check_mean_rate,
    dead_ticks,
    draw_extras,
    draw_train,
    fastest_rate_hz,
    refractory_notes,
    refuse_unless,
    shuffle_units,
    ticks_of,
)
from spikesieve.ingest.writing import long_signal
from spikesieve.recording import INVALID

TICKS_PER_BIN = 1500
BIN_S = TICKS_PER_BIN / SAMPLING_RATE_HZ

#: An average feature, while on, adds this many times the average base rate to a unit it drives.
GAIN = 15.0

#: Every good unit fires at least this fast, so that it passes the default filter.
FLOOR_HZ = 1.0

#: Both kinds of stimulus and the column that tells their presentations apart.
STIMULI = {"grating": "orientation", "image": "frame"}

RUNNING = "running_speed"
RUNNING_TICKS = 1000  # 30 Hz


class Tie(NamedTuple):
    """What a feature goes with: intervals ``name`` whose ``column`` is ``value``, or a signal."""

    name: str
    column: str
    value: float


def simulate_features(
    *,
    seed: int,
    duration_s: float = 900.0,
    n_units: int = 60,
    n_features: int = 24,
    units_per_feature: Sequence[int] = (4, 10),
    mean_rate_hz: float = 8.0,
    refractory_ms: float = 2.5,
    n_contaminated: int = 3,
    n_silent: int = 2,
) -> Simulation:
    """Simulate a population whose rates are a sum of sparse features.

    On a grid of 50 ms each feature switches on and off as a two-state chain (on for 1 to 12 % of
    the time, 3 to 12 bins at once on average) and has an amplitude from gamma(4, 1/4) in every bin
    while on. It adds amplitude times loading (gamma(2, 1/2)) to the rates of a few units, over
    base rates from gamma(2, 1/2). All rates are scaled to average ``mean_rate_hz`` over the good
    units. Spikes are refractory for ``refractory_ms`` (0: Poisson) at exactly these rates.

    A third of the features (at least two) are on exactly while their stimulus is shown: intervals
    ``grating`` with an ``orientation`` in degrees, ``image`` with a ``frame``. One more condition
    of each drives nothing: a control. Presentations of one kind don't overlap. The next feature
    is on while the animal runs (signal ``running_speed``, cm/s at 30 Hz). A short interval
    ``invalid`` lies mid-way.

    Parameters
    ----------
    n_units : good units; the contaminated, the silent, one ``mua`` and one ``noise`` come on top.
    units_per_feature : fewest and most good units that a feature drives (at most ``n_units``).

    Returns
    -------
    Simulation, with ``truth`` holding

    - ``unit_id`` (unit,), ``role`` (unit,): good, contaminated, silent, mua, noise
    - ``bin_s`` (): 0.05
    - ``activation`` (bin, feature) float32: amplitude, 0 while off
    - ``loading`` (feature, unit) float32, Hz; ``base_rate_hz`` (unit,): a unit's rate is
      ``base_rate_hz + activation @ loading``, cut at ``max_rate_hz`` ()
    - ``expected_rate_hz`` (unit,): its mean over the recording
    - ``tied_name``, ``tied_column``, ``tied_value`` (feature,): the interval (``grating``,
      ``image``) and its condition, or the signal ``running_speed``; empty and NaN where none

    Raises
    ------
    InputError
        A value is out of range, or the recording too short for the features to switch on.
    """
    _check_features(n_features, units_per_feature)
    check_common(
        duration_s=duration_s,
        n_units=n_units,
        refractory_ms=refractory_ms,
        n_contaminated=n_contaminated,
        n_silent=n_silent,
    )
    dead, n_ticks = dead_ticks(refractory_ms), ticks_of(duration_s)
    check_mean_rate(mean_rate_hz, fastest_rate_hz(dead) / 4)
    chains, drive, spiking, order, running = map(
        np.random.default_rng, np.random.SeedSequence(seed).spawn(5)
    )
    n_bins = -(-n_ticks // TICKS_PER_BIN)
    ties, controls = _ties(n_features, chains)
    scheduled = [*ties, *controls]
    on = _draw_schedule(scheduled, n_bins, chains)
    runs = on[:, [tie.name == RUNNING for tie in scheduled]].any(axis=1)
    amplitude = chains.gamma(4.0, 0.25, (n_bins, n_features))
    activation = np.where(on[:, :n_features], amplitude, 0).astype(np.float32)
    loading, base = _draw_drive(activation, n_units, units_per_feature, mean_rate_hz, drive)
    trains, expected, n_cut = _draw_trains(activation, loading, base, dead, n_ticks, spiking)
    extras = draw_extras(n_contaminated, n_silent, mean_rate_hz, dead, n_ticks, spiking)
    mixed = shuffle_units(trains, extras, order)
    n_extra = len(extras.role)
    truth = {
        "unit_id": mixed.unit_id,
        "role": mixed.role,
        "bin_s": np.float64(BIN_S),
        "activation": activation,
        "loading": np.pad(loading, ((0, 0), (0, n_extra)))[:, mixed.order],
        "base_rate_hz": np.float32([*base, *extras.rate_hz])[mixed.order],
        "max_rate_hz": np.float64(fastest_rate_hz(dead)),
        "expected_rate_hz": np.float32([*expected, *extras.rate_hz])[mixed.order],
        "tied_name": np.array([tie.name for tie in ties]),
        "tied_column": np.array([tie.column for tie in ties]),
        "tied_value": np.array([tie.value for tie in ties]),
    }
    notes = refractory_notes(refractory_ms)
    if n_cut:
        notes.append(f"the rate was cut at {fastest_rate_hz(dead):.0f} Hz in {n_cut} bins of units")
    if max(units_per_feature) > n_units:
        notes.append(f"units_per_feature was cut at n_units, {n_units}")
    return Simulation(
        spikes=mixed.spikes,
        units=_units_table(mixed.unit_id, mixed.quality, order),
        intervals=_intervals(on, scheduled, n_ticks, duration_s),
        signals=_running_speed(runs, n_ticks, running),
        truth=truth,
        duration_s=float(duration_s),
        notes=tuple(notes),
    )


def _check_features(n_features: int, units_per_feature: Sequence[int]) -> None:
    refuse_unless(n_features >= 1, "n_features", n_features, "at least 1")
    fits = len(units_per_feature) == 2 and 1 <= units_per_feature[0] <= units_per_feature[1]
    allowed = "[fewest, most], both at least 1"
    refuse_unless(fits, "units_per_feature", units_per_feature, allowed)


def _ties(n_features: int, rng: np.random.Generator) -> tuple[list[Tie], list[Tie]]:
    """Return what each feature is tied to, and the control condition of each stimulus."""
    n_tied = min(n_features, max(2, n_features // 3))
    ties, controls = [Tie("", "", np.nan)] * n_features, []
    for kind, (stimulus, column) in enumerate(STIMULI.items()):
        features = range(kind, n_tied, len(STIMULI))
        n = len(features) + 1
        grid = np.arange(n) * (180 / n) if column == "orientation" else np.arange(n)
        *values, control = (Tie(stimulus, column, float(v)) for v in rng.permutation(grid))
        for feature, tie in zip(features, values, strict=True):
            ties[feature] = tie
        controls.append(control)
    if n_tied < n_features:
        ties[n_tied] = Tie(RUNNING, "", np.nan)
    return ties, controls


def _draw_schedule(
    ties: list[Tie], n_bins: int, rng: np.random.Generator
) -> Bool[np.ndarray, "bin tie"]:
    """Draw when each is on; those tied to one stimulus never at the same time."""
    on = np.zeros((n_bins, len(ties)), dtype=bool)
    for i, tie in enumerate(ties):
        rivals = [j for j, other in enumerate(ties) if tie.column and other.name == tie.name]
        most = min(0.12, 0.6 / len(rivals)) if rivals else 0.12
        on[:, i] = _draw_chain(n_bins, most, on[:, rivals].any(axis=1), rng)
    return on


def _draw_chain(
    n_bins: int, most: float, taken: Bool[np.ndarray, "bin"], rng: np.random.Generator
) -> Bool[np.ndarray, "bin"]:
    """Draw a two-state chain that is on for at most about the share ``most`` of the bins.

    Bouts that meet a ``taken`` bin are left out. A chain with fewer than two bouts is drawn
    again: nothing could learn it.
    """
    n_taken = np.concatenate([[0], np.cumsum(taken)])
    for _ in range(200):
        share = np.exp(rng.uniform(np.log(min(0.01, most / 2)), np.log(most)))
        burst = rng.uniform(3, 12)
        stay_off = burst * (1 - share) / share
        # A cycle has two bins at least. Dwell times have no memory, so that a first state drawn
        # by its share makes the chain stationary from the first bin.
        bouts = rng.geometric(1 / burst, n_bins // 2 + 1)
        pauses = rng.geometric(1 / stay_off, n_bins // 2 + 1)
        start = np.cumsum(bouts + pauses) - bouts
        start -= pauses[0] if rng.random() < share else 0
        stop = np.minimum(start + bouts, n_bins)
        fits = start < n_bins
        start, stop = start[fits], stop[fits]
        free = n_taken[start] == n_taken[stop]
        if free.sum() >= 2:
            edges = np.zeros(n_bins + 1, dtype=np.int8)
            edges[start[free]] += 1
            edges[stop[free]] -= 1
            return np.cumsum(edges[:-1]).astype(bool)
    raise InputError(
        f"duration_s is too short for its features: one was on less than twice in {n_bins} bins",
        fix="raise duration_s or lower n_features under simulations in config",
    )


def _draw_drive(
    activation: Float[np.ndarray, "bin feature"],
    n_units: int,
    units_per_feature: Sequence[int],
    mean_rate_hz: float,
    rng: np.random.Generator,
) -> tuple[Float[np.ndarray, "feature unit"], Float[np.ndarray, "unit"]]:
    """Draw loadings and base rates in Hz that average ``mean_rate_hz`` over units and bins."""
    n_features = activation.shape[1]
    fewest, most = np.minimum(units_per_feature, n_units)
    n_driven = rng.integers(fewest, most, n_features, endpoint=True)
    rank = rng.permuted(np.tile(np.arange(n_units), (n_features, 1)), axis=1)
    loading = np.where(rank < n_driven[:, None], rng.gamma(2.0, 0.5, rank.shape), 0) * GAIN
    base = rng.gamma(2.0, 0.5, n_units)
    floor = min(FLOOR_HZ, mean_rate_hz / 2)
    relative = base + activation.mean(axis=0, dtype=float) @ loading
    scale = (mean_rate_hz - floor) / relative.mean()
    return (scale * loading).astype(np.float32), (floor + scale * base).astype(np.float32)


def _draw_trains(
    activation, loading, base, dead: int, n_ticks: int, rng: np.random.Generator
) -> tuple[list[np.ndarray], list[float], int]:
    """Return each unit's ticks, its expected rate in Hz, and in how many bins rates were cut."""
    limit, n_cut, trains, expected = fastest_rate_hz(dead), 0, [], []
    for unit, base_rate in enumerate(base):
        driven_by = np.flatnonzero(loading[:, unit])
        drive = activation[:, driven_by] @ loading[driven_by, unit]
        planted = base_rate + drive.astype(float)
        rate = np.minimum(planted, limit)
        n_cut += int((planted > limit).sum())
        trains.append(draw_train(rate, TICKS_PER_BIN, dead, n_ticks, rng))
        expected.append(rate.mean(dtype=float))
    return trains, expected, n_cut


def _units_table(unit_id: np.ndarray, quality: list[str], rng: np.random.Generator) -> pd.DataFrame:
    """Two probes; depths count from the tip, which of the first lies in hippocampus."""
    probe = rng.choice(["probeA", "probeB"], len(unit_id))
    depth_um = np.round(rng.uniform(100, 3000, len(unit_id)))
    region = np.select([probe == "probeB", depth_um > 1000], ["VISl", "VISp"], "CA1")
    return pd.DataFrame(
        {
            "unit_id": unit_id,
            "quality": quality,
            "region": region,
            "probe": probe,
            "depth_um": depth_um,
        }
    )


def _intervals(on, ties: list[Tie], n_ticks: int, duration_s: float) -> pd.DataFrame:
    """One row a bout of each feature or control tied to a stimulus, and one invalid interval."""
    frames = []
    for column_on, tie in zip(on.T, ties, strict=True):
        if tie.column:
            change = np.diff(column_on.astype(np.int8), prepend=0, append=0)
            edges = [np.flatnonzero(change == sign) * TICKS_PER_BIN for sign in (1, -1)]
            start_s, stop_s = (np.minimum(e, n_ticks) / SAMPLING_RATE_HZ for e in edges)
            frame = pd.DataFrame({"start_s": start_s, "stop_s": stop_s, "name": tie.name})
            frames.append(frame.assign(**{tie.column: tie.value}))
    # Off the grid of bins, so that masking must cope with bins that are invalid in part.
    start_s, length_s = duration_s / 2 + 0.0137, min(2.0, duration_s / 20)
    invalid = {"start_s": [start_s], "stop_s": [start_s + length_s], "name": [INVALID]}
    intervals = pd.concat([*frames, pd.DataFrame(invalid)], ignore_index=True)
    intervals = intervals.astype({"name": "string", "frame": "Int64"})
    return intervals.sort_values(["start_s", "name"], ignore_index=True)


def _running_speed(runs: np.ndarray, n_ticks: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return the speed in cm/s: rising to 30 while the feature (if there is one) is on."""
    tick = np.arange(0, n_ticks, RUNNING_TICKS)
    target = 30.0 * runs[tick // TICKS_PER_BIN]
    smoothing = np.exp(-RUNNING_TICKS / (0.1 * SAMPLING_RATE_HZ))  # 100 ms to speed up and stop
    speed = lfilter([1 - smoothing], [1, -smoothing], target) + rng.normal(0.5, 0.5, len(tick))
    return long_signal(RUNNING, tick / SAMPLING_RATE_HZ, speed)

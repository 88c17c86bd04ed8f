"""Retinal ganglion cells under a flickering light of four colours, firing in bursts."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy import fft
from scipy.optimize import brentq
from scipy.special import expit

from spikesieve.ingest.simulated_spiking import (
    MAX_OCCUPIED,
    SAMPLING_RATE_HZ,
    Simulation,
    check_common,
    check_mean_rate,
    dead_ticks,
    draw_events,
    draw_extras,
    refractory_notes,
    shuffle_units,
    ticks_of,
)
from spikesieve.ingest.writing import long_signal

WAVELENGTHS_NM = (630, 530, 480, 420)
TICKS_PER_STEP = 30
STEP_S = TICKS_PER_STEP / SAMPLING_RATE_HZ
FILTER_STEPS = 300
N_BURST_SHAPES = 512

#: Dead times of bursts are rounded up to this, so that few different ones are left.
TICKS_PER_LENGTH = 15


class Bursts(NamedTuple):
    """Shapes of a unit's bursts: spike ticks after the first one, and the dead time of each."""

    offset: Int[np.ndarray, "shape spike"]
    n_spikes: Int[np.ndarray, "shape"]
    occupied: Int[np.ndarray, "shape"]


class Stimulus(NamedTuple):
    """The flicker: ``pattern`` (0 or 1) from each ``tick`` to the next, until ``stop_tick``."""

    tick: Int[np.ndarray, "trigger"]
    pattern: Int[np.ndarray, "trigger channel"]
    stop_tick: int


def simulate_retina(
    *,
    seed: int,
    duration_s: float = 300.0,
    n_units: int = 12,
    mean_rate_hz: float = 8.0,
    refractory_ms: float = 2.0,
    n_contaminated: int = 1,
    n_silent: int = 1,
) -> Simulation:
    """Simulate cells that filter a binary noise stimulus of four LEDs (630, 530, 480, 420 nm).

    A trigger comes every 50 ms, give or take a millisecond; from each to the next, every LED is
    on or off at random (signals ``led_630nm`` and so on: a row at each change; one interval
    ``noise``). A cell sums the LEDs through biphasic filters of 300 ms, and a sigmoid turns
    the sum into the rate of bursts at steps of 1 ms. Bursts hold one to six spikes whose intervals
    are ``refractory_ms`` plus gamma(3, 1/4) ms, so that with the default the commonest interval
    is about 2.5 ms. Good cells' mean rates spread from a quarter to twice ``mean_rate_hz``.

    Parameters
    ----------
    n_units : good units; the contaminated, the silent, one ``mua`` and one ``noise`` come on top.
    refractory_ms : absolute dead time after every spike. Under 2 ms, good cells fail the default
        unit filter: its ratio at 8 Hz allows one interval in 300 below 2 ms.

    Returns
    -------
    Simulation, with ``truth`` holding

    - ``unit_id`` (unit,), ``role`` (unit,): good, contaminated, silent, mua, noise
    - ``step_s`` (): 0.001
    - ``rate_hz`` (unit, step) float32: spike rate given the stimulus, averaged over all histories
    - ``expected_rate_hz`` (unit,): its mean over the recording
    - ``filter`` (unit, channel, lag) float32: weight of the light (-1 off, 1 on) ``lag`` steps ago
      (0: the same step); 0 for units that don't follow the stimulus
    - ``wavelength_nm`` (channel,), ``trigger_s`` (trigger,), ``pattern`` (trigger, channel)

    Raises
    ------
    InputError
        A value is out of range.
    """
    check_common(
        duration_s=duration_s,
        n_units=n_units,
        refractory_ms=refractory_ms,
        n_contaminated=n_contaminated,
        n_silent=n_silent,
    )
    dead, n_ticks = dead_ticks(refractory_ms), ticks_of(duration_s)
    check_mean_rate(mean_rate_hz, MAX_OCCUPIED * SAMPLING_RATE_HZ / (dead + 40) / 8)
    flicker, cells, spiking, order = map(
        np.random.default_rng, np.random.SeedSequence(seed).spawn(4)
    )
    stimulus = _draw_stimulus(n_ticks, flicker)
    filters = _draw_filters(n_units, cells)
    drive = _filtered(stimulus, filters, n_ticks)
    trains, rates = [], []
    for unit_drive, target in zip(drive, _target_rates(n_units, mean_rate_hz, cells), strict=True):
        bursts = _draw_bursts(dead, cells.uniform(1.5, 2.5), cells)
        onset_hz = _onset_rate(unit_drive, target, bursts, cells)
        trains.append(_draw_spikes(onset_hz, bursts, n_ticks, spiking))
        rates.append(_spike_rate(onset_hz, bursts))
    extras = draw_extras(n_contaminated, n_silent, mean_rate_hz, dead, n_ticks, spiking)
    mixed = shuffle_units(trains, extras, order)
    constant = np.repeat(np.float32(extras.rate_hz)[:, None], drive.shape[1], axis=1)
    rate_hz = np.concatenate([np.array(rates, dtype=np.float32), constant])[mixed.order]
    padded = np.pad(filters, ((0, len(extras.role)), (0, 0), (0, 0)))
    truth = {
        "unit_id": mixed.unit_id,
        "role": mixed.role,
        "step_s": np.float64(STEP_S),
        "rate_hz": rate_hz,
        "expected_rate_hz": rate_hz.mean(axis=1, dtype=float).astype(np.float32),
        "filter": padded[mixed.order],
        "wavelength_nm": np.array(WAVELENGTHS_NM),
        "trigger_s": stimulus.tick / SAMPLING_RATE_HZ,
        "pattern": stimulus.pattern,
    }
    units = pd.DataFrame({"unit_id": mixed.unit_id, "quality": mixed.quality})
    shown_s = {"start_s": stimulus.tick[0], "stop_s": stimulus.stop_tick}
    shown = {k: [v / SAMPLING_RATE_HZ] for k, v in shown_s.items()}
    return Simulation(
        spikes=mixed.spikes,
        units=units.assign(region="retina", probe="array", depth_um=0.0),
        intervals=pd.DataFrame(shown | {"name": ["noise"]}).astype({"name": "string"}),
        signals=_led_signals(stimulus),
        truth=truth,
        duration_s=float(duration_s),
        notes=tuple(refractory_notes(refractory_ms)),
    )


def _draw_stimulus(n_ticks: int, rng: np.random.Generator) -> Stimulus:
    """Draw triggers every 50 ms on average, from 0.1 s to the end, and a pattern for each."""
    frame = SAMPLING_RATE_HZ // 20
    n = n_ticks // frame + 10
    jitter = np.clip(rng.normal(0, 0.02 * frame, n), -0.1 * frame, 0.1 * frame)
    tick = 2 * frame + np.cumsum(np.rint(frame + jitter).astype(np.int64))
    tick = tick[tick < n_ticks]
    pattern = rng.integers(0, 2, (len(tick), len(WAVELENGTHS_NM)), dtype=np.uint8)
    # The last trigger ends the stimulus; its pattern is never shown.
    return Stimulus(tick[:-1], pattern[:-1], int(tick[-1]))


def _draw_filters(n_units: int, rng: np.random.Generator) -> Float[np.ndarray, "unit channel lag"]:
    """Draw biphasic filters of unit norm: a lobe, then a slower and weaker one of other sign."""
    lag_ms = np.arange(FILTER_STEPS) + 0.5
    shape = (n_units, len(WAVELENGTHS_NM), 1)
    peak_ms = rng.uniform(35, 80, (n_units, 1, 1)) * rng.uniform(0.9, 1.1, shape)

    def lobe(peak):  # t^6 e^(-6 t / peak), 1 at its peak
        return (lag_ms / peak * np.exp(1 - lag_ms / peak)) ** 6

    kernel = lobe(peak_ms) - rng.uniform(0.3, 0.8, shape) * lobe(1.9 * peak_ms)
    polarity = rng.choice([-1.0, 1.0], (n_units, 1, 1))
    opponent = np.where(rng.random(shape) < 0.15, -1, 1)
    kernel *= polarity * opponent * rng.gamma(2.0, 0.5, shape)
    return (kernel / np.linalg.norm(kernel, axis=(1, 2), keepdims=True)).astype(np.float32)


def _filtered(stimulus: Stimulus, filters, n_ticks: int) -> Float[np.ndarray, "unit step"]:
    """Return each cell's filtered light at steps of 1 ms, scaled to a standard deviation of 1."""
    n_steps = -(-n_ticks // TICKS_PER_STEP)
    middle = (np.arange(n_steps) + 0.5) * TICKS_PER_STEP
    shown = np.searchsorted(stimulus.tick, middle, side="right") - 1
    light = 2.0 * stimulus.pattern[shown] - 1
    light[(shown < 0) | (middle >= stimulus.stop_tick)] = 0
    size = fft.next_fast_len(n_steps + FILTER_STEPS, real=True)
    spectrum = fft.rfft(light.T, size)
    drive = np.array([fft.irfft((fft.rfft(f, size) * spectrum).sum(axis=0), size) for f in filters])
    drive = drive[:, :n_steps]
    return drive / drive.std(axis=1, keepdims=True)


def _target_rates(n_units: int, mean_rate_hz: float, rng) -> Float[np.ndarray, "unit"]:
    relative = 0.25 + 1.6 * rng.beta(1.5, 1.7, n_units)
    return mean_rate_hz * np.clip(relative / relative.mean(), 0.2, 2.1)


def _draw_bursts(dead: int, mean_spikes: float, rng: np.random.Generator) -> Bursts:
    n_spikes = np.minimum(rng.geometric(1 / mean_spikes, N_BURST_SHAPES), 6)
    extra_ms = rng.gamma(3.0, 0.25, (N_BURST_SHAPES, 5))
    interval = dead + np.rint(extra_ms * SAMPLING_RATE_HZ / 1000).astype(np.int64)
    offset = np.pad(np.cumsum(interval, axis=1), ((0, 0), (1, 0)))
    last = offset[np.arange(N_BURST_SHAPES), n_spikes - 1]
    occupied = -(-(last + dead) // TICKS_PER_LENGTH) * TICKS_PER_LENGTH
    return Bursts(offset, n_spikes, occupied)


def _onset_rate(drive, target_hz: float, bursts: Bursts, rng) -> Float[np.ndarray, "step"]:
    """Return bursts a second: a sigmoid of ``drive``, set so that spikes average ``target_hz``."""
    highest = MAX_OCCUPIED * SAMPLING_RATE_HZ / bursts.occupied.mean()
    highest *= rng.uniform(0.7, 1.0)
    slope = rng.uniform(2.5, 4.0)
    wanted = target_hz / bursts.n_spikes.mean() / highest

    def excess(threshold):
        return expit(slope * (drive - threshold)).mean() - wanted

    return highest * expit(slope * (drive - brentq(excess, -20, 20, xtol=1e-4)))


def _draw_spikes(onset_hz, bursts: Bursts, n_ticks: int, rng) -> Int[np.ndarray, "spike"]:
    onsets = draw_events(onset_hz, TICKS_PER_STEP, bursts.occupied, rng)
    tick = onsets.tick.astype(np.int64)[:, None] + bursts.offset[onsets.shape]
    exists = np.arange(bursts.offset.shape[1]) < bursts.n_spikes[onsets.shape, None]
    return tick[exists & (tick < n_ticks)]


def _spike_rate(onset_hz, bursts: Bursts) -> Float[np.ndarray, "step"]:
    """Return the mean spike rate: bursts a second times spikes a burst, each at its delay."""
    exists = np.arange(bursts.offset.shape[1]) < bursts.n_spikes[:, None]
    steps, part = np.divmod(bursts.offset[exists] / TICKS_PER_STEP, 1)
    steps = steps.astype(int)
    # A burst starts anywhere in its step, so that a delay of 2.3 steps falls into the second
    # step after it 7 times in 10, into the third 3 times.
    kernel = np.bincount(steps, 1 - part, steps.max() + 2)
    kernel += np.bincount(steps + 1, part, steps.max() + 2)
    return np.convolve(onset_hz, kernel / len(bursts.n_spikes))[: len(onset_hz)]


def _led_signals(stimulus: Stimulus) -> pd.DataFrame:
    """One row at the first trigger and at each change of an LED: it holds until the next row."""
    time_s = stimulus.tick / SAMPLING_RATE_HZ
    frames = []
    for wavelength, value in zip(WAVELENGTHS_NM, stimulus.pattern.T, strict=True):
        changed = np.diff(value, prepend=~value[:1]) != 0
        frames.append(long_signal(f"led_{wavelength}nm", time_s[changed], value[changed]))
    return pd.concat(frames, ignore_index=True)

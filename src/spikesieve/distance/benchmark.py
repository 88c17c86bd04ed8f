"""Time the transform against one pass a spike, and the sieve against plain Python, in one run."""

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Float32, Int

from spikesieve.benchmarking import ratios, take_turns
from spikesieve.distance.inference import infer_spikes
from spikesieve.distance.inference.plain import plain_em
from spikesieve.distance.transform import nearest_spikes, spike_distance

OURS = "spikesieve"


def naive_distance(
    spikes: Any, *, max_distance: float, minimum: float = 0.25
) -> Float32[np.ndarray, "bin"]:
    """Do what ``spike_distance`` does with a pass over the whole recording for each spike.

    Exact up to 2^24 bins. Nothing is allocated in a pass: that would double its time.
    """
    spikes = np.asarray(spikes)
    k = np.arange(len(spikes), dtype=np.float32)
    distance = np.full(len(spikes), max_distance, np.float32)
    gap = np.empty_like(k)
    for n in np.flatnonzero(spikes).astype(np.float32):
        np.subtract(k, n, out=gap)
        np.minimum(distance, np.abs(gap, out=gap), out=distance)
    distance[spikes > 0] = minimum
    return distance


def compare_transform(spikes: Any, *, max_distance: float = 198, repeats: int = 1) -> pd.DataFrame:
    """Return seconds for the distances of a whole recording, ours and one pass a spike.

    ``spikes``: counts ``(bins,)`` of one unit; the busiest one is what the naive form minds most.
    """
    seconds = take_turns(
        {
            OURS: lambda: spike_distance(spikes, max_distance=max_distance),
            "a pass a spike": lambda: naive_distance(spikes, max_distance=max_distance),
        },
        repeats,
    )
    n_spikes = np.count_nonzero(spikes)
    return ratios(seconds, OURS, f"{len(spikes)} bins, {n_spikes} of them with spikes")


def compare_em(
    distance: Float[np.ndarray, "window bin"],
    last_spike: Int[np.ndarray, "window"],
    *,
    prefix: int = 32,
    repeats: int = 3,
) -> pd.DataFrame:
    """Return seconds for the sieve on all windows: plain Python, one thread, all processors.

    A row for each number of threads, the last column in microseconds a window.
    """
    rows = [row.astype(np.float64).tolist() for row in distance]
    last = [int(n) or None for n in last_spike]

    def plain() -> None:
        for row, known in zip(rows, last, strict=True):
            plain_em(row, last_spike=known, prefix=prefix)

    def ours(n_threads: int | None) -> None:
        infer_spikes(distance, last_spike=last_spike, prefix=prefix, n_threads=n_threads)

    one, all_ = f"{OURS}, 1 thread", f"{OURS}, all processors"
    contenders = {"plain Python": plain, one: lambda: ours(1), all_: lambda: ours(None)}
    seconds = take_turns(contenders, repeats)
    size = f"{distance.shape[0]} windows of {distance.shape[1]} bins"
    pairs = [{name: seconds[name], "plain Python": seconds["plain Python"]} for name in (one, all_)]
    tables = [ratios(pair, next(iter(pair)), size) for pair in pairs]
    table = pd.concat(tables, ignore_index=True)
    per_window = [1e6 * seconds[name] / len(distance) for name in (one, all_)]
    return table.assign(us_a_window=np.round(per_window, 1))


def noisy_windows(
    n_windows: int,
    *,
    n_bins: int = 128,
    prefix: int = 32,
    max_distance: float = 198,
    bin_s: float = 18 / 17852.767845719834,
    noise: float = 0.3,
    seed: int = 0,
) -> tuple[Float32[np.ndarray, "window bin"], Int[np.ndarray, "window"]]:
    """Return windows like a network's predictions, and their last spikes (0: none is known).

    Poisson trains of 1 to 20 Hz, distances to spikes on both sides, times ``exp(noise * N(0, 1))``.
    """
    rng = np.random.default_rng(seed)
    now = 1000
    rates = rng.uniform(1, 20, n_windows) * bin_s
    trains = rng.random((n_windows, now + n_bins + 1000)) < rates[:, None]
    clean = np.stack([spike_distance(train, max_distance=max_distance) for train in trains])
    clean = clean[:, now - prefix : now - prefix + n_bins]
    before = np.array([nearest_spikes(train[:now]).previous[-1] for train in trains])
    last = np.where(before < 0, 0, before - now)
    return (clean * np.exp(noise * rng.standard_normal(clean.shape))).astype(np.float32), last

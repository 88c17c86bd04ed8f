"""Honest timing: contenders take turns within one run, and a child's peak memory is measured."""

import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pandas as pd
import pynwb

from spikesieve.files import atomic_path


class Cost(NamedTuple):
    """What a command took: ``seconds`` of wall time and ``peak_mb`` of resident memory."""

    seconds: float
    peak_mb: float


def take_turns(contenders: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return each contender's median seconds over ``repeats`` rounds of ``time_turns``."""
    seconds = time_turns(contenders, repeats)
    return {name: statistics.median(values) for name, values in seconds.items()}


def time_turns(contenders: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Return each contender's seconds in each of ``repeats`` interleaved rounds.

    One unmeasured round comes first (compilation, caches). Interleaving exposes all of them to
    the same noise of a shared machine; ratios within one run are what may be compared.
    """
    seconds = {name: [] for name in contenders}
    for round_ in range(repeats + 1):
        for name, run in contenders.items():
            start = time.perf_counter()
            run()
            if round_:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def measure(command: Sequence[str]) -> Cost:
    """Run ``command`` to its end; raises ``CalledProcessError`` when it fails. Linux only.

    The kernel's own high-water mark is read every 20 ms. That of ``wait4`` would not do: it
    counts what this process held when it forked.
    """
    start, peak_mb = time.perf_counter(), 0.0
    child = subprocess.Popen(command)  # noqa: S603 - our own stages
    while child.poll() is None:
        peak_mb = max(peak_mb, _high_water_mb(child.pid))
        time.sleep(0.02)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)
    return Cost(time.perf_counter() - start, peak_mb)


def _high_water_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def ratios(seconds: dict[str, float], ours: str, size: str) -> pd.DataFrame:
    """Tabulate ours against each other: one row a comparison, with the size of the work."""
    rows = [
        {
            "size": size,
            "ours": ours,
            "ours_s": seconds[ours],
            "other": other,
            "other_s": taken,
            "ratio": taken / seconds[ours],
        }
        for other, taken in seconds.items()
        if other != ours
    ]
    return pd.DataFrame(rows).round({"ours_s": 5, "other_s": 5, "ratio": 1})


def write_large_nwb(path: str | Path, *, n_units: int, n_spikes: int, duration_s: float) -> None:
    """Write the spikes of an Allen-size session as NWB, one unit at a time.

    Rates are log-normal (sigma 1), scaled so that the whole file holds about ``n_spikes``; trains
    are Poisson with a dead time of 3 ms, so that most units pass the filter as in a real session.
    """
    rng = np.random.default_rng(0)
    rates = rng.lognormal(0, 1, n_units)
    per_unit = np.round(rates / rates.sum() * n_spikes).astype(np.int64)

    start = pd.Timestamp("2026-01-01", tz="UTC").to_pydatetime()
    file = pynwb.NWBFile("simulated session of Allen size", "allen-size", start)
    file.add_unit_column("quality", "the sorter's label")
    for unit in range(n_units):
        file.add_unit(id=unit, spike_times=[0.5], quality="good")
    with atomic_path(path) as temporary:
        with pynwb.NWBHDF5IO(temporary, "w") as io:
            io.write(file)
        with h5py.File(temporary, "r+") as opened:  # pynwb has no way to append unit by unit
            _replace_spike_times(opened["units"], per_unit, duration_s, rng)


def _replace_spike_times(units: h5py.Group, per_unit, duration_s: float, rng) -> None:
    attributes = dict(units["spike_times"].attrs)
    del units["spike_times"]
    shape = (int(per_unit.sum()),)
    times = units.create_dataset("spike_times", shape, "f8", chunks=(min(1 << 17, *shape),))
    times.attrs.update(attributes)
    stop = np.cumsum(per_unit)
    for first, last in zip(stop - per_unit, stop, strict=True):
        dead = np.arange(last - first) * 0.003
        free = duration_s - 0.003 * (last - first)
        times[first:last] = np.sort(rng.random(last - first)) * free + dead
    index = dict(units["spike_times_index"].attrs)
    del units["spike_times_index"]
    units.create_dataset("spike_times_index", data=stop.astype(np.uint64)).attrs.update(index)
    units["spike_times_index"].attrs["target"] = times.ref

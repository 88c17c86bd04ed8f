"""Any NWB file with a units table. Spikes stream from the file, unit by unit."""

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pynwb
from jaxtyping import Float64, Int

from spikesieve.errors import InputError
from spikesieve.files import check_sha256
from spikesieve.ingest.nwb_tables import (
    fit_intervals,
    read_intervals,
    read_signals,
    read_units,
)
from spikesieve.ingest.writing import Source
from spikesieve.recording import INVALID
from spikesieve.spikes import check_train, merge_trains

#: Longer than any session: times in samples, milliseconds or since 1970 are caught here.
MAX_DURATION_S = 30 * 24 * 3600.0
SPIKES_PER_READ = 1 << 22
CHUNK_CACHE_BYTES = 1 << 26


def read_nwb(
    path: str | PathLike,
    *,
    recording: str,
    duration_s: float | None = None,
    subject: str | None = None,
    sha256: str | None = None,
) -> Source:
    """Read units, spike times, interval tables and processed signals of an NWB file.

    Parameters
    ----------
    path : the file. ``recording`` : id, named in errors.
    duration_s : length in seconds; left out, the recording ends with its last interval that
        is not invalid, signal sample, observation interval or spike, whichever is latest; a note
        says which. Intervals that start before 0 s are cut there, invalid ones also at the end.
    subject : left out, the file's own subject id.
    sha256 : checksum that the file must have.

    Raises
    ------
    InputError
        The file is missing, empty, cut short, no NWB, without units or spike times, or has
        another checksum. Spike times are checked as ``Source.spikes`` is walked.
    """
    notes: list[str] = []
    with open_nwb(path, recording=recording, sha256=sha256) as file:
        return nwb_source(
            file,
            path,
            recording=recording,
            source="nwb",
            units=read_units(file.units, file.electrodes, notes),
            intervals=read_intervals(file, notes),
            signals=read_signals(file, notes),
            duration_s=duration_s,
            subject=subject,
            notes=notes,
        )


@contextmanager
def open_nwb(
    path: str | PathLike, *, recording: str, sha256: str | None = None
) -> Iterator[pynwb.NWBFile]:
    """Open an NWB file that has units with spike times; raises ``InputError`` as ``read_nwb``."""
    about = {"recording": recording, "path": path}
    check_sha256(path, sha256, recording)
    if Path(path).stat().st_size == 0:
        raise InputError("is empty (0 bytes)", **about, fix="fetch or export the file again")
    _check_hdf5(path, about)
    with warnings.catch_warnings():
        # Files carry the schema that they were written with; pynwb says so on each older one.
        warnings.filterwarnings("ignore", message="Ignoring cached namespace")
        try:
            io = pynwb.NWBHDF5IO(path, "r", load_namespaces=True)
            file = io.read()
        except Exception as error:  # pynwb raises whatever the odd file made it trip over
            raise InputError(
                f"pynwb cannot read it ({type(error).__name__}: {error})",
                **about,
                fix="check it with 'pynwb-validate'; fetch or export the file again",
            ) from error
    with io:
        if file.units is None or len(file.units) == 0:
            raise InputError("has no units", **about, fix="export the sorted units into it")
        if "spike_times" not in file.units.colnames:
            raise InputError(
                "its units have no spike_times",
                **about,
                fix="export spike times; where only counts exist, use the source 'counts'",
            )
        try:
            yield file
        except (OSError, RuntimeError) as error:  # h5py's errors for data it cannot read
            raise InputError(f"damaged ({error})", **about, fix="fetch the file again") from error


def _check_hdf5(path: str | PathLike, about: dict) -> None:
    try:
        with h5py.File(path, "r") as file:
            if "nwb_version" not in file.attrs:
                raise InputError(
                    "is HDF5 but not NWB (no nwb_version)", **about, fix="give an NWB 2 file"
                )
    except OSError as error:
        cut = "truncated" in str(error)
        problem = "is cut short" if cut else "is no HDF5 file, so no NWB file"
        fix = "fetch the file again; a download may have been interrupted" if cut else None
        raise InputError(
            f"{problem} ({error})", **about, fix=fix or "check the path; give an NWB 2 file"
        ) from error


def nwb_source(
    file: pynwb.NWBFile,
    path: str | PathLike,
    *,
    recording: str,
    source: str,
    units: pd.DataFrame,
    intervals: pd.DataFrame,
    signals: pd.DataFrame,
    duration_s: float | None,
    subject: str | None,
    notes: list[str],
    sampling_rate_hz: float | None = None,
) -> Source:
    """Assemble what was read from an open file; its spikes are read when they are walked."""
    about = {"recording": recording, "path": path}
    stop = _stops(file, len(units), about)
    if duration_s is None:
        duration_s = _duration(file.units, intervals, signals, notes)
    if not duration_s <= MAX_DURATION_S:
        raise InputError(
            f"would last {duration_s:.0f} s",
            **about,
            allowed=f"up to {MAX_DURATION_S:.0f} s",
            fix="give times in seconds from the recording's start",
        )
    if sampling_rate_hz is None and file.units.resolution and file.units.resolution > 0:
        sampling_rate_hz = 1 / float(file.units.resolution)
    intervals = fit_intervals(intervals, duration_s, notes)
    unit_ids = units["unit_id"].to_numpy()
    trains = _trains(path, unit_ids, stop, duration_s, recording)
    own_subject = file.subject.subject_id if file.subject is not None else None
    return Source(
        recording=recording,
        source=source,
        path=path,
        duration_s=duration_s,
        sampling_rate_hz=sampling_rate_hz,
        subject=subject or own_subject,
        units=units,
        intervals=intervals,
        signals=signals,
        inputs=[path],
        notes=notes,
        spikes=merge_trains(trains, unit_ids, duration_s),
    )


def _stops(file: pynwb.NWBFile, n_units: int, about: dict) -> Int[np.ndarray, "unit"]:
    """Return where each unit's spikes end in the column of all spike times."""
    index = file.units["spike_times"]
    stop = np.asarray(index.data[:], dtype=np.int64)
    n_spikes = len(index.target.data)
    fits = len(stop) == n_units and stop[-1] == n_spikes and (np.diff(stop, prepend=0) >= 0).all()
    if not fits:
        raise InputError(
            f"spike_times_index ({len(stop)} entries, last {stop[-1:]}) does not fit "
            f"{n_units} units with {n_spikes} spikes",
            **about,
            fix="export the file again",
        )
    return stop


def _duration(units, intervals, signals, notes: list[str]) -> float:
    spike_times, last_spike = units["spike_times"].target.data, 0.0
    for start in range(0, len(spike_times), SPIKES_PER_READ):
        last_spike = max(last_spike, _latest(spike_times[start : start + SPIKES_PER_READ]))
    usable = intervals["name"] != INVALID  # "bad from here on" may have any end
    ends = {"interval": intervals["stop_s"][usable], "signal sample": signals["time_s"]}
    if "obs_intervals" in units.colnames:
        ends["observation interval"] = np.ravel(units["obs_intervals"].target.data[:])
    end, what = max((_latest(times), what) for what, times in ends.items())
    if end <= last_spike:  # the next millisecond: a recording's spikes lie before its end
        end, what = (math.floor(last_spike * 1000) + 1) / 1000, "spike"
    notes.append(f"duration_s was not given: the recording ends with its last {what}")
    return float(end)


def _latest(times) -> float:
    times = np.asarray(times, dtype=float)
    return float(np.max(times, where=np.isfinite(times), initial=0.0))


def _trains(
    path, unit_ids, stop, duration_s, recording
) -> Callable[[], Iterator[Float64[np.ndarray, "spike"]]]:
    """Return a function that walks the units' spike trains, opening the file for each walk."""

    def walk():
        try:
            with h5py.File(path, "r", rdcc_nbytes=CHUNK_CACHE_BYTES) as file:
                times = file["units/spike_times"]
                for unit, first, last in zip(unit_ids, [0, *stop[:-1]], stop, strict=True):
                    yield check_train(
                        times[first:last],
                        unit_id=unit,
                        duration_s=duration_s,
                        recording=recording,
                        source=path,
                    )
        except OSError as error:
            raise InputError(
                f"damaged: spike times cannot be read ({error})",
                recording=recording,
                path=path,
                fix="fetch the file again",
            ) from error

    return walk

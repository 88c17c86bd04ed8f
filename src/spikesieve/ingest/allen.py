"""Allen Visual Coding Neuropixels session files, read without AllenSDK.

The layout is the one AllenSDK 2.16 writes and ``EcephysSession`` reads: a unit's area and depth
are those of the electrode of its ``peak_channel_id``, each stimulus has a table of presentations.
Spike times of all probes are on one clock already.
"""

from os import PathLike

import numpy as np
import pandas as pd
import pynwb

from spikesieve.errors import InputError
from spikesieve.ingest.nwb import nwb_source, open_nwb
from spikesieve.ingest.nwb_tables import read_intervals, read_units, scalar_columns, signal_frames
from spikesieve.ingest.writing import Source, long_signal, no_signals

#: Columns of the peak channel that go with a unit, under AllenSDK's names.
CHANNEL_COLUMNS = {
    "valid_data": "valid_data",
    "probe_id": "probe_id",
    "probe_horizontal_position": "probe_horizontal_position",
    "x": "anterior_posterior_ccf_coordinate",
    "y": "dorsal_ventral_ccf_coordinate",
    "z": "left_right_ccf_coordinate",
}


def read_allen(
    path: str | PathLike, *, recording: str, subject: str | None = None, sha256: str | None = None
) -> Source:
    """Read a session file: all units, all presentations, running speed, pupil area, invalid times.

    No unit is left out: AllenSDK's default filters can be redone on the columns ``quality``,
    ``valid_data`` and ``region``, and on the session's own metrics (``source_isi_violations``
    is the ratio at 1.5 ms; the project's is recomputed at 2 ms).

    Raises
    ------
    InputError
        As ``read_nwb``; or the file is an NWB file of another layout.
    """
    notes: list[str] = []
    with open_nwb(path, recording=recording, sha256=sha256) as file:
        _check_layout(file, recording, path)
        return nwb_source(
            file,
            path,
            recording=recording,
            source="allen",
            units=_units(file, notes),
            intervals=read_intervals(file, notes),
            signals=_signals(file, notes),
            duration_s=None,
            subject=subject,
            notes=notes,
            sampling_rate_hz=_sampling_rate(file, notes),
        )


def _check_layout(file: pynwb.NWBFile, recording: str, path: str | PathLike) -> None:
    electrodes = file.electrodes.colnames if file.electrodes is not None else ()
    wanted = {
        "unit column 'peak_channel_id'": "peak_channel_id" in file.units.colnames,
        "electrode column 'probe_vertical_position'": "probe_vertical_position" in electrodes,
        "electrode column 'location'": "location" in electrodes,
        "a table of presentations": any(k.endswith("_presentations") for k in file.intervals or ()),
    }
    if missing := [what for what, there in wanted.items() if not there]:
        raise InputError(
            f"is no Allen Visual Coding Neuropixels session: it lacks {', '.join(missing)}",
            recording=recording,
            path=path,
            fix="set source to 'nwb' in the sheet of recordings",
        )


def _units(file: pynwb.NWBFile, notes: list[str]) -> pd.DataFrame:
    units = read_units(file.units, file.electrodes, notes)
    channels, _ = scalar_columns(file.electrodes, skip=("group",))
    channels.index = np.asarray(file.electrodes.id[:])
    kept = {
        old: new for old, new in CHANNEL_COLUMNS.items() if old in channels and new not in units
    }
    peak = channels[list(kept)].rename(columns=kept).reindex(units["peak_channel_id"])
    return units.join(peak.reset_index(drop=True))


def _signals(file: pynwb.NWBFile, notes: list[str]) -> pd.DataFrame:
    frames = []
    if running := _interface(file, "running", "running_speed"):
        frames += signal_frames(running, "running_speed", notes)
    else:
        notes.append("the file has no running speed")
    if area := _interface(file, "raw_gaze_mapping", "pupil_area"):
        frames += signal_frames(area, "pupil_area", notes)
    elif fits := _interface(file, "eye_tracking", "pupil_ellipse_fits"):
        # AllenSDK's own area takes the pupil for a circle that is seen at an angle.
        radius = np.fmax(fits["width"][:], fits["height"][:])
        frames.append(long_signal("pupil_area", fits["timestamps"][:], np.pi * radius**2))
        notes.append("pupil_area is computed from the ellipse fits (no gaze mapping in the file)")
    else:
        notes.append("the file has no pupil tracking")
    return pd.concat(frames, ignore_index=True) if frames else no_signals()


def _interface(file: pynwb.NWBFile, module: str, name: str):
    modules = file.processing
    return modules[module].data_interfaces.get(name) if module in modules else None


def _sampling_rate(file: pynwb.NWBFile, notes: list[str]) -> float | None:
    devices = {name: getattr(d, "sampling_rate", None) for name, d in file.devices.items()}
    rates = {name: float(rate) for name, rate in devices.items() if rate}
    if len(set(rates.values())) > 1:
        notes.append(f"probes were sampled at {rates} Hz; the highest is noted as the rate")
    return max(rates.values(), default=None)

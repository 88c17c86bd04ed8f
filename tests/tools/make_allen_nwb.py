"""Write a small session in the Allen Visual Coding Neuropixels layout with AllenSDK's own writer.

Runs in the AllenSDK environment: ``python make_allen_nwb.py OUT.nwb [SESSION_ID]``. Spikes are
invented. Two probes, 12 units, 40 s: spontaneous, flashes, gratings; running; pupil; an invalid
interval. Unit 3 of each probe is noise, unit 5 has no brain area.
"""

import sys
import tempfile
import warnings
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

warnings.simplefilter("ignore")

import pynwb  # noqa: E402
from allensdk.brain_observatory.behavior.data_objects.stimuli.presentations import (  # noqa: E402
    Presentations,
)
from allensdk.brain_observatory.ecephys.write_nwb import __main__ as writer  # noqa: E402
from allensdk.brain_observatory.nwb import (  # noqa: E402
    add_invalid_times,
    add_stimulus_timestamps,
)

DURATION_S, CHANNELS, UNITS = 40.0, 12, 6
METRICS = (
    "isolation_distance l_ratio d_prime nn_hit_rate nn_miss_rate max_drift cumulative_drift "
    "silhouette_score waveform_duration waveform_halfwidth PT_ratio repolarization_slope "
    "recovery_slope amplitude spread velocity_above velocity_below snr"
)


def presentations() -> pd.DataFrame:
    """Return one row a presentation, with the columns and the odd texts of the real tables."""
    rows = [{"start_time": 1.0, "stop_time": 5.0, "stimulus_name": "spontaneous"}]
    for i in range(6):
        flash = {"color": ["1.0", "-1.0"][i % 2], "contrast": 0.8, "phase": 0.0}
        start = 5.0 + 2 * i
        rows.append(
            {"start_time": start, "stop_time": start + 0.25, "stimulus_name": "flashes", **flash}
        )
    for i, orientation in enumerate([0.0, 90.0, np.nan, 45.0]):
        grating = {"orientation": orientation, "contrast": 0.8, "phase": "[5308.98, 5308.98]"}
        grating |= {"spatial_frequency": "0.04", "temporal_frequency": "null" if i == 2 else "2.0"}
        start = 20.0 + 3 * i
        rows.append(
            {
                "start_time": start,
                "stop_time": start + 2,
                "stimulus_name": "drifting_gratings",
                **grating,
            }
        )
    table = pd.DataFrame(rows)
    table["stimulus_index"] = pd.factorize(table["stimulus_name"])[0].astype(float)
    table["stimulus_block"] = table["stimulus_index"]
    return table


def probe(number: int, folder: Path, rng: np.random.Generator) -> dict:
    """Return the description of a probe that AllenSDK's writer takes, with its files in folder."""
    name, first_channel, first_unit = (
        "probe" + "AB"[number],
        1000 + 100 * number,
        5000 + 100 * number,
    )
    channels = [
        {
            "id": first_channel + c,
            "probe_id": 700 + number,
            "valid_data": c != 4,
            "probe_channel_number": c,
            "local_index": c,
            "probe_vertical_position": 20 * (c // 2 + 1),
            "probe_horizontal_position": [43, 11, 59, 27][c % 4],
            "structure_acronym": "None" if c >= 10 else ["VISp", "CA1"][number],
            "structure_id": None,
            "anterior_posterior_ccf_coordinate": 8000.0 + c,
            "dorsal_ventral_ccf_coordinate": 1000.0,
            "left_right_ccf_coordinate": 9000.0,
            "impedance": np.nan,
            "filtering": "",
        }
        for c in range(CHANNELS)
    ]
    metrics = dict.fromkeys(METRICS.split(), 1.0)
    units = [
        {
            "id": first_unit + u,
            "peak_channel_id": first_channel + 2 * u,
            "local_index": u,
            "cluster_id": u,
            "quality": "noise" if u == 3 else "good",
            "firing_rate": 5.0,
            "isi_violations": 0.9 if u == 1 else 0.1,
            "presence_ratio": 0.99,
            "amplitude_cutoff": 0.01,
            **metrics,
        }
        for u in range(UNITS)
    ]
    times = np.sort(rng.random(UNITS * 200) * (DURATION_S - 1))
    arrays = {
        "spike_times_path": times,
        "spike_clusters_file": rng.integers(0, UNITS, len(times)).astype("int32"),
        "spike_templates_path": np.zeros(len(times), "int32"),
        "spike_amplitudes_path": np.ones(len(times)),
        "templates_path": np.ones((UNITS, 82, CHANNELS), "float32"),
        "inverse_whitening_matrix_path": np.eye(CHANNELS),
        "mean_waveforms_path": np.ones((UNITS, CHANNELS, 82)),
    }
    for key, values in arrays.items():
        np.save(folder / f"{name}_{key}.npy", values)
    return {
        "id": 700 + number,
        "name": name,
        "sampling_rate": 30000.0 - number * 0.05,
        "lfp_sampling_rate": 2500.0,
        "temporal_subsampling_factor": 2.0,
        "lfp": None,
        "csd_path": None,
        "channels": channels,
        "units": units,
        **{key: str(folder / f"{name}_{key}.npy") for key in arrays},
    }


def add_eye_tracking(file: pynwb.NWBFile, with_gaze: bool) -> None:
    """Add ellipse fits and, if asked, gaze mapping, at 30 Hz; some frames are blinks (NaN)."""
    time = pd.Series(np.arange(0, DURATION_S, 1 / 30))
    fits = pd.DataFrame(
        {"center_x": 300.0, "center_y": 200.0, "height": 20.0, "phi": 0.0}, time.index
    )
    fits["width"] = 30 + 10 * np.sin(time)
    fits.loc[10:12, ["width", "height"]] = np.nan
    area = np.pi * np.fmax(fits["width"], fits["height"]) ** 2
    screen = pd.DataFrame(np.zeros((len(time), 2)))
    parts = {"eye_areas": area, "pupil_areas": area}
    parts |= {"screen_coordinates": screen, "screen_coordinates_spherical": screen}
    gaze = {f"{kind}_{k}": v for kind in ("raw", "new") for k, v in parts.items()}
    gaze["synced_frame_timestamps"] = time
    ellipses = {f"{what}_params": fits for what in ("pupil", "cr", "eye")}
    writer.add_eye_tracking_data_to_nwbfile(file, time, ellipses, gaze if with_gaze else None)


def main(output: Path, session: int, with_gaze: bool = True) -> None:
    """Write the session file."""
    rng = np.random.default_rng(session)
    table = presentations()
    file = pynwb.NWBFile(
        "Data and metadata for an Ecephys session",
        str(session),
        datetime(2019, 1, 8, tzinfo=UTC),
        session_id=str(session),
    )
    subject = {"specimen_name": "mouse", "age_in_days": 100.0, "full_genotype": "wt/wt", "sex": "M"}
    subject |= {"strain": "C57BL/6J", "species": "Mus musculus", "donor_id": 42}
    writer.add_metadata_to_nwbfile(file, subject | {"stimulus_name": "brain_observatory_1.1"})
    add_stimulus_timestamps(file, table["start_time"].to_numpy())
    Presentations(presentations=table, sort_columns=False).to_nwb(file)
    invalid = {"type": "EcephysProbe", "id": 700, "label": "probeA"}
    add_invalid_times(file, [invalid | {"start_time": 30.0, "end_time": 31.0}])
    with tempfile.TemporaryDirectory() as folder:
        writer.add_probewise_data_to_nwbfile(file, [probe(n, Path(folder), rng) for n in (0, 1)])
    time = np.arange(0, DURATION_S, 1 / 60)
    running = {"start_time": time[:-1], "end_time": time[1:]}
    speed = pd.DataFrame(running | {"velocity": 10 * np.sin(time[:-1]), "net_rotation": 0.0})
    writer.add_running_speed_to_nwbfile(file, speed)
    add_eye_tracking(file, with_gaze)
    with pynwb.NWBHDF5IO(str(output), "w") as io:
        io.write(file)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), with_gaze="--no-gaze" not in sys.argv)

"""Write what AllenSDK's EcephysSession reads of a session file as npz (in its environment).

``python dump_allensdk.py SESSION.nwb OUT.npz``. ``default_units`` are those that its default
filters leave; everything else is read with all filters off.
"""

import sys
import warnings

import numpy as np

warnings.simplefilter("ignore")

from allensdk.brain_observatory.ecephys.ecephys_session import EcephysSession  # noqa: E402

NO_FILTER = {
    "filter_by_validity": False,
    "filter_out_of_brain_units": False,
    "amplitude_cutoff_maximum": np.inf,
    "presence_ratio_minimum": -np.inf,
    "isi_violations_maximum": np.inf,
}


def main(session_file: str, output: str) -> None:
    """Read and dump."""
    session = EcephysSession.from_nwb_path(session_file, api_kwargs=NO_FILTER)
    default = EcephysSession.from_nwb_path(session_file)
    ids = session.units.index.to_numpy()
    trains = [session.spike_times[unit] for unit in ids]
    shown, running = session.stimulus_presentations, session.running_speed
    gaze = session.get_screen_gaze_data()
    np.savez(
        output,
        unit_id=ids,
        n_spikes=[len(train) for train in trains],
        time_s=np.concatenate(trains),
        area=session.units["structure_acronym"].fillna("").to_numpy().astype(str),
        depth_um=session.units["probe_vertical_position"].to_numpy(dtype=float),
        probe=session.units["probe_description"].to_numpy().astype(str),
        default_units=default.units.index.to_numpy(),
        stimulus=shown["stimulus_name"].to_numpy().astype(str),
        start_s=shown["start_time"].to_numpy(dtype=float),
        stop_s=shown["stop_time"].to_numpy(dtype=float),
        running_s=running["start_time"].to_numpy(),
        running=running["velocity"].to_numpy(),
        pupil_s=[] if gaze is None else gaze.index.to_numpy(),
        pupil_area=[] if gaze is None else gaze["raw_pupil_area"].to_numpy(),
        invalid=session.get_invalid_times()[["start_time", "stop_time"]].to_numpy(dtype=float),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Make a folder that AllenSDK takes for its cache, so that nothing is fetched for what lies there.

``python make_cache.py FOLDER SESSION.nwb ...``: the table of sessions, and each session's file.
"""

import csv
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import h5py

RELEASED = (715093703, 732592105, 742951821, 760693773, 847657808)
COLUMNS = {
    "specimen_id": 717038288,
    "session_type": "brain_observatory_1.1",
    "age_in_days": 100.0,
    "sex": "M",
    "genotype": "wt/wt",
    "date_of_acquisition": "2019-01-09T00:26:20Z",
    "published_at": "2019-10-03T00:00:00Z",
    "isi_experiment_id": 720112206,
    "has_nwb": True,
}


def make_cache(folder: Path, files: Sequence[Path] = ()) -> Path:
    """Fill ``folder`` with ``sessions.csv`` and the given session files; return it."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = set(RELEASED)
    for file in files:
        with h5py.File(file) as opened:
            session = int(opened["identifier"][()])
        ids.add(session)
        place = session_file(folder, session)
        place.parent.mkdir(exist_ok=True)
        shutil.copyfile(file, place)
    with (folder / "sessions.csv").open("w", newline="") as table:
        writer = csv.DictWriter(table, ["id", *COLUMNS])
        writer.writeheader()
        writer.writerows({"id": i} | COLUMNS for i in sorted(ids))
    return folder


def session_file(folder: Path, session: int) -> Path:
    """Return where AllenSDK keeps a session's file."""
    return folder / f"session_{session}" / f"session_{session}.nwb"


if __name__ == "__main__":
    make_cache(Path(sys.argv[1]), [Path(p) for p in sys.argv[2:]])

"""Write the configuration of all real recordings: python make_config.py DATA > real.yaml.

DATA is the folder of real recordings that the tests use (they are not part of the project). With
``--compare`` after it, every method is compared on those with labels, and on a simulation.
"""

import sys
from pathlib import Path

import yaml

GABOR_SESSIONS = (732592105, 742951821)


def real_config(data: Path) -> dict:
    """Return a configuration of every real recording under ``data``."""
    gabor = data / "counts/allen_gabor"
    rows = [
        {
            "recording": "kilosort4",
            "source": "kilosort",
            "path": str(data / "kilosort/ks4_ibl_zfm02370"),
            "subject": "ZFM-02370",
        },
        *(
            {
                "recording": f"allen_gabor_{session}",
                "source": "counts",
                "path": str(gabor / f"{session}_gabor_spike_counts.npz"),
                "bin_ms": 250,
                "layout": "units_by_bins",
                "units": str(gabor / f"{session}_visual_unit_population.csv"),
                "bins": str(gabor / f"{session}_gabor_trial_gaze_table.csv"),
            }
            for session in GABOR_SESSIONS
        ),
        {
            "recording": "hc11_buddy",
            "source": "counts",
            "path": str(data / "counts/hc11_buddy/buddy_safe.npz"),
            "bin_ms": 25,
        },
        {
            "recording": "chicken_retina",
            "source": "retina",
            "path": str(data / "retina/chicken_2021_08_17.tar.gz"),
            "sha256": "26814f23f8f320be599bb065b24e68b76fc2ee03cdf75e0148dc9ae3b460bceb",
        },
        {
            "recording": "allen_layout",
            "source": "allen",
            "path": str(data / "nwb/allen_layout/session_732592105.nwb"),
        },
        {
            "recording": "human_dandi",
            "source": "nwb",
            "path": str(data / "nwb/dandi000207_sub4/sub-4_ses-4_ecephys+image.nwb"),
        },
    ]
    unlabelled = {"units": {"quality": ["good", "unsorted"]}}
    retina = {
        "units": {
            "min_firing_rate_hz": 0.75,
            "max_firing_rate_hz": 19,
            "max_isi_violations": None,
        }
    }
    return {
        "recordings": rows,
        "overrides": {
            "hc11_buddy": unlabelled,
            "human_dandi": unlabelled,
            "chicken_retina": retina,
        },
    }


#: Every method that fits all recordings; those that need what some lack stand in ``OF_ONE``.
METHODS = (
    "mean",
    *(n + s for n in ("raw", "pca", "factor_analysis", "nmf", "ica") for s in ("", "_smoothed")),
    *("nmf_frobenius", "cebra_time", "cebra_behaviour", "lfads"),
)
#: A gabor is a bin of its own: methods that look over time find nothing, and get one session only.
SESSION = GABOR_SESSIONS[1]
DEEP = ("cebra_time", "cebra_behaviour", "lfads")
#: Trials of equal length, several bins each, are in the Allen-layout session only; it shows each
#: kind of stimulus in one long block, so that every split needs a part of each. The rat's position
#: is what CEBRA was made for, and it gets longer there; bins of 25 ms take wider smoothing.
OF_ONE = {
    "allen_layout": {
        "counts": {"split": [["train", 6], ["validation", 1], ["test", 3]] * 6},
        "baselines": {"methods": [*METHODS, "slicetca"]},
    },
    "hc11_buddy": {
        "baselines": {
            "smoothing": [4.0, 2.0, 8.0],
            "settings": {"cebra_time": {"n_steps": 2000}},
        },
        "sweep": {"smoothing": [4.0, 2.0, 8.0, 0.0]},
    },
    **{
        f"allen_gabor_{session}": {
            "baselines": {
                "methods": [
                    name
                    for name in METHODS
                    if not name.endswith("_smoothed") and not (name in DEEP and session != SESSION)
                ]
            },
            "sweep": {"smoothing": [0.0]},
        }
        for session in GABOR_SESSIONS
    },
}


def compared_config(data: Path) -> dict:
    """Return a configuration that holds all methods against each other, on what has labels."""
    every = real_config(data)
    rows = [r for r in every["recordings"] if r["recording"] not in ("kilosort4", "human_dandi")]
    rows.append({"recording": "planted", "source": "simulated", "path": "features"})
    names = {row["recording"] for row in rows}
    overrides = {k: v for k, v in every["overrides"].items() if k in names}
    overrides |= {k: overrides.get(k, {}) | v for k, v in OF_ONE.items()}
    return {
        "recordings": rows,
        "overrides": overrides,
        "sae": {"nulls": ["shifted"]},
        "distance": {"recordings": []},
        "baselines": {
            "methods": [*METHODS],
            "n_seeds": 2,
            "n_components": [16, 32],
            # Raw counts predict no hidden unit, so that nothing chooses: they take the first.
            "smoothing": [2.0, 1.0],
        },
    }


if __name__ == "__main__":
    make = compared_config if "--compare" in sys.argv else real_config
    yaml.safe_dump(make(Path(sys.argv[1]).resolve()), sys.stdout, sort_keys=False)

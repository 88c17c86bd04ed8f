"""A small recording with planted features, and runs that found them, for tests of meaning."""

import numpy as np
import pandas as pd
import scipy.sparse

from spikesieve.count_table import CountTable
from spikesieve.evaluation import latents_table, metrics_table, score_latents
from spikesieve.recording import write_table

BIN_S, N_BINS, N_UNITS = 0.05, 6000, 12
SETTINGS = {
    "quantiles": 4,
    "max_classes": 20,
    "min_repeats": 3,
    "leave_out": ["*_id"],
    "angles": {"orientation": 180, "heading": 360},
    "joint": {"position": {"of": ["x", "y"]}},
    "lags_ms": [0, 50, 100],
    "min_bins": 5,
    "n_shifts": 500,
    "least_shift_s": 2.0,
    "effect": 0.1,
    "min_stability": 0.7,
    "triggered_s": [-0.2, 0.5],
    "n_folds": 3,
    "n_blocks": 5,
}
#: Bins by which the planted "image 1" latent lags behind.
LAG = 2


def splits() -> np.ndarray:
    """Train, validation, test in contiguous blocks with gaps."""
    split = np.full(N_BINS, "gap", dtype=object)
    split[:4000], split[4020:4500], split[4520:] = "train", "validation", "test"
    return split


def intervals(seed: int = 0) -> pd.DataFrame:
    """Images 0 to 3 and gratings of four orientations, half a second each with pauses."""
    rng = np.random.default_rng(seed)
    start = np.arange(0.5, N_BINS * BIN_S - 1.5, 1.0) + rng.uniform(0, 0.2, 298)
    name = rng.choice(["image", "grating"], len(start))
    table = pd.DataFrame({"start_s": start, "stop_s": start + 0.5, "name": name})
    frame = rng.integers(4, size=len(start)).astype(float)
    angle = rng.choice([0.0, 45.0, 90.0, 135.0], len(start))
    return table.assign(
        frame=np.where(name == "image", frame, np.nan),
        orientation=np.where(name == "grating", angle, np.nan),
        row_id=np.arange(len(start)),
    )


def signals(seed: int = 1) -> pd.DataFrame:
    """A slow speed, 50 samples a second."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(0, N_BINS * BIN_S, 0.02)
    steps = rng.standard_normal(len(time_s))
    speed = np.convolve(steps, np.ones(200) / 200, mode="same")
    return pd.DataFrame({"time_s": time_s, "name": "speed", "value": speed.astype(np.float32)})


def latents(conditions: pd.DataFrame, seed: int = 0) -> np.ndarray:
    """Activations of 8 latents: image 1 (lagging), orientation 45°, speed, and 5 of noise."""
    rng = np.random.default_rng(seed)

    def when(variable, label):
        mine = conditions[(conditions["variable"] == variable) & (conditions["label"] == label)]
        on = np.zeros(N_BINS, bool)
        on[mine["bin"]] = True
        return on

    active = rng.random((N_BINS, 8)) < 0.05
    active[:, 0] |= np.roll(when("frame", "1"), LAG) & (rng.random(N_BINS) < 0.9)
    active[:, 1] |= when("orientation", "45°") & (rng.random(N_BINS) < 0.9)
    found = np.where(active, rng.gamma(4, 0.25, (N_BINS, 8)), 0)
    speed = conditions[conditions["variable"] == "speed"].set_index("bin")["value"]
    filled = speed.reindex(range(N_BINS)).fillna(0).to_numpy()
    found[:, 2] = np.maximum(filled + rng.normal(0, 0.02, N_BINS), 0)
    return found


def counts_of(activations: np.ndarray, seed: int = 0) -> np.ndarray:
    """Poisson counts: unit u is driven by latent u mod 8, more by the first."""
    rng = np.random.default_rng(seed)
    loading = np.zeros((8, N_UNITS))
    loading[np.arange(N_UNITS) % 8, np.arange(N_UNITS)] = np.linspace(3, 1, N_UNITS)
    return rng.poisson(0.2 + activations @ loading).astype(np.uint8)


def count_table(counts: np.ndarray) -> CountTable:
    """The counts as the project holds them."""
    time_s = BIN_S * np.arange(N_BINS)
    return CountTable(counts, np.arange(10, 10 + N_UNITS, dtype=np.int32), time_s, splits())


def units() -> pd.DataFrame:
    """Areas and depths of the units."""
    unit_id = np.arange(10, 10 + N_UNITS, dtype=np.int32)
    region = ["VISp"] * 6 + [None] * 6
    return pd.DataFrame({"unit_id": unit_id, "region": region, "depth_um": 20.0 * unit_id})


def write_run(folder, activations, *, seed=0, method="sae", model="default") -> None:
    """Write ``latents.parquet`` and ``metrics.parquet`` of one run."""
    folder.mkdir(parents=True)
    inside = np.flatnonzero(splits() != "gap")
    found = scipy.sparse.csr_array(activations.astype(np.float32))
    write_table(folder / "latents.parquet", "latents", latents_table(found[inside], inside))
    names = {"recording": "r", "method": method, "model": model, "seed": seed, "split": "test"}
    scores = score_latents(found[np.flatnonzero(splits() == "test")])
    write_table(folder / "metrics.parquet", "metrics", metrics_table(scores, **names))

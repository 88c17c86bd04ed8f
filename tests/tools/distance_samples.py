"""A small recording for tests of spike distance: units that follow a flicker, in bins of 1 ms."""

import numpy as np

from spikesieve.distance.bins import Bins

#: Settings of a network that trains in a second; windows of 64 bins in and 24 out.
SMALL = {
    "n_in": 64,
    "prefix": 8,
    "future": 16,
    "counts": [5, 10],
    "max_distance": 30,
    "stride": 8,
    "patch": 4,
    "widths": [8, 12],
    "depths": [1, 1],
    "embedding": 4,
    "layers": 1,
    "attention_heads": 2,
    "history_patch": 16,
    "n_steps": 12,
    "batch_windows": 8,
    "batch_units": 2,
    "validations": 3,
}


def flicker_bins(n_units=3, n_bins=4000, seed=0, recording="flicker") -> Bins:
    """Return units that fire more, 10 bins later, where a two-channel flicker is bright."""
    random = np.random.default_rng(seed)
    stimulus = np.repeat(random.choice([-1.0, 1.0], (2, n_bins // 25)), 25, axis=1)
    gain = random.normal(size=(n_units, 2))
    drive = np.roll(gain @ stimulus, 10, axis=1)
    rate = 0.02 * np.exp(drive - drive.mean(axis=1, keepdims=True))
    spikes = (random.random((n_units, n_bins)) < np.minimum(rate, 0.4)).astype(np.uint8)
    split = np.array(["train"] * (n_bins // 2) + ["validation"] * (n_bins // 4), dtype=object)
    split = np.concatenate([split, np.array(["test"] * (n_bins - len(split)), dtype=object)])
    return Bins(
        recording,
        np.arange(n_units, dtype=np.int32) * 2 + 1,
        spikes,
        ("led_a", "led_b"),
        stimulus.astype(np.float32),
        split,
        0.001,
    )

"""Windows of planted trains, with and without noise, for the tests of the inference."""

import numpy as np

from spikesieve.distance import spike_distance


def windows(n, *, n_bins=128, prefix=32, clamp=198, noise=0.0, seed=0):
    """Return distances of Poisson trains of 1 to 100 Hz, last spikes (0: none), and the truth."""
    rng = np.random.default_rng(seed)
    distance, last, truth = [], [], []
    for _ in range(n):
        train = rng.random(4 * n_bins) < rng.choice([0.001, 0.005, 0.02, 0.1])
        now = 2 * n_bins
        whole = spike_distance(train, max_distance=clamp)
        distance.append(whole[now - prefix : now - prefix + n_bins])
        past = np.flatnonzero(train[:now])
        last.append(past[-1] - now if len(past) else 0)
        truth.append(train[now : now - prefix + n_bins])
    distance = np.array(distance) * np.exp(noise * rng.standard_normal((n, n_bins)))
    return distance.astype(np.float32), np.array(last), np.array(truth)

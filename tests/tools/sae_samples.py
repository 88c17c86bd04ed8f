"""Small counts with planted features, and small autoencoders, for the tests of the engine."""

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from spikesieve.errors import InputError
from spikesieve.sae import SparseAutoencoder
from spikesieve.sae.inputs import fit_scalings, make_data
from spikesieve.sae.names import LOSSES, OUTPUT_ACTIVATIONS, check_pairing

#: Shapes that disagree are met by the tests' shape checker before they are by our own checks.
REFUSED = (InputError, TypeError)

torch.set_num_threads(1)  # work this small gains nothing from more, and test runs share cores


def loss_pairs():
    """Return each loss and output activation that go together, and a normalisation for them."""
    pairs = []
    for loss in LOSSES:
        for activation in OUTPUT_ACTIVATIONS:
            normalisation = "sqrt_centred" if activation == "none" else "none"
            try:
                check_pairing(loss, activation, normalisation)
            except InputError:
                continue
            pairs.append((loss, activation, normalisation))
    return pairs


def planted(n_bins=1500, n_units=30, n_features=10, share_on=0.08, seed=0):
    """Return Poisson counts (uint8) and the activity of the sparse features that drive them."""
    rng = np.random.default_rng(seed)
    features = (rng.random((n_bins, n_features)) < share_on) * rng.gamma(
        4, 0.25, (n_bins, n_features)
    )
    loadings = np.zeros((n_features, n_units))
    for row in loadings:
        row[rng.choice(n_units, 6, replace=False)] = rng.gamma(6, 0.7, 6)
    return rng.poisson(0.1 + features @ loadings).astype(np.uint8), features


def bursts(n_bins=2000, n_units=20, n_features=6, burst=6, rate=0.25, seed=0):
    """Return faint counts of features that stay on for ``burst`` bins, and their activity."""
    rng = np.random.default_rng(seed)
    on = np.repeat(rng.random((n_bins // burst + 1, n_features)) < 0.12, burst, axis=0)[:n_bins]
    loadings = np.zeros((n_features, n_units))
    for row in loadings:
        row[rng.choice(n_units, 5, replace=False)] = 3 * rate
    return rng.poisson(0.05 + on @ loadings).astype(np.uint8), on.astype(float)


def small(*architecture, **changes):
    """Return a small autoencoder that is not fitted yet."""
    budget = {"n_latents": 24, "k": 3} if "levels" not in changes else {}
    rest = {"n_steps": 60, "batch_size": 256, "learning_rate": 0.02, "device": "cpu"}
    return SparseAutoencoder(*architecture, **budget | rest | changes)


def data_of(s, counts):
    """Return counts as training takes them, and where outputs start."""
    *scalings, start = fit_scalings(counts, counts, s)
    bins = np.arange(len(counts))
    data = make_data(counts, counts, bins, tuple(scalings), s, torch.device("cpu"))
    return data, start.repeat(len(s.reconstruct))


def same_parameters(a, b) -> bool:
    """Say whether two fitted autoencoders are the same, bit for bit."""
    pairs = [(a.parameters_[name], b.parameters_[name]) for name in a.parameters_]
    pairs.append((a.thresholds_, b.thresholds_))
    return a.parameters_.keys() == b.parameters_.keys() and all(torch.equal(*p) for p in pairs)


def r2(counts, predicted) -> float:
    """Return the share of the variance around the units' means that is predicted."""
    counts = counts.astype(float)
    centred = counts - counts.mean(axis=0)
    return 1 - np.square(counts - predicted).sum() / np.square(centred).sum()


def matched(features, latents):
    """Return the correlation of each feature with the latent matched to it, of those that fire."""
    latents = latents[:, latents.any(axis=0)]
    r = np.corrcoef(features.T, latents.T)[: features.shape[1], features.shape[1] :]
    return r[linear_sum_assignment(-r)]

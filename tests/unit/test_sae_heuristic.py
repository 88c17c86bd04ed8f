"""The notes' way to a width: narrower, until both R2 fall."""

import numpy as np
import torch

from spikesieve.fitting import Block
from spikesieve.sae.heuristic import FLOOR, shrink_width

torch.set_num_threads(1)


def test_it_shrinks_until_both_r2_fall():
    rng = np.random.default_rng(0)
    on = rng.random((800, 10)) < 0.1
    loadings = np.kron(np.eye(10), np.full((1, 3), 4.0))  # three units a feature, shared by none
    counts = rng.poisson(0.1 + on @ loadings).astype(np.uint8)
    train = Block(counts[:600], np.arange(600))
    held_out = Block(counts[600:], np.arange(600, 800))
    settings = {"architecture": "batch_topk", "k": 2, "n_steps": 80, "batch_size": 128}
    found = shrink_width(train, held_out, settings | {"device": "cpu", "seed": 0}, ceiling=0.05)
    assert found["n_latents"].iloc[0] == 30
    assert (np.diff(found["n_latents"]) < 0).all()
    assert found["n_latents"].min() >= FLOOR
    assert found["chosen"].sum() == 1
    # Ten features: fewer latents than features must lose both.
    fell = (1 - found[["r2_units", "r2_bins"]] / found[["r2_units", "r2_bins"]].iloc[0]).iloc[-1]
    assert (fell > 0.075).all()
    assert found.loc[found["chosen"], "n_latents"].item() >= 5

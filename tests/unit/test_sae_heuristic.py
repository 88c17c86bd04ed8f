"""The notes' way to a width: narrower, until both R2 fall."""

import numpy as np
import pytest
import torch

from spikesieve.fitting import Block
from spikesieve.sae.heuristic import FLOOR, shrink_width

torch.set_num_threads(1)
SETTINGS = {"architecture": "batch_topk", "k": 2, "n_steps": 80, "batch_size": 128}
SETTINGS |= {"device": "cpu", "seed": 0}


@pytest.fixture(scope="module")
def blocks():
    """Return training and held-out bins of ten features: three units each, shared by none."""
    rng = np.random.default_rng(0)
    on = rng.random((800, 10)) < 0.1
    counts = rng.poisson(0.1 + on @ np.kron(np.eye(10), np.full((1, 3), 4.0))).astype(np.uint8)
    return Block(counts[:600], np.arange(600)), Block(counts[600:], np.arange(600, 800))


def test_it_shrinks_until_both_r2_fall(blocks):
    found = shrink_width(*blocks, SETTINGS, ceiling=0.05)
    assert found["n_latents"].iloc[0] == 30
    assert (np.diff(found["n_latents"]) < 0).all()
    assert found["n_latents"].min() >= FLOOR
    assert found["chosen"].sum() == 1
    # Ten features: fewer latents than features must lose both.
    fell = (1 - found[["r2_units", "r2_bins"]] / found[["r2_units", "r2_bins"]].iloc[0]).iloc[-1]
    assert (fell > 0.075).all()
    assert found.loc[found["chosen"], "n_latents"].item() >= 5


@pytest.mark.parametrize(("tolerance", "chosen"), [(0.075, 10), (10.0, FLOOR)])
def test_the_narrowest_width_is_chosen_only_if_nothing_fell_there(blocks, tolerance, chosen):
    """The second width is ``FLOOR``, too few for the features."""
    found = shrink_width(*blocks, SETTINGS, ceiling=1 / 60, shrink=0.7, tolerance=tolerance)
    assert found["n_latents"].tolist() == [10, FLOOR]
    assert found.loc[found["chosen"], "n_latents"].tolist() == [chosen]

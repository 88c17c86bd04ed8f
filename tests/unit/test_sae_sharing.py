"""Models that leave for other SAE tools and come back."""

import numpy as np
import pytest
import torch

from spikesieve.errors import InputError
from spikesieve.sae import SparseAutoencoder
from spikesieve.sae.sharing import export_model, import_model

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def counts():
    rng = np.random.default_rng(0)
    on = rng.random((800, 6)) < 0.1
    return rng.poisson(0.2 + on @ rng.gamma(2, 0.5, (6, 15))).astype(np.uint8)


def fitted(counts, architecture="batch_topk", **settings):
    sae = SparseAutoencoder(
        architecture, n_latents=12, k=2, n_steps=40, batch_size=128, device="cpu", **settings
    )
    return sae.fit(counts)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"normalisation": "none"},
        {"normalisation": "max_unit", "pre_bias": "none"},
        {"smoothing": 1.0},
        {"architecture": "jumprelu", "penalty": "l0", "penalty_weight": 0.1},
        {"architecture": "vanilla", "penalty": "l1", "penalty_weight": 0.01},
        {"architecture": "matryoshka_batch_topk", "levels": [[6, 1], [12, 2]]},
    ],
    ids=str,
)
def test_a_model_that_comes_back_says_the_same(counts, tmp_path, settings):
    sae = fitted(counts, **settings)
    export_model(sae, tmp_path)
    again = import_model(tmp_path, device="cpu")
    before, after = sae.transform(counts).toarray(), again.transform(counts).toarray()
    # A code at its threshold may fall on either side of it.
    same = (before > 0) == (after > 0)
    assert same.mean() > 0.999
    np.testing.assert_allclose(np.where(same, before, 0), np.where(same, after, 0), atol=1e-4)
    rebuilt = sae.inverse_transform(sae.transform(counts))
    np.testing.assert_allclose(again.inverse_transform(sae.transform(counts)), rebuilt, atol=1e-3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"architecture": "topk"}, "architecture 'topk'"),
        ({"seq_len": 3}, "seq_len 3"),
        ({"decoder_layers": [5]}, "decoder_layers"),
        ({"normalisation": "none", "output_activation": "relu"}, "output_activation 'relu'"),
    ],
)
def test_what_the_layout_cannot_say(counts, tmp_path, settings, message):
    with pytest.raises(InputError, match=message):
        export_model(fitted(counts, **settings), tmp_path)
    assert not any(tmp_path.iterdir())


def test_a_model_that_came_back_can_be_saved(counts, tmp_path):
    export_model(fitted(counts, smoothing=1.0), tmp_path / "shared")
    again = import_model(tmp_path / "shared", device="cpu")
    again.save(tmp_path / "own")
    loaded = SparseAutoencoder.load(tmp_path / "own", device="cpu")
    codes = again.transform(counts)
    np.testing.assert_array_equal(loaded.transform(counts).toarray(), codes.toarray())
    np.testing.assert_array_equal(loaded.inverse_transform(codes), again.inverse_transform(codes))

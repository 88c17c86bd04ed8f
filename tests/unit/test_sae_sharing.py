"""Models that leave for other SAE tools and come back."""

import json

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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gain": [1.0, 2.0]}, "gain.*each of 15 units"),
        ({"gain": [0.0] * 15}, "gain.*above 0"),
        ({"gain": None}, "gain None"),
        ({"gain": ["1"] * 15}, "gain"),
        ({"offset": [1e300] * 15}, "offset"),
        ({"offset": [[0.0]] * 15}, "offset"),
        ({"smoothing": "a"}, "smoothing a"),
        ({"smoothing": -1}, "smoothing -1"),
        ({"smoothing": 1e9}, "smoothing 1000000000"),
        ({"smoothing": float("nan")}, "smoothing nan"),
        ({"root": "yes"}, "root yes"),
        ([], r"metadata \{"),
        ("x", r"metadata \{"),
        (None, "metadata 'x'"),
    ],
)
def test_metadata_that_make_no_sense(counts, tmp_path, change, message):
    export_model(fitted(counts), tmp_path)
    path = tmp_path / "cfg.json"
    content = json.loads(path.read_text())
    own = content["metadata"]["spikesieve"]
    changed = own | change if isinstance(change, dict) else change
    content["metadata"] |= {"spikesieve": changed}
    path.write_text(json.dumps(content if change is not None else content | {"metadata": "x"}))
    with pytest.raises(InputError, match=message):
        import_model(tmp_path, device="cpu")


def test_a_file_of_another_tool_takes_counts_as_they_are(counts, tmp_path):
    export_model(fitted(counts), tmp_path)
    path = tmp_path / "cfg.json"
    content = json.loads(path.read_text())
    del content["metadata"]["spikesieve"]
    path.write_text(json.dumps(content))
    sae = import_model(tmp_path, device="cpu")
    p = {name: tensor[0].numpy() for name, tensor in sae.parameters_.items()}
    codes = (counts - p["decoder_bias"]) @ p["encoder"].T + p["encoder_bias"]
    codes = np.where(codes > np.exp(p["log_threshold"]), codes, 0)
    np.testing.assert_allclose(sae.transform(counts).toarray(), codes, atol=1e-4)

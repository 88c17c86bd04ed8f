"""The JumpReLU layout: the same model back, the layout of the other tools, damage named."""

import json

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch

from spikesieve.errors import InputError
from spikesieve.sae.exchange import (
    CONFIGURATION,
    WEIGHTS,
    JumpRelu,
    read_jumprelu,
    write_jumprelu,
)


def random_model(n_latents=7, n_units=4, seed=0):
    rng = np.random.default_rng(seed)
    shapes = (n_latents, n_units), n_latents, (n_latents, n_units), n_units, n_latents
    arrays = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    return JumpRelu(*arrays[:-1], np.abs(arrays[-1]))


def codes_of(model, x):
    codes = (x - model.decoder_bias) @ model.encoder.T + model.encoder_bias
    return np.where((codes >= model.threshold) & (codes > 0), codes, 0)


def change(folder, **changes):
    """Change entries of ``cfg.json``; None takes one out."""
    path = folder / CONFIGURATION
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))


def change_weights(folder, **changes):
    tensors = safetensors.numpy.load_file(folder / WEIGHTS) | changes
    kept = {k: np.ascontiguousarray(v) for k, v in tensors.items() if v is not None}
    safetensors.numpy.save_file(kept, folder / WEIGHTS)


@pytest.fixture
def written(tmp_path):
    write_jumprelu(tmp_path, random_model(), about={"normalisation": "sqrt_centred"})
    return tmp_path


def test_what_is_written_is_read_back_bit_for_bit(tmp_path):
    model = random_model()
    model.threshold[:2] = 0, np.finfo(np.float32).tiny
    write_jumprelu(tmp_path / "new" / "folder", model)
    for found, wanted in zip(read_jumprelu(tmp_path / "new" / "folder"), model, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_the_files_have_the_layout_of_the_other_tools(written):
    model, tensors = random_model(), safetensors.numpy.load_file(written / WEIGHTS)
    assert {name: (t.shape, str(t.dtype)) for name, t in tensors.items()} == {
        "W_enc": ((4, 7), "float32"),
        "b_enc": ((7,), "float32"),
        "W_dec": ((7, 4), "float32"),
        "b_dec": ((4,), "float32"),
        "threshold": ((7,), "float32"),
    }
    configuration = json.loads((written / CONFIGURATION).read_text())
    assert configuration.pop("metadata") == {
        "sae_lens_version": "6.0.0",
        "normalisation": "sqrt_centred",
    }
    assert configuration == {
        "architecture": "jumprelu",
        "d_in": 4,
        "d_sae": 7,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
    }
    # Their rule, on their names, gives our codes.
    x = np.random.default_rng(1).normal(size=(50, 4)).astype(np.float32)
    pre = (x - tensors["b_dec"]) @ tensors["W_enc"] + tensors["b_enc"]
    theirs = np.maximum(pre, 0) * (pre > tensors["threshold"])
    np.testing.assert_allclose(theirs, codes_of(model, x), rtol=1e-6, atol=1e-6)
    assert 0 < (theirs > 0).mean() < 1


def test_a_code_at_its_threshold_counts_here_and_there(tmp_path):
    one, zero = np.eye(3, dtype=np.float32), np.zeros(3, np.float32)
    threshold = np.full(3, 0.3, np.float32)
    write_jumprelu(tmp_path, JumpRelu(one, zero, one, zero, threshold))
    there = safetensors.numpy.load_file(tmp_path / WEIGHTS)["threshold"]
    below = np.nextafter(threshold, np.float32(0))
    assert (threshold > there).all() and not (below > there).any()


def test_an_encoder_that_does_not_subtract_the_bias_gives_the_same_codes(written):
    tensors = safetensors.numpy.load_file(written / WEIGHTS)
    change(written, apply_b_dec_to_input=False)
    x = np.random.default_rng(1).normal(size=(50, 4)).astype(np.float32)
    pre = x @ tensors["W_enc"] + tensors["b_enc"]
    theirs = np.maximum(pre, 0) * (pre > tensors["threshold"])
    np.testing.assert_allclose(codes_of(read_jumprelu(written), x), theirs, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_precisions_are_read_as_float32(written, dtype):
    tensors = safetensors.torch.load_file(written / WEIGHTS)
    safetensors.torch.save_file({k: t.to(dtype) for k, t in tensors.items()}, written / WEIGHTS)
    found = read_jumprelu(written)
    assert all(array.dtype == np.float32 for array in found)
    np.testing.assert_allclose(found.decoder, random_model().decoder, rtol=1e-2)


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda f: (f / CONFIGURATION).unlink(), "cfg.json: no such file"),
        (lambda f: (f / WEIGHTS).unlink(), "sae_weights.safetensors: unreadable weights"),
        (lambda f: (f / CONFIGURATION).write_text("{"), "unreadable description"),
        (lambda f: (f / CONFIGURATION).write_text("[]"), "unreadable description"),
        (lambda f: (f / WEIGHTS).write_bytes(b"\x08" * 100), "unreadable weights"),
        (lambda f: change(f, d_in=None), "unreadable description.*d_in"),
        (lambda f: change(f, d_in=5), r"\(7, 4\) latents and units, but cfg.json says \(7, 5\)"),
        (lambda f: change(f, d_sae="7"), "d_in and d_sae"),
        (lambda f: change(f, architecture="gated"), "architecture 'gated'. Allowed: jumprelu"),
        (lambda f: change(f, normalize_activations="layer_norm"), "normalize_activations"),
        (lambda f: change(f, reshape_activations="hook_z"), "reshape_activations"),
        (lambda f: change_weights(f, threshold=None), "threshold are missing or unknown"),
        (lambda f: change_weights(f, scale=np.ones(7)), "scale are missing or unknown"),
        (lambda f: change_weights(f, b_enc=np.zeros(6)), "encoder_bias of shape"),
        (lambda f: change_weights(f, W_dec=np.zeros((4, 7))), "decoder of shape"),
        (lambda f: change_weights(f, W_enc=np.zeros(7)), "encoder of shape"),
        (lambda f: change_weights(f, b_dec=np.full(4, np.nan)), "decoder_bias holds NaN"),
        (lambda f: change_weights(f, b_dec=np.zeros(4, int)), "b_dec hold no real numbers"),
    ],
)
def test_damage_is_named(written, damage, match):
    damage(written)
    with pytest.raises(InputError, match=match):
        read_jumprelu(written)


def test_nothing_is_written_or_replaced_when_a_model_is_refused(written, tmp_path_factory):
    before = {path.name: path.read_bytes() for path in written.iterdir()}
    bad = random_model()
    bad.encoder[2, 1] = np.inf
    with pytest.raises(InputError, match="encoder holds NaN or infinity"):
        write_jumprelu(written, bad)
    with pytest.raises(ValueError, match="JSON"):
        write_jumprelu(written, random_model(seed=1), about={"r2": float("nan")})
    assert {path.name: path.read_bytes() for path in written.iterdir()} == before
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(InputError, match="decoder_bias of shape"):
        write_jumprelu(empty, random_model()._replace(decoder_bias=np.zeros(5, np.float32)))
    assert list(empty.iterdir()) == []

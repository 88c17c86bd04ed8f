"""The sparse autoencoder: features that were planted, identity of save and load, bad input."""

import json
import math

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from spikesieve.errors import ContractError, InputError
from spikesieve.sae import SparseAutoencoder
from spikesieve.sae.model import BLOCK_ROWS
from spikesieve.sae.training import (
    Parameters,
    TrainingError,
    adam_step,
    along_sphere,
    budget_threshold,
    descend,
    encode,
    objective,
    schedule,
)

torch.set_num_threads(1)  # work this small gains nothing from more, and test runs share cores


def planted(n_bins=6000, n_units=60, n_features=20, share_on=0.06, seed=0):
    """Return Poisson counts and the activity of the sparse features that drive them."""
    rng = np.random.default_rng(seed)
    features = (rng.random((n_bins, n_features)) < share_on) * rng.gamma(
        4, 0.25, (n_bins, n_features)
    )
    loadings = np.zeros((n_features, n_units))
    for row in loadings:
        row[rng.choice(n_units, 6, replace=False)] = rng.gamma(6, 0.7, 6)
    return rng.poisson(0.1 + features @ loadings).astype(np.float32), features


def matched(features, latents):
    """Return the correlation of each feature with the latent matched to it."""
    r = np.corrcoef(features.T, latents.T)[: features.shape[1], features.shape[1] :]
    return r[linear_sum_assignment(-r)]


def small(**changes):
    return SparseAutoencoder(
        **{"n_latents": 32, "k": 3, "n_steps": 60, "batch_size": 256, "device": "cpu"} | changes
    )


def parameters(n_latents=6, n_units=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = (n_latents, n_units), (n_latents,), (n_latents, n_units), (n_units,)
    p = [torch.randn(*s, generator=generator, dtype=torch.float64) for s in shapes]
    return Parameters(*(t.requires_grad_() for t in p))


@pytest.fixture(scope="module")
def fitted():
    counts, _ = planted(2000)
    return small().fit(counts), counts


def test_planted_features_are_found_on_bins_not_trained_on():
    counts, features = planted()
    sae = SparseAutoencoder(n_latents=32, k=2, n_steps=600, batch_size=512, device="cpu")
    latents = sae.fit(counts[:4500]).transform(counts[4500:]).toarray()
    latents = latents[:, latents.any(axis=0)]
    assert np.mean(matched(features[4500:], latents) > 0.8) >= 0.8
    assert matched(features[:1500], latents).max() < 0.3


def test_on_average_k_latents_are_active(fitted):
    sae, counts = fitted
    assert sae.transform(counts).nnz / len(counts) == pytest.approx(3, rel=0.01)


@pytest.mark.parametrize("pieces", [[1], [7, 500], [BLOCK_ROWS], [1, 2, 3, 1999]])
def test_latents_of_a_bin_do_not_depend_on_its_neighbours(fitted, pieces):
    sae, counts = fitted
    whole = sae.transform(counts).toarray()
    parts = [sae.transform(part).toarray() for part in np.split(counts, pieces)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    order = np.random.default_rng(0).permutation(len(counts))
    np.testing.assert_array_equal(sae.transform(counts[order]).toarray(), whole[order])


def test_save_and_load_is_identity(fitted, tmp_path):
    sae, counts = fitted
    sae.save(tmp_path, about={"recording": "x"})
    again = SparseAutoencoder.load(tmp_path, device="cpu")
    assert again.settings == sae.settings
    latents = sae.transform(counts)
    np.testing.assert_array_equal(again.transform(counts[:300]).toarray(), latents[:300].toarray())
    np.testing.assert_array_equal(again.inverse_transform(latents), sae.inverse_transform(latents))
    assert {p.name for p in tmp_path.iterdir()} == {"checkpoint.safetensors", "model.json"}
    assert json.loads((tmp_path / "model.json").read_text())["about"] == {"recording": "x"}


def test_reconstruction_is_decoder_times_latents_plus_bias(fitted):
    sae, counts = fitted
    latents = sae.transform(counts)
    p = sae.parameters_
    expected = latents.toarray() @ p.decoder.numpy() + p.decoder_bias.numpy()
    np.testing.assert_allclose(sae.inverse_transform(latents), expected, atol=1e-5)
    np.testing.assert_allclose(sae.inverse_transform(latents.toarray()), expected, atol=1e-5)
    error = np.square(counts - sae.inverse_transform(latents)).sum()
    assert error < 0.6 * np.square(counts - counts.mean(axis=0)).sum()


def test_same_seed_same_model_and_scale_of_counts_does_not_matter():
    counts, _ = planted(1500)
    first, second, other = (small(seed=s).fit(counts) for s in (3, 3, 4))
    for a, b in zip(first.parameters_, second.parameters_, strict=True):
        assert torch.equal(a, b)
    same = first.history_.drop(columns="wall_s")
    assert same.equals(second.history_.drop(columns="wall_s"))
    assert not torch.equal(first.parameters_.encoder, other.parameters_.encoder)
    scaled = small(seed=3).fit(counts / 8)
    torch.testing.assert_close(scaled.parameters_.decoder, first.parameters_.decoder)
    assert scaled.threshold_ == pytest.approx(first.threshold_ / 8, rel=1e-4)


def test_decoder_rows_have_unit_norm_and_history_is_complete(fitted):
    sae, _ = fitted
    torch.testing.assert_close(sae.parameters_.decoder.norm(dim=1), torch.ones(32))
    history = sae.history_
    assert history["step"].tolist() == list(range(60))
    assert list(history) == [
        "step", "loss", "aux_loss", "l0", "live_fraction", "learning_rate", "wall_s",
    ]  # fmt: skip
    assert history["l0"].between(2.9, 3.1).all()
    assert history["loss"].iloc[-1] < 0.6 < history["loss"].iloc[0]


@pytest.mark.parametrize("n_steps", [2000, 226, 225, 150])
def test_history_has_a_hundred_rows_or_two(n_steps):
    history = small(n_steps=n_steps).fit(planted(300)[0]).history_
    assert 100 <= len(history) <= 230
    assert history["step"].iloc[-1] == n_steps - 1


@pytest.mark.parametrize("n_steps", [1, 2, 3, 7, 9, 10, 100, 1001])
def test_schedule_is_continuous_and_never_above_one(n_steps):
    rates = np.array([schedule(step, n_steps) for step in range(n_steps)])
    assert np.all((rates > 0) & (rates <= 1))
    assert rates[-1] == pytest.approx(0.01)
    if n_steps >= 100:
        assert np.abs(np.diff(rates)).max() <= 10.1 / n_steps


def test_budget_is_the_batchs_not_the_bins():
    codes = torch.tensor([[5.0, 4.0, 3.0], [2.0, 1.0, -1.0]])
    assert budget_threshold(codes, 2) == 2
    assert int((codes >= budget_threshold(codes, 2)).sum()) == 4
    assert budget_threshold(codes, 3) > 0  # a negative code is never active
    torch.manual_seed(0)
    many = torch.randn(64, 48)
    for k in (1, 5, 48):
        expected = max(float(many.flatten().sort(descending=True).values[64 * k - 1]), 0)
        assert float(budget_threshold(many, k)) == pytest.approx(expected, abs=1e-30)


def test_equal_codes_do_not_overdraw_the_budget():
    codes = torch.tensor([[9.0, 1.0], [2.0, 1.0], [2.0, 1.0], [2.0, 1.0]])
    assert (codes >= budget_threshold(codes, 1)).sum() == 4
    codes[3] = torch.tensor([9.0, 8.0])
    assert (codes >= budget_threshold(codes, 1)).sum() == 3  # the two equal bins stay out


def test_mostly_silent_bins_are_left_to_the_bias():
    counts, _ = planted(1500)
    counts[:1200] = 0
    sae = small(k=2).fit(counts)
    latents = sae.transform(counts)
    assert latents[:1200].nnz == 0
    assert 0.2 < latents.nnz / 1500 <= 2
    assert np.abs(sae.inverse_transform(latents[:1200])).mean() < 0.1


def test_gradients_agree_with_finite_differences():
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def loss(*p):
        return objective(Parameters(*p), x, k=2, dead=torch.tensor([], dtype=torch.int64))[0]

    assert torch.autograd.gradcheck(loss, tuple(parameters()))


def test_encode_is_the_formula():
    p, x = parameters(), torch.randn(5, 4, dtype=torch.float64)
    expected = (x - p.decoder_bias) @ p.encoder.T + p.encoder_bias
    torch.testing.assert_close(encode(p, x), expected)


@pytest.mark.parametrize("dead", [[1, 4], [0, 1, 3, 4, 5]])
def test_auxiliary_loss_teaches_dead_latents_only(dead):
    p = parameters()
    x = torch.randn(50, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    auxiliary = objective(p, x, k=1, dead=torch.tensor(dead)).auxiliary
    encoder, encoder_bias, decoder, decoder_bias = torch.autograd.grad(
        auxiliary, p, materialize_grads=True
    )
    others = sorted(set(range(6)) - set(dead))
    for gradient in (encoder, encoder_bias, decoder):
        assert not gradient[others].any()
        assert gradient[dead].any()
    assert not decoder_bias.any()


def test_dead_latents_come_back():
    """Codes a hundred times too small never win a place in the budget: only help revives them."""
    counts, _ = planted(3000)
    data = torch.from_numpy((counts - counts.mean(axis=0)) / counts.std())
    live = {}
    for weight in (0.0, 1 / 32):
        directions = torch.randn(24, 60, generator=torch.Generator().manual_seed(0))
        decoder = torch.nn.functional.normalize(directions)
        encoder = decoder * torch.where(torch.arange(24) < 6, 1, 0.01)[:, None]
        start = Parameters(encoder, torch.zeros(24), decoder, torch.zeros(60))
        for parameter in start:
            parameter.requires_grad_()
        chosen = small(n_latents=24, k=1, n_steps=300, dead_after=20, aux_weight=weight).settings
        history = descend(data, 1.0, start, chosen, torch.Generator().manual_seed(0))
        live[weight] = history["live_fraction"].iloc[-1]
    assert live[0.0] <= 0.5
    assert live[1 / 32] >= 0.8


def test_adam_agrees_with_torch():
    ours, theirs = parameters(seed=5), parameters(seed=5)
    optimiser = torch.optim.Adam(theirs, lr=0.02)
    moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in ours]
    for step in range(30):
        gradients = [torch.sin(p.detach() * (step + 1)) for p in ours]
        for p, gradient in zip(theirs, gradients, strict=True):
            p.grad = gradient.clone()
        optimiser.step()
        with torch.no_grad():
            adam_step(ours, gradients, moments, step, 0.02)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)


def test_gradient_along_the_sphere_is_orthogonal():
    decoder = torch.nn.functional.normalize(torch.randn(7, 5))
    tangent = along_sphere(torch.randn(7, 5), decoder)
    torch.testing.assert_close((tangent * decoder).sum(dim=1), torch.zeros(7))


def test_silent_unit_silent_bins_and_few_bins():
    counts, _ = planted(100)
    counts[:, 7] = 0
    counts[40:60] = 0
    sae = small(batch_size=1024).fit(counts)
    latents = sae.transform(counts)
    predicted = sae.inverse_transform(latents)
    assert np.isfinite(predicted).all()
    assert np.ptp(latents[40:60].toarray(), axis=0).max() == 0
    assert np.abs(predicted[:, 7]).mean() < 0.2


def test_nothing_but_silence_and_a_single_bin():
    for counts in (np.zeros((50, 4)), np.ones((1, 4))):
        sae = small(n_latents=4, k=2, n_steps=3).fit(counts)
        np.testing.assert_allclose(sae.inverse_transform(sae.transform(counts)), counts, atol=0.05)


def test_integer_counts_are_welcome():
    counts = planted(400)[0]
    as_integers = small(n_steps=5).fit(counts.astype(np.uint8)).transform(counts.astype(np.uint8))
    np.testing.assert_array_equal(
        as_integers.toarray(), small(n_steps=5).fit(counts).transform(counts).toarray()
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"architecture": "batch_topp"}, "did you mean 'batch_topk'"),
        ({"architecture": "vanilla"}, "Allowed: .*batch_topk"),
        ({"n_latents": 4, "k": 5}, "k 5 is more than n_latents 4"),
        ({"k": 0}, "k 0"),
        ({"n_steps": 0}, "n_steps 0"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": math.nan}, "learning_rate"),
        ({"seed": -1}, "seed -1"),
        ({"device": "gpu"}, "device 'gpu'"),
    ],
)
def test_arguments_that_make_no_sense(arguments, message):
    with pytest.raises(InputError, match=message):
        SparseAutoencoder(**arguments)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(fitted, value):
    sae, counts = fitted
    bad = counts.copy()
    bad[17, 3] = value
    with pytest.raises(InputError, match="row 17"):
        small().fit(bad)
    with pytest.raises(InputError, match="row 17"):
        sae.transform(bad)


def test_other_number_of_units_and_not_fitted(fitted):
    sae, counts = fitted
    with pytest.raises(InputError, match="59 units, but the model was fitted on 60"):
        sae.transform(counts[:, :59])
    with pytest.raises(InputError, match="31 latents"):
        sae.inverse_transform(np.zeros((2, 31), np.float32))
    with pytest.raises(InputError, match="not fitted"):
        small().transform(counts)
    with pytest.raises(InputError, match="at least one each"):
        small().fit(np.zeros((0, 4)))


def test_nan_in_training_names_the_step_and_keeps_the_earlier_model():
    counts, _ = planted(500)
    sae = small(n_steps=40).fit(counts)
    before = sae.transform(counts).toarray()
    sae.settings = sae.settings._replace(learning_rate=1e30)
    with pytest.raises(TrainingError, match=r"at step [1-9]\d* of 40, learning rate 1e\+30"):
        sae.fit(counts)
    np.testing.assert_array_equal(sae.transform(counts).toarray(), before)


def _edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: (d / "model.json").write_text("{"), "unreadable model description"),
        (lambda d: (d / "model.json").unlink(), "unreadable model description"),
        (lambda d: _edit(d / "model.json", schema_version=99), "schema version 99 is newer"),
        (lambda d: _edit(d / "model.json", architecture="later"), "architecture 'later'"),
        (lambda d: _edit(d / "model.json", settings={"colour": 1}), "unreadable model"),
        (lambda d: _edit(d / "model.json", n_units=61), "not \\(32, 61\\)"),
        (lambda d: (d / "checkpoint.safetensors").unlink(), "unreadable model"),
        (lambda d: (d / "checkpoint.safetensors").write_bytes(b"x" * 99), "not the checkpoint"),
    ],
)
def test_damaged_checkpoints(fitted, tmp_path, damage, message):
    fitted[0].save(tmp_path)
    damage(tmp_path)
    with pytest.raises(ContractError, match=message):
        SparseAutoencoder.load(tmp_path)

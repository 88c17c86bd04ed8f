"""The fused step against the same training through autograd and torch's optimiser."""

import numpy as np
import pytest
import torch

from spikesieve.sae import training
from spikesieve.sae.fused import is_fused
from spikesieve.sae.fused_kernels import _log1p
from spikesieve.sae.inputs import fit_scalings, make_data
from spikesieve.sae.settings import make_settings

LEVELS = {"levels": {8: 2, 24: 4, 40: 6}, "n_latents": 40, "k": 6}
MSLE = {"loss": "msle", "output_activation": "relu", "normalisation": "max_unit", "tau": 1.2}
CASES = {
    "default": LEVELS,
    "masked": LEVELS | {"masked_share": 0.3},
    "judged": LEVELS | {"masked_share": 0.3, "judge_hidden": True},
    "rows": LEVELS | {"architecture": "matryoshka_topk"},
    "one level": {"architecture": "batch_topk", "n_latents": 40, "k": 6},
    "rectified": LEVELS | {"output_activation": "relu", "normalisation": "max_unit"},
    "logarithmic": LEVELS | MSLE,
    "weighted": {**LEVELS, "levels": ((8, 2, 0.5), (40, 6, 3.0))},
}


def counts_of(n_bins=600, n_units=21, dtype=np.uint8, seed=0):
    rng = np.random.default_rng(seed)
    latents = (rng.random((n_bins, 12)) < 0.15) * rng.gamma(4, 0.25, (n_bins, 12))
    rates = 0.4 + latents @ (rng.random((12, n_units)) < 0.3) * 2
    return rng.poisson(rates).astype(dtype)


def trained(chosen, monkeypatch, *, fused, counts=None, target=None, n_steps=40):
    counts = counts_of() if counts is None else counts
    s = make_settings(batch_size=128, n_steps=n_steps, seed=0, **chosen)
    target = counts if target is None else target
    *scalings, start = fit_scalings(counts, target, s)
    device = torch.device("cpu")
    data = make_data(counts, target, np.arange(len(counts)), tuple(scalings), s, device)
    tied = target is counts
    state = training.first_state(s, [0], counts.shape[1], start, device, tied=tied)
    assert is_fused(state.parameters, s)
    with monkeypatch.context() as patch:
        if not fused:
            patch.setattr(training, "is_fused", lambda p, s: False)
        return training.train(state, data, s, [0])


def compare(one, other, *, parameters=2e-2):
    a, b = training.history(one)[0], training.history(other)[0]
    assert list(a) == list(b)
    for column in set(a) - {"wall_s"}:
        np.testing.assert_allclose(a[column], b[column], rtol=3e-3, atol=1e-6, err_msg=column)
    for name, tensor in one.parameters.items():
        scale = float(other.parameters[name].abs().max())
        torch.testing.assert_close(
            tensor, other.parameters[name], rtol=0, atol=parameters * scale, msg=name
        )


@pytest.mark.parametrize("case", CASES)
def test_training_is_that_of_autograd(case, monkeypatch):
    """Many steps give the same history; the first one the same weights to rounding."""
    chosen = CASES[case] | {"learning_rate": 1e-3}
    n_steps = 200 if case == "default" else 40
    first = [trained(chosen, monkeypatch, fused=fused, n_steps=1) for fused in (True, False)]
    compare(*first, parameters=1e-4)
    compare(
        *(trained(chosen, monkeypatch, fused=fused, n_steps=n_steps) for fused in (True, False))
    )


def test_the_logarithm_is_exact_to_rounding():
    """Where 1 + x rounds to 1, at both ends of the polynomial, for counts of any size."""
    x = np.r_[0, np.geomspace(1e-30, 1e6, 2000), 2**0.5 * 2.0 ** np.arange(1, 9) - 1]
    x = x.astype(np.float32)
    found = np.array([_log1p(v, np.float32(1 / (1 + v))) for v in x], np.float32)
    np.testing.assert_array_max_ulp(found, np.log1p(x.astype(float)).astype(np.float32), maxulp=1)


def test_another_population_in_float(monkeypatch):
    """Targets of another number of units, counts that are no bytes."""
    other = counts_of(n_units=9, dtype=np.float32, seed=1)
    counts = counts_of(dtype=np.float32)
    chosen = LEVELS | {"learning_rate": 1e-3}
    compare(
        *(
            trained(chosen, monkeypatch, fused=fused, counts=counts, target=other)
            for fused in (True, False)
        )
    )


def test_steps_with_dead_latents_are_taken_the_other_way(monkeypatch):
    """Moments and weights are shared, so that going to and fro changes nothing."""
    chosen = LEVELS | {"learning_rate": 1e-3, "dead_after": 1, "levels": {8: 1, 40: 1}, "k": 1}
    one, other = (trained(chosen, monkeypatch, fused=fused) for fused in (True, False))
    revived = training.history(one)[0]["aux_loss"]
    assert (revived > 0).any()
    assert (revived == 0).any()
    compare(one, other)


def test_the_same_bits_every_time(monkeypatch):
    """Two trainings agree bit for bit, moments included."""
    one, other = (trained(LEVELS, monkeypatch, fused=True) for _ in range(2))
    for a, b in (
        (one.parameters, other.parameters),
        (one.optimiser.state(), other.optimiser.state()),
    ):
        assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_rate_too_high_is_noticed(monkeypatch):
    """Weights that overflow end the training with the step, as they do otherwise."""
    with pytest.raises(training.TrainingError, match="not finite at step"):
        trained(LEVELS | {"learning_rate": 1e30}, monkeypatch, fused=True)


@pytest.mark.parametrize(
    "chosen",
    [
        {"optimiser": "adamw"},
        {"seq_len": 3},
        {"architecture": "vanilla", "k": 0, "penalty": "l1", "penalty_weight": 0.1},
        {"loss": "poisson_nll", "output_activation": "softplus", "normalisation": "none"},
        {"precision": "bfloat16"},
    ],
)
def test_other_settings_are_not_fused(chosen):
    """Whatever the kernels don't know goes through autograd."""
    s = make_settings(**{"n_latents": 40, "k": 6} | chosen)
    state = training.first_state(s, [0], 21, torch.zeros(21), torch.device("cpu"))
    assert not is_fused(state.parameters, s)

"""Reconstruction losses and sparsity penalties: where their optima are, gradients, bad pairs."""

import itertools

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from spikesieve.errors import InputError
from spikesieve.sae.losses import activate, pointwise_loss
from spikesieve.sae.names import LOSSES, OUTPUT_ACTIVATIONS, PENALTIES, check_pairing
from spikesieve.sae.penalties import NEEDS_UNIT_NORM, coefficient_share, sparsity_penalty

torch.set_num_threads(1)

POSSIBLE = [
    ("mse", "none"),
    ("mse", "relu"),
    ("mse", "softplus"),
    ("asymmetric", "none"),
    ("msle", "relu"),
    ("msle", "softplus"),
    ("msle_asymmetric", "softplus"),
    ("poisson_kl", "relu"),
    ("poisson_kl", "softplus"),
    ("poisson_nll", "softplus"),
]


def best_prediction(name, targets, output_activation="relu", **parameters):
    """Return the one prediction of least mean loss over ``targets``."""
    loss = pointwise_loss(name, output_activation=output_activation, **parameters)
    targets = torch.as_tensor(targets, dtype=torch.float64)

    def mean(output):
        return float(loss(torch.full_like(targets, output), targets).mean())

    found = minimize_scalar(mean, bounds=(-3, 40), method="bounded", options={"xatol": 1e-9})
    return float(activate(torch.tensor(found.x), output_activation))


@pytest.mark.parametrize(("name", "output_activation"), POSSIBLE)
def test_gradients_are_those_of_the_loss(name, output_activation):
    loss = pointwise_loss(name, output_activation=output_activation, tau=1.7, under_weight=3.0)
    low = 0.1 if output_activation == "relu" else -4
    output = torch.linspace(low, 6, 13, dtype=torch.float64).requires_grad_()
    target = torch.tensor([0, 1, 3], dtype=torch.float64).repeat(5)[:13]
    assert torch.autograd.gradcheck(lambda o: loss(o, target), (output,))


def test_mse_is_best_at_the_mean():
    assert best_prediction("mse", [0, 1, 5], "none") == pytest.approx(2, abs=1e-5)


@pytest.mark.parametrize("tau", [0.5, 1.0, 2.0])
def test_tau_moves_the_optimum_and_is_no_asymmetry(tau):
    wanted = (1 + 3) ** (1 / tau) - 1
    assert best_prediction("msle", [3.0], tau=tau) == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("name", ["asymmetric", "msle_asymmetric"])
def test_the_asymmetric_losses_weight_the_sign_and_keep_the_optimum(name):
    loss = pointwise_loss(name, output_activation="relu", under_weight=4.0)
    plain = pointwise_loss(name.replace("_asymmetric", "").replace("asymmetric", "mse"),
                           output_activation="relu")  # fmt: skip
    output, target = torch.tensor([1.0, 5.0]), torch.tensor([2.0, 2.0])
    torch.testing.assert_close(loss(output, target) / plain(output, target), torch.tensor([4.0, 1]))
    assert best_prediction(name, [2.0], under_weight=4.0) == pytest.approx(2, abs=1e-4)


def test_a_heavier_weight_on_missed_spikes_raises_the_prediction():
    # Expectile of (0, 0, 0, 4) at weight w: 4 w / (3 + w).
    for weight in (0.5, 1.0, 3.0):
        wanted = 4 * weight / (3 + weight)
        best = best_prediction("asymmetric", [0, 0, 0, 4], under_weight=weight)
        assert best == pytest.approx(wanted, abs=1e-4)


def test_poisson_kl_is_best_epsilon_below_the_target_and_finite_at_zero():
    assert best_prediction("poisson_kl", [3.0], epsilon=0.2) == pytest.approx(2.8, abs=1e-4)
    loss = pointwise_loss("poisson_kl", output_activation="relu")
    output = torch.zeros(3, requires_grad=True)
    values = loss(output, torch.tensor([0.0, 1.0, 30.0]))
    values.sum().backward()
    assert torch.isfinite(values).all() and torch.isfinite(output.grad).all()
    assert values[0] == 0


def test_poisson_nll_is_the_likelihood_of_the_counts():
    assert best_prediction("poisson_nll", [0, 1, 5], "softplus") == pytest.approx(2, abs=1e-4)
    loss = pointwise_loss("poisson_nll", output_activation="softplus")
    output, count = torch.tensor([0.3, 2.0, 30.0]), torch.tensor([0.0, 4.0, 25.0])
    rate = torch.nn.functional.softplus(output)
    torch.testing.assert_close(
        loss(output, count) + torch.lgamma(count + 1),
        -torch.distributions.Poisson(rate).log_prob(count),
    )


def test_poisson_nll_stays_finite_where_the_rate_underflows():
    loss = pointwise_loss("poisson_nll", output_activation="softplus")
    output = torch.tensor([-1e4, -200.0, -17.0, 0.0, 200.0, 1e4], requires_grad=True)
    values = loss(output, torch.full((6,), 3.0))
    values.sum().backward()
    assert torch.isfinite(values).all() and torch.isfinite(output.grad).all()
    # Where the rate is nothing, a spike pulls the output up by exactly its count.
    torch.testing.assert_close(output.grad[:2], torch.tensor([-3.0, -3.0]))


@pytest.mark.parametrize(("name", "output_activation"), POSSIBLE)
def test_a_level_axis_in_front_repeats_the_target(name, output_activation):
    loss = pointwise_loss(name, output_activation=output_activation)
    output, target = torch.randn(3, 2, 5, 4), torch.poisson(torch.full((2, 5, 4), 2.0))
    levels = loss(output, target)
    assert levels.shape == output.shape
    torch.testing.assert_close(levels[1], loss(output[1], target))


def test_pairs_are_possible_exactly_where_the_loss_is_a_number():
    """What ``check_pairing`` lets through is finite for any output; the rest need not be."""
    possible = set()
    for name, activation in itertools.product(LOSSES, OUTPUT_ACTIVATIONS):
        try:
            loss = pointwise_loss(name, output_activation=activation)
        except InputError:
            continue
        possible.add((name, activation))
        values = loss(torch.linspace(-5, 5, 21), torch.arange(21.0))
        assert torch.isfinite(values).all(), (name, activation)
    assert possible >= set(POSSIBLE)


@pytest.mark.parametrize(
    ("loss", "activation", "normalisation", "match"),
    [
        ("msle", "none", "none", "Fix: set output_activation: relu or softplus"),
        ("msle_asymmetric", "none", "max_unit", "relu or softplus"),
        ("poisson_kl", "none", "none", "relu or softplus"),
        ("poisson_nll", "relu", "none", "a rate must be above 0.*softplus"),
        ("poisson_nll", "softplus", "max_unit", "raw counts.*normalisation: none"),
        ("poisson_nll", "softplus", "sqrt_centred", "centred targets are negative"),
        ("mse", "relu", "sqrt_centred", "centred targets are negative"),
        ("msle", "softplus", "sqrt_centred", "centred targets are negative"),
        ("msel", "relu", "none", "did you mean 'mse'"),
        ("mse", "soft", "none", "did you mean 'softplus'"),
    ],
)
def test_impossible_pairs_are_refused_with_the_fix(loss, activation, normalisation, match):
    with pytest.raises(InputError, match=match):
        check_pairing(loss, activation, normalisation)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
@pytest.mark.parametrize("parameter", ["tau", "epsilon", "under_weight"])
def test_parameters_out_of_range_are_refused(parameter, value):
    with pytest.raises(InputError, match=parameter):
        pointwise_loss("mse", **{parameter: value})


def codes_and_decoder():
    generator = torch.Generator().manual_seed(0)
    codes = torch.rand(2, 5, 3, generator=generator, dtype=torch.float64)
    return codes, torch.randn(2, 3, 4, generator=generator, dtype=torch.float64)


def test_penalties_sum_over_latents_and_average_over_the_batch():
    codes, decoder = codes_and_decoder()
    norms = np.linalg.norm(decoder.numpy(), axis=2)
    wanted = {
        "l1": codes.numpy().sum(axis=2).mean(axis=1),
        "l1_decoder_norm": (codes.numpy() * norms[:, None]).sum(axis=2).mean(axis=1),
        "tanh": 2 * np.tanh(3 * codes.numpy()).sum(axis=2).mean(axis=1),
    }
    assert set(wanted) == set(PENALTIES)
    for name, value in wanted.items():
        found = sparsity_penalty(name, a=2.0, b=3.0)(codes, decoder)
        np.testing.assert_allclose(found.numpy(), value, rtol=1e-12)


@pytest.mark.parametrize("name", PENALTIES)
def test_penalties_have_the_gradient_of_their_value(name):
    codes, decoder = codes_and_decoder()
    penalty = sparsity_penalty(name, a=0.7, b=2.0)
    assert torch.autograd.gradcheck(penalty, (codes.requires_grad_(), decoder.requires_grad_()))


def test_unit_norm_is_needed_exactly_where_small_codes_evade_the_penalty():
    """Halve the codes and double the decoder: the same reconstruction, for less or as much."""
    codes, decoder = codes_and_decoder()
    for name in PENALTIES:
        penalty = sparsity_penalty(name)
        same = torch.allclose(penalty(codes / 2, decoder * 2), penalty(codes, decoder))
        assert same == (name not in NEEDS_UNIT_NORM)


def test_the_coefficient_warms_up_over_its_share_of_the_steps():
    shares = [coefficient_share(step, 100, warm_up=0.2) for step in range(100)]
    np.testing.assert_allclose(shares[:20], np.arange(1, 21) / 20)
    assert set(shares[20:]) == {1.0}
    assert [coefficient_share(step, 3) for step in range(3)] == [1.0] * 3
    assert coefficient_share(0, 1, warm_up=1.0) == 1.0


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: sparsity_penalty("l2"), "did you mean 'l1'"),
        (lambda: sparsity_penalty("tanh", b=0.0), "b 0.0"),
        (lambda: sparsity_penalty("tanh", a=np.nan), "a nan"),
        (lambda: coefficient_share(0, 10, warm_up=1.5), "warm_up 1.5"),
    ],
)
def test_bad_penalties_are_refused(call, match):
    with pytest.raises(InputError, match=match):
        call()

"""From inputs to codes to losses: formulas, gradients, budgets, the fast path and the plain one."""

import itertools
import math

import numpy as np
import pytest
import torch

from spikesieve.sae import architectures
from spikesieve.sae.active import first_guess
from spikesieve.sae.architectures import (
    budget_threshold,
    decode,
    encode,
    gate,
    initial_parameters,
    jump,
    project,
    row_thresholds,
    select,
)
from spikesieve.sae.objective import is_sparse, objective, revival_loss
from spikesieve.sae.settings import Level, make_settings

torch.set_num_threads(1)

FAMILY = ("topk", "batch_topk", "matryoshka_topk", "matryoshka_batch_topk")


def settings(architecture="topk", **changes):
    return make_settings(architecture=architecture, **{"n_latents": 12, "k": 3} | changes)


def parameters(s, n_units=7, n_instances=1, seed=0, dtype=torch.float64, n_outputs=None):
    """Return random weights of the shapes that the architecture has."""
    generator = torch.Generator().manual_seed(seed)
    n_inputs = n_units * (s.seq_len if s.window == "full" else 1)
    start = torch.zeros(n_outputs or n_units)
    first = initial_parameters(s, n_inputs, start, generator, tied=not n_outputs)

    def drawn(t):
        noise = torch.randn(n_instances, *t.shape, generator=generator, dtype=dtype)
        return (t.to(dtype) + 0.3 * noise).requires_grad_()

    return {name: drawn(t) for name, t in first.items()}


def inputs(n_bins=20, n_units=7, n_instances=1, seed=1, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_instances, n_bins, n_units, generator=generator, dtype=dtype)


def nobody(s, n_instances=1):
    return torch.zeros(n_instances, s.n_latents, dtype=torch.bool)


# -- first weights ---------------------------------------------------------------------------


def first(s, n_units=200, n_outputs=None, seed=0, tied=True):
    n_inputs = n_units * (s.seq_len if s.window == "full" else 1)
    bias = torch.arange(float(n_outputs or n_units))
    generator = torch.Generator().manual_seed(seed)
    return initial_parameters(s, n_inputs, bias, generator, tied=tied)


@pytest.mark.parametrize("architecture", [*FAMILY, "vanilla", "gated", "jumprelu"])
def test_the_encoder_starts_tied_to_unit_vectors(architecture):
    p = first(settings(architecture, n_latents=50))
    torch.testing.assert_close(p["decoder"].norm(dim=1), torch.ones(50))
    assert torch.equal(p["encoder"], p["decoder"])
    assert torch.equal(p["decoder_bias"], torch.arange(200.0))
    assert not p["encoder_bias"].any()
    assert not torch.equal(
        first(settings(architecture, n_latents=50), seed=1)["decoder"], p["decoder"]
    )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"seq_len": 5},
        {"seq_len": 5, "window": "full"},
        {"seq_len": 3, "window": "full", "reconstruct": (-1, 0, 1)},
        {"decoder_layers": (64,)},
        {"seq_len": 3, "window": "full", "decoder_layers": (64, 30)},
    ],
)
@pytest.mark.parametrize("n_outputs", [200, 90])
def test_first_codes_have_the_size_of_what_they_project(changes, n_outputs):
    """The fan-in is right: of an input of unit variance that stays, a code's variance is 1."""
    s, tied = settings(n_latents=400, **changes), n_outputs == 200
    n_outputs *= len(s.reconstruct)
    p = {name: t[None] for name, t in first(s, n_outputs=n_outputs, tied=tied).items()}
    window = inputs(300, 200, dtype=torch.float32)[:, :, None].repeat(1, 1, s.seq_len, 1)
    x = architectures.window_inputs(p, window, s)
    assert project(p, x).std().item() == pytest.approx(1, rel=0.25)


def test_several_reconstructed_bins_start_at_their_own_taps():
    s = settings(seq_len=3, window="full", reconstruct=(1, -1))
    p = first(s, n_units=10, n_outputs=20)
    taps = p["encoder"].reshape(12, 3, 10)
    assert not taps[:, 1].any()
    torch.testing.assert_close(taps[:, 2], p["decoder"][:, :10])
    torch.testing.assert_close(taps[:, 0], p["decoder"][:, 10:])


def test_hidden_layers_keep_the_variance():
    s = settings(n_latents=300, decoder_layers=(400, 300))
    p = {name: t[None] for name, t in first(s, n_outputs=100).items()}
    p["decoder_bias"] = torch.zeros(1, 100)
    codes = torch.randn(1, 500, 300, generator=torch.Generator().manual_seed(3))
    hidden = codes @ p["decoder"]
    assert decode(p, codes).std() == pytest.approx(hidden.std().item(), rel=0.3)


# -- formulas --------------------------------------------------------------------------------


def test_project_and_decode_are_the_formulas():
    p, x = parameters(settings(), n_instances=2), inputs(n_instances=2)
    codes = project(p, x)
    for i in range(2):
        wanted = x[i] @ p["encoder"][i].T + p["encoder_bias"][i]
        torch.testing.assert_close(codes[i], wanted)
        narrow = codes[i, :, :5] @ p["decoder"][i, :5] + p["decoder_bias"][i]
        torch.testing.assert_close(decode(p, codes[:, :, :5])[i], narrow)


def test_hidden_layers_are_the_formula():
    p = parameters(settings(decoder_layers=(6, 5)), n_outputs=4)
    codes = inputs(9, 12)
    first = torch.relu(codes[0] @ p["decoder"][0] + p["hidden_bias0"][0])
    second = torch.relu(first @ p["layer0"][0] + p["hidden_bias1"][0])
    wanted = second @ p["layer1"][0] + p["decoder_bias"][0]
    torch.testing.assert_close(decode(p, codes)[0], wanted)


def test_a_gate_decides_and_a_magnitude_says_how_much():
    p, x = parameters(settings("gated")), inputs()
    codes, gates = gate(p, x)
    shared = x[0] @ p["encoder"][0].T
    opened = shared + p["encoder_bias"][0] > 0
    size = torch.relu(shared * p["log_magnitude"][0].exp() + p["magnitude_bias"][0])
    torch.testing.assert_close(codes[0], size * opened)
    torch.testing.assert_close(gates[0], torch.relu(shared + p["encoder_bias"][0]))


def test_jumprelu_is_the_identity_above_its_threshold_and_zero_below():
    p = parameters(settings("jumprelu"))
    codes = 2 * inputs(50, 12)
    found, active = jump(p, codes)
    threshold = p["log_threshold"].exp()
    assert torch.equal(found, torch.where(codes > threshold[:, None], codes, 0))
    assert torch.equal(active, (codes > threshold[:, None]).to(codes.dtype))
    assert 0 < active.mean() < 1


def test_a_jumps_threshold_learns_from_the_codes_near_it():
    """A box of width w around the threshold t: d code/dt = -t/w, d active/dt = -1/w, inside it."""
    w, t = architectures.JUMP_WIDTH, 0.6
    p = {"log_threshold": torch.tensor([[math.log(t)]], dtype=torch.float64, requires_grad=True)}
    codes = torch.tensor([[[t - w], [t - w / 3], [t + w / 4], [t + w]]], dtype=torch.float64)
    for what, slope in zip(jump(p, codes), (-2 * t / w, -2 / w), strict=True):
        (gradient,) = torch.autograd.grad(what.sum(), p["log_threshold"], retain_graph=True)
        assert gradient.item() == pytest.approx(slope * t)  # d t / d log t = t


# -- budgets ---------------------------------------------------------------------------------


def test_budget_is_the_batchs_not_the_bins():
    codes = torch.tensor([[5.0, 4.0, 3.0], [2.0, 1.0, -1.0]])
    assert budget_threshold(codes, 2) == 2
    assert int((codes >= budget_threshold(codes, 2)).sum()) == 4
    assert budget_threshold(codes, 3) > 0  # a negative code is never active
    many = inputs(64, 48)[0].float()
    for k in (1, 5, 48):
        expected = max(float(many.flatten().sort(descending=True).values[64 * k - 1]), 0)
        assert float(budget_threshold(many, k)) == pytest.approx(expected, abs=1e-30)


def test_equal_codes_do_not_overdraw_the_budget():
    codes = torch.tensor([[9.0, 1.0], [2.0, 1.0], [2.0, 1.0], [2.0, 1.0]])
    assert (codes >= budget_threshold(codes, 1)).sum() == 4
    codes[3] = torch.tensor([9.0, 8.0])
    assert (codes >= budget_threshold(codes, 1)).sum() == 3  # the two equal bins stay out


@pytest.mark.parametrize("over", ["row", "batch"])
def test_equal_codes_do_not_overdraw_the_budget_in_bfloat16_either(over):
    """There a code and a hundred-thousandth more are the same number."""
    codes = torch.tensor([[[3.0, 1.0, 1.0, 0.5]] * 4], dtype=torch.bfloat16)
    assert select(codes, Level(4, 2), over).sum(dim=2).tolist() == [[1, 1, 1, 1]]


def test_a_rows_budget_is_its_own():
    codes = torch.tensor([[[5.0, 4.0, 3.0], [2.0, -1.0, -3.0], [1.0, 1.0, 1.0]]])
    active = select(codes, Level(3, 2), "row")
    assert active.sum(dim=2).tolist() == [[2, 1, 0]]  # of three equal ones none is the second
    assert select(codes, Level(3, 3), "row").sum(dim=2).tolist() == [[3, 1, 3]]
    assert (row_thresholds(codes, 3) > 0).all()


@pytest.mark.parametrize("over", ["row", "batch"])
def test_instances_have_budgets_of_their_own(over):
    codes = inputs(30, 12, n_instances=3)
    codes[1] *= 100
    together = select(codes, Level(8, 2), over)
    for i in range(3):
        assert torch.equal(together[i : i + 1], select(codes[i : i + 1], Level(8, 2), over))
        assert 50 < together[i].sum() <= 60


@pytest.mark.parametrize("architecture", FAMILY)
def test_a_trained_model_encodes_what_its_budget_selected(architecture):
    s = settings(architecture, n_latents=16, k=2)
    p, x = parameters(s), inputs(50)
    codes = project(p, x).detach()
    thresholds = torch.tensor([[budget_threshold(codes[0, :, : v.width], v.k) for v in s.levels]])
    for number, level in enumerate(s.levels):
        wanted = codes[:, :, : level.width] * select(codes, level, s.budget_over)
        assert torch.equal(encode(p, x, s, thresholds, number), wanted)


# -- gradients -------------------------------------------------------------------------------

SMOOTH = [
    *(("topk", {"loss": "mse"} | c) for c in ({}, {"decoder_layers": (6, 5)})),
    ("batch_topk", {}),
    ("matryoshka_topk", {"levels": ((4, 1), (12, 3, 2.0))}),
    ("matryoshka_batch_topk", {"levels": ((4, 1), (8, 2, 0.5), (12, 3))}),
    *(
        ("vanilla", {"penalty": n, "penalty_weight": 0.1})
        for n in ("l1", "l1_decoder_norm", "tanh")
    ),
    ("batch_topk", {"penalty": "tanh", "penalty_weight": 0.1}),
    ("vanilla", {"seq_len": 3}),
    ("vanilla", {"loss": "asymmetric"}),
    *(
        ("batch_topk", {"loss": loss, "output_activation": "softplus", "normalisation": "none"})
        for loss in ("msle", "msle_asymmetric", "poisson_kl", "poisson_nll")
    ),
]


@pytest.mark.parametrize(("architecture", "changes"), SMOOTH)
def test_gradients_agree_with_finite_differences(architecture, changes):
    s = settings(architecture, **changes)
    p = parameters(s, n_units=4)
    taps = inputs(6, 4 * s.seq_len).reshape(1, 6, s.seq_len, 4)
    target = taps[:, :, 0].abs()

    def total(*tensors):
        weights = dict(zip(p, tensors, strict=True))
        x = architectures.window_inputs(weights, taps, s)
        return objective(weights, x, target, s, dead=nobody(s), penalty_weight=0.1).total

    assert torch.autograd.gradcheck(total, tuple(p.values()), eps=1e-7)


@pytest.mark.parametrize(
    ("architecture", "constant"), [("gated", ()), ("jumprelu", ("log_threshold",))]
)
def test_gradients_of_jumps_agree_where_nothing_jumps(architecture, constant):
    """The auxiliary path of a gate is lent the decoder: only the other weights can be checked."""
    s = settings(architecture, n_latents=5)
    p, x = parameters(s, n_units=4), inputs(6, 4)
    lent = {"decoder", "decoder_bias"} if architecture == "gated" else set()
    checked = [name for name in p if name not in lent.union(constant)]

    def total(*tensors):
        weights = p | dict(zip(checked, tensors, strict=True))
        return objective(weights, x, x, s, dead=nobody(s), penalty_weight=0.0).total

    assert torch.autograd.gradcheck(total, tuple(p[name] for name in checked), eps=1e-7)


def test_a_gates_own_reconstruction_does_not_teach_the_decoder():
    s = settings("gated")
    p, x = parameters(s), inputs()
    found = objective(p, x, x, s, dead=nobody(s), penalty_weight=0.0)
    names = ("encoder", "encoder_bias", "decoder", "decoder_bias")
    gradients = torch.autograd.grad(
        found.gate.sum(), [p[name] for name in names], materialize_grads=True
    )
    assert [bool(g.any()) for g in gradients] == [True, True, False, False]
    assert found.auxiliary.item() == 0  # nobody is dead
    torch.testing.assert_close(found.total, found.levels[0] + found.gate)


def test_a_gate_is_judged_by_what_the_loss_is_about():
    s = settings("gated")
    p, x = parameters(s), inputs()
    judged = torch.zeros_like(x)
    judged[..., 2] = 1
    other = x + (1 - judged)  # differs where nobody looks
    losses = [
        objective(p, x, target, s, dead=nobody(s), penalty_weight=0.0, judged=judged)
        for target in (x, other)
    ]
    torch.testing.assert_close(losses[0].gate, losses[1].gate)
    torch.testing.assert_close(losses[0].total, losses[1].total)


def test_levels_are_weighted_by_their_share():
    levels = ((4, 1, 3.0), (12, 3, 1.0))
    s = settings("matryoshka_batch_topk", levels=levels)
    p, x = parameters(s), inputs()
    found = objective(p, x, x, s, dead=nobody(s), penalty_weight=0.0)
    wanted = (3 * found.levels[0] + found.levels[1]) / 4
    torch.testing.assert_close(found.total, wanted)
    narrow = settings("batch_topk", n_latents=4, k=1)
    part = {name: t[:, :4] if name != "decoder_bias" else t for name, t in p.items()}
    alone = objective(part, x, x, narrow, dead=nobody(narrow), penalty_weight=0.0)
    torch.testing.assert_close(found.levels[0], alone.levels[0])


@pytest.mark.parametrize("fast", [False, True])
def test_a_loss_is_about_the_outputs_that_are_judged(fast):
    s = settings("matryoshka_batch_topk", levels=((4, 1), (12, 3)))
    p, x = parameters(s, dtype=torch.float32), inputs(dtype=torch.float32)
    judged = (inputs(seed=8) > 0.5).float()
    chosen = {"dead": nobody(s), "penalty_weight": 0.0, "judged": judged}
    chosen["guess"] = first_guess(1, 2) if fast else None
    found = objective(p, x, x, s, **chosen)
    other = torch.where(judged > 0, x, 99.0)
    torch.testing.assert_close(objective(p, x, other, s, **chosen).levels, found.levels)
    every = objective(p, x, x, s, **chosen | {"judged": torch.ones_like(x)})
    wanted = objective(p, x, x, s, **chosen | {"judged": None})
    torch.testing.assert_close(every.levels, wanted.levels)


# -- the fast path ---------------------------------------------------------------------------

VARIANTS = [
    {},
    {"loss": "asymmetric", "under_weight": 3.0},
    {"loss": "poisson_nll", "output_activation": "softplus"},
    {"seq_len": 3},
]


@pytest.mark.parametrize(("architecture", "changes"), list(itertools.product(FAMILY, VARIANTS)))
def test_fast_and_plain_path_agree(architecture, changes):
    levels = {"levels": ((10, 2), (30, 3, 0.5), (40, 6))} if "matryoshka" in architecture else {}
    s = settings(architecture, n_latents=40, k=6, **levels, **changes)
    p = parameters(s, n_units=25, n_instances=2, dtype=torch.float32)
    taps = inputs(64, 25 * s.seq_len, 2, dtype=torch.float32).reshape(2, 64, s.seq_len, 25)
    target = taps[:, :, 0].abs()
    dead = nobody(s, 2)
    dead[0, :7] = dead[1, 5:9] = True
    assert is_sparse(p, s)
    found = {}
    for guess in (None, first_guess(2, len(s.levels))):
        x = architectures.window_inputs(p, taps, s)
        losses = objective(p, x, target, s, dead=dead, penalty_weight=0.0, guess=guess)
        gradients = torch.autograd.grad(losses.total.sum(), list(p.values()))
        found[guess is None] = losses, gradients
    (plain, wanted), (fast, gradients) = found[True], found[False]
    for name in ("total", "levels", "auxiliary", "l0"):
        torch.testing.assert_close(getattr(fast, name), getattr(plain, name), rtol=1e-5, atol=1e-6)
    assert torch.equal(fast.fired, plain.fired)
    for a, b in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_penalties_and_hidden_layers_take_the_plain_path():
    for changes in (
        {"penalty": "l1", "penalty_weight": 0.1},
        {"decoder_layers": (5,)},
        {"precision": "bfloat16"},
    ):
        s = settings(**changes)
        assert not is_sparse(parameters(s), s)
    s = settings("vanilla")
    assert not is_sparse(parameters(s), s)


# -- help for the dead -----------------------------------------------------------------------


@pytest.mark.parametrize("dead", [[1, 4], [0, 1, 3, 4, 5, 6, 7, 8, 9]])
@pytest.mark.parametrize("changes", [{}, {"decoder_layers": (6, 5)}])
@pytest.mark.parametrize("architecture", ["topk", "batch_topk", "jumprelu", "gated"])
def test_auxiliary_loss_teaches_dead_latents_only(architecture, changes, dead):
    s = settings(architecture, k=1, **changes)
    p, x = parameters(s), inputs(50)
    which = nobody(s)
    which[0, dead] = True
    auxiliary = objective(p, x, x, s, dead=which, penalty_weight=0.0).auxiliary
    gradients = torch.autograd.grad(auxiliary.sum(), list(p.values()), materialize_grads=True)
    others = sorted(set(range(12)) - set(dead))
    for name, gradient in zip(p, gradients, strict=True):
        if name in ("encoder", "encoder_bias", "decoder"):
            assert not gradient[0, others].any(), name
            assert gradient[0, dead].any(), name
        else:
            assert not gradient.any(), name


def test_the_residual_is_not_taught_either_and_sizes_do_not_matter():
    s = settings()
    p, x = parameters(s), inputs()
    dead = nobody(s)
    dead[0, :4] = True
    left_over = inputs(seed=5).requires_grad_()
    loss = revival_loss(p, x, left_over.detach(), s, dead)
    scaled = {name: t * (10 if "encoder" in name else 1) for name, t in p.items()}
    torch.testing.assert_close(revival_loss(scaled, x, 10 * left_over.detach(), s, dead), loss)
    assert not revival_loss(p, x, torch.zeros_like(x), s, dead).isnan().any()


def test_dead_latents_have_a_budget_in_each_bin():
    """More of them than half the outputs cannot all explain the same bin."""
    s = settings(n_latents=60, k=2)
    p, x = parameters(s, n_units=8), inputs(n_units=8)
    dead = torch.ones(1, 60, dtype=torch.bool)
    p["encoder_bias"].data += 10  # every code is positive
    codes = project(p, x).detach()
    loss = revival_loss(p, x, x, s, dead)
    (to_decoder,) = torch.autograd.grad(loss.sum(), p["decoder"])
    allowed = (codes >= row_thresholds(codes, 4)).any(dim=1)
    assert torch.equal(to_decoder.abs().sum(dim=2) > 0, allowed)
    assert not allowed.all()


def test_help_for_the_dead_of_one_instance_leaves_the_other_alone():
    s = settings()
    p, x = parameters(s, n_instances=2), inputs(n_instances=2)
    dead = nobody(s, 2)
    dead[0, :5] = True
    together = revival_loss(p, x, x, s, dead)
    assert together[1] == 0
    (gradient,) = torch.autograd.grad(together.sum(), p["encoder"])
    assert not gradient[1].any()
    dead[1, 3:11] = True
    together = revival_loss(p, x, x, s, dead)
    for i in range(2):
        alone = {name: t[i : i + 1] for name, t in p.items()}
        solo = revival_loss(alone, x[i : i + 1], x[i : i + 1], s, dead[i : i + 1])
        torch.testing.assert_close(together[i : i + 1], solo)


def test_l0_penalty_is_the_relative_distance_from_k():
    s = settings("jumprelu", k=4, penalty="l0", penalty_weight=1.0)
    p, x = parameters(s), inputs()
    found = objective(p, x, x, s, dead=nobody(s), penalty_weight=1.0)
    active = (project(p, x) > p["log_threshold"].exp()[:, None]).double().sum(dim=2).mean()
    assert found.penalty.item() == pytest.approx((active.item() / 4 - 1) ** 2)
    assert found.l0.item() == pytest.approx(active.item())
    assert np.isfinite(found.total.item())

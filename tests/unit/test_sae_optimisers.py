"""Optimisers: equal to their reference, instances independent, resumable bit for bit."""

import subprocess
import sys

import pytest
import safetensors.torch
import torch

from spikesieve.errors import ContractError, InputError
from spikesieve.sae.names import OPTIMISERS, TAKES_WEIGHT_DECAY
from spikesieve.sae.optimisers import make_optimiser

torch.set_num_threads(1)

SHAPES = ((6, 4), (6,), (6, 4), (4,))


def stacked(n_instances=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(n_instances, *shape, generator=generator) for shape in SHAPES]


def gradients(parameters, step):
    """Return gradients that depend on parameters and step, and differ between instances."""
    generator = torch.Generator().manual_seed(1000 + step)
    noise = (torch.randn(p.shape, generator=generator) for p in parameters)
    return [p * 0.3 + n for p, n in zip(parameters, noise, strict=True)]


def descend(optimiser, parameters, steps, rate=0.01):
    for step in steps:
        optimiser.step(gradients(parameters, step), rate * (1 + step / 10))


def decay(name):
    return {"weight_decay": 0.1} if name in TAKES_WEIGHT_DECAY else {}


def test_names():
    assert OPTIMISERS == ("adam", "adamw", "nadam", "lamb")


@pytest.mark.parametrize("name", ["adam", "adamw", "nadam"])
def test_it_takes_the_steps_of_torch(name):
    reference_class = {
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "nadam": torch.optim.NAdam,
    }[name]
    ours, theirs = stacked(), [p.requires_grad_() for p in stacked()]
    optimiser = make_optimiser(name, ours, **decay(name))
    reference = reference_class(theirs, **decay(name))
    for step in range(40):
        optimiser.step(gradients(ours, step), 0.02 / (1 + step))
        for p, g in zip(theirs, gradients([t.detach() for t in theirs], step), strict=True):
            p.grad = g
        reference.param_groups[0]["lr"] = 0.02 / (1 + step)
        reference.step()
    for p, q in zip(ours, theirs, strict=True):
        torch.testing.assert_close(p, q.detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_an_instance_equals_a_run_on_its_own(name):
    together = stacked()
    optimiser = make_optimiser(name, together, **decay(name))
    alone = [[p[i : i + 1].clone() for p in stacked()] for i in range(3)]
    runs = [make_optimiser(name, parameters, **decay(name)) for parameters in alone]
    for step in range(20):
        g = gradients(together, step)
        # One instance's gradients are huge: a norm taken over all would slow the others.
        g = [t * torch.tensor([1.0, 1e3, 1e-2]).view(-1, *[1] * (t.ndim - 1)) for t in g]
        optimiser.step(g, 0.01)
        for i, run in enumerate(runs):
            run.step([t[i : i + 1] for t in g], 0.01)
    for i, parameters in enumerate(alone):
        for p, q in zip(together, parameters, strict=True):
            torch.testing.assert_close(p[i], q[0], rtol=1e-5, atol=1e-7)


def test_lamb_moves_each_layer_of_each_instance_by_the_same_share_of_its_norm():
    parameters = [torch.randn(2, 6, 4) * torch.tensor([0.1, 1.0]).view(2, 1, 1)]
    before = parameters[0].clone()
    make_optimiser("lamb", parameters).step([torch.randn(2, 6, 4)], 0.01)
    moved = (parameters[0] - before).norm(dim=(1, 2)) / before.norm(dim=(1, 2))
    torch.testing.assert_close(moved, torch.full((2,), 0.01), rtol=1e-3, atol=0)


def test_lamb_trains_biases_that_start_at_zero():
    bias = torch.zeros(2, 5)
    optimiser = make_optimiser("lamb", [bias, torch.randn(2, 5, 3)])
    for _ in range(100):
        optimiser.step([bias - 0.2, torch.zeros(2, 5, 3)], 0.01)
    assert (bias - 0.2).abs().max() < 0.1


def test_weight_decay_shrinks_weights_without_gradient():
    for name in TAKES_WEIGHT_DECAY:
        parameters = [torch.ones(1, 3, 3)]
        optimiser = make_optimiser(name, parameters, weight_decay=0.5)
        optimiser.step([torch.zeros(1, 3, 3)], 0.1)
        assert (parameters[0] < 1).all(), name


@pytest.mark.parametrize("name", OPTIMISERS)
@pytest.mark.parametrize("n_before", [0, 7])
def test_a_resumed_run_is_bit_identical(name, n_before, tmp_path):
    through = stacked()
    optimiser = make_optimiser(name, through, **decay(name))
    descend(optimiser, through, range(n_before))
    safetensors.torch.save_file(optimiser.state(), tmp_path / "state.safetensors")
    resumed = [p.clone() for p in through]
    descend(optimiser, through, range(n_before, 15))
    again = make_optimiser(name, resumed, **decay(name))
    again.restore(safetensors.torch.load_file(tmp_path / "state.safetensors"))
    descend(again, resumed, range(n_before, 15))
    for p, q in zip(through, resumed, strict=True):
        assert torch.equal(p, q)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_restoring_goes_back_and_the_saved_state_stays(name):
    parameters = stacked()
    optimiser = make_optimiser(name, parameters)
    descend(optimiser, parameters, range(3))
    saved, at = optimiser.state(), [p.clone() for p in parameters]
    descend(optimiser, parameters, range(3, 6))
    first = [p.clone() for p in parameters]
    optimiser.restore(saved)
    for p, q in zip(parameters, at, strict=True):
        p.copy_(q)
    descend(optimiser, parameters, range(3, 6))
    for p, q in zip(parameters, first, strict=True):
        assert torch.equal(p, q)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_the_state_of_another_model_is_refused(name):
    parameters = stacked()
    optimiser = make_optimiser(name, parameters)
    descend(optimiser, parameters, range(2))
    saved = optimiser.state()
    with pytest.raises(ContractError, match="another optimiser or model"):
        make_optimiser(name, stacked(n_instances=2)).restore(saved)
    with pytest.raises(ContractError, match="another optimiser or model"):
        make_optimiser(name, parameters).restore(dict(list(saved.items())[1:]))
    with pytest.raises(ContractError, match="another optimiser or model"):
        make_optimiser(name, parameters).restore(saved | {"beyond": torch.zeros(1)})


@pytest.mark.parametrize("name", OPTIMISERS)
def test_it_changes_the_memory_it_was_given_and_leaves_gradients_alone(name):
    parameters = [p.requires_grad_() for p in stacked()]
    before = [p.detach().clone() for p in parameters]
    # A transposed gradient, as a matrix product's backward pass returns it.
    g = [torch.randn(p.shape) for p in parameters]
    g[0] = torch.randn(3, 4, 6).transpose(1, 2)
    copies = [t.clone() for t in g]
    make_optimiser(name, parameters).step(g, 0.01)
    for p, old in zip(parameters, before, strict=True):
        assert (p != old).any() and p.requires_grad
    for t, copy in zip(g, copies, strict=True):
        assert torch.equal(t, copy)
    # Each element goes against its own gradient at the first step, transposed or not.
    assert ((parameters[0] - before[0]).sign() == -g[0].sign()).all()


def test_the_rate_may_be_a_tensor():
    ours, same = stacked(), stacked()
    descend(make_optimiser("adam", ours), ours, range(3), rate=0.01)
    descend(make_optimiser("adam", same), same, range(3), rate=torch.tensor(0.01))
    for p, q in zip(ours, same, strict=True):
        torch.testing.assert_close(p, q)


def test_adam_does_not_import_torch_optim_or_pytorch_optimizer():
    code = (
        "import sys, torch; before = set(sys.modules)\n"
        "from spikesieve.sae.optimisers import make_optimiser\n"
        "p = [torch.ones(1, 2, 2)]; make_optimiser('adam', p).step(p, 0.1)\n"
        "new = set(sys.modules) - before\n"
        "assert not [m for m in new if m.startswith(('torch._dynamo', 'pytorch_optimizer'))]\n"
        "print('fine')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout == "fine\n", done.stderr


@pytest.mark.parametrize(
    ("name", "weight_decay", "match"),
    [
        ("adma", 0.0, "did you mean 'adam'"),
        ("adam", 0.1, "Fix: set weight_decay: 0, or optimiser: adamw"),
        ("nadam", 0.1, "which has none"),
        ("adamw", -0.1, "weight_decay -0.1"),
        ("lamb", float("nan"), "weight_decay nan"),
    ],
)
def test_bad_choices_are_refused(name, weight_decay, match):
    with pytest.raises(InputError, match=match):
        make_optimiser(name, stacked(), weight_decay=weight_decay)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_gradients_of_another_shape_are_refused(name):
    parameters = stacked()
    with pytest.raises(InputError, match="gradients of shapes"):
        make_optimiser(name, parameters).step(parameters[:-1], 0.01)

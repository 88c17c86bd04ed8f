"""The sparse step against a dense one that autograd differentiates."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spikesieve.sae.active import first_guess
from spikesieve.sae.kernels import sparse_autoencode


def dense_autoencode(x, encoder, encoder_bias, decoder, decoder_bias, *, widths, budgets, per_row):
    """Do the same with a sort and dense products; also return what each level selects."""
    codes = torch.bmm(x, encoder.mT) + encoder_bias[:, None]
    predictions, selected = [], []
    for width, k in zip(widths, budgets, strict=True):
        nested = codes[:, :, :width]
        pools = nested.flatten(0, 1) if per_row else nested.flatten(1)
        n = k if per_row else k * x.shape[1]
        least = pools.detach().sort(descending=True).values[:, n - 1 : n]
        least = least.clamp_min(torch.finfo(torch.float32).tiny)
        overdrawn = (pools >= least).sum(1, keepdim=True) > n
        active = pools >= torch.where(overdrawn, least * (1 + 1e-5), least)
        active = active.reshape(nested.shape)
        predictions.append(
            torch.where(active, nested, 0) @ decoder[:, :width] + decoder_bias[:, None]
        )
        selected.append(active)
    return torch.stack(predictions), selected


def problem(n_instances, batch, n_inputs, n_outputs, n_latents, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = (batch, n_inputs), (n_latents, n_inputs), (n_latents,), (n_latents, n_outputs)
    return [
        torch.randn(n_instances, *shape, generator=generator).requires_grad_()
        for shape in (*shapes, (n_outputs,))
    ]


def compare(tensors, **levels):
    """Check predictions, counts and all five gradients, under weights that make each matter."""
    dense, selected = dense_autoencode(*tensors, **levels)
    ours = sparse_autoencode(*tensors, **levels)
    torch.testing.assert_close(ours.predictions, dense, rtol=1e-4, atol=1e-4)
    assert ours.n_active.tolist() == torch.stack([s.sum((1, 2)) for s in selected], 1).tolist()
    widest = dense.new_zeros(ours.fired.shape, dtype=torch.bool)
    for active in selected:
        widest[:, : active.shape[2]] |= active.any(1)
    assert torch.equal(ours.fired, widest)
    weight = torch.randn(dense.shape, generator=torch.Generator().manual_seed(1))
    expected = torch.autograd.grad((weight * dense.square()).mean(), tensors)
    found = torch.autograd.grad((weight * ours.predictions.square()).mean(), tensors)
    for one, other in zip(found, expected, strict=True):
        scale = float(other.abs().max()) or 1.0
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5 * scale)
    return ours


@pytest.mark.parametrize("per_row", [False, True])
@pytest.mark.parametrize(
    ("widths", "budgets"),
    [([64], [4]), ([8, 24, 64], [2, 4, 8]), ([10, 20, 64], [10, 1, 30]), ([1, 64], [1, 64])],
)
def test_gradients_are_those_of_autograd(widths, budgets, per_row):
    """One level or many, budgets that fall with the width, k = width; a transcoder's shapes."""
    compare(problem(2, 50, 13, 17, 64), widths=widths, budgets=budgets, per_row=per_row)


@settings(max_examples=25)
@given(st.data())
def test_any_shape(data):
    """Any sizes, a batch of one and single units among them."""
    size = st.integers(1, 9)
    widths = data.draw(
        st.lists(st.integers(1, 20), min_size=1, max_size=4, unique=True).map(sorted)
    )
    budgets = [data.draw(st.integers(1, width)) for width in widths]
    shape = [data.draw(size) for _ in range(4)]
    tensors = problem(*shape, widths[-1], seed=data.draw(st.integers(0, 99)))
    compare(tensors, widths=widths, budgets=budgets, per_row=data.draw(st.booleans()))


@pytest.mark.parametrize("per_row", [False, True])
def test_ties_never_overdraw_the_budget(per_row):
    """Bins that are all alike, latents that are all alike: none of the tied codes gets in."""
    tensors = problem(1, 20, 6, 6, 30)
    with torch.no_grad():
        tensors[0][:, 5:] = tensors[0][:, :1]
        tensors[1][:, 10:] = tensors[1][:, :1]
        tensors[2][:, 10:] = tensors[2][:, :1]
    ours = compare(tensors, widths=[15, 30], budgets=[3, 7], per_row=per_row)
    assert (ours.n_active <= torch.tensor([[60, 140]])).all()


@pytest.mark.parametrize("per_row", [False, True])
def test_rows_without_a_positive_code(per_row):
    """Such rows get the bias; a batch of nothing else does, and still has gradients."""
    tensors = problem(2, 12, 5, 5, 16)
    with torch.no_grad():
        tensors[0][:, ::2] = 0
        tensors[2].fill_(-1e-3)
    compare(tensors, widths=[4, 16], budgets=[2, 5], per_row=per_row)
    with torch.no_grad():
        tensors[0].zero_()
    ours = compare(tensors, widths=[4, 16], budgets=[2, 5], per_row=per_row)
    assert not ours.fired.any()


def test_inputs_and_gradients_of_any_strides():
    """Transposed and expanded tensors; a loss whose gradient is an expanded one."""
    tensors = [t.detach() for t in problem(2, 9, 7, 7, 12)]
    levels = {"widths": [5, 12], "budgets": [1, 3], "per_row": False}
    plain = sparse_autoencode(*tensors, **levels).predictions
    odd = [t.mT.contiguous().mT if t.ndim == 3 else t for t in tensors]
    odd = [t.requires_grad_() for t in odd]
    ours = sparse_autoencode(*odd, **levels).predictions
    torch.testing.assert_close(ours, plain)
    dense, _ = dense_autoencode(*odd, **levels)
    for one, other in zip(
        torch.autograd.grad(ours.sum(), odd), torch.autograd.grad(dense.sum(), odd), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_the_guess_changes_nothing():
    """Too low, too high or none: the same bits; a good one is remembered for the next batch."""
    tensors = [t.detach() for t in problem(1, 200, 10, 10, 60)]
    levels = {"widths": [20, 60], "budgets": [2, 5]}
    plain = sparse_autoencode(*tensors, **levels)
    for threshold in (1e-30, 0.3, 2.0, 1e9):
        guess = first_guess(1, 2)
        guess.threshold[:] = threshold
        for _ in range(3):
            ours = sparse_autoencode(*tensors, **levels, guess=guess)
            assert torch.equal(ours.predictions, plain.predictions)
            assert torch.equal(ours.n_active, plain.n_active)
    thresholds = plain.active[0].thresholds[0]
    assert ((guess.threshold > thresholds / 2) & (guess.threshold < thresholds)).all()


@pytest.mark.parametrize("per_row", [False, True])
def test_instances_are_those_trained_alone(per_row):
    """Each has its own budget, whatever stands beside it."""
    tensors = problem(3, 40, 11, 11, 32)
    with torch.no_grad():
        tensors[0][1] *= 10
    levels = {"widths": [8, 32], "budgets": [2, 6], "per_row": per_row}
    together = sparse_autoencode(*tensors, **levels)
    gradients = torch.autograd.grad(together.predictions.square().sum(), tensors)
    for i in range(3):
        own = [t[i : i + 1].detach().requires_grad_() for t in tensors]
        alone = sparse_autoencode(*own, **levels)
        torch.testing.assert_close(alone.predictions[:, 0], together.predictions[:, i])
        assert torch.equal(alone.n_active[0], together.n_active[i])
        for one, all_ in zip(
            torch.autograd.grad(alone.predictions.square().sum(), own), gradients, strict=True
        ):
            torch.testing.assert_close(one[0], all_[i], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_the_same_bits_every_time(n_threads):
    """No sum depends on which thread came first."""
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        tensors = problem(2, 300, 20, 20, 128)
        levels = {"widths": [32, 128], "budgets": [3, 9]}

        def run():
            predictions = sparse_autoencode(*tensors, **levels).predictions
            return [predictions, *torch.autograd.grad(predictions.square().sum(), tensors)]

        first = run()
        for _ in range(4):
            assert all(torch.equal(a, b) for a, b in zip(first, run(), strict=True))
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("per_row", [False, True])
def test_a_nan_shows_in_its_instance_alone(per_row):
    """So that training notices, instead of selecting nothing for ever."""
    tensors = [t.detach() for t in problem(2, 10, 4, 4, 8)]
    tensors[1][1, 3, 2] = np.nan
    ours = sparse_autoencode(*tensors, widths=[4, 8], budgets=[1, 2], per_row=per_row)
    assert ours.predictions[:, 0].isfinite().all()
    assert ours.predictions[:, 1].isnan().all()


@pytest.mark.parametrize(
    ("widths", "budgets", "problem_"),
    [
        ([8, 4], [1, 1], "ascend"),
        ([4, 4, 8], [1, 1, 1], "ascend"),
        ([4], [1], "ascend"),
        ([8], [9], "budgets"),
        ([8], [0], "budgets"),
        ([4, 8], [1], "a budget each"),
    ],
)
def test_impossible_levels(widths, budgets, problem_):
    """A level that the dictionary does not have, or a budget that a level can't spend."""
    with pytest.raises(ValueError, match=problem_):
        sparse_autoencode(*problem(1, 5, 3, 3, 8), widths=widths, budgets=budgets)

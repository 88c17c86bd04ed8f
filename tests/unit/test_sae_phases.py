"""The three phases of training: planted boundaries found, none invented."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikesieve.errors import InputError
from spikesieve.sae.losses import pointwise_loss
from spikesieve.sae.optimisers import make_optimiser
from spikesieve.sae.phases import Phases, training_phases
from spikesieve.sae.schedules import learning_rate_share

torch.set_num_threads(1)


def history(loss, every=10):
    return pd.DataFrame({"step": np.arange(len(loss)) * every, "loss": loss})


def pieces(first=20, second=70, n=150, noise=0.02, seed=0, falls=(1.5, 0.7, 0.03)):
    """Return a loss whose logarithm falls by ``falls`` in three straight pieces."""
    log_loss = np.interp(np.arange(n), [0, first, second, n - 1], -np.cumsum([0, *falls]))
    return np.exp(log_loss + np.random.default_rng(seed).normal(0, noise, n))


@pytest.mark.parametrize(("first", "second"), [(10, 60), (20, 70), (40, 110)])
@pytest.mark.parametrize("seed", range(3))
def test_planted_boundaries_are_found(first, second, seed):
    found = training_phases(history(pieces(first, second, seed=seed)))
    assert found.specialisation == pytest.approx(10 * first, abs=40)
    assert found.fine_tuning == pytest.approx(10 * second, abs=100)


def test_single_bad_batches_and_rows_without_a_number_do_not_move_them():
    loss = pieces()
    spoilt = loss.copy()
    spoilt[[5, 50, 90, 130]] *= 30
    spoilt[[33, 34]] = np.nan, np.inf
    clean, found = training_phases(history(loss)), training_phases(history(spoilt))
    np.testing.assert_allclose(found, clean, atol=50)


def test_order_and_repeated_rows_do_not_matter():
    table = history(pieces())
    shuffled = pd.concat([table, table.iloc[20:40]]).sample(frac=1, random_state=0)
    assert training_phases(shuffled) == training_phases(table)


def test_the_scale_of_the_loss_and_of_the_steps_does_not_matter():
    loss = pieces()
    found = training_phases(history(loss))
    assert training_phases(history(loss * 1e-6)) == found
    assert training_phases(history(loss, every=1000)) == tuple(100 * step for step in found)


def test_a_likelihood_may_be_negative():
    found = training_phases(history(np.log(pieces()) - 5))
    np.testing.assert_allclose(found, (200, 700), atol=100)


def test_two_pieces_have_no_third_phase():
    loss = np.exp(np.interp(np.arange(120), [0, 30, 119], [0, -2, -2.5]))
    noisy = loss * np.exp(np.random.default_rng(0).normal(0, 0.02, 120))
    found = training_phases(history(noisy))
    assert found.specialisation == pytest.approx(300, abs=30) and found.fine_tuning is None


rng = np.random.default_rng(1)


@pytest.mark.parametrize(
    "loss",
    [
        [0.5],
        [],
        [1.0, 0.5, 0.4],
        np.full(100, 0.3),
        np.zeros(100),
        np.full(100, np.nan),
        np.exp(-np.arange(100) / 30),
        np.exp(np.arange(100) / 30),
        np.exp(rng.normal(0, 0.1, 100)),
        np.exp(-np.square(np.arange(100) / 40)),
    ],
    ids=[
        "one row", "no row", "three rows", "constant", "zero", "NaN", "one slope", "rising",
        "noise", "falling ever faster",
    ],
)  # fmt: skip
def test_no_phases_are_invented(loss):
    assert training_phases(history(np.asarray(loss, float))) == Phases(None, None)


@given(st.lists(st.floats(width=32), max_size=40))
def test_any_history_gives_logged_steps_in_order_or_none(loss):
    table = history(np.array(loss, float))
    found = [step for step in training_phases(table) if step is not None]
    assert found == sorted(set(found)) and set(found) <= set(table["step"])


def test_a_missing_column_is_named():
    with pytest.raises(InputError, match="without step"):
        training_phases(history([1.0]).drop(columns="step"))
    with pytest.raises(InputError, match="without loss_level3"):
        training_phases(history([1.0]), "loss_level3")


@pytest.mark.parametrize("seed", [0, 1])
def test_a_real_training_has_three_phases(seed):
    """A rectified autoencoder with an L1 penalty, on counts with planted features."""
    generator = torch.Generator().manual_seed(seed)
    features = (torch.rand(4096, 20, generator=generator) < 0.06) * 4.0
    loadings = (torch.rand(20, 40, generator=generator) < 0.15).float()
    x = torch.poisson(0.1 + features @ loadings, generator=generator).sqrt()
    x = (x - x.mean(dim=0)) / x.std()
    encoder = torch.nn.functional.normalize(torch.randn(32, 40, generator=generator))
    p = [t[None].clone().requires_grad_() for t in (encoder, torch.zeros(32), encoder)]
    loss_of = pointwise_loss("mse")
    optimiser, n_steps, rows = make_optimiser("adam", p), 400, []
    for step in range(n_steps):
        batch = x[torch.randint(len(x), (256,), generator=generator)]
        codes = torch.relu(batch @ p[0].transpose(1, 2) + p[1][:, None])
        loss = loss_of(codes @ p[2], batch).mean()
        total = loss + 1e-3 * codes.sum(dim=-1).mean()
        optimiser.step(
            torch.autograd.grad(total, p),
            5e-3 * learning_rate_share("cosine_cycles", step, n_steps),
        )
        rows.append(float(loss.detach()))
    table = history(rows, every=1)
    found = training_phases(table)
    assert found.specialisation is not None and found.fine_tuning is not None
    log_loss, steps = np.log(table["loss"].to_numpy()), np.arange(n_steps)
    parts = zip(np.split(steps, found), np.split(log_loss, found), strict=True)
    slope = [np.polyfit(*part, 1)[0] for part in parts]
    assert slope[0] < 1.5 * slope[1] < 0 and slope[1] < 1.5 * slope[2]

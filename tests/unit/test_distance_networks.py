"""Networks: shapes, how they are told the unit, what they must not see."""

import numpy as np
import pytest
import torch
from distance_samples import SMALL

from spikesieve.distance.heads import first_biases, losses
from spikesieve.distance.layers import Block, UnitEmbedding, depthwise, patches
from spikesieve.distance.networks import make_network, n_parameters
from spikesieve.distance.settings import UNIT_INPUTS, make_settings
from spikesieve.distance.windows import Batch
from spikesieve.errors import InputError


def network_of(n_units=3, **settings):
    s = make_settings(**SMALL | settings)
    return s, make_network(s, n_channels=2, n_units=n_units, rate_per_bin=0.01)


def inputs(windows=4, n_units=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    stimulus = torch.randn(windows, 2, 64, generator=generator)
    history = (torch.rand(windows, n_units, 64, generator=generator) < 0.05).float()
    return stimulus, history, torch.arange(n_units)


@pytest.mark.parametrize("unit", UNIT_INPUTS)
@pytest.mark.parametrize("history", [True, False])
def test_each_network_predicts_every_head(unit, history):
    _, network = network_of(unit=unit, history=history)
    predicted = network(*inputs())
    assert predicted.log_distance.shape == (4, 3, 24)
    assert predicted.log_variance.shape == (4, 3, 24)
    assert predicted.hazard_logit.shape == (4, 3, 16)
    assert predicted.log_counts.shape == (4, 3, 2)
    total = sum(part.sum() for part in predicted)
    total.backward()
    idle = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    # The mean alone is used here, not the variance of the embedding.
    assert set(idle) <= {"embedding.log_variance"}


@pytest.mark.parametrize("unit", UNIT_INPUTS)
def test_a_network_without_history_does_not_see_it(unit):
    _, network = network_of(unit=unit, history=False)
    stimulus, history, units = inputs()
    a, b = (network(stimulus, h, units).hazard_logit for h in (history, 1 - history))
    assert torch.equal(a, b)
    _, network = network_of(unit=unit, history=True)
    a, b = (network(stimulus, h, units).hazard_logit for h in (history, 1 - history))
    assert not torch.allclose(a, b)


@pytest.mark.parametrize("unit", [u for u in UNIT_INPUTS if u != "none"])
def test_units_are_told_apart_by_their_embedding_alone(unit):
    _, network = network_of(unit=unit)
    stimulus, history, units = inputs()
    same = history[:, :1].expand(-1, 3, -1)
    predicted = network(stimulus, same, units).hazard_logit
    assert not torch.allclose(predicted[:, 0], predicted[:, 1])
    with torch.no_grad():
        network.embedding.mean[1] = network.embedding.mean[0]
    predicted = network(stimulus, same, units).hazard_logit
    torch.testing.assert_close(predicted[:, 0], predicted[:, 1])


@pytest.mark.parametrize("unit", UNIT_INPUTS)
def test_windows_and_units_of_a_batch_do_not_touch(unit):
    _, network = network_of(unit=unit)
    stimulus, history, units = inputs()
    whole = network(stimulus, history, units)
    alone = network(stimulus[2:3], history[2:3, 1:2], units[1:2])
    for part, other in zip(whole, alone, strict=True):
        torch.testing.assert_close(part[2:3, 1:2], other, atol=1e-5, rtol=1e-5)


def test_the_papers_network_has_about_330_thousand_parameters():
    s = make_settings(unit="none", widths=(48, 64, 96), heads=("distance", "counts"))
    network = make_network(s, n_channels=4, n_units=1, rate_per_bin=0.01)
    assert n_parameters(network) == pytest.approx(330_000, rel=0.07)


def test_networks_of_other_depths_and_lengths_work():
    for settings in (
        {"widths": [6], "depths": [1], "unit": "concatenated", "prefix": 3, "future": 13},
        {"widths": [4, 6, 8], "depths": [2, 1, 1], "unit": "kernels", "n_in": 70},
        {"widths": [4, 6, 8], "depths": [1, 1, 1], "unit": "token", "n_in": 80, "prefix": 0},
    ):
        s, network = network_of(**settings)
        stimulus = torch.randn(2, 2, s.n_in)
        history = torch.zeros(2, 3, s.n_in)
        predicted = network(stimulus, history, torch.arange(3))
        assert predicted.log_distance.shape == (2, 3, s.prefix + s.future)


def test_a_network_starts_from_what_random_spikes_would_give():
    s, network = network_of()
    predicted = network(*inputs())
    first = first_biases(s, 0.01)
    assert predicted.hazard_logit.sigmoid().mean().item() == pytest.approx(0.01, rel=0.3)
    assert predicted.log_counts.exp().mean(dim=(0, 1)).tolist() == pytest.approx(
        [0.05, 0.1], rel=0.3
    )
    assert predicted.log_distance.mean().item() == pytest.approx(first["distance"], abs=0.3)


def test_first_weights_follow_from_the_seed_alone():
    (_, a), (_, b) = network_of(seed=3), network_of(seed=3)
    torch.manual_seed(99)
    _, c = network_of(seed=3)
    _, other = network_of(seed=4)
    for name, value in a.state_dict().items():
        assert torch.equal(value, b.state_dict()[name])
        assert torch.equal(value, c.state_dict()[name])
    assert not torch.equal(a.stem.weight, other.stem.weight)


def test_depthwise_is_a_plain_convolution():
    x, kernels = torch.randn(2, 9, 3), torch.randn(3, 7)
    wanted = torch.zeros(2, 9, 3)
    padded = torch.nn.functional.pad(x, (0, 0, 3, 3))
    for lag in range(7):
        wanted += padded[:, lag : lag + 9] * kernels[:, lag]
    torch.testing.assert_close(depthwise(x, kernels), wanted, atol=1e-5, rtol=1e-5)
    each = depthwise(x, kernels.expand(2, 3, 7))
    torch.testing.assert_close(each, wanted, atol=1e-5, rtol=1e-5)


def test_a_mix_of_one_kernel_is_that_kernel():
    block, x = Block(3, n_kernels=2), torch.randn(2, 9, 3)
    torch.testing.assert_close(block(x, torch.tensor([[1.0, 0.0]] * 2)), block(x))


def test_patches_end_at_the_last_bin():
    x = torch.arange(10.0).reshape(1, 1, 10)
    assert patches(x, 4).tolist() == [[[2, 3, 4, 5], [6, 7, 8, 9]]]


def test_the_divergence_is_that_of_normal_distributions():
    embedding = UnitEmbedding(2, 3)
    units = torch.arange(2)
    mine = torch.distributions.Normal(embedding.mean, (embedding.log_variance / 2).exp())
    wanted = torch.distributions.kl_divergence(mine, torch.distributions.Normal(0.0, 1.0))
    torch.testing.assert_close(embedding.divergence(units), wanted.sum(dim=1).mean())
    assert torch.equal(embedding(units, None), embedding.mean)
    noise = torch.ones(2, 3)
    drawn = embedding(units, noise) - embedding.mean
    torch.testing.assert_close(drawn, (embedding.log_variance / 2).exp())


def test_losses_are_those_of_distributions():
    _, network = network_of()
    predicted = network(*inputs())
    random = np.random.default_rng(0)
    batch = Batch(
        *inputs()[:2],
        torch.from_numpy(random.integers(1, 30, (4, 3, 24))).float(),
        torch.from_numpy(random.random((4, 3, 16)) < 0.2).float(),
        torch.from_numpy(random.poisson(0.3, (4, 3, 2))).float(),
    )
    found = losses(predicted, batch)
    target = batch.distance.log()
    wanted = ((predicted.log_distance - target) ** 2).mean(2)
    torch.testing.assert_close(found["distance"], wanted)
    normal = torch.distributions.Normal(predicted.log_distance, (predicted.log_variance / 2).exp())
    constant = 0.5 * np.log(2 * np.pi)
    torch.testing.assert_close(found["variance"], -normal.log_prob(target).mean(2) - constant)
    bernoulli = torch.distributions.Bernoulli(logits=predicted.hazard_logit)
    torch.testing.assert_close(found["hazard"], -bernoulli.log_prob(batch.spikes).mean(2))
    poisson = torch.distributions.Poisson(predicted.log_counts.exp())
    only_target = torch.lgamma(batch.counts + 1)
    wanted = -(poisson.log_prob(batch.counts) + only_target).mean(2)
    torch.testing.assert_close(found["counts"], wanted)


def test_the_variance_does_not_move_the_distance():
    _, network = network_of()
    predicted = network(*inputs())
    batch = Batch(*inputs()[:2], torch.full((4, 3, 24), 5.0), torch.zeros(4, 3, 16), None)
    found = losses(predicted._replace(log_counts=None), batch)
    found["variance"].sum().backward(retain_graph=True)
    assert network.heads["distance"].weight.grad is None
    assert network.heads["variance"].weight.grad.any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"unit": "tokens"}, "did you mean 'token'"),
        ({"heads": ["hazzard"]}, "did you mean 'hazard'"),
        ({"heads": []}, "predict no spikes"),
        ({"heads": ["variance", "hazard"]}, "add distance to heads"),
        ({"widths": [8], "depths": [1, 1]}, "as many widths as depths"),
        ({"n_in": 0}, "n_in 0"),
        ({"learning_rate": float("nan")}, "learning_rate nan"),
        ({"prefix": 65}, "longer than what is seen"),
        ({"n_in": 6, "prefix": 2, "unit": "none"}, "shorter than what the last of 2 stages joins"),
        ({"history_patch": 10}, "no multiple of history_patch"),
        ({"attention_heads": 5}, "can't be shared"),
        ({"counts": []}, "spans of at least one bin"),
        ({"width": 3}, "unknown setting 'width'.*did you mean 'widths'"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        make_settings(**SMALL | settings)

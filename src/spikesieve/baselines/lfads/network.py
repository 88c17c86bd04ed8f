"""The network of LFADS: encoder, controller, generator, factors, rates."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from spikesieve.baselines.lfads.settings import LfadsSettings

#: Variance of the prior of initial states, and least variance of a posterior.
PRIOR_VARIANCE, LEAST_VARIANCE = 0.1, 1e-4
#: Inferred inputs follow, before any data, an autoregressive process of this correlation.
PRIOR_CORRELATION = 0.8


class Unfolded(NamedTuple):
    """What the network makes of windows; ``divergence`` in nats a window, of both posteriors."""

    factors: Float[Tensor, "window place factor"]
    log_rates: Float[Tensor, "window place unit"]
    divergence: Float[Tensor, "window"]


class Lfads(nn.Module):
    """Pandarinath et al. 2018, Methods; letters in comments are theirs."""

    def __init__(self, n_units: int, settings: LfadsSettings):
        super().__init__()
        s = self.settings = settings
        self.encoder = nn.GRU(n_units, s.encoder_size, batch_first=True, bidirectional=True)
        self.initial = nn.Linear(2 * s.encoder_size, 2 * s.initial_size)
        self.state = nn.Linear(s.initial_size, s.generator_size)
        self.generator = nn.GRU(max(s.n_inputs, 1), s.generator_size, batch_first=True)
        self.factors = nn.Linear(s.generator_size, s.n_factors, bias=False)
        self.rates = nn.Linear(s.n_factors, n_units)
        if s.n_inputs:
            size = s.controller_size
            self.reader = nn.GRU(n_units, size, batch_first=True, bidirectional=True)
            self.controller = nn.GRUCell(2 * size + s.n_factors, size)
            self.input = nn.Linear(size, 2 * s.n_inputs)

    def forward(self, x: Float[Tensor, "window place unit"], *, sample: bool) -> Unfolded:
        """Return factors and log rates: of a sample of the posteriors, or of their means."""
        drop = self.settings.dropout if self.training else 0.0
        _, ends = self.encoder(functional.dropout(x, drop))
        # g0: the posterior of the initial state, from both ends of the window.
        mean, variance = _posterior(self.initial(torch.cat([*ends], dim=1)))
        g0 = _draw(mean, variance) if sample else mean
        divergence = _from_normal(mean, variance, PRIOR_VARIANCE).sum(dim=1)
        state = torch.tanh(self.state(g0))
        if self.settings.n_inputs:
            states, more = self._controlled(x, state, drop, sample)
            divergence = divergence + more
        else:
            states, _ = self.generator(x.new_zeros(*x.shape[:2], 1), state[None])
        factors = self._factors(functional.dropout(states, drop))
        return Unfolded(factors, self.rates(factors), divergence)

    def _factors(self, states: Tensor) -> Tensor:
        # Rows of unit length: the size of a factor says something.
        return functional.linear(states, functional.normalize(self.factors.weight, dim=1))

    def _controlled(self, x, state, drop: float, sample: bool) -> tuple[Tensor, Tensor]:
        """Unfold with inferred inputs u; return states, and the inputs' divergence a window."""
        read, _ = self.reader(functional.dropout(x, drop))
        control = x.new_zeros(len(x), self.settings.controller_size)
        before, states, divergence = None, [], x.new_zeros(len(x))
        for place in range(x.shape[1]):
            seen = torch.cat([read[:, place], self._factors(state)], dim=1)
            control = self.controller(functional.dropout(seen, drop), control)
            mean, variance = _posterior(self.input(control))
            u = _draw(mean, variance) if sample else mean
            divergence = divergence + _from_past(mean, variance, before).sum(dim=1)
            out, state = self.generator(u[:, None], state[None])
            state, before = state[0], u
            states.append(out)
        return torch.cat(states, dim=1), divergence


def _posterior(both: Tensor) -> tuple[Tensor, Tensor]:
    mean, log_variance = both.chunk(2, dim=1)
    return mean, log_variance.exp() + LEAST_VARIANCE


def _draw(mean: Tensor, variance: Tensor) -> Tensor:
    return mean + variance.sqrt() * torch.randn_like(mean)


def _from_normal(mean: Tensor, variance: Tensor, prior_variance: float, prior_mean=0.0) -> Tensor:
    """Return the divergence of Gaussians from a Gaussian prior, in nats, of each variable."""
    far = (variance + (mean - prior_mean) ** 2) / prior_variance
    return (far - 1 - torch.log(variance / prior_variance)) / 2


def _from_past(mean: Tensor, variance: Tensor, before: Tensor | None) -> Tensor:
    """Return the divergence of an input from what the autoregressive prior expects of it."""
    if before is None:
        return _from_normal(mean, variance, PRIOR_VARIANCE)
    left = PRIOR_VARIANCE * (1 - PRIOR_CORRELATION**2)
    return _from_normal(mean, variance, left, PRIOR_CORRELATION * before)

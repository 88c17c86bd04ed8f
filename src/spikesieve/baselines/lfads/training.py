"""Training LFADS: what is hidden, the objective and its schedules, the best model on validation."""

import copy
import math
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Real
from torch import Tensor

from spikesieve.baselines.lfads.network import Lfads, Unfolded
from spikesieve.baselines.lfads.settings import LfadsSettings
from spikesieve.errors import SpikesieveError

#: Log rates beyond this are a training gone astray, not neurons.
_HIGHEST_LOG_RATE = 10.0


class Windows(NamedTuple):
    """What is trained on: what the encoder sees, the counts to explain, which bins are there."""

    seen: Float[np.ndarray, "window place unit"]
    counts: Real[np.ndarray, "window place unit"]
    there: Bool[np.ndarray, "window place"]

    def tensors(self, rows=slice(None)) -> tuple[Tensor, Tensor, Tensor]:
        """Return these windows as float32 and bool tensors."""
        seen, counts = (
            torch.from_numpy(np.ascontiguousarray(x[rows], np.float32))
            for x in (self.seen, self.counts)
        )
        return seen, counts, torch.from_numpy(np.ascontiguousarray(self.there[rows]))


def train_lfads(
    train: Windows, validation: Windows | None, settings: LfadsSettings, *, seed: int
) -> tuple[Lfads, pd.DataFrame]:
    """Train on windows; return the network of the best validation loss, and the history.

    Each step draws a batch of windows and hides entries and whole units of them from the encoder;
    the likelihood is that of what is hidden, so that copying earns nothing. Without validation
    windows the last network is returned. The same seed gives the same network.

    Raises
    ------
    SpikesieveError
        The loss is no longer finite.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Lfads(train.counts.shape[2], settings)
        _start_at_mean(network, train)
        return _optimise(network, train, validation, settings)


def _start_at_mean(network: Lfads, train: Windows) -> None:
    """Let the first rates be each unit's mean count a bin."""
    mean = train.counts[train.there].mean(axis=0, dtype=np.float64)
    with torch.no_grad():
        network.rates.bias.copy_(torch.from_numpy(np.log(np.maximum(mean, 1e-4))))


def _optimise(network, train: Windows, validation: Windows | None, s: LfadsSettings):
    optimiser = torch.optim.Adam(network.parameters(), lr=s.learning_rate)
    best, best_loss, history = copy.deepcopy(network.state_dict()), math.inf, []
    generator = torch.Generator().manual_seed(int(torch.randint(2**31, (1,))))
    for step in range(1, s.n_steps + 1):
        for group in optimiser.param_groups:
            group["lr"] = s.learning_rate * _learning_share(step, s)
        rows = torch.randint(len(train.seen), (s.batch_size,), generator=generator).numpy()
        loss, parts = _loss(network, train.tensors(rows), s, _warmed(step, s))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), s.gradient_norm)
        optimiser.step()
        if step % s.validate_every and step != s.n_steps:
            continue
        if not math.isfinite(loss.item()):
            raise SpikesieveError(
                f"LFADS: the loss is {loss.item()} at step {step}", fix="lower its learning_rate"
            )
        parts |= {"step": step, "loss": loss.item()}
        if validation is not None:
            parts["validation_loss"] = validation_loss(network, validation, s)
            # While the priors warm up, a model is not yet what was asked for.
            if _warmed(step, s) == 1 and parts["validation_loss"] < best_loss:
                best_loss = parts["validation_loss"]
                best = copy.deepcopy(network.state_dict())
        history.append(parts)
    if validation is not None and math.isfinite(best_loss):
        network.load_state_dict(best)
    return network.eval(), pd.DataFrame(history)


def _learning_share(step: int, s: LfadsSettings) -> float:
    """Return the share of the learning rate at a step: a short rise, then half a cosine."""
    rise = max(s.n_steps // 20, 1)
    if step <= rise:
        return step / rise
    along = (step - rise) / max(s.n_steps - rise, 1)
    return 0.01 + 0.99 * (1 + math.cos(math.pi * along)) / 2


def _warmed(step: int, s: LfadsSettings) -> float:
    """Return how much of the priors' weight counts at a step."""
    return min(1.0, step / max(s.warmup_share * s.n_steps, 1))


def _loss(network: Lfads, batch: tuple, s: LfadsSettings, warmed: float) -> tuple[Tensor, dict]:
    """Return the objective of a batch in nats a bin and unit, and its parts."""
    seen, counts, there = batch
    hidden = hide(seen.shape, s)
    out = network.train()(show(seen, hidden, s), sample=True)
    judged = (hidden if hidden.any() else ~hidden) & there[:, :, None]
    likelihood = _surprise(out, counts, judged)
    entries = there.sum() * counts.shape[2]
    divergence = out.divergence.sum() / entries
    weights = [m.weight_hh_l0 for m in (network.generator,)]
    weights += [network.controller.weight_hh] if s.n_inputs else []
    l2 = sum((w**2).mean() for w in weights) / counts.shape[2]
    loss = likelihood + warmed * (s.kl_weight * divergence + s.l2_weight * l2)
    return loss, {"likelihood": likelihood.item(), "divergence": divergence.item()}


def hide(shape, s: LfadsSettings) -> Bool[Tensor, "window place unit"]:
    """Draw which entries the encoder does not see: single ones, and units for all of a window."""
    single = torch.rand(shape) < s.hidden_entries
    return single | (torch.rand(shape[0], 1, shape[2]) < s.hidden_units)


def show(seen: Tensor, hidden: Tensor, s: LfadsSettings) -> Tensor:
    """Return what is left, raised by as much as is missing on average."""
    kept = (1 - s.hidden_entries) * (1 - s.hidden_units)
    return torch.where(hidden, 0, seen) / kept


def _surprise(out: Unfolded, counts: Tensor, judged: Tensor) -> Tensor:
    """Return the negative Poisson log likelihood of the judged entries, a mean, in nats."""
    log_rates = out.log_rates.clamp(max=_HIGHEST_LOG_RATE)
    each = torch.nn.functional.poisson_nll_loss(log_rates, counts, reduction="none")
    return (each * judged).sum() / judged.sum().clamp(min=1)


@torch.no_grad()
def validation_loss(network: Lfads, windows: Windows, s: LfadsSettings) -> float:
    """Return the likelihood part of the objective on windows, the same entries hidden each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        seen, counts, there = windows.tensors()
        hidden = hide(seen.shape, s)
        out = network.eval()(show(seen, hidden, s), sample=False)
        judged = (hidden if hidden.any() else ~hidden) & there[:, :, None]
        return _surprise(out, counts, judged).item()

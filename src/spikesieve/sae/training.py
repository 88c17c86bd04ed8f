"""Training: from first weights to a calibrated threshold, for several instances side by side.

Nothing random has a state: the order of an epoch and the units hidden in a step follow from the
instance's seed and their number. So instances don't depend on who trains beside them, and a
training that goes on from a checkpoint is the one that was cut off, bit for bit.
"""

import math
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm import tqdm

from spikesieve.errors import SpikesieveError
from spikesieve.sae import architectures
from spikesieve.sae.active import first_guess
from spikesieve.sae.architectures import Parameters
from spikesieve.sae.fused import fused_step, is_fused
from spikesieve.sae.inputs import Data, targets, windows
from spikesieve.sae.masks import random_mask
from spikesieve.sae.objective import Losses, is_sparse, objective
from spikesieve.sae.optimisers import Optimiser, make_optimiser
from spikesieve.sae.penalties import NEEDS_UNIT_NORM, coefficient_share
from spikesieve.sae.schedules import learning_rate_share
from spikesieve.sae.settings import Settings
from spikesieve.sae.validation import validation_score

#: Steps between two looks at the device: dead latents are listed anew, a NaN is noticed.
REFRESH_STEPS = 16
LOGGED_ROWS = 150
#: Rows that the threshold is read from; more would not move it, and would cost memory.
CALIBRATION_ROWS = 32_768
#: Codes that the threshold is read from: fewer rows of a wide dictionary, for the memory's sake.
CALIBRATION_CELLS = 1 << 25
#: The square of a larger one, summed over a batch, is beyond float32.
LARGEST_TARGET = 1e16
_EPOCH, _MASK = 1, 2


class TrainingError(SpikesieveError, ArithmeticError):
    """Training stopped because its loss is no number any more.

    ``last_good`` is what it came to at the last step at which all was finite; None where that was
    before the first step.
    """

    last_good = None


class State(NamedTuple):
    """A training between two steps: all that going on needs."""

    step: int
    parameters: Parameters
    optimiser: Optimiser
    idle: Int[Tensor, "instance latent"]  # steps without firing
    best: Parameters
    best_score: Float[Tensor, "instance"]
    strikes: Int[Tensor, "instance"]  # looks at the validation block since the best one
    rows: list[list[dict]]  # history, a list an instance
    wall_s: float


def first_state(
    s: Settings,
    seeds: list[int],
    n_inputs: int,
    start: Float[Tensor, "output"],
    device,
    *,
    tied: bool = True,
) -> State:
    """Return the state before step 0; ``tied`` where outputs are about the units that go in.

    Random numbers come from the CPU, whatever the device.
    """
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    each = [
        architectures.initial_parameters(s, n_inputs, start, generator, tied=tied)
        for generator in generators
    ]
    p = {name: torch.stack([one[name] for one in each]).to(device) for name in each[0]}
    n = len(seeds)
    return State(
        step=0,
        parameters=p,
        optimiser=make_optimiser(s.optimiser, list(p.values()), weight_decay=s.weight_decay),
        idle=torch.zeros(n, s.n_latents, dtype=torch.int32, device=device),
        best={},
        best_score=torch.full((n,), -math.inf),
        strikes=torch.zeros(n, dtype=torch.int32),
        rows=[[] for _ in seeds],
        wall_s=0.0,
    )


def train(
    state: State,
    data: Data,
    s: Settings,
    seeds: list[int],
    *,
    validation: Data | None = None,
    keep: Callable[[State], None] = lambda state: None,
    log: Callable[[int, dict], None] = lambda instance, row: None,
) -> State:
    """Train from ``state`` on and return the last state; its parameters are the best ones.

    ``keep`` is handed a state of finite losses now and then, ``log`` each new row of history:
    ``loss`` and its terms (``gate_loss`` of a gated encoder), ``l0``, ``live_fraction``,
    ``gradient_norm``, ``learning_rate``, ``validation_cosmoothing`` where it was looked at,
    ``wall_s``.

    Raises
    ------
    TrainingError
        A loss became NaN or infinite; names step, seed and likely cause. Its ``last_good`` is
        the state of at most 16 steps before.
    """
    p, device = state.parameters, data.counts.device
    losses = torch.zeros(len(seeds), REFRESH_STEPS, device=device)
    log_every = max(round(s.n_steps / LOGGED_ROWS), 1)
    begun = time.perf_counter() - state.wall_s
    dead = state.idle >= s.dead_after
    watched = s.patience is not None and validation is not None
    if watched and not state.best:
        state = state._replace(best={name: tensor.clone() for name, tensor in p.items()})
    good = state.step, {name: tensor.detach().clone() for name, tensor in p.items()}
    for name in p:
        p[name].requires_grad_()
    guess = first_guess(len(seeds), len(s.levels)) if is_sparse(p, s) else None
    fused = fused_step(p, state.optimiser, data, s, guess) if is_fused(p, s) else None
    steps = range(state.step, s.n_steps)
    progress = tqdm(steps, "train SAE", s.n_steps, initial=state.step, unit="step", disable=None)
    for step in progress:
        rate = s.learning_rate * learning_rate_share(s.schedule, step, s.n_steps)
        batch = batch_rows(data, s, seeds, step)
        hidden = hidden_units(data, s, seeds, step, batch.shape[1])
        weight = s.penalty_weight * coefficient_share(step, s.n_steps, s.penalty_warmup)
        if fused is not None and not (s.aux_weight and dead.any()):
            terms, gradients = fused(batch, hidden, rate)
        else:
            with torch.autocast(device.type, torch.bfloat16, enabled=s.precision == "bfloat16"):
                x = architectures.window_inputs(p, windows(data, batch, hidden), s)
                terms = objective(
                    p,
                    x,
                    targets(data, batch, s),
                    s,
                    dead=dead,
                    penalty_weight=weight,
                    guess=guess,
                    judged=_judged(hidden, data, s),
                )
            gradients = descend(state, terms, s, rate)
        losses[:, step % REFRESH_STEPS] = terms.total.detach()
        state.idle.add_(1).masked_fill_(terms.fired, 0)
        last = step + 1 == s.n_steps
        if step % REFRESH_STEPS == REFRESH_STEPS - 1 or last:
            if bad := _first_not_finite(losses, p, step):
                raise _failure(*bad, state, good, data, s, seeds)
            good = step + 1, {name: kept.copy_(p[name].detach()) for name, kept in good[1].items()}
            dead = state.idle >= s.dead_after
        state = state._replace(step=step + 1, wall_s=time.perf_counter() - begun)
        score, done = None, state.strikes >= (s.patience or math.inf)
        if watched and ((step + 1) % s.validate_every == 0 or last):
            score = validation_score(p, validation, s).cpu()
            state = _compared(state, score, s)
        if step % log_every == 0 or score is not None or last:
            rows = _rows(state, terms, gradients, rate, weight, s, score)
            for instance, row in enumerate(rows):
                if not done[instance]:
                    state.rows[instance].append(row)
                    log(instance, row)
        if step % REFRESH_STEPS == REFRESH_STEPS - 1:
            keep(state)
        if score is not None and (state.strikes >= s.patience).all():
            break
    return state._replace(parameters={name: p[name].detach() for name in p} | state.best)


def descend(state: State, terms: Losses, s: Settings, rate: float) -> Parameters:
    """Change the parameters by one step in place, and return the gradients."""
    p = state.parameters
    found = torch.autograd.grad(terms.total.sum(), list(p.values()), allow_unused=True)
    with torch.no_grad():
        gradients = {
            name: torch.zeros_like(p[name]) if g is None else g
            for name, g in zip(p, found, strict=True)
        }
        # Budgets compare codes, as these penalties do: a code must be the size of its pattern.
        unit_norm = s.penalty in {"none", "l0"} | NEEDS_UNIT_NORM
        if unit_norm:
            gradients["decoder"] = along_sphere(gradients["decoder"], p["decoder"])
        state.optimiser.step(list(gradients.values()), rate)
        if unit_norm:
            p["decoder"].div_(p["decoder"].norm(dim=2, keepdim=True))
    return gradients


def batch_rows(data: Data, s: Settings, seeds: list[int], step: int) -> Int[Tensor, "i b"]:
    """Return the rows of a step. An epoch takes each in a random order; the rest is left out."""
    size = min(s.batch_size, len(data.rows))
    per_epoch = len(data.rows) // size
    epoch, number = divmod(step, per_epoch)
    each = [_order(seed, epoch, len(data.rows)) for seed in seeds]
    part = torch.stack([order[number * size : (number + 1) * size] for order in each])
    return data.rows[part.to(data.rows.device)]


_orders: dict[tuple[int, int, int], Tensor] = {}


def _order(seed: int, epoch: int, n_rows: int) -> Int[Tensor, "row"]:
    """Return the order of an epoch; the last few are remembered, since it is asked every step."""
    key = (seed, epoch, n_rows)
    order = _orders.get(key)  # other threads may clear what they don't need
    if order is None:
        if len(_orders) > 64:
            _orders.clear()
        generator = torch.Generator().manual_seed(_derived(seed, _EPOCH, epoch))
        order = _orders[key] = torch.randperm(n_rows, generator=generator)
    return order


def hidden_units(data: Data, s: Settings, seeds: list[int], step: int, n: int):
    """Return which units each bin of a step hides, ``(instance, bin, unit)``; None without any."""
    if not s.masked_share:
        return None
    n_units = data.counts.shape[1]
    keys = [_derived(seed, _MASK, step) for seed in seeds]
    each = [random_mask(key, s.masked_share, n, n_units) for key in keys]
    return torch.from_numpy(np.stack(each)).to(data.counts.device)


def _judged(hidden, data: Data, s: Settings) -> Float[Tensor, "instance batch output"] | None:
    """Return 1 for the outputs that the loss is about; None where it is about all of them."""
    same = data.targets is data.counts  # another population has no unit that could be hidden
    if hidden is None or not s.judge_hidden or not same:
        return None
    return hidden.float().repeat(1, 1, len(s.reconstruct))


def _derived(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


def along_sphere(
    gradient: Float[Tensor, "instance latent output"],
    decoder: Float[Tensor, "instance latent output"],
) -> Float[Tensor, "instance latent output"]:
    """Return the gradient of unit-norm rows without its part along each row.

    That part would only change the norm, which is put back anyway, and disturb the moments.
    """
    return gradient - (gradient * decoder).sum(dim=2, keepdim=True) * decoder


def calibrate(p: Parameters, data: Data, s: Settings) -> Float[Tensor, "instance level"]:
    """Return the thresholds at which each level's ``k`` latents a bin are active over ``data``.

    Zero where there is no budget over a batch: such codes don't need any.
    """
    n = len(next(iter(p.values())))
    thresholds = torch.zeros(n, len(s.levels))
    if s.budget_over != "batch":
        return thresholds
    most = min(CALIBRATION_ROWS, max(CALIBRATION_CELLS // s.n_latents, 1))
    rows = torch.arange(0, len(data.counts), math.ceil(len(data.counts) / most))
    codes = torch.empty(len(rows), s.n_latents, device=data.counts.device)
    for instance in range(n):
        one = {name: tensor[instance : instance + 1] for name, tensor in p.items()}
        for part, filled in zip(rows.split(4096), codes.split(4096), strict=True):
            x = windows(data, part[None].to(codes.device), None)
            filled.copy_(architectures.project(one, architectures.window_inputs(one, x, s))[0])
        for number, level in enumerate(s.levels):
            least = architectures.budget_threshold(codes[:, : level.width].contiguous(), level.k)
            thresholds[instance, number] = least
    return thresholds


def _compared(state: State, score: Float[Tensor, "instance"], s: Settings) -> State:
    """Remember the parameters of the instances whose ``score`` is their best so far."""
    running = state.strikes < s.patience
    better = running & (score > state.best_score)
    for name, tensor in state.parameters.items():
        state.best[name][better] = tensor.detach()[better.to(tensor.device)]
    return state._replace(
        best_score=torch.where(better, score, state.best_score),
        strikes=torch.where(better, 0, state.strikes + running.int()),
    )


def _rows(state: State, terms: Losses, gradients, rate, weight, s: Settings, score) -> list[dict]:
    """Return a row of history for each instance."""
    levels = range(len(s.levels)) if len(s.levels) > 1 else []
    norm = sum(g.square().flatten(1).sum(dim=1) for g in gradients.values()).sqrt()
    columns = {
        "loss": terms.levels[-1],
        "aux_loss": terms.auxiliary,
        **({} if terms.gate is None else {"gate_loss": terms.gate}),
        "penalty": terms.penalty,
        "l0": terms.l0[-1],
        **{f"loss_level{i + 1}": terms.levels[i] for i in levels},
        **{f"l0_level{i + 1}": terms.l0[i] for i in levels},
        "live_fraction": 1 - (state.idle >= s.dead_after).float().mean(dim=1),
        "gradient_norm": norm,
        "validation_cosmoothing": torch.full_like(norm, math.nan) if score is None else score,
    }
    values = {name: column.tolist() for name, column in columns.items()}
    same = {"penalty_weight": weight, "learning_rate": rate, "wall_s": state.wall_s}
    return [
        {"step": state.step - 1, **{name: v[i] for name, v in values.items()}, **same}
        for i in range(len(state.rows))
    ]


def history(state: State) -> list[pd.DataFrame]:
    """Return one table an instance, a row a logged step."""
    return [pd.DataFrame(rows, columns=None if rows else ["step"]) for rows in state.rows]


def _first_not_finite(
    losses: Float[Tensor, "instance step"], p: Parameters, step: int
) -> tuple[int, int] | None:
    """Return step and number of the first instance whose loss or weights are no numbers."""
    bad = ~torch.isfinite(losses)
    finite = [t.isfinite().flatten(1).all(dim=1) for t in p.values()]
    bad[:, step % REFRESH_STEPS] |= ~torch.stack(finite).all(dim=0)
    if not bad.any():
        return None
    column, instance = (int(n) for n in bad.T.nonzero()[0])
    return step - step % REFRESH_STEPS + column, instance


def _failure(
    step: int, instance: int, state: State, good: tuple[int, Parameters], data: Data, s, seeds
) -> TrainingError:
    """Return the error that says what went wrong, and carries what was good."""
    error = TrainingError(
        f"the loss is not finite at step {step} of {s.n_steps} (seed {seeds[instance]})",
        fix=_likely_mend(data, s),
    )
    good_step, weights = good
    if good_step:
        rows = [[row for row in own if row["step"] < good_step] for own in state.rows]
        best = {name: tensor.detach() for name, tensor in state.best.items()}
        error.last_good = state._replace(step=good_step, parameters=weights | best, rows=rows)
    return error


def _likely_mend(data: Data, s: Settings) -> str:
    """Return what to change, the likely cause first."""
    largest = float(data.target_scaling.apply(data.targets.amax(dim=0, keepdim=True)).abs().max())
    if largest > LARGEST_TARGET:
        return (
            f"look at the counts (the likely cause): after normalisation {s.normalisation!r} they "
            f"reach {largest:.2g}, too much for a loss in float32"
        )
    mends = [f"lower learning_rate {s.learning_rate:g}"]
    if s.loss == "poisson_kl" and s.epsilon < 1e-4:
        mends.insert(0, f"raise epsilon {s.epsilon:g}, which makes single spikes dominate")
    if s.precision == "bfloat16":
        mends.insert(0, "take precision float32 instead of bfloat16")
    if s.penalty_weight:
        first = s.penalty_weight > 1e3
        mends.insert(0 if first else len(mends), f"lower penalty_weight {s.penalty_weight:g}")
    mends[0] += " (the likely cause)"
    return ", or ".join(mends)

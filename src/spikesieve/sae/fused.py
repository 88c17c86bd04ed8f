"""A whole training step without an autograd graph, for the commonest settings on the CPU.

The same numbers to rounding as ``spikesieve.sae.objective`` and an optimiser's step, on the same
tensors: a training may change between the two at any step.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int, Shaped
from torch import Tensor

from spikesieve.sae.active import Active, Guess, count_levels, select
from spikesieve.sae.architectures import Parameters
from spikesieve.sae.fused_kernels import adam, descend, gather, reconstruct
from spikesieve.sae.inputs import Data, Scaling
from spikesieve.sae.objective import Losses, is_sparse
from spikesieve.sae.optimisers import BETAS, Optimiser
from spikesieve.sae.settings import Settings

#: (rows, hidden units, learning rate) -> losses of the batch and, instead of its gradient, a
#: vector of the same norm. The parameters have changed by then, except where a code is NaN: then
#: so are the losses.
Step = Callable[
    [Int[Tensor, "1 batch"], Bool[Tensor, "1 batch unit"] | None, float],
    tuple[Losses, dict[str, Float[Tensor, "1 1"]]],
]
_NAMES = ("encoder", "encoder_bias", "decoder", "decoder_bias")
_NOTHING_HIDDEN = np.empty((0, 0), bool)


class _Room(NamedTuple):
    """Arrays that every step of a training fills anew."""

    x: Float32[Tensor, "batch input"]
    target: Float32[Tensor, "batch output"]
    codes: Float32[Tensor, "batch latent"]
    slopes: Float32[np.ndarray, "sum output"]


def is_fused(p: Parameters, s: Settings) -> bool:
    """Say whether ``fused_step`` can do the steps in which no dead latent is to be helped.

    One instance, one bin in and out, the top-k family, a squared or logarithmic error, Adam.
    """
    plain = s.seq_len == 1 and s.optimiser == "adam" and tuple(p) == _NAMES
    squared = s.loss == "mse" and s.output_activation in ("none", "relu")
    logarithmic = s.loss == "msle" and s.output_activation == "relu"
    return plain and (squared or logarithmic) and len(p["encoder"]) == 1 and is_sparse(p, s)


def fused_step(p: Parameters, optimiser: Optimiser, data: Data, s: Settings, guess: Guess) -> Step:
    """Return what does a step on ``p`` and the state of its ``optimiser``, both in place."""
    encoder, bias, decoder, decoder_bias = (p[name].detach()[0] for name in _NAMES)
    weights = encoder.numpy(), bias.numpy(), decoder.numpy(), decoder_bias.numpy()
    moments = [_moments(optimiser, number) for number in range(len(_NAMES))]
    widths, budgets, _ = zip(*s.levels, strict=True)
    own = Guess(guess.threshold[0], guess.margin[0])

    @cache
    def room(n_rows: int) -> _Room:
        columns = encoder.shape[1], len(decoder_bias), len(encoder)
        n_sums = n_rows * len(widths) * (len(widths) + 1) // 2
        slopes = torch.empty(n_sums, len(decoder_bias)).numpy()  # aligned, as numpy would not
        return _Room(*(torch.empty(n_rows, n) for n in columns), slopes)

    def step(rows, hidden, rate):
        r = room(rows.shape[1])
        _gather(data.counts, rows, data.input_scaling, hidden, r.x)
        _gather(data.targets, rows, data.target_scaling, None, r.target)
        torch.mm(r.x, encoder.T, out=r.codes)
        over = {"per_row": s.budget_over == "row", "guess": own}
        a = select(r.codes.numpy(), weights[1], widths, budgets, **over)
        if not a.finite:
            return _no_number(len(widths), len(encoder))
        for i in range(len(_NAMES)):
            optimiser.live[f"{i}.step"] += 1
        # As ``training`` has it: another population has no unit that could be hidden.
        partial = s.judge_hidden and hidden is not None and data.targets is data.counts
        judged = hidden[0].numpy() if partial else _NOTHING_HIDDEN
        n_steps = float(optimiser.live["0.step"])
        losses, squared = _change(weights, moments, a, r, judged, s, rate, n_steps)
        return _losses(a, losses, s), {"all": torch.tensor([[math.sqrt(squared)]])}

    return step


def _change(
    weights, moments, a: Active, r: _Room, judged, s: Settings, rate: float, n_steps: float
):
    """Do the step; return the mean loss of each level and the gradient's squared norm."""
    encoder, encoder_bias, decoder, decoder_bias = weights
    x, target = r.x.numpy(), r.target.numpy()
    shares = np.array([level.weight for level in s.levels])
    n_judged = max(judged.sum(), 1) if len(judged) else target.size
    share = (shares / shares.sum() / n_judged).astype(np.float32)
    losses, to_bias = np.zeros(len(shares)), np.zeros_like(decoder_bias)
    place, to_codes = np.empty(len(a.value), np.int64), np.empty(len(a.value), np.float32)
    kind = s.loss == "msle", np.float32(s.tau), s.output_activation == "relu"
    reconstruct(
        *(
            a.row_start,
            a.latent,
            a.value,
            a.mask,
            decoder,
            decoder_bias,
            target,
            judged,
            share,
            *kind,
        ),
        *(losses, to_bias, r.slopes, place, to_codes),
    )
    first = np.float32(rate / (1 - BETAS[0] ** n_steps))
    second = np.float32(math.sqrt(1 - BETAS[1] ** n_steps))
    squared = descend(
        *(a.latent_start, a.order, a.row, a.value, to_codes, r.slopes, place, x, first, second),
        *(encoder, moments[0], encoder_bias, moments[1], decoder, moments[2]),
    )
    return losses / n_judged, squared + adam(decoder_bias, *moments[3], to_bias, first, second)


def _moments(optimiser: Optimiser, number: int):
    names = f"{number}.exp_avg", f"{number}.exp_avg_sq"
    return tuple(optimiser.live[name][0].numpy() for name in names)


def _gather(
    counts: Shaped[Tensor, "row unit"],
    rows: Int[Tensor, "1 batch"],
    scaling: Scaling,
    hidden: Bool[Tensor, "1 batch unit"] | None,
    filled: Float32[Tensor, "batch unit"],
) -> None:
    gain, offset = scaling.gain.numpy(), scaling.offset.numpy()
    masked = _NOTHING_HIDDEN if hidden is None else hidden[0].numpy()
    gather(counts.numpy(), rows[0].numpy(), scaling.root, gain, offset, masked, filled.numpy())


def _losses(a: Active, by_level: np.ndarray, s: Settings) -> Losses:
    n = len(by_level)
    shares = np.array([level.weight for level in s.levels])
    l0 = count_levels(a.mask, n) / (len(a.row_start) - 1)
    total = shares / shares.sum() @ by_level
    # One array for all: a tensor made of a number costs more than ten of these sums.
    terms = torch.from_numpy(np.r_[total, 0.0, 0.0, by_level, l0].astype(np.float32)[:, None])
    fired = torch.from_numpy(np.diff(a.latent_start) > 0)[None]
    return Losses(terms[0], terms[3 : 3 + n], terms[1], terms[2], terms[3 + n :], fired)


def _no_number(n_levels: int, n_latents: int):
    nan, zero = torch.full((n_levels, 1), math.nan), torch.zeros(n_levels, 1)
    fired = torch.zeros(1, n_latents, dtype=torch.bool)
    return Losses(nan[0], nan, zero[0], zero[0], zero, fired), {"all": nan[:1]}

"""What a training step minimises: reconstruction at every level, sparsity, help for the dead."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from spikesieve.sae import architectures
from spikesieve.sae.active import MOST_LEVELS, Guess
from spikesieve.sae.architectures import Parameters
from spikesieve.sae.kernels import sparse_autoencode
from spikesieve.sae.losses import activate, pointwise_loss
from spikesieve.sae.penalties import sparsity_penalty
from spikesieve.sae.settings import Settings


class Losses(NamedTuple):
    """The terms of a batch, an entry for each instance; ``total`` is what is minimised.

    ``levels`` and ``l0`` (active latents a bin) have a row a nested dictionary. ``auxiliary`` is
    the help for dead latents, ``gate`` the reconstruction by a gated encoder's gate alone (None
    without one). ``fired`` says which latents were active in any bin.
    """

    total: Float[Tensor, "instance"]
    levels: Float[Tensor, "level instance"]
    auxiliary: Float[Tensor, "instance"]
    penalty: Float[Tensor, "instance"]
    l0: Float[Tensor, "level instance"]
    fired: Bool[Tensor, "instance latent"]
    gate: Float[Tensor, "instance"] | None = None


class Forward(NamedTuple):
    """What a batch makes of the parameters: ``outputs`` before their activation, ``penalised``
    what a penalty is about (None on the sparse path), and the counts that ``Losses`` reports."""

    outputs: Float[Tensor, "level instance batch output"]
    penalised: Float[Tensor, "instance batch latent"] | None
    l0: Float[Tensor, "level instance"]
    fired: Bool[Tensor, "instance latent"]


def objective(
    p: Parameters,
    x: Float[Tensor, "instance batch input"],
    target: Float[Tensor, "instance batch output"],
    s: Settings,
    *,
    dead: Bool[Tensor, "instance latent"],
    penalty_weight: float,
    guess: Guess | None = None,
    judged: Float[Tensor, "instance batch output"] | None = None,
) -> Losses:
    """Return the losses of a batch; no instance's depend on another's.

    With a ``guess`` (see ``is_sparse``) the codes that are not active are never multiplied by
    anything; the numbers are the same to rounding.
    """
    loss = pointwise_loss(
        s.loss,
        output_activation=s.output_activation,
        tau=s.tau,
        epsilon=s.epsilon,
        under_weight=s.under_weight,
    )
    found = _forward(p, x, s) if guess is None else _sparse_forward(p, x, s, guess)
    by_level = _mean(loss(found.outputs, target), judged)
    weights = torch.tensor([level.weight for level in s.levels], device=x.device)
    total = (weights[:, None] / weights.sum() * by_level).sum(dim=0)
    sparsity = torch.zeros_like(total) if s.penalty == "none" else _sparsity(p, found.penalised, s)
    auxiliary, gate = torch.zeros_like(total), None
    if s.architecture == "gated":
        # The gate's own reconstruction; the decoder is lent to it, not taught by it (eq. 8).
        output = architectures.decode(_lent(p), found.penalised)
        gate = _mean(loss(output, target)[None], judged)[0]
        total = total + gate
    if s.aux_weight and dead.any():
        left_over = (target - activate(found.outputs[-1], s.output_activation)).detach()
        auxiliary = revival_loss(p, x, left_over, s, dead)
        total = total + s.aux_weight * auxiliary
    total = total + penalty_weight * sparsity
    return Losses(total, by_level, auxiliary, sparsity, found.l0, found.fired, gate)


def _mean(loss: Float[Tensor, "level instance batch output"], judged) -> Float[Tensor, "level i"]:
    """Return the mean loss of each level and instance, over what is ``judged`` if not all is."""
    if judged is None:
        return loss.mean(dim=(2, 3))
    return (loss * judged).sum(dim=(2, 3)) / judged.sum(dim=(1, 2)).clamp_min(1)


def is_sparse(p: Parameters, s: Settings) -> bool:
    """Say whether a step can skip the codes that are not active: on the CPU, without penalties."""
    plain = s.penalty == "none" and not s.decoder_layers and s.precision == "float32"
    few = len(s.levels) <= MOST_LEVELS
    return plain and few and s.budget_over is not None and p["encoder"].device.type == "cpu"


def _sparse_forward(p: Parameters, x, s: Settings, guess: Guess) -> Forward:
    names = ("encoder", "encoder_bias", "decoder", "decoder_bias")
    found = sparse_autoencode(
        x,
        *(p[name] for name in names),
        widths=[level.width for level in s.levels],
        budgets=[level.k for level in s.levels],
        per_row=s.budget_over == "row",
        guess=guess,
    )
    l0 = found.n_active.T.float() / x.shape[1]
    return Forward(found.predictions, None, l0, found.fired)


def _forward(p: Parameters, x, s: Settings) -> Forward:
    codes, penalised = _codes(p, x, s)
    outputs = torch.stack([architectures.decode(p, level_codes) for level_codes in codes])
    active = [c.detach() != 0 for c in codes]
    l0 = torch.stack([a.sum(dim=2).float().mean(dim=1) for a in active])
    return Forward(outputs, penalised, l0, active[-1].any(dim=1))


def _codes(p: Parameters, x, s: Settings):
    """Return each level's codes, and what the penalty is about."""
    if s.architecture == "gated":
        codes, gates = architectures.gate(p, x)
        return [codes], gates
    codes = architectures.project(p, x)
    if s.architecture == "vanilla":
        codes = torch.relu(codes)
        return [codes], codes
    if s.architecture == "jumprelu":
        codes, active = architectures.jump(p, codes)
        return [codes], active if s.penalty == "l0" else codes
    active = [architectures.select(codes, level, s.budget_over) for level in s.levels]
    levels = [torch.where(a, codes[:, :, : a.shape[2]], 0) for a in active]
    return levels, torch.relu(levels[-1])


def _sparsity(p: Parameters, sparse, s: Settings) -> Float[Tensor, "instance"]:
    """Return the penalty; ``l0`` is the squared relative distance from ``k`` active latents."""
    if s.penalty == "l0":
        n_active = sparse.sum(dim=2).mean(dim=1)
        return (n_active / s.k - 1).square() if s.k else n_active
    return sparsity_penalty(s.penalty, a=s.tanh_a, b=s.tanh_b)(sparse, p["decoder"])


def revival_loss(
    p: Parameters,
    x: Float[Tensor, "instance batch input"],
    left_over: Float[Tensor, "instance batch output"],
    s: Settings,
    dead: Bool[Tensor, "instance latent"],
) -> Float[Tensor, "instance"]:
    """Ask the dead latents alone to explain what the others left over, relative to its size.

    At most half as many of them a bin as there are outputs (or ``k``), as in Gao et al. 2024,
    arXiv:2406.04093, appendix A.2. Nothing but the dead latents learns from it.
    """
    which = dead.any(dim=0).nonzero()[:, 0]
    mine = dead[:, which].to(x.dtype)
    encoder, bias = p["encoder"][:, which], p["encoder_bias"][:, which]
    codes = torch.relu(torch.baddbmm(bias[:, None], x.detach(), encoder.mT)) * mine[:, None]
    budget = max(s.k, left_over.shape[2] // 2, 1)
    if len(which) > budget:
        codes = codes * (codes >= architectures.row_thresholds(codes, budget))
    lent = _lent(p) | {"decoder": p["decoder"][:, which]}
    explained = architectures.decode(lent, codes) - architectures.decode(lent, codes.detach() * 0)
    size = left_over.square().mean(dim=(1, 2)).clamp_min(1e-12)  # keeps 0 / 0 out
    loss = (left_over - explained).square().mean(dim=(1, 2)) / size
    return loss * dead.any(dim=1)


def _lent(p: Parameters) -> Parameters:
    """Return what ``decode`` needs, for use by a loss that it must not learn from."""
    parts = ("decoder", "layer", "hidden_bias")
    return {name: tensor.detach() for name, tensor in p.items() if name.startswith(parts)}

"""Training a batch top-k sparse autoencoder: the whole recipe, from first weights to threshold.

Batch top-k (Bussmann, Leask, Nanda 2024, arXiv:2412.06410): of all codes of a batch, the
``k * batch`` largest stay, so that a busy bin may use more latents than a quiet one. The
auxiliary loss that revives dead latents follows Gao et al. 2024 (arXiv:2406.04093, appendix A.2).
"""

import math
import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import linear, normalize
from tqdm import tqdm

from spikesieve.errors import SpikesieveError

#: Steps between two looks at the device: dead latents are listed anew, a NaN is noticed.
REFRESH_STEPS = 16
LOGGED_ROWS = 150
#: Rows that the threshold is read from; more would not move it, and would cost memory.
CALIBRATION_ROWS = 32_768


class TrainingError(SpikesieveError, ArithmeticError):
    """Training stopped because its loss is no number any more."""


class Settings(NamedTuple):
    """The hyper-parameters of a training; ``SparseAutoencoder`` says how to choose them."""

    n_latents: int
    k: int
    seed: int
    n_steps: int
    batch_size: int
    learning_rate: float
    dead_after: int
    aux_weight: float


class Parameters(NamedTuple):
    """Weights; a row of ``encoder`` and ``decoder`` belongs to a latent (decoder: unit norm)."""

    encoder: Float[Tensor, "latent unit"]
    encoder_bias: Float[Tensor, "latent"]
    decoder: Float[Tensor, "latent unit"]
    decoder_bias: Float[Tensor, "unit"]


class Trained(NamedTuple):
    """The outcome of ``train``: codes under ``threshold`` count as zero when transforming."""

    parameters: Parameters
    threshold: float
    history: pd.DataFrame


def encode(parameters: Parameters, x: Float[Tensor, "batch unit"]) -> Float[Tensor, "batch latent"]:
    """Return ``encoder (x - decoder_bias) + encoder_bias``: all codes, before any is selected."""
    # Multiplied out, so that the gradient of the bias costs no product of the batch's size.
    bias = parameters.encoder_bias - parameters.encoder @ parameters.decoder_bias
    return linear(x, parameters.encoder, bias)


def budget_threshold(codes: Float[Tensor, "batch latent"], k: int) -> Float[Tensor, ""]:
    """Return the value that at most ``k`` codes a row reach on average; always above 0.

    Where equal codes straddle the budget none of them gets in: silent bins are all alike, and
    would overdraw it together. A selection, not a sort; no gradient.
    """
    codes, n = codes.detach().flatten(), k * len(codes)
    if codes.device.type == "cpu":
        # Half the time of torch.topk, as long as the codes come unrectified: with most of its
        # values equal (zeros), numpy's selection is 15 times slower.
        least = torch.as_tensor(np.partition(codes.numpy(), -n)[-n])
    else:
        least = codes.topk(n, sorted=False).values.min()
    least = least.clamp_min(torch.finfo(codes.dtype).tiny)
    # A step well above rounding: the same bin's code may differ in its last bits elsewhere.
    return torch.where((codes >= least).count_nonzero() > n, least * (1 + 1e-5), least)


def schedule(step: int, n_steps: int) -> float:
    """Return the share of the learning rate at ``step``: up for a tenth, held, down by a cosine.

    Continuous, and defined for any ``n_steps >= 1``; it ends at 1 % of the rate.
    """
    warm = min((step + 1) / max(0.1 * n_steps, 1), 1)
    decay = max(2 * (step + 1) / n_steps - 1, 0)
    return warm * (0.01 + 0.99 * (1 + math.cos(math.pi * decay)) / 2)


class Losses(NamedTuple):
    """Mean squared errors of a batch, and which latents are active in which bin."""

    reconstruction: Float[Tensor, ""]
    auxiliary: Float[Tensor, ""]
    active: Bool[Tensor, "batch latent"]


def objective(
    parameters: Parameters, x: Float[Tensor, "batch unit"], *, k: int, dead: Int[Tensor, "dead"]
) -> Losses:
    """Return the losses of a batch: of the ``k * batch`` largest codes, and of dead latents.

    The auxiliary loss asks the ``dead`` latents alone (at most half the units of them a bin) to
    explain what the others left over, relative to its size; nothing else learns from it.
    """
    codes = encode(parameters, x)
    active = codes >= budget_threshold(codes, k)
    selected = torch.where(active, codes, 0)
    residual = x - torch.addmm(parameters.decoder_bias, selected, parameters.decoder)
    loss = residual.square().mean()
    if not len(dead):
        return Losses(loss, torch.zeros_like(loss), active)
    centred = (x - parameters.decoder_bias).detach()
    codes = torch.relu(linear(centred, parameters.encoder[dead], parameters.encoder_bias[dead]))
    budget = max(k, x.shape[1] // 2)
    if len(dead) > budget:
        codes = codes * (codes >= codes.detach().topk(budget).values[:, -1:])
    rest = residual.detach() - codes @ parameters.decoder[dead]
    # A perfect reconstruction leaves nothing over; the floor keeps 0 / 0 out.
    return Losses(loss, rest.square().mean() / loss.detach().clamp_min(1e-12), active)


def train(
    x: Float[np.ndarray, "bin unit"], settings: Settings, device: torch.device | str = "cpu"
) -> Trained:
    """Train on all rows of ``x`` (finite float32) and calibrate the threshold on them.

    Inside, ``x`` is divided by the root of its mean variance, so that one learning rate suits
    counts of any scale; the returned weights take and give ``x`` as it came. History has a row
    a logged step: ``loss`` (share of the variance unexplained), ``aux_loss``, ``l0`` (active
    latents a bin), ``live_fraction``, ``learning_rate``, ``wall_s``.

    Raises
    ------
    TrainingError
        The loss became NaN or infinite; names the step.
    """
    mean, scale = _moments(x)
    # Random numbers come from the CPU whatever the device, so that a seed means the same on each.
    generator = torch.Generator().manual_seed(settings.seed)
    data = torch.from_numpy(x).to(device)
    first = _initial(mean / scale, settings.n_latents, generator)
    parameters = Parameters(*(p.to(device).requires_grad_() for p in first))
    history = descend(data, scale, parameters, settings, generator)
    weights = Parameters(*(p.detach() for p in parameters))
    weights = weights._replace(
        encoder_bias=weights.encoder_bias * scale, decoder_bias=weights.decoder_bias * scale
    )
    return Trained(weights, calibrate(weights, data, settings.k), history)


def calibrate(parameters: Parameters, x: Float[Tensor, "bin unit"], k: int) -> float:
    """Return the threshold at which ``k`` latents a bin are active on average over ``x``."""
    rows = x[:: math.ceil(len(x) / CALIBRATION_ROWS)]
    return float(budget_threshold(encode(parameters, rows), k))


def _moments(x: Float[np.ndarray, "bin unit"]) -> tuple[Float[np.ndarray, "unit"], float]:
    """Return each unit's mean, and the root of the mean variance over units (1 if that is 0)."""
    mean = x.mean(axis=0, dtype=np.float64).astype(np.float32)
    blocks = (x[i : i + 4096] - mean for i in range(0, len(x), 4096))
    variance = sum(float(np.square(b).sum(dtype=np.float64)) for b in blocks) / x.size
    return mean, math.sqrt(variance) or 1.0


def _initial(mean: Float[np.ndarray, "unit"], n_latents: int, generator) -> Parameters:
    """Return random unit directions, the encoder tied to them, the mean as the decoder's bias."""
    decoder = normalize(torch.randn(n_latents, len(mean), generator=generator))
    return Parameters(decoder.clone(), torch.zeros(n_latents), decoder, torch.from_numpy(mean))


def _batches(n_rows: int, size: int, generator, device) -> Iterator[Int[Tensor, "batch"]]:
    """Yield row numbers for ever; each epoch is a new order, its incomplete last batch left out."""
    size = min(size, n_rows)
    while True:
        order = torch.randperm(n_rows, generator=generator).to(device)
        yield from order[: n_rows - n_rows % size].split(size)


def descend(
    data: Float[Tensor, "bin unit"],
    scale: float,
    parameters: Parameters,
    settings: Settings,
    generator: torch.Generator,
) -> pd.DataFrame:
    """Change ``parameters`` in place, step by step, and return the history."""
    s, device = settings, data.device
    moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in parameters]
    batches = _batches(len(data), s.batch_size, generator, device)
    losses = torch.zeros(s.n_steps, device=device)
    idle = torch.zeros(s.n_latents, dtype=torch.int32, device=device)  # steps without firing
    dead = idle.nonzero()[:, 0]
    log_every, rows, start = max(round(s.n_steps / LOGGED_ROWS), 1), [], time.perf_counter()
    for step in tqdm(range(s.n_steps), desc="train SAE", unit="step", disable=None):
        rate = s.learning_rate * schedule(step, s.n_steps)
        batch = data[next(batches)] / scale
        loss, auxiliary, active = objective(parameters, batch, k=s.k, dead=dead)
        total = loss + s.aux_weight * auxiliary
        gradients = Parameters(*torch.autograd.grad(total, parameters))
        with torch.no_grad():
            tangent = along_sphere(gradients.decoder, parameters.decoder)
            adam_step(parameters, gradients._replace(decoder=tangent), moments, step, rate)
            parameters.decoder.div_(parameters.decoder.norm(dim=1, keepdim=True))
            idle.add_(1).masked_fill_(active.any(dim=0), 0)
            losses[step] = loss
        last = step + 1 == s.n_steps
        if step % REFRESH_STEPS == REFRESH_STEPS - 1 or last:
            _check_finite(losses, step, s)
            dead = (idle >= s.dead_after).nonzero()[:, 0]
        if step % log_every == 0 or last:
            live = 1 - float((idle >= s.dead_after).float().mean())
            row = (step, loss.detach(), auxiliary.detach(), active.sum() / len(active), live, rate)
            rows.append([*map(float, row), time.perf_counter() - start])
    names = ["step", "loss", "aux_loss", "l0", "live_fraction", "learning_rate", "wall_s"]
    return pd.DataFrame(rows, columns=names).astype({"step": np.int64})


def along_sphere(
    gradient: Float[Tensor, "latent unit"], decoder: Float[Tensor, "latent unit"]
) -> Float[Tensor, "latent unit"]:
    """Return the gradient of unit-norm rows without its part along each row.

    That part would only change the norm, which is put back anyway, and disturb Adam's moments.
    """
    return gradient - (gradient * decoder).sum(dim=1, keepdim=True) * decoder


def adam_step(parameters, gradients, moments, step: int, rate: float) -> None:
    """Do step number ``step`` (from 0) of Adam (Kingma & Ba 2015, algorithm 1), in place.

    torch.optim gives the same numbers, but imports torch's compiler: seconds for each process.
    """
    beta1, beta2, epsilon = 0.9, 0.999, 1e-8
    share, root = 1 - beta1 ** (step + 1), math.sqrt(1 - beta2 ** (step + 1))
    for p, g, (first, second) in zip(parameters, gradients, moments, strict=True):
        first.lerp_(g, 1 - beta1)
        second.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        p.addcdiv_(first, (second.sqrt() / root).add_(epsilon), value=-rate / share)


def _check_finite(losses: Float[Tensor, "step"], step: int, settings: Settings) -> None:
    bad = (~torch.isfinite(losses[: step + 1])).nonzero()
    if len(bad):
        raise TrainingError(
            f"the loss is {float(losses[bad[0, 0]])} at step {int(bad[0, 0])} of "
            f"{settings.n_steps}, learning rate {settings.learning_rate}",
            fix="lower sae.learning_rate",
        )

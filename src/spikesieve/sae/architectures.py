"""Architectures: from inputs to codes to outputs, one tensor axis for independent instances.

``x`` always stands for inputs minus the pre-bias; 0 is what a hidden or missing unit shows.
"""

import itertools
import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize

from spikesieve.sae.settings import Level, Settings

#: Weights by name, each with a leading instance axis (none in ``initial_parameters``).
Parameters = dict[str, Tensor]

#: Width of the step that JumpReLU's gradient sees, and the first threshold, in standard deviations
#: of the input.
JUMP_WIDTH, FIRST_THRESHOLD = 0.3, 0.5


def initial_parameters(
    s: Settings,
    n_inputs: int,
    bias: Float[Tensor, "output"],
    generator: torch.Generator | None,
    *,
    tied: bool = True,
) -> Parameters:
    """Return the first weights of one instance.

    The decoder's rows are random unit vectors. Where a latent's input and output are about the
    same units (``tied``, and no hidden layer between), the encoder starts tied to them, so that a
    code starts as a projection; otherwise as random unit vectors. ``bias`` is where the outputs
    start.
    """
    widths = [*s.decoder_layers, len(bias)]
    decoder = normalize(torch.randn(s.n_latents, widths[0], generator=generator))
    p = {
        "encoder": _first_encoder(s, n_inputs, decoder, generator, tied and not s.decoder_layers),
        "encoder_bias": torch.zeros(s.n_latents),
        "decoder": decoder,
        "decoder_bias": bias.clone(),
    }
    for number, (before, after) in enumerate(itertools.pairwise(widths)):
        p[f"hidden_bias{number}"] = torch.zeros(before)
        # He et al. 2015: the fan-in is the layer before.
        scale = math.sqrt(2 / before)
        p[f"layer{number}"] = scale * torch.randn(before, after, generator=generator)
    if s.architecture == "gated":
        p["magnitude_bias"] = torch.zeros(s.n_latents)
        p["log_magnitude"] = torch.zeros(s.n_latents)
    if s.architecture == "jumprelu":
        p["log_threshold"] = torch.full((s.n_latents,), math.log(FIRST_THRESHOLD))
    if s.seq_len > 1 and s.window == "filter":
        p["filter"] = torch.full((s.seq_len,), 1 / s.seq_len)
    return p


def parameter_shapes(s: Settings, n_inputs: int, n_outputs: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of one instance's weights; no memory is taken for them."""
    with torch.device("meta"):
        first = initial_parameters(s, n_inputs, torch.zeros(n_outputs), None, tied=False)
    return {name: tuple(tensor.shape) for name, tensor in first.items()}


def _first_encoder(
    s: Settings, n_inputs: int, decoder, generator, tied: bool
) -> Float[Tensor, "latent input"]:
    """Return the encoder tied to the decoder; a full window starts as the mean over its bins."""
    if not tied:
        return normalize(torch.randn(len(decoder), n_inputs, generator=generator))
    n_taps = s.seq_len if s.window == "full" else 1
    if len(s.reconstruct) == 1:
        return decoder.repeat(1, n_taps) / n_taps
    now = decoder.reshape(len(decoder), len(s.reconstruct), n_inputs // n_taps)
    encoder = torch.zeros(len(decoder), n_taps, n_inputs // n_taps)
    for number, offset in enumerate(s.reconstruct):
        tap = s.offsets.index(offset) if n_taps > 1 else 0
        encoder[:, tap] += now[:, number]
    return normalize(encoder.reshape(len(decoder), n_inputs))


def window_inputs(
    p: Parameters, windows: Float[Tensor, "instance batch tap unit"], s: Settings
) -> Float[Tensor, "instance batch input"]:
    """Return what the encoder sees of a window: its filtered sum, or all of it."""
    if s.seq_len == 1:
        return windows[:, :, 0]
    if s.window == "full":
        return windows.flatten(2)
    return torch.einsum("ibtu,it->ibu", windows, p["filter"])


def project(
    p: Parameters, x: Float[Tensor, "instance batch input"]
) -> Float[Tensor, "instance batch latent"]:
    """Return ``x encoder^T + encoder_bias`` of every instance."""
    return torch.baddbmm(p["encoder_bias"][:, None], x, p["encoder"].mT)


def budget_threshold(codes: Float[Tensor, "batch latent"], k: int) -> Float[Tensor, ""]:
    """Return the value that at most ``k`` codes a row reach on average; always above 0.

    Where equal codes straddle the budget none of them gets in: silent bins are all alike, and
    would overdraw it together. A selection, not a sort; no gradient.
    """
    flat, n = _fine(codes).flatten(), k * len(codes)
    least = flat.topk(n, sorted=False).values.min()
    least = least.clamp_min(torch.finfo(flat.dtype).tiny)
    # A step well above rounding: the same bin's code may differ in its last bits elsewhere.
    return torch.where((flat >= least).count_nonzero() > n, least * (1 + 1e-5), least)


def _fine(codes: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Return codes without gradient, float32 at least: bfloat16 knows no step as small as those
    that keep equal codes out."""
    return codes.detach().to(torch.promote_types(codes.dtype, torch.float32))


def row_thresholds(
    codes: Float[Tensor, "instance batch latent"], k: int
) -> Float[Tensor, "instance batch 1"]:
    """Return for each bin the value that at most ``k`` of its codes reach; always above 0."""
    codes = _fine(codes)
    least = codes.topk(k, dim=2, sorted=False).values.amin(dim=2, keepdim=True)
    least = least.clamp_min(torch.finfo(codes.dtype).tiny)
    tied = (codes >= least).sum(dim=2, keepdim=True) > k
    return torch.where(tied, least * (1 + 1e-5), least)


def select(
    codes: Float[Tensor, "instance batch latent"], level: Level, over: str
) -> Bool[Tensor, "instance batch width"]:
    """Say which codes of a nested dictionary are active, within its budget."""
    codes = codes[:, :, : level.width]
    if over == "row":
        return codes >= row_thresholds(codes, level.k)
    return codes >= torch.stack([budget_threshold(c, level.k) for c in codes])[:, None, None]


class _Step(torch.autograd.Function):
    """A step at a threshold whose gradient is a box around it (straight-through)."""

    @staticmethod
    def forward(ctx, codes, threshold):
        ctx.save_for_backward(codes, threshold)
        return (codes > threshold).to(codes.dtype)

    @staticmethod
    def backward(ctx, gradient):
        codes, threshold = ctx.saved_tensors
        inside = ((codes - threshold).abs() < JUMP_WIDTH / 2).to(codes.dtype)
        to_threshold = -(gradient * inside / JUMP_WIDTH).sum(dim=1, keepdim=True)
        return None, to_threshold


class _Jump(torch.autograd.Function):
    """JumpReLU: the code where it is above its threshold, else 0 (arXiv:2407.14435, eq. 10-12)."""

    @staticmethod
    def forward(ctx, codes, threshold):
        ctx.save_for_backward(codes, threshold)
        return codes * (codes > threshold)

    @staticmethod
    def backward(ctx, gradient):
        codes, threshold = ctx.saved_tensors
        inside = ((codes - threshold).abs() < JUMP_WIDTH / 2).to(codes.dtype)
        to_threshold = -(gradient * inside * threshold / JUMP_WIDTH).sum(dim=1, keepdim=True)
        return gradient * (codes > threshold), to_threshold


def jump(p: Parameters, codes: Float[Tensor, "instance batch latent"]):
    """Return JumpReLU's codes, and for each whether it is active (differentiable in both)."""
    threshold = p["log_threshold"].exp()[:, None]
    return _Jump.apply(codes, threshold), _Step.apply(codes, threshold)


def gate(p: Parameters, x: Float[Tensor, "instance batch input"]):
    """Return the codes of a gated encoder, and the rectified gate that learns through a penalty.

    The gate decides whether a latent is active, the magnitude (the same weights, each latent's
    rescaled) how strongly: a penalty on the gate does not shrink the codes
    (arXiv:2404.16014, eq. 5-8).
    """
    shared = torch.bmm(x, p["encoder"].mT)
    gates = shared + p["encoder_bias"][:, None]
    magnitudes = shared * p["log_magnitude"].exp()[:, None] + p["magnitude_bias"][:, None]
    return torch.relu(magnitudes) * (gates > 0), torch.relu(gates)


def decode(
    p: Parameters, codes: Float[Tensor, "instance batch width"]
) -> Float[Tensor, "instance batch output"]:
    """Return what codes stand for, before the output's activation; the first latents may do."""
    decoder = p["decoder"][:, : codes.shape[2]]
    if "layer0" not in p:
        return torch.baddbmm(p["decoder_bias"][:, None], codes, decoder)
    x, number = torch.bmm(codes, decoder), 0
    while f"layer{number}" in p:
        x = torch.relu(x + p[f"hidden_bias{number}"][:, None])
        x, number = torch.bmm(x, p[f"layer{number}"]), number + 1
    return x + p["decoder_bias"][:, None]


def encode(
    p: Parameters,
    x: Float[Tensor, "instance batch input"],
    s: Settings,
    thresholds: Float[Tensor, "instance level"],
    level: int = -1,
) -> Float[Tensor, "instance batch width"]:
    """Return the codes of a trained model, each bin's on its own, 0 where a latent is not active.

    A batch budget has become a threshold by then (``thresholds``, one a level).
    """
    if s.architecture == "gated":
        return gate(p, x)[0]
    codes = project(p, x)
    if s.architecture == "vanilla":
        return torch.relu(codes)
    if s.architecture == "jumprelu":
        return codes * (codes > p["log_threshold"].exp()[:, None])
    chosen = s.levels[level]
    codes = codes[:, :, : chosen.width]
    if s.budget_over == "row":
        return codes * (codes >= row_thresholds(codes, chosen.k))
    return codes * (codes >= thresholds[:, level, None, None])

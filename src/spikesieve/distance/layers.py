"""Blocks that the networks are built of: ConvNeXt in one dimension, and a unit's embedding.

Liu et al. 2022 (arXiv:2201.03545), equation-free: a depthwise convolution, a normalisation and a
two-layer perceptron of each position, added to what came in. Tensors are (sample, position,
channel), the layout in which a perceptron of each position is one matrix product.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

KERNEL = 7
#: First value of what a block adds is multiplied by this, so that a deep stack starts out shallow.
FIRST_SCALE = 0.1
#: Spread over units of embeddings at the start, and the log variance of each: units must be told
#: apart before anything is learnt, and where they end must not be where they happened to start.
FIRST_SPREAD = 0.02
FIRST_LOG_VARIANCE = -9.0


class Block(nn.Module):
    """A ConvNeXt block; with ``n_kernels``, the depthwise kernel is mixed for each sample."""

    def __init__(self, width: int, *, n_kernels: int = 1):
        super().__init__()
        self.kernels = nn.Parameter(torch.randn(n_kernels, width, KERNEL) * KERNEL**-0.5)
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        self.scale = nn.Parameter(torch.full((width,), FIRST_SCALE))

    def forward(
        self,
        x: Float[Tensor, "sample position channel"],
        mix: Float[Tensor, "sample kernel"] | None = None,
    ) -> Float[Tensor, "sample position channel"]:
        """Return ``x`` plus what the block makes of it; ``mix`` weights the store's kernels."""
        kernels = self.kernels[0] if mix is None else torch.einsum("sk,kcw->scw", mix, self.kernels)
        y = self.narrow(functional.gelu(self.widen(self.norm(depthwise(x, kernels)))))
        return x + self.scale * y


def depthwise(
    x: Float[Tensor, "sample position channel"],
    kernels: Float[Tensor, "*sample channel width"],
) -> Float[Tensor, "sample position channel"]:
    """Convolve each channel with its kernel, zeros around; kernels of all samples or of each."""
    channels, width = kernels.shape[-2:]
    if kernels.ndim == 3:
        windows = functional.pad(x, (0, 0, width // 2, width // 2)).unfold(1, width, 1)
        return torch.einsum("spcw,scw->spc", windows, kernels)
    # As a picture of one row with channels last: the processor's own kernels are there for that.
    image = x.transpose(1, 2).unsqueeze(2)
    weight = kernels[:, None, None]
    y = functional.conv2d(image, weight, padding=(0, width // 2), groups=channels)
    return y.squeeze(2).transpose(1, 2)


class Down(nn.Module):
    """Join two positions into one of another width."""

    def __init__(self, width: int, to: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.join = nn.Linear(2 * width, to)

    def forward(self, x: Float[Tensor, "sample position channel"]) -> Float[Tensor, "s p c"]:
        """Return half as many positions; a first one without a partner is left out."""
        x = self.norm(x[:, x.shape[1] % 2 :])
        return self.join(x.reshape(x.shape[0], x.shape[1] // 2, -1))


def patches(
    x: Float[Tensor, "sample channel bin"], size: int
) -> Float[Tensor, "sample position patch"]:
    """Cut the bins into patches from the last one back; bins too many at the start are dropped."""
    n = x.shape[2] // size
    cut = x[:, :, x.shape[2] - n * size :].reshape(*x.shape[:2], n, size)
    return cut.transpose(1, 2).reshape(x.shape[0], n, -1)


class UnitEmbedding(nn.Module):
    """Where each unit lies, through a variational bottleneck.

    Kingma & Welling 2014 (arXiv:1312.6114), appendix B: the divergence of the normal distribution
    of each unit's embedding from a standard one.
    """

    def __init__(self, n_units: int, size: int):
        super().__init__()
        self.mean = nn.Parameter(torch.randn(n_units, size) * FIRST_SPREAD)
        self.log_variance = nn.Parameter(torch.full((n_units, size), FIRST_LOG_VARIANCE))

    def forward(
        self, units: Int64[Tensor, "unit"], noise: Float[Tensor, "unit dimension"] | None
    ) -> Float[Tensor, "unit dimension"]:
        """Return embeddings of ``units``: drawn with ``noise``, or their means without."""
        mean = self.mean[units]
        if noise is None:
            return mean
        return mean + (self.log_variance[units] / 2).exp() * noise

    def divergence(self, units: Int64[Tensor, "unit"]) -> Float[Tensor, ""]:
        """Return the mean divergence (nats) of the units' embeddings from a standard normal."""
        mean, log_variance = self.mean[units], self.log_variance[units]
        each = (mean**2 + log_variance.exp() - 1 - log_variance) / 2
        return each.sum(dim=1).mean()

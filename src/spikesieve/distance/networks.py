"""From settings to a network, and how many numbers it has."""

import torch
from torch import nn

from spikesieve.distance.settings import Settings
from spikesieve.distance.transformer import Transformer
from spikesieve.distance.unet import UNet


def make_network(
    s: Settings, *, n_channels: int, n_units: int, rate_per_bin: float
) -> Transformer | UNet:
    """Return a network with its first weights, which follow from ``s.seed`` alone.

    Parameters
    ----------
    rate_per_bin : mean spikes a bin of the units it is for, where its heads start from.
    """
    kind = Transformer if s.unit == "token" else UNet
    with torch.random.fork_rng():
        torch.manual_seed(s.seed)
        return kind(s, n_channels, n_units, rate_per_bin)


def n_parameters(network: nn.Module) -> int:
    """Return how many numbers a network learns."""
    return sum(p.numel() for p in network.parameters())

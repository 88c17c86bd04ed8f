"""A U-Net of ConvNeXt blocks: stimulus and history in, a value for each bin around now out.

The network of Doran et al. (ICML 2024) in kind: strided stages down, and up again with what each
stage saw, only over the bins that are asked about.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from spikesieve.distance.heads import (
    Prediction,
    first_biases,
    head_sizes,
    prediction_from,
    set_biases,
)
from spikesieve.distance.layers import Block, Down, UnitEmbedding, patches
from spikesieve.distance.settings import Settings

#: Kernels in a store, of which an embedding mixes its own.
STORE = 8
#: Rank of the layer that a hypernetwork makes.
RANK = 8
#: Positions kept on the left of what is asked about, for the blocks to look back to.
MARGIN = 4


class UNet(nn.Module):
    """See the module; ``unit`` is none, concatenated, hypernetwork or kernels."""

    def __init__(self, s: Settings, n_channels: int, n_units: int, rate_per_bin: float):
        super().__init__()
        self.settings = s
        self.embedding = None if s.unit == "none" else UnitEmbedding(n_units, s.embedding)
        n_in = n_channels + s.history + 1 + (s.unit == "concatenated")
        store = STORE if s.unit == "kernels" else 1
        self.stem = nn.Linear(n_in * s.patch, s.widths[0])
        self.down = nn.ModuleList(Down(a, b) for a, b in zip(s.widths, s.widths[1:], strict=False))
        self.stages = nn.ModuleList(
            nn.ModuleList(Block(width, n_kernels=store) for _ in range(depth))
            for width, depth in zip(s.widths, s.depths, strict=True)
        )
        pairs = zip(s.widths[1:], s.widths, strict=False)
        self.up = nn.ModuleList(nn.Linear(wide, 2 * narrow) for wide, narrow in pairs)
        self.meet = nn.ModuleList(Block(width) for width in s.widths[:-1])
        self.norm = nn.LayerNorm(s.widths[0])
        first = first_biases(s, rate_per_bin)
        self.heads = nn.ModuleDict()
        for head in s.heads:
            pooled = head == "counts"
            width = s.widths[-1] if pooled else s.widths[0]
            layer = nn.Linear(width, len(s.counts) if pooled else s.patch)
            set_biases(layer, first[head])
            self.heads[head] = layer
        if s.unit == "concatenated":
            self.channel = nn.Linear(s.embedding, s.n_in + s.future)
            self.bias = nn.Linear(s.embedding, s.widths[0])
        elif s.unit == "hypernetwork":
            self.made = nn.Linear(s.embedding, 2 * RANK * s.widths[-1])
        elif s.unit == "kernels":
            n_blocks = sum(s.depths)
            self.attention = nn.Linear(s.embedding, n_blocks * STORE)

    def forward(
        self,
        stimulus: Float[Tensor, "window channel n_in"],
        history: Float[Tensor, "window unit n_in"],
        units: Int64[Tensor, "unit"],
        noise: Float[Tensor, "unit dimension"] | None = None,
    ) -> Prediction:
        """Return what is predicted of each window for each unit."""
        return self.ask(self.read(stimulus), history, units, noise)

    def read(
        self, stimulus: Float[Tensor, "window channel n_in"]
    ) -> Float[Tensor, "window channel n_in"]:
        """Return the stimulus: nothing can be made of it before a unit's history is known."""
        return stimulus

    def ask(
        self,
        stimulus: Float[Tensor, "window channel n_in"],
        history: Float[Tensor, "window unit n_in"],
        units: Int64[Tensor, "unit"],
        noise: Float[Tensor, "unit dimension"] | None = None,
    ) -> Prediction:
        """Return what is predicted of each window for each unit, given what ``read`` made."""
        s = self.settings
        windows, n_units = history.shape[:2]
        embedded = None if self.embedding is None else self.embedding(units, noise)
        x = self._input(stimulus, history, embedded)
        x = self.stem(patches(x, s.patch))
        if s.unit == "concatenated":
            x = x + self.bias(embedded).repeat(windows, 1)[:, None]
        mixes = self._mixes(embedded, windows)
        seen, block = [], 0
        for number, stage in enumerate(self.stages):
            if number:
                seen.append(x)
                x = self.down[number - 1](x)
            for one in stage:
                x = one(x, None if mixes is None else mixes[:, block])
                block += 1
        if s.unit == "hypernetwork":
            x = x + self._made_layer(x, embedded, windows)
        deepest = x.mean(dim=1)
        for number in range(len(seen) - 1, -1, -1):
            x = self._up(x, seen[number], number)
        x = self.norm(x)
        parts = {}
        for head, layer in self.heads.items():
            n = head_sizes((head,), s.shape)[head]
            part = layer(deepest if head == "counts" else x).flatten(1)
            parts[head] = part[:, part.shape[1] - n :].reshape(windows, n_units, n)
        return prediction_from(parts)

    def _input(self, stimulus, history, embedded) -> Float[Tensor, "sample channel bin"]:
        """Return all channels over the past and the future, which holds nothing but its flag."""
        s = self.settings
        windows, n_units, n_in = history.shape
        n_bins = n_in + s.future
        n_samples = windows * n_units
        x = stimulus.new_zeros(n_samples, stimulus.shape[1] + s.history + 1, n_bins)
        wide = stimulus[:, None].expand(-1, n_units, -1, -1).reshape(n_samples, -1, n_in)
        x[:, : stimulus.shape[1], :n_in] = wide
        if s.history:
            x[:, stimulus.shape[1], :n_in] = history.reshape(n_samples, n_in)
        x[:, -1, n_in:] = 1
        if s.unit == "concatenated":
            own = self.channel(embedded).repeat(windows, 1)[:, None]
            x = torch.cat([x, own], dim=1)
        # The first layer joins whole patches, and halves must meet at each stage.
        whole = s.patch * 2 ** (len(s.widths) - 1)
        return nn.functional.pad(x, (-n_bins % whole, 0))

    def _mixes(self, embedded, windows) -> Float[Tensor, "sample block kernel"] | None:
        if self.settings.unit != "kernels":
            return None
        weights = self.attention(embedded).reshape(len(embedded), -1, STORE).softmax(dim=2)
        return weights.repeat(windows, 1, 1)

    def _made_layer(self, x, embedded, windows) -> Float[Tensor, "sample position channel"]:
        """Return what a residual layer of low rank says, whose weights the embedding makes."""
        made = (
            self.made(embedded).reshape(len(embedded), 2, x.shape[2], RANK).repeat(windows, 1, 1, 1)
        )
        hidden = nn.functional.gelu(torch.einsum("spc,scr->spr", x, made[:, 0]))
        return torch.einsum("spr,scr->spc", hidden, made[:, 1])

    def _up(self, x, seen, number) -> Float[Tensor, "sample position channel"]:
        """Go up a stage, over the positions that are asked about and a margin before them."""
        s = self.settings
        wanted = -(-s.shape.n_out // (s.patch * 2 ** (number + 1))) + MARGIN
        x = self.up[number](x[:, -wanted:])
        x = x.reshape(x.shape[0], 2 * x.shape[1], -1)
        return self.meet[number](x + seen[:, -x.shape[1] :])

"""A network for many units: the stimulus is read once, and each unit's token asks it.

Convolutions turn the stimulus into tokens, without regard to who asks. A unit comes as a token, its
own past spikes as further ones that it is added to; they attend to each other and to the stimulus'
tokens (Vaswani et al. 2017, arXiv:1706.03762, figure 1, right), and a fully connected head reads
them all, and the whole stimulus at gains of the unit's own. Since the stimulus is read once a
window, another unit costs a tenth of another window.
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


class Transformer(nn.Module):
    """See the module."""

    def __init__(self, s: Settings, n_channels: int, n_units: int, rate_per_bin: float):
        super().__init__()
        self.settings = s
        width = s.widths[-1]
        self.embedding = UnitEmbedding(n_units, s.embedding)
        self.stem = nn.Linear(n_channels * s.patch, s.widths[0])
        self.down = nn.ModuleList(Down(a, b) for a, b in zip(s.widths, s.widths[1:], strict=False))
        self.stages = nn.ModuleList(
            nn.ModuleList(Block(w) for _ in range(depth))
            for w, depth in zip(s.widths, s.depths, strict=True)
        )
        n_tokens = s.n_in // s.patch >> (len(s.widths) - 1)
        self.place = nn.Parameter(torch.randn(n_tokens, width))
        self.unit_token = nn.Linear(s.embedding, width)
        # Without history these tokens still ask, each its own question.
        n_past = s.n_in // s.history_patch
        self.past_place = nn.Parameter(torch.randn(n_past, width))
        if s.history:
            self.past_token = nn.Linear(s.history_patch, width)
        self.layers = nn.ModuleList(Layer(width, s.attention_heads) for _ in range(s.layers))
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear((1 + n_past) * width, 4 * width)
        self.whole = nn.Linear(n_tokens * width, 4 * width)
        self.gain = nn.Linear(s.embedding, 4 * width)
        first = first_biases(s, rate_per_bin)
        self.heads = nn.ModuleDict()
        for head, size in head_sizes(s.heads, s.shape).items():
            layer = nn.Linear(4 * width, size)
            set_biases(layer, first[head])
            self.heads[head] = layer

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
    ) -> Float[Tensor, "window token width"]:
        """Return the tokens of the stimulus: the same whoever asks, so they can be kept."""
        x = self.stem(patches(stimulus, self.settings.patch))
        for number, stage in enumerate(self.stages):
            x = self.down[number - 1](x) if number else x
            for block in stage:
                x = block(x)
        return x + self.place[-x.shape[1] :]

    def ask(
        self,
        tokens: Float[Tensor, "window token width"],
        history: Float[Tensor, "window unit n_in"],
        units: Int64[Tensor, "unit"],
        noise: Float[Tensor, "unit dimension"] | None = None,
    ) -> Prediction:
        """Return what is predicted of each window for each unit, given the stimulus' tokens."""
        s = self.settings
        windows, n_units = history.shape[:2]
        embedded = self.embedding(units, noise)
        token = self.unit_token(embedded)
        past = self.past_place.expand(windows, n_units, -1, -1)
        if s.history:
            patches_of_it = history.reshape(windows, n_units, -1, s.history_patch)
            past = past + self.past_token(patches_of_it)
        unit = token[None, :, None].expand(windows, -1, -1, -1)
        asking = torch.cat([unit, past + unit], dim=2)
        for layer in self.layers:
            asking = layer(asking, tokens)
        # The whole stimulus once more, at one gain a unit: attention alone is slow to find times.
        seen = self.whole(tokens.flatten(1))[:, None] * self.gain(embedded)
        hidden = nn.functional.gelu(self.widen(self.norm(asking).flatten(2)) + seen)
        return prediction_from({name: head(hidden) for name, head in self.heads.items()})


class Layer(nn.Module):
    """A unit's tokens attend to each other, then to the stimulus; normalised in front of each."""

    def __init__(self, width: int, n_heads: int):
        super().__init__()
        self.n_heads = n_heads
        self.own = nn.Linear(width, 3 * width)
        self.own_out = nn.Linear(width, width)
        self.query = nn.Linear(width, width)
        self.stimulus = nn.Linear(width, 2 * width)
        self.stimulus_out = nn.Linear(width, width)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(4))

    def forward(
        self,
        x: Float[Tensor, "window unit token width"],
        stimulus: Float[Tensor, "window stimulus_token width"],
    ) -> Float[Tensor, "window unit token width"]:
        """Return the unit's tokens after the layer."""
        windows, n_units, n_tokens, width = x.shape
        own = self.own(self.norms[0](x)).reshape(windows * n_units, n_tokens, 3 * width)
        y = self._attend(*own.chunk(3, dim=2))
        x = x + self.own_out(y).reshape(x.shape)
        # All units of a window ask the same keys: as one long sequence of queries.
        query = self.query(self.norms[1](x)).reshape(windows, n_units * n_tokens, width)
        keys, values = self.stimulus(self.norms[2](stimulus)).chunk(2, dim=2)
        x = x + self.stimulus_out(self._attend(query, keys, values)).reshape(x.shape)
        return x + self.narrow(nn.functional.gelu(self.widen(self.norms[3](x))))

    def _attend(self, query, keys, values) -> Float[Tensor, "row token width"]:
        parts = [t.unflatten(2, (self.n_heads, -1)).transpose(1, 2) for t in (query, keys, values)]
        return nn.functional.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2)

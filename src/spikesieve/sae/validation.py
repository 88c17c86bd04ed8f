"""Looking at the validation block while training: can hidden units be told from the others?"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from spikesieve.sae import architectures
from spikesieve.sae.architectures import Parameters
from spikesieve.sae.inputs import Data, targets, windows
from spikesieve.sae.losses import activate
from spikesieve.sae.settings import Settings

#: Rows that are looked at; more would not change the verdict.
VALIDATION_ROWS = 4096
N_MASKS, HIDDEN_SHARE = 4, 0.3


@torch.no_grad()
def validation_score(p: Parameters, data: Data, s: Settings) -> Float[Tensor, "instance"]:
    """Return the pooled R2 of hidden units, predicted from the others, of each instance.

    Four masks hide 30 % of the units each. Where the target is another population, nothing is
    hidden: the R2 is the target's.
    """
    same = data.targets is data.counts
    n_units = data.counts.shape[1]
    rows = data.rows[:: -(-len(data.rows) // VALIDATION_ROWS)]
    n = len(p["encoder"])
    rows = rows[None].expand(n, -1)
    truth = targets(data, rows, s)
    centred = truth - truth.mean(dim=1, keepdim=True)
    wrong, varies = torch.zeros(2, n, device=truth.device)
    for hidden in masks(n_units) if same else [torch.zeros(n_units, dtype=torch.bool)]:
        hidden = hidden.to(truth.device)
        x = architectures.window_inputs(p, windows(data, rows, hidden if same else None), s)
        output = architectures.decode(p, budgeted_codes(p, x, s))
        judged = hidden.repeat(len(s.reconstruct)) if same else slice(None)
        error = (activate(output, s.output_activation) - truth)[:, :, judged]
        wrong += error.square().sum(dim=(1, 2))
        varies += centred[:, :, judged].square().sum(dim=(1, 2))
    return 1 - wrong / varies.clamp_min(1e-12)


def masks(n_units: int) -> list[Bool[Tensor, "unit"]]:
    """Return which units each mask hides: at least one, never all; fixed, whatever the seed."""
    generator = torch.Generator().manual_seed(0)
    n_hidden = min(max(round(HIDDEN_SHARE * n_units), 1), n_units - 1)
    orders = [torch.randperm(n_units, generator=generator) for _ in range(N_MASKS)]
    return [
        torch.zeros(n_units, dtype=torch.bool).index_fill(0, o[:n_hidden], True) for o in orders
    ]


def budgeted_codes(
    p: Parameters, x: Float[Tensor, "instance batch input"], s: Settings
) -> Float[Tensor, "instance batch latent"]:
    """Return codes before there is a threshold: a batch's budget is counted over all of ``x``."""
    if s.budget_over is None:
        return architectures.encode(p, x, s, torch.zeros(len(x), 1))
    codes = architectures.project(p, x)
    return torch.where(architectures.select(codes, s.levels[-1], s.budget_over), codes, 0)

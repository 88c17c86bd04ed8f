"""A trained model at work, block by block: counts to codes, codes to counts."""

import numpy as np
import scipy.sparse
import torch
from jaxtyping import Bool, Float, Real
from torch import Tensor

from spikesieve.sae import architectures
from spikesieve.sae.architectures import Parameters
from spikesieve.sae.inputs import Data, Scaling, windows
from spikesieve.sae.losses import activate
from spikesieve.sae.settings import Settings

#: Rows that are encoded at once. Shorter pieces are padded to it: a matrix product of another
#: shape may round otherwise, and a bin's latents must not depend on who is encoded beside it.
BLOCK_ROWS = 1024


@torch.no_grad()
def codes_of(
    p: Parameters,
    data: Data,
    s: Settings,
    thresholds: Float[Tensor, "1 level"],
    level: int,
    hidden: Bool[Tensor, "unit"] | None,
) -> scipy.sparse.csr_array:
    """Return one instance's codes ``(bin, latent)`` of all rows of ``data``."""
    blocks, device = [], data.counts.device
    for first in range(0, len(data.counts), BLOCK_ROWS):
        n = min(BLOCK_ROWS, len(data.counts) - first)
        rows = (first + torch.arange(BLOCK_ROWS, device=device)).clamp_max(len(data.counts) - 1)
        x = architectures.window_inputs(p, windows(data, rows[None], hidden), s)
        codes = architectures.encode(p, x, s, thresholds, level)[0, :n]
        blocks.append(scipy.sparse.csr_array(codes.cpu().numpy()))
    return scipy.sparse.vstack(blocks, format="csr")


@torch.no_grad()
def predictions_of(
    p: Parameters,
    latents: scipy.sparse.csr_array | Real[np.ndarray, "bin latent"],
    scaling: Scaling,
    s: Settings,
    number: int,
) -> Float[np.ndarray, "bin target"]:
    """Return what one instance makes of ``latents`` in counts, of bin ``number`` among those
    that it reconstructs."""
    n_targets = len(scaling.gain)
    columns = slice(number * n_targets, (number + 1) * n_targets)
    counts = np.empty((latents.shape[0], n_targets), np.float32)
    for start in range(0, latents.shape[0], BLOCK_ROWS):
        block = latents[start : start + BLOCK_ROWS]
        dense = block.toarray() if scipy.sparse.issparse(block) else block
        codes = torch.as_tensor(dense, dtype=torch.float32, device=scaling.gain.device)
        output = architectures.decode(p, codes[None])[0, :, columns]
        prediction = scaling.invert(activate(output, s.output_activation))
        counts[start : start + BLOCK_ROWS] = prediction.cpu().numpy()
    return counts

"""Penalties that make codes sparse, and the warm-up of their coefficient.

The architectures with a top-k budget need none. All penalties take codes that are never negative.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from spikesieve.errors import InputError, suggest
from spikesieve.sae.names import PENALTIES

#: Penalties that a model could evade by small codes and a large decoder. Under these, keep the
#: decoder's rows at norm 1, with the gradient projected before each step.
NEEDS_UNIT_NORM = frozenset({"l1", "tanh"})

Codes = Float[Tensor, "instance batch latent"]
Decoder = Float[Tensor, "instance latent unit"]


def sparsity_penalty(
    name: str, *, a: float = 1.0, b: float = 1.0
) -> Callable[[Codes, Decoder], Float[Tensor, "instance"]]:
    """Return the penalty ``name`` of (codes, decoder): summed over latents, mean over the batch.

    - ``l1``: the codes.
    - ``l1_decoder_norm``: each code times the norm of its decoder row; the same however a model
      splits a feature's size between code and row (Conerly et al. 2024, "Update on how we train
      SAEs", transformer-circuits.pub).
    - ``tanh``: ``a * tanh(b * code)``; counts active latents rather than their size, as ``b``
      grows, so that large codes are not shrunk (Jermyn et al. 2024, "Tanh penalty in dictionary
      learning", transformer-circuits.pub).

    Raises
    ------
    InputError
        An unknown name, or ``a`` or ``b`` not above 0.
    """
    if name not in PENALTIES:
        hint = suggest(str(name), list(PENALTIES))
        raise InputError(f"sparsity penalty {name!r}{hint}", allowed=", ".join(PENALTIES))
    for parameter, value in (("a", a), ("b", b)):
        if not 0 < value < math.inf:
            raise InputError(f"penalty {name!r}: {parameter} {value!r}", allowed="above 0, finite")
    if name == "l1":
        return lambda codes, decoder: codes.sum(dim=-1).mean(dim=-1)
    if name == "l1_decoder_norm":
        # The mean first: a product of the batch's size less.
        return lambda codes, decoder: (codes.mean(dim=-2) * decoder.norm(dim=-1)).sum(dim=-1)
    return lambda codes, decoder: a * torch.tanh(b * codes).sum(dim=-1).mean(dim=-1)


def coefficient_share(step: int, n_steps: int, warm_up: float = 0.0) -> float:
    """Return the share of the penalty's coefficient at ``step`` (from 0), in (0, 1].

    It rises linearly over the first ``warm_up`` (0 to 1) of the steps, then stays at 1; 0 is a
    constant coefficient. A penalty at full strength from the start kills latents before they
    mean anything.

    Raises
    ------
    InputError
        ``warm_up`` outside 0 to 1.
    """
    if not 0 <= warm_up <= 1:
        raise InputError(f"warm_up {warm_up!r}", allowed="0 to 1, a share of the steps")
    return min((step + 1) / max(warm_up * n_steps, 1), 1.0)

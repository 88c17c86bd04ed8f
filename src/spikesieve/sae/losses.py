"""What a reconstruction is asked to come near to: elementwise losses and output activations.

A loss and an output activation belong together: a logarithm needs outputs above -1, a Poisson
likelihood needs rates. So each loss takes the decoder's output *before* its activation, applies
the activation itself, and may use that it knows where the prediction comes from.
``check_pairing`` says which pairs are possible.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from spikesieve.errors import InputError
from spikesieve.sae.names import check_pairing

#: Below this, softplus(z) equals exp(z) (1 - exp(z) / 2) to double precision.
LOG_SOFTPLUS_CUT = -17.0

Pointwise = Callable[[Tensor, Tensor], Tensor]


def activate(output: Float[Tensor, "..."], activation: str) -> Float[Tensor, "..."]:
    """Return the prediction that the decoder's ``output`` stands for."""
    if activation == "none":
        return output
    return torch.relu(output) if activation == "relu" else softplus(output)


def pointwise_loss(
    name: str,
    *,
    output_activation: str = "none",
    tau: float = 1.0,
    epsilon: float = 1e-3,
    under_weight: float = 2.0,
) -> Pointwise:
    """Return the loss ``name`` as a function of (output, target), elementwise.

    ``output`` is the decoder's, before ``output_activation``; it may have more leading axes (a
    level axis) than ``target``, whose values x are then repeated. With p the activated output:

    - ``mse``: (p - x)^2. Best at the mean of x.
    - ``msle``: (tau log(1 + p) - log(1 + x))^2. ``tau`` is no asymmetry: it moves the optimum to
      p = (1 + x)^(1 / tau) - 1, so that only tau = 1 predicts counts; above 1 shrinks all.
    - ``asymmetric``: (p - x)^2, times ``under_weight`` where p < x. A weight above 1 makes missed
      spikes dearer than invented ones.
    - ``msle_asymmetric``: the same on log(1 + p) and log(1 + x).
    - ``poisson_kl``: x log((x + epsilon) / (p + epsilon)) - x + p, the generalised
      Kullback-Leibler divergence, finite at p = 0. Best at p = max(x - epsilon, 0). Its slope at
      p = 0 is 1 - x / epsilon: small values of ``epsilon`` make single spikes dominate.
    - ``poisson_nll``: p - x log p, the negative log-likelihood of raw counts without its constant
      log x!. Needs softplus, whose logarithm is taken from the output itself: finite, with a
      slope of 1 - x, for outputs as low as float32 goes. It may be negative.

    Raises
    ------
    InputError
        An unknown name, a parameter out of range, or a pair that ``check_pairing`` refuses.
    """
    check_pairing(name, output_activation)
    for parameter, value in (("tau", tau), ("epsilon", epsilon), ("under_weight", under_weight)):
        if not 0 < value < math.inf:
            raise InputError(f"loss {name!r}: {parameter} {value!r}", allowed="above 0, finite")
    if name == "poisson_nll":
        return _poisson_nll
    of_prediction = {
        "mse": lambda p, x: (p - x).square(),
        "msle": lambda p, x: (tau * torch.log1p(p) - torch.log1p(x)).square(),
        "asymmetric": lambda p, x: _asymmetric_square(p - x, under_weight),
        "msle_asymmetric": lambda p, x: _asymmetric_square(
            torch.log1p(p) - torch.log1p(x), under_weight
        ),
        "poisson_kl": lambda p, x: torch.xlogy(x, (x + epsilon) / (p + epsilon)) - x + p,
    }[name]
    return lambda output, target: of_prediction(activate(output, output_activation), target)


def _asymmetric_square(error: Tensor, under_weight: float) -> Tensor:
    return error.square() * torch.where(error < 0, under_weight, 1.0)


def _poisson_nll(output: Tensor, target: Tensor) -> Tensor:
    return softplus(output) - target * _log_softplus(output)


def _log_softplus(z: Tensor) -> Tensor:
    # Each branch sees only its own range: the other's overflow would turn the gradient NaN.
    low, high = z.clamp(max=LOG_SOFTPLUS_CUT), z.clamp(min=LOG_SOFTPLUS_CUT)
    return torch.where(z < LOG_SOFTPLUS_CUT, low - low.exp() / 2, softplus(high).log())

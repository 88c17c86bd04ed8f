"""What networks predict, and the loss of each prediction: one set for training and evaluation."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from spikesieve.distance.settings import HEADS, Settings
from spikesieve.distance.shape import Shape
from spikesieve.distance.windows import Batch

#: Bounds of a predicted log variance: a spread of a hundredth to about twenty in log distance.
LOG_VARIANCE = (-9.0, 6.0)


class Prediction(NamedTuple):
    """What a network says of windows x units; a head that it lacks is None."""

    log_distance: Float[Tensor, "window unit n_out"] | None = None
    log_variance: Float[Tensor, "window unit n_out"] | None = None
    hazard_logit: Float[Tensor, "window unit future"] | None = None
    log_counts: Float[Tensor, "window unit span"] | None = None


def head_sizes(heads: tuple[str, ...], shape: Shape) -> dict[str, int]:
    """Return how many numbers each head predicts for a window."""
    sizes = {
        "distance": shape.n_out,
        "variance": shape.n_out,
        "hazard": shape.future,
        "counts": len(shape.counts),
    }
    return {head: sizes[head] for head in heads}


def prediction_from(parts: dict[str, Tensor]) -> Prediction:
    """Name the outputs of heads, and keep the log variance within bounds."""
    variance = parts.get("variance")
    return Prediction(
        parts.get("distance"),
        None if variance is None else variance.clamp(*LOG_VARIANCE),
        parts.get("hazard"),
        parts.get("counts"),
    )


def first_biases(s: Settings, rate_per_bin: float) -> dict[str, float | Tensor]:
    """Return what each head says before it has learnt anything: as if spikes came at random."""
    rate = max(rate_per_bin, 1e-6)
    mean_distance = min(1 / (2 * rate), s.max_distance / 2)
    return {
        "distance": float(torch.tensor(mean_distance).log()),
        "variance": 0.0,
        "hazard": float(torch.logit(torch.tensor(min(rate, 0.5)))),
        "counts": (torch.tensor(s.counts, dtype=torch.float32) * rate).log(),
    }


def set_biases(layer: nn.Linear, value) -> None:
    """Make a head say ``value`` whatever comes in, but for small differences."""
    with torch.no_grad():
        layer.weight.mul_(0.1)
        layer.bias.copy_(torch.as_tensor(value).expand(layer.bias.shape))


def losses(predicted: Prediction, batch: Batch) -> dict[str, Float[Tensor, "window unit"]]:
    """Return the loss of each head there is, for each window and unit.

    ``distance``: squared error of the log distance (Doran et al., ICML 2024). ``variance``:
    negative log-likelihood of a normal log distance around the predicted one, which it does not
    move. ``hazard``: Bernoulli, nats a bin. ``counts``: Poisson, mean over the spans, without the
    term of the target alone.
    """
    found = {}
    if predicted.log_distance is not None:
        error = predicted.log_distance - batch.distance.log()
        found["distance"] = (error**2).mean(dim=2)
        if predicted.log_variance is not None:
            scaled = error.detach() ** 2 * (-predicted.log_variance).exp()
            found["variance"] = ((scaled + predicted.log_variance) / 2).mean(dim=2)
    if predicted.hazard_logit is not None:
        each = functional.binary_cross_entropy_with_logits(
            predicted.hazard_logit, batch.spikes, reduction="none"
        )
        found["hazard"] = each.mean(dim=2)
    if predicted.log_counts is not None:
        each = predicted.log_counts.exp() - batch.counts * predicted.log_counts
        found["counts"] = each.mean(dim=2)
    return found


def total(found: dict[str, Tensor]) -> Float[Tensor, ""]:
    """Return the weighted sum of the heads' losses, means over windows and units."""
    return sum(HEADS[name] * loss.mean() for name, loss in found.items())

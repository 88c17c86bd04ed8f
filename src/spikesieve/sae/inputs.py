"""Batches from counts that stay on the device: transform, window, hidden units.

Counts stay as they came (uint8 mostly, a quarter of their float32 size); only a batch of them is
ever normalised, so that an Allen session fits where training takes place.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Integer, Real, Shaped
from torch import Tensor

from spikesieve.counts import fit_normalisation
from spikesieve.sae.settings import Settings
from spikesieve.smoothing import smooth_gaussian

#: Rows that the geometric median and the scale are read from; more would not move them.
SAMPLED_ROWS = 16_384
#: A rate from which a softplus output can still learn; where a unit is silent it starts here.
LEAST_START = 1e-3


class Scaling(NamedTuple):
    """How counts become inputs or targets: ``f(counts) * gain - offset``; f a root or nothing."""

    root: bool
    gain: Float[Tensor, "unit"]
    offset: Float[Tensor, "unit"]

    def apply(self, counts: Shaped[Tensor, "*row unit"]) -> Float[Tensor, "*row unit"]:
        """Return what a network sees of ``counts``."""
        x = counts.to(torch.float32)
        x = x.sqrt_() if self.root else x
        return x * self.gain - self.offset

    def invert(self, x: Float[Tensor, "*row unit"]) -> Float[Tensor, "*row unit"]:
        """Return counts, fractional and never negative."""
        counts = ((x + self.offset) / self.gain).clamp_min(0)
        return counts.square() if self.root else counts


class Data(NamedTuple):
    """Counts on a device, and what makes batches of them.

    ``neighbours`` holds for each row the rows of its window, -1 where there is none: a window
    never reaches over a gap. ``rows`` lists those whose bins to reconstruct all exist.
    """

    counts: Shaped[Tensor, "row unit"]
    targets: Shaped[Tensor, "row target"]
    neighbours: Int[Tensor, "row tap"]
    rows: Int[Tensor, "usable"]
    input_scaling: Scaling
    target_scaling: Scaling


def compact(counts: Real[np.ndarray, "row unit"]) -> Tensor:
    """Return counts as a tensor: bytes where they are bytes, else float32."""
    kept = counts if counts.dtype == np.uint8 else counts.astype(np.float32)
    return torch.from_numpy(np.ascontiguousarray(kept))


def neighbours_of(
    bins: Integer[np.ndarray, "row"], offsets: tuple[int, ...]
) -> Int[np.ndarray, "row tap"]:
    """Return the row ``offset`` bins from each row, -1 where a bin on the way there is missing."""
    number = np.asarray(bins, np.int64)
    wanted = np.arange(len(number))[:, None] + np.array(offsets)
    row = wanted.clip(0, len(number) - 1)
    # Numbers ascend: so many rows on, the number is as much higher only if none is left out.
    reached = number[row] - number[:, None] == np.array(offsets)
    return np.where(reached & (row == wanted), row, -1)


def make_data(
    counts: Real[np.ndarray, "row unit"],
    targets: Real[np.ndarray, "row target"],
    bins: Integer[np.ndarray, "row"],
    scalings: tuple[Scaling, Scaling],
    s: Settings,
    device: torch.device,
) -> Data:
    """Put ``counts`` and ``targets`` (the same array where they are one) onto ``device``."""
    neighbours = neighbours_of(bins, s.offsets)
    taps = [s.offsets.index(offset) for offset in s.reconstruct]
    usable = np.flatnonzero((neighbours[:, taps] >= 0).all(axis=1))
    inputs = compact(counts).to(device)
    outputs = inputs if targets is counts else compact(targets).to(device)
    on_device = (torch.from_numpy(a).to(device) for a in (neighbours, usable))
    moved = (Scaling(s.root, s.gain.to(device), s.offset.to(device)) for s in scalings)
    return Data(inputs, outputs, *on_device, *moved)


def smoothed(counts, bins, target, width: float):
    """Return counts and target ``(row, unit)`` smoothed over time with a Gaussian of ``width``
    bins; one array where they are one."""
    if not width:
        return counts, target
    x = smooth_gaussian(counts, bins, width)
    return x, x if target is counts else smooth_gaussian(target, bins, width)


def windows(
    data: Data, rows: Int[Tensor, "instance batch"], hidden: Bool[Tensor, "*batch unit"] | None
) -> Float[Tensor, "instance batch tap unit"]:
    """Return the scaled windows around ``rows``; 0 where a bin is missing or a unit hidden.

    What is left of a bin of which a share is hidden is scaled up, so that a code stays as large.
    """
    where = data.neighbours[rows]
    x = data.input_scaling.apply(data.counts[where.clamp_min(0)])
    if where.shape[-1] > 1:
        x = x * (where >= 0)[..., None]
    if hidden is not None:
        shown = ~hidden
        share = shown.float().mean(dim=-1, keepdim=True).clamp_min(1e-6)
        x = x * (shown / share).expand(x.shape[0], x.shape[1], -1)[:, :, None]
    return x


def targets(
    data: Data, rows: Int[Tensor, "instance batch"], s: Settings
) -> Float[Tensor, "instance batch output"]:
    """Return the scaled bins to reconstruct of each row, one after the other."""
    taps = [s.offsets.index(offset) for offset in s.reconstruct]
    return data.target_scaling.apply(data.targets[data.neighbours[rows][..., taps]]).flatten(2)


def fit_scalings(
    counts: Real[np.ndarray, "row unit"], targets: Real[np.ndarray, "row target"], s: Settings
) -> tuple[Scaling, Scaling, Float[Tensor, "target"]]:
    """Learn from training rows how inputs and targets are scaled, and where outputs start.

    Inputs are centred on the pre-bias and divided by the root of their mean variance, so that one
    learning rate suits counts of any scale. So are targets of a squared error, without the
    centre. Those of losses with a scale of their own stay: counts for the Poisson losses, the
    normalised counts for the logarithmic ones. Outputs start at what ``pre_bias`` names, before
    ``output_activation``.
    """
    inputs, offset = _fit(counts, s.normalisation, s.pre_bias, unit_variance=True)
    if s.loss.startswith("poisson"):
        outputs, start = _fit(targets, "none", "mean", unit_variance=False)
    else:
        scaled = not s.loss.startswith("msle")
        statistic = "mean" if s.pre_bias == "none" else s.pre_bias
        outputs, start = _fit(targets, s.normalisation, statistic, unit_variance=scaled)
    if s.output_activation == "softplus":
        start = start.clamp_min(LEAST_START).expm1().log()  # where softplus gives ``start``
    return inputs._replace(offset=inputs.offset + offset * (s.pre_bias != "none")), outputs, start


def _fit(counts, normalisation: str, statistic: str, *, unit_variance: bool):
    """Return a scaling, and the ``statistic`` of what it makes of ``counts``."""
    scale = fit_normalisation(counts, normalisation)
    step = -(-len(counts) // SAMPLED_ROWS)
    x = scale.apply(counts[::step]).astype(np.float64)
    size = np.sqrt(x.var(axis=0).mean()) if unit_variance else 1.0
    size = size if size > 0 else 1.0
    gain, offset = 1 / (scale.scale * size), scale.centre / size
    centre = geometric_median(x) if statistic == "geometric_median" else x.mean(axis=0)
    tensors = (torch.as_tensor(a, dtype=torch.float32) for a in (gain, offset, centre / size))
    gain, offset, centre = tensors
    return Scaling(normalisation == "sqrt_centred", gain, offset), centre


def geometric_median(
    x: Float[np.ndarray, "row unit"], *, n_iterations: int = 100, tolerance: float = 1e-6
) -> Float[np.ndarray, "unit"]:
    """Return the point with the least summed distance to all rows (Weiszfeld 1937).

    Less drawn to rare busy bins than the mean.
    """
    point = x.mean(axis=0)
    for _ in range(n_iterations):
        distance = np.sqrt(np.square(x - point).sum(axis=1))
        weight = 1 / np.maximum(distance, 1e-12)
        after = weight @ x / weight.sum()
        moved = np.linalg.norm(after - point)
        point = after
        if moved <= tolerance * max(np.linalg.norm(point), 1e-12):
            break
    return point

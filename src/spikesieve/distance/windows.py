"""Windows of a recording: what networks see and what they are to predict, without copies.

A window at ``now`` sees the ``n_in`` bins before it (stimulus and the unit's own spikes), and is
asked about the ``prefix`` bins before now and the ``future`` bins from now on. Doran et al. (ICML
2024) take 992, 32 and 96.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, Int64, UInt8
from torch import Tensor

from spikesieve.distance.bins import Bins
from spikesieve.distance.shape import Shape
from spikesieve.errors import InputError


class Recorded(NamedTuple):
    """A recording on the device that trains: spikes, stimulus, and where the next spike is."""

    spikes: UInt8[Tensor, "unit bin"]
    stimulus: Float[Tensor, "channel bin"]
    previous: Int[Tensor, "unit bin"]
    following: Int[Tensor, "unit bin"]
    before: Int[Tensor, "unit bin_plus_one"]  # spikes before each bin


class Batch(NamedTuple):
    """Windows x units: the stimulus is the same for all units, so it is held once."""

    stimulus: Float[Tensor, "window channel n_in"]
    history: Float[Tensor, "window unit n_in"]
    distance: Float[Tensor, "window unit n_out"]  # in bins, to spikes from now on
    spikes: Float[Tensor, "window unit future"]  # 1 where there is a spike (or more)
    counts: Float[Tensor, "window unit span"]


def on_device(bins: Bins, device: torch.device) -> Recorded:
    """Put a recording where it is trained on."""
    from spikesieve.distance.transform import nearest_spikes

    nearest = [nearest_spikes(train) for train in bins.spikes]
    before = np.zeros((len(bins.spikes), bins.spikes.shape[1] + 1), np.int32)
    np.cumsum(bins.spikes, axis=1, dtype=np.int32, out=before[:, 1:])
    arrays = (bins.spikes, bins.stimulus, *map(np.stack, zip(*nearest, strict=True)), before)
    return Recorded(*(torch.from_numpy(np.ascontiguousarray(a)).to(device) for a in arrays))


def blocks_of(bins: Bins, split: str) -> list[tuple[int, int]]:
    """Return the first bin and the one after the last of each run of bins of a split."""
    inside = np.concatenate([[False], bins.split == split, [False]])
    edges = np.flatnonzero(np.diff(inside.astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def window_starts(
    bins: Bins, split: str, shape: Shape, *, stride: int, offset: int = 0
) -> Int64[np.ndarray, "window"]:
    """Return each window's now, ``stride`` apart: whole windows inside one block of the split.

    Raises
    ------
    InputError
        No block of the split is as long as a window.
    """
    blocks = blocks_of(bins, split)
    starts = [
        np.arange(first + shape.n_in + offset % stride, last - shape.reach + 1, stride)
        for first, last in blocks
    ]
    if not sum(map(len, starts)):
        longest = max((last - first for first, last in blocks), default=0)
        raise InputError(
            f"the longest block of {split} has {longest} bins of {bins.bin_s * 1000:.3f} ms; a "
            f"window needs {shape.n_in} before now and {shape.reach} after",
            recording=bins.recording,
            fix="record longer, take other weights in distance.split, or shorter windows",
        )
    return np.concatenate(starts).astype(np.int64)


def gather(
    recorded: Recorded,
    now: Int64[Tensor, "window"],
    units: Int64[Tensor, "chosen"],
    shape: Shape,
    *,
    minimum: float = 0.25,
) -> Batch:
    """Return the windows at ``now`` of some units: copied for the batch only.

    Distances are those of ``spikesieve.distance.transform.future_distance``.
    """
    past = now[:, None] + torch.arange(-shape.n_in, 0, device=now.device)
    out = now[:, None] + torch.arange(-shape.prefix, shape.future, device=now.device)
    rows = units[None, :, None]
    following = recorded.following[rows, torch.maximum(out, now[:, None])[:, None]]
    to_next = following - out[:, None]
    since = out[:, None] - recorded.previous[rows, out[:, None]]
    seen = recorded.previous[rows, out[:, None]] >= now[:, None, None]
    distance = torch.where(seen, torch.minimum(since, to_next), to_next)
    distance = distance.clamp(max=shape.max_distance).float().clamp(min=minimum)
    spikes = recorded.spikes[rows, out[:, None, shape.prefix :]]
    spans = torch.tensor(shape.counts, device=now.device)
    end = now[:, None] + spans
    counts = recorded.before[rows, end[:, None]] - recorded.before[rows, now[:, None, None]]
    return Batch(
        recorded.stimulus[:, past].transpose(0, 1),
        recorded.spikes[rows, past[:, None]].float(),
        distance,
        spikes.clamp(max=1).float(),
        counts.float(),
    )

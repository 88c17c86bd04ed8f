"""Autoregressive rollout (Doran et al., 2024): predict, place spikes, take them for the past.

The history starts empty and is only ever what was inferred; of the stimulus nothing after now is
seen. All units and methods go through the network as one batch.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor, nn
from tqdm import tqdm

from spikesieve.distance.heads import Prediction
from spikesieve.distance.placing import Asked, Placer
from spikesieve.distance.shape import Shape
from spikesieve.errors import InputError

#: Windows whose stimulus is read at once.
READ_AT_ONCE = 64


class Span(NamedTuple):
    """Bins ``[start, stop)`` that spikes are inferred for."""

    start: int
    stop: int


def span_of(
    blocks: list[tuple[int, int]], shape: Shape, step: int, recording: str | None = None
) -> Span:
    """Return the span of the longest test block: whole steps, after the first window's past.

    Raises ``InputError`` where no block holds a window and a step.
    """
    first, last = max(blocks, key=lambda block: block[1] - block[0], default=(0, 0))
    n_steps = (last - first - shape.n_in) // step
    if n_steps < 1 or last - first < shape.n_in + shape.reach:
        raise InputError(
            f"the longest test block has {last - first} bins; a rollout needs {shape.n_in} to see "
            f"and {max(step, shape.reach)} to predict",
            recording=recording,
            fix="take other weights in distance.split, or shorter windows",
        )
    start = first + shape.n_in
    return Span(start, start + n_steps * step)


def asked_of(predicted: Prediction, last_spike, window: int = 0) -> Asked:
    """Return what a network said of one window, as placers take it."""

    def numbers(part: Tensor | None, change) -> np.ndarray | None:
        return None if part is None else change(part[window].double()).cpu().numpy()

    return Asked(
        numbers(predicted.log_distance, torch.exp),
        numbers(predicted.log_variance, torch.exp),
        numbers(predicted.hazard_logit, torch.sigmoid),
        numbers(predicted.log_counts, torch.exp),
        last_spike,
    )


def rollout(
    network: nn.Module,
    stimulus: Tensor,
    units: Tensor,
    span: Span,
    shape: Shape,
    placers: dict[str, Placer],
    *,
    step: int,
    seed: int,
    title: str = "rolling out",
) -> dict[str, UInt8[np.ndarray, "unit inferred_bin"]]:
    """Infer the spikes of units over a span, with each method feeding on its own spikes.

    Parameters
    ----------
    stimulus : float32 ``(channel, bin)`` of the whole recording. ``units`` : numbers of the units
        in the network's embedding. ``step`` : bins that are used of each window, at most the
        window's future.

    Returns
    -------
    By method, counts ``(unit, stop - start)``.
    """
    n_units, n_rows = len(units), len(units) * len(placers)
    history = np.zeros((n_rows, shape.n_in + span.stop - span.start), np.uint8)
    last_spike = np.zeros(n_rows, np.int64)  # as index of history, plus one; 0: none yet
    rows = units.repeat(len(placers))
    memory = dict.fromkeys(placers)
    randoms = {name: np.random.default_rng([seed, *name.encode()]) for name in placers}
    starts = np.arange(span.start, span.stop, step)
    network.eval()
    with torch.no_grad():
        for number in tqdm(range(len(starts)), title, disable=None, unit="step"):
            if number % READ_AT_ONCE == 0:
                some = starts[number : number + READ_AT_ONCE]
                read = network.read(_windows(stimulus, some, shape))
            now = shape.n_in + number * step
            past = torch.from_numpy(history[None, :, now - shape.n_in : now])
            past = past.to(stimulus.device).float()
            place = number % READ_AT_ONCE
            predicted = network.ask(read[place : place + 1], past, rows)
            asked = asked_of(predicted, np.where(last_spike > 0, last_spike - 1 - now, 0))
            _check_finite(asked, int(starts[number]))
            used = min(step, history.shape[1] - now)
            for place, (name, placer) in enumerate(placers.items()):
                mine = slice(place * n_units, (place + 1) * n_units)
                own = Asked(*(None if part is None else part[mine] for part in asked))
                found, memory[name] = placer(own, memory[name], randoms[name], used)
                history[mine, now : now + used] = found[:, :used]
            _note_last(history[:, now : now + used], last_spike, now)
    inferred = history[:, shape.n_in :].reshape(len(placers), n_units, -1)
    return dict(zip(placers, inferred, strict=True))


def _note_last(fresh, last_spike, now) -> None:
    """Keep, in place, where the last spike of each row is."""
    there = fresh.any(axis=1)
    from_end = np.argmax(fresh[:, ::-1] > 0, axis=1)
    last_spike[there] = (now + fresh.shape[1] - from_end)[there]


def _windows(stimulus: Tensor, starts, shape: Shape) -> Tensor:
    """Return the stimulus before each of ``starts``: (window, channel, bin)."""
    back = torch.arange(-shape.n_in, 0, device=stimulus.device)
    now = torch.from_numpy(starts).to(stimulus.device)
    return stimulus[:, now[:, None] + back].transpose(0, 1)


def _check_finite(asked: Asked, now: int) -> None:
    """Raise ``InputError`` where a network predicts NaN or infinity."""
    for head, part in zip(Asked._fields, asked, strict=True):
        if part is not None and not np.isfinite(part).all():
            raise InputError(
                f"the network's {head} at bin {now} is not finite",
                fix="look for NaN or huge values in the stimulus, or train again at a lower rate",
            )

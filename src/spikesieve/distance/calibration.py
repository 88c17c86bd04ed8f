"""What the joint decoder takes from validation bins: a weight of hazards, and a quantile a unit.

Predicted distances are lowered by so many standard deviations that on validation windows, with the
true past, as many spikes of a unit are placed as there were. Test bins tell nothing.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, UInt8
from torch import nn

from spikesieve.distance.bins import Bins
from spikesieve.distance.placing import LOWERED, Asked, Calibration, joint_placer
from spikesieve.distance.rollout import Span, asked_of
from spikesieve.distance.scores import schreiber_similarity, van_rossum_relative
from spikesieve.distance.settings import Settings
from spikesieve.distance.shape import Shape
from spikesieve.distance.training import predictions
from spikesieve.distance.transform import FAR
from spikesieve.distance.windows import Recorded, window_starts

#: Weights of the hazard that are tried: none, as much as probability says, and more.
HAZARD_WEIGHTS = (0.0, 1.0, 3.0)
HALVINGS = 9
#: Validation bins that are decoded, as many of each block.
CALIBRATED_BINS = 40_000


class Windowed(NamedTuple):
    """Predictions of windows in a row for all units, with the true past and what came."""

    asked: Asked  # rows: window after window, all units of each
    spikes: UInt8[np.ndarray, "window unit step"]


def windows_in_a_row(
    network: nn.Module, recorded: Recorded, units, s: Settings, spans: list[Span], *, step: int
) -> Windowed:
    """Predict windows ``step`` apart in each span (whole steps) from the true past."""
    now = np.concatenate([np.arange(span.start, span.stop, step) for span in spans])
    local = torch.arange(len(recorded.spikes), device=recorded.spikes.device)
    parts: list[Asked] = []
    previous = recorded.previous.cpu().numpy()
    done = 0
    for batch, predicted in predictions(network, recorded, now, local, units, s):
        for window in range(len(batch.history)):
            past = previous[:, now[done] - 1] - now[done]
            past = np.where(past < -FAR // 2, 0, past).astype(np.int64)
            parts.append(asked_of(predicted, past, window))
            done += 1
    joined = (None if p[0] is None else np.concatenate(p) for p in zip(*parts, strict=True))
    spikes = recorded.spikes.cpu().numpy()
    true = np.stack([spikes[:, n : n + step] for n in now])
    return Windowed(Asked(*joined), true)


def validation_spans(bins: Bins, s: Settings, step: int) -> list[Span]:
    """Return what is decoded of each validation block: about ``CALIBRATED_BINS`` in all.

    Raises ``InputError`` where no block holds a window.
    """
    now = window_starts(bins, "validation", s.shape, stride=1)
    blocks = np.split(now, np.flatnonzero(np.diff(now) > 1) + 1)
    most = max(1, CALIBRATED_BINS // step // len(blocks))
    n_steps = [min(most, len(block) // step) for block in blocks]
    starts = [int(block[0]) for block in blocks]
    return [Span(a, a + max(n, 1) * step) for a, n in zip(starts, n_steps, strict=True)]


def calibrate(
    network: nn.Module, recorded: Recorded, bins: Bins, units, s: Settings, *, step: int
) -> Calibration:
    """Choose the joint decoder's hazard weight and use of the variance, and lower each unit.

    Judged by what the decoder is for: Schreiber's similarity at 5 ms less the relative van Rossum
    distance at 10 ms, means over units, each with the right number of spikes.
    """
    spans = validation_spans(bins, s, step)
    seen = windows_in_a_row(network, recorded, units, s, spans, step=step)
    best, best_score = None, -np.inf
    for use_variance in (True, False) if "variance" in s.heads else (False,):
        for weight in HAZARD_WEIGHTS:
            tried = _lowered(seen, s.shape, weight, use_variance, step)
            score = _judge(seen.spikes, _decode(seen, s.shape, tried, step), bins.bin_s)
            print(f"joint: hazard weight {weight}, variance {use_variance}: {score:.4f}")
            if best is None or score > best_score:
                best, best_score = tried, score
    return best


def _lowered(seen: Windowed, shape: Shape, weight, use_variance, step) -> Calibration:
    """Return the calibration that places as many spikes of a unit as there were."""
    wanted = seen.spikes.clip(max=1).sum(axis=(0, 2))
    low, high = (np.full(len(wanted), bound) for bound in LOWERED)
    nearest, best = np.full(len(wanted), np.inf), low
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        placed = _decode(seen, shape, Calibration(weight, use_variance, middle), step)
        placed = placed.sum(axis=(0, 2))
        off = np.abs(placed - wanted)
        nearest, best = np.minimum(nearest, off), np.where(off < nearest, middle, best)
        low, high = np.where(placed > wanted, (low, middle), (middle, high))
    return Calibration(weight, use_variance, best)


def _decode(seen: Windowed, shape: Shape, c: Calibration, step: int) -> Bool[np.ndarray, "w u s"]:
    """Return the joint decoder's spikes of the windows, in the bins that are used of each."""
    windows, n_units, _ = seen.spikes.shape
    repeated = c._replace(lowered=np.tile(c.lowered, windows))
    found, _ = joint_placer(repeated, shape)(seen.asked, None, None, step)
    return found[:, :step].reshape(windows, n_units, step)


def _judge(true: np.ndarray, found: np.ndarray, bin_s: float) -> float:
    trains = [a.transpose(1, 0, 2).reshape(a.shape[1], -1).astype(np.uint8) for a in (true, found)]
    scores = [
        schreiber_similarity(a, b, sigma_s=0.005, bin_s=bin_s)
        - van_rossum_relative(a, b, tau_s=0.01, bin_s=bin_s)
        for a, b in zip(*trains, strict=True)
    ]
    known = [score for score in scores if np.isfinite(score)]  # units with spikes here
    return float(np.mean(known)) if known else -np.inf

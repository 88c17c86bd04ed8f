"""When each latent is active, small enough for a page."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, UInt8

from spikesieve.pages.dashboard.packing import numbers

N_HISTOGRAM = 40


class Activations(NamedTuple):
    """Active bins grouped by latent: the ``i``-th has rows ``start[i]`` to ``start[i + 1]``.

    Bins ascend within a latent.
    """

    start: Int[np.ndarray, "latents_plus_one"]
    bin: Int[np.ndarray, "row"]
    activation: Float[np.ndarray, "row"]

    @property
    def n_latents(self) -> int:
        """How many latents there are, the silent ones among them."""
        return len(self.start) - 1

    def of(self, latent: int) -> slice:
        """Return the rows of the latent at this place (not of this id)."""
        return slice(self.start[latent], self.start[latent + 1])


def by_latent(latents: pd.DataFrame, ids: Int[np.ndarray, "latent"]) -> Activations:
    """Return table ``latents`` grouped by latent, in the order of ``ids``; others are left out."""
    place = pd.Index(ids).get_indexer(latents["latent"])
    known = np.flatnonzero((place >= 0) & (latents["activation"].to_numpy() != 0))
    place, bins = place[known], latents["bin"].to_numpy(np.int64)[known]
    order = np.lexsort((bins, place))
    start = np.concatenate([[0], np.cumsum(np.bincount(place, minlength=len(ids)))])
    activation = latents["activation"].to_numpy(np.float32)[known]
    return Activations(start, bins[order], activation[order])


def pooled(activations: Activations, width: int) -> Activations:
    """Return the strongest activation of every ``width`` neighbouring bins (1: all as they are).

    Bins are numbered in steps of ``width``. Of values of both signs the one of larger size counts.
    """
    latent = np.repeat(np.arange(activations.n_latents), np.diff(activations.start))
    group = activations.bin // width
    order = np.lexsort((np.abs(activations.activation), group, latent))
    latent, group, value = latent[order], group[order], activations.activation[order]
    last = np.ones(len(latent), dtype=bool)
    last[:-1] = (np.diff(latent) != 0) | (np.diff(group) != 0)
    n_active = np.bincount(latent[last], minlength=activations.n_latents)
    return Activations(np.concatenate([[0], np.cumsum(n_active)]), group[last], value[last])


def encoded_activations(activations: Activations) -> dict:
    """Return activations as bytes: steps between bins, and shares of each latent's largest.

    A step below 128 takes one byte, below 16,384 two: seven bits each, low ones first, the
    eighth set where another byte follows. The first of a latent counts from bin -1. Shares have
    8 bits, signed where a value is negative, and never round to 0.
    """
    start, bins, activation = activations
    first = start[:-1][np.diff(start) > 0]
    before = np.concatenate([[-1], bins[:-1]])[: len(bins)]
    before[first] = -1
    n_latents = activations.n_latents
    latent = np.repeat(np.arange(n_latents), np.diff(start))
    scale = np.zeros(n_latents)
    np.maximum.at(scale, latent, np.abs(activation))
    signed = bool((activation < 0).any())
    most = 127 if signed else 255
    share = activation / scale[latent] * most
    whole = np.sign(share) * np.maximum(np.round(np.abs(share)), 1)
    steps, n_bytes = _seven_bits(bins - before)
    return {
        "start": start.astype(np.uint32),
        "byte": np.concatenate([[0], np.cumsum(n_bytes)])[start].astype(np.uint32),
        "step": steps,
        "share": whole.astype(np.int8 if signed else np.uint8),
        "scale": scale.astype(np.float32),
    }


def _seven_bits(steps: Int[np.ndarray, "row"]) -> tuple[UInt8[np.ndarray, "byte"], np.ndarray]:
    """Return steps as bytes, and how many each takes."""
    n_bytes = 1 + sum((steps >= 1 << (7 * n)).astype(np.int64) for n in range(1, 5))
    place = np.concatenate([[0], np.cumsum(n_bytes)])
    out = np.zeros(place[-1], np.uint8)
    for n in range(5):
        has = n_bytes > n
        more = np.where(n_bytes[has] > n + 1, 128, 0)
        out[place[:-1][has] + n] = ((steps[has] >> (7 * n)) & 127) | more
    return out, n_bytes


def histograms(activations: Activations) -> dict:
    """Return how many bins have an activation in each of 40 equal steps of a latent's own range.

    The range is from the smallest to the largest activation, or from 0 where none is negative.
    """
    n_latents = activations.n_latents
    counts = np.zeros((n_latents, N_HISTOGRAM), np.uint32)
    edges = np.zeros((n_latents, 2))
    for latent in range(n_latents):
        own = activations.activation[activations.of(latent)]
        if len(own):
            edges[latent] = min(own.min(), 0), own.max() if own.max() > 0 else 0
            counts[latent], _ = np.histogram(own, N_HISTOGRAM, tuple(edges[latent]))
    return {
        "count": counts,
        "low": numbers(edges[:, 0], 7),
        "high": numbers(edges[:, 1], 7),
    }

"""Spike distance: predict for each bin how near the next spike is, then infer the spikes."""

from spikesieve.distance.inference import infer_spikes
from spikesieve.distance.transform import spike_distance

__all__ = ["infer_spikes", "spike_distance"]

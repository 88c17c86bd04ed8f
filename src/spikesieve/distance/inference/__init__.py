"""From predicted distances (and hazards) to spikes: one interface, a module for each method."""

from spikesieve.distance.inference.interface import METHODS, infer_spikes

__all__ = ["METHODS", "infer_spikes"]

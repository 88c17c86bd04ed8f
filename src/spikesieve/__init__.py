"""Spike distance and sparse features, from sorted spikes to paper figures."""

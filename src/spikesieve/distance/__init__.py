"""Spike distance: predict the time to the nearest spike, infer the spikes, and score them."""

"""Spike distance: predict the time to the nearest spike, infer the spikes, and score them."""

__all__ = ["infer_spikes", "spike_distance"]


def __getattr__(name: str):
    # When asked for: settings are checked at each start of the workflow, and need no numba.
    if name == "infer_spikes":
        from spikesieve.distance.inference import infer_spikes

        return infer_spikes
    if name == "spike_distance":
        from spikesieve.distance.transform import spike_distance

        return spike_distance
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""The control that never fires: what a score gives for nothing."""

import numpy as np
from jaxtyping import Bool

from spikesieve.distance.inference.windows import Windows
from spikesieve.errors import InputError


def none(windows: Windows) -> Bool[np.ndarray, "window inferred"]:
    """Return no spikes. The shape follows from the distances or the hazard."""
    if windows.hazard is not None:
        return np.zeros(windows.hazard.shape, bool)
    if windows.distance is None:
        raise InputError("method 'none' knows no windows", fix="hand in distances or a hazard")
    n_windows, n_bins = windows.distance.shape
    return np.zeros((n_windows, n_bins - windows.prefix), bool)

"""One window to show the inference on, chosen by a rule and not by eye."""

import json
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd
import safetensors.numpy

from spikesieve.distance.bins import read_bins, take_units
from spikesieve.distance.inference import infer_spikes
from spikesieve.distance.inference.plain import plain_em
from spikesieve.distance.shape import Shape
from spikesieve.distance.transform import future_distance, nearest_spikes
from spikesieve.errors import InputError

#: Spikes from now on that a window must hold to show something (fewer where none has so many).
N_SPIKES = 3
METHODS = ("em", "exact")


def example_window(
    bins_table: str | PathLike,
    folder: Path,
    *,
    recording: str,
    shape: Shape,
    units: list[int] | None,
) -> dict:
    """Return what ``spikesieve.figures.distance_inference`` draws of one test window.

    Of all windows of all units with three spikes or more it is the one whose predicted log distance
    has the median error: neither the best nor the worst.

    Raises
    ------
    InputError
        No unit has a spike in a test window, or distances were not predicted.
    """
    bins = take_units(read_bins(bins_table, recording), units)
    said = safetensors.numpy.load_file(folder / "predictions.safetensors")
    if f"{recording}/distance" not in said:
        raise InputError("the network predicts no distance", recording=recording, path=folder)
    now, predicted = said[f"{recording}/now"], said[f"{recording}/distance"]
    options = {"prefix": shape.prefix, "n_bins": shape.n_out, "max_distance": shape.max_distance}
    true = np.stack([future_distance(*nearest_spikes(t), now, **options) for t in bins.spikes])
    ahead = now[:, None] + np.arange(shape.future)
    n_spikes = (bins.spikes[:, ahead] > 0).sum(axis=2)
    if not n_spikes.any():
        raise InputError("no spike in any test window", recording=recording)
    error = ((np.log(predicted) - np.log(true)) ** 2).mean(axis=2)
    unit, window = np.nonzero(n_spikes >= min(N_SPIKES, n_spikes.max()))
    middle = np.argsort(error[unit, window], kind="stable")[len(unit) // 2]
    unit, window = unit[middle], window[middle]
    train, start = bins.spikes[unit], now[window]
    past = nearest_spikes(train).previous[start - 1] - start
    known = {"last_spike": int(past)} if past >= -shape.n_in else {}
    found = {}
    for method in METHODS:
        space = "log" if method == "exact" else "linear"
        one = infer_spikes(
            predicted[unit, window][None].astype(float),
            method=method,
            space=space,
            prefix=shape.prefix,
            max_distance=shape.max_distance,
            **known,
        )
        found[method] = shape.prefix + np.flatnonzero(one[0])
    rows: list[tuple[int, float]] = []
    plain_em(
        predicted[unit, window].astype(float).tolist(),
        prefix=shape.prefix,
        max_distance=shape.max_distance,
        watch=lambda left, energy: rows.append((sum(n >= shape.prefix for n in left), energy)),
        **known,
    )
    return {
        "predicted": predicted[unit, window],
        "true": true[unit, window],
        "true_spikes": shape.prefix + np.flatnonzero(train[start : start + shape.future]),
        "spikes": found,
        "elimination": pd.DataFrame(rows, columns=["n_spikes", "energy"]),
        "unit": f"unit {bins.unit_ids[unit]} at {start * bins.bin_s:.2f} s",
        "bin_s": bins.bin_s,
        "prefix": shape.prefix,
        "max_distance": shape.max_distance,
    }


def first_recording(folder: Path) -> str:
    """Return the first recording that an inference is about."""
    return next(iter(json.loads((folder / "inference.json").read_text())["recordings"]))

"""Judge a trained network on a recording: calibrate on validation, roll out over test, score."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import safetensors.torch
import torch

from spikesieve.distance.bins import Bins
from spikesieve.distance.calibration import Calibration, calibrate
from spikesieve.distance.methods import check_method, step_of
from spikesieve.distance.placing import make_placer
from spikesieve.distance.rollout import Span, rollout, span_of
from spikesieve.distance.scores import score_table
from spikesieve.distance.states import Trained
from spikesieve.distance.training import BIN_TOLERANCE, predictions
from spikesieve.distance.windows import blocks_of, on_device
from spikesieve.errors import InputError
from spikesieve.files import atomic_path, write_json
from spikesieve.ingest.simulated import read_truth
from spikesieve.recording import write_table


class Inferred(NamedTuple):
    """Spikes by method over one span that all methods share, and what they were taken from."""

    spikes: dict[str, np.ndarray]  # counts (unit, bin of the span)
    truth: np.ndarray  # (unit, bin of the span)
    span: Span
    calibration: Calibration | None


def unit_numbers(trained: Trained, bins: Bins) -> torch.Tensor:
    """Return the places in the network's embedding of a recording's units.

    Raises
    ------
    InputError
        The network was trained on other units, channels or bins.
    """
    known = {unit: place for place, unit in enumerate(trained.units)}
    mine = [(bins.recording, int(unit)) for unit in bins.unit_ids]
    if strange := [unit for unit in mine if unit not in known]:
        raise InputError(
            f"{len(strange)} units that the network wasn't trained on, {strange[0][1]} the first",
            recording=bins.recording,
            fix="train on this recording too (distance.together)",
        )
    if bins.channels != trained.channels:
        raise InputError(
            f"stimulus channels {list(bins.channels)}, but the network knows "
            f"{list(trained.channels)}",
            recording=bins.recording,
        )
    if abs(bins.bin_s / trained.bin_s - 1) > BIN_TOLERANCE:
        raise InputError(
            f"bins of {bins.bin_s * 1000:.4g} ms, but the network was trained on "
            f"{trained.bin_s * 1000:.4g} ms",
            recording=bins.recording,
        )
    return torch.tensor([known[unit] for unit in mine])


def infer_recording(
    trained: Trained,
    bins: Bins,
    methods: list[str],
    *,
    step: int,
    seed: int,
    device: torch.device,
) -> Inferred:
    """Roll out every method over the test block of a recording.

    Parameters
    ----------
    methods : names of ``spikesieve.distance.placing.METHODS``. ``step`` : bins used of a window.

    Raises
    ------
    InputError
        A method that does not exist or reads a head that the network lacks; units or a stimulus it
        was not trained on; a block shorter than a window; NaN in a prediction.
    """
    s = trained.settings
    for name in methods:
        check_method(name, s.heads, s.shape)
    if not 1 <= step <= s.future:
        raise InputError(f"step {step}", allowed=f"1 to the window's future, {s.future} bins")
    units = unit_numbers(trained, bins).to(device)
    network = trained.network.to(device)
    recorded = on_device(bins, device)
    calibration = None
    if "joint" in methods:
        calibration = calibrate(network, recorded, bins, units, s, step=step)
    steps = {name: step_of(name, s.shape, step) for name in methods}
    span = span_of(blocks_of(bins, "test"), s.shape, max(steps.values()), bins.recording)
    found: dict[str, np.ndarray] = {}
    for each in sorted(set(steps.values())):
        placers = {
            name: make_placer(name, s.shape, calibration=calibration)
            for name in methods
            if steps[name] == each
        }
        found |= rollout(
            network,
            recorded.stimulus,
            units,
            span,
            s.shape,
            placers,
            step=each,
            seed=seed,
            title=f"rolling out {', '.join(placers)}",
        )
    truth = bins.spikes[:, span.start : span.stop]
    return Inferred({name: found[name] for name in methods}, truth, span, calibration)


def inferred_table(inferred: Inferred, bins: Bins) -> pd.DataFrame:
    """Return a row a spike: ``method`` (``truth`` among them), ``unit_id``, ``bin``, ``time_s``."""
    parts = []
    for method, counts in {"truth": inferred.truth, **inferred.spikes}.items():
        unit, place = np.nonzero(counts)
        often = counts[unit, place]
        index = np.repeat(place + inferred.span.start, often)
        parts.append(
            pd.DataFrame(
                {
                    "method": method,
                    "unit_id": np.repeat(bins.unit_ids[unit], often),
                    "bin": index.astype(np.int64),
                    "time_s": (index + 0.5) * bins.bin_s,
                }
            )
        )
    return pd.concat(parts, ignore_index=True).assign(recording=bins.recording)


def span_predictions(
    trained: Trained, bins: Bins, span: Span, *, step: int, device: torch.device
) -> dict[str, torch.Tensor]:
    """Return what the network says of the span's windows when told the true past.

    ``now`` (window,), and per head ``(unit, window, ...)``: ``distance`` (bins), ``hazard``...
    """
    s = trained.settings
    recorded = on_device(bins, device)
    units = unit_numbers(trained, bins).to(device)
    now = np.arange(span.start, span.stop - s.shape.reach + 1, step)
    local = torch.arange(len(units), device=device)
    kept: dict[str, list] = {}
    for _, predicted in predictions(trained.network.to(device), recorded, now, local, units, s):
        change = {
            "distance": (predicted.log_distance, torch.exp),
            "variance": (predicted.log_variance, torch.exp),
            "hazard": (predicted.hazard_logit, torch.sigmoid),
            "counts": (predicted.log_counts, torch.exp),
        }
        for name, (part, of) in change.items():
            if part is not None:
                kept.setdefault(name, []).append(of(part).transpose(0, 1).cpu())
    joined = {name: torch.cat(parts, dim=1).contiguous() for name, parts in kept.items()}
    return {"now": torch.from_numpy(now), **joined}


def evaluate(
    trained: Trained,
    recordings: list[Bins],
    folder: Path,
    *,
    methods: list[str],
    truth: dict[str, Path],
    step: int,
    model: str,
    seed: int,
    device: torch.device,
) -> None:
    """Infer and score the test block of each recording; write all of it into ``folder``.

    ``inferred_spikes.parquet`` (method ``truth`` among them), ``scores.parquet``,
    ``predictions.safetensors`` (what the network says when told the true past; names are
    ``recording/head``), ``inference.json`` (span and calibration of each recording).

    Parameters
    ----------
    truth : the truth file of each simulated recording; a method ``true_rate`` then has the spikes
        that the true rate gives by the cumulative placement.
    """
    spikes, scores, said, about = [], [], {}, {}
    for bins in recordings:
        inferred = infer_recording(trained, bins, methods, step=step, seed=seed, device=device)
        if bins.recording in truth:
            rate = read_truth(truth[bins.recording])
            placed = {"true_rate": true_rate_spikes(rate, bins, inferred.span)}
            inferred = inferred._replace(spikes=inferred.spikes | placed)
        spikes.append(inferred_table(inferred, bins))
        for method, counts in inferred.spikes.items():
            names = {"recording": bins.recording, "method": method, "model": model, "seed": seed}
            table = score_table(inferred.truth, counts, bins.unit_ids, bin_s=bins.bin_s, **names)
            scores.append(table)
        predicted = span_predictions(trained, bins, inferred.span, step=step, device=device)
        said |= {f"{bins.recording}/{name}": tensor for name, tensor in predicted.items()}
        about[bins.recording] = _about(inferred, bins)
    with atomic_path(folder / "predictions.safetensors") as temporary:
        safetensors.torch.save_file(said, temporary)
    write_table(folder / "inferred_spikes.parquet", "inferred_spikes", pd.concat(spikes))
    write_table(folder / "scores.parquet", "scores", pd.concat(scores))
    write_json(folder / "inference.json", {"step": step, "methods": methods, "recordings": about})


def true_rate_spikes(truth: dict[str, np.ndarray], bins: Bins, span: Span) -> np.ndarray:
    """Return counts ``(unit, bin of the span)``: a spike where the true rate has added up to one.

    The rate is given the stimulus, not the unit's past, so a network that sees its history may do
    better at short times.
    """
    row = {int(unit): k for k, unit in enumerate(truth["unit_id"])}
    rate = truth["rate_hz"][[row[int(unit)] for unit in bins.unit_ids]].astype(np.float64)
    edges_s = np.arange(span.start, span.stop + 1) * bins.bin_s
    steps_s = np.arange(rate.shape[1] + 1) * float(truth["step_s"])
    total = np.concatenate([np.zeros((len(rate), 1)), rate.cumsum(axis=1)], axis=1)
    total *= float(truth["step_s"])
    passed = np.stack([np.interp(edges_s, steps_s, one) for one in total])
    passed += 0.5 - passed[:, :1]
    return np.diff(np.floor(passed), axis=1).astype(np.uint8)


def _about(inferred: Inferred, bins: Bins) -> dict:
    about = {"bin_s": bins.bin_s, "first_bin": inferred.span.start}
    about |= {"n_bins": inferred.span.stop - inferred.span.start}
    if inferred.calibration is not None:
        joint = inferred.calibration._asdict()
        about["joint"] = joint | {"lowered": inferred.calibration.lowered.tolist()}
    return about

"""One network for many units against one for each, at equal total training time."""

import time

import numpy as np
import pandas as pd
import torch

from spikesieve.distance.bins import Bins, take_units
from spikesieve.distance.evaluating import infer_recording
from spikesieve.distance.fitting import fit_network
from spikesieve.distance.scores import score_table

#: Steps that the time of a step is measured over.
TIMED_STEPS = 20
#: Looks at the validation block, whose time is the networks' alike.
LOOKS = 5
#: Scores that are told, and their scale in ms.
SCORES = {"schreiber": 5, "van_rossum_relative": 10, "count_ratio": np.nan}


def compare_amortisation(
    bins: Bins,
    contenders: dict[str, dict],
    *,
    shared: str,
    budget_s: float,
    method: str = "joint",
    step: int = 80,
    seed: int = 0,
) -> pd.DataFrame:
    """Train each contender for ``budget_s`` in all, and score what it infers.

    Parameters
    ----------
    contenders : settings of networks by name. ``shared`` is the one for all units; of the others
        each unit gets a network of its own, and its share of the time.
    method : how spikes are inferred.

    Returns
    -------
    A row a contender, unit and measure: ``contender``, ``unit_id``, ``metric``, ``value``;
    ``n_steps`` and ``training_s`` (processor time of that unit's network) say what was spent.
    """
    parts = []
    for name, settings in contenders.items():
        units = bins.unit_ids.tolist()
        groups = [units] if name == shared else [[unit] for unit in units]
        for group in groups:
            mine = take_units(bins, group)
            share = budget_s / len(groups)
            parts.append(_one(mine, settings | {"seed": seed}, share, method, step, name))
    return pd.concat(parts, ignore_index=True)


def _one(bins: Bins, settings: dict, budget_s: float, method, step, name) -> pd.DataFrame:
    n_steps = max(1, int(budget_s / _seconds_of_a_step(bins, settings)))
    started = time.process_time()
    trained, history = fit_network([bins], settings | {"n_steps": n_steps, "validations": LOOKS})
    spent = time.process_time() - started
    device = torch.device("cpu")
    inferred = infer_recording(trained, bins, [method], step=step, seed=0, device=device)
    names = {"recording": bins.recording, "method": method, "model": name, "seed": 0}
    counts = inferred.spikes[method]
    scores = score_table(inferred.truth, counts, bins.unit_ids, bin_s=bins.bin_s, **names)
    told = [
        scores[(scores["metric"] == metric) & _at(scores["scale_ms"], scale)]
        for metric, scale in SCORES.items()
    ]
    table = pd.concat(told)[["unit_id", "metric", "value"]]
    best = history.loc[history["validation_loss"].idxmin()]
    losses = [c for c in history if c.startswith("validation_loss")]
    of_all = pd.DataFrame({"unit_id": -1, "metric": losses, "value": best[losses].to_numpy()})
    spending = {"contender": name, "n_steps": n_steps, "training_s": round(spent, 1)}
    return pd.concat([table, of_all]).assign(n_units=len(bins.unit_ids), **spending)


def _at(scales: pd.Series, scale: float) -> pd.Series:
    return scales.isna() if np.isnan(scale) else (scales - scale).abs() < 0.5


def _seconds_of_a_step(bins: Bins, settings: dict) -> float:
    """Return the processor time of a step; what comes once is left out."""
    times = []
    for n_steps in (1, 1, 1 + TIMED_STEPS):  # the first also pays for what is imported and compiled
        started = time.process_time()
        fit_network([bins], settings | {"validations": 1, "n_steps": n_steps})
        times.append(time.process_time() - started)
    return max((times[2] - times[1]) / TIMED_STEPS, times[2] / (10 * TIMED_STEPS))

"""How well LFADS finds the rates and the system behind spikes of a Lorenz system."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from scipy.ndimage import gaussian_filter1d
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

from spikesieve.baselines.lfads.lorenz import Lorenz, lorenz_trials
from spikesieve.baselines.lfads.settings import LfadsSettings, lfads_settings
from spikesieve.baselines.lfads.training import Windows, train_lfads

#: Trials of each condition that are not trained on: for validation, and for the scores.
VALIDATION_TRIALS, TEST_TRIALS = 2, 2
#: Standard deviations in bins.
SMOOTHINGS = (2, 4, 6, 8, 12, 16)
#: Settings of the benchmark: no inputs, since nothing drives the system; hidden units are no part
#: of the published benchmark.
LORENZ_SETTINGS = {
    "n_factors": 8,
    "initial_size": 32,
    "hidden_units": 0.0,
    "kl_weight": 1.0,
    "hidden_entries": 0.25,
    "learning_rate": 0.015,
    "n_steps": 1500,
}


class LorenzFit(NamedTuple):
    """What was found in test trials, and what is true there."""

    rates: Float[np.ndarray, "trial bin unit"]
    true_rates: Float[np.ndarray, "trial bin unit"]
    factors: Float[np.ndarray, "trial bin 3"]
    true_factors: Float[np.ndarray, "trial bin 3"]
    counts: np.ndarray
    history: pd.DataFrame


def fit_lorenz(data: Lorenz, settings: LfadsSettings, *, seed: int) -> LorenzFit:
    """Train on most trials of each condition, and infer the last of each.

    The state of the system is read out of the factors by a linear map that is fitted on training
    trials.
    """
    n_each = np.bincount(data.condition)[0]
    number = np.arange(len(data.counts)) % n_each
    test = number >= n_each - TEST_TRIALS
    held_out = test | (number >= n_each - TEST_TRIALS - VALIDATION_TRIALS)
    mean = np.sqrt(data.counts[~held_out]).mean(axis=(0, 1))
    windows = [_windows(data, rows, mean) for rows in (~held_out, held_out & ~test, test)]
    network, history = train_lfads(windows[0], windows[1], settings, seed=seed)
    with torch.no_grad():
        trained, inferred = (network(w.tensors()[0], sample=False) for w in windows[::2])
    read_out = LinearRegression().fit(
        _flat(trained.factors.numpy()), _flat(data.factors[~held_out])
    )
    factors = read_out.predict(_flat(inferred.factors.numpy()))
    return LorenzFit(
        inferred.log_rates.exp().numpy(),
        data.rates[test],
        factors.reshape(data.factors[test].shape),
        data.factors[test],
        data.counts[test],
        history,
    )


def _windows(data: Lorenz, rows: Bool[np.ndarray, "trial"], mean) -> Windows:
    counts = data.counts[rows]
    seen = (np.sqrt(counts) - mean).astype(np.float32)
    return Windows(seen, counts, np.ones(counts.shape[:2], bool))


def _flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(-1, x.shape[-1])


def lorenz_scores(fit: LorenzFit) -> pd.DataFrame:
    """Return rows ``what``, ``of``, ``r2``: rates of each unit, and each coordinate.

    Of rates also the counts themselves, smoothed by a Gaussian along each trial, as what can be had
    without a model: of ``SMOOTHINGS`` the one that is best in the end.
    """
    all_smoothed = [gaussian_filter1d(fit.counts.astype(float), sd, axis=1) for sd in SMOOTHINGS]
    smoothed = max(all_smoothed, key=lambda x: r2_score(_flat(fit.true_rates), _flat(x)))
    parts = [
        ("rate", range(fit.rates.shape[2]), fit.true_rates, fit.rates),
        ("rate, smoothed counts", range(fit.rates.shape[2]), fit.true_rates, smoothed),
        ("coordinate", list("xyz"), fit.true_factors, fit.factors),
    ]
    tables = []
    for what, of, true, found in parts:
        r2 = r2_score(_flat(true), _flat(found), multioutput="raw_values")
        tables.append(pd.DataFrame({"what": what, "of": [*of], "r2": r2}))
    return pd.concat(tables, ignore_index=True).astype({"of": str})


def lorenz_example(fit: LorenzFit, trial: int = 0) -> pd.DataFrame:
    """Return rows ``what``, ``of``, ``bin``, ``true``, ``found`` of one test trial, to draw.

    Rates are those of the units whose true rate varies least, middling and most.
    """
    spread = fit.true_rates[trial].std(axis=0).argsort()
    units = spread[[0, len(spread) // 2, -1]]
    tables = []
    for what, names, columns, true, found in (
        ("coordinate", "xyz", range(3), fit.true_factors, fit.factors),
        ("rate", units, units, fit.true_rates, fit.rates),
    ):
        for name, column in zip(names, columns, strict=True):
            values = {"true": true[trial, :, column], "found": found[trial, :, column]}
            tables.append(pd.DataFrame({"what": what, "of": str(name), **values}))
    return pd.concat([t.rename_axis("bin").reset_index() for t in tables], ignore_index=True)


def run_lorenz(
    *, seed: int, data: dict | None = None, settings: dict | None = None
) -> tuple[LorenzFit, pd.DataFrame]:
    """Return the fit of the benchmark and its scores; ``data`` goes to ``lorenz_trials``."""
    trials = lorenz_trials(seed, **({"n_units": 60} | (data or {})))
    chosen = lfads_settings(**LORENZ_SETTINGS | (settings or {}))
    fit = fit_lorenz(trials, chosen, seed=seed)
    return fit, lorenz_scores(fit)

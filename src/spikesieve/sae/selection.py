"""Choosing without truth: which width, k and other settings, judged on bins not trained on.

Reconstruction cannot choose: the more latents may be active, the better they copy noise. Nor can
spikes that were left out of every unit (count thinning), where activity drifts: a unit's own bins
around tell its rate, whatever the dictionary is worth. So units are hidden and told from the
others, and only the pattern counts: which of them fire, given how many spikes there are in a bin.
What all units share is no pattern.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from spikesieve.cosmoothing import cosmooth
from spikesieve.fitting import Block
from spikesieve.latents.stability import stability
from spikesieve.poisson import mean_deviance, poisson_deviance
from spikesieve.sae.instances import in_threads
from spikesieve.sae.model import SparseAutoencoder
from spikesieve.sae.names import TRIED
from spikesieve.sae.settings import ARCHITECTURES, Settings
from spikesieve.thinning import thin

#: Training bins that a latent needs: with fewer, another training finds other latents.
BINS_PER_LATENT = 80
#: Share of the spikes that a thinned count keeps.
KEPT_SHARE = 0.8
N_SEEDS = 2
TRIAL_STEPS = 400
#: The score that chooses. In planted data it peaks where most features are found; in Allen gabor
#: counts where single latents tell the stimulus best.
CRITERION = "pattern_bits"
#: Scores that differ by less than this share tell no width from another.
NEARLY = 0.02


def try_settings(train: Block, held_out: Block, settings: dict, *, n_seeds: int = N_SEEDS) -> dict:
    """Train ``n_seeds`` instances of ``settings``, and score them on ``held_out`` bins.

    Returns
    -------
    A row of a table of trials: the settings in ``TRIED``, ``seed`` of the first instance, and
    means over instances: ``pattern_bits`` (of hidden units, ``spikesieve.cosmoothing``),
    ``cosmoothing_r2`` (mean over units), ``thinned_bits`` (bits a spike gained on spikes left
    out; NaN where counts are not whole), ``r2`` (mean over units), ``stability`` (mean over
    latents), ``stable_share``, ``l0``, ``dead_fraction``. Where a budget allows it, latents are
    read by explaining away, however the settings have it: what is judged is the dictionary, and
    an encoder's noise would ask for smoothing that blurs it.
    """
    architecture = settings.get("architecture", Settings().architecture)
    by = {"readout": "poisson"} if ARCHITECTURES.get(architecture) else {}
    model = SparseAutoencoder(**settings | by, n_instances=n_seeds)
    model.fit(*train, validation=held_out)
    mean = train.counts.mean(axis=0, dtype=np.float64)
    codes = [model.transform(*held_out, instance=i) for i in range(n_seeds)]
    scores = [_scores(model, i, codes[i], held_out, mean) for i in range(n_seeds)]
    row = {name: getattr(model.settings, name) for name in TRIED}
    row |= {"seed": model.settings.seed, **pd.DataFrame(scores).mean().to_dict()}
    again = stability(codes) if n_seeds > 1 else None
    matched = np.concatenate(again.matched_r) if again else np.array([np.nan])
    return row | {
        "stability": float(matched.mean()),
        "stable_share": again.stable_share if again else np.nan,
        "wall_s": max((h["wall_s"].max() for h in model.histories_ if len(h)), default=0.0),
    }


def _scores(model: SparseAutoencoder, instance: int, codes, rows: Block, mean) -> dict:
    counts, bins = rows

    def predict_hidden(counts, bins, hidden):
        return model.predict_hidden(counts, bins, hidden, instance=instance)

    hidden = cosmooth(predict_hidden, counts, bins, mean)
    known = hidden.r2[~np.isnan(hidden.r2)]
    own = model.inverse_transform(codes, instance=instance)
    variance = counts.var(axis=0, dtype=np.float64)
    varies = variance > 0
    error = np.square(counts - own.astype(np.float64)).mean(axis=0)
    live = len(np.unique(codes.indices))
    return {
        "pattern_bits": hidden.pattern_bits,
        "cosmoothing_r2": float(known.mean()) if len(known) else np.nan,
        "thinned_bits": thinned_bits(model, rows, mean, instance=instance),
        "r2": float((1 - error[varies] / variance[varies]).mean()) if varies.any() else np.nan,
        "l0": codes.nnz / len(counts),
        "dead_fraction": 1 - live / codes.shape[1],
    }


def thinned_bits(
    model: SparseAutoencoder, rows: Block, mean, *, instance: int = 0, seed: int = 0
) -> float:
    """Return bits a spike that the model gains on a random fifth of the spikes, told the others.

    A Poisson count's two parts are independent given its rate: copying one predicts nothing of
    the other. Against predicting the training ``mean``; NaN where no spike is left out, or
    counts are not whole.
    """
    whole = rows.counts.astype(np.int64)
    if (whole != rows.counts).any():
        return np.nan
    kept, rest = thin(whole, KEPT_SHARE, seed)
    # Scaled up again: the model's base rates are those of full counts.
    codes = model.transform(kept / KEPT_SHARE, rows.bins, instance=instance)
    rate = model.inverse_transform(codes, instance=instance) * (1 - KEPT_SHARE)
    expected = mean * (1 - KEPT_SHARE)
    known = expected > 0
    if not rest[:, known].sum():
        return np.nan
    gained = mean_deviance(rest, expected) - poisson_deviance(rest, rate, expected)
    return float(gained[known].sum() / (2 * rest[:, known].sum() * np.log(2)))


def best(trials: pd.DataFrame) -> pd.Series:
    """Return the row of ``trials`` with most ``pattern_bits``, or nearly as many and more latents.

    Latents too many can still be left out, when another training does not find them; those that
    are missing cannot be added. Warns where no trial has a score, or none is above chance.
    """
    in_order = trials.sort_values(["n_latents", "k"], ascending=[False, True], kind="stable")
    score = in_order[CRITERION].fillna(-np.inf)
    if not score.max() > 0:
        problem = "has a score" if score.max() == -np.inf else "is better than each unit's mean"
        text = f"no trial {problem}: hidden units cannot be told from the others here"
        warnings.warn(f"{text}, and what is chosen means nothing", stacklevel=2)
    nearly = score.where(score < score.max() - NEARLY * abs(score.max()), score.max())
    widest = in_order["n_latents"] == in_order.loc[nearly.idxmax(), "n_latents"]
    return in_order.loc[score[widest].idxmax()]


def one_after_another(
    values: Mapping[str, Sequence], attempt: Callable[[dict], dict]
) -> tuple[dict, list[dict]]:
    """Try the values of each setting in turn, at the best values of those before it.

    Parameters
    ----------
    values : setting -> values to try, the one to start from first.
    attempt : settings -> their row of a table of trials. Values of one setting are tried side by
        side, each on one core: whatever machine this is, sums are rounded alike.

    Returns
    -------
    The last setting's best combination, and a row for each that was tried.
    """
    found = {name: options[0] for name, options in values.items()}
    rows: dict[tuple, dict] = {}
    for name, options in values.items():
        tried = [found | {name: option} for option in options]
        new = [one for one in tried if tuple(one.values()) not in rows]
        results = in_threads(lambda i, new=new: attempt(new[i]), len(new), cores_each=1)
        rows |= {tuple(one.values()): row for one, row in zip(new, results, strict=True)}
        table = pd.DataFrame([rows[tuple(one.values())] for one in tried])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the last of them speaks for all
            found = tried[best(table.assign(**pd.DataFrame(tried))).name]
    return found, list(rows.values())


def choose(
    counts, bins, held_out, settings: dict, to_choose: Sequence[str], device: str
) -> tuple[dict, pd.DataFrame]:
    """Return the settings named in ``to_choose`` and the table of trials they were chosen by.

    Trained on ``counts``, scored on ``held_out`` bins (counts, their numbers); trials are shorter
    than trainings.
    """
    train, held_out = Block(counts, bins), Block(*held_out[:2])
    steps = min(settings.get("n_steps", TRIAL_STEPS), TRIAL_STEPS)
    fixed = settings | {"device": device, "n_steps": steps, "min_stability": 0.0}

    def attempt(tried: dict) -> dict:
        return try_settings(train, held_out, fixed | possible(tried), n_seeds=1)

    values = candidates(train.counts.shape, to_choose, settings)
    found, rows = one_after_another(values, attempt)
    trials = pd.DataFrame(rows)
    best(trials)
    return possible(found), trials


def possible(tried: dict) -> dict:
    """Return the settings with a ``k`` that is not above their width."""
    if not {"k", "n_latents"} <= set(tried):
        return tried
    return tried | {"k": min(tried["k"], tried["n_latents"])}


def candidates(shape: tuple[int, int], to_choose: Sequence[str], settings: dict) -> dict[str, list]:
    """Return the values to try of each setting, the one to start from first.

    Twice as many latents as units, at most one for ``BINS_PER_LATENT`` bins, or half of that.
    None contradicts a width or k that stands in ``settings``.
    """
    n_bins, n_units = shape
    least = max(settings.get("k", 2 if "k" in to_choose else Settings().k), 2)
    widest = max(min(2 * n_units, widest_for(n_bins)), least)
    widths = list(dict.fromkeys([widest, max(widest // 2, least)]))
    budgets = [k for k in (10, 6, 4, 2) if k <= settings.get("n_latents", widest)] or [1]
    # Masked and generous first: a dictionary that copies, where bins are few, or that may use too
    # few latents can't tell one smoothing from another.
    smoothing = [0.0] if settings.get("causal") else [1.0, 0.0, 2.0]
    values = {"smoothing": smoothing, "k": budgets, "masked_share": [0.5, 0.0]}
    values["n_latents"] = widths
    return {name: options for name, options in values.items() if name in to_choose}


def widest_for(n_bins: int) -> int:
    """Return how many latents so many training bins are enough for."""
    return max(n_bins // BINS_PER_LATENT, 1)

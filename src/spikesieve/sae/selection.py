"""Choosing without truth: which width, k and other settings, judged on bins not trained on.

Reconstruction cannot choose: the more latents may be active, the better they copy noise. Three
scores can. Co-smoothing hides units and predicts them from the others; count thinning hides
spikes of every unit and predicts them from the rest; stability asks whether another seed finds
the same latents.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from spikesieve.cosmoothing import cosmooth
from spikesieve.fitting import Block
from spikesieve.latents.stability import stability
from spikesieve.poisson import mean_deviance, poisson_deviance
from spikesieve.sae.model import SparseAutoencoder
from spikesieve.thinning import thin

#: Share of the bins, at the end, that choose where nobody hands in a validation block.
HELD_OUT = 0.1
#: Share of the spikes that a thinned count keeps, as the model knows it from full counts.
KEPT_SHARE = 0.8
N_SEEDS = 2
TRIAL_STEPS = 400
#: The score that chooses. In planted data it peaks where most features are found; co-smoothing
#: does, too, but prefers too few active latents, and reconstruction too many.
CRITERION = "thinned_bits"
#: Settings of a trial that a table of trials has columns for.
TRIED = ("n_latents", "k", "smoothing", "learning_rate", "tau", "masked_share")


def try_settings(train: Block, held_out: Block, settings: dict, *, n_seeds: int = N_SEEDS) -> dict:
    """Train ``n_seeds`` instances of ``settings``, and score them on ``held_out`` bins.

    Returns
    -------
    A row of a table of trials: the settings in ``TRIED``, ``seed`` of the first instance, and
    means over instances: ``cosmoothing_r2`` (mean over units), ``thinned_bits`` (bits a spike
    gained on spikes left out), ``r2`` (mean over units), ``stability`` (mean over latents),
    ``stable_share``, ``l0``, ``dead_fraction``.
    """
    model = SparseAutoencoder(**settings, n_instances=n_seeds)
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

    r2, _ = cosmooth(predict_hidden, counts, bins, mean)
    own = model.inverse_transform(codes, instance=instance)
    variance = counts.var(axis=0, dtype=np.float64)
    varies = variance > 0
    error = np.square(counts - own.astype(np.float64)).mean(axis=0)
    live = len(np.unique(codes.indices))
    return {
        "cosmoothing_r2": float(np.nanmean(r2)) if varies.any() else np.nan,
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
    the other. Against predicting the training ``mean``; NaN where no spike is left out.
    """
    whole = rows.counts.astype(np.int64)
    kept, rest = thin(whole, KEPT_SHARE, seed)
    codes = model.transform(kept, rows.bins, instance=instance)
    rate = model.inverse_transform(codes, instance=instance) * (1 - KEPT_SHARE) / KEPT_SHARE
    expected = mean * (1 - KEPT_SHARE)
    known = expected > 0
    if not rest[:, known].sum():
        return np.nan
    gained = mean_deviance(rest, expected) - poisson_deviance(rest, rate, expected)
    return float(gained[known].sum() / (2 * rest[:, known].sum() * np.log(2)))


def best(trials: pd.DataFrame) -> pd.Series:
    """Return the row of ``trials`` that gains most on spikes left out; of equals the narrowest."""
    in_order = trials.sort_values(["n_latents", "k"], kind="stable")
    return in_order.loc[in_order[CRITERION].fillna(-np.inf).idxmax()]


def choose(
    counts, bins, held_out, settings: dict, to_choose: Sequence[str], device: str
) -> tuple[dict, pd.DataFrame]:
    """Return the settings named in ``to_choose`` and the table of trials they were chosen by.

    One setting after the other, each at the best values of those before: smoothing, k, width.
    Trials are shorter than trainings. Without ``held_out`` bins, the last tenth is held out.
    """
    if held_out is None:
        first = len(counts) - max(int(HELD_OUT * len(counts)), 1)
        train, held_out = Block(counts[:first], bins[:first]), Block(counts[first:], bins[first:])
    else:
        train, held_out = Block(counts, bins), Block(*held_out[:2])
    values = candidates(train.counts.shape, to_choose, settings)
    steps = min(settings.get("n_steps", TRIAL_STEPS), TRIAL_STEPS)
    fixed = settings | {"device": device, "n_steps": steps, "min_stability": 0.0}
    found = {name: options[0] for name, options in values.items()}
    rows: dict[tuple, dict] = {}
    for name, options in values.items():
        for option in options:
            tried = found | {name: option}
            key = tuple(tried.values())
            if key not in rows:
                allowed = tried | {"k": min(tried.get("k", 1), tried.get("n_latents", 10**9))}
                allowed = {key: allowed[key] for key in tried}
                rows[key] = tried | try_settings(train, held_out, fixed | allowed, n_seeds=1)
        same = [r for r in rows.values() if all(r[n] == v for n, v in found.items() if n != name)]
        scored = [(-np.inf if np.isnan(r[CRITERION]) else r[CRITERION], r[name]) for r in same]
        found[name] = max(scored, key=lambda pair: pair[0])[1]
    return found, pd.DataFrame(list(rows.values()))


def candidates(shape: tuple[int, int], to_choose: Sequence[str], settings: dict) -> dict[str, list]:
    """Return the values to try of each setting, the one to start from first.

    Twice as many latents as units, or half as many; at most a tenth of the bins (the notes' rule).
    None contradicts a width or k that stands in ``settings``.
    """
    n_bins, n_units = shape
    most, least = max(n_bins // 10, 2), max(settings.get("k", 2), 2)
    widths = [max(min(int(share * n_units), most), least) for share in (2, 0.5)]
    widest = settings.get("n_latents", widths[0])
    values = {"smoothing": [1.0, 0.0, 2.0], "n_latents": list(dict.fromkeys(widths))}
    values["k"] = [k for k in (4, 2, 6, 10) if k <= widest] or [1]
    return {name: values[name] for name in ("smoothing", "k", "n_latents") if name in to_choose}

"""Time and peak memory of fitting each method, as bins and units grow: same counts for all."""

import time
from collections.abc import Callable
from functools import partial

import numpy as np
from jaxtyping import Float, UInt

from spikesieve.baselines import BASELINES
from spikesieve.baselines.trials import Trials
from spikesieve.errors import InputError, suggest
from spikesieve.fitting import Block, Fitted

#: Components, or latents, that every method is asked for.
N_COMPONENTS = 16
#: Bins of a trial for sliceTCA; trials follow each other.
TRIAL_BINS = 20
#: Sizes along each axis; the other one stays at its ``COMMON`` value.
SIZES = {"bins": (1_000, 4_000, 16_000), "units": (20, 80, 320)}
COMMON = {"bins": 4_000, "units": 80}


def scaling_counts(n_bins: int, n_units: int, seed: int = 0) -> UInt[np.ndarray, "bin unit"]:
    """Return Poisson counts of units that 20 slow, sparse features drive, 0.4 spikes a bin."""
    rng = np.random.default_rng(seed)
    active: Float[np.ndarray, "bin feature"] = np.repeat(
        rng.gamma(2, 0.5, (-(-n_bins // 5), 20)) * (rng.random((-(-n_bins // 5), 20)) < 0.15),
        5,
        axis=0,
    )[:n_bins]
    weights = rng.gamma(1, 1, (20, n_units)) * (rng.random((20, n_units)) < 0.15)
    return rng.poisson(0.2 + active @ weights).clip(max=255).astype(np.uint8)


def _lfads(counts, bins, validation, **size) -> Fitted:
    from spikesieve.baselines.lfads.fitting import fit_lfads

    return fit_lfads(counts, bins, validation=validation, **size)


def _cebra(counts, bins, validation, **size) -> Fitted:
    from spikesieve.baselines.cebra import fit_cebra

    return fit_cebra(counts, bins, **size)


def _slicetca(counts, bins, validation, **size) -> Fitted:
    from spikesieve.baselines.slicetca import fit_slicetca

    first = np.arange(0, len(bins) - TRIAL_BINS + 1, TRIAL_BINS)
    ranks = (N_COMPONENTS // 2, N_COMPONENTS // 2, 0)
    trials = Trials("trial", first, TRIAL_BINS)
    return fit_slicetca(counts, bins, trials=trials, ranks=ranks, **size)


def _sae(counts, bins, validation, *, n_components: int) -> Fitted:
    from spikesieve.sae.fitting import fit_sae

    # What is left open otherwise is given: it is the training that is timed, not a sweep.
    told = {"n_latents": 2 * n_components, "k": 4, "smoothing": 1.0, "masked_share": 0.0}
    return fit_sae(counts, bins, validation=validation, device="cpu", **told)


def _plain(name: str, counts, bins, validation, **size) -> Fitted:
    return BASELINES[name](counts, bins, **size)


METHODS: dict[str, Callable[..., Fitted]] = {
    **{n: partial(_plain, n) for n in ("pca", "factor_analysis", "nmf", "nmf_frobenius", "ica")},
    "cebra_time": _cebra,
    "slicetca": _slicetca,
    "lfads": _lfads,
    "sae": _sae,
}


def time_method(method: str, n_bins: int, n_units: int) -> float:
    """Return the seconds that fitting took and turning all bins into latents, with defaults.

    Of processor time, in all threads: on one thread, what a clock shows on an idle machine.
    Each has ``N_COMPONENTS`` components, sliceTCA half of units and half of trials; the default
    autoencoder has twice as many latents. A tenth of the bins, the last, is for validation.

    Raises
    ------
    InputError
        The method is unknown.
    """
    if method not in METHODS:
        hint = suggest(method, list(METHODS))
        raise InputError(f"method {method!r}{hint}", allowed=", ".join(METHODS))
    counts, bins = scaling_counts(n_bins, n_units), np.arange(n_bins)
    first = n_bins - n_bins // 10
    held_out = Block(counts[first:], bins[first:])
    start = time.process_time()
    fitted = METHODS[method](counts[:first], bins[:first], held_out, n_components=N_COMPONENTS)
    fitted.transform(counts, bins)
    return time.process_time() - start

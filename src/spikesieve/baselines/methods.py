"""Every method by its name, fitted in one way: also on smoothed counts, and tuned on validation."""

import itertools
from collections.abc import Callable
from functools import partial
from os import PathLike
from typing import Any

import numpy as np
from jaxtyping import Int, Real

from spikesieve.backtransform import unbiased
from spikesieve.baselines import BASELINES
from spikesieve.cosmoothing import cosmooth
from spikesieve.count_table import read_counts_table
from spikesieve.errors import InputError, suggest
from spikesieve.fitting import Block, Fitted
from spikesieve.method_names import ALL_NAMES, DEEP, LISTS, SMOOTHED, base_name
from spikesieve.recording import read_table


def method_fit(
    method: str,
    counts: str | PathLike,
    *,
    intervals: str | PathLike | None = None,
    conditions: str | PathLike | None = None,
) -> Callable[..., Fitted]:
    """Return what ``spikesieve.fitting.fit_and_score`` takes as ``fit`` of a method.

    A setting that is a list holds values to try (but for ``names.LISTS``): all combinations are
    fitted on training bins, and the one that best tells which of the hidden units fire in
    validation bins (``cosmoothing_pattern_bits``, by which autoencoders are chosen too) is kept.
    What was tried stands in ``model.json``.

    Parameters
    ----------
    method : one of ``names.ALL_NAMES``.
    counts : the counts table. ``intervals``, ``conditions`` : tables of the recording, for methods
        that need trials (slicetca) or labels (cebra_behaviour).

    Raises
    ------
    InputError
        The method is unknown, or a table that it needs is not given.
    """
    if method not in ALL_NAMES:
        raise InputError(
            f"method {method!r}{suggest(method, list(ALL_NAMES))}", allowed=", ".join(ALL_NAMES)
        )
    base = base_name(method)
    needed = {"slicetca": ("intervals", intervals), "cebra_behaviour": ("conditions", conditions)}
    if base in needed and needed[base][1] is None:
        raise InputError(f"{method} needs the table {needed[base][0]!r} of the recording")
    paths = {"counts": counts, "intervals": intervals, "conditions": conditions}
    fit = partial(_deep(base), **paths) if base in DEEP else _plain(base)
    return partial(_tuned, method, fit)


def _plain(base: str) -> Callable[..., Fitted]:
    return lambda counts, bins, validation, **chosen: BASELINES[base](counts, bins, **chosen)


def _deep(base: str) -> Callable[..., Fitted]:
    """Return a method whose packages are loaded when it is fitted: torch takes seconds."""
    of = {"slicetca": _slicetca, "cebra_behaviour": _cebra, "cebra_time": _cebra, "lfads": _lfads}
    return partial(of[base], base)


def _lfads(base, train, bins, validation, *, counts, intervals, conditions, **chosen) -> Fitted:
    from spikesieve.baselines.lfads.fitting import fit_lfads

    return fit_lfads(train, bins, validation=validation, **chosen)


def _cebra(base, train, bins, validation, *, counts, intervals, conditions, **chosen) -> Fitted:
    from spikesieve.baselines.behaviour import read_behaviour
    from spikesieve.baselines.cebra import fit_cebra

    if base == "cebra_behaviour":
        n_bins = len(read_counts_table(counts).time_s)
        of = {name: chosen.pop(name, None) for name in ("variables", "angles")}
        chosen["behaviour"] = read_behaviour(conditions, n_bins, **of)
    return fit_cebra(train, bins, **chosen)


def _slicetca(
    base, train, bins, validation, *, counts, intervals, conditions, trials=None, **chosen
) -> Fitted:
    from spikesieve.baselines.slicetca import fit_slicetca
    from spikesieve.baselines.trials import find_trials

    table = read_table(intervals, "intervals")
    found = find_trials(table, read_counts_table(counts).time_s, trials)
    return fit_slicetca(train, bins, trials=found, **chosen)


def _tuned(
    method: str,
    fit: Callable[..., Fitted],
    counts: Real[np.ndarray, "bin unit"],
    bins: Int[np.ndarray, "bin"],
    *,
    validation: Block | None = None,
    seed: int = 0,
    **settings,
) -> Fitted:
    """Fit with each combination of the values to try, and return the best, named ``method``."""
    tried = {n: v for n, v in settings.items() if isinstance(v, list) and n not in LISTS}
    combinations = [
        dict(zip(tried, one, strict=True)) for one in itertools.product(*tried.values())
    ]
    if not combinations:
        raise InputError(f"{method}: a list of values to try is empty")
    if len(combinations) > 1 and validation is None:
        raise InputError(
            f"{method}: {', '.join(tried)} are to be chosen, but there are no validation bins",
            fix="give counts.split a validation block, or one value of each",
        )
    best, best_score, trials = None, -np.inf, []
    for values in combinations:
        fitted = fit(counts, bins, validation, seed=seed, **settings | values)
        if len(combinations) > 1:
            score = _pattern_bits(fitted, counts, bins, validation)
            trials.append(values | {"cosmoothing_pattern_bits": score})
        else:
            score = 0.0
        if best is None or (score is not None and score > best_score):
            best, best_score, chosen = fitted, -np.inf if score is None else score, values
    return _named(best, method, {"chosen": chosen, "tried": trials} if trials else {})


def _pattern_bits(fitted: Fitted, counts, bins, validation: Block) -> float | None:
    """Return the score of validation bins; None where it is not defined."""
    predict = unbiased(fitted, counts, bins).predict_hidden
    score = cosmooth(predict, *validation, counts.mean(axis=0, dtype=np.float64)).pattern_bits
    return float(score) if np.isfinite(score) else None


def _named(fitted: Fitted, method: str, more: dict[str, Any]) -> Fitted:
    ending = SMOOTHED if method.endswith(SMOOTHED) else ""
    save = fitted.save
    return fitted._replace(
        method=method,
        model=fitted.model + ending,
        save=lambda folder, about: save(folder, about | more),
    )

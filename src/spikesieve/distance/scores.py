"""Scores of a predicted spike train against the true one: the same code in training and after.

Trains are counts a bin of one common span, more than one spike a bin allowed. No score is enough
alone: Schreiber similarity rises with spikes too many, so the count ratio stands beside it, and
van Rossum distance is also given as a share of what silence would get.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer, Shaped

from spikesieve.distance.score_kernels import (
    count_near,
    decaying_energy,
    lagged_products,
    match_sorted,
    tiled,
)
from spikesieve.errors import InputError

#: Smoothing of Schreiber (sigma) and, above 0, of van Rossum (tau), in milliseconds.
SMOOTHING_MS = (0, 1, 2, 5, 10, 20, 40, 60, 100, 150)
#: Widths of the bins whose counts are correlated, in milliseconds.
CORRELATION_MS = (5, 10, 20, 50, 100)
#: How far matched spikes may lie apart, in bins.
TOLERANCE_BINS = (0, 1, 2, 3, 4, 5)
#: How far tiles reach to either side of a spike, in milliseconds.
TILING_MS = (5, 20)
#: Bins at which all of these scales can be told apart.
WIDEST_BIN_S = 0.005
#: Lags of the Gaussian's autocorrelation beyond this many sigma weigh less than 1e-15.
_REACH_SIGMA = 12

COLUMNS = ("recording", "method", "model", "seed", "unit_id", "metric", "scale_ms", "value")

Train = Shaped[np.ndarray, "bin"]
#: Has as many bins as the true one: checked with an error that says so.
PredictedTrain = Shaped[np.ndarray, "predicted_bin"]


def score_trains(truth: Train, predicted: PredictedTrain, *, bin_s: float) -> pd.DataFrame:
    """Score one unit.

    Parameters
    ----------
    truth, predicted : counts of the same bins (whole numbers or bool).
    bin_s : bin width in seconds, at most 0.005.

    Returns
    -------
    Columns ``metric``, ``scale_ms`` (NaN where there is none), ``value`` (NaN where undefined):
    ``schreiber``, ``van_rossum``, ``van_rossum_relative`` at ``SMOOTHING_MS`` (van Rossum's above
    0), ``correlation`` at ``CORRELATION_MS``, ``precision``, ``recall``, ``f1`` at
    ``TOLERANCE_BINS`` times the bin, ``spike_time_tiling`` at ``TILING_MS``, ``count_ratio``.
    The function of each says what it is and when it is undefined.

    Raises
    ------
    InputError
        The trains are not equally long, empty of bins, or hold negative, fractional or unknown
        counts; the bin is not in (0, 0.005] s.
    """
    _check(truth, predicted, bin_s)
    found = pd.DataFrame([*_scores(truth, predicted, bin_s)], columns=["metric", *COLUMNS[-2:]])
    return found.astype({"scale_ms": float, "value": float})


def score_table(
    truth: Shaped[np.ndarray, "unit bin"],
    predicted: Shaped[np.ndarray, "predicted_unit predicted_bin"],
    unit_ids: Integer[np.ndarray, "unit_id"],
    *,
    bin_s: float,
    recording: str,
    method: str,
    model: str,
    seed: int,
) -> pd.DataFrame:
    """Return ``score_trains`` of every unit as the rows of ``scores.parquet``.

    Raises
    ------
    InputError
        As ``score_trains``, naming the unit; or the numbers of units differ.
    """
    if not len(truth) == len(predicted) == len(unit_ids):
        raise InputError(
            f"{len(truth)} true trains, {len(predicted)} predicted, {len(unit_ids)} unit ids",
            recording=recording,
            fix="give both trains and the id of each unit, in the same order",
        )
    parts = []
    for unit_id, true, guess in zip(unit_ids, truth, predicted, strict=True):
        try:
            parts.append(score_trains(true, guess, bin_s=bin_s).assign(unit_id=unit_id))
        except InputError as error:
            raise InputError(f"unit {unit_id}, {method}: {error}", recording=recording) from error
    empty = pd.DataFrame(columns=COLUMNS)
    table = pd.concat(parts, ignore_index=True) if parts else empty
    table = table.assign(recording=recording, method=method, model=model, seed=seed)
    kinds = {"seed": np.int64, "unit_id": np.int32, "scale_ms": float, "value": float}
    texts = dict.fromkeys(("recording", "method", "model", "metric"), "str")
    return table[[*COLUMNS]].astype(kinds | texts)


def _scores(
    truth: Train, predicted: PredictedTrain, bin_s: float
) -> Iterator[tuple[str, float, float]]:
    """Yield (metric, scale_ms, value)."""
    for ms in SMOOTHING_MS:
        value = schreiber_similarity(truth, predicted, sigma_s=ms / 1000, bin_s=bin_s)
        yield "schreiber", ms, value
    for ms in SMOOTHING_MS:
        if ms:
            tau = {"tau_s": ms / 1000, "bin_s": bin_s}
            yield "van_rossum", ms, van_rossum_distance(truth, predicted, **tau)
            yield "van_rossum_relative", ms, van_rossum_relative(truth, predicted, **tau)
    for ms in CORRELATION_MS:
        value = binned_correlation(truth, predicted, width_s=ms / 1000, bin_s=bin_s)
        yield "correlation", ms, value
    for tolerance in TOLERANCE_BINS:
        names = ("precision", "recall", "f1")
        values = precision_recall_f1(truth, predicted, tolerance_bins=tolerance)
        for name, value in zip(names, values, strict=True):
            yield name, tolerance * bin_s * 1000, value
    for ms in TILING_MS:
        value = spike_time_tiling(truth, predicted, reach_s=ms / 1000, bin_s=bin_s)
        yield "spike_time_tiling", ms, value
    yield "count_ratio", np.nan, count_ratio(truth, predicted)


def _check(truth: Train, predicted: PredictedTrain, bin_s: float) -> None:
    if not 0 < bin_s <= WIDEST_BIN_S:
        raise InputError(f"bins of {bin_s} s", allowed=f"in (0, {WIDEST_BIN_S}] s")
    for name, train in (("true", truth), ("predicted", predicted)):
        check_train(name, train)
    _check_lengths(truth, predicted)


def check_train(name: str, train: Train) -> None:
    """Refuse a train whose counts are negative, fractional or unknown."""
    if train.dtype.kind in "ub":  # can hold nothing wrong
        return
    # inf % 1 is NaN, too: no warning is needed to say what the error says.
    with np.errstate(invalid="ignore"):
        whole = train.dtype.kind in "if" and np.all((train >= 0) & (train % 1 == 0))
    if not whole:
        raise InputError(
            f"the {name} spike train holds what is no count",
            allowed="whole numbers from 0 on; no NaN",
            fix="infer spikes from a prediction before scoring it",
        )


def _check_lengths(truth: Train, predicted: PredictedTrain) -> None:
    if len(truth) != len(predicted) or not len(truth):
        raise InputError(
            f"{len(truth)} true bins, {len(predicted)} predicted",
            allowed="the same bins in both, at least one",
            fix="cut both trains to the span that every method predicts",
        )


def _events(truth: Train, predicted: PredictedTrain) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the bins in which either train has spikes, and both counts there."""
    _check_lengths(truth, predicted)
    bins = np.flatnonzero((truth != 0) | (predicted != 0))
    return bins, truth[bins].astype(np.float64), predicted[bins].astype(np.float64)


def _spikes(train: Train) -> np.ndarray:
    """Return the bin of each spike, ascending; a bin with two spikes is there twice."""
    bins = np.flatnonzero(train)
    return np.repeat(bins, train[bins].astype(np.int64))


def schreiber_similarity(
    truth: Train, predicted: PredictedTrain, *, sigma_s: float, bin_s: float
) -> float:
    """Return the cosine of both trains smoothed by a Gaussian of ``sigma_s`` (0: not at all).

    Schreiber et al. (2003), Neurocomputing 52. In closed form, ``x . y`` of two smoothed trains
    is the sum over all pairs of spikes of ``exp(-lag^2 / (4 sigma^2))``: no tail is cut off at
    the ends of the span. 1 is perfect, 0 where one train has no spike; NaN where neither has.
    Alone it can be gamed: where nothing is known, more spikes give more.
    """
    bins, true, guess = _events(truth, predicted)
    sigma = sigma_s / bin_s
    lags = np.arange(int(_REACH_SIGMA * sigma) + 1)
    weight = np.exp(-((lags / (2 * sigma)) ** 2)) if sigma else np.ones(1)
    true_true, guess_guess, cross = lagged_products(bins, true, guess, weight)
    if not len(bins):
        return np.nan
    if true_true == 0 or guess_guess == 0:
        return 0.0
    return min(cross / np.sqrt(true_true * guess_guess), 1.0)  # rounding can step over 1


def van_rossum_distance(
    truth: Train, predicted: PredictedTrain, *, tau_s: float, bin_s: float
) -> float:
    """Return the van Rossum distance at time constant ``tau_s`` > 0; 0 is perfect.

    Van Rossum (2001), Neural Computation 13, with one pass over the spikes after Houghton & Kreuz
    (2012), scaled as in elephant: a lone spike against silence has distance 1 (the paper's is
    that over sqrt(2)). It grows with the number of spikes: see ``van_rossum_relative``.
    """
    if not tau_s > 0:
        raise InputError(f"a time constant of {tau_s} s", allowed="above 0")
    bins, true, guess = _events(truth, predicted)
    # Of the difference of the trains, so that equal trains have distance 0 and not 1e-7.
    return float(np.sqrt(max(decaying_energy(bins, true - guess, tau_s / bin_s), 0.0)))


def van_rossum_relative(
    truth: Train, predicted: PredictedTrain, *, tau_s: float, bin_s: float
) -> float:
    """Return the van Rossum distance divided by that of a prediction without any spike.

    1 is no better than silence, above 1 worse; NaN where the true train has no spike.
    """
    silence = van_rossum_distance(truth, np.zeros_like(truth), tau_s=tau_s, bin_s=bin_s)
    distance = van_rossum_distance(truth, predicted, tau_s=tau_s, bin_s=bin_s)
    return distance / silence if silence else np.nan


def binned_correlation(
    truth: Train, predicted: PredictedTrain, *, width_s: float, bin_s: float
) -> float:
    """Return Pearson's correlation of the counts in bins of about ``width_s``.

    The width is the nearest whole number of bins; what is left at the end is dropped. NaN where
    either count is the same everywhere.
    """
    _check_lengths(truth, predicted)
    true, guess = (coarse_counts(train, width_s, bin_s) for train in (truth, predicted))
    if not len(true) or true.min() == true.max() or guess.min() == guess.max():
        return np.nan
    return float(np.corrcoef(true, guess)[0, 1])


def coarse_counts(train: Train, width_s: float, bin_s: float) -> Float[np.ndarray, "coarse_bin"]:
    """Return counts in bins of the nearest whole number of bins to ``width_s``; rest dropped."""
    n = max(round(width_s / bin_s), 1)
    whole = len(train) // n * n
    return train[:whole].reshape(-1, n).sum(axis=1, dtype=np.float64)


def precision_recall_f1(
    truth: Train, predicted: PredictedTrain, *, tolerance_bins: int
) -> tuple[float, float, float]:
    """Return precision, recall and F1 of spikes paired one to one, as many as can be, no pair
    farther apart than ``tolerance_bins``.

    Precision is NaN without predicted spikes, recall without true ones, F1 without any.
    """
    _check_lengths(truth, predicted)
    true, guess = _spikes(truth), _spikes(predicted)
    pairs = match_sorted(true, guess, tolerance_bins)
    shares = (pairs, len(guess)), (pairs, len(true)), (2 * pairs, len(true) + len(guess))
    precision, recall, f1 = (part / whole if whole else np.nan for part, whole in shares)
    return precision, recall, f1


def spike_time_tiling(
    truth: Train, predicted: PredictedTrain, *, reach_s: float, bin_s: float
) -> float:
    """Return the spike time tiling coefficient: 1 is perfect, 0 chance at these rates.

    Cutts & Eglen (2014), Journal of Neuroscience 34, spikes at the centres of their bins; NaN
    where either train has no spike. Elephant's widens ``reach_s`` by a hundred-thousandth of the
    time since the recording's start (at 80 s, by 0.8 ms), this one doesn't.
    """
    _check_lengths(truth, predicted)
    true, guess = _spikes(truth), _spikes(predicted)
    if not len(true) or not len(guess):
        return np.nan
    reach = reach_s / bin_s
    parts = []
    for spikes, others in ((true, guess), (guess, true)):
        near = count_near(spikes, others, reach + 1e-9) / len(spikes)  # 5 bins are 0.005 s
        share = min(tiled(others, reach, len(truth)) / len(truth), 1.0)
        parts.append((near - share) / (1 - near * share) if near * share < 1 else 1.0)
    return sum(parts) / 2


def count_ratio(truth: Train, predicted: PredictedTrain) -> float:
    """Return predicted over true spikes; NaN where the true train has none."""
    true, guess = truth.sum(dtype=np.int64), predicted.sum(dtype=np.int64)
    return float(guess / true) if true else np.nan

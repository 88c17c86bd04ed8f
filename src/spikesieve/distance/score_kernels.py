"""Compiled loops of the spike-train scores; each walks along sorted spikes, not along bins.

Events are the bins, ascending, in which either train has a spike, with the counts of both.
"""

from typing import no_type_check

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
@no_type_check  # the tests' shape checker cannot wrap what numba compiles
def lagged_products(bins, truth, predicted, weight):
    """Return (truth . truth, predicted . predicted, truth . predicted), with
    ``x . y = sum over i, j of x[i] y[j] weight[|bins[i] - bins[j]|]``; beyond ``weight`` it is 0.
    """
    truth_truth, both, cross = 0.0, 0.0, 0.0
    for i in range(len(bins)):
        truth_truth += truth[i] * truth[i] * weight[0]
        both += predicted[i] * predicted[i] * weight[0]
        cross += truth[i] * predicted[i] * weight[0]
        j = i + 1
        while j < len(bins) and bins[j] - bins[i] < len(weight):
            w = weight[bins[j] - bins[i]]
            truth_truth += 2 * w * truth[i] * truth[j]
            both += 2 * w * predicted[i] * predicted[j]
            cross += w * (truth[i] * predicted[j] + truth[j] * predicted[i])
            j += 1
    return truth_truth, both, cross


@numba.njit(cache=True, nogil=True)
@no_type_check
def decaying_energy(bins, values, tau_bins):
    """Return ``sum over i, j of values[i] values[j] exp(-|bins[i] - bins[j]| / tau_bins)``.

    One pass: what earlier events left decays from event to event.
    """
    energy, left = 0.0, 0.0
    for i in range(len(bins)):
        if i:
            left *= np.exp((bins[i - 1] - bins[i]) / tau_bins)
        energy += values[i] * (values[i] + 2 * left)
        left += values[i]
    return energy


@numba.njit(cache=True, nogil=True)
@no_type_check
def match_sorted(truth, predicted, tolerance):
    """Return how many pairs can be made of two sorted trains, each spike in one pair at most and
    its partner no farther than ``tolerance``.

    The earliest spike left has no better use than the earliest partner that it can reach: a pair
    that crosses another can be uncrossed without coming apart. So one walk finds the most.
    """
    i, j, pairs = 0, 0, 0
    while i < len(truth) and j < len(predicted):
        lag = truth[i] - predicted[j]
        if abs(lag) <= tolerance:
            pairs += 1
        i += lag <= tolerance
        j += lag >= -tolerance
    return pairs


@numba.njit(cache=True, nogil=True)
@no_type_check
def count_near(spikes, others, reach):
    """Return how many of the sorted ``spikes`` have one of the sorted ``others`` within
    ``reach``.
    """
    near, j = 0, 0
    for i in range(len(spikes)):
        while j < len(others) and others[j] < spikes[i] - reach:
            j += 1
        near += j < len(others) and others[j] <= spikes[i] + reach
    return near


@numba.njit(cache=True, nogil=True)
@no_type_check
def tiled(spikes, reach, n_bins):
    """Return the length (bins) of the span that lies within ``reach`` of the centre of any bin
    in the sorted ``spikes``.
    """
    length, covered_to = 0.0, 0.0
    for i in range(len(spikes)):
        start = max(spikes[i] + 0.5 - reach, covered_to)
        stop = min(spikes[i] + 0.5 + reach, n_bins)
        length += max(stop - start, 0.0)
        covered_to = max(covered_to, stop)
    return length

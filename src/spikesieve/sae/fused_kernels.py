"""What a fused training step is made of: three passes over a batch, compiled.

Rows are gathered and scaled in one pass; decoded, compared and differentiated in a second, while a
row's patterns are in the nearest cache; in a third, latent by latent, gradients are added up and
go into Adam at once, so that they are never kept.

What runs for every active code indexes whole arrays: a row taken out of one, ``vectors[i]``, or put
into a tuple, is counted as a reference, and that takes as long as adding it up.
"""

from typing import no_type_check

import numba
import numpy as np

#: Sums may be reordered (that is what vectors need); NaN and infinity keep their meaning.
FAST = {"reassoc", "contract", "nsz", "arcp"}
BETA1, BETA2, EPSILON = np.float32(0.9), np.float32(0.999), np.float32(1e-8)
ONE = np.float32(1)
#: log(1 + f) = f + f^2 (LOG[0] f^9 + ... + LOG[9]), as ``logf`` in Cephes has it.
_LOG = (
    *(7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1),
    *(-1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1, -0.5),
)
LOG = tuple(np.float32(coefficient) for coefficient in _LOG)
LOG_2 = np.float32(0.6931471805599453)


@numba.njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
@no_type_check  # the tests' shape checker cannot wrap what numba compiles
def gather(counts, rows, root, gain, offset, hidden, x):
    """Fill ``x`` with the scaled counts of ``rows``; ``hidden`` (no rows: nothing is) is zero.

    See ``spikesieve.sae.inputs.windows``.
    """
    n_units = len(gain)
    for b in range(len(rows)):
        source, filled = counts[rows[b]], x[b]
        if root:
            for u in range(n_units):
                filled[u] = np.sqrt(np.float32(source[u])) * gain[u] - offset[u]
        else:
            for u in range(n_units):
                filled[u] = np.float32(source[u]) * gain[u] - offset[u]
        if len(hidden):
            n_hidden = 0
            for u in range(n_units):
                n_hidden += hidden[b, u]
            share = np.float32(max((n_units - n_hidden) / n_units, 1e-6))
            for u in range(n_units):
                filled[u] = np.float32(0) if hidden[b, u] else filled[u] / share


@numba.njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
@no_type_check
def reconstruct(
    row_start, latent, value, mask, decoder, bias, target, judged, weights, logarithmic, tau, relu,
    losses, to_bias, sums, place, to_codes,
):  # fmt: skip
    """Decode every row at every level, and differentiate its loss back to the codes.

    ``weights`` holds what each level's elementwise loss counts, where ``judged`` (no rows:
    everywhere) says so. Filled are ``losses`` (sums over
    elements, a level each), ``to_bias`` (gradient of the decoder's bias), ``to_codes`` (that of
    each active code); ``sums[place[i]]`` is the gradient of what code ``i`` was multiplied by.
    """
    n_levels, n_rows, n_out = len(weights), len(row_start) - 1, len(bias)
    slot = np.full(1 << n_levels, -1, np.int64)
    used = np.empty(1 << n_levels, np.int64)
    n_slots, room = n_levels * (n_levels + 1) // 2, len(decoder)
    parts = np.empty((n_slots, n_out), np.float32)
    chosen, end = np.empty(n_slots * room, np.int64), np.empty(n_slots, np.int64)
    outputs = np.empty((n_levels, n_out), np.float32)
    wanted, counted = np.empty(n_out, np.float32), np.ones(n_out, np.float32)
    stored = 0
    for b in range(n_rows):
        n_used = 0
        for i in range(row_start[b], row_start[b + 1]):
            s = mask[i]
            if slot[s] < 0:
                slot[s] = n_used
                used[n_used] = s
                end[n_used] = n_used * room
                n_used += 1
            k = slot[s]
            chosen[end[k]] = i
            end[k] += 1
            place[i] = stored + k
        for k in range(n_used):
            _weigh(chosen, k * room, end[k], latent, value, decoder, parts, k)
        if logarithmic:
            for u in range(n_out):
                wanted[u] = _log1p(target[b, u], ONE / (ONE + target[b, u]))
        else:
            for u in range(n_out):
                wanted[u] = target[b, u]
        if len(judged):
            for u in range(n_out):
                counted[u] = judged[b, u]
        for level in range(n_levels):
            for u in range(n_out):
                outputs[level, u] = bias[u]
            for k in range(n_used):
                if (used[k] >> level) & 1:
                    for u in range(n_out):
                        outputs[level, u] += parts[k, u]
            if logarithmic:
                losses[level] += _log_slope(
                    wanted, counted, weights[level], tau, level, outputs, to_bias
                )
            else:
                losses[level] += _square_slope(
                    wanted, counted, weights[level], relu, level, outputs, to_bias
                )
        for k in range(n_used):
            total = stored + k
            for u in range(n_out):
                sums[total, u] = 0
            for level in range(n_levels):
                if (used[k] >> level) & 1:
                    for u in range(n_out):
                        sums[total, u] += outputs[level, u]
            _project(chosen, k * room, end[k], latent, decoder, sums, total, to_codes)
            slot[used[k]] = -1
        stored += n_used


@numba.njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
@no_type_check
def _project(chosen, start, stop, latent, decoder, slopes, total, to_codes):
    """Fill ``to_codes`` of the chosen entries: their patterns times ``slopes[total]``."""
    n_out = decoder.shape[1]
    n = start
    while n + 4 <= stop:
        i0, i1, i2, i3 = chosen[n], chosen[n + 1], chosen[n + 2], chosen[n + 3]
        j0, j1, j2, j3 = latent[i0], latent[i1], latent[i2], latent[i3]
        d0 = d1 = d2 = d3 = np.float32(0)
        for u in range(n_out):
            g = slopes[total, u]
            d0 += decoder[j0, u] * g
            d1 += decoder[j1, u] * g
            d2 += decoder[j2, u] * g
            d3 += decoder[j3, u] * g
        to_codes[i0], to_codes[i1], to_codes[i2], to_codes[i3] = d0, d1, d2, d3
        n += 4
    while n < stop:
        j, d = latent[chosen[n]], np.float32(0)
        for u in range(n_out):
            d += decoder[j, u] * slopes[total, u]
        to_codes[chosen[n]] = d
        n += 1


@numba.njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
@no_type_check
def _square_slope(wanted, counted, weight, relu, level, outputs, to_bias):
    """Return a level's summed squared error, and put its gradient in the place of its output.

    Add that to ``to_bias``, too.
    """
    loss, twice = np.float32(0), 2 * weight
    if relu:
        for u in range(len(wanted)):
            out = outputs[level, u]
            error = max(out, np.float32(0)) - wanted[u]
            loss += counted[u] * error * error
            slope = twice * counted[u] * error if out > 0 else np.float32(0)
            outputs[level, u] = slope
            to_bias[u] += slope
    else:
        for u in range(len(wanted)):
            error = outputs[level, u] - wanted[u]
            loss += counted[u] * error * error
            slope = twice * counted[u] * error
            outputs[level, u] = slope
            to_bias[u] += slope
    return loss


@numba.njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
@no_type_check
def _log_slope(wanted, counted, weight, tau, level, outputs, to_bias):
    """Do the same for the logarithmic error of a rectified output; ``wanted`` is a logarithm."""
    loss, twice = np.float32(0), 2 * weight * tau
    for u in range(len(wanted)):
        out = outputs[level, u]
        rectified = max(out, np.float32(0))
        inverse = ONE / (ONE + rectified)
        error = tau * _log1p(rectified, inverse) - wanted[u]
        loss += counted[u] * error * error
        slope = twice * counted[u] * error * inverse if out > 0 else np.float32(0)
        outputs[level, u] = slope
        to_bias[u] += slope
    return loss


@numba.njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
@no_type_check
def _log1p(x, inverse):
    """Return log(1 + x) for x >= 0, to rounding and without branches, so that loops are vectors.

    ``inverse`` is that of 1 + x = 2^e (1 + f), where 1 + f lies between the roots of a half and of
    two, whose bits these are. What 1 + x lost to rounding is put back.
    """
    y = np.float32(ONE + x)
    bits = y.view(np.int32)
    e = (bits - np.int32(0x3F3504F3)) >> np.int32(23)
    f = np.int32(bits - (e << np.int32(23))).view(np.float32) - ONE
    p = LOG[0]
    for coefficient in LOG[1:]:
        p = p * f + coefficient
    lost = (x - (y - ONE)) * inverse
    return np.float32(e) * LOG_2 + (f + (p * f * f + lost))


@numba.njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
@no_type_check
def descend(
    latent_start, order, row, value, to_codes, sums, place, x, rate, correction,
    encoder, encoder_moments, encoder_bias, bias_moments, decoder, decoder_moments,
):  # fmt: skip
    """Add up each latent's gradients and change its weights by a step of Adam, in place.

    The decoder's gradient is taken along the sphere of unit norm, and the norm put back (see
    ``spikesieve.sae.training.descend``). ``moments`` are the first and the second. Return the
    squared norm of the gradients.
    """
    to_encoder, to_decoder = np.empty_like(encoder[:1]), np.empty_like(decoder[:1])
    to_bias, squared = np.zeros_like(encoder_bias), 0.0
    # One after the other: ``x`` alone fits a core's cache, beside ``sums`` neither does.
    first, second = encoder_moments
    for j in range(len(encoder)):
        for n in range(latent_start[j], latent_start[j + 1]):
            to_bias[j] += to_codes[order[n]]
        _weigh(order, latent_start[j], latent_start[j + 1], row, to_codes, x, to_encoder, 0)
        squared += adam(encoder[j], first[j], second[j], to_encoder[0], rate, correction)
    first, second = decoder_moments
    for j in range(len(decoder)):
        _weigh(order, latent_start[j], latent_start[j + 1], place, value, sums, to_decoder, 0)
        _along_sphere(decoder[j], to_decoder[0])
        squared += adam(decoder[j], first[j], second[j], to_decoder[0], rate, correction)
        _to_sphere(decoder[j])
    first, second = bias_moments
    return squared + adam(encoder_bias, first, second, to_bias, rate, correction)


@numba.njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
@no_type_check
def _along_sphere(weights, gradient):
    along = np.float32(0)
    for u in range(len(weights)):
        along += gradient[u] * weights[u]
    for u in range(len(weights)):
        gradient[u] -= along * weights[u]


@numba.njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
@no_type_check
def _to_sphere(weights):
    norm = np.float32(0)
    for u in range(len(weights)):
        norm += weights[u] * weights[u]
    inverse = ONE / np.sqrt(norm)
    for u in range(len(weights)):
        weights[u] *= inverse


@numba.njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
@no_type_check
def _weigh(order, start, stop, where, weight, vectors, totals, t):
    """Fill ``totals[t]`` with the entries' vectors, each times its weight, four at a time."""
    n_columns = totals.shape[1]
    for u in range(n_columns):
        totals[t, u] = 0
    n = start
    while n + 4 <= stop:
        i0, i1, i2, i3 = order[n], order[n + 1], order[n + 2], order[n + 3]
        v0, v1, v2, v3 = where[i0], where[i1], where[i2], where[i3]
        c0, c1, c2, c3 = weight[i0], weight[i1], weight[i2], weight[i3]
        for u in range(n_columns):
            one = c0 * vectors[v0, u] + c1 * vectors[v1, u]
            totals[t, u] += one + c2 * vectors[v2, u] + c3 * vectors[v3, u]
        n += 4
    while n < stop:
        v, c = where[order[n]], weight[order[n]]
        for u in range(n_columns):
            totals[t, u] += c * vectors[v, u]
        n += 1


@numba.njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
@no_type_check
def adam(p, first, second, gradient, rate, correction):
    """Change ``p`` and its moments by a step of Adam; return the gradient's squared norm.

    ``rate`` is divided by the first moment's correction, ``correction`` the root of the second's.
    """
    squared, inverse = np.float32(0), ONE / correction
    for u in range(len(p)):
        g = gradient[u]
        squared += g * g
        first[u] += (ONE - BETA1) * (g - first[u])
        second[u] = BETA2 * second[u] + (ONE - BETA2) * g * g
        p[u] -= rate * first[u] / (np.sqrt(second[u]) * inverse + EPSILON)
    return squared

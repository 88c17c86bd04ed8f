"""What a fused training step is made of: three passes over a batch, compiled.

Rows are gathered and scaled in one pass; decoded, compared and differentiated in a second, while a
row's patterns are in the nearest cache; in a third, latent by latent, gradients are added up and
go into Adam at once, so that they are never kept.
"""

from typing import no_type_check

import numba
import numpy as np

#: Sums may be reordered (that is what vectors need); NaN and infinity keep their meaning.
FAST = {"reassoc", "contract", "nsz", "arcp"}
BETA1, BETA2, EPSILON = np.float32(0.9), np.float32(0.999), np.float32(1e-8)
ONE = np.float32(1)


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
    n_slots = n_levels * (n_levels + 1) // 2
    parts = np.empty((n_slots, n_out), np.float32)
    chosen = np.empty((n_slots, decoder.shape[0]), np.int64)
    n_chosen = np.zeros(n_slots, np.int64)
    outputs = np.empty((n_levels, n_out), np.float32)
    wanted, scratch = np.empty(n_out, np.float32), np.empty(n_out, np.float32)
    counted = np.ones(n_out, np.float32)
    stored = 0
    for b in range(n_rows):
        n_used = 0
        for i in range(row_start[b], row_start[b + 1]):
            s = mask[i]
            if slot[s] < 0:
                slot[s] = n_used
                used[n_used] = s
                n_chosen[n_used] = 0
                n_used += 1
            k = slot[s]
            chosen[k, n_chosen[k]] = i
            n_chosen[k] += 1
            place[i] = stored + k
        for k in range(n_used):
            parts[k] = 0
            _weigh(chosen[k], 0, n_chosen[k], latent, value, decoder, parts[k])
        wanted[:] = target[b]
        if len(judged):
            for u in range(n_out):
                counted[u] = judged[b, u]
        if logarithmic:
            _log1p(target[b], scratch, wanted)
        for level in range(n_levels):
            out = outputs[level]
            out[:] = bias
            for k in range(n_used):
                if (used[k] >> level) & 1:
                    part = parts[k]
                    for u in range(n_out):
                        out[u] += part[u]
            if logarithmic:
                losses[level] += _log_slope(out, wanted, counted, weights[level], tau, scratch)
            else:
                losses[level] += _square_slope(out, wanted, counted, weights[level], relu)
            for u in range(n_out):
                to_bias[u] += out[u]
        for k in range(n_used):
            total = sums[stored + k]
            total[:] = 0
            for level in range(n_levels):
                if (used[k] >> level) & 1:
                    slope = outputs[level]
                    for u in range(n_out):
                        total[u] += slope[u]
            _project(chosen[k], n_chosen[k], latent, decoder, total, to_codes)
            slot[used[k]] = -1
        stored += n_used


@numba.njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
@no_type_check
def _project(chosen, n, latent, decoder, slope, to_codes):
    """Fill ``to_codes`` of the chosen entries: their patterns times ``slope``."""
    n_out = len(slope)
    k = 0
    while k + 4 <= n:
        i0, i1, i2, i3 = chosen[k], chosen[k + 1], chosen[k + 2], chosen[k + 3]
        w0, w1, w2, w3 = (
            decoder[latent[i0]],
            decoder[latent[i1]],
            decoder[latent[i2]],
            decoder[latent[i3]],
        )
        d0 = d1 = d2 = d3 = np.float32(0)
        for u in range(n_out):
            g = slope[u]
            d0 += w0[u] * g
            d1 += w1[u] * g
            d2 += w2[u] * g
            d3 += w3[u] * g
        to_codes[i0], to_codes[i1], to_codes[i2], to_codes[i3] = d0, d1, d2, d3
        k += 4
    while k < n:
        w, d = decoder[latent[chosen[k]]], np.float32(0)
        for u in range(n_out):
            d += w[u] * slope[u]
        to_codes[chosen[k]] = d
        k += 1


@numba.njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
@no_type_check
def _square_slope(out, wanted, counted, weight, relu):
    """Return the summed squared error, and put its gradient in the place of ``out``."""
    total, twice = np.float32(0), 2 * weight
    if relu:
        for u in range(len(out)):
            error = max(out[u], np.float32(0)) - wanted[u]
            total += counted[u] * error * error
            out[u] = twice * counted[u] * error if out[u] > 0 else np.float32(0)
    else:
        for u in range(len(out)):
            error = out[u] - wanted[u]
            total += counted[u] * error * error
            out[u] = twice * counted[u] * error
    return total


@numba.njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
@no_type_check
def _log_slope(out, wanted, counted, weight, tau, scratch):
    """Do the same for the logarithmic error of a rectified output; ``wanted`` is a logarithm."""
    total = np.float32(0)
    rectified = np.empty_like(out)
    for u in range(len(out)):
        rectified[u] = max(out[u], np.float32(0))
    logs = np.empty_like(out)
    _log1p(rectified, scratch, logs)
    for u in range(len(out)):
        error = tau * logs[u] - wanted[u]
        total += counted[u] * error * error
        slope = 2 * weight * tau * counted[u] * error / (ONE + rectified[u])
        out[u] = slope if out[u] > 0 else np.float32(0)
    return total


@numba.njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _log1p(x, y, filled):
    """Fill in log(1 + x) for x >= 0, by vectors: log 2^e m = e log 2 + 2 artanh((m - 1) / (m + 1)).

    ``y`` is room for as many values. What 1 + x lost to rounding is put back.
    """
    for u in range(len(x)):
        y[u] = ONE + x[u]
    bits, mantissa = y.view(np.int32), filled.view(np.int32)
    for u in range(len(x)):
        # m lies between the roots of a half and of two, whose bits these are.
        mantissa[u] = bits[u] - ((bits[u] - 0x3F3504F3) >> 23 << 23)
    for u in range(len(x)):
        exponent = np.float32((bits[u] - 0x3F3504F3) >> 23)
        s = (filled[u] - ONE) / (filled[u] + ONE)
        q = s * s
        series = np.float32(1 / 9) * q + np.float32(1 / 7)
        series = (series * q + np.float32(1 / 5)) * q + np.float32(1 / 3)
        lost = (x[u] - (y[u] - ONE)) / y[u]
        log_m = 2 * s * (series * q + ONE)
        filled[u] = exponent * np.float32(0.6931471805599453) + (log_m + lost)


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
    to_encoder, to_decoder = np.empty_like(encoder[0]), np.empty_like(decoder[0])
    to_bias, squared = np.zeros_like(encoder_bias), 0.0
    for j in range(len(encoder)):
        start, stop = latent_start[j], latent_start[j + 1]
        to_encoder[:] = 0
        to_decoder[:] = 0
        for n in range(start, stop):
            to_bias[j] += to_codes[order[n]]
        _weigh(order, start, stop, row, to_codes, x, to_encoder)
        _weigh(order, start, stop, place, value, sums, to_decoder)
        first, second = encoder_moments
        squared += adam(encoder[j], first[j], second[j], to_encoder, rate, correction)
        _along_sphere(decoder[j], to_decoder)
        first, second = decoder_moments
        squared += adam(decoder[j], first[j], second[j], to_decoder, rate, correction)
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
def _weigh(order, start, stop, where, weight, vectors, total):
    """Add the entries' vectors to ``total``, each times its weight, four at a time."""
    n_columns = len(total)
    n = start
    while n + 4 <= stop:
        i0, i1, i2, i3 = order[n], order[n + 1], order[n + 2], order[n + 3]
        v0, v1, v2, v3 = (
            vectors[where[i0]],
            vectors[where[i1]],
            vectors[where[i2]],
            vectors[where[i3]],
        )
        c0, c1, c2, c3 = weight[i0], weight[i1], weight[i2], weight[i3]
        for u in range(n_columns):
            total[u] += c0 * v0[u] + c1 * v1[u] + c2 * v2[u] + c3 * v3[u]
        n += 4
    while n < stop:
        v, c = vectors[where[order[n]]], weight[order[n]]
        for u in range(n_columns):
            total[u] += c * v[u]
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

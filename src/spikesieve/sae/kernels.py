"""The top-k family on the processor: dense encoding, then work only where codes are active.

Of 1024 latents 32 are active in a bin, so decoding, its gradient and that of the encoder need 3 %
of a dense product. One list of the active codes serves all levels; each carries the set of levels
that selected it, and what the levels have in common is added up once.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import NamedTuple, no_type_check

import numba
import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from spikesieve.sae.active import MOST_LEVELS, Active, Guess, count_levels, first_guess, select

#: Sums may be reordered (that is what vectors need); NaN and infinity keep their meaning.
FAST = {"reassoc", "contract", "nsz", "arcp"}


class Autoencoded(NamedTuple):
    """What ``sparse_autoencode`` returns; only ``predictions`` carries a gradient.

    ``fired``: active in some bin at some level. ``n_active``: codes that each level selected.
    """

    predictions: Float[Tensor, "level instance batch output"]
    fired: Bool[Tensor, "instance latent"]
    n_active: Int64[Tensor, "instance level"]
    active: list[Active]


def sparse_autoencode(
    x: Float[Tensor, "instance batch input"],
    encoder: Float[Tensor, "instance latent input"],
    encoder_bias: Float[Tensor, "instance latent"],
    decoder: Float[Tensor, "instance latent output"],
    decoder_bias: Float[Tensor, "instance output"],
    *,
    widths: Sequence[int],
    budgets: Sequence[int],
    per_row: bool = False,
    guess: Guess | None = None,
) -> Autoencoded:
    """Encode, select and decode a batch at every level, with gradients for all five tensors.

    Codes are ``x encoder^T + encoder_bias``. Level ``l`` uses the first ``widths[l]`` latents
    (ascending to all); of its positive codes the ``budgets[l] * batch`` largest of an instance's
    batch stay, or with ``per_row`` the ``budgets[l]`` largest of each row. Where equal codes
    straddle the budget none of them gets in. A code that is NaN makes all predictions of its
    instance NaN. float32 on the CPU only. The same input gives the same bits, whatever the
    ``guess``, the number of threads and the instances beside it.

    Raises
    ------
    ValueError
        Widths do not ascend to the number of latents, a budget is not in 1..width, or there
        are more than 12 levels.
    """
    _check(encoder.shape[1], widths, budgets)
    guess = first_guess(len(x), len(widths)) if guess is None else guess
    note: list[Active] = []  # torch.autograd.Function may return tensors only
    levels = tuple(widths), tuple(budgets), per_row, guess, note
    predictions = _Autoencode.apply(x, encoder, encoder_bias, decoder, decoder_bias, *levels)
    fired = np.stack([np.diff(a.latent_start) > 0 for a in note])
    n_active = np.stack([count_levels(a.mask, len(widths)) for a in note])
    return Autoencoded(predictions, torch.from_numpy(fired), torch.from_numpy(n_active), note)


class _Autoencode(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, encoder, encoder_bias, decoder, decoder_bias, *levels):
        widths, budgets, per_row, guess, note = levels
        codes = torch.bmm(x, encoder.mT)
        predictions = torch.empty(len(widths), *x.shape[:2], decoder.shape[2])
        c, bias, filled = _array(codes), _array(encoder_bias), predictions.numpy()
        weights, start = _array(decoder), _array(decoder_bias)

        def run(i: int) -> Active:
            own = Guess(guess.threshold[i], guess.margin[i])
            a = select(c[i], bias[i], widths, budgets, per_row=per_row, guess=own)
            rows = a.row_start, a.latent, a.value, a.mask
            _decode(*rows, weights[i], start[i] if a.finite else start[i] * np.nan, i, filled)
            return a

        note.extend(_each_instance(run, len(x)))
        ctx.active = note
        ctx.save_for_backward(x, encoder, decoder)
        return predictions

    @staticmethod
    def backward(ctx, gradient):
        x, encoder, decoder = ctx.saved_tensors
        g, inputs, weights, origin = map(_array, (gradient, x, decoder, encoder))
        to_encoder, to_decoder = np.empty_like(origin), np.empty_like(weights)
        to_bias = np.empty(origin.shape[:2], np.float32)
        to_x = np.zeros_like(inputs) if ctx.needs_input_grad[0] else None

        def run(i: int) -> None:
            a = ctx.active[i]
            to_codes = np.empty(len(a.value), np.float32)
            sums, place = _level_sums(a.row, a.mask, g, i)
            entries = a.latent_start, a.order, a.row, a.value, place
            filled = to_encoder[i], to_bias[i], to_decoder[i], to_codes
            _gradients(*entries, g, i, sums, inputs[i], weights[i], *filled)
            if to_x is not None:
                _spread(a.row_start, a.latent, to_codes, origin[i], to_x[i])

        _each_instance(run, len(x))
        found = [None if a is None else torch.from_numpy(a) for a in (to_x, to_encoder, to_bias)]
        return *found, torch.from_numpy(to_decoder), gradient.sum((0, 2)), *[None] * 5


def _each_instance(run: Callable[[int], object], n: int) -> list:
    """Return ``run(i)`` for each instance, side by side on as many threads as torch may use."""
    if n == 1 or torch.get_num_threads() == 1:
        return [run(i) for i in range(n)]
    return list(_pool(torch.get_num_threads()).map(run, range(n)))


@cache
def _pool(n_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_threads, thread_name_prefix="sae")


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().contiguous().numpy()


def _check(n_latents: int, widths: Sequence[int], budgets: Sequence[int]) -> None:
    if not 1 <= len(widths) <= MOST_LEVELS or len(widths) != len(budgets):
        raise ValueError(f"1 to {MOST_LEVELS} levels, a budget each; got {widths}, {budgets}")
    if sorted(set(widths)) != list(widths) or widths[-1] != n_latents:
        raise ValueError(f"widths {list(widths)} do not ascend to the {n_latents} latents")
    if not all(1 <= k <= width for k, width in zip(budgets, widths, strict=True)):
        raise ValueError(f"budgets {list(budgets)} outside 1 to their widths {list(widths)}")


@numba.njit(cache=True, nogil=True, fastmath=FAST)
@no_type_check
def _decode(row_start, latent, value, mask, decoder, bias, instance, predictions):
    """Fill the predictions: what codes of the same set of levels give is added up once."""
    n_levels, _, n_rows, n_out = predictions.shape
    slot = np.full(1 << n_levels, -1, np.int64)
    sums = np.zeros((1 << n_levels, n_out), np.float32)
    used = np.empty(1 << n_levels, np.int64)
    for b in range(n_rows):
        n_used = 0
        for i in range(row_start[b], row_start[b + 1]):
            s = mask[i]
            if slot[s] < 0:
                slot[s] = n_used
                used[n_used] = s
                sums[n_used] = 0
                n_used += 1
            total, c, weights = sums[slot[s]], value[i], decoder[latent[i]]
            for u in range(n_out):
                total[u] += c * weights[u]
        for level in range(n_levels):
            out = predictions[level, instance, b]
            out[:] = bias
            for s in range(n_used):
                if (used[s] >> level) & 1:
                    total = sums[s]
                    for u in range(n_out):
                        out[u] += total[u]
        for s in range(n_used):
            slot[used[s]] = -1


@numba.njit(cache=True, nogil=True, fastmath=FAST)
@no_type_check
def _level_sums(row, mask, gradient, instance):
    """Add up the predictions' gradients over each set of several levels that a row's codes have.

    Return the sums, and for each entry the row of ``sums`` it answers to (-1 - level if its set
    is that level alone).
    """
    n_levels, n_out = gradient.shape[0], gradient.shape[3]
    place = np.empty(len(mask), np.int64)
    where = np.full(1 << n_levels, -1, np.int64)
    n = 0
    for i in range(len(mask)):
        if i and row[i] != row[i - 1]:
            for j in range(i - 1, -1, -1):
                if row[j] != row[i - 1]:
                    break
                where[mask[j]] = -1
        s = mask[i]
        if s & (s - 1) == 0:
            level = 0
            while s >> (level + 1):
                level += 1
            place[i] = -1 - level
            continue
        if where[s] < 0:
            where[s] = n
            n += 1
        place[i] = where[s]
    sums = np.zeros((n, n_out), np.float32)
    done = -1
    for i in range(len(mask)):
        if place[i] > done:
            done = place[i]
            total = sums[done]
            for level in range(n_levels):
                if (mask[i] >> level) & 1:
                    part = gradient[level, instance, row[i]]
                    for u in range(n_out):
                        total[u] += part[u]
    return sums, place


@numba.njit(cache=True, nogil=True, fastmath=FAST)
@no_type_check
def _gradients(
    latent_start, order, row, value, place, gradient, instance, sums, x, decoder,
    d_encoder, d_bias, d_decoder, d_codes,
):  # fmt: skip
    """Fill the gradients, latent by latent: what is written then stays in the nearest cache."""
    n_in, n_out = x.shape[1], decoder.shape[1]
    for j in range(len(decoder)):
        weights, to_encoder, to_decoder = decoder[j], d_encoder[j], d_decoder[j]
        to_encoder[:] = 0
        to_decoder[:] = 0
        bias = np.float32(0)
        for n in range(latent_start[j], latent_start[j + 1]):
            i = order[n]
            b, c, p = row[i], value[i], place[i]
            g = sums[p] if p >= 0 else gradient[-1 - p, instance, b]
            inputs = x[b]
            d = np.float32(0)
            for u in range(n_out):
                d += weights[u] * g[u]
                to_decoder[u] += c * g[u]
            for u in range(n_in):
                to_encoder[u] += d * inputs[u]
            bias += d
            d_codes[i] = d
        d_bias[j] = bias


@numba.njit(cache=True, nogil=True, fastmath=FAST)
@no_type_check
def _spread(row_start, latent, d_codes, encoder, d_x):
    for b in range(len(row_start) - 1):
        for i in range(row_start[b], row_start[b + 1]):
            weights, d = encoder[latent[i]], d_codes[i]
            for u in range(d_x.shape[1]):
                d_x[b, u] += d * weights[u]

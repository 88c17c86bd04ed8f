"""Make the mean of predicted counts right after a square root was undone."""

import numpy as np
from jaxtyping import Bool, Float, Int, Real

_BLOCKS, _BLOCK_BINS = 8, 512


def smearing_term(
    counts: Real[np.ndarray, "bin unit"], predicted: Float[np.ndarray, "bin unit"]
) -> Float[np.ndarray, "unit"]:
    """Return what to add to each unit's predictions so that their mean is that of the counts.

    ``E[x] = E[sqrt x]^2 + var(sqrt x)``: squaring a prediction of the square root loses the
    variance that was not predicted. Both arguments are training rows (Duan 1983, "Smearing
    estimate: a nonparametric retransformation method", in its additive form).
    """
    lost = counts.mean(axis=0, dtype=np.float64) - predicted.mean(axis=0, dtype=np.float64)
    return lost.astype(np.float32)


def add_term(
    predicted: Float[np.ndarray, "bin unit"], term: Float[np.ndarray, "unit"]
) -> Float[np.ndarray, "bin unit"]:
    """Return ``predicted + term``, in counts, never below 0."""
    return np.maximum(predicted + term, 0).astype(np.float32, copy=False)


def unbiased(fitted, counts: Real[np.ndarray, "bin unit"], bins: Int[np.ndarray, "bin"]):
    """Return a ``Fitted`` whose predictions have the mean that training rows have.

    ``reconstruct`` (or ``expect``) gets one term a unit, ``predict_hidden`` one for each set of
    hidden units: the fewer units are seen, the more variance is lost. Terms are learnt from
    training rows only, from blocks of neighbouring bins spread over them where there are more
    than 4,096.

    Parameters
    ----------
    fitted : what ``fit`` returned, its predictions plain. ``counts``, ``bins`` : training rows.
    """
    rows = _spread_rows(len(counts))
    counts, bins = counts[rows], bins[rows]
    if fitted.expect is None:
        plain = fitted.reconstruct(fitted.transform(counts, bins))
    else:
        plain = fitted.expect(counts, bins)
    term = smearing_term(counts, plain)
    terms: dict[bytes, np.ndarray] = {}

    def reconstruct(latents):
        return add_term(fitted.reconstruct(latents), term)

    def expect(new_counts, new_bins):
        return add_term(fitted.expect(new_counts, new_bins), term)

    def predict_hidden(new_counts, new_bins, hidden: Bool[np.ndarray, "unit"]):
        key = np.packbits(hidden).tobytes()
        if key not in terms:
            known = fitted.predict_hidden(counts, bins, hidden)
            terms[key] = smearing_term(counts[:, hidden], known)
        return add_term(fitted.predict_hidden(new_counts, new_bins, hidden), terms[key])

    better = {"reconstruct": reconstruct} if fitted.expect is None else {"expect": expect}
    return fitted._replace(predict_hidden=predict_hidden, **better)


def _spread_rows(n_bins: int) -> Int[np.ndarray, "row"]:
    if n_bins <= _BLOCKS * _BLOCK_BINS:
        return np.arange(n_bins)
    starts = np.linspace(0, n_bins - _BLOCK_BINS, _BLOCKS).astype(int)
    return (starts[:, None] + np.arange(_BLOCK_BINS)).ravel()

"""LFADS as one of the methods that ``spikesieve.fitting`` judges: windows of a recording's bins."""

from pathlib import Path

import numpy as np
import scipy.sparse
import torch
from jaxtyping import Bool, Float, Int, Real

from spikesieve.baselines.lfads.network import Lfads
from spikesieve.baselines.lfads.settings import LfadsSettings, lfads_settings
from spikesieve.baselines.lfads.training import Windows, train_lfads
from spikesieve.baselines.lfads.windows import EMPTY, cut_windows, fill_windows, join_windows
from spikesieve.baselines.preparing import Preparation, number_of_components, prepare
from spikesieve.baselines.storing import save_numbers
from spikesieve.errors import InputError
from spikesieve.fitting import Block, Fitted

_WINDOWS_AT_ONCE = 256
_HIGHEST_LOG_RATE = 10.0


def fit_lfads(
    counts: Real[np.ndarray, "bin unit"],
    bins: Int[np.ndarray, "bin"],
    *,
    validation: Block | None = None,
    seed: int = 0,
    n_components: int = 32,
    normalisation: str = "sqrt_centred",
    smoothing_bins: int = 0,
    smoothing: float = 0.0,
    **settings,
) -> Fitted:
    """Train LFADS on windows of the training bins; its latents are the ``n_components`` factors.

    Each run of neighbouring bins is cut into windows that overlap; a bin's factors are the mean of
    the windows that hold it, weighted towards their middles, so log rates, which are linear in
    factors, are joined the same way. The encoder sees counts normalised and smoothed as the other
    methods do; the likelihood is that of the counts themselves. Posterior means are taken where
    the papers average samples. The network of the best validation loss is kept. Hidden units are
    0, their mean, to the encoder, which was trained with entries and units hidden.

    Parameters
    ----------
    settings : of ``LfadsSettings``, but for ``n_factors``. Others, and errors, as ``fit_pca``.

    Raises
    ------
    InputError
        A setting is unknown or out of range; there is less than one window of training bins.
    """
    s = lfads_settings(**settings | {"n_factors": number_of_components(n_components, counts.shape)})
    if len(bins) < s.window_bins:
        raise InputError(
            f"LFADS: {len(bins)} training bins, windows of {s.window_bins}",
            fix="set a smaller window_bins for lfads in baselines.settings",
        )
    preparation = prepare(counts, bins, normalisation, smoothing_bins, smoothing)
    held_out = None
    if validation is not None:
        held_out = windows_of(validation.counts, validation.bins, preparation, s)
    train = windows_of(counts, bins, preparation, s)
    network, history = train_lfads(train, held_out, s, seed=seed)
    nothing = np.zeros(counts.shape[1], bool)

    def transform(counts, bins):
        return scipy.sparse.csr_array(infer_factors(network, preparation, counts, bins, nothing))

    def reconstruct(latents):
        return _rates(network, latents.toarray())

    def predict_hidden(counts, bins, hidden):
        factors = infer_factors(network, preparation, counts, bins, hidden)
        return _rates(network, factors)[:, hidden]

    def save(folder: Path, about: dict) -> None:
        save_numbers(folder, network.state_dict(), {"lfads": s._asdict()} | about)

    model = f"lfads{s.n_factors}"
    return Fitted("lfads", model, transform, reconstruct, predict_hidden, save, history)


def windows_of(
    counts: Real[np.ndarray, "bin unit"],
    bins: Int[np.ndarray, "bin"],
    preparation: Preparation,
    s: LfadsSettings,
) -> Windows:
    """Return the windows of a block of bins."""
    rows = cut_windows(bins, s.window_bins, s.overlap_bins)
    seen = fill_windows(preparation.apply(counts, bins), rows)
    return Windows(seen, fill_windows(counts, rows), rows != EMPTY)


@torch.no_grad()
def infer_factors(
    network: Lfads,
    preparation: Preparation,
    counts: Real[np.ndarray, "bin unit"],
    bins: Int[np.ndarray, "bin"],
    hidden: Bool[np.ndarray, "unit"],
) -> Float[np.ndarray, "bin factor"]:
    """Return the factors of each bin, told the units that are not ``hidden``."""
    s = network.settings
    seen = preparation.apply(counts, bins)
    # As in training: what is left is raised by as much as is missing.
    seen = np.where(hidden, 0, seen / max(1 - hidden.mean(), 1e-3)).astype(np.float32)
    rows = cut_windows(bins, s.window_bins, s.overlap_bins)
    windows = torch.from_numpy(fill_windows(seen, rows))
    pieces = [network(x, sample=False).factors for x in windows.split(_WINDOWS_AT_ONCE)]
    return join_windows(torch.cat(pieces).numpy(), rows, len(bins))


@torch.no_grad()
def _rates(network: Lfads, factors: Float[np.ndarray, "bin factor"]) -> np.ndarray:
    log_rates = network.rates(torch.from_numpy(factors.astype(np.float32)))
    return log_rates.clamp(max=_HIGHEST_LOG_RATE).exp().numpy()

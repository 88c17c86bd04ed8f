"""sliceTCA of trials, by its package: components of units, of trials and of time in the trial."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.sparse
import torch
from jaxtyping import Float, Int, Real

from spikesieve.baselines.decomposing import choose_ranks, decompose, masked_error
from spikesieve.baselines.preparing import number_of_components, prepare
from spikesieve.baselines.slices import infer_trials, latents_of, trial_model
from spikesieve.baselines.storing import save_numbers
from spikesieve.baselines.trials import Trials, trial_tensor, whole_trials
from spikesieve.errors import InputError
from spikesieve.fitting import Fitted

#: With fewer trials there is nothing to tell components of trials by.
LEAST_TRIALS = 8


def fit_slicetca(
    counts: Real[np.ndarray, "bin unit"],
    bins: Int[np.ndarray, "bin"],
    *,
    trials: Trials,
    seed: int = 0,
    n_components: int = 32,
    normalisation: str = "sqrt_centred",
    smoothing_bins: int = 0,
    smoothing: float = 0.0,
    ranks: Sequence[int] | None = None,
    n_steps: int = 500,
    learning_rate: float = 0.02,
) -> Fitted:
    """Fit sliceTCA on the trials that training bins hold whole, by squared errors.

    For other trials the vectors and matrices without a trial axis stay as they are, and those with
    one are inferred from the trial itself (``infer_trials``), as they are for training trials too.
    Latents are put back on the bins, 0 outside trials, where each unit's mean is expected.

    Parameters
    ----------
    n_components : of all kinds together, at most.
    ranks : number of components of units, of trials and of time in the trial; None chooses them by
        what they predict of entries of the training tensor that were masked.
    n_steps, learning_rate : of the decomposition. Others as ``fit_pca``.

    Raises
    ------
    InputError
        Fewer than 8 whole trials are among the training bins; ranks make no sense; the
        decomposition is not finite.
    """
    preparation = prepare(counts, bins, normalisation, smoothing_bins, smoothing)
    rows = whole_trials(trials, bins)
    if len(rows) < LEAST_TRIALS:
        raise InputError(
            f"sliceTCA: {len(rows)} trials {trials.name!r} of {trials.n_bins} bins lie whole in "
            "training bins",
            allowed=f"{LEAST_TRIALS} or more",
            fix="name other intervals in baselines.settings.slicetca, or leave slicetca out",
        )
    x = trial_tensor(preparation.apply(counts, bins), rows)
    most = number_of_components(n_components, counts.shape)
    training = {"n_steps": n_steps, "learning_rate": learning_rate, "seed": seed}
    ranks = tuple(ranks) if ranks is not None else choose_ranks(x, most, **training)
    noise = masked_error(x, ranks, **training)
    model = trial_model(decompose(x, ranks, **training), noise)
    nothing, mean = np.zeros(counts.shape[1], bool), _mean_outside(counts, rows)

    def tensor(counts, bins, rows):
        return trial_tensor(preparation.apply(counts, bins), rows)

    def transform(counts, bins):
        rows = whole_trials(trials, bins)
        latents = np.zeros((len(bins), sum(ranks)), np.float32)
        inferred, _ = infer_trials(model, tensor(counts, bins, rows), nothing)
        latents[rows] = latents_of(model.slices, inferred).transpose(0, 2, 1)
        return scipy.sparse.csr_array(latents)

    def expect(counts, bins, hidden=nothing):
        rows = whole_trials(trials, bins)
        expected = np.tile(mean, (len(bins), 1))
        _, inside = infer_trials(model, tensor(counts, bins, rows), hidden)
        flat = inside.transpose(0, 2, 1).reshape(rows.size, -1).astype(np.float32)
        expected[rows.ravel()] = preparation.invert(flat)
        return expected

    def predict_hidden(counts, bins, hidden):
        return expect(counts, bins, hidden)[:, hidden]

    def save(folder: Path, about: dict) -> None:
        kept = {name: torch.from_numpy(part) for name, part in model.slices._asdict().items()}
        save_numbers(folder, kept, {"ranks": list(ranks), "trials": trials.name} | about)

    name = f"slicetca{sum(ranks)}"
    return Fitted("slicetca", name, transform, None, predict_hidden, save, expect=expect)


def _mean_outside(
    counts: Real[np.ndarray, "bin unit"], rows: Int[np.ndarray, "trial place"]
) -> Float[np.ndarray, "unit"]:
    """Return each unit's mean count in the bins outside trials, or in all where there are none."""
    outside = np.ones(len(counts), bool)
    outside[rows.ravel()] = False
    chosen = counts[outside] if outside.any() else counts
    return chosen.mean(axis=0, dtype=np.float64).astype(np.float32)

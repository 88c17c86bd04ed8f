"""CEBRA: contrastive embeddings of neural activity, with the networks and loss of its package.

Schneider, Lee and Mathis 2023, Nature 617:360. The samplers of cebra 0.6.1 seed themselves at
random; pairs are drawn here (``spikesieve.baselines.pairs``), so that a seed means something and no
pair or window crosses a hole in the recording.
"""

import itertools
from pathlib import Path

import cebra.models
import numpy as np
import pandas as pd
import scipy.sparse
import torch
from jaxtyping import Float, Int, Real
from torch import Tensor, nn

from spikesieve.baselines.behaviour import Behaviour
from spikesieve.baselines.pairs import Draw, class_pairs, time_pairs, value_pairs
from spikesieve.baselines.preparing import number_of_components, prepare
from spikesieve.baselines.readout import fit_readout, hidden_readout
from spikesieve.baselines.storing import save_numbers
from spikesieve.errors import InputError
from spikesieve.fitting import Fitted

_BINS_AT_ONCE = 4096
_STEPS_A_ROW = 50


def fit_cebra(
    counts: Real[np.ndarray, "bin unit"],
    bins: Int[np.ndarray, "bin"],
    *,
    behaviour: Behaviour | None = None,
    seed: int = 0,
    n_components: int = 32,
    normalisation: str = "sqrt_centred",
    smoothing_bins: int = 0,
    smoothing: float = 0.0,
    network: str = "offset10-model",
    hidden_size: int = 32,
    time_offset: int = 10,
    temperature: float = 1.0,
    learning_rate: float = 1e-3,
    n_steps: int = 1000,
    batch_size: int = 512,
) -> Fitted:
    """Train CEBRA on training bins; its latents lie on a sphere of ``n_components`` dimensions.

    CEBRA has no way back to counts. ``reconstruct`` is a linear read-out of the latents, fitted on
    training bins by ridge regression; ``predict_hidden`` embeds with the hidden units at their
    mean, and reads out by weights learnt from training bins embedded the same way.

    Parameters
    ----------
    behaviour : what positive pairs share; None for time alone (CEBRA-Time). Only training bins'
        labels are looked at. A method that was told labels does not discover them.
    network : name of one of cebra's models; its receptive field is repeated at the edge of a run.
    time_offset : bins between two bins of a positive pair, or over which values change.
    Others as ``fit_pca``.

    Raises
    ------
    InputError
        The network is unknown, runs are shorter than ``time_offset``, no bin has a label.
    """
    n_components = number_of_components(n_components, counts.shape)
    preparation = prepare(counts, bins, normalisation, smoothing_bins, smoothing)
    x = preparation.apply(counts, bins)
    draw = _pairs(behaviour, bins, time_offset)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _network(network, x.shape[1], hidden_size, n_components)
        sizes = {"n_steps": n_steps, "batch_size": batch_size}
        rates = {"learning_rate": learning_rate, "temperature": temperature}
        history = _train(model, x, bins, draw, np.random.default_rng(seed), **sizes, **rates)

    def embed(counts, bins, hidden=False):
        return _embed(model, np.where(hidden, 0, preparation.apply(counts, bins)), bins)

    readout = fit_readout(embed(counts, bins), x)
    readout_of = hidden_readout(lambda counts, hidden: embed(counts, bins, hidden), counts, x)

    def transform(counts, bins):
        return scipy.sparse.csr_array(embed(counts, bins))

    def reconstruct(latents):
        return preparation.invert(readout.predict(latents.toarray()))

    def predict_hidden(counts, bins, hidden):
        everything = np.zeros(counts.shape, np.float32)
        everything[:, hidden] = readout_of(hidden).predict(embed(counts, bins, hidden))
        return preparation.invert(everything)[:, hidden]

    def save(folder: Path, about: dict) -> None:
        told = behaviour.variables if behaviour else []
        save_numbers(folder, model.state_dict(), {"network": network, "told": told} | about)

    method = "cebra_time" if behaviour is None else "cebra_behaviour"
    name = f"{method}{n_components}"
    return Fitted(method, name, transform, reconstruct, predict_hidden, save, history)


def _pairs(behaviour: Behaviour | None, bins: Int[np.ndarray, "bin"], time_offset: int) -> Draw:
    if behaviour is None:
        return time_pairs(bins, time_offset)
    if behaviour.labels is not None:
        labels = behaviour.labels[bins]
        return class_pairs(labels, np.flatnonzero(labels >= 0))
    return value_pairs(behaviour.values[bins], bins, time_offset)


def _network(name: str, n_units: int, hidden_size: int, n_components: int) -> nn.Module:
    known = [n for n in cebra.models.get_options() if "subsample" not in n and "mse" not in n]
    if name not in known:
        raise InputError(f"CEBRA: network {name!r}", allowed=", ".join(sorted(known)))
    return cebra.models.init(name, n_units, hidden_size, n_components)


def _around(model: nn.Module, bins: Int[np.ndarray, "bin"]) -> Int[np.ndarray, "bin place"]:
    """Return the rows that the network sees of each bin; the last of a run stands for the next."""
    field = model.get_offset()
    edges = np.r_[0, np.flatnonzero(np.diff(bins) != 1) + 1, len(bins)]
    first, last = np.repeat([edges[:-1], edges[1:] - 1], np.diff(edges), axis=1)
    rows = np.arange(len(bins))[:, None] + np.arange(-field.left, field.right)
    return np.clip(rows, first[:, None], last[:, None])


def _seen(x: Tensor, around: np.ndarray, rows) -> Float[Tensor, "bin unit place"]:
    return x[torch.from_numpy(around[rows])].transpose(1, 2)


def _train(
    model, x, bins, draw: Draw, rng, *, n_steps, batch_size, learning_rate, temperature
) -> pd.DataFrame:
    """Train in place; return a row a logged step: the loss, and its two parts."""
    around, x = _around(model, bins), torch.from_numpy(x)
    loss_of = cebra.models.FixedCosineInfoNCE(temperature)
    optimiser = torch.optim.Adam(model.train().parameters(), lr=learning_rate)
    history = []
    for step in range(1, n_steps + 1):
        reference, positive = draw(batch_size, rng)
        negative, _ = draw(batch_size, rng)
        three = (model(_seen(x, around, rows)) for rows in (reference, positive, negative))
        loss, align, uniform = loss_of(*three)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % _STEPS_A_ROW == 0 or step == n_steps:
            parts = {"loss": loss, "align": align, "uniform": uniform}
            history.append({"step": step} | {name: part.item() for name, part in parts.items()})
    model.eval()
    return pd.DataFrame(history)


@torch.no_grad()
def _embed(
    model: nn.Module, x: Float[np.ndarray, "bin unit"], bins: Int[np.ndarray, "bin"]
) -> Float[np.ndarray, "bin latent"]:
    around, x = _around(model, bins), torch.from_numpy(np.ascontiguousarray(x, np.float32))
    edges = [*range(0, len(bins), _BINS_AT_ONCE), len(bins)]
    pieces = [model(_seen(x, around, slice(a, b))) for a, b in itertools.pairwise(edges)]
    return torch.cat([piece.reshape(len(piece), -1) for piece in pieces]).numpy()

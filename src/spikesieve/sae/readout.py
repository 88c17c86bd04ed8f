"""Reading a dictionary by explaining away: which patterns, added up, make these counts likely.

An encoder is one product and a threshold: where patterns overlap it credits each with the spikes
of the others, and in planted data that, not the dictionary, is what loses features. Here each
spike is shared out between the patterns (and a base rate) that may have caused it.

Counts are Poisson with mean ``activation @ loadings + base``; activations have a gamma prior whose
mean is what the latent did in the bins around. The steps are expectation-maximisation: those of
Richardson (1972) and Lucy (1974), which are those of non-negative matrix factorisation with the
Kullback-Leibler divergence (Lee & Seung 1999), with the posterior mean under a conjugate prior
(Cemgil 2009, "Bayesian inference for nonnegative matrix factorisation models").
"""

import warnings
from typing import NamedTuple

import numpy as np
import scipy.sparse
import torch
from jaxtyping import Bool, Float, Int, Real
from torch import Tensor

from spikesieve.latents.stability import stability, sure_stability
from spikesieve.smoothing import smooth_gaussian

#: Rows whose codes the loadings are learnt from; more would not move them.
REGRESSED_ROWS = 10_000
REGRESSION_STEPS = 25
#: Steps from nothing on smoothed counts, and then from the prior, twice.
FIRST_STEPS, PRIOR_ROUNDS, PRIOR_STEPS = 20, 2, 10
#: Shape of the gamma prior: 1 is an exponential, the least that is still a density at 0.
SHAPE = 1.0
#: The prior's mean looks further around than the smoothing of the counts, in bins.
WIDER_BINS = 0.5
BLOCK_ROWS = 256
TINY = 1e-6
#: What shrinks towards 0 stops here: products of smaller numbers would be denormal, and slow.
NOTHING = 1e-12


class Readout(NamedTuple):
    """What is added up: ``loadings`` in spikes a unit of activation, ``base`` in spikes a bin.

    ``mean`` is each latent's mean activation in training, the prior where nothing is smoothed;
    ``kept`` the latents of the dictionary that are read, ascending; ``gate`` the number of spikes
    that a latent must explain in a bin to be active, ``below`` the mean number a bin that it
    explains without being active, which expected counts hold in every bin.
    """

    loadings: Float[Tensor, "latent unit"]
    base: Float[Tensor, "unit"]
    mean: Float[Tensor, "latent"]
    kept: Int[Tensor, "latent"]
    below: Float[Tensor, "latent"]
    gate: float


def fit_readout(codes: scipy.sparse.csr_array, counts: Real[np.ndarray, "bin unit"]) -> Readout:
    """Learn loadings and base rates from an encoder's codes: a Poisson regression without minus.

    Each latent's loadings start as what the units do beyond their mean while it is active.

    Parameters
    ----------
    codes, counts : of training bins, counts smoothed as the encoder saw them.
    """
    rows = slice(None, None, max(1, -(-len(counts) // REGRESSED_ROWS)))
    x = torch.from_numpy(np.ascontiguousarray(counts[rows], np.float32))
    z = torch.from_numpy(codes[rows].toarray())
    active = (z > 0).float()
    times = active.sum(dim=0).clamp_min(1)
    z = z / (z.sum(dim=0) / times).clamp_min(TINY)
    loadings = ((active.T @ x) / times[:, None] - x.mean(dim=0)).clamp_min(1e-4)
    loadings[active.sum(dim=0) == 0] = TINY
    base = torch.quantile(x, 0.2, dim=0).clamp_min(1e-3)
    total = z.sum(dim=0)[:, None].clamp_min(TINY)
    for _ in range(REGRESSION_STEPS):
        loadings = loadings * (z.T @ (x / (z @ loadings + base + TINY))) / total
        loadings = loadings.clamp_min(NOTHING)
        base = base * (x / (z @ loadings + base + TINY)).mean(dim=0)
    mean, kept = z.mean(dim=0).clamp_min(TINY), torch.arange(len(loadings))
    return Readout(loadings, base, mean, kept, torch.zeros(len(loadings)), 0.0)


def without_unstable(
    readout: Readout, stability: Float[np.ndarray, "latent"], least: float, at_least: int
) -> Readout:
    """Return the readout of the latents that another seed found again.

    ``at_least`` so many stay, the most stable, even where fewer are. What the others explained on
    average joins the base rates: nobody else is to be blamed for it.
    """
    explains = (readout.mean * readout.loadings.sum(dim=1)).numpy()
    nearest = np.lexsort((-explains, -stability))[:at_least]  # of equals, those that explain most
    stay = torch.from_numpy((stability >= least) | np.isin(np.arange(len(stability)), nearest))
    base = readout.base + readout.mean[~stay] @ readout.loadings[~stay]
    parts = (readout.loadings[stay], base, readout.mean[stay], readout.kept[stay])
    return Readout(*parts, readout.below[stay], readout.gate)


def pruned(
    readouts: list[Readout], active: list[scipy.sparse.csr_array], least: float, at_least: int
) -> tuple[list[Float[np.ndarray, "latent"]], list[Readout]]:
    """Return how stable each instance's latents are, and the readouts of those that are.

    ``active`` is what each instance finds in the same bins. A latent's stability is that of
    ``sure_stability``. Warns where fewer than ``at_least`` reach ``least``: so many stay all the
    same.
    """
    found = [
        sure_stability(r.loadings.numpy(), matched, codes)
        for r, matched, codes in zip(readouts, stability(active).matched_r, active, strict=True)
    ]
    n_stable = min(int((one >= least).sum()) for one in found)
    if n_stable < at_least:
        text = f"{n_stable} of {len(found[0])} latents were found again by another training"
        warnings.warn(f"{text}; the {at_least} that came nearest are kept", stacklevel=3)
    left = [
        without_unstable(r, one, least, at_least) for r, one in zip(readouts, found, strict=True)
    ]
    return found, left


def readout_tensors(readouts: list[Readout]) -> dict[str, Tensor]:
    """Return the readouts of a model's instances as named tensors."""
    return {
        f"readout{number}.{name}": torch.as_tensor(value)
        for number, readout in enumerate(readouts)
        for name, value in readout._asdict().items()
    }


def readouts_from(tensors: dict[str, Tensor], n_instances: int) -> list[Readout]:
    """Return what ``readout_tensors`` was given."""
    names = Readout._fields
    each = [[tensors[f"readout{i}.{name}"] for name in names] for i in range(n_instances)]
    return [Readout(*parts[:-1], float(parts[-1])) for parts in each]


def readout_shapes(
    tensors: dict[str, Tensor], n_instances: int, n_units: int
) -> dict[str, tuple[int, ...]]:
    """Return the shapes that readouts must have, however many latents each has kept."""
    shapes = {}
    for i in range(n_instances):
        n = len(tensors[f"readout{i}.kept"])
        own = {"loadings": (n, n_units), "base": (n_units,), "gate": ()}
        own |= dict.fromkeys(("mean", "kept", "below"), (n,))
        shapes |= {f"readout{i}.{name}": shape for name, shape in own.items()}
    return shapes


def read(
    readout: Readout,
    counts: Real[np.ndarray, "bin unit"],
    bins: Int[np.ndarray, "bin"],
    smoothing: float,
    *,
    hidden: Bool[np.ndarray, "unit"] | None = None,
) -> Float[np.ndarray, "bin latent"]:
    """Return how many spikes of all units each latent explains in each bin, before the gate.

    A bin's values depend on bins within ``4 * smoothing`` and twice ``4 * (smoothing + 0.5)`` of
    it, and on no others; on its own alone without smoothing.
    ``hidden`` units are not looked at; what a latent explains counts theirs as well.
    """
    seen = slice(None) if hidden is None else torch.from_numpy(~hidden)
    loadings, base = readout.loadings[:, seen], readout.base[seen]
    raw = np.asarray(counts, np.float32)
    raw = raw if hidden is None else raw[:, ~hidden]
    start = torch.ones(len(raw), 1) * readout.mean
    a = _steps(smooth_gaussian(raw, bins, smoothing), start, None, loadings, base, FIRST_STEPS)
    for _ in range(PRIOR_ROUNDS):
        mean = start
        if smoothing:
            around = smooth_gaussian(a.numpy(), bins, smoothing + WIDER_BINS)
            mean = torch.from_numpy(around).clamp_min(TINY)
        a = _steps(raw, a, mean, loadings, base, PRIOR_STEPS)
    return (a * readout.loadings.sum(dim=1)).numpy()


def gated(explained: Float[np.ndarray, "bin latent"], readout: Readout) -> scipy.sparse.csr_array:
    """Return the activations that reach the gate."""
    return scipy.sparse.csr_array(np.where(explained >= readout.gate, explained, 0))


def with_gate(readout: Readout, explained: Float[np.ndarray, "bin latent"], k: int) -> Readout:
    """Return the readout with the gate that ``k`` latents reach in a bin of these, on average."""
    gate = gate_for(explained, k)
    below = np.where(explained < gate, explained, 0).mean(axis=0)
    return readout._replace(gate=gate, below=torch.from_numpy(below))


def gate_for(explained: Float[np.ndarray, "bin latent"], k: int) -> float:
    """Return the gate that at most ``k`` latents a bin reach on average; always above 0.

    Where equal values straddle the budget none of them gets in: silent bins are all alike.
    """
    flat = explained.ravel()
    n = min(k * len(explained), len(flat))
    least = max(float(np.partition(flat, -n)[-n]), TINY)
    # A step well above rounding: the same bin's value may differ in its last bits elsewhere.
    return least * (1 + 1e-5) if np.count_nonzero(flat >= least) > n else least


def expected_counts(
    readout: Readout, explained: scipy.sparse.csr_array | Float[np.ndarray, "bin latent"]
) -> Float[np.ndarray, "bin unit"]:
    """Return the counts that activations stand for."""
    share = readout.loadings / readout.loadings.sum(dim=1, keepdim=True).clamp_min(TINY)
    rest = readout.below @ share + readout.base
    return np.asarray(explained @ share.numpy()) + rest.numpy()


def _steps(counts, start: Tensor, mean: Tensor | None, loadings, base, n_steps: int) -> Tensor:
    """Share spikes out ``n_steps`` times, block by block: each of the same size, so that a bin's
    result does not depend on who stands beside it."""
    found = torch.empty_like(start)
    total, spread = loadings.sum(dim=1).clamp_min(TINY), loadings.T.contiguous()
    rate = torch.empty(BLOCK_ROWS, loadings.shape[1])
    caused = torch.empty(BLOCK_ROWS, len(loadings))
    for first in range(0, len(start), BLOCK_ROWS):
        rows = slice(first, first + BLOCK_ROWS)
        x, a = _padded(torch.from_numpy(counts[rows])), _padded(start[rows]).clone()
        prior = None if mean is None else SHAPE / _padded(mean[rows], fill=1.0)
        by = total if prior is None else prior.add_(total)
        for _ in range(n_steps):
            torch.addmm(base + TINY, a, loadings, out=rate)
            torch.div(x, rate, out=rate)
            torch.mm(rate, spread, out=caused)
            a.mul_(caused)
            a = (a if prior is None else a.add_(SHAPE)).div_(by).clamp_min_(NOTHING)
        found[rows] = a[: len(found[rows])]
    return found


def _padded(block: Tensor, fill: float = 0.0) -> Tensor:
    if len(block) == BLOCK_ROWS:
        return block
    padded = torch.full((BLOCK_ROWS, block.shape[1]), fill)
    padded[: len(block)] = block
    return padded

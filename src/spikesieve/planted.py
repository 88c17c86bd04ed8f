"""Counts with planted features: the truth that the recovery benchmark looks for."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, UInt

from spikesieve.errors import InputError

N_UNITS = 150
#: Mean shares of bins in which a feature is on, and mean lengths of a burst in bins.
ON_SHARE, BURST_BINS = (0.01, 0.12), (3.0, 12.0)
UNITS_PER_FEATURE = (6, 20)
CHILDREN_PER_PARENT = 3
#: What a feature of amplitude 1 adds to a unit at a loading of 1, where base rates average 2 Hz.
GAIN_HZ = 30.0


class Tier(NamedTuple):
    """One difficulty: how many features, how wide a bin, how fast the units fire."""

    n_features: int
    n_bins: int = 36_000
    bin_s: float = 0.05
    mean_rate_hz: float = 10.0
    nested: bool = False


TIERS = {
    "A": Tier(60),
    "B": Tier(200),
    "C": Tier(60, nested=True),
    "D": Tier(60, n_bins=40_000, bin_s=0.02, mean_rate_hz=3.0),
    "E": Tier(0),
}


class Planted(NamedTuple):
    """Counts and what made them.

    A unit's rate in Hz is ``base_rate_hz + activations @ loadings``, of which its counts are
    Poisson. ``parents`` holds for each feature the number of the one that gates it (-1: none),
    and is None where nothing is nested.
    """

    counts: UInt[np.ndarray, "bin unit"]
    activations: Float32[np.ndarray, "bin feature"]
    loadings: Float[np.ndarray, "feature unit"]
    base_rate_hz: Float[np.ndarray, "unit"]
    parents: Int[np.ndarray, "feature"] | None
    bin_s: float


def planted_counts(tier: str, seed: int, n_bins: int | None = None) -> Planted:
    """Draw counts of 150 units that a known set of features drives.

    A feature is on in bursts (a two-state chain: on in a share of the bins that is log-uniform
    in .01 to .12, for 3 to 12 bins at once on average) and has, in each bin while on, an
    amplitude of its own from gamma(4, 1/4). It drives 6 to 20 units with loadings from
    gamma(2, 1/2) times 30 Hz, over base rates from gamma(2) Hz (on average 2). Base rates and
    loadings are then scaled together such that the average unit fires at ``mean_rate_hz``.

    Tiers: A 60 features; B 200, more than there are units; C 60, of which each of 15 parents
    gates 3 children (a child is on in a quarter to a half of its parent's bins, and never
    without it; parents are on in at least .04 of the bins); D 60 features, bins of 20 ms, units
    at 3 Hz; E none: independent Poisson units.

    Parameters
    ----------
    n_bins : instead of the tier's own (36,000; 40,000 in D).

    Raises
    ------
    InputError
        The tier is unknown, or the bins too few for each feature to switch on and off.
    """
    if tier not in TIERS:
        raise InputError(f"tier {tier!r}", allowed=", ".join(TIERS))
    plan = TIERS[tier]
    n_bins = plan.n_bins if n_bins is None else n_bins
    rng = np.random.default_rng([ord(tier), seed])
    on, parents = _draw_nested(plan, n_bins, rng) if plan.nested else _draw_flat(plan, n_bins, rng)
    activations = np.where(on, rng.gamma(4.0, 0.25, on.shape), 0).astype(np.float32)
    loadings = GAIN_HZ * _draw_loadings(plan.n_features, rng)
    base = rng.gamma(2.0, 1.0, N_UNITS)
    drive = activations.mean(axis=0, dtype=float) @ loadings
    scale = plan.mean_rate_hz / (base + drive).mean()
    loadings, base = scale * loadings, scale * base
    counts = rng.poisson((base + activations @ loadings) * plan.bin_s)
    smallest = np.min_scalar_type(int(counts.max(initial=0)))
    return Planted(counts.astype(smallest), activations, loadings, base, parents, plan.bin_s)


def _draw_flat(plan: Tier, n_bins: int, rng) -> tuple[Bool[np.ndarray, "bin feature"], None]:
    shares = np.exp(rng.uniform(*np.log(ON_SHARE), plan.n_features))
    return _draw_chains(shares, n_bins, rng), None


def _draw_nested(
    plan: Tier, n_bins: int, rng
) -> tuple[Bool[np.ndarray, "bin feature"], Int[np.ndarray, "feature"]]:
    """Draw parents, then their children: chains of their own that only count under the parent."""
    n_parents = plan.n_features // (1 + CHILDREN_PER_PARENT)
    n_children = plan.n_features - n_parents
    # A quarter of .04 is .01: children, too, stay in the range of shares of the other tiers.
    shares = np.exp(rng.uniform(*np.log([4 * ON_SHARE[0], ON_SHARE[1]]), n_parents))
    parent_on = _draw_chains(shares, n_bins, rng)
    gates = np.arange(n_children) % n_parents
    child_on = _draw_chains(rng.uniform(0.25, 0.5, n_children), n_bins, rng, parent_on[:, gates])
    parents = np.concatenate([np.full(n_parents, -1), gates])
    return np.concatenate([parent_on, child_on], axis=1), parents


def _draw_chains(
    shares: Float[np.ndarray, "feature"],
    n_bins: int,
    rng: np.random.Generator,
    gate: Bool[np.ndarray, "bin feature"] | None = None,
) -> Bool[np.ndarray, "bin feature"]:
    """Draw a chain a column, again until it is on and off in every fifth of the bins.

    Otherwise nothing could learn it, or no held-out bin judge it.
    """
    on = np.zeros((n_bins, len(shares)), dtype=bool)
    for feature, share in enumerate(shares):
        for _ in range(1000):
            chain = _draw_chain(share, n_bins, rng)
            if gate is not None:
                chain &= gate[:, feature]
            means = [part.mean() for part in np.array_split(chain, 5) if len(part)]
            if len(means) == 5 and min(means) > 0 and max(means) < 1:
                break
        else:
            raise InputError(
                f"{n_bins} bins are too few for a feature that is on in {share:.3f} of them",
                allowed="n_bins from about 3000",
            )
        on[:, feature] = chain
    return on


def _draw_chain(share: float, n_bins: int, rng: np.random.Generator) -> Bool[np.ndarray, "bin"]:
    """Draw a stationary two-state chain with geometric dwell times."""
    burst = rng.uniform(*BURST_BINS)
    pause = max(burst * (1 - share) / share, 1.0)
    n_cycles = n_bins // 2 + 1  # a cycle has two bins at least
    dwell = np.empty(2 * n_cycles, dtype=np.int64)
    first_on = rng.random() < share
    dwell[0 if first_on else 1 :: 2] = rng.geometric(1 / burst, n_cycles)
    dwell[1 if first_on else 0 :: 2] = rng.geometric(1 / pause, n_cycles)
    changes = np.cumsum(dwell)
    n_changes = np.searchsorted(changes, np.arange(n_bins), side="right")
    return n_changes % 2 == (0 if first_on else 1)


def _draw_loadings(n_features: int, rng) -> Float[np.ndarray, "feature unit"]:
    fewest, most = UNITS_PER_FEATURE
    n_driven = rng.integers(fewest, most, n_features, endpoint=True)
    rank = rng.permuted(np.tile(np.arange(N_UNITS), (n_features, 1)), axis=1)
    return np.where(rank < n_driven[:, None], rng.gamma(2.0, 0.5, rank.shape), 0.0)

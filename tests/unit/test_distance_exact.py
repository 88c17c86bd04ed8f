"""The dynamic programming against a look at every possible placement."""

import itertools

import numpy as np
import pytest
from distance_trains import windows
from hypothesis import given, settings
from hypothesis import strategies as st

from spikesieve.distance import infer_spikes
from spikesieve.distance.transform import future_distance, nearest_spikes
from spikesieve.errors import InputError


def every_placement(n_bins, prefix):
    """Return all sets of spikes as a table (set, bin)."""
    free = list(itertools.product([False, True], repeat=n_bins - prefix))
    return np.hstack([np.zeros((len(free), prefix), bool), np.array(free)])


def energies(placements, t, *, clamp, space, loss, weights, per_spike, interval, known, capped):
    """Return each placement's energy under its best spike beyond the end, by the definition."""
    n_bins, reach = len(t), int(np.ceil(clamp))
    k = np.arange(n_bins)

    def g(d):
        return np.log(d) if space == "log" else d

    def cost(steps):
        """Costs of all bins at whole distances ``steps`` (..., bin)."""
        if not isinstance(loss, str):
            past = reach if known is None or not capped else np.abs(k - known)
            return loss[k, np.minimum(np.minimum(steps, past), reach)]
        cap = np.full(n_bins, float(clamp))
        if known is not None and capped:
            past = np.where(k == known, 0.25, np.abs(k - known))
            cap = np.minimum(cap, past if known >= 0 else k - known + 0.25)
        error = g(np.minimum(np.where(steps == 0, 0.25, steps), cap)) - g(t)
        return np.abs(error) if loss == "absolute" else error**2

    found = np.full(len(placements), np.inf)
    for beyond in range(n_bins, n_bins + reach + 1):
        steps = np.broadcast_to(beyond - k, placements.shape).copy()
        for n in range(n_bins):
            near = np.where(placements[:, n, None], np.abs(k - n), 1 << 30)
            steps = np.minimum(steps, near)
        energy = (weights * cost(steps)).sum(axis=1) + placements @ per_spike
        for i, placed in enumerate(placements):
            spikes = ([] if known is None else [known]) + np.flatnonzero(placed).tolist()
            spikes += [beyond] if beyond < n_bins + reach else []
            if (np.diff(spikes) < interval).any():
                energy[i] = np.inf
        found = np.minimum(found, energy)
    return found


@settings(max_examples=120)
@given(st.data())
def test_no_placement_has_less_energy(data):
    """All options; short clamps, so that windows are longer than the band."""
    n_bins = data.draw(st.integers(1, 9))
    prefix = data.draw(st.integers(0, n_bins - 1))
    check_against_every_placement(data, n_bins, prefix)


@settings(max_examples=6)
@given(st.data())
def test_no_placement_has_less_energy_in_14_bins(data):
    check_against_every_placement(data, 14, data.draw(st.integers(3, 6)))


def check_against_every_placement(data, n_bins, prefix):
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    clamp = data.draw(st.sampled_from([1, 2, 3, 4.5, 8, 30]))
    reach, n_spikes = int(np.ceil(clamp)), n_bins - prefix
    t = rng.choice([0.25, 0.5, 1, 2, 3, 5, 8], n_bins) * np.exp(0.1 * rng.standard_normal(n_bins))
    loss = data.draw(st.sampled_from(["square", "absolute", "table"]))
    table = rng.normal(1, 1, (1, n_bins, reach + 1)) if loss == "table" else None
    space = data.draw(st.sampled_from(["linear", "log"]))
    known = data.draw(st.one_of(st.none(), st.integers(-6, prefix - 1)))
    capped = data.draw(st.sampled_from([None, True, False]))
    refractory = data.draw(st.sampled_from([0, 0, 1, 2, 12]))
    penalty = data.draw(st.sampled_from([0.0, 0.5, -0.5]))
    variance = rng.uniform(0.2, 2, (1, n_bins)) if data.draw(st.booleans()) else None
    weights = rng.uniform(0, 2, n_bins) if data.draw(st.booleans()) else None
    hazard = rng.uniform(0.01, 0.9, (1, n_spikes))
    hazard_weight = data.draw(st.sampled_from([0.0, 1.0, 0.3]))

    found = infer_spikes(
        t[None],
        method="exact",
        last_spike=None if known is None else np.array([known - prefix]),
        prefix=prefix,
        max_distance=clamp,
        refractory=refractory,
        space=space,
        loss="square" if loss == "square" else (table if loss == "table" else loss),
        penalty=penalty,
        weights=weights,
        variance=variance,
        hazard=hazard,
        hazard_weight=hazard_weight,
        capped=capped,
    )
    plain = variance is not None or loss == "table"
    w = np.ones(n_bins) if plain else 1 - 0.7 * np.arange(n_bins) / n_bins
    w = w if weights is None else weights
    w = w if variance is None else w / (2 * variance[0])
    per_spike = np.zeros(n_bins)
    per_spike[prefix:] = penalty + hazard_weight * (np.log(1 - hazard[0]) - np.log(hazard[0]))
    placements = every_placement(n_bins, prefix)
    energy = energies(
        placements,
        t,
        clamp=clamp,
        space=space,
        loss=table[0] if loss == "table" else loss,
        weights=w,
        per_spike=per_spike,
        interval=refractory + 1,
        known=known,
        capped=space == "linear" if capped is None else capped,
    )
    ours = np.flatnonzero((placements[:, prefix:] == found).all(axis=1))
    np.testing.assert_allclose(energy[ours[0]], energy.min(), rtol=1e-9, atol=1e-9)


def trains(seed, n_bins=128, prefix=32, clamp=198):
    """Return future-only distances of windows of trains of many rates, and their spikes."""
    rng = np.random.default_rng(seed)
    distance, truth = [], []
    for rate in [0.0005, 0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.3, 0.7, 1.0]:
        train = (rng.random(6000) < rate).astype(np.uint8)
        now = np.sort(rng.integers(prefix, len(train) - n_bins, 60))
        options = {"prefix": prefix, "n_bins": n_bins, "max_distance": clamp}
        distance.append(future_distance(*nearest_spikes(train), now, **options))
        truth.append(train[now[:, None] + np.arange(n_bins - prefix)] > 0)
    return np.concatenate(distance), np.concatenate(truth)


@pytest.mark.parametrize("space", ["linear", "log"])
def test_clean_distances_give_back_every_train(space):
    """Distances to future spikes only: no cap, whatever the space. Every window, every spike."""
    distance, truth = trains(0)
    found = infer_spikes(distance, method="exact", space=space, prefix=32, capped=False)
    np.testing.assert_array_equal(found, truth)


def test_clean_distances_of_both_sides_give_back_every_train():
    """Distances to past spikes too: the cap of the last one stands for all of them."""
    distance, last, truth = windows(300)
    for space in ("linear", "log"):
        options = {"method": "exact", "space": space, "prefix": 32, "capped": True}
        found = infer_spikes(distance, last_spike=last, **options)
        np.testing.assert_array_equal(found, truth)


def test_long_windows_in_a_narrow_band():
    """Windows many times the clamp, with silences that only the running minimum can cross."""
    distance, truth = trains(1, n_bins=1500, prefix=10, clamp=12)
    options = {"method": "exact", "space": "log", "max_distance": 12, "prefix": 10}
    np.testing.assert_array_equal(infer_spikes(distance, **options), truth)


def test_noise_is_borne_better_than_by_the_sieve():
    """In log space, where the noise is alike everywhere (as in training)."""
    distance, truth = trains(2)
    noisy = distance * np.exp(0.3 * np.random.default_rng(0).standard_normal(distance.shape))
    exact = infer_spikes(noisy, method="exact", space="log", prefix=32)
    sieve = infer_spikes(noisy, prefix=32)
    assert (exact == truth).mean() > 0.99
    assert (exact != truth).sum() < 0.5 * (sieve != truth).sum()


def test_a_penalty_sets_the_number_of_spikes():
    """More for a reward, fewer for a price, none for a high one; and window by window."""
    distance, _ = trains(3)
    options = {"method": "exact", "space": "log", "prefix": 32}
    n = [infer_spikes(distance, penalty=p, **options).sum() for p in (-30.0, 0.0, 30.0, 1e6)]
    assert n[0] > n[1] > n[2] > n[3] == 0
    each = np.where(np.arange(len(distance)) % 2 == 0, 0.0, 1e6)
    found = infer_spikes(distance, penalty=each, **options)
    np.testing.assert_array_equal(found[::2], infer_spikes(distance[::2], **options))
    assert not found[1::2].any()


def test_joint_is_exact_with_the_prior():
    """One code: log space, the hazard weighted by one, the predicted variance as weights.

    And so is a target lowered by standard deviations: as if shorter distances had been predicted.
    """
    distance, _ = trains(4)
    rng = np.random.default_rng(0)
    noisy = distance * np.exp(0.5 * rng.standard_normal(distance.shape))
    hazard = rng.beta(1, 30, (len(noisy), 96))
    shared = {"prefix": 32, "hazard": hazard, "variance": 0.25, "penalty": -1.0}
    joint = infer_spikes(noisy, method="joint", weigh_by_variance=True, **shared)
    exact = infer_spikes(noisy, method="exact", space="log", hazard_weight=1.0, **shared)
    np.testing.assert_array_equal(joint, exact)
    assert (joint != infer_spikes(noisy, method="exact", space="log", prefix=32)).any()
    del shared["penalty"]
    counts = []
    for lowered in (-1.0, 0.0, 1.0, 3.0):
        joint = infer_spikes(noisy, method="joint", lowered=lowered, **shared)
        shorter = noisy * np.exp(-lowered * 0.5)
        del shared["variance"]
        exact = infer_spikes(shorter, method="exact", space="log", hazard_weight=1.0, **shared)
        shared["variance"] = 0.25
        np.testing.assert_array_equal(joint, exact)
        counts.append(joint.sum())
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]
    each = np.where(np.arange(len(noisy)) < 3, 0.0, 3.0)
    mixed = infer_spikes(noisy, method="joint", lowered=each, **shared)
    np.testing.assert_array_equal(mixed[3:], joint[3:])
    with pytest.raises(InputError, match="lowered of shape"):
        infer_spikes(noisy, method="joint", lowered=each[1:], **shared)


def test_joint_follows_the_hazard_where_distances_say_nothing():
    """A flat prediction of huge variance; a hazard above one half in three bins alone."""
    hazard = np.full((1, 96), 0.01)
    hazard[0, [5, 40, 41]] = 0.9
    flat = np.full((1, 128), 20.0)
    options = {"method": "joint", "prefix": 32, "variance": 1e6}
    options["weigh_by_variance"] = True
    found = infer_spikes(flat, hazard=hazard, **options)
    assert np.flatnonzero(found[0]).tolist() == [5, 40, 41]
    assert not infer_spikes(flat, hazard=np.zeros((1, 96)), **options).any()
    assert infer_spikes(flat, hazard=np.ones((1, 96)), **options).all()


@pytest.mark.parametrize(("level", "expected"), [(0.25, True), (198.0, False)])
@pytest.mark.parametrize("space", ["linear", "log"])
def test_flat_distances(level, expected, space):
    found = infer_spikes(np.full((2, 128), level), method="exact", space=space, prefix=32)
    assert (found == expected).all()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"loss": "sqare"}, "did you mean 'square'"),
        ({"loss": np.zeros((2, 5, 3))}, r"shape \(2, 5, 3\).*\(2, 6, 199\)"),
        ({"loss": np.full((2, 6, 199), np.nan)}, r"table of costs: nan at index \(0, 0, 0\)"),
        ({"penalty": np.zeros(3)}, "penalty of shape"),
        ({"penalty": np.nan}, "penalty: nan"),
        ({"weights": np.zeros(5)}, "weights of shape"),
        ({"weights": -np.ones(6)}, "negative weight"),
        ({"weights": np.array([1, 1, np.nan, 1, 1, 1])}, r"weights: nan at index \(2,\)"),
        ({"variance": np.zeros((2, 6))}, "variance of window 0, bin 0 is 0"),
        ({"variance": np.ones((3, 6))}, "variance of shape"),
        ({"hazard_weight": 1.0}, "no hazard, although hazard_weight"),
    ],
)
def test_impossible_options(options, problem):
    with pytest.raises(InputError, match=problem):
        infer_spikes(np.ones((2, 6)), method="exact", prefix=2, **options)

"""sliceTCA: trials from intervals, planted slices found, and trials it was not fitted on."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikesieve.backtransform import unbiased
from spikesieve.baselines.decomposing import choose_ranks, decompose, masked_error, stretch_mask
from spikesieve.baselines.slices import Slices, infer_trials, trial_model
from spikesieve.baselines.slicetca import fit_slicetca
from spikesieve.baselines.trials import Trials, find_trials, trial_tensor, whole_trials
from spikesieve.cosmoothing import cosmooth
from spikesieve.errors import InputError

torch.set_num_threads(1)

N_TRIALS, N_UNITS, N_PLACES, APART = 60, 16, 10, 13
FIRST = 1 + APART * np.arange(N_TRIALS)
QUICK = {"n_steps": 250, "learning_rate": 0.03, "seed": 0}


def planted(seed=0):
    """Return a tensor of one unit component and one trial component, and both vectors."""
    rng = np.random.default_rng(seed)
    unit = rng.gamma(1, 1, N_UNITS) * (rng.random(N_UNITS) < 0.5)
    trial = rng.random(N_TRIALS)
    by_unit = np.einsum("u,kt->kut", unit, rng.gamma(1, 0.6, (N_TRIALS, N_PLACES)))
    pattern = 2 * rng.gamma(1, 1, (N_UNITS, N_PLACES)) * (rng.random((N_UNITS, N_PLACES)) < 0.3)
    return 0.1 + by_unit + np.einsum("k,ut->kut", trial, pattern), unit, trial


@pytest.fixture(scope="module")
def tensor():
    return planted()[0]


@pytest.fixture(scope="module")
def counts(tensor):
    """Return Poisson counts of the trials, with a few bins between them."""
    rng = np.random.default_rng(1)
    table = rng.poisson(0.1, (APART * N_TRIALS, N_UNITS)).astype(np.uint8)
    rows = FIRST[:, None] + np.arange(N_PLACES)
    table[rows] = rng.poisson(tensor).transpose(0, 2, 1)
    return table


def test_planted_slices_are_found(tensor):
    _, unit, trial = planted()
    slices = decompose(tensor, (1, 1, 0), **QUICK)
    left = ((tensor - slices.tensor()) ** 2).mean() / tensor.var()
    assert left < 0.02
    assert abs(np.corrcoef(slices.unit[0], unit)[0, 1]) > 0.9
    assert abs(np.corrcoef(slices.trial[0], trial)[0, 1]) > 0.9
    # Singular vectors: what is left to choose within a kind is settled.
    two = decompose(tensor, (2, 1, 0), **QUICK | {"n_steps": 30}).unit
    np.testing.assert_allclose(two @ two.T, np.eye(2), atol=1e-4)


def test_whole_numbers_are_no_reason_for_another_loss(tensor):
    counts = np.random.default_rng(0).poisson(tensor)
    for whole in (counts.astype(np.uint8), counts.astype(np.int64)):
        found = decompose(whole, (1, 0, 0), **QUICK | {"n_steps": 20})
        same = decompose(counts.astype(np.float64), (1, 0, 0), **QUICK | {"n_steps": 20})
        np.testing.assert_array_equal(found.unit, same.unit)


def test_masked_entries_are_not_looked_at(tensor):
    mask, judged = stretch_mask(tensor.shape, 0)
    hidden = np.where(mask, tensor, np.nan)
    few = QUICK | {"n_steps": 30}
    a, b = (decompose(x, (1, 1, 0), **few, mask=mask) for x in (tensor, hidden))
    for one, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.isfinite(b.tensor()).all()
    assert judged.any()


@given(st.integers(1, 12), st.integers(1, 9), st.integers(1, 14), st.integers(0, 100))
def test_a_mask_leaves_something_of_every_trial_unit_and_bin(trials, units, places, seed):
    mask, judged = stretch_mask((trials, units, places), seed)
    for axes in ((1, 2), (0, 2), (0, 1)):
        assert mask.any(axis=axes).all()
    assert not (mask & judged).any()


def test_seeds_and_torchs_own_numbers(tensor):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    few = QUICK | {"n_steps": 20}
    a, b = (decompose(tensor, (1, 1, 0), **few) for _ in range(2))
    c = decompose(tensor, (1, 1, 0), **few | {"seed": 1})
    assert torch.equal(torch.rand(1), expected)
    np.testing.assert_array_equal(a.unit_slice, b.unit_slice)
    assert np.abs(a.unit_slice - c.unit_slice).max() > 1e-3


@pytest.mark.parametrize("ranks", [(0, 0, 0), (-1, 1, 0), (17, 0, 0)])
def test_ranks_that_make_no_sense(tensor, ranks):
    with pytest.raises(InputError, match="ranks"):
        decompose(tensor, ranks, **QUICK)


@pytest.mark.parametrize("kind", ["unit", "trial"])
def test_the_kind_that_is_planted_is_chosen(kind):
    rng = np.random.default_rng(2)
    if kind == "unit":
        x = np.einsum("ru,rkt->kut", rng.normal(size=(2, 12)), rng.normal(size=(2, 40, 8)))
    else:
        x = np.einsum("rk,rut->kut", rng.normal(size=(2, 40)), rng.normal(size=(2, 12, 8)))
    x += 0.3 * rng.normal(size=x.shape)
    ranks = choose_ranks(x, 4, **QUICK)
    assert ranks[{"unit": 0, "trial": 1}[kind]] >= 2
    assert ranks[{"unit": 1, "trial": 0}[kind]] == 0


def test_the_error_of_masked_entries_does_not_fall_below_the_noise(tensor):
    noisy = tensor + 0.5 * np.random.default_rng(0).normal(size=tensor.shape)
    few, many = (1, 1, 0), (6, 6, 3)
    fitted = [
        ((noisy - decompose(noisy, ranks, **QUICK, settle=False).tensor()) ** 2).mean()
        for ranks in (few, many)
    ]
    masked = [masked_error(noisy, ranks, **QUICK) for ranks in (few, many)]
    assert fitted[1] < 0.7 * fitted[0] < 0.25  # more components copy more of the noise
    assert 0.25 < masked[0] < masked[1]


def test_factors_of_a_trial_are_the_conditional_mean():
    """Against the mean of the whole Gaussian given what is seen, units hidden among it."""
    rng = np.random.default_rng(0)
    parts = [(2, 4), (2, 9, 3), (1, 9), (1, 4, 3), (1, 3), (1, 9, 4)]
    slices = Slices(*(rng.normal(size=shape) for shape in parts))
    x = slices.tensor() + 0.5 * rng.normal(size=(9, 4, 3))
    model, hidden = trial_model(slices, 0.25), np.array([False, True, False, False])
    _, expected = infer_trials(model, x, hidden)
    mean = model.design @ model.mean
    cov = model.design @ np.diag(model.variance) @ model.design.T
    seen = np.repeat(~hidden, 3)
    noisy = cov[np.ix_(seen, seen)] + model.noise * np.eye(seen.sum())
    flat = x.reshape(9, -1)[:, seen] - mean[seen]
    by_hand = mean + flat @ np.linalg.solve(noisy, cov[seen])
    np.testing.assert_allclose(expected.reshape(9, -1), by_hand, rtol=1e-6, atol=1e-8)


@pytest.fixture(scope="module")
def fitted(counts):
    trials = Trials("go", FIRST, N_PLACES)
    bins = np.arange(500)
    plain = fit_slicetca(
        counts[:500], bins, trials=trials, ranks=[1, 1, 0], n_steps=150, learning_rate=0.03
    )
    return unbiased(plain, counts[:500], bins)


def test_latents_lie_on_the_bins_of_whole_trials_and_nowhere_else(fitted, counts):
    bins = np.arange(520, 780)
    latents = fitted.transform(counts[bins], bins).toarray()
    place = (bins - 1) % APART
    starts = bins - place
    whole = (place < N_PLACES) & (starts >= 520) & (starts + N_PLACES <= 780)
    assert latents.shape == (260, 2)
    assert (latents[~whole] == 0).all()
    assert (latents[whole] != 0).all()
    outside = fitted.expect(counts[bins], bins)[~whole]
    assert np.ptp(outside, axis=0).max() < 1e-6


def test_trials_that_were_not_fitted_are_predicted_from_units_that_are_seen(fitted, counts):
    bins = np.arange(520, 780)
    rows = whole_trials(Trials("go", FIRST, N_PLACES), bins).ravel()
    found = cosmooth(
        lambda c, b, hidden: fitted.predict_hidden(c, b, hidden),
        counts[bins],
        bins,
        counts[:500].mean(axis=0),
    )
    assert found.pattern_bits > 0.1
    error = ((fitted.expect(counts[bins], bins) - counts[bins]) ** 2)[rows].mean()
    assert error < 0.8 * counts[bins][rows].var(axis=0).mean()
    hidden = np.arange(N_UNITS) % 4 == 0
    changed = np.where(hidden, 99, counts[bins]).astype(np.uint8)
    a, b = (fitted.predict_hidden(c, bins, hidden) for c in (counts[bins], changed))
    np.testing.assert_allclose(a, b, rtol=1e-5)


def test_a_block_without_a_whole_trial_has_no_latents(fitted, counts, tmp_path):
    bins = np.arange(600, 606)
    assert fitted.transform(counts[bins], bins).nnz == 0
    fitted.save(tmp_path, {"method": "slicetca"})
    assert {p.name for p in tmp_path.iterdir()} == {"network.safetensors", "model.json"}


def test_too_few_trials(counts):
    trials = Trials("go", FIRST[:7], N_PLACES)
    with pytest.raises(InputError, match="7 trials 'go' of 10 bins"):
        fit_slicetca(counts[:500], np.arange(500), trials=trials)


def intervals(*rows):
    return pd.DataFrame(rows, columns=["start_s", "stop_s", "name"])


TIME = np.arange(400) * 0.05


def test_trials_are_the_intervals_that_cover_most():
    block = [(0.0, 20.0, "session"), (0.0, 0.05, "blink")]
    table = intervals(*block, *((1.0 * k + 0.01, 1.0 * k + 0.26, "go") for k in range(15)))
    trials = find_trials(table.iloc[1:], TIME)
    assert (trials.name, trials.n_bins) == ("go", 5)
    assert trials.first_bin.tolist() == [20 * k for k in range(15)]
    assert find_trials(table, TIME, "session").n_bins == 400


def test_short_late_overlapping_and_unusable_intervals_are_no_trials():
    rows = [(1.0 * k, 1.0 * k + 0.5, "go") for k in range(19)]
    extra = [(3.3, 3.8, "go"), (5.6, 5.7, "go"), (19.8, 20.3, "go"), (1.0, 9.0, "invalid")]
    trials = find_trials(intervals(*rows, *extra), TIME)
    assert trials.n_bins == 10
    assert trials.first_bin.tolist() == [20 * k for k in range(19)]


def test_intervals_that_are_no_trials_say_so():
    with pytest.raises(InputError, match="did you mean 'go'"):
        find_trials(intervals((0.0, 1.0, "go")), TIME, "goo")
    with pytest.raises(InputError, match="are 1 bins long"):
        find_trials(intervals((0.0, 0.05, "blink")), TIME, "blink")
    with pytest.raises(InputError, match="no interval is from 2 bins"):
        find_trials(intervals((0.0, 0.05, "blink")), TIME)


@given(st.lists(st.integers(0, 300), min_size=1, max_size=20, unique=True), st.integers(0, 9))
def test_whole_trials_are_those_whose_bins_are_all_there(first, missing):
    bins = np.delete(np.arange(310), [31 * missing])
    trials = Trials("go", np.array(sorted(first)), 5)
    rows = whole_trials(trials, bins)
    whole = [f for f in sorted(first) if set(range(f, f + 5)) <= set(bins)]
    assert bins[rows[:, 0]].tolist() == whole
    assert (np.diff(bins[rows], axis=1) == 1).all()
    tensor = trial_tensor(np.arange(2 * len(bins)).reshape(-1, 2), rows)
    assert tensor.shape == (len(whole), 2, 5)

"""Reading by explaining away: truer than the encoder where patterns overlap, and local in time."""

import numpy as np
import pytest
import scipy.sparse
import torch
from sae_samples import matched, small

from spikesieve.errors import ContractError, InputError
from spikesieve.sae import SparseAutoencoder
from spikesieve.sae.readout import (
    TINY,
    Readout,
    expected_counts,
    fit_readout,
    gate_for,
    gated,
    read,
    without_unstable,
)

N_TRAIN = 2000


def overlapping(n_bins=3000, n_units=30, n_features=8, seed=1):
    """Return counts of features that share a third of their units with each other, their activity
    and their loadings."""
    rng = np.random.default_rng(seed)
    on = rng.random((n_bins, n_features)) < 0.1
    features = on * rng.gamma(4, 0.25, (n_bins, n_features))
    loadings = np.zeros((n_features, n_units), np.float32)
    for row in loadings:
        row[rng.choice(n_units, 10, replace=False)] = rng.gamma(6, 0.5, 10)
    return rng.poisson(0.1 + features @ loadings).astype(np.uint8), features, loadings


COUNTS, FEATURES, LOADINGS = overlapping()
TRAIN, TEST, TRUTH = COUNTS[:N_TRAIN], COUNTS[N_TRAIN:], FEATURES[N_TRAIN:]
TEST_BINS = np.arange(len(TEST))


def known_readout(**changes):
    """Return the readout of the planted patterns themselves."""
    n_features, n_units = LOADINGS.shape
    readout = Readout(
        torch.from_numpy(LOADINGS),
        torch.full((n_units,), 0.1),
        torch.full((n_features,), 0.1),
        torch.arange(n_features),
        torch.zeros(n_features),
        0.5,
    )
    return readout._replace(**changes)


def reading(**changes):
    return small(
        "matryoshka_batch_topk", **{"k": 2, "readout": "poisson", "n_steps": 300} | changes
    )


@pytest.fixture(scope="module")
def fitted():
    """Return a trained autoencoder with a Poisson readout."""
    return reading().fit(TRAIN)


@pytest.fixture(scope="module")
def pair():
    """Return two instances, of which latents were left out that the other did not find."""
    return reading(n_instances=2, min_stability=0.7, smoothing=1.0).fit(TRAIN)


def same(a, b) -> bool:
    return np.array_equal(a.toarray(), b.toarray())


# -- what it finds ---------------------------------------------------------------------------


def test_it_finds_overlapping_patterns_better_than_the_encoder(fitted):
    last = len(fitted.settings.levels) - 1
    by_encoder = matched(TRUTH, fitted.transform(TEST, level=last).toarray())
    by_readout = matched(TRUTH, fitted.transform(TEST).toarray())
    assert len(by_readout) == 8
    assert by_readout.mean() > by_encoder.mean() + 0.03
    assert by_readout.min() > 0.7


def test_loadings_are_recovered_from_codes_that_are_true():
    codes = scipy.sparse.csr_array(FEATURES[:N_TRAIN].astype(np.float32))
    readout = fit_readout(codes, TRAIN)
    found = readout.loadings.numpy()
    norms = np.linalg.norm(found, axis=1) * np.linalg.norm(LOADINGS, axis=1)
    assert ((found * LOADINGS).sum(axis=1) / norms).min() > 0.97
    assert readout.base.numpy() == pytest.approx(0.1, abs=0.06)
    assert (readout.loadings >= 0).all()


def test_what_is_read_adds_up_to_the_counts(fitted):
    explained = read(known_readout(), TEST, TEST_BINS, 0.0)
    predicted = expected_counts(known_readout(), explained)
    assert (predicted >= 0).all()
    assert predicted.sum() == pytest.approx(TEST.sum(), rel=0.1)
    gained = fitted.inverse_transform(fitted.transform(TEST))
    mean = TRAIN.mean(axis=0)
    assert np.square(TEST - gained).sum() < 0.5 * np.square(TEST - mean).sum()


# -- hidden units ----------------------------------------------------------------------------


def test_hidden_units_do_not_influence_what_is_read(fitted):
    hidden = np.arange(30) % 4 == 0
    other = TEST.copy()
    other[:, hidden] = np.random.default_rng(1).integers(0, 200, other[:, hidden].shape)
    assert same(fitted.transform(TEST, hidden=hidden), fitted.transform(other, hidden=hidden))
    assert not same(fitted.transform(TEST), fitted.transform(other))
    predicted = fitted.predict_hidden(TEST, None, hidden)
    assert np.array_equal(predicted, fitted.predict_hidden(other, None, hidden))
    error = np.square(TEST[:, hidden] - predicted).sum()
    assert error < 0.8 * np.square(TEST[:, hidden] - TRAIN[:, hidden].mean(axis=0)).sum()


def test_what_is_below_the_gate_is_not_lost(fitted):
    """Expected counts have the mean of the counts, though few latents are active."""
    predicted = fitted.inverse_transform(fitted.transform(TRAIN))
    assert predicted.mean() == pytest.approx(TRAIN.mean(), rel=0.05)


# -- the gate --------------------------------------------------------------------------------


def test_the_gate_keeps_k_a_bin_on_average():
    explained = np.random.default_rng(0).random((500, 12)).astype(np.float32)
    for k in (1, 3, 12):
        readout = known_readout(gate=gate_for(explained, k))
        assert gated(explained, readout).nnz == k * 500
    assert gate_for(explained, 40) == explained.min()


def test_equal_values_and_silent_bins_do_not_overdraw_the_budget():
    explained = np.zeros((100, 4), np.float32)
    explained[:30, 0], explained[30:, 1] = 5, 2
    # Rounding may tell equals apart.
    explained[40:, 1] = np.nextafter(np.float32(2), np.float32(3))
    explained[:, 2] = 1
    readout = known_readout(gate=gate_for(explained[:, :3], 1))
    assert gated(explained, readout).nnz <= 100
    assert gate_for(np.zeros((5, 3), np.float32), 2) >= TINY
    straddled = np.full((10, 3), 2, np.float32)
    straddled[:4, 0] = 7
    found = gated(straddled, known_readout(gate=gate_for(straddled, 1)))
    assert found.nnz == 4
    assert found.toarray()[:4, 0].tolist() == [7] * 4


def test_a_budget_holds_on_counts_that_are_mostly_silent():
    counts = TRAIN.copy()
    counts[200:] = 0
    sae = reading(n_steps=100).fit(counts)
    assert sae.transform(counts).nnz <= 2 * len(counts)


# -- time ------------------------------------------------------------------------------------


def test_without_smoothing_a_bin_is_read_alone(fitted):
    whole = fitted.transform(TEST)
    for start, stop in ((0, 1), (17, 400), (999, 1000), (0, 1000)):
        assert same(fitted.transform(TEST[start:stop]), whole[start:stop])


def test_with_smoothing_only_bins_around_count(pair):
    whole = pair.transform(TEST).toarray()
    part = pair.transform(TEST[100:900], np.arange(100, 900)).toarray()
    # 4 bins of the counts' own smoothing, and twice 6 of the wider one of the prior.
    assert np.array_equal(part[16:-16], whole[116:884])
    assert not np.array_equal(part, whole[100:900])


def test_nothing_is_read_across_missing_bins(pair):
    bins = np.r_[0:500, 501:1001]
    other = TEST.copy()
    other[500:] = 30
    first = pair.transform(TEST, bins)[:500]
    assert same(first, pair.transform(other, bins)[:500])
    assert same(first, pair.transform(TEST[:500], bins[:500]))
    assert not same(first, pair.transform(other)[:500])


# -- leaving out -----------------------------------------------------------------------------


def test_what_is_unstable_goes_and_its_share_joins_the_base():
    stability = np.array([1, 0.9, 0.2, 0.8, 0.1, 0.75, 0.7, 0.0])
    left = without_unstable(known_readout(), stability, 0.7, 2)
    assert left.kept.tolist() == [0, 1, 3, 5, 6]
    assert torch.equal(left.loadings, torch.from_numpy(LOADINGS)[left.kept])
    gone = LOADINGS[[2, 4, 7]].sum(axis=0)
    assert left.base.numpy() == pytest.approx(0.1 + 0.1 * gone)


def test_at_least_k_latents_stay_however_unstable():
    stability = np.linspace(0, 0.6, 8)
    left = without_unstable(known_readout(), stability, 0.7, 3)
    assert left.kept.tolist() == [5, 6, 7]
    assert len(without_unstable(known_readout(), stability, 0.7, 20).kept) == 8


def test_of_latents_that_are_all_unstable_those_that_explain_most_stay():
    mean = torch.tensor([0.1, 0.1, 9, 0.1, 0.1, 7, 0.1, 0.1])
    left = without_unstable(known_readout(mean=mean), np.zeros(8), 0.7, 2)
    assert left.kept.tolist() == [2, 5]


def test_min_stability_leaves_fewer_and_truer_latents(pair):
    assert all(2 <= len(r.kept) < 24 for r in pair.readouts_)
    latents = pair.transform(TEST)
    assert latents.shape == (1000, len(pair.readouts_[0].kept))
    with pytest.raises(InputError, match="24 latents"):
        pair.inverse_transform(np.zeros((2, 24), np.float32))
    with pytest.raises(InputError, match="min_stability 0.[0-9]+ with one instance"):
        reading(min_stability=0.7)


# -- files -----------------------------------------------------------------------------------


def test_what_was_saved_reads_the_same(fitted, pair, tmp_path):
    for sae, folder in ((fitted, tmp_path / "one"), (pair, tmp_path / "two")):
        sae.save(folder)
        again = SparseAutoencoder.load(folder, device="cpu")
        for i in range(sae.n_instances):
            latents = sae.transform(TEST, instance=i)
            assert same(latents, again.transform(TEST, instance=i))
            counts = sae.inverse_transform(latents, instance=i)
            assert np.array_equal(counts, again.inverse_transform(latents, instance=i))
    pair.save(tmp_path / "second", instance=1)
    second = SparseAutoencoder.load(tmp_path / "second", device="cpu")
    assert second.n_instances == 1
    assert same(second.transform(TEST), pair.transform(TEST, instance=1))


def test_a_damaged_readout_is_refused(fitted, tmp_path):
    fitted.save(tmp_path)
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ContractError):
        SparseAutoencoder.load(tmp_path)


# -- silence ---------------------------------------------------------------------------------


def test_a_silent_unit_and_a_silent_bin_harm_nobody():
    counts = TRAIN.copy()
    counts[:, 5] = 0
    sae = reading(n_steps=60, smoothing=1.0).fit(counts)
    probe = TEST.copy()
    probe[300:400] = 0
    latents = sae.transform(probe)
    assert np.isfinite(latents.data).all()
    assert latents[320:380].nnz == 0
    predicted = sae.inverse_transform(latents)
    assert np.isfinite(predicted).all()
    assert predicted[:, 5].max() < 0.01


def test_counts_of_nothing_at_all():
    sae = reading(n_steps=5).fit(np.zeros((200, 6), np.uint8))
    latents = sae.transform(np.zeros((20, 6), np.uint8))
    assert latents.nnz <= 2 * 20
    assert np.isfinite(sae.inverse_transform(latents)).all()

"""Pruning: planted duplicates become one, noise goes, features that differ stay."""

import numpy as np
import pytest
import scipy.sparse

from spikesieve.errors import InputError
from spikesieve.sae.pruning import prune

N_BINS, N_UNITS, N_FEATURES = 3000, 40, 8


def planted(seed=0):
    """A dictionary of features that differ: decoder, activations (bin, latent)."""
    rng = np.random.default_rng(seed)
    decoder = rng.normal(size=(N_FEATURES, N_UNITS))
    decoder /= np.linalg.norm(decoder, axis=1, keepdims=True)
    on = rng.random((N_BINS, N_FEATURES)) < 0.08
    return decoder, on * rng.gamma(4, 0.25, (N_BINS, N_FEATURES))


def dropped(pruned):
    """Return latent -> (why, into which) of those that are gone."""
    gone = pruned.table[~pruned.table["kept"]]
    into = [None if np.isnan(i) else int(i) for i in gone["merged_into"].to_numpy(float)]
    whys = zip(gone["dropped_because"], into, strict=True)
    return dict(zip(gone["latent"], whys, strict=True))


@pytest.fixture
def wide():
    """Features 0 to 7; 8 and 9 copy feature 2; 10 is noise; 11 is dead; 12 splits feature 5."""
    decoder, z = planted()
    rng = np.random.default_rng(1)
    tilt = rng.normal(size=(2, N_UNITS)) * 0.02
    other_half = rng.normal(size=N_UNITS)
    other_half /= np.linalg.norm(other_half)
    copies = decoder[2] + tilt
    copies /= np.linalg.norm(copies, axis=1, keepdims=True)
    noise = rng.normal(size=(2, N_UNITS))
    decoder = np.vstack([decoder, copies, noise[:1], noise[1:], other_half])
    z = np.column_stack(
        [
            z,
            0.8 * z[:, 2],
            0.5 * z[:, 2] * (rng.random(N_BINS) < 0.95),
            (rng.random(N_BINS) < 0.02) * 1.0,
            np.zeros(N_BINS),
            0.6 * z[:, 5],
        ]
    )
    stability = np.r_[np.full(8, 0.9), 0.95, 0.3, 0.1, np.nan, 0.6]
    return decoder, scipy.sparse.csr_array(z), stability


def test_every_planted_flaw_is_found_and_named(wide):
    pruned = prune(*wide)
    assert dropped(pruned) == {
        2: ("duplicate", 8),  # 8 is the most stable of the three
        9: ("duplicate", 8),
        10: ("unstable", None),
        11: ("dead", None),
        12: ("redundant", 5),
    }
    assert pruned.kept.tolist() == [0, 1, 3, 4, 5, 6, 7, 8]
    assert pruned.table["kept"].sum() == len(pruned.kept) == len(pruned.decoder)
    assert list(pruned.table) == ["latent", "kept", "merged_into", "dropped_because"]


def test_what_is_kept_reconstructs_as_before_but_for_the_noise(wide):
    decoder, z, stability = wide
    pruned = prune(decoder, z, stability)
    before = np.delete(z.toarray(), [10], axis=1) @ np.delete(decoder, [10], axis=0)
    after = (z @ pruned.combine) @ pruned.decoder
    error = ((after - before) ** 2).sum() / (before**2).sum()
    assert error < 0.002
    alone = prune(decoder, z, stability, merge="best")
    np.testing.assert_array_equal(alone.decoder, decoder[alone.kept])
    np.testing.assert_array_equal((z @ alone.combine).toarray(), z.toarray()[:, alone.kept])
    lost = (((z @ alone.combine) @ alone.decoder - before) ** 2).sum() / (before**2).sum()
    assert lost > 10 * error


def test_a_latent_that_is_merged_with_none_keeps_its_activations(wide):
    decoder, z, stability = wide
    pruned = prune(decoder, z, stability)
    combined = (z @ pruned.combine).toarray()
    np.testing.assert_allclose(combined[:, :2], z.toarray()[:, :2])
    np.testing.assert_array_equal(pruned.decoder[0], decoder[0])
    assert np.linalg.norm(pruned.decoder, axis=1) == pytest.approx(1)


def test_a_group_that_no_other_seed_finds_goes_as_a_whole(wide):
    decoder, z, stability = wide
    stability[[2, 8, 9]] = [0.2, 0.3, 0.1]
    why = dropped(prune(decoder, z, stability))
    assert [why[i] for i in (2, 8, 9)] == [("unstable", None)] * 3


def test_without_stability_the_most_active_of_a_group_stays(wide):
    decoder, z, _ = wide
    why = dropped(prune(decoder, z))
    assert why[8] == why[9] == ("duplicate", 2)
    assert 10 not in why


def test_same_direction_at_other_times_and_same_time_loosely_are_no_duplicates():
    rng = np.random.default_rng(2)
    decoder, z = planted(2)
    decoder = np.vstack([decoder, decoder[0], rng.normal(size=N_UNITS)])
    elsewhere = np.roll(z[:, 0], 50) * (z[:, 0] == 0)
    loosely = z[:, 1] + 0.6 * z[:, 1].std() * rng.random(N_BINS)
    z = scipy.sparse.csr_array(np.column_stack([z, elsewhere, loosely]))
    assert np.corrcoef(z.toarray()[:, [1, 9]].T)[0, 1] > 0.9
    assert dropped(prune(decoder, z, redundant_correlation=0.999)) == {}


def test_no_chain_joins_latents_that_differ():
    """0 is like 1 and 1 like 2, but 0 is not like 2."""
    angle = np.deg2rad([0, 20, 40])
    decoder = np.column_stack([np.cos(angle), np.sin(angle)])
    fires = (np.random.default_rng(0).random(500) < 0.1).astype(float)
    z = scipy.sparse.csr_array(np.repeat(fires[:, None], 3, axis=1))
    stability = np.array([0.9, 0.8, 0.7])
    assert dropped(prune(decoder, z, stability, redundant_correlation=1.1)) == {1: ("duplicate", 0)}


def test_nothing_left():
    decoder, z = planted()
    pruned = prune(decoder, scipy.sparse.csr_array(np.zeros_like(z)))
    assert len(pruned.kept) == 0 and pruned.decoder.shape == (0, N_UNITS)
    assert pruned.combine.shape == (N_FEATURES, 0)
    assert (pruned.table["dropped_because"] == "dead").all()


def test_latents_that_cancel_each_other_leave_the_better_one():
    fires = (np.random.default_rng(0).random(500) < 0.1).astype(float)
    z = scipy.sparse.csr_array(np.column_stack([fires, fires]))
    decoder = np.array([[1.0, 0.0], [-1.0, 0.0]])
    pruned = prune(decoder, z, np.array([0.9, 0.8]))
    assert dropped(pruned) == {1: ("redundant", 0)}
    np.testing.assert_array_equal(pruned.decoder, decoder[:1])
    assert not (z @ pruned.combine).toarray().any()  # together they say nothing


def test_a_wide_dictionary_of_many_copies():
    """8192 latents: 1024 features, each eight times; blocks must not miss pairs across them."""
    rng = np.random.default_rng(3)
    n, copies, n_bins = 1024, 8, 6000
    directions = rng.normal(size=(n, 60)).astype(np.float32)
    features = scipy.sparse.random_array((n_bins, n), density=0.004, rng=rng, format="csc")
    z = scipy.sparse.csr_array(scipy.sparse.hstack([features] * copies))
    pruned = prune(np.tile(directions, (copies, 1)), z, redundant_correlation=1.1)
    assert len(pruned.kept) == n
    merged = pruned.table.dropna(subset=["merged_into"])
    assert (merged["latent"] % n == merged["merged_into"].astype(int) % n).all()
    assert len(merged) == n * (copies - 1)


def test_bad_input_is_refused(wide):
    decoder, z, stability = wide
    with pytest.raises(InputError, match=r"activations of shape \(3000, 12\)"):
        prune(decoder, z[:, :12], stability)
    with pytest.raises(InputError, match="stability of 3 latents"):
        prune(decoder, z, stability[:3])
    with pytest.raises(InputError, match="NaN"):
        prune(np.where(decoder == decoder[0, 0], np.nan, decoder), z)
    with pytest.raises(InputError, match="merge 'sum'"):
        prune(decoder, z, stability, merge="sum")

"""Decoders: folds that don't touch, planted values found, chance, blocks that add up."""

import meaning_samples as samples
import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, r2_score

from spikesieve.latents.conditions import conditions_table
from spikesieve.latents.decoders import blocked_folds, fit_decoder, standardised
from spikesieve.latents.decoding import (
    best_latent,
    confusion,
    decoding_tables,
    scored,
    shifted_scores,
)
from spikesieve.latents.features import Seen
from spikesieve.latents.variables import variables_of

SETTINGS = samples.SETTINGS


@given(
    st.lists(st.integers(0, 400), min_size=5, max_size=80).map(sorted),
    st.integers(2, 5),
    st.integers(0, 30),
)
def test_folds_keep_their_distance(bins, n_folds, gap):
    bins, held_ever = np.array(bins), []
    for fitted, held in blocked_folds(bins, n_folds, gap):
        assert len(fitted)
        assert len(held)
        between = np.abs(bins[fitted][:, None] - bins[held])
        assert between.min() > gap
        assert np.ptp(bins[held]) >= 0
        inside = (bins >= bins[held].min()) & (bins <= bins[held].max())
        assert np.array_equal(np.flatnonzero(inside), held)  # contiguous
        held_ever += held.tolist()
    if gap == 0 and len(set(bins.tolist())) == len(bins):
        assert len(set(held_ever)) == len(held_ever)


def test_standardising_uses_the_bins_that_fit():
    rng = np.random.default_rng(0)
    like, x = rng.normal(3, 2, (200, 3)), rng.normal(0, 1, (50, 3))
    like[:, 2] = 1.0
    found = standardised(like, like)
    assert found[:, :2].mean(axis=0) == pytest.approx([0, 0], abs=1e-9)
    assert found[:, :2].std(axis=0) == pytest.approx([1, 1])
    assert (standardised(x, like)[:, 2] == 0).all()


def test_strength_is_chosen_by_blocks():
    """Of 60 latents two matter: little shrinkage would fit noise, and drift within blocks."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((150, 60))
    y = x[:, 0] - x[:, 1] + 3 * rng.standard_normal(150)
    decoder = fit_decoder(x, y, np.arange(150), n_folds=3, gap_bins=2)
    assert decoder.alpha >= 15
    sure = fit_decoder(x, x[:, 0] - x[:, 1], np.arange(150), n_folds=3, gap_bins=2)
    assert sure.alpha < 1


CLASSES = st.integers(2, 5).flatmap(
    lambda k: st.tuples(
        st.just(k), st.lists(st.tuples(st.integers(0, k - 1), st.integers(0, k - 1)), min_size=20)
    )
)


@settings(max_examples=25)
@given(CLASSES)
def test_scores_of_classes_are_balanced_accuracy(given_):
    k, pairs = given_
    truth, said = (np.array(x) for x in zip(*pairs, strict=True))
    truth[:k] = np.arange(k)  # each class is there
    table = scored(truth, said, k, 2, SETTINGS)
    whole, blocks = table.iloc[0], table.iloc[1:]
    assert whole["value"] == pytest.approx(balanced_accuracy_score(truth, said))
    assert (blocks["value"] * blocks["weight"]).sum() == pytest.approx(whole["value"])
    assert blocks["weight"].sum() == pytest.approx(1)
    shifted = shifted_scores(truth, said, k)
    some = [0, 1, len(truth) // 2]
    naive = [balanced_accuracy_score(np.roll(truth, s), said) for s in some]
    np.testing.assert_allclose(shifted[some], naive, atol=1e-9)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(20, 60))
def test_scores_of_values_are_r2(seed, n):
    rng = np.random.default_rng(seed)
    truth = rng.standard_normal(n)
    said = 0.5 * truth + rng.standard_normal(n)
    table = scored(truth, said, 0, 2, SETTINGS)
    whole, blocks = table.iloc[0], table.iloc[1:]
    assert whole["value"] == pytest.approx(r2_score(truth, said))
    assert (blocks["value"] * blocks["weight"]).sum() == pytest.approx(whole["value"])
    some = [0, 1, n // 2]
    naive = [r2_score(np.roll(truth, s), said) for s in some]
    np.testing.assert_allclose(shifted_scores(truth, said, 0)[some], naive, atol=1e-9)


def test_few_bins_are_blocks_of_one():
    truth = np.array([0, 1, 0])
    table = scored(truth, np.array([0, 1, 1]), 2, 1, SETTINGS)
    assert table["fold"].tolist()[1:] == [0, 1, 2]
    assert (table["value"] * table["weight"]).iloc[1:].sum() == pytest.approx(0.75)


def test_the_best_latent_is_the_one_that_tells_most():
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=300)
    latents = rng.random((300, 6)) * (rng.random((300, 6)) < 0.3)
    latents[:, 4] += y == 2
    assert best_latent(scipy.sparse.csr_array(latents), y) == 4
    value = rng.standard_normal(300)
    latents[:, 1] = np.abs(value) * (value < 0)
    assert best_latent(scipy.sparse.csr_array(latents), value) == 1


def test_confusions_are_shares_of_the_true_label():
    table = confusion(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), ["a", "b"])
    wide = table.pivot(index="true_label", columns="decoded_label", values="share")
    assert wide.to_numpy() == pytest.approx(np.array([[2 / 3, 1 / 3], [0, 1]]))


@pytest.fixture(scope="module")
def decoded():
    time_s = samples.BIN_S * np.arange(samples.N_BINS)
    made = samples.intervals(), samples.signals(), time_s, samples.splits()
    conditions = conditions_table(*made, bin_s=samples.BIN_S, settings=SETTINGS)
    latents = scipy.sparse.csr_array(samples.latents(conditions))
    split = samples.splits()
    bins = [np.flatnonzero(np.isin(split, s)) for s in (["train", "validation"], ["test"])]
    choice, test = (Seen(latents[b], b) for b in bins)
    more = {"gap_bins": 20, "least_shift": 40, "settings": SETTINGS}
    return decoding_tables(choice, test, variables_of(conditions), {"frame": 2}, **more)


def test_planted_variables_are_decoded(decoded):
    scores, _ = decoded
    whole = scores[scores["fold"].isna()].set_index(["variable", "of"])
    assert 0.5 < whole.loc[("speed", "all"), "value"] < 0.7  # the latent is silent below 0
    assert whole.loc[("speed", "all"), "score"] == "r2"
    assert whole.loc[("speed", "single"), "latent"] == 2
    frame, orientation = whole.loc[("frame", "all")], whole.loc[("orientation", "all")]
    assert frame["score"] == orientation["score"] == "balanced_accuracy"
    assert frame["n_classes"] == 4
    # One of four is told from the others, among which it is a guess.
    for one in (frame, orientation):
        assert 0.35 < one["value"] < 0.65
        assert one["value"] > one["chance_high"]
        assert one["chance"] == pytest.approx(0.25, abs=0.03)
    assert whole.loc[("frame", "single"), "latent"] == 0
    assert whole.loc[("orientation", "single"), "latent"] == 1


def test_confusions_are_of_the_decoded_classes(decoded):
    _, confusions = decoded
    assert set(confusions["variable"]) == {"stimulus", "frame", "orientation"}
    frame = confusions[confusions["variable"] == "frame"]
    assert frame.groupby("true_label")["share"].sum().to_numpy() == pytest.approx(np.ones(4))
    told = frame.query("true_label == '1' and decoded_label == '1'")["share"].item()
    assert told > 0.6  # chance is 0.25


def test_what_does_not_vary_is_not_decoded():
    rng = np.random.default_rng(0)
    time_s = samples.BIN_S * np.arange(samples.N_BINS)
    speed = samples.signals()
    speed.loc[speed["time_s"] > 220, "value"] = 1.0  # all test bins
    nothing = samples.intervals().iloc[:0]
    made = nothing, speed, time_s, samples.splits()
    conditions = conditions_table(*made, bin_s=samples.BIN_S, settings=SETTINGS)
    latents = scipy.sparse.csr_array(rng.random((samples.N_BINS, 3)))
    bins = [np.flatnonzero(samples.splits() == s) for s in ("train", "test")]
    choice, test = (Seen(latents[b], b) for b in bins)
    more = {"gap_bins": 20, "least_shift": 40, "settings": SETTINGS}
    scores, confusions = decoding_tables(choice, test, variables_of(conditions), {}, **more)
    assert scores.empty
    assert confusions.empty

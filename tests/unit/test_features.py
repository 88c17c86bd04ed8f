"""Names of latents: planted ones are found by name, and where there is nothing none is given."""

import meaning_samples as samples
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control
from sklearn.metrics import mutual_info_score, roc_auc_score

from spikesieve.latents.chance import chance_areas, corrected, shifts_of
from spikesieve.latents.conditions import conditions_table
from spikesieve.latents.features import Seen, features_table
from spikesieve.latents.measures import Column, best_threshold, measure
from spikesieve.latents.ranks import areas, rank_deviations
from spikesieve.latents.selectivity import area_under_curve
from spikesieve.latents.variables import told, variables_of
from spikesieve.nulls import shifted_counts

ACTIVATIONS = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).integers(-1, 3, (40, 5)).astype(float)
)
LABELS = st.lists(st.integers(0, 3), min_size=40, max_size=40).map(np.array)


def members_of(labels):
    return scipy.sparse.csr_array((labels == np.unique(labels)[:, None]).astype(float))


@given(ACTIVATIONS, LABELS)
def test_areas_are_those_of_dense_ranks(activations, labels):
    found = areas(*rank_deviations(scipy.sparse.csr_array(activations)), members_of(labels))
    expected = area_under_curve(activations, labels, np.unique(labels))
    np.testing.assert_allclose(found, expected)


@settings(max_examples=20)
@given(ACTIVATIONS, LABELS, st.integers(0, 4), st.sampled_from([1, -1]))
def test_chance_is_what_shifted_labels_reach(activations, labels, latent, sign):
    """By the naive way: roll the label, rank again."""
    member = labels == labels[0]
    if member.all():
        return
    shifts = shifts_of(40, 500, 4)
    assert shifts.tolist() == list(range(4, 37))
    deviations, zero = rank_deviations(scipy.sparse.csr_array(activations[:, [latent]]))
    pair = scipy.sparse.csr_array(member[None].astype(float))
    naive = [roc_auc_score(np.roll(member, s), sign * activations[:, latent]) for s in shifts]
    area = np.array([roc_auc_score(member, sign * activations[:, latent])])
    chance = chance_areas(deviations, zero, pair, np.array([sign]), area, shifts)
    assert chance.high[0] == pytest.approx(np.quantile(naive, 0.95))
    assert chance.p[0] == (1 + np.sum(np.array(naive) >= area[0] - 1e-9)) / (1 + len(shifts))


@given(st.integers(2, 5000), st.integers(1, 300), st.integers(0, 400))
def test_shifts_are_far_enough_and_distinct(n_bins, n_shifts, least):
    shifts = shifts_of(n_bins, n_shifts, least)
    assert len(set(shifts)) == len(shifts) <= n_shifts
    low = max(1, min(least, n_bins // 4))
    assert len(shifts) == min(n_shifts, n_bins - 2 * low + 1)
    assert ((shifts >= low) & (shifts <= n_bins - low)).all()


@given(st.lists(st.floats(1e-4, 1), min_size=1, max_size=50))
def test_the_correction_is_that_of_benjamini_and_hochberg(p):
    p = np.array(p)
    np.testing.assert_allclose(corrected(p), false_discovery_control(p))
    with_gaps = corrected(np.insert(p, 0, np.nan))
    assert np.isnan(with_gaps[0])
    np.testing.assert_allclose(with_gaps[1:], corrected(p))


def column(values):
    place = np.flatnonzero(values)
    return Column(place, values[place], len(values))


@given(ACTIVATIONS, LABELS)
def test_measures_are_those_of_the_table_of_hits_and_alarms(activations, labels):
    values, member = activations[:, 0], labels == labels[0]
    if member.all():
        return
    one = column(values)
    threshold = best_threshold(one, member)
    found = measure(one, member, threshold)
    above = values > threshold
    coverage, alarms = above[member].mean(), above[~member].mean()
    assert found.coverage == pytest.approx(coverage)
    assert found.specificity == pytest.approx(1 - alarms)
    if coverage + alarms > 0:
        assert found.selectivity == pytest.approx(coverage / (coverage + alarms))
    bits = mutual_info_score(above, member) / np.log(2)
    assert found.mutual_information_bits == pytest.approx(bits, abs=1e-9)
    spread = np.sqrt((values[member].var() + values[~member].var()) / 2)
    if spread > 1e-9:
        difference = values[member].mean() - values[~member].mean()
        assert found.d_prime == pytest.approx(difference / spread)
    # No other threshold between two values does better.
    others = [(values > t)[member].mean() - (values > t)[~member].mean() for t in (-0.5, 0.5, 1.5)]
    if len(np.unique(values)) == 4:
        assert coverage - alarms == pytest.approx(max(others))


def test_a_latent_that_never_varies_is_no_detector():
    found = measure(column(np.zeros(10)), np.arange(10) < 3, 0.0)
    assert found.coverage == 0
    assert found.specificity == 1
    assert found.mutual_information_bits == 0
    assert np.isnan(found.selectivity)
    assert np.isnan(found.d_prime)


@pytest.fixture(scope="module")
def conditions():
    time_s = samples.BIN_S * np.arange(samples.N_BINS)
    made = samples.intervals(), samples.signals(), time_s, samples.splits()
    return conditions_table(*made, bin_s=samples.BIN_S, settings=samples.SETTINGS)


def judged(activations, conditions, stability=None, **settings):
    table = scipy.sparse.csr_array(activations)
    split = samples.splits()
    bins = [np.flatnonzero(np.isin(split, s)) for s in (["train", "validation"], ["test"])]
    choice, test = (Seen(table[b], b) for b in bins)
    stability = np.ones(activations.shape[1]) if stability is None else stability
    return features_table(
        choice,
        test,
        variables_of(conditions),
        stability,
        lags=[0, 1, 2],
        least_shift=40,
        settings=samples.SETTINGS | settings,
    )


@pytest.fixture(scope="module")
def features(conditions):
    return judged(samples.latents(conditions), conditions)


def test_planted_features_are_found_by_name(features):
    by_latent = features[features["chosen_by"] == "latent"].set_index("latent")
    image, orientation, speed = (by_latent.loc[i] for i in (0, 1, 2))
    assert (image["variable"], image["label"]) == ("frame", "1")
    assert image["lag_bins"] == samples.LAG
    assert (orientation["variable"], orientation["label"]) == ("orientation", "45°")
    assert orientation["lag_bins"] == 0
    assert speed["variable"] == "speed"
    for one in (image, orientation, speed):
        assert one["named"]
        assert one["auroc"] > 0.85
        assert one["chance_auroc"] < 0.75
        assert one["p"] < 0.005  # 1 / (1 + shifts): gratings last for some 300 test bins
    assert image["coverage"] > 0.8
    assert image["specificity"] > 0.9
    assert not by_latent["named"].iloc[3:].any()  # noise


def test_each_label_finds_its_latent(features):
    by_label = features[features["chosen_by"] == "label"].set_index(["variable", "label"])
    assert by_label.loc[("frame", "1"), "latent"] == 0
    assert by_label.loc[("orientation", "45°"), "latent"] == 1
    assert (by_label.loc["speed", "latent"] == 2).all()
    lowest = by_label.loc["speed"].iloc[0]
    assert lowest["sign"] == -1  # slow is told by silence
    assert lowest["named"]


def test_of_two_labels_the_one_that_activates_gives_the_name():
    rng = np.random.default_rng(0)
    on = np.repeat(rng.random(samples.N_BINS // 10) < 0.5, 10)
    lamp = pd.DataFrame(
        {
            "variable": "lamp",
            "kind": "class",
            "bin": np.arange(samples.N_BINS),
            "event": np.cumsum(np.diff(on, prepend=on[0])),
            "value": np.nan,
            "label": np.where(on, "1", "0"),
            "order": on.astype(np.int32),
        }
    )
    activations = (on & (rng.random(samples.N_BINS) < 0.6))[:, None].astype(float)
    found = judged(activations, lamp).query("chosen_by == 'latent'").iloc[0]
    assert (found["label"], found["sign"], found["named"]) == ("1", 1, True)


def test_a_name_takes_effect_significance_and_stability(conditions):
    activations = samples.latents(conditions)
    unstable = np.where(np.arange(8) == 0, 0.6, 1.0)
    found = judged(activations, conditions, unstable).query("chosen_by == 'latent'")
    assert found.set_index("latent")["named"].iloc[:3].tolist() == [False, True, True]
    unknown = judged(activations, conditions, np.full(8, np.nan)).query("chosen_by == 'latent'")
    assert unknown.set_index("latent")["named"].iloc[:3].all()  # one run: not asked
    strict = judged(activations, conditions, effect=0.5)
    assert not strict["named"].any()


def test_test_bins_choose_nothing(conditions):
    """What latents do in test bins changes scores, not the pairs."""
    activations = samples.latents(conditions)
    before = judged(activations, conditions)
    test = samples.splits() == "test"
    activations[test] = np.random.default_rng(9).permuted(activations[test], axis=0)
    after = judged(activations, conditions)
    chosen = ["chosen_by", "latent", "variable", "label", "lag_bins", "sign", "auroc_choice"]
    assert after[chosen].equals(before[chosen])
    assert not np.allclose(after["auroc"], before["auroc"])
    assert not after.query("chosen_by == 'latent' and latent < 3")["named"].any()


def test_shifted_latents_earn_no_names(conditions):
    """Over twenty controls of 40 latents each: at most one in twenty has any name; the expected
    number of latents below 0.05 before correction is one in twenty as well."""
    rng = np.random.default_rng(0)
    planted = samples.latents(conditions)
    wide = np.concatenate([planted] * 5, axis=1)
    named, p = 0, []
    for seed in range(20):
        shifted = shifted_counts(wide, np.arange(len(wide)), seed)
        found = judged(shifted[:, rng.permutation(40)], conditions, effect=0.0)
        found = found[found["chosen_by"] == "latent"]
        named += found["named"].any()
        p.append(found["p"].to_numpy())
    assert named <= 3  # of 20 at a rate of 0.05: more in 1.6 % of all cases
    assert np.mean(np.concatenate(p) <= 0.05) < 0.09


def test_rare_labels_and_silent_latents_are_not_tried(conditions):
    activations = samples.latents(conditions)
    activations[:, 5] = 0
    found = judged(activations, conditions, min_bins=400)
    assert 5 not in set(found["latent"])
    assert "frame" not in set(found["variable"])  # fewer bins of each in the test part
    assert judged(activations[:, :0], conditions).empty
    assert judged(activations, conditions.iloc[:0]).empty


def test_a_label_meets_the_bins_that_lag_behind(conditions):
    variable = next(v for v in variables_of(conditions) if v.name == "frame")
    bins = np.array([0, 1, 2, 50, 51, 60])
    for lag in (0, 2):
        seen = told(variable, bins, lag)
        for place, row in enumerate(seen.rows.tolist()):
            number = bins[row] - lag
            labels = [variable.labels[i] for i in seen.members[:, [place]].toarray().nonzero()[0]]
            here = conditions[(conditions["variable"] == "frame") & (conditions["bin"] == number)]
            assert labels == here["label"].tolist()

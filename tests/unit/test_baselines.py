"""Baselines: counts in, expected counts out, and hidden units from the others alone."""

import numpy as np
import pytest
import scipy.stats
from sklearn.decomposition import PCA, FactorAnalysis

from spikesieve.backtransform import add_term, smearing_term, unbiased
from spikesieve.baselines import BASELINES
from spikesieve.baselines.factor_analysis import fit_factor_analysis
from spikesieve.baselines.ica import fit_ica
from spikesieve.baselines.linear import Gaussian
from spikesieve.baselines.mean import fit_mean
from spikesieve.baselines.nmf import fit_nmf
from spikesieve.baselines.pca import fit_pca
from spikesieve.baselines.raw import fit_raw
from spikesieve.cosmoothing import cosmooth
from spikesieve.counts import NORMALISATIONS, fit_normalisation
from spikesieve.errors import InputError
from spikesieve.smoothing import smooth

CODED = sorted(set(BASELINES) - {"mean", "raw"})


def bursts(n_bins, seed):
    """Return counts of 20 units that four sparse, non-negative features drive."""
    rng = np.random.default_rng(seed)
    features = rng.gamma(4, 0.25, (n_bins, 4)) * (rng.random((n_bins, 4)) < 0.1)
    loadings = np.zeros((4, 20))
    for f in range(4):
        loadings[f, 5 * f : 5 * f + 5] = [2, 3, 4, 5, 6]
    return rng.poisson(0.3 + features @ loadings).astype(np.uint8), features


@pytest.fixture(scope="module")
def train():
    return bursts(2000, 0)[0]


@pytest.fixture(scope="module")
def test():
    return bursts(800, 1)


def settings(name):
    return {"n_components": 4} if name in CODED else {}


@pytest.mark.parametrize("name", BASELINES)
def test_every_method_keeps_the_protocol(name, train, test):
    fitted = BASELINES[name](train, np.arange(2000), seed=0, **settings(name))
    counts, bins = test[0], np.arange(5000, 5800)
    before = counts.copy()
    latents = fitted.transform(counts, bins)
    assert latents.format == "csr"
    assert latents.dtype == np.float32
    assert fitted.model == (f"{name}4" if name in CODED else name)
    assert latents.shape == (800, {"mean": 0, "raw": 20}.get(name, 4))
    hidden = np.arange(20) % 3 == 0
    for predicted, width in [
        (fitted.reconstruct(latents), 20),
        (fitted.predict_hidden(counts, bins, hidden), 7),
    ]:
        assert predicted.shape == (800, width)
        assert predicted.dtype == np.float32
        assert (predicted >= 0).all()
    np.testing.assert_array_equal(counts, before)


@pytest.mark.parametrize("name", BASELINES)
def test_hidden_units_are_not_looked_at(name, train, test):
    fitted = BASELINES[name](train, np.arange(2000), seed=0, **settings(name))
    hidden = np.arange(20) % 4 == 0
    changed = np.where(hidden, 99, test[0]).astype(np.uint8)
    a, b = (fitted.predict_hidden(c, np.arange(800), hidden) for c in (test[0], changed))
    np.testing.assert_allclose(a, b, rtol=1e-5)


@pytest.mark.parametrize("name", CODED)
def test_hidden_units_are_predicted_from_the_others(name, train, test):
    fitted = unbiased(
        BASELINES[name](train, np.arange(2000), seed=0, n_components=4), train, np.arange(2000)
    )
    r2, bits, _ = cosmooth(fitted.predict_hidden, test[0], np.arange(800), train.mean(axis=0))
    assert r2.mean() > 0.3
    assert bits.mean() > 0.1


def test_the_mean_and_raw_counts_predict_nothing(train, test):
    for fit in (fit_mean, fit_raw):
        fitted = fit(train, np.arange(2000))
        r2, bits, _ = cosmooth(fitted.predict_hidden, test[0], np.arange(800), train.mean(axis=0))
        assert (r2 <= 0).all()
        np.testing.assert_allclose(bits, 0, atol=1e-5)
    latents = fit_raw(train, np.arange(2000)).transform(test[0], np.arange(800))
    np.testing.assert_array_equal(latents.toarray(), test[0])


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_pca_is_scikit_learns(train, test, normalisation):
    fitted = fit_pca(train, np.arange(2000), n_components=3, normalisation=normalisation)
    scale = fit_normalisation(train, normalisation)
    pca = PCA(3).fit(scale.apply(train))
    latents = pca.transform(scale.apply(test[0]))
    found = fitted.transform(test[0], np.arange(800))
    np.testing.assert_allclose(found.toarray(), latents, atol=1e-4)
    expected = scale.invert(pca.inverse_transform(latents))
    np.testing.assert_allclose(fitted.reconstruct(found), expected, atol=1e-3)


def test_there_are_at_most_as_many_components_as_units_and_bins(train):
    fitted = fit_pca(train, np.arange(2000), n_components=32)
    assert fitted.model == "pca20"
    x = train[:50]
    again = fitted.reconstruct(fitted.transform(x, np.arange(50)))
    np.testing.assert_allclose(again, x, atol=1e-3)
    assert fit_pca(train[:5], np.arange(5)).model == "pca5"


def test_the_gaussian_prediction_is_the_conditional_mean():
    rng = np.random.default_rng(0)
    mean, loadings = rng.normal(size=6), rng.normal(size=(2, 6))
    noise = rng.uniform(0.1, 2, 6)
    x, hidden = rng.normal(size=(5, 6)), np.array([True, False, False, True, False, False])
    cov = loadings.T @ loadings + np.diag(noise)
    weights = np.linalg.solve(cov[~hidden][:, ~hidden], cov[~hidden][:, hidden])
    expected = mean[hidden] + (x - mean)[:, ~hidden] @ weights
    found = Gaussian(mean, loadings, noise).predict(x, hidden)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_factor_analysis_is_scikit_learns(train, test):
    fitted = fit_factor_analysis(
        train, np.arange(2000), n_components=4, max_iterations=1000, rotation="none"
    )
    scale = fit_normalisation(train, "sqrt_centred")
    model = FactorAnalysis(4, tol=1e-3, max_iter=2000).fit(scale.apply(train))
    expected = model.transform(scale.apply(test[0]))
    found = fitted.transform(test[0], np.arange(800)).toarray()
    correlation = np.abs(np.corrcoef(found.T, expected.T)[:4, 4:])
    assert correlation.max(axis=1).min() > 0.98


@pytest.mark.parametrize("fit", [fit_nmf, fit_ica])
def test_parts_find_the_planted_features(fit, train, test):
    fitted = fit(train, np.arange(2000), n_components=4)
    counts, features = test
    found = fitted.transform(counts, np.arange(800)).toarray()
    correlation = np.corrcoef(found.T, features.T)[:4, 4:]
    assert correlation.max(axis=0).min() > 0.85  # and the sign is right
    assert scipy.stats.skew(found).min() > 0


def test_nmf_weights_are_never_negative_and_counts_need_no_rescaling(train):
    fitted = fit_nmf(train, np.arange(2000), n_components=4)
    latents = fitted.transform(train, np.arange(2000))
    assert (latents.data >= 0).all()
    np.testing.assert_allclose(
        fitted.reconstruct(latents).mean(axis=0), train.mean(axis=0), rtol=0.02
    )


@pytest.mark.parametrize("name", CODED)
def test_silent_units_and_seeds_do_no_harm(name, train):
    silent = train.copy()
    silent[:, 4] = 0
    fitted = [
        BASELINES[name](silent, np.arange(2000), seed=seed, n_components=4) for seed in (3, 3)
    ]
    hidden = np.arange(20) < 5
    a, b = (f.predict_hidden(silent, np.arange(2000), hidden) for f in fitted)
    np.testing.assert_array_equal(a, b)
    assert np.isfinite(a).all()
    assert a[:, 4].max() < 0.05


@pytest.mark.parametrize("loss", ["kullback_leibler", "frobenius"])
def test_nmf_says_nothing_absurd_of_hidden_units(loss):
    """Few units that fire on their own: parts are single units, and tell nothing of others."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.1, (3000, 12)).astype(np.uint8)
    train, held_out = counts[:2000], counts[2000:]
    fitted = fit_nmf(train, np.arange(2000), n_components=12, loss=loss)
    _, bits, pattern_bits = cosmooth(
        fitted.predict_hidden, held_out, np.arange(1000), train.mean(axis=0)
    )
    assert np.nanmin(bits) > -0.05
    assert pattern_bits > -0.05


def test_nmf_keeps_to_its_parts_where_they_tell(train, test):
    fitted = fit_nmf(train, np.arange(2000), n_components=4)
    hidden = np.arange(20) < 5
    seen = np.where(hidden, 0, test[0]).astype(np.uint8)
    predicted = fitted.predict_hidden(seen, np.arange(800), hidden)
    least = predicted.min(axis=0) / train.mean(axis=0)[hidden]
    assert (least < 0.5).all()


def test_smoothing_never_crosses_a_gap():
    counts = np.array([[3], [0], [0], [6], [9]], np.uint8)
    bins = np.array([10, 11, 12, 20, 21])
    np.testing.assert_allclose(smooth(counts, bins, 1)[:, 0], [1.5, 1, 0, 7.5, 7.5])
    np.testing.assert_allclose(smooth(counts, bins, 5)[:, 0], [1, 1, 1, 7.5, 7.5])
    np.testing.assert_array_equal(smooth(counts, bins, 0), counts)
    assert smooth(counts[:0], bins[:0], 2).shape == (0, 1)


@pytest.mark.parametrize("name", [*CODED, "raw"])
def test_smoothing_is_part_of_the_method(name, train, test):
    smoothed = BASELINES[name](train, np.arange(2000), seed=0, smoothing_bins=2, **settings(name))
    bins = np.arange(800)
    together = smoothed.transform(test[0], bins).toarray()
    apart = smoothed.transform(test[0], 10 * bins).toarray()
    assert np.abs(together - apart).max() > 0.1


def test_the_mean_of_predictions_is_that_of_the_counts(train):
    bins, hidden = np.arange(2000), np.arange(20) % 3 == 0
    plain = fit_pca(train, bins, n_components=4)
    fitted = unbiased(plain, train, bins)
    low = plain.predict_hidden(train, bins, hidden)
    right = fitted.predict_hidden(train, bins, hidden)
    mean = train.mean(axis=0)
    assert (low.mean(axis=0) < 0.9 * mean[hidden]).all()
    np.testing.assert_allclose(right.mean(axis=0), mean[hidden], rtol=1e-3)
    latents = fitted.transform(train, bins)
    np.testing.assert_allclose(fitted.reconstruct(latents).mean(axis=0), mean, rtol=1e-3)
    other = fitted.predict_hidden(train, bins, ~hidden)
    np.testing.assert_allclose(other.mean(axis=0), mean[~hidden], rtol=1e-3)


def test_the_term_of_a_long_recording_is_learnt_from_neighbouring_bins():
    long = np.tile(bursts(2000, 2)[0], (5, 1))
    seen = []

    def spy(counts, bins):
        seen.append(bins)
        return plain.transform(counts, bins)

    plain = fit_pca(long, np.arange(10_000), n_components=4)
    unbiased(plain._replace(transform=spy), long, np.arange(10_000))
    assert len(seen[0]) == 4096
    assert (np.diff(seen[0]) == 1).sum() == 8 * 511
    assert seen[0][0] == 0
    assert seen[0][-1] == 9999


def test_predictions_stay_above_zero_when_the_term_is_negative():
    counts, predicted = np.array([[0], [1]]), np.array([[0.2], [1.8]], np.float32)
    term = smearing_term(counts, predicted)
    np.testing.assert_allclose(term, -0.5)
    np.testing.assert_allclose(add_term(predicted, term)[:, 0], [0, 1.3], rtol=1e-6)


@pytest.mark.parametrize("name", CODED)
def test_settings_that_make_no_sense(name, train):
    with pytest.raises(InputError, match="n_components 0"):
        BASELINES[name](train, np.arange(2000), n_components=0)
    with pytest.raises(InputError, match="smoothing_bins -1"):
        BASELINES[name](train, np.arange(2000), smoothing_bins=-1)

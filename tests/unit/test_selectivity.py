"""Selectivity of single latents: against scikit-learn, and planted classes."""

import numpy as np
import pytest
import scipy.sparse
from sklearn.metrics import roc_auc_score

from spikesieve.errors import InputError
from spikesieve.latents.selectivity import (
    area_under_curve,
    score_selectivity,
    selectivity_median,
)


@pytest.fixture
def planted():
    """Five classes, 300 sparse latents; latent ``10 c`` fires for class ``c``, 44 is off for 4."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 1500)
    latents = rng.gamma(1, 1, (1500, 300)) * (rng.random((1500, 300)) < 0.1)
    for c in range(4):
        latents[labels == c, 10 * c] += rng.gamma(2, 1, (labels == c).sum())
    latents[:, 44] = rng.gamma(4, 1, 1500) * (labels != 4)
    return latents.astype(np.float32), labels


def test_agrees_with_scikit_learn_with_ties(planted):
    latents, labels = planted
    found = area_under_curve(latents, labels, np.arange(5))
    assert found.shape == (5, 300)
    for c, latent in [(0, 0), (1, 299), (4, 44), (3, 256)]:
        expected = roc_auc_score(labels == c, latents[:, latent])
        assert found[c, latent] == pytest.approx(expected)
    sparse = area_under_curve(scipy.sparse.csr_array(latents), labels, np.arange(5))
    np.testing.assert_allclose(sparse, found)


def test_finds_the_planted_latents_and_their_signs(planted):
    latents, labels = planted
    names = np.array(["a", "b", "c", "d", "e"])[labels]
    scores = score_selectivity(latents[:1000], names[:1000], latents[1000:], names[1000:])
    assert scores["class"].tolist() == ["a", "b", "c", "d", "e"]
    assert scores["latent"].tolist() == [0, 10, 20, 30, 44]
    assert scores["sign"].tolist() == [1, 1, 1, 1, -1]
    assert (scores["auroc"] > 0.9).all()
    assert selectivity_median(scores) == np.median(scores["auroc"])


def test_what_is_chosen_on_training_bins_may_fail_on_others():
    rng = np.random.default_rng(1)
    noise, labels = rng.random((400, 500)), rng.integers(0, 4, 400)
    scores = score_selectivity(noise[:200], labels[:200], noise[200:], labels[200:])
    assert (scores["auroc_train"] > 0.6).all()
    assert abs(scores["auroc"].mean() - 0.5) < 0.1


def test_classes_that_one_part_lacks_are_left_out(planted):
    latents, labels = planted
    some = labels < 3
    scores = score_selectivity(latents[some], labels[some], latents[~some], labels[~some])
    assert len(scores) == 0
    assert np.isnan(selectivity_median(scores))
    assert np.isnan(area_under_curve(latents[:4], np.zeros(4), np.array([0, 1]))).all()


def test_bad_input(planted):
    latents, labels = planted
    with pytest.raises(InputError, match="1499 labels for 1500 training bins"):
        score_selectivity(latents, labels[1:], latents, labels)
    with pytest.raises(InputError, match="300 latents in training, 299 in test"):
        score_selectivity(latents, labels, latents[:, 1:], labels)
    with pytest.raises(InputError, match="no latent"):
        score_selectivity(latents[:, :0], labels, latents[:, :0], labels)

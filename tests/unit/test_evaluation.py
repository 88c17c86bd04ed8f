"""Scores of a reconstruction: against scikit-learn and numbers worked out by hand."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.metrics import mean_poisson_deviance, r2_score

from spikesieve.evaluation import latents_table, metrics_table, score_latents, score_reconstruction
from spikesieve.recording import CONTRACTS, read_table, write_table

UNITS = np.array([4, 7, 9], np.int32)


def value(scores, metric, **where):
    rows = scores[scores["metric"] == metric]
    for column, wanted in where.items():
        rows = rows[rows[column] == wanted]
    assert len(rows) == 1
    return rows["value"].iloc[0]


@pytest.fixture
def counts():
    return np.array([[0, 2, 0], [1, 0, 0], [0, 0, 0], [3, 2, 0]], np.uint8)


def test_a_perfect_reconstruction(counts):
    scores = score_reconstruction(
        counts, counts.astype(np.float32), unit_ids=UNITS, bins=np.arange(4)
    )
    assert value(scores, "r2", unit_id=4) == value(scores, "r2_pooled") == 1
    assert value(scores, "cosine_unit", unit_id=7) == pytest.approx(1)
    assert value(scores, "cosine_bin_median") == pytest.approx(1)


def test_numbers_worked_out_by_hand(counts):
    predicted = np.array([[0, 1, 1], [1, 1, 1], [1, 1, 1], [1, 1, 1]], np.float32)
    scores = score_reconstruction(counts, predicted, unit_ids=UNITS, bins=np.arange(10, 14))
    assert value(scores, "r2", unit_id=7) == pytest.approx(0)
    assert value(scores, "r2", unit_id=4) == pytest.approx(1 - 5 / 6)
    assert value(scores, "cosine_unit", unit_id=4) == pytest.approx(4 / np.sqrt(10 * 3))
    assert value(scores, "cosine_bin", bin=10) == pytest.approx(2 / np.sqrt(4 * 2))
    assert value(scores, "cosine_bin", bin=13) == pytest.approx(5 / np.sqrt(13 * 3))
    # Squared errors 5 and 4, variances (as sums) 6 and 4; the silent unit has no say.
    assert value(scores, "r2_pooled") == pytest.approx(1 - 9 / 10)
    assert value(scores, "r2_mean") == pytest.approx(1 / 12)


def test_constant_units_and_silent_bins_have_no_score(counts):
    predicted = np.ones((4, 3), np.float32)
    scores = score_reconstruction(counts, predicted, unit_ids=UNITS, bins=np.arange(4))
    assert np.isnan(value(scores, "r2", unit_id=9))
    assert np.isnan(value(scores, "cosine_unit", unit_id=9))
    assert np.isnan(value(scores, "cosine_bin", bin=2))
    assert scores["metric"].eq("cosine_bin").sum() == 4
    silent = score_reconstruction(counts * 0, predicted, unit_ids=UNITS)
    assert silent["value"].isna().all()


def test_predicting_nothing_is_not_similar_to_something(counts):
    scores = score_reconstruction(
        counts, np.zeros((4, 3), np.float32), unit_ids=UNITS, bins=np.arange(4)
    )
    assert value(scores, "cosine_unit", unit_id=4) == 0
    assert value(scores, "cosine_bin", bin=1) == 0
    assert np.isnan(value(scores, "cosine_bin", bin=2))


def test_agrees_with_scikit_learn_across_pieces():
    rng = np.random.default_rng(0)
    counts = rng.poisson(2, (500, 150)).astype(np.uint16)
    predicted = (counts + rng.normal(0, 1, counts.shape)).astype(np.float32)
    scores = score_reconstruction(counts, predicted, unit_ids=np.arange(150, dtype=np.int32))
    expected = r2_score(counts, predicted.astype(float), multioutput="raw_values")
    np.testing.assert_allclose(scores.query("metric == 'r2'")["value"], expected, rtol=1e-6)
    pooled = r2_score(counts, predicted.astype(float), multioutput="variance_weighted")
    assert value(scores, "r2_pooled") == pytest.approx(pooled, rel=1e-6)
    assert not (scores["metric"] == "cosine_bin").any()


def test_one_bin_has_no_r2():
    scores = score_reconstruction(
        np.array([[1, 0, 2]]), np.ones((1, 3), np.float32), unit_ids=UNITS
    )
    assert scores.query("metric == 'r2'")["value"].isna().all()
    assert np.isnan(value(scores, "r2_pooled"))


def test_sparsity_of_latents():
    latents = scipy.sparse.csr_array(np.array([[1.0, 0, 0, -2], [0, 0, 0, 3]]))
    scores = score_latents(latents)
    assert value(scores, "l0") == 1.5
    assert value(scores, "live_fraction") == 0.5
    assert scores.query("metric == 'density'")["value"].tolist() == [0.5, 0, 0, 1]
    none = score_latents(scipy.sparse.csr_array((3, 0), dtype=np.float32))
    assert value(none, "l0") == 0
    assert np.isnan(value(none, "live_fraction"))
    assert np.isnan(value(none, "dense_fraction"))


def test_dense_and_dead_latents():
    active = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 0, 1], [1, 0, 0, 0]])
    scores = score_latents(scipy.sparse.csr_array(active.astype(np.float32)))
    assert value(scores, "dense_fraction") == 0.25  # half of the bins is not over half
    assert value(scores, "dead_fraction") == 0.25
    assert value(scores, "live_fraction") == 0.75


def test_deviance_explained():
    rng = np.random.default_rng(0)
    rate = np.outer(rng.choice([1.0, 6.0], 3000), [0.5, 1, 2])
    counts, mean = rng.poisson(rate), rate.mean(axis=0)

    def score(predicted, training_mean=mean):
        return score_reconstruction(
            counts, predicted.astype(np.float32), unit_ids=UNITS, training_mean=training_mean
        )

    chance = score(np.tile(mean, (3000, 1)))
    assert value(chance, "deviance_explained_pooled") == pytest.approx(0, abs=1e-6)
    assert value(chance, "deviance_explained", unit_id=9) == pytest.approx(0, abs=1e-6)
    truth = score(rate)
    expected = [
        1
        - mean_poisson_deviance(counts[:, u], rate[:, u])
        / mean_poisson_deviance(counts[:, u], np.full(3000, mean[u]))
        for u in range(3)
    ]
    found = truth.query("metric == 'deviance_explained'")["value"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert value(truth, "deviance_explained_median") == pytest.approx(np.median(expected))
    assert min(expected) < value(truth, "deviance_explained_pooled") < max(expected)
    assert value(score(counts.astype(float)), "deviance_explained_mean") > 0.999  # the floor
    nothing = score(counts * 0.0)
    assert np.isfinite(value(nothing, "deviance_explained_pooled"))
    assert value(nothing, "deviance_explained_pooled") < 0
    unknown = score(rate, np.array([0, *mean[1:]]))
    assert np.isnan(value(unknown, "deviance_explained", unit_id=4))
    assert np.isfinite(value(unknown, "deviance_explained_pooled"))


def test_population_sum(counts):
    predicted = counts[:, ::-1].astype(np.float32)
    scores = score_reconstruction(counts, predicted, unit_ids=UNITS)
    assert value(scores, "r2_population_sum") == 1
    assert value(scores, "r2_pooled") == pytest.approx(0)


def test_latents_table_is_sorted_holds_no_zeros_and_leaves_its_input_alone():
    latents = scipy.sparse.csr_array(
        (np.array([3.0, 1.0, 0.0, 2.0], np.float32), ([0, 0, 1, 2], [4, 1, 0, 3])), shape=(3, 5)
    )
    table = latents_table(latents, np.array([5, 8, 9]))
    assert table.to_numpy().tolist() == [[5, 1, 1], [5, 4, 3], [9, 3, 2]]
    assert latents.nnz == 4


def test_tables_fulfil_their_contracts(counts, tmp_path):
    scores = score_reconstruction(
        counts, np.ones((4, 3), np.float32), unit_ids=UNITS, bins=np.arange(4)
    )
    sparsity = score_latents(scipy.sparse.csr_array(np.eye(4, 2)))
    both = pd.concat([scores, sparsity])
    names = {"recording": "r", "method": "pca", "model": "pca2", "seed": 0, "split": "test"}
    write_table(tmp_path / "metrics.parquet", "metrics", metrics_table(both, **names))
    again = read_table(tmp_path / "metrics.parquet", "metrics")
    assert list(again) == list(CONTRACTS["metrics"])
    assert again["unit_id"].dropna().isin(UNITS).all()
    assert again["value"].isna().any()
    latents = latents_table(scipy.sparse.csr_array(np.eye(4, 2)), np.arange(4))
    write_table(tmp_path / "latents.parquet", "latents", latents)

"""Dictionaries judged without truth, and against what was planted, from the files of small runs."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch

from spikesieve.count_table import read_counts_table
from spikesieve.errors import InputError
from spikesieve.evaluation import latents_table, metrics_table, score_latents
from spikesieve.latents.judging import (
    dictionary_table,
    judged_split,
    read_latents,
    stability_metrics,
)
from spikesieve.latents.planted_scores import planted_scores
from spikesieve.recording import write_table
from spikesieve.sae.checkpoints import save_model

N_BINS, N_TRAIN = 1200, 800
SPLIT = np.repeat(["train", "validation", "test"], [N_TRAIN, 100, 300])
BIN_S = 0.05

RNG = np.random.default_rng(0)
#: Three features; latents of both seeds are copies of them, of noise, of each other, or nothing.
FEATURES = np.where(RNG.random((N_BINS, 3)) < 0.1, RNG.gamma(4, 0.25, (N_BINS, 3)), 0)
NOISE = np.where(RNG.random((N_BINS, 2)) < 0.1, 1.0, 0)
DIRECTIONS = np.kron(np.eye(3), [1, 1]).astype(np.float32)
#: Columns: feature 0, feature 1, noise, feature 0 again, nothing.
FIRST = np.column_stack([FEATURES[:, :2], NOISE[:, 0], 2 * FEATURES[:, 0], np.zeros(N_BINS)])
SECOND = np.column_stack([FEATURES[:, 1], NOISE[:, 1], FEATURES[:, 0], np.zeros((N_BINS, 2))])
FIRST_ROWS, SECOND_ROWS = [0, 1, 2, 0, 2], [1, 2, 0, 2, 2]


def write_run(folder, activations, decoder, *, seed, method="sae", model="default"):
    """Write the files of one run, of latents in every bin."""
    folder.mkdir(parents=True)
    latents = scipy.sparse.csr_array(activations.astype(np.float32))
    write_table(folder / "latents.parquet", "latents", latents_table(latents, np.arange(N_BINS)))
    names = {"recording": "r", "method": method, "model": model, "seed": seed, "split": "test"}
    scores = score_latents(latents[np.flatnonzero(SPLIT == "test")])
    write_table(folder / "metrics.parquet", "metrics", metrics_table(scores, **names))
    if decoder is not None:
        save_model(folder, {"parameters.decoder": torch.from_numpy(decoder)[None]}, {"about": {}})


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Return a folder with counts, the runs of two seeds, a run of the mean, and the truth."""
    folder = tmp_path_factory.mktemp("judging")
    counts = pd.DataFrame({str(u): np.zeros(N_BINS, np.uint8) for u in range(6)})
    counts = counts.assign(time_s=BIN_S * np.arange(N_BINS), split=SPLIT)
    write_table(folder / "counts.parquet", "counts", counts)
    write_run(folder / "sae/seed0", FIRST, DIRECTIONS[FIRST_ROWS], seed=0)
    write_run(folder / "sae/seed1", SECOND, DIRECTIONS[SECOND_ROWS], seed=1)
    nothing = np.zeros((N_BINS, 0))
    write_run(folder / "mean/seed0", nothing, None, seed=0, method="mean", model="")
    fine = np.repeat(FEATURES, 5, axis=0)  # planted in bins of 10 ms
    np.savez(folder / "truth.npz", activation=fine.astype(np.float32), bin_s=0.01)
    return folder


@pytest.fixture(scope="module")
def dictionary(project):
    runs = [project / "sae/seed0", project / "sae/seed1"]
    return dictionary_table(read_counts_table(project / "counts.parquet"), runs, seeds=[0, 1])


def test_latents_are_read_of_the_bins_asked_for(project):
    rows = SPLIT == "test"
    found = read_latents(project / "sae/seed0/latents.parquet", rows, 5)
    assert np.allclose(found.toarray(), FIRST[rows])


def test_each_latent_is_told_stable_or_not(dictionary):
    assert dictionary["seed"].tolist() == [0] * 5 + [1] * 5
    assert dictionary["latent"].tolist() == [*range(5)] * 2
    first, second = dictionary[:5], dictionary[5:]
    assert second["stable"].tolist() == [True, False, True, False, False]
    assert first["stable"].sum() == 2  # of two copies, only one has a partner
    assert first["stable"].tolist()[1:3] == [True, False]
    assert first["stability"][1] == pytest.approx(1)
    assert first["stability"][4] == 0
    held_out = SPLIT == "test"
    assert first["density"].tolist() == pytest.approx((FIRST[held_out] > 0).mean(axis=0))


def test_what_latents_do_in_the_bins_that_chose_them_does_not_count(project, dictionary, tmp_path):
    """But where there are no others."""
    validation = SPLIT == "validation"
    for seed, columns, rows in ((0, FIRST, FIRST_ROWS), (1, SECOND, SECOND_ROWS)):
        changed = np.where(validation[:, None], RNG.random((N_BINS, 5)), columns)
        write_run(tmp_path / f"seed{seed}", changed, DIRECTIONS[rows], seed=seed)
    counts = read_counts_table(project / "counts.parquet")
    runs = [tmp_path / "seed0", tmp_path / "seed1"]
    table = dictionary_table(counts, runs, seeds=[0, 1])
    same = ["density", "stability", "stable"]
    pd.testing.assert_frame_equal(table[same], dictionary[same])
    assert judged_split(counts) == "test"
    without = counts._replace(split=np.where(SPLIT == "test", "gap", SPLIT))
    assert judged_split(without) == "validation"
    assert dictionary_table(without, runs, seeds=[0, 1])["density"].tolist() == [1.0] * 10


def test_copies_are_merged_and_what_one_seed_made_up_is_dropped(dictionary):
    first, second = dictionary[:5], dictionary[5:].reset_index(drop=True)
    assert second["kept"].tolist() == [True, False, True, False, False]
    assert second["dropped_because"].tolist() == ["", "unstable", "", "dead", "dead"]
    assert first["kept"].sum() == 2
    copy = first[first["dropped_because"] == "duplicate"].iloc[0]
    assert {copy["latent"], copy["merged_into"]} == {0, 3}
    assert first["dropped_because"][2] == "unstable"
    assert first["dropped_because"][4] == "dead"


def test_the_dictionary_and_its_metrics_fit_their_tables(dictionary, tmp_path):
    write_table(tmp_path / "dictionary.parquet", "dictionary", dictionary)
    metrics = stability_metrics(dictionary, "validation")
    names = {"recording": "r", "method": "sae", "model": "default"}
    write_table(tmp_path / "metrics.parquet", "metrics", metrics_table(metrics, **names))
    by_seed = metrics[metrics["latent"].isna()].set_index(["seed", "metric"])["value"]
    assert by_seed[0, "stable_fraction"] == pytest.approx(2 / 5)
    assert by_seed[1, "n_kept"] == 2
    assert set(metrics["split"]) == {"validation"}
    each = metrics[metrics["metric"] == "stability"]
    assert len(each) == 10
    assert by_seed[0, "stability_mean"] == pytest.approx(each["value"][:5].mean())


def test_a_readout_is_judged_by_its_own_loadings(project, tmp_path):
    """The decoder has rows that are no longer read."""
    for seed, (columns, rows) in enumerate(((FIRST, FIRST_ROWS), (SECOND, SECOND_ROWS))):
        write_run(tmp_path / f"seed{seed}", columns[:, :3], None, seed=seed)
        tensors = {
            "parameters.decoder": torch.randn(1, 40, 6),
            "readout0.loadings": torch.from_numpy(DIRECTIONS[rows[:3]]),
        }
        save_model(tmp_path / f"seed{seed}", tensors, {"about": {}})
    runs = [tmp_path / "seed0", tmp_path / "seed1"]
    table = dictionary_table(read_counts_table(project / "counts.parquet"), runs, seeds=[0, 1])
    assert len(table) == 6
    assert table["stable"].tolist() == [True, True, False, True, False, True]


def test_a_copy_of_a_unit_is_no_feature_however_often_it_is_found(project, tmp_path):
    alone = np.eye(6, dtype=np.float32)
    for seed, columns in enumerate((FIRST, SECOND)):
        write_run(tmp_path / f"seed{seed}", columns, alone[:5], seed=seed)
    runs = [tmp_path / "seed0", tmp_path / "seed1"]
    table = dictionary_table(read_counts_table(project / "counts.parquet"), runs, seeds=[0, 1])
    assert (table["stability"] > 0.9).sum() == 4
    assert not table["stable"].any()
    assert not table["kept"].any()
    assert (table["dropped_because"] == "single_unit").sum() == 5  # the fifth copies one of them
    assert table["n_units"].tolist() == [1.0] * 10


# -- against the truth -----------------------------------------------------------------------


def scores_of(project, *runs, bin_s=BIN_S):
    paths = [project / run for run in runs]
    truth, counts = project / "truth.npz", project / "counts.parquet"
    return planted_scores(truth, counts, paths, recording="r", bin_s=bin_s)


def values(table, **names):
    for name, value in names.items():
        table = table[table[name] == value]
    return table.set_index("metric")["value"]


def test_planted_features_found_again_are_counted(project):
    table = scores_of(project, "sae/seed0", "sae/seed1", "mean/seed0")
    assert set(table["method"]) == {"sae"}  # the mean has no latents
    first = values(table, seed=0)
    assert first["recall"] == pytest.approx(2 / 3)
    assert first["precision"] == pytest.approx(2 / 4)
    assert values(table, seed=1)["precision"] == pytest.approx(2 / 3)
    assert first["f1"] == pytest.approx(2 * 2 / (4 + 3))
    assert set(table["split"]) == {"test"}


def test_what_pruning_left_is_scored_beside_it(project, dictionary, tmp_path):
    for seed, columns in enumerate((FIRST, SECOND)):
        write_run(tmp_path / f"sae/seed{seed}", columns, None, seed=seed)
    write_table(tmp_path / "sae/dictionary.parquet", "dictionary", dictionary)
    runs = [tmp_path / "sae/seed0", tmp_path / "sae/seed1"]
    table = planted_scores(
        project / "truth.npz", project / "counts.parquet", runs, recording="r", bin_s=BIN_S
    )
    assert set(table["model"]) == {"default", "default_pruned"}
    for seed in (0, 1):
        pruned = values(table, seed=seed, model="default_pruned")
        assert pruned["precision"] == 1
        assert pruned["recall"] == values(table, seed=seed, model="default")["recall"]
    write_table(tmp_path / "scores.parquet", "metrics", table)


@pytest.mark.parametrize("bin_s", [0.025, 0.055, 0.005])
def test_bins_that_do_not_fit_the_truth_are_refused(project, bin_s):
    with pytest.raises(InputError, match="recording 'r'.*whole multiples of the 10 ms"):
        scores_of(project, "sae/seed0", bin_s=bin_s)


def test_a_bin_of_many_holds_the_mean_of_the_truth(project, tmp_path):
    """A feature that is on in parts of a bin is there in proportion."""
    fine = np.zeros((5 * N_BINS, 1), np.float32)
    fine[::5, 0] = 5 * FEATURES[:, 0]
    np.savez(tmp_path / "truth.npz", activation=fine, bin_s=0.01)
    table = planted_scores(
        tmp_path / "truth.npz",
        project / "counts.parquet",
        [project / "sae/seed0"],
        recording="r",
        bin_s=BIN_S,
    )
    assert values(table)["mean_abs_r"] == pytest.approx(1)

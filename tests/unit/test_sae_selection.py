"""Width and k are chosen without truth, and what is chosen finds the planted features."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sae_samples import matched, planted, small

from spikesieve.count_table import CountTable
from spikesieve.errors import InputError
from spikesieve.fitting import Block
from spikesieve.sae import SparseAutoencoder
from spikesieve.sae.selection import (
    TRIED,
    best,
    candidates,
    choose,
    thinned_bits,
    try_settings,
)
from spikesieve.sae.sweep import sweep

COUNTS, FEATURES = planted(n_bins=3000, seed=2)
TRAIN = Block(COUNTS[:2000], np.arange(2000))
TEST, TRUTH = Block(COUNTS[2000:], np.arange(2000, 3000)), FEATURES[2000:]
CHEAP = {"n_steps": 60, "batch_size": 256, "learning_rate": 0.02, "device": "cpu"}


class Copier(SparseAutoencoder):
    """A model that hands back what it is shown."""

    def transform(self, counts, bins=None, **_):
        return scipy.sparse.csr_array(np.asarray(counts, np.float32))

    def inverse_transform(self, latents, **_):
        return latents.toarray()


class Knowing(Copier):
    """A model that knows the rates."""

    def inverse_transform(self, latents, **_):
        return 0.8 * self.rates


def test_copying_counts_gains_nothing_and_knowing_rates_does():
    rng = np.random.default_rng(0)
    rates = rng.gamma(1, 0.5, (1000, 20)).astype(np.float32)
    rows = Block(rng.poisson(rates).astype(np.uint8), np.arange(1000))
    mean = rates.mean(axis=0, dtype=np.float64)
    knowing = Knowing(n_latents=20, k=1, device="cpu")
    knowing.rates = rates
    assert thinned_bits(Copier(n_latents=20, k=1, device="cpu"), rows, mean) < 0
    assert thinned_bits(knowing, rows, mean) > 0.1
    silent = Block(np.zeros((50, 20), np.uint8), np.arange(50))
    assert np.isnan(thinned_bits(knowing, silent, mean))


@pytest.fixture(scope="module")
def chosen():
    """Return what was chosen on planted counts, and the trials."""
    settings = {"readout": "poisson", **CHEAP} | {"n_steps": 150}
    del settings["device"]
    return choose(*TRAIN, tuple(TEST), settings, ["smoothing", "k", "n_latents"], "cpu")


def test_it_chooses_a_k_that_is_no_copier(chosen):
    """Features are on in 0.8 of 10 places a bin, independently from bin to bin."""
    found, trials = chosen
    assert found["smoothing"] in (0, 1)
    assert found["k"] in (2, 4)
    assert found["n_latents"] in (15, 60)
    assert len(trials) == 7
    assert {*TRIED, "thinned_bits", "cosmoothing_r2", "l0"} <= set(trials)
    row = trials[(trials[list(found)] == pd.Series(found)).all(axis=1)].iloc[0]
    assert row["thinned_bits"] == trials["thinned_bits"].max()
    assert (trials["l0"] <= 1.3 * trials["k"]).all()


def test_only_what_was_left_open_is_chosen():
    settings = CHEAP | {"k": 7, "n_steps": 5}
    del settings["device"]
    few = Block(TRAIN.counts[:300, :8], TRAIN.bins[:300])
    found, trials = choose(*few, None, settings, ["n_latents"], "cpu")
    assert set(found) == {"n_latents"}
    assert set(trials["k"]) == {7}
    assert set(trials["n_latents"]) == {16, 7}


def test_candidates_keep_to_what_was_said():
    every = ["smoothing", "k", "n_latents"]
    assert list(candidates((10_000, 50), every, {})) == every
    assert candidates((10_000, 50), every, {})["n_latents"] == [100, 25]
    assert max(candidates((200, 50), every, {})["n_latents"]) == 20
    assert candidates((10_000, 50), ["k"], {"n_latents": 3}) == {"k": [2]}
    assert candidates((10_000, 50), ["k"], {"n_latents": 1}) == {"k": [1]}
    assert min(candidates((10_000, 2), ["n_latents"], {"k": 9})["n_latents"]) == 9
    assert candidates((5, 1), every, {})["k"] == [2]


def test_equals_go_to_the_narrowest_and_unknown_scores_to_nobody():
    trials = pd.DataFrame(
        {
            "n_latents": [64, 32, 32, 8],
            "k": [2, 4, 2, 2],
            "thinned_bits": [0.5, 0.5, 0.5, np.nan],
        }
    )
    assert best(trials).name == 2


# -- the default -----------------------------------------------------------------------------


def test_told_nothing_it_finds_most_features():
    sae = SparseAutoencoder(device="cpu", n_steps=200, batch_size=256).fit(*TRAIN)
    latents = sae.transform(*TEST).toarray()
    assert (matched(TRUTH, latents) >= 0.7).sum() >= 8
    assert latents.shape[1] <= 20
    assert sae.n_instances == 2
    assert sae.settings.readout == "poisson"
    assert len(sae.selection_) > 3


def test_told_nothing_it_chooses_and_learns_the_same_again():
    few = Block(TRAIN.counts[:500, :10], TRAIN.bins[:500])
    first, again = (SparseAutoencoder(device="cpu", n_steps=20).fit(*few) for _ in range(2))
    assert again.settings == first.settings
    latents, others = (sae.transform(*few).toarray() for sae in (first, again))
    assert np.array_equal(latents, others)


def test_where_there_is_nothing_to_find_little_is_stable():
    rng = np.random.default_rng(0)
    noise = rng.poisson(rng.gamma(2, 0.3, 30), (3000, 30)).astype(np.uint8)
    settings = CHEAP | {"n_latents": 60, "k": 4, "readout": "poisson", "n_steps": 150}
    nothing = try_settings(
        Block(noise[:2000], np.arange(2000)), Block(noise[2000:], TEST.bins), settings
    )
    features = try_settings(TRAIN, TEST, settings)
    assert nothing["stable_share"] < 0.15
    assert nothing["thinned_bits"] < 0.01
    assert features["thinned_bits"] > 0.1
    assert features["cosmoothing_r2"] > nothing["cosmoothing_r2"] + 0.1


def test_width_and_k_are_not_chosen_by_another_target():
    with pytest.raises(InputError, match="set n_latents and k"):
        SparseAutoencoder(device="cpu").fit(COUNTS, target=COUNTS[:, :5])


def test_a_model_that_is_not_trained_can_be_tried():
    row = try_settings(TRAIN, TEST, CHEAP | {"n_latents": 8, "k": 2, "n_steps": 0}, n_seeds=1)
    assert np.isnan(row["stability"])
    assert np.isfinite(row["thinned_bits"])


# -- sweeps ----------------------------------------------------------------------------------


def table_of(*splits):
    """Return a table of counts with blocks of 500 bins."""
    split = np.repeat(splits, 500).astype(object)
    n_bins, n_units = len(split), COUNTS.shape[1]
    return CountTable(
        COUNTS[:n_bins], np.arange(n_units, dtype=np.int32), 0.05 * np.arange(n_bins), split
    )


def test_a_sweep_tries_each_possible_combination_and_never_looks_at_test_bins():
    table = table_of("train", "validation", "test")
    grid = {"k": [2, 9], "smoothing": [0.0, 1.0], "n_latents": [8]}
    settings = CHEAP | {"n_steps": 5}
    trials = sweep(table, settings, grid, root_seed=3, recording="r")
    assert trials[["k", "smoothing", "n_latents"]].to_numpy().tolist() == [[2, 0, 8], [2, 1, 8]]
    changed = table._replace(counts=table.counts.copy())
    changed.counts[1000:] = 9
    again = sweep(changed, settings, grid, root_seed=3, recording="r")
    pd.testing.assert_frame_equal(trials.drop(columns="wall_s"), again.drop(columns="wall_s"))
    other = sweep(table, settings, grid, root_seed=4, recording="r")
    assert (other["thinned_bits"] != trials["thinned_bits"]).any()


def test_a_sweep_that_cannot_be_says_why():
    grid = {"k": [2], "n_latents": [8]}
    with pytest.raises(InputError, match=r"'r'.*0 validation bins.*counts\.split"):
        sweep(table_of("train", "test"), CHEAP, grid, root_seed=0, recording="r")
    with pytest.raises(InputError, match="no combination"):
        sweep(table_of("train", "validation"), CHEAP, grid | {"k": [9]}, root_seed=0, recording="r")
    with pytest.raises(InputError, match=r"'r'.*masked_share.*trial"):
        wrong = grid | {"masked_share": [1.0]}
        sweep(table_of("train", "validation"), CHEAP, wrong, root_seed=0, recording="r")


def test_small_models_keep_what_they_are_told():
    assert small(n_latents=12, k=2).fit(*TRAIN).selection_ is None

"""Width and k are chosen without truth, and what is chosen finds the planted features."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from sae_samples import matched, planted, small

from spikesieve.count_table import CountTable
from spikesieve.errors import InputError
from spikesieve.fitting import Block
from spikesieve.sae import SparseAutoencoder
from spikesieve.sae.names import TRIED
from spikesieve.sae.selection import (
    BINS_PER_LATENT,
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
        return self.rates


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
    to_choose = ["smoothing", "k", "masked_share", "n_latents"]
    return choose(*TRAIN, tuple(TEST), settings, to_choose, "cpu")


def test_it_chooses_a_k_that_is_no_copier(chosen):
    """Features are on in 0.8 of 10 places a bin, independently from bin to bin."""
    found, trials = chosen
    assert found["smoothing"] in (0, 1)
    assert found["k"] in (2, 4)
    assert found["n_latents"] in (12, 25)
    assert len(trials) == 8
    assert {*TRIED, "pattern_bits", "thinned_bits", "cosmoothing_r2", "l0"} <= set(trials)
    row = trials[(trials[list(found)] == pd.Series(found)).all(axis=1)].iloc[0]
    assert row["pattern_bits"] >= 0.98 * trials["pattern_bits"].max()
    assert (trials["l0"] <= 1.3 * trials["k"]).all()


def test_a_shared_drift_is_no_reason_to_smooth():
    """Bins are independent but for a gain that all units share and that drifts."""
    rng = np.random.default_rng(5)
    on = rng.random((3000, 10)) < 0.15
    loadings = np.where(rng.random((10, 60)) < 0.2, rng.gamma(4, 0.5, (10, 60)), 0)
    gain = np.exp(0.6 * np.sin(np.arange(3000) / 15))[:, None]
    counts = rng.poisson(gain * (0.3 + on @ loadings)).astype(np.uint8)
    settings = {"readout": "poisson", "n_latents": 24, "k": 4, "masked_share": 0.5, "n_steps": 200}
    train, held_out = Block(counts[:2000], TRAIN.bins), Block(counts[2000:], TEST.bins)
    found, trials = choose(*train, tuple(held_out), settings, ["smoothing"], "cpu")
    assert found == {"smoothing": 0.0}
    by = trials.set_index("smoothing")["pattern_bits"]
    assert by[0.0] > 1.1 * by[1.0] > 1.1 * by[2.0]


def test_the_choice_does_not_depend_on_how_many_cores_there_are():
    few, held_out = Block(TRAIN.counts[:600], TRAIN.bins[:600]), tuple(TEST)
    settings = {"readout": "poisson", "n_latents": 7, "n_steps": 20, "batch_size": 128}
    cores = torch.get_num_threads()
    found = []
    for n in (1, 2):
        torch.set_num_threads(n)
        try:
            found.append(choose(*few, held_out, settings, ["smoothing", "k"], "cpu"))
        finally:
            torch.set_num_threads(cores)
    assert found[0][0] == found[1][0]
    one, two = (trials.drop(columns="wall_s") for _, trials in found)
    pd.testing.assert_frame_equal(one, two, check_exact=True)


def test_only_what_was_left_open_is_chosen():
    settings = CHEAP | {"k": 7, "n_steps": 5}
    del settings["device"]
    few = Block(TRAIN.counts[:300, :8], TRAIN.bins[:300])
    held_out = TEST.counts[:100, :8], TEST.bins[:100]
    found, trials = choose(*few, held_out, settings, ["n_latents"], "cpu")
    assert set(found) == {"n_latents"}
    assert set(trials["k"]) == {7}
    assert set(trials["n_latents"]) == {7}


def test_candidates_keep_to_what_was_said():
    every = ["smoothing", "k", "masked_share", "n_latents"]
    assert list(candidates((10_000, 50), every, {})) == every
    assert candidates((10_000, 50), every, {})["n_latents"] == [100, 50]
    assert candidates((3200, 50), every, {})["n_latents"] == [40, 20]
    assert candidates((10_000, 50), ["k"], {"n_latents": 3}) == {"k": [2]}
    assert candidates((10_000, 50), ["k"], {"n_latents": 1}) == {"k": [1]}
    assert min(candidates((10_000, 2), ["n_latents"], {"k": 9})["n_latents"]) == 9
    assert candidates((5, 1), every, {})["k"] == [2]


def test_the_best_has_most_bits_or_nearly_as_many_and_more_latents():
    trials = pd.DataFrame(
        {
            "n_latents": [64, 64, 32, 8, 128],
            "k": [2, 4, 2, 2, 2],
            "pattern_bits": [0.495, 0.493, 0.5, np.nan, 0.45],
        }
    )
    assert best(trials).name == 0
    assert best(trials[1:]).name == 1
    assert best(trials[2:]).name == 2
    for scores, problem in (([-0.1, -0.2], "is better"), ([np.nan, np.nan], "has a score")):
        with pytest.warns(UserWarning, match=problem):
            best(trials[:2].assign(pattern_bits=scores))


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
    for score in ("thinned_bits", "pattern_bits"):
        assert -0.15 < nothing[score] < 0.01
        assert features[score] > 0.1
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


def test_a_sweep_tries_one_setting_after_the_other_and_never_looks_at_test_bins():
    table = table_of("train", "validation", "test")
    values = {"smoothing": [1.0, 0.0], "k": [2, 9], "n_latents": [800]}
    settings = CHEAP | {"n_steps": 5}
    trials = sweep(table, settings, values, root_seed=3, recording="r")
    assert set(trials["n_latents"]) == {500 // BINS_PER_LATENT}
    assert trials["smoothing"].tolist()[:2] == [1, 0]
    assert trials["k"].tolist() == [2, 2, 6]  # 9 is more than there are latents
    assert trials["smoothing"][2] in trials["smoothing"][:2].tolist()
    changed = table._replace(counts=table.counts.copy())
    changed.counts[1000:] = 9
    again = sweep(changed, settings, values, root_seed=3, recording="r")
    pd.testing.assert_frame_equal(trials.drop(columns="wall_s"), again.drop(columns="wall_s"))
    other = sweep(table, settings, values, root_seed=4, recording="r")
    assert (other["pattern_bits"] != trials["pattern_bits"]).any()


def test_a_sweep_tries_once_what_few_bins_make_the_same():
    table, widest = table_of("train", "validation"), 500 // BINS_PER_LATENT
    settings, common = CHEAP | {"n_steps": 5}, {"root_seed": 3, "recording": "r"}
    values = {"k": [10, 8, 2], "n_latents": [widest + 2, 800]}
    trials = sweep(table, settings, values, **common)
    assert trials[["n_latents", "k"]].values.tolist() == [[widest, widest], [widest, 2]]
    wide = {"k": [2], "n_latents": [800]}
    assert len(sweep(table, settings, wide, narrower=widest - 1, **common)) == 1
    for narrower in (widest, widest + 2):
        none = sweep(table, settings, wide, narrower=narrower, **common)
        assert none.empty
        assert {"n_latents", "pattern_bits"} <= set(none)
    # A budget that is set needs as many latents.
    trials = sweep(table, settings | {"k": 9}, {"n_latents": [800]}, **common)
    assert trials[["n_latents", "k"]].values.tolist() == [[9, 9]]


def test_a_sweep_over_nothing_tries_what_is_set():
    settings = CHEAP | {"n_steps": 5, "n_latents": 12, "k": 3}
    trials = sweep(table_of("train", "validation"), settings, {}, root_seed=0, recording="r")
    assert trials[["n_latents", "k"]].values.tolist() == [[12, 3]]  # 500 bins are enough for 6


def test_a_sweep_that_cannot_be_says_why():
    values = {"k": [2], "n_latents": [6]}
    with pytest.raises(InputError, match=r"'r'.*0 validation bins.*counts\.split"):
        sweep(table_of("train", "test"), CHEAP, values, root_seed=0, recording="r")
    with pytest.raises(InputError, match=r"'r'.*masked_share.*trial"):
        wrong = values | {"masked_share": [1.0]}
        sweep(table_of("train", "validation"), CHEAP, wrong, root_seed=0, recording="r")


def test_small_models_keep_what_they_are_told():
    assert small(n_latents=12, k=2).fit(*TRAIN).selection_ is None

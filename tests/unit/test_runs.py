"""Runs as the stage of meaning reads them: real small networks, and methods that left none."""

import meaning_samples as samples
import numpy as np
import pandas as pd
import pytest

from spikesieve.fitting import fit_and_score
from spikesieve.latents.meaning import meaning_tables
from spikesieve.latents.runs import network_of, read_runs, weights_of
from spikesieve.recording import write_table
from spikesieve.sae.fitting import fit_sae

SMALL = {"n_latents": 12, "k": 3, "levels": [[6, 2], [12, 3]], "n_steps": 80, "device": "cpu"}
PLAIN = {"readout": "encoder", "min_stability": 0.0, "n_instances": 1}


@pytest.fixture(scope="module")
def activations():
    rng = np.random.default_rng(0)
    on = rng.random((samples.N_BINS, 8)) < 0.08
    return np.where(on, rng.gamma(4, 0.25, on.shape), 0)


@pytest.fixture(scope="module")
def counts(activations):
    return samples.count_table(samples.counts_of(activations))


@pytest.fixture(scope="module")
def trained(counts, tmp_path_factory):
    """Return a function that trains a small model once for each set of settings."""
    folder = tmp_path_factory.mktemp("runs")
    table = pd.DataFrame(counts.counts, columns=counts.unit_ids.astype(str))
    table = table.assign(time_s=counts.time_s, split=counts.split)
    write_table(folder / "counts.parquet", "counts", table)
    done = {}

    def run(**settings):
        key = str(sorted(settings.items()))
        if key not in done:
            done[key] = folder / f"model{len(done)}/seed0"
            about = {"recording": "r", "seed": 0, "root_seed": 0}
            chosen = SMALL | PLAIN | settings
            fit_and_score(folder / "counts.parquet", done[key], fit_sae, settings=chosen, **about)
        return done[key]

    return run


def test_levels_and_weights_are_the_models_own(trained, counts):
    (run,) = read_runs(counts, [trained()])
    assert run.method == "sae"
    assert run.level.tolist() == [0] * 6 + [1] * 6
    weights = weights_of(run, counts)
    assert weights.shape == (12, samples.N_UNITS)
    assert np.isnan(run.stability).all()
    # Rows of a decoder are what a latent adds: its heaviest unit is one that it goes with.
    inside = counts.split != "gap"
    busiest = int(np.argmax(np.diff(run.latents.tocsc().indptr)))
    activity = run.latents[np.flatnonzero(inside)][:, [busiest]].toarray().ravel()
    r = [np.corrcoef(activity, counts.counts[inside, u])[0, 1] for u in range(samples.N_UNITS)]
    assert r[int(np.argmax(weights[busiest]))] > max(np.median(r), 0.1)


def test_weights_are_regressed_where_a_decoder_speaks_of_something_else(trained, counts):
    layered = trained(decoder_layers=[5], architecture="batch_topk", levels=[])
    (run,) = read_runs(counts, [layered])
    assert run.level is None
    assert weights_of(run, counts).shape == (12, samples.N_UNITS)
    around = trained(reconstruct=[-1, 0], seq_len=2)
    (run,) = read_runs(counts, [around])
    (own,) = read_runs(counts, [trained()])
    assert weights_of(run, counts).shape == weights_of(own, counts).shape


def test_a_network_gives_the_activations_it_left_behind(trained, counts):
    (run,) = read_runs(counts, [trained()])
    transform, around = network_of(run)
    assert around == 0
    bins = np.flatnonzero(counts.rows("test"))
    again = transform(counts.counts[bins], bins)
    np.testing.assert_allclose(again.toarray(), run.latents[bins].toarray(), atol=1e-5)
    (smooth,) = read_runs(counts, [trained(smoothing=1.0)])
    assert network_of(smooth)[1] == 4


def test_readouts_keep_the_levels_of_the_latents_that_are_left(trained, counts):
    read = trained(readout="poisson", min_stability=0.7, n_instances=2)
    (run,) = read_runs(counts, [read])
    assert len(run.level) == run.latents.shape[1] <= 12
    assert (np.diff(run.level) >= 0).all()
    assert weights_of(run, counts).shape == (len(run.level), samples.N_UNITS)


def test_units_are_silenced_in_the_network_itself(trained, counts):
    """Silencing its heaviest unit costs a latent most of all units."""
    made = meaning_tables(
        counts,
        pd.DataFrame({"variable": []}),
        samples.units(),
        [trained()],
        recording="r",
        model="default",
        gap_s=1.0,
        settings=samples.SETTINGS,
    )
    sources = made["sources"].dropna(subset="ablation")
    assert sources["ablation"].min() < -0.1
    r = sources.groupby("latent")[["weight", "ablation"]].corr().iloc[::2]["ablation"]
    assert r.median() < -0.5
    summary = made["summary"]
    assert summary["level"].tolist() == [0] * 6 + [1] * 6


def test_a_dictionary_says_what_is_stable_and_kept(activations, counts, tmp_path):
    for seed in (0, 1):
        samples.write_run(tmp_path / f"sae/seed{seed}", activations, seed=seed)
    first, second = read_runs(counts, [tmp_path / "sae/seed0", tmp_path / "sae/seed1"])
    assert first.stability == pytest.approx(np.ones(8))
    assert second.kept.all()
    rows = pd.DataFrame({"latent": range(8), "stability": np.linspace(0, 1, 8), "density": 0.1})
    rows = rows.assign(n_units=2.0, stable=True, kept=[False, *[True] * 7], merged_into=pd.NA)
    rows["dropped_because"] = ["duplicate", *[""] * 7]
    both = pd.concat([rows.assign(seed=0), rows.assign(seed=1, stability=0.5)])
    write_table(tmp_path / "sae/dictionary.parquet", "dictionary", both)
    first, second = read_runs(counts, [tmp_path / "sae/seed0", tmp_path / "sae/seed1"])
    assert first.stability == pytest.approx(np.linspace(0, 1, 8))
    assert second.stability == pytest.approx(np.full(8, 0.5))
    assert first.kept.tolist() == [False] + [True] * 7


def test_a_method_without_latents_has_no_run(counts, tmp_path):
    samples.write_run(tmp_path / "mean/seed0", np.zeros((samples.N_BINS, 0)), method="mean")
    assert read_runs(counts, [tmp_path / "mean/seed0"]) == []

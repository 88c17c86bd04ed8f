"""Fitting and judging any method: only training bins teach, every method has the same tables."""

import json
import os
import subprocess
import sys
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from sae_samples import planted

from spikesieve.baselines import BASELINES
from spikesieve.binning import binned_counter, write_counts
from spikesieve.count_table import read_counts_table
from spikesieve.errors import ContractError, InputError
from spikesieve.fitting import derived_seed, fit_and_score
from spikesieve.latents import features_found
from spikesieve.latents.judging import read_latents
from spikesieve.recording import read_table, write_table
from spikesieve.sae import SparseAutoencoder
from spikesieve.sae.checkpoints import read_model
from spikesieve.sae.fitting import fit_sae
from spikesieve.sae.training import TrainingError

torch.set_num_threads(1)

UNITS = np.array([3, 5, 8, 13, 21, 34], np.int32)
SPLIT = {"split": [["train", 6], ["validation", 2], ["test", 2]], "gap_s": 0.2}
NO_INTERVALS = pd.DataFrame({"start_s": [], "stop_s": [], "name": []})
SMALL_SAE = {"n_latents": 8, "k": 2, "n_steps": 40, "batch_size": 64, "device": "cpu"}
TWO = {"n_components": 2}
METHODS = {"mean": {}, "raw": {}, "pca": TWO, "factor_analysis": TWO, "nmf": TWO, "ica": TWO}
METHODS |= {"nmf_frobenius": TWO}
RUN = {"recording": "r", "seed": 1, "root_seed": 7}


def baseline(name):
    """Return a fit that takes no notice of the validation block, as baselines don't."""
    return lambda counts, bins, validation, **chosen: BASELINES[name](counts, bins, **chosen)


def write(path, counts, invalid=NO_INTERVALS, units=UNITS):
    write_counts(
        path,
        binned_counter(counts, 50, 50),
        units,
        invalid,
        SPLIT,
        duration_s=len(counts) * 0.05,
        bin_s=0.05,
        recording="r",
    )
    return path


@pytest.fixture
def counts():
    rng = np.random.default_rng(0)
    on = rng.random((1000, 2)) < 0.2
    rate = 0.3 + on @ np.array([[2, 2, 2, 0, 0, 0], [0, 0, 0, 2, 2, 2]])
    return rng.poisson(rate).astype(np.uint8)


@pytest.fixture
def path(counts, tmp_path):
    return write(tmp_path / "counts.parquet", counts)


def test_reading_gives_back_what_was_written(counts, path):
    table = read_counts_table(path)
    np.testing.assert_array_equal(table.counts, counts)
    assert table.counts.dtype == np.uint8
    assert table.unit_ids.tolist() == UNITS.tolist()
    np.testing.assert_allclose(table.time_s, np.arange(1000) * 0.05)
    assert pd.Series(table.split).value_counts().to_dict() == {
        "train": 600,
        "validation": 196,
        "test": 196,
        "gap": 8,
    }


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"unit": np.array([1], np.uint8)}, "'unit' is no unit id"),
        ({"4": np.array([1], np.int64)}, "'4' is int64, not unsigned"),
        ({"4": pd.array([None], "UInt8")}, "damaged"),
        ({"split": ["later"]}, "'later'"),
    ],
)
def test_tables_that_are_no_counts(tmp_path, columns, message):
    frame = pd.DataFrame({"time_s": [0.0], "split": ["train"]} | columns)
    write_table(tmp_path / "c.parquet", "counts", frame)
    with pytest.raises(ContractError, match=message):
        read_counts_table(tmp_path / "c.parquet")


def test_another_table_and_a_truncated_one(path, tmp_path):
    write_table(tmp_path / "h.parquet", "history", pd.DataFrame({"step": [1]}))
    with pytest.raises(ContractError, match="'history'"):
        read_counts_table(tmp_path / "h.parquet")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ContractError, match="not a readable"):
        read_counts_table(path)


def test_the_mean_scores_zero_on_the_bins_it_saw(path, tmp_path):
    fit_and_score(path, tmp_path / "mean", baseline("mean"), settings={}, **RUN)
    metrics = read_table(tmp_path / "mean/metrics.parquet", "metrics")
    r2 = metrics.query("metric == 'r2'").set_index(["split", "unit_id"])["value"]
    np.testing.assert_allclose(r2["train"], 0, atol=1e-6)
    assert (r2["test"] <= 1e-6).all()
    assert len(read_table(tmp_path / "mean/latents.parquet", "latents")) == 0
    assert metrics.query("metric == 'l0'")["value"].eq(0).all()


def test_every_method_writes_the_same_metrics(path, tmp_path):
    kinds = {}
    fits = {name: (baseline(name), settings) for name, settings in METHODS.items()}
    for name, (fit, settings) in (fits | {"sae": (fit_sae, SMALL_SAE)}).items():
        fit_and_score(path, tmp_path / name, fit, settings=settings, **RUN)
        metrics = read_table(tmp_path / name / "metrics.parquet", "metrics")
        assert set(metrics["method"]) == {name}
        metrics = metrics[~metrics["metric"].str.contains("density|^level")]
        kinds[name] = metrics.drop(columns=["method", "model", "value"]).to_csv(index=False)
        latents = read_table(tmp_path / name / "latents.parquet", "latents")
        assert latents.equals(latents.sort_values(["bin", "latent"], ignore_index=True))
    assert len(set(kinds.values())) == 1
    assert set(BASELINES) == set(METHODS)
    for metric in ("cosmoothing_r2_mean", "cosmoothing_bits_median", "deviance_explained_pooled"):
        assert metric in kinds["sae"]


def test_the_widest_level_scores_what_the_whole_dictionary_does(path, tmp_path):
    fit_and_score(path, tmp_path, fit_sae, settings=SMALL_SAE, **RUN)
    metrics = read_table(tmp_path / "metrics.parquet", "metrics").set_index(["split", "metric"])
    for split in ("train", "validation", "test"):
        for of_level, of_all in (("level2_r2_mean", "r2_mean"), ("level2_l0", "l0")):
            whole = metrics.loc[(split, of_all), "value"].item()
            assert metrics.loc[(split, of_level), "value"].item() == pytest.approx(whole, abs=1e-6)


@pytest.mark.parametrize("method", ["pca", "factor_analysis", "ica", "sae"])
def test_hidden_units_are_predicted_in_bins_that_taught_nothing(path, tmp_path, method):
    fit, settings = (fit_sae, SMALL_SAE) if method == "sae" else (baseline(method), METHODS[method])
    if method == "sae":
        settings = settings | {"n_steps": 300, "masked_share": 0.3}
    fit_and_score(path, tmp_path / method, fit, settings=settings, **RUN)
    metrics = read_table(tmp_path / method / "metrics.parquet", "metrics")
    r2 = metrics.query("metric == 'cosmoothing_r2_mean'").set_index("split")["value"]
    assert set(r2.index) == {"validation", "test"}
    assert r2["test"] > 0.05


def test_what_happens_in_test_bins_teaches_nothing(counts, path, tmp_path):
    changed, test = counts.copy(), read_counts_table(path).split == "test"
    changed[test] = 9
    other = write(tmp_path / "other.parquet", changed)
    for source, folder in ((path, "a"), (other, "b")):
        fit_and_score(source, tmp_path / folder, fit_sae, settings=SMALL_SAE, **RUN)
    for name in ("checkpoint.safetensors", "model.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    a, b = (read_table(tmp_path / f / "metrics.parquet", "metrics") for f in "ab")
    assert a.query("split == 'train'").equals(b.query("split == 'train'"))
    assert not a.query("split == 'test'").equals(b.query("split == 'test'"))


def test_the_model_is_described_beside_it(path, tmp_path):
    fit_and_score(path, tmp_path / "sae", fit_sae, settings=SMALL_SAE, **RUN)
    model = json.loads((tmp_path / "sae/model.json").read_text())
    assert model["settings"]["seed"] == model["about"]["derived_seed"] == derived_seed(7, 1)
    assert model["about"]["unit_ids"] == UNITS.tolist()
    metrics = read_table(tmp_path / "sae/metrics.parquet", "metrics")
    assert set(metrics["seed"]) == {1}
    assert len({derived_seed(root, seed) for root in range(20) for seed in range(20)}) == 400


def test_a_split_may_be_missing_but_training_bins_may_not(counts, tmp_path):
    invalid = pd.DataFrame({"start_s": [0.0], "stop_s": [30.0], "name": ["invalid"]})
    path = tmp_path / "c.parquet"
    write(path, counts)
    frame = read_table(path, "counts")
    write_table(path, "counts", frame[frame["split"] != "test"])
    fit_and_score(path, tmp_path / "out", baseline("pca"), settings=TWO, **RUN)
    metrics = read_table(tmp_path / "out/metrics.parquet", "metrics")
    assert set(metrics["split"]) == {"train", "validation"}
    write_table(path, "counts", frame[frame["split"] != "train"])
    with pytest.raises(InputError, match="recording 'r'.*0 training bins"):
        fit_and_score(path, tmp_path / "none", baseline("pca"), settings={}, **RUN)
    with pytest.raises(InputError, match="no bin is left for train, block 1 of 3"):
        write(path, counts, invalid)
    assert not (tmp_path / "none").exists()


def test_a_training_that_turns_nan_leaves_its_last_good_model_among_the_states(path, tmp_path):
    rising = {"architecture": "vanilla", "penalty": "l1", "penalty_weight": 3e38}
    fit = partial(fit_sae, states=tmp_path / "states")
    settings = SMALL_SAE | rising | {"penalty_warmup": 1.0, "n_steps": 80}
    folder = tmp_path / "run"
    with pytest.raises(TrainingError, match=r"recording .r.: .*step.*states/last_good"):
        fit_and_score(path, folder, fit, settings=settings, **RUN)
    assert not folder.exists()
    sae = SparseAutoencoder.load(tmp_path / "states" / "last_good", device="cpu")
    assert sae.seeds == [derived_seed(7, 1)]


def test_settings_that_make_no_sense_leave_nothing_behind(path, tmp_path):
    settings = SMALL_SAE | {"k": 9}
    with pytest.raises(InputError, match=r"recording 'r': .*counts.parquet: k 9 is more than"):
        fit_and_score(path, tmp_path / "bad", fit_sae, settings=settings, **RUN)
    assert not (tmp_path / "bad").exists()


@pytest.mark.parametrize(
    ("script", "options", "files"),
    [
        (
            "fit_baseline.py",
            ["--method", "pca", "--settings", '{"n_components": 2}'],
            {"model.json", "latents.parquet", "metrics.parquet"},
        ),
        (
            "train_sae.py",
            ["--model", "small", "--settings", json.dumps(SMALL_SAE)],
            {
                "model.json",
                "latents.parquet",
                "metrics.parquet",
                "history.parquet",
                "checkpoint.safetensors",
            },
        ),
    ],
)
def test_scripts_run_without_snakemake(root, path, tmp_path, script, options, files):
    command = [sys.executable, root / "workflow/scripts" / script, path, *options]
    command += ["--recording", "r", "--seed", "0", "--root-seed", "0"]
    command += ["--folder", tmp_path / "out"]
    environment = os.environ | {"PYTHONPATH": str(root / "src")}
    subprocess.run(command, check=True, env=environment)
    assert {p.name for p in (tmp_path / "out").iterdir()} == files


def test_the_random_control_learns_no_pattern_from_the_counts(root, tmp_path):
    counts, features = planted(n_bins=2000, n_features=20)
    path = write(tmp_path / "counts.parquet", counts, units=np.arange(30, dtype=np.int32))
    read = {"readout": "poisson", "min_stability": 0.7, "n_instances": 2}
    settings = json.dumps(SMALL_SAE | {"n_latents": 48} | read)
    command = [sys.executable, root / "workflow/scripts/train_sae.py", path]
    command += ["--recording", "r", "--model", "default", "--settings", settings]
    command += ["--seed", "0", "--root-seed", "0", "--null", "random", "--folder", tmp_path / "out"]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": str(root / "src")})
    rows = read_counts_table(path).rows("test")
    latents = read_latents(tmp_path / "out/latents.parquet", rows, 48)
    # A Poisson readout of the same random dictionary finds more than a third of them.
    assert features_found(features[rows], latents).recall < 0.3
    tensors, _ = read_model(tmp_path / "out")
    assert not [name for name in tensors if name.startswith("readout")]

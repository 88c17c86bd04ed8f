"""The recovery benchmark: every method gives complete rows, on few bins and few steps."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from spikesieve.errors import InputError
from spikesieve.latents.benchmark import FOUND, METHODS, MINI, recovery_scores
from spikesieve.sae import SparseAutoencoder

FEW = {"n_bins": 3500, "n_steps": 10}
OF_ALL = {*FOUND, "l0", "fit_s", "dead_fraction"}
OF_AUTOENCODERS = {
    *("n_latents", "k", "smoothing", "n_read"),
    *("stable_share", "dead_fraction_encoder"),
}
COLUMNS = ["tier", "method", "seed", "metric", "value"]


def values(rows):
    assert list(rows) == COLUMNS
    assert not rows["metric"].duplicated().any()
    return rows.set_index("metric")["value"].to_dict()


def test_the_engine_says_what_it_chose():
    rows = recovery_scores("C", 0, "sae", **FEW, n_latents=40, smoothing=1.0)
    found = values(rows)
    assert set(found) == OF_ALL | OF_AUTOENCODERS | {"recall_parents", "recall_children"}
    assert np.isfinite(list(found.values())).all()
    assert (rows["tier"] == "C").all() and (rows["method"] == "sae").all()
    assert found["n_read"] <= found["n_latents"] == 40
    assert found["k"] in (2, 4, 6, 10)
    parts = (15 * found["recall_parents"] + 45 * found["recall_children"]) / 60
    assert found["recall"] == pytest.approx(parts)


def test_where_nothing_is_planted_only_autoencoders_are_scored():
    found = values(recovery_scores("E", 0, "mini", **FEW))
    assert set(found) == OF_ALL | OF_AUTOENCODERS
    assert np.isnan([found[name] for name in FOUND]).all()
    # So short a training finds nothing, and no pair of latents may seem to be the same.
    assert found["stable_share"] == 0
    assert (found["n_latents"], found["k"]) == (1024, 24)
    assert recovery_scores("E", 0, "pca", **FEW).empty


class Stopped(Exception):
    """Training is not what a test is about."""


@pytest.mark.parametrize("method", ["sae", "mini"])
def test_autoencoders_learn_and_are_judged_stable_on_the_same_bins(method, monkeypatch):
    def fit(self, counts, bins, *, validation):
        seen.extend([bins, validation.bins])
        assert len(counts) == len(bins) and len(validation.counts) == len(validation.bins)
        raise Stopped

    seen = []
    monkeypatch.setattr(SparseAutoencoder, "fit", fit)
    with pytest.raises(Stopped):
        recovery_scores("A", 0, method, n_bins=3500)
    assert [(b[0], b[-1]) for b in seen] == [(0, 2519), (2520, 2799)]


def test_nothing_to_score_is_said(root, tmp_path):
    command = [sys.executable, root / "workflow/scripts/benchmark_recovery.py", tmp_path / "x.csv"]
    command += ["--tier", "E", "--seed", "0", "--method", "pca", "--method", "nmf"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode and not (tmp_path / "x.csv").exists()
    assert "tier E with method pca, nmf: nothing is planted" in run.stderr
    assert "Allowed: sae, mini." in run.stderr


def test_a_baseline_that_knows_the_number_of_features_finds_some():
    found = values(recovery_scores("A", 0, "nmf_smoothed", n_bins=3500))
    assert set(found) == OF_ALL
    assert found["recall"] > 0.1


def test_the_recipe_of_the_notes_is_that_of_the_configuration():
    config = Path(__file__).parents[2] / "config" / "config.yaml"
    recipe = yaml.safe_load(config.read_text())["sae"]["models"]["mini"]
    assert recipe == {**MINI, "n_instances": 1}


def test_methods_are_those_that_the_figure_expects():
    names = ["pca", "nmf", "ica", "factor_analysis"]
    both = [f"{name}{ending}" for name in names for ending in ("", "_smoothed")]
    assert list(METHODS) == ["sae", "mini", *both]
    with pytest.raises(InputError, match="nmff.*nmf"):
        recovery_scores("A", 0, "nmff")

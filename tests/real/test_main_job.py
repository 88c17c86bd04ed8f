"""The main job: one call takes every real recording to figures, a second has nothing to do."""

import json

import numpy as np
import pandas as pd
import pytest
from make_config import real_config
from workflow_runner import copy_project, nothing_to_do, snakemake

pytestmark = [pytest.mark.data, pytest.mark.timeout(1800)]  # the job itself may take 1500 s

#: recording: (units, spikes or None, seconds), as counted by other means (see the data's notes).
KNOWN = {
    "kilosort4": (403, 290_360, 90.0),
    "allen_gabor_742951821": (509, None, 911.25),
    "hc11_buddy": (48, None, 164.425),
    "chicken_retina": (154, None, 900.0),
    "allen_layout": (40, None, 180.0),
    "human_dandi": (35, 214_278, 2821.0),
}
#: One of the two sessions of a kind, to spare minutes.
SESSION = "allen_gabor_742951821"
#: Where spike distance is learnt: from LEDs, and from running speed.
DISTANCE = ["chicken_retina", "allen_layout"]
DISTANCE_FIGURES = ("training", "scores", "pairs", "rollout", "counts", "inference")
FIGURES = (
    "overview",
    "unit_quality",
    "counts",
    "reconstruction",
    "cosmoothing",
    "sae_training",
    "sae_density",
    "sae_levels",
    "sae_stability",
    "sae_sweep",
)


@pytest.fixture(scope="module")
def main_job(data, tmp_path_factory):
    # Every kind of recording and stage; fewer steps, models and widths than the defaults.
    quick = {
        "sae": {"n_steps": 100, "nulls": [], "models": {"default": {}}},
        "sweep": {"k": [8, 4], "n_steps": 30},
        "baselines": {"methods": ["mean", "pca"]},
        "counts": {"extra_bin_ms": [100]},
        "distance": {
            "recordings": DISTANCE,
            "max_units": 4,
            "widths": [16, 24, 24],
            "epochs": 0.5,
            "validations": 5,
            "methods": ["joint", "em", "cumulative", "none"],
        },
    }
    every = real_config(data)
    quick["recordings"] = [row for row in every["recordings"] if row["recording"] in KNOWN]
    project = copy_project(tmp_path_factory.mktemp("real") / "p", every | quick)
    snakemake(project)
    return project


def test_a_second_call_has_nothing_to_do(main_job):
    assert nothing_to_do(main_job)


@pytest.mark.parametrize("recording", KNOWN)
def test_each_recording_holds_what_it_is_known_to_hold(main_job, recording):
    n_units, n_spikes, seconds = KNOWN[recording]
    folder = main_job / "results/recordings" / recording
    about = json.loads((folder / "recording.json").read_text())
    units = pd.read_parquet(folder / "units.parquet")
    assert len(units) == n_units
    assert about["duration_s"] == pytest.approx(seconds, rel=0.01)
    assert 0 < units["kept"].sum() < n_units or recording in ("hc11_buddy", "human_dandi")
    if n_spikes is not None:
        assert units["n_spikes"].sum() == n_spikes


@pytest.mark.parametrize("recording", KNOWN)
def test_counts_hold_the_spikes_of_the_kept_units(main_job, recording):
    units = pd.read_parquet(main_job / f"results/recordings/{recording}/units.parquet")
    kept = units[units["kept"]]
    for path in (main_job / "results/counts" / recording).glob("*.parquet"):
        counts = pd.read_parquet(path).drop(columns=["time_s", "split"])
        assert counts.columns.tolist() == kept["unit_id"].astype(str).tolist()
        lost = kept["n_spikes"].sum() - counts.to_numpy().sum(dtype=np.int64)
        width_s = float(path.stem.removesuffix("ms")) / 1000
        # Only the last bin, cut short by the recording's end, is left out.
        assert 0 <= lost <= 10 * width_s * kept["firing_rate_hz"].sum() + 10


def median_r2(main_job, path):
    metrics = pd.read_parquet(main_job / "results" / path / "metrics.parquet")
    rows = (metrics["split"] == "test") & (metrics["metric"] == "r2")
    return metrics.loc[rows, "value"].median()


@pytest.mark.parametrize("recording", KNOWN)
def test_learners_are_no_worse_than_the_mean_where_they_were_not_trained(main_job, recording):
    """Where units fire on their own, few latents are left, and those can only equal it."""
    chance = median_r2(main_job, f"baselines/{recording}/mean/seed0")
    assert chance < 0.02
    assert median_r2(main_job, f"baselines/{recording}/pca/seed0") > chance
    assert median_r2(main_job, f"sae/{recording}/default/seed0") > chance - 0.05


def test_a_dictionary_beats_the_mean_where_units_share_a_stimulus(main_job):
    chance = median_r2(main_job, f"baselines/{SESSION}/mean/seed0")
    assert median_r2(main_job, f"sae/{SESSION}/default/seed0") > chance + 0.03


def test_single_units_and_components_tell_gabor_positions(main_job):
    """Known from other code: about .88 for single units (tests/real/gabor_selectivity.py)."""
    folder = main_job / f"results/latents/{SESSION}"
    conditions = pd.read_parquet(folder / "conditions.parquet")
    labels = conditions.groupby("variable")["label"].nunique()
    assert (labels["position"], labels["coarse_position"], labels["orientation"]) == (81, 9, 3)
    for model, least in {"raw": 0.82, "pca": 0.7}.items():
        features = pd.read_parquet(folder / f"{model}/features.parquet")
        position = features.query("chosen_by == 'label' and variable == 'position'")
        assert position["auroc"].median() > least
        assert (position["p_corrected"] <= 0.05).mean() > 0.5
        decoding = pd.read_parquet(folder / f"{model}/decoding.parquet")
        whole = decoding[decoding["fold"].isna() & (decoding["variable"] == "coarse_position")]
        assert (whole["value"] > whole["chance_high"]).all()


@pytest.mark.parametrize("recording", KNOWN)
def test_the_meaning_of_latents_is_told_wherever_something_is_known(main_job, recording):
    folder = main_job / f"results/latents/{recording}"
    known = len(pd.read_parquet(folder / "conditions.parquet")) > 0
    assert known == (recording != "kilosort4")
    for model in ("default", "raw", "pca"):
        summary = pd.read_parquet(folder / f"{model}/summary.parquet")
        assert len(summary)
        assert summary.loc[summary["named"], "name"].ne("").all()
        assert (len(pd.read_parquet(folder / f"{model}/features.parquet")) > 0) == known
    for figure in ("feature_gallery", "decoding", "method_comparison"):
        stem = main_job / f"results/figures/{figure}/{recording}"
        assert stem.with_suffix(".pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("figure", FIGURES)
def test_each_figure_is_there_with_its_numbers(main_job, figure):
    for recording in KNOWN:
        stem = main_job / f"results/figures/{figure}/{recording}"
        assert stem.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
        assert stem.with_suffix(".png").stat().st_size > 20_000
        # A dictionary that was chosen too narrow for levels says so, and draws none.
        least = 1 if figure == "sae_levels" else 10
        assert len(pd.read_csv(stem.with_suffix(".csv"))) > least


@pytest.mark.parametrize("recording", DISTANCE)
def test_spike_distance_is_learnt_and_scored(main_job, recording):
    folder = main_job / f"results/distance/{recording}/default/seed0"
    history = pd.read_parquet(folder / "history.parquet")
    looks = history["validation_loss"].dropna()
    assert len(looks) == 5
    assert looks.min() < looks.iloc[0]
    scores = pd.read_parquet(folder / "scores.parquet")
    assert scores["unit_id"].nunique() == 4
    ratio = scores[scores["metric"] == "count_ratio"].groupby("method")["value"].mean()
    assert ratio["none"] == 0
    assert 0.5 < ratio["cumulative"] < 2
    for figure in DISTANCE_FIGURES:
        stem = main_job / f"results/figures/distance_{figure}/{recording}"
        assert stem.with_suffix(".png").stat().st_size > 20_000
        assert len(pd.read_csv(stem.with_suffix(".csv"))) > 10
    page = main_job / f"results/unit_map/{recording}/unit_map.html"
    assert 10_000 < page.stat().st_size < 10e6

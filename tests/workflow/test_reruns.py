"""The promise of reruns: after each kind of change, exactly the rules that have to run again."""

import copy
import os
import shutil
import time
from pathlib import Path

import pytest
from workflow_runner import (
    TINY,
    copy_project,
    nothing_to_do,
    snakemake,
    wanted,
    write_config,
)

INGEST = {"ingest_simulated": 1}
UNITS = {"filter_units": 1}
COUNTS = {"bin_counts": 2}
OVERVIEW, QUALITY = {"figure_overview_of": 1}, {"figure_unit_quality_of": 1}
COUNTS_FIGURE = {"figure_counts_of": 1}
PCA, BASELINES = {"fit_baseline": 1}, {"fit_baseline": 3}
SWEEP = {"sweep_sae": 1, "choose_sae": 1, "figure_sae_sweep_of": 1}
SAE = {"train_sae": 4, "judge_sae": 2}
ONE_MODEL, ONE_SEED = {"train_sae": 2, "judge_sae": 1}, {"train_sae": 2, "judge_sae": 2}
NULLS = {"train_null": 2, "judge_null": 1}
RECOVERY = {"score_planted": 1, "figure_recovery_of": 1}
TABLES = {"tabulate_methods": 1, "compare_methods": 1}
SCORED = {"figure_reconstruction_of": 1, "figure_cosmoothing_of": 1}
METHODS = SCORED | TABLES | RECOVERY
STABILITY = {"figure_sae_stability_of": 1}
MODELS = {"figure_sae_density_of": 1, "figure_sae_levels_of": 1} | STABILITY
MEANING_FIGURES = {
    "figure_decoding_of": 1,
    "figure_method_comparison_of": 1,
    "compare_methods": 1,
}
PAGE = {"dashboard": 1}
NAMES = {"judge_meaning_of_null": 1, "figure_feature_gallery_of": 1} | MEANING_FIGURES | PAGE
# Latents of all methods, of both models, and of one model or baseline.
ALL_MEANING = {"judge_meaning": 4} | NAMES
MODELS_MEANING, ONE_MEANING = (
    ALL_MEANING | {"judge_meaning": 2},
    MEANING_FIGURES | {"judge_meaning": 1},
)
FIRST_MEANING = NAMES | {"judge_meaning": 1}
LABELS = {"label_bins": 1}
OF_ALL_MODELS = METHODS | MODELS
OF_FIRST_MODEL = OF_ALL_MODELS | {"figure_sae_training_of": 1}
FROM_MODELS = SAE | NULLS | OF_FIRST_MODEL | MODELS_MEANING
FIRST_MODEL = ONE_MODEL | NULLS | OF_FIRST_MODEL | FIRST_MEANING
FROM_COUNTS = COUNTS | COUNTS_FIGURE | BASELINES | SWEEP | FROM_MODELS | LABELS | ALL_MEANING
EVERYTHING = INGEST | UNITS | OVERVIEW | QUALITY | FROM_COUNTS

MINI = TINY["sae"]["models"]["mini"]


def changed(**sections):
    """Return the tiny configuration with other values in some sections."""
    config = copy.deepcopy(TINY)
    for section, values in sections.items():
        config[section] = config.get(section, {}) | values if isinstance(values, dict) else values
    return config


def edit(project: Path, file: str, old: str, new: str) -> None:
    path = project / file
    text = path.read_text()
    assert old in text, f"{old!r} is no longer in {file}"
    path.write_text(text.replace(old, new, 1))


def append(project: Path, file: str, text: str) -> None:
    with (project / file).open("a") as opened:
        opened.write(text)


def test_a_second_call_says_that_there_is_nothing_to_do(project):
    assert nothing_to_do(project)


def test_a_fresh_project_wants_everything(tmp_path):
    assert wanted(copy_project(tmp_path / "p", TINY)) == EVERYTHING


@pytest.mark.parametrize(
    ("sections", "rules"),
    [
        ({"seed": 1}, EVERYTHING),
        ({"units": {"min_firing_rate_hz": 1.0}}, UNITS | OVERVIEW | QUALITY | FROM_COUNTS),
        ({"counts": {"gap_s": 0.5}}, FROM_COUNTS),
        ({"counts": {"extra_bin_ms": [200]}}, {"bin_counts": 1} | COUNTS_FIGURE),
        ({"baselines": {"n_components": 3}}, PCA | METHODS | ONE_MEANING),
        ({"overrides": {"tiny": {"baselines": {"n_components": 3}}}}, PCA | METHODS | ONE_MEANING),
        ({"meaning": {"effect": 0.2}}, ALL_MEANING),
        ({"overrides": {"tiny": {"meaning": {"quantiles": 3}}}}, LABELS | ALL_MEANING),
        ({"sae": {"n_steps": 60}}, FROM_MODELS),
        ({"sae": {"normalisation": "max_unit"}}, SWEEP | FIRST_MODEL),
        ({"overrides": {"tiny": {"sae": {"loss": "asymmetric"}}}}, SWEEP | FIRST_MODEL),
        (
            {"sae": {"n_seeds": 3}},
            ONE_SEED | {"train_null": 1, "judge_null": 1} | OF_FIRST_MODEL | MODELS_MEANING,
        ),
        ({"sae": {"nulls": []}}, STABILITY | TABLES | {"figure_method_comparison_of": 1}),
        (
            {"baselines": {"nulls": ["shifted"]}},
            {"fit_baseline_null": 2, "judge_meaning_of_baseline_null": 1}
            | TABLES
            | {"figure_method_comparison_of": 1},
        ),
        (
            {"sae": {"models": {"default": {}, "mini": MINI | {"k": 5, "levels": []}}}},
            ONE_MODEL | OF_ALL_MODELS | ONE_MEANING,
        ),
        (
            {"sae": {"models": TINY["sae"]["models"] | {"third": MINI}}},
            ONE_MODEL | OF_ALL_MODELS | ONE_MEANING,
        ),
        ({"sweep": {"k": [2, 4]}}, SWEEP | FIRST_MODEL),
        ({"sweep": {"n_latents": [16, 24]}}, SWEEP | FIRST_MODEL),
    ],
    ids=str,
)
def test_a_value_in_config_reruns_the_rules_that_use_it_and_what_depends_on_them(
    project, sections, rules
):
    write_config(project, changed(**sections))
    assert wanted(project) == rules


def test_an_added_recording_runs_alone(project):
    config = copy.deepcopy(TINY)
    config["recordings"].append({"recording": "second", "source": "simulated", "path": "tiny"})
    write_config(project, config)
    assert wanted(project) == EVERYTHING


@pytest.mark.parametrize(
    ("file", "rules"),
    [
        ("src/spikesieve/figures/counts.py", COUNTS_FIGURE),
        ("src/spikesieve/figures/overview.py", OVERVIEW),
        ("src/spikesieve/binning.py", FROM_COUNTS),
        (
            "src/spikesieve/baselines/pca.py",
            BASELINES | METHODS | MEANING_FIGURES | {"judge_meaning": 2},
        ),
        # Meaning of all methods is judged by one script, which runs networks again.
        ("src/spikesieve/sae/training.py", SWEEP | FROM_MODELS | ALL_MEANING),
        ("src/spikesieve/sae/sweep.py", SWEEP | FIRST_MODEL),
        ("src/spikesieve/cosmoothing.py", BASELINES | SWEEP | FROM_MODELS | ALL_MEANING),
        (
            "src/spikesieve/sae/pruning.py",
            {"judge_sae": 2, "judge_null": 1} | RECOVERY | STABILITY | MODELS_MEANING,
        ),
        ("src/spikesieve/latents/labelling.py", LABELS | ALL_MEANING),
        ("src/spikesieve/latents/chance.py", ALL_MEANING),
        ("src/spikesieve/figures/decoding.py", {"figure_decoding_of": 1}),
        ("src/spikesieve/pages/dashboard/lanes.py", PAGE),
        ("src/spikesieve/pages/dashboard/time.js", PAGE),
        ("src/spikesieve/figures/sae_levels.py", {"figure_sae_levels_of": 1}),
        ("src/spikesieve/units.py", UNITS | OVERVIEW | QUALITY | FROM_COUNTS),
        ("workflow/scripts/filter_units.py", UNITS | OVERVIEW | QUALITY | FROM_COUNTS),
    ],
)
def test_an_edit_of_logic_reruns_the_rules_whose_imports_hold_it(project, file, rules):
    append(project, file, "\n\nUNUSED = 1\n")
    assert wanted(project) == rules


def test_words_layout_and_touches_rerun_nothing(project):
    edit(project, "src/spikesieve/counts.py", '"""', '"""Other words. ')
    edit(project, "src/spikesieve/units.py", "\n\ndef ", "\n\n# A comment.\ndef ")
    edit(project, "workflow/scripts/bin_counts.py", "import json\n", "import json\n\n\n")
    for path in [*project.glob("workflow/scripts/*.py"), *project.glob("workflow/rules/*.smk")]:
        os.utime(path)
    os.utime(project / "results/recordings/tiny/units.parquet")
    os.utime(project / "config/config.yaml")
    assert wanted(project) == {}


def test_a_fresh_clone_beside_copied_results_reruns_nothing(finished, tmp_path):
    time.sleep(1.1)  # so that every file of the clone is newer than every result
    clone = copy_project(tmp_path / "elsewhere" / "clone", TINY)
    shutil.copytree(finished / "results", clone / "results", copy_function=shutil.copy2)
    shutil.copytree(finished / ".snakemake", clone / ".snakemake", copy_function=shutil.copy2)
    assert wanted(clone) == {}


def test_both_front_doors_give_the_same_jobs(tmp_path):
    project = copy_project(tmp_path / "p", TINY)
    assert wanted(project) == wanted(project, "--snakefile", "workflow/Snakefile") == EVERYTHING


def test_one_figure_runs_only_what_it_needs(tmp_path):
    project = copy_project(tmp_path / "p", TINY)
    rules = wanted(project, "figure_overview")
    assert rules == INGEST | UNITS | OVERVIEW | {"figure_overview": 1}


def test_a_changed_input_file_reruns_its_recording(tmp_path, finished):
    """Kilosort's label table edited, as after a session in Phy."""
    row = {"recording": "sorted", "source": "kilosort", "path": "sorted here"}
    project = copy_project(tmp_path / "p", TINY)
    snakemake(project, "results/exports/tiny/kilosort/spike_times.npy")
    shutil.copytree(project / "results/exports/tiny/kilosort", project / "sorted here")
    write_config(project, TINY | {"recordings": [row]})
    target = "results/recordings/sorted/units.parquet"
    snakemake(project, target)
    assert wanted(project, target) == {}
    labels = project / "sorted here" / "cluster_group.tsv"
    lines = labels.read_text().splitlines()
    labels.write_text("\n".join([lines[0], lines[1].split("\t")[0] + "\tmua", *lines[2:]]) + "\n")
    assert wanted(project, target) == {"ingest_kilosort": 1, "filter_units": 1}

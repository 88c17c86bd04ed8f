"""Spike distance through the workflow: alone and together, killed, changed, reported."""

import copy
import json
import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest
from distance_samples import SMALL
from test_kills import kill_in, results_of
from workflow_runner import copy_project, snakemake, wanted, write_config

RETINA = {"kind": "retina", "duration_s": 60, "n_units": 3, "n_contaminated": 0, "n_silent": 0}
CONFIG = {
    "simulations": {"first": RETINA, "second": RETINA | {"n_units": 4, "mean_rate_hz": 12}},
    "recordings": [
        {"recording": "first", "source": "simulated", "path": "first"},
        {"recording": "second", "source": "simulated", "path": "second"},
    ],
    "distance": SMALL
    | {
        "recordings": ["first"],
        "together": {"both": ["first", "second"]},
        "models": {"default": {}, "wide": {"widths": [12, 16]}},
        "alone": [],
        "step": 16,
        "methods": ["joint", "em", "cumulative", "poisson_10", "none"],
    },
    "overrides": {"first": {"distance": {"alone": [7]}}},
}
FIGURES = ("training", "scores", "pairs", "sizes", "rollout", "counts", "inference")


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Return a project in which networks have been trained and judged."""
    folder = copy_project(tmp_path_factory.mktemp("distance") / "p", configured())
    snakemake(folder, "distance")
    return folder


@pytest.fixture
def project(trained, tmp_path):
    """Return a copy of it that a test may change."""
    shutil.copytree(trained, tmp_path / "p", copy_function=shutil.copy2)
    return tmp_path / "p"


def configured(**changes):
    """Return the configuration with units that exist, and other values in section distance."""
    config = copy.deepcopy(CONFIG)
    config["distance"] |= changes
    return config


def test_everything_is_made_and_the_second_run_does_nothing(trained):
    for name in ("first", "both"):
        for figure in FIGURES:
            assert (trained / f"results/figures/distance_{figure}/{name}.pdf").stat().st_size > 3000
        scores = pd.read_parquet(trained / f"results/distance/{name}/default/seed0/scores.parquet")
        methods = {"joint", "em", "cumulative", "poisson_10", "none", "true_rate"}
        assert set(scores["method"]) == methods
        page = trained / f"results/unit_map/{name}/unit_map.html"
        assert page.stat().st_size < 10e6
    both = pd.read_parquet(trained / "results/distance/both/default/seed0/unit_embedding.parquet")
    assert both.groupby("recording").size().to_dict() == {"first": 3, "second": 4}
    assert (trained / "results/figures/distance_alone/first.png").is_file()
    alone = json.loads((trained / "results/distance/first/alone_7/seed0/model.json").read_text())
    assert alone["units"] == [["first", 7]]
    assert alone["settings"]["unit"] == "none"
    assert "Nothing to be done" in snakemake(trained, "distance").stdout


def test_truth_scores_what_it_should(trained):
    """The true spikes of the table are those of the recording in the span."""
    folder = trained / "results/distance/first/default/seed0"
    spikes = pd.read_parquet(folder / "inferred_spikes.parquet")
    about = json.loads((folder / "inference.json").read_text())["recordings"]["first"]
    bins = pd.read_parquet(trained / "results/distance/first/bins.parquet")
    span = slice(about["first_bin"], about["first_bin"] + about["n_bins"])
    assert set(bins["split"][span]) == {"test"}
    for unit, train in spikes[spikes["method"] == "truth"].groupby("unit_id"):
        counts = bins[str(unit)].to_numpy()[span]
        found = np.bincount(train["bin"] - span.start, minlength=len(counts))
        np.testing.assert_array_equal(found, counts)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"methods": ["joint", "em", "cumulative", "poisson_10"]}, {"infer_distance": 5}),
        ({"step": 8}, {"infer_distance": 5}),
        ({"learning_rate": 0.003}, {"infer_distance": 5, "train_distance": 5}),
        (
            {"models": CONFIG["distance"]["models"] | {"wide": {"widths": [12, 20]}}},
            {"infer_distance": 2, "train_distance": 2},
        ),
        ({"min_training_rate_hz": 0.5}, {"bin_distance": 2}),
    ],
)
def test_a_changed_value_runs_what_uses_it(project, changes, expected):
    write_config(project, configured(**changes))
    found = wanted(project, "distance")
    stages = {rule: n for rule, n in found.items() if "figure" not in rule}
    assert expected.items() <= stages.items()
    if "bin_distance" not in expected:
        assert "bin_distance" not in stages
    if "train_distance" not in expected and "bin_distance" not in expected:
        assert "train_distance" not in stages
        assert not {rule for rule in stages if "map" in rule}


def test_a_killed_training_ends_as_an_undisturbed_one(trained, tmp_path, monkeypatch):
    monkeypatch.setenv("SPIKESIEVE_KEEP_MINUTES", "0")
    project = copy_project(tmp_path / "killed", configured())
    target = "results/distance/first/default/seed0/scores.parquet"
    kill_in(project, "train_distance/first/default/seed0.log", 3.5, [target])
    snakemake(project, "--unlock")
    snakemake(project, "--rerun-incomplete", target)
    expected, ended = results_of(trained), results_of(project)
    assert len(ended) > 10
    assert [name for name in ended if ended[name] != expected[name]] == []
    assert [*project.glob("results/**/.*")] == []
    assert [*project.glob("results/states/distance/first/default/seed0/*")] == []


def test_the_report_has_the_figures_and_the_page(project):
    figures = [
        *(f"results/figures/distance_{figure}/first.png" for figure in FIGURES),
        "results/unit_map/first/unit_map.html",
    ]
    snakemake(project, *figures, "--report", "results/report.zip")
    with zipfile.ZipFile(project / "results/report.zip") as archive:
        names = archive.namelist()
        page = "".join(
            archive.read(n).decode(errors="replace") for n in names if n.endswith((".html", ".js"))
        )
    for figure in figures:
        assert figure in page


def test_mistakes_in_the_section_are_named_together(tmp_path):
    changes = {
        "recordings": ["firts"],
        "together": {"second": ["first", "second"]},
        "models": {"default": {"heads": ["distance"]}, "alone_x": {}},
    }
    project = copy_project(tmp_path / "p", configured(**changes))
    text = snakemake(project, "-n", check=False).stdout
    assert "distance: no recording 'firts' (did you mean 'first'?)" in text
    assert "distance.together: 'second' is a recording's id" in text
    assert "method 'joint' reads head 'hazard'" in text
    assert "'alone_x' begins like the networks of single units" in text

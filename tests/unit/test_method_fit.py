"""Every method by its name: tuned on validation bins, smoothed, on nulls; settings; the table."""

import json

import numpy as np
import pandas as pd
import pytest

from spikesieve.baseline_settings import baseline_problems, settings_of_method
from spikesieve.baselines.methods import method_fit
from spikesieve.binning import binned_counter, write_counts
from spikesieve.errors import InputError
from spikesieve.fitting import Block, fit_and_score
from spikesieve.method_names import ALL_NAMES, DEEP
from spikesieve.methods_table import COLUMNS, methods_table
from spikesieve.recording import read_table, write_table

UNITS = np.arange(20, dtype=np.int32)
NO_INTERVALS = pd.DataFrame({"start_s": [], "stop_s": [], "name": []})


def bursts(n_bins, seed):
    """Return counts of 20 units that four sparse features of five bins drive."""
    rng = np.random.default_rng(seed)
    on = np.repeat(rng.random((-(-n_bins // 5), 4)) < 0.15, 5, axis=0)[:n_bins]
    loadings = np.kron(np.eye(4), [2, 3, 1, 2, 2])
    return rng.poisson(0.2 + on @ loadings).astype(np.uint8)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    counts = bursts(1600, 0)
    path = tmp_path_factory.mktemp("counts") / "counts.parquet"
    split = {"split": [["train", 7], ["validation", 1], ["test", 2]], "gap_s": 0.2}
    about = {"duration_s": 80.0, "bin_s": 0.05, "recording": "r"}
    write_counts(path, binned_counter(counts, 50, 50), UNITS, NO_INTERVALS, split, **about)
    return path


def run(path, folder, method, settings, **more):
    fit = method_fit(method, path, **more.pop("tables", {}))
    about = {"recording": "r", "seed": 0, "root_seed": 0}
    fit_and_score(path, folder, fit, settings=settings, **about, **more)
    metrics = read_table(folder / "metrics.parquet", "metrics")
    return metrics, json.loads((folder / "model.json").read_text())


def bits(metrics, split="test"):
    chosen = metrics[
        (metrics["metric"] == "cosmoothing_pattern_bits") & (metrics["split"] == split)
    ]
    return chosen["value"].item()


def test_what_best_tells_hidden_units_of_validation_bins_is_kept(path, tmp_path):
    metrics, model = run(
        path, tmp_path / "all", "pca", {"n_components": [1, 4], "smoothing": [0.0]}
    )
    assert model["chosen"] == {"n_components": 4, "smoothing": 0.0}
    assert set(metrics["model"]) == {"pca4"}
    tried = {t["n_components"]: t["cosmoothing_pattern_bits"] for t in model["tried"]}
    assert tried[4] == pytest.approx(bits(metrics, "validation"), abs=1e-9)
    alone, model = run(path, tmp_path / "one", "pca", {"n_components": 1})
    assert tried[1] == pytest.approx(bits(alone, "validation"), abs=1e-9)
    assert tried[1] < tried[4]
    assert "tried" not in model


def test_without_validation_bins_nothing_can_be_chosen():
    train, validation = bursts(800, 1), Block(bursts(300, 2), np.arange(900, 1200))
    fit = method_fit("factor_analysis", "unused")
    fitted = fit(train, np.arange(800), validation=validation, n_components=[1, 4, 1])
    assert fitted.model == "factor_analysis4"
    with pytest.raises(InputError, match="no validation bins"):
        fit(train, np.arange(800), validation=None, n_components=[1, 4])


def test_the_smoothed_form_sees_smoothed_counts_under_a_name_of_its_own(path, tmp_path):
    settings = {"n_components": 4}
    plain, _ = run(path, tmp_path / "plain", "pca", settings)
    metrics, _ = run(path, tmp_path / "smooth", "pca_smoothed", settings | {"smoothing": 1.0})
    assert set(metrics["method"]) == {"pca_smoothed"}
    assert set(metrics["model"]) == {"pca4_smoothed"}
    assert bits(metrics) > bits(plain) + 0.01  # features last for five bins


@pytest.mark.parametrize(
    ("method", "null"), [("pca", "shifted"), ("ica", "shifted"), ("factor_analysis", "poisson")]
)
def test_where_nothing_is_shared_nothing_is_found(path, tmp_path, method, null):
    settings = {"n_components": 4}
    real, _ = run(path, tmp_path / "real", method, settings)
    found, model = run(path, tmp_path / "null", method, settings, null=null)
    assert model["null"] == null
    assert bits(found) < 0.02 < bits(real) - 0.1


def tables_of(tmp_path):
    starts = np.arange(0.5, 79, 1.0)
    write_table(
        tmp_path / "intervals.parquet",
        "intervals",
        pd.DataFrame({"start_s": starts, "stop_s": starts + 0.5, "name": "go"}),
    )
    value = np.sin(np.arange(1600) / 20)
    speed = {"variable": "speed", "kind": "value", "bin": range(1600), "value": value}
    conditions = pd.DataFrame(speed | {"label": "x", "event": 0, "order": 0})
    write_table(tmp_path / "conditions.parquet", "conditions", conditions)
    return {n: tmp_path / f"{n}.parquet" for n in ("intervals", "conditions")}


QUICK = {
    "cebra_time": {"n_steps": 5, "batch_size": 32},
    "cebra_behaviour": {"n_steps": 5, "batch_size": 32, "variables": ["speed"]},
    "slicetca": {"n_steps": 20, "ranks": [1, 1, 0]},
    "lfads": {"n_steps": 4, "window_bins": 20, "overlap_bins": 5, "encoder_size": 8},
}


@pytest.mark.parametrize("method", DEEP)
def test_deep_methods_write_the_same_tables(path, tmp_path, method):
    settings = {"n_components": 3, "smoothing": 1.0} | QUICK[method]
    name = f"{method}_smoothed"
    metrics, _ = run(path, tmp_path / "run", name, settings, tables=tables_of(tmp_path))
    assert set(metrics["method"]) == {name}
    plain, _ = run(path, tmp_path / "pca", "pca", {"n_components": 3})
    kinds = [
        m[m["metric"] != "density"].drop(columns=["method", "model", "value"]).to_csv(index=False)
        for m in (metrics, plain)
    ]
    assert kinds[0] == kinds[1]
    latents = read_table(tmp_path / "run/latents.parquet", "latents")
    assert latents["latent"].max() < 3
    assert len(latents) > 0


def test_unknown_methods_and_tables_that_are_needed(path):
    with pytest.raises(InputError, match="did you mean 'slicetca'"):
        method_fit("slicetc", path)
    with pytest.raises(InputError, match="'intervals'"):
        method_fit("slicetca_smoothed", path)
    with pytest.raises(InputError, match="'conditions'"):
        method_fit("cebra_behaviour", path)


def configuration(**baselines):
    section = {
        "methods": ["mean", "pca"],
        "n_components": 32,
        "smoothing_bins": 0,
        "smoothing": 1.0,
        "settings": {},
    }
    split = baselines.pop("split", [["train", 7], ["validation", 1]])
    models = {name: {} for name in baselines.pop("models", ["default"])}
    return {
        "baselines": section | baselines,
        "counts": {"split": split},
        "sae": {"models": models},
    }


def test_each_method_takes_what_it_knows():
    settings = {"pca": {"normalisation": "none"}, "pca_smoothed": {"normalisation": "max_unit"}}
    of = configuration(settings=settings)
    common = {"n_components": 32, "smoothing_bins": 0}
    assert settings_of_method(of, "mean") == {}
    assert settings_of_method(of, "raw") == {"smoothing_bins": 0}
    assert settings_of_method(of, "pca") == common | {"normalisation": "none"}
    smoothed = {"normalisation": "max_unit", "smoothing": 1.0}
    assert settings_of_method(of, "pca_smoothed") == common | smoothed
    assert settings_of_method(of, "lfads") == common
    assert len(ALL_NAMES) == len(set(ALL_NAMES)) == 21


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"settings": {"pcaa": {}}}, "no method 'pcaa' (did you mean 'pca'?)"),
        (
            {"settings": {"lfads": {"n_step": 3}}},
            "unknown setting 'n_step' (did you mean 'n_steps'",
        ),
        ({"settings": {"mean": {"n": 3}}}, "it has none"),
        ({"models": ["default", "pca"]}, "sae.models.pca: this is the name of a baseline"),
        ({"n_components": [8, 16], "split": [["train", 1]]}, "n_components of pca are lists"),
    ],
)
def test_mistakes_are_named_with_their_recordings(changed, message):
    problems = baseline_problems({"a": configuration(**changed), "b": configuration(**changed)})
    assert len(problems) == 1
    assert message in problems[0]
    assert "(recordings a, b)" in problems[0]


def test_values_to_try_and_lists_that_are_values():
    slices = {"settings": {"slicetca": {"ranks": [4, 2, 0]}}, "methods": ["slicetca"]}
    assert not baseline_problems({"a": configuration(**slices, split=[["train", 1]])})
    assert not baseline_problems({"a": configuration(n_components=[8, 16])})


def test_the_table_of_methods_holds_a_row_a_run(path, tmp_path):
    runs = {"pca": "none", "null": "shifted"}
    metrics, benchmarks = [], []
    for folder, null in runs.items():
        run(path, tmp_path / folder, "pca", {"n_components": 4}, null=null)
        metrics.append(tmp_path / folder / "metrics.parquet")
        benchmarks.append(tmp_path / f"{folder}.tsv")
        measured = "12.5\t0:00:12\t-" if null == "none" else "9\t0:00:09\t512.5"
        benchmarks[-1].write_text(f"s\th:m:s\tmax_rss\n{measured}\n")
    table = methods_table(metrics, benchmarks)
    assert list(table) == list(COLUMNS)
    assert table["null"].tolist() == ["none", "shifted"]
    assert table["seconds"].tolist() == [12.5, 9]
    assert np.isnan(table["peak_mb"][0])
    assert table["peak_mb"][1] == 512.5
    assert set(table["n_latents"]) == {4}
    assert set(table["split"]) == {"test"}
    written = read_table(metrics[0], "metrics")
    assert table["cosmoothing_pattern_bits"][0] == bits(written)

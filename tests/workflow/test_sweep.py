"""The sweep and the notes' rule, of a model that leaves part of its settings open."""

import json

import pandas as pd
import pytest
from workflow_runner import TINY, copy_project, snakemake

#: More latents than a sweep would try of so few bins, a budget that ``sweep.k`` lacks.
SAE = TINY["sae"] | {"n_latents": 24, "k": 4, "masked_share": None, "smoothing": None}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """Return a project that has tried and chosen, and followed the notes' rule."""
    folder = copy_project(tmp_path_factory.mktemp("sweep"), TINY | {"sae": SAE})
    snakemake(folder, "results/sweep/tiny/choice.json", "notes_width")
    return folder / "results/sweep/tiny"


def test_a_width_that_is_set_is_the_width_that_is_tried(swept):
    trials = pd.read_parquet(swept / "trials.parquet")
    assert trials["masked_share"].tolist() == [0.5, 0.0]
    assert set(trials["n_latents"]) == {24}
    assert set(trials["k"]) == {4}
    chosen = json.loads((swept / "choice.json").read_text())["chosen"]
    assert (chosen["n_latents"], chosen["k"]) == (24, 4)


def test_widths_that_few_bins_make_the_same_are_tried_once(tmp_path):
    sweep = TINY["sweep"] | {"n_latents": [64, 16, 24, 2], "k": [2], "n_steps": 10}
    folder = copy_project(tmp_path / "p", TINY | {"sweep": sweep})
    snakemake(folder, "results/sweep/tiny/choice.json")
    trials = pd.read_parquet(folder / "results/sweep/tiny/trials.parquet")
    narrow, capped = sorted(trials["n_latents"])
    assert narrow == 2
    assert 2 < capped < 16
    logs = {p.stem: p.read_text() for p in folder.glob("results/logs/sweep_sae/**/*.log")}
    assert len(logs) == 4
    said = [name for name, text in sorted(logs.items()) if "Nothing to try" in text]
    assert [name.rsplit("~", 1)[1] for name in said] == ["24", "64"]


def test_the_notes_rule_shrinks_from_a_tenth_of_the_bins(swept):
    widths = pd.read_csv(swept / "notes_width.csv")
    assert widths["n_latents"].is_monotonic_decreasing
    assert widths["n_latents"][0] > 24
    assert widths["chosen"].sum() == 1

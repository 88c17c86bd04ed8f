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


def test_the_notes_rule_shrinks_from_a_tenth_of_the_bins(swept):
    widths = pd.read_csv(swept / "notes_width.csv")
    assert widths["n_latents"].is_monotonic_decreasing
    assert widths["n_latents"][0] > 24
    assert widths["chosen"].sum() == 1

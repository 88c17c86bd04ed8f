"""What latents mean, from the workflow's own runs to files for other tools."""

import numpy as np
import pandas as pd
import pynwb
from workflow_runner import nothing_to_do, snakemake

METHODS = ("default", "mini", "raw", "pca")


def test_every_method_is_judged_by_the_same_tables(project):
    folder = project / "results/latents/tiny"
    conditions = pd.read_parquet(folder / "conditions.parquet")
    assert {"stimulus", "running_speed"} <= set(conditions["variable"])
    for method in METHODS:
        summary = pd.read_parquet(folder / method / "summary.parquet")
        assert (summary["model"] == method).all()
        assert summary["seed"].nunique() == (2 if method in ("default", "mini") else 1)
        features = pd.read_parquet(folder / method / "features.parquet")
        assert set(features["chosen_by"]) == {"latent", "label"}
        assert features["auroc"].between(0, 1).all()
        decoding = pd.read_parquet(folder / method / "decoding.parquet")
        assert "running_speed" in set(decoding["variable"])
    units = pd.read_parquet(folder / "raw/sources.parquet")
    heaviest = units.drop_duplicates("latent")
    assert np.allclose(heaviest["weight"], 1, atol=0.05)  # a unit stands for itself
    null = project / "results/nulls/tiny/default/shifted/features.parquet"
    assert pd.read_parquet(null)["named"].sum() <= 1


def test_latents_are_exported_for_other_tools(project):
    snakemake(project, "export_latents")
    folder = project / "results/exports/tiny/default"
    summary = pd.read_parquet(project / "results/latents/tiny/default/summary.parquet")
    first = summary[summary["seed"] == 0]
    with pynwb.NWBHDF5IO(folder / "latents.nwb", "r") as io:
        file = io.read()
        module = file.processing["spikesieve"]
        assert module["latents_default"].data.shape == (1200, int((~first["dead"]).sum()))
        assert len(file.units) > 8
    assert len([*(folder / "phy").glob("cluster_*.tsv")]) == first["named"].sum()
    assert nothing_to_do(project)

"""Latents in a copy of an NWB file, and units of named features as columns for Phy."""

import numpy as np
import pandas as pd
import pynwb
import pytest
import scipy.sparse
from test_nwb import save, with_units

from spikesieve.errors import InputError
from spikesieve.exports.latents import (
    feature_name,
    first_run,
    known_bins,
    write_latents_nwb,
    write_phy_columns,
)
from spikesieve.ingest.nwb import read_nwb

SPLIT = np.array(["train"] * 60 + ["gap"] * 10 + ["test"] * 30, dtype=object)


@pytest.fixture
def summary():
    names = ["x_position = -30", "", "x_position = -30", "a<b>/c = 1 (low)"]
    return pd.DataFrame(
        {
            "seed": 0,
            "latent": np.arange(4, dtype=np.int32),
            "name": names,
            "named": [bool(name) for name in names],
            "dead": [False, True, False, False],
            "variable": ["x_position", None, "x_position", "a<b>/c"],
            "label": ["-30", None, "-30", "1"],
            **dict.fromkeys(
                ("density", "stability", "auroc", "chance_auroc", "p_corrected"), [0.5] * 4
            ),
        }
    )


@pytest.fixture
def latents():
    values = np.random.default_rng(0).random((100, 4))
    return scipy.sparse.csr_array(np.where(values > 0.5, values, 0).astype(np.float32))


def test_a_copy_holds_the_latents_and_all_that_was_there(tmp_path, summary, latents):
    source = save(with_units(), tmp_path / "source.nwb")
    before = source.read_bytes()
    out = tmp_path / "out/latents.nwb"
    options = {"bin_s": 0.05, "model": "default"}
    write_latents_nwb(source, out, latents, known_bins(SPLIT), summary, **options)
    assert source.read_bytes() == before
    with pynwb.NWBHDF5IO(out, "r") as io:
        module = io.read().processing["spikesieve"]
        series, names = module["latents_default"], module["latents_default_names"].to_dataframe()
        data = series.data[:]
        assert series.rate == pytest.approx(20)
        assert series.starting_time == pytest.approx(0.025)
    assert names["latent"].tolist() == [0, 2, 3]  # 1 is dead
    assert names["feature"].tolist() == ["x_position = -30", "x_position = -30", "a<b>/c = 1 (low)"]
    assert np.isnan(data[60:70]).all()
    inside = SPLIT != "gap"
    np.testing.assert_array_equal(data[inside], latents.toarray()[inside][:, [0, 2, 3]])
    again, once = read_nwb(out, recording="r"), read_nwb(source, recording="r")
    pd.testing.assert_frame_equal(again.units, once.units)
    pd.testing.assert_frame_equal(again.intervals, once.intervals)


def test_latents_of_one_model_go_in_once(tmp_path, summary, latents):
    source, out = save(with_units(), tmp_path / "source.nwb"), tmp_path / "one.nwb"
    known = known_bins(SPLIT)
    write_latents_nwb(source, out, latents, known, summary, bin_s=0.05, model="a")
    write_latents_nwb(out, tmp_path / "two.nwb", latents, known, summary, bin_s=0.05, model="b")
    with pynwb.NWBHDF5IO(tmp_path / "two.nwb", "r") as io:
        assert {"latents_a", "latents_b"} <= set(io.read().processing["spikesieve"].data_interfaces)
    with pytest.raises(InputError, match="already holds latents_a"):
        write_latents_nwb(out, tmp_path / "no.nwb", latents, known, summary, bin_s=0.05, model="a")
    assert not (tmp_path / "no.nwb").exists()
    with pytest.raises(InputError, match="no such file"):
        write_latents_nwb(
            tmp_path / "gone.nwb", out, latents, known, summary, bin_s=0.05, model="a"
        )


def test_phy_gets_a_column_a_named_feature(tmp_path, summary):
    sources = pd.DataFrame(
        {
            "latent": [0, 0, 1, 2, 3],
            "unit_id": [7, 3, 3, 5, 3],
            "weight": [2.0, -1.0, 1.0, 4.0, 1.0],
        }
    )
    (tmp_path / "cluster_old_l9.tsv").write_text("cluster_id\told\n")
    paths = write_phy_columns(tmp_path, summary, sources)
    assert sorted(tmp_path.glob("cluster_*.tsv")) == sorted(paths)
    assert [p.name for p in paths] == [
        "cluster_x_position_-30_l0.tsv",
        "cluster_x_position_-30_l2.tsv",
        "cluster_a_b_c_1_low_l3.tsv",
    ]
    table = pd.read_csv(paths[0], sep="\t")
    assert table.columns.tolist() == ["cluster_id", "x_position_-30_l0"]
    assert table.to_numpy().tolist() == [[3, -0.5], [7, 1.0]]


def test_names_of_files_hold_nothing_odd():
    assert feature_name("orientation = 45°", 3) == "orientation_45deg_l3"
    assert feature_name("../../x", 0) == ".._.._x_l0".replace("/", "_")
    assert "/" not in feature_name("a/b\\c", 0)
    assert len(feature_name("x" * 500, 1)) < 70


def test_the_first_seed_is_taken():
    table = pd.DataFrame({"seed": [2, 1, 1], "latent": [0, 0, 1]})
    assert first_run(table)["latent"].tolist() == [0, 1]

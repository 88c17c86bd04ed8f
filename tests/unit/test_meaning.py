"""Tuning, triggered averages, units, co-activation, names: all tables of a model's meaning."""

import meaning_samples as samples
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from spikesieve.latents.coactivity import active_bins, coactive_table
from spikesieve.latents.conditions import conditions_table
from spikesieve.latents.features import Seen
from spikesieve.latents.meaning import TABLES, lags_in_bins, meaning_tables
from spikesieve.latents.products import products
from spikesieve.latents.sources import ablations, regressed_weights, sources_table
from spikesieve.latents.triggered import triggered_table
from spikesieve.latents.tuning import tuning_table
from spikesieve.latents.variables import variables_of
from spikesieve.recording import read_table, write_table


@pytest.fixture(scope="module")
def conditions():
    time_s = samples.BIN_S * np.arange(samples.N_BINS)
    made = samples.intervals(), samples.signals(), time_s, samples.splits()
    return conditions_table(*made, bin_s=samples.BIN_S, settings=samples.SETTINGS)


@pytest.fixture(scope="module")
def activations(conditions):
    return samples.latents(conditions)


@pytest.fixture(scope="module")
def test_part(activations):
    bins = np.flatnonzero(samples.splits() == "test")
    return Seen(scipy.sparse.csr_array(activations)[bins], bins)


@pytest.fixture(scope="module")
def tables(conditions, activations, tmp_path_factory):
    """All tables of two seeds: the second found the first latents again, not the noise."""
    folder = tmp_path_factory.mktemp("meaning")
    other = samples.latents(conditions, seed=1)
    other[:, :3] = activations[:, :3]
    samples.write_run(folder / "sae/seed0", activations)
    samples.write_run(folder / "sae/seed1", other, seed=1)
    made = meaning_tables(
        samples.count_table(samples.counts_of(activations)),
        conditions,
        samples.units(),
        [folder / "sae/seed0", folder / "sae/seed1"],
        recording="r",
        model="default",
        gap_s=1.0,
        settings=samples.SETTINGS,
    )
    for name, table in made.items():
        write_table(folder / f"{name}.parquet", name, table)
    return {name: read_table(folder / f"{name}.parquet", name) for name in made}


def test_every_table_is_there_and_keeps_its_contract(tables):
    assert set(tables) == set(TABLES)
    for name, table in tables.items():
        assert len(table), name
        assert set(table["seed"]) == {0, 1}, name
        assert (table["recording"] == "r").all()
        assert (table["model"] == "default").all()


def test_the_summary_names_what_has_earned_it(tables):
    summary = tables["summary"].query("seed == 0").set_index("latent")
    assert summary["name"].tolist()[:2] == ["frame = 1", "orientation = 45°"]
    assert summary["name"].iloc[2].startswith("speed = ")
    assert (summary["name"].iloc[3:] == "").all()
    assert summary["stability"].iloc[:3].to_numpy() == pytest.approx(1)
    assert (summary["stability"].iloc[3:] < 0.7).all()
    assert summary["kept"].all()  # no dictionary says otherwise
    assert summary["level"].isna().all()
    assert not summary["dead"].any()


def test_tuning_is_the_mean_under_each_label(conditions, activations, tables):
    lag = 2  # of latent 0
    tuning = tables["tuning"].query("seed == 0 and latent == 0 and variable == 'frame'")
    test = set(np.flatnonzero(samples.splits() == "test"))
    for _, row in tuning.iterrows():
        mine = conditions.query("variable == 'frame' and label == @row.label")
        mine = mine[[b + lag in test for b in mine["bin"]]]
        values = activations[mine["bin"] + lag, 0]
        assert row["mean"] == pytest.approx(values.mean(), rel=1e-5)
        assert row["n_bins"] == len(values)
        by_event = pd.Series(values).groupby(mine["event"].to_numpy()).agg(["sum", "size"])
        residual = by_event["sum"] - values.mean() * by_event["size"]
        n = len(by_event)
        error = np.sqrt((residual**2).sum() * n / (n - 1)) / len(values)
        assert row["sem"] == pytest.approx(error, rel=1e-4)
    assert tuning["label"].tolist() == ["0", "1", "2", "3"]
    assert tuning["mean"].argmax() == 1


def test_a_silent_latent_has_no_tuning(test_part, conditions):
    silent = test_part._replace(latents=scipy.sparse.csr_array(test_part.latents.shape))
    found = tuning_table(silent, variables_of(conditions), np.zeros(8, int))
    assert found.empty


def test_triggered_averages_rise_when_the_label_begins(tables):
    mine = tables["triggered"].query("seed == 0 and latent == 0 and label == '1'")
    assert mine["lag_s"].tolist() == pytest.approx([0.05 * i for i in range(-4, 11)])
    late = mine.set_index(mine["lag_s"].round(2))["mean"]
    assert late[0.2] > 5 * late[-0.1] + 0.1
    assert late[0.05] < late[0.2] / 3  # it lags behind by two bins


@given(st.integers(0, 2**32 - 1))
def test_triggered_averages_are_means_around_events(seed):
    rng = np.random.default_rng(seed)
    bins = np.sort(rng.choice(60, 40, replace=False))
    values = rng.random((40, 1)) * (rng.random((40, 1)) < 0.5)
    values[0] = 1.0
    begins = np.sort(rng.choice(bins, 6, replace=False))
    conditions = pd.DataFrame(
        {
            "variable": "v",
            "kind": "class",
            "bin": begins,
            "event": np.arange(6),
            "value": np.nan,
            "label": list("aabbaa"),
            "order": [0, 0, 1, 1, 0, 0],
        }
    )
    features = pd.DataFrame(
        {"chosen_by": ["latent"], "latent": [0], "variable": ["v"], "label": ["a"]}
    )
    test = Seen(scipy.sparse.csr_array(values), bins)
    table = triggered_table(
        test, variables_of(conditions), features, bin_s=1.0, window_s=(-1.0, 2.0)
    )
    by_bin = dict(zip(bins.tolist(), values[:, 0], strict=True))
    for _, row in table.iterrows():
        events = begins[[c == row["label"] for c in "aabbaa"]]
        there = [by_bin[b] for b in (events + int(row["lag_s"])).tolist() if b in by_bin]
        assert row["n_events"] == len(there)
        if there:
            assert row["mean"] == pytest.approx(np.mean(there))
        if len(there) > 1:
            error = np.std(there, ddof=1) / np.sqrt(len(there))
            assert row["sem"] == pytest.approx(error, abs=1e-7)


def test_units_of_a_latent_are_those_that_it_drives(tables):
    """Unit u is driven by latent u mod 8."""
    sources = tables["sources"].query("seed == 0")
    for latent, mine in sources.groupby("latent"):
        strong = mine[mine["weight"] > 0.6]
        assert set(strong["unit_id"] - 10) == {u for u in range(12) if u % 8 == latent}
    assert sources["ablation"].isna().all()  # no network was kept
    first = sources.query("unit_id == 10").iloc[0]
    assert (first["region"], first["depth_um"]) == ("VISp", 200.0)
    assert sources.query("unit_id == 20")["region"].isna().all()


def test_regressed_weights_are_the_loadings(activations):
    loading = np.random.default_rng(0).random((8, 5))
    latents = scipy.sparse.csr_array(activations.astype(np.float32))
    weights = regressed_weights(latents, activations @ loading + 3)
    assert weights == pytest.approx(loading, rel=0.05, abs=0.02)


def test_silencing_a_unit_costs_a_linear_latent_its_share():
    """Latents are weighted sums: what each loses is its weight times the unit's counts."""
    rng = np.random.default_rng(0)
    weights = np.abs(rng.standard_normal((6, 3)))
    counts = rng.poisson(1.0, (50, 6)).astype(np.uint8)

    def transform(counts, bins):
        assert (np.diff(bins) > 0).all()
        return scipy.sparse.csr_array(counts @ weights)

    latents = transform(counts, np.arange(50))
    found = ablations(transform, 0, counts, np.arange(50), latents)
    assert found.shape == (3, 6)
    # In a sum all shares together are the whole: what is lost adds up to the mean activation.
    assert (found <= 0).all()
    active = latents.toarray()
    mean = active.sum(axis=0) / (active > 0).sum(axis=0)
    assert -found.sum(axis=1) == pytest.approx(mean)
    expected = weights * counts.mean(axis=0)[:, None] * 50 / (active > 0).sum(axis=0)
    assert np.corrcoef(-found.ravel(), expected.T.ravel())[0, 1] > 0.7
    silent = ablations(transform, 0, counts, np.arange(50), scipy.sparse.csr_array((50, 3)))
    assert np.isnan(silent).all()


def test_silencing_reads_no_more_bins_than_it_may(monkeypatch):
    from spikesieve.latents import sources

    monkeypatch.setattr(sources, "ABLATED_BINS", 60)
    read = []

    def transform(counts, bins):
        read.append(len(bins))
        return scipy.sparse.csr_array(counts.astype(float))

    counts = np.ones((100, 4), np.uint8)
    latents = transform(counts, np.arange(100))
    read.clear()
    found = ablations(transform, 2, counts, np.arange(100), latents)
    assert max(read) <= 60 // 4
    assert np.isfinite(found).any()


def test_sources_list_the_largest_weights_first():
    weights = np.array([[0.1, -3.0, 2.0], [0.0, 0.0, 1.0]])
    units = pd.DataFrame({"unit_id": [5, 6, 7], "region": ["a", None, "b"], "depth_um": 1.0})
    table = sources_table(weights, None, np.array([5, 6, 7]), units, np.array([True, False]))
    assert table["unit_id"].tolist() == [6, 7, 5]
    assert set(table["latent"]) == {0}


def test_parents_cover_their_children():
    """Latent 1 is active in half of latent 0's bins and nowhere else; 2 on its own; 3 is silent."""
    rng = np.random.default_rng(0)
    on = np.zeros((1000, 4), bool)
    on[:200, 0], on[:100, 1] = True, True
    on[:, 2] = rng.random(1000) < 0.2
    latents = scipy.sparse.csr_array(on * rng.gamma(2, 1, on.shape))
    levels = np.array([0, 1, 0, 1])
    for level in (levels, None):
        table = coactive_table(latents, level)
        row = table.query("latent == 1 and other == 0").iloc[0]
        assert row["is_parent"]
        assert row["jaccard"] == pytest.approx(0.5)
        assert not table.query("latent == 0 and other == 1").iloc[0]["is_parent"]
        assert table["is_parent"].sum() == 1
        assert 3 not in set(table["latent"]) | set(table["other"])
    r = np.corrcoef(latents.toarray()[:, :2].T)[0, 1]
    assert row["r"] == pytest.approx(r)
    swapped = coactive_table(latents, 1 - levels)  # a child of a narrower level is no child
    assert not swapped["is_parent"].any()


def test_dense_latents_are_active_where_they_are_high():
    values = np.linspace(-1, 1, 100)[:, None]
    active = active_bins(scipy.sparse.csr_array(values)).toarray()[:, 0]
    assert np.array_equal(active > 0, values[:, 0] > values.mean() + values.std())


@given(st.integers(1, 30), st.integers(0, 6), st.integers(0, 6))
def test_products_are_products(n, a, b):
    rng = np.random.default_rng(n)
    left, right = rng.integers(0, 3, (n, a)), rng.integers(0, 3, (n, b)).astype(np.uint8)
    expected = left.T.astype(float) @ right
    assert np.array_equal(products(scipy.sparse.csr_array(left), right), expected)


def test_lags_are_whole_bins():
    assert lags_in_bins([0, 50, 100], 0.05) == [0, 1, 2]
    assert lags_in_bins([0, 50, 100], 0.25) == [0]
    assert lags_in_bins([0, 50, 100], 0.025) == [0, 2, 4]


def test_without_conditions_units_and_coactivity_are_told(conditions, activations, tmp_path):
    samples.write_run(tmp_path / "pca/seed0", activations, method="pca", model="pca8")
    made = meaning_tables(
        samples.count_table(samples.counts_of(activations)),
        conditions.iloc[:0],
        samples.units(),
        [tmp_path / "pca/seed0"],
        recording="r",
        model="pca",
        gap_s=1.0,
        settings=samples.SETTINGS,
    )
    for name, table in made.items():
        write_table(tmp_path / f"{name}.parquet", name, table)
    empty = {name for name, table in made.items() if table.empty}
    assert empty == {"features", "tuning", "triggered", "decoding", "confusion"}
    summary = made["summary"]
    assert (summary["model"] == "pca").all()
    assert (summary["name"] == "").all()
    assert summary["stability"].isna().all()

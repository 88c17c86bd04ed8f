"""The unit map: layouts hold planted groups, scores find what was planted and nothing else."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikesieve.distance.averages import average_table
from spikesieve.distance.map_scores import (
    nearest,
    neighbour_similarity,
    recording_given_away,
)
from spikesieve.distance.unit_map import embedding_of, lay_out, map_units
from spikesieve.errors import InputError
from spikesieve.recording import read_table, write_table

N_LAGS = 30


def planted(n_units=60, n_kinds=4, *, n_recordings=2, offset=0.0, noise=0.3, seed=0):
    """Units of a few kinds: embedding and average tell the kind; ``offset`` parts recordings."""
    rng = np.random.default_rng(seed)
    kind = np.arange(n_units) % n_kinds
    recording = np.arange(n_units) * n_recordings // n_units
    centres = rng.normal(0, 3, (n_kinds, 8))
    embedding = centres[kind] + rng.normal(0, noise, (n_units, 8))
    embedding[:, 0] += offset * recording
    filters = rng.normal(0, 1, (n_kinds, 2, N_LAGS))
    averages = filters[kind] + rng.normal(0, 0.3, (n_units, 2, N_LAGS))
    return embedding, averages.astype(np.float32), recording, kind


def tables(embedding, averages, recording):
    """What the workflow hands over."""
    names = np.array(["first", "second", "third"])[recording]
    unit_id = np.arange(len(names), dtype=np.int32) * 2
    frame = pd.DataFrame({"recording": names, "unit_id": unit_id})
    frame = frame.assign(**{f"e{i}": column for i, column in enumerate(embedding.T)})
    parts = [
        average_table(
            name, unit_id[names == name], ["red", "blue"], averages[names == name], bin_s=0.01
        )
        for name in dict.fromkeys(names)
    ]
    return frame, pd.concat(parts, ignore_index=True)


def by_hand(embedding, averages, k):
    """Mean correlation with the k nearest, a pair at a time."""
    values = []
    for u, place in enumerate(embedding):
        distance = np.linalg.norm(embedding - place, axis=1)
        distance[u] = np.inf
        near = np.argsort(distance)[:k]
        values += [np.corrcoef(averages[u].ravel(), averages[v].ravel())[0, 1] for v in near]
    return np.mean(values)


def test_neighbours_of_a_map_of_kinds_are_alike():
    embedding, averages, recording, _ = planted()
    for score in neighbour_similarity(embedding, averages, recording):
        assert score.value == pytest.approx(by_hand(embedding, averages, 5))
        assert score.value > 0.8
        assert score.chance_low < score.chance < score.chance_high < 0.4
        assert score.p == pytest.approx(1 / 2001)
        assert score.n == 60
    given_away = recording_given_away(embedding, recording)
    assert given_away.p > 0.05
    assert given_away.chance_low <= given_away.value <= given_away.chance_high


def test_a_map_that_only_parts_recordings_is_at_chance_within_them():
    """Each recording has its own stimulus answer, and the map knows nothing but the recording."""
    recording = np.repeat([0, 1], 30)
    within = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        embedding = rng.normal(0, 1, (60, 6)) + 20 * recording[:, None]
        averages = rng.normal(0, 1, (2, 1, N_LAGS))[recording]
        averages += rng.normal(0, 1, averages.shape)
        scores = neighbour_similarity(embedding, averages, recording, n_permutations=199)
        assert scores[0].value == scores[1].value
        assert scores[0].p < 0.01
        within.append(scores[1].p)
    assert 0.3 < np.mean(within) < 0.7
    score = recording_given_away(embedding, recording)
    assert score.value == 1.0
    assert score.p < 0.01
    assert score.chance == pytest.approx(0.5, abs=0.05)


def test_p_values_are_uniform_where_nothing_is_planted():
    rng = np.random.default_rng(2)
    p = []
    for seed in range(60):
        embedding, recording = rng.normal(0, 1, (24, 3)), np.repeat([0, 1], 12)
        averages = rng.normal(0, 1, (24, 1, 5))
        scores = neighbour_similarity(embedding, averages, recording, n_permutations=99, seed=seed)
        given_away = recording_given_away(embedding, recording, n_permutations=99, seed=seed)
        p.append([*(s.p for s in scores), given_away.p])
    for values in np.transpose(p):
        assert 0.3 < np.mean(values) < 0.7
        assert (values <= 0.05).mean() < 0.15


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(3, 25), n_copies=st.integers(0, 10))
def test_nearest_are_other_units_in_order_of_distance(seed, n, n_copies):
    embedding = np.random.default_rng(seed).normal(0, 1, (n, 3))
    embedding[:n_copies] = embedding[0]
    k = n // 2
    found = nearest(embedding, k, seed)
    distance = np.linalg.norm(embedding[:, None] - embedding, axis=2)
    np.fill_diagonal(distance, np.inf)
    assert (found != np.arange(n)[:, None]).all()
    assert all(len(set(row)) == k for row in found)
    taken = np.take_along_axis(distance, found, axis=1)
    np.testing.assert_allclose(taken, np.sort(distance, axis=1)[:, :k], atol=1e-9)


def test_ties_do_not_favour_the_neighbours_in_the_table():
    """Units of one of two places each: who is first in the table must not matter."""
    recording = np.repeat([0, 1], 40)
    embedding = np.tile([[0.0], [1.0]], (40, 1))
    score = recording_given_away(embedding, recording)
    assert score.chance_low <= score.value <= score.chance_high


def test_a_large_recording_does_not_win_by_size():
    """Nine in ten units are of one recording, and the map is clear: both are named."""
    rng = np.random.default_rng(3)
    recording = np.repeat([0, 1], [90, 10])
    embedding = rng.normal(0, 1, (100, 2)) + 3.5 * recording[:, None]
    score = recording_given_away(embedding, recording)
    assert score.value > 0.95
    assert score.chance == pytest.approx(0.5, abs=0.08)


def test_units_without_an_average_are_left_out():
    embedding, averages, recording, _ = planted()
    averages[3] = np.nan
    averages[7] = 1.0
    kept = np.setdiff1d(np.arange(60), [3, 7])
    score, _ = neighbour_similarity(embedding, averages, recording)
    assert score.n == 58
    assert score.value == pytest.approx(by_hand(embedding[kept], averages[kept], 5))


@pytest.mark.parametrize(
    ("n_units", "n_recordings", "note"),
    [(60, 1, "one recording"), (3, 3, "one recording, or no second with two units")],
)
def test_one_recording_gives_nothing_away(n_units, n_recordings, note):
    embedding, _, recording, _ = planted(n_units, n_recordings=n_recordings)
    score = recording_given_away(embedding, recording)
    assert np.isnan([score.value, score.chance, score.chance_low, score.p]).all()
    assert note in score.note


def test_a_lone_unit_of_a_recording_is_left_out():
    embedding, _, recording, _ = planted()
    alone = recording_given_away(np.r_[embedding, [embedding[0]]], np.r_[recording, 9])
    assert alone.n == 60
    assert alone.value == recording_given_away(embedding, recording).value


def test_embeddings_that_collapsed_have_no_score_and_say_so():
    embedding, averages, recording, _ = planted()
    flat = np.full_like(embedding, 0.1)
    for score in (
        *neighbour_similarity(flat, averages, recording),
        recording_given_away(flat, recording),
    ):
        assert np.isnan(score.value)
        assert "all the same" in score.note
    layout = lay_out(flat)
    assert np.isnan(layout.tsne).all()
    np.testing.assert_allclose(layout.pca, 0, atol=1e-9)
    assert np.isnan(layout.pca_share)


def purity(place, kind):
    return np.mean(kind[nearest(place, 3, 0)] == kind[:, None])


@pytest.mark.parametrize("n_units", [60, 400])
def test_layouts_keep_kinds_together(n_units):
    embedding, _, _, kind = planted(n_units)
    layout = lay_out(embedding)
    assert purity(layout.tsne, kind) > 0.95
    assert purity(layout.pca, kind) > 0.8
    again = lay_out(embedding)
    np.testing.assert_array_equal(layout.tsne, again.tsne)


def test_unused_dimensions_are_not_blown_up():
    """Of 30 dimensions 28 hold next to nothing, as a variational bottleneck leaves them."""
    embedding, _, _, kind = planted(noise=0.1)
    embedding = embedding[:, :2]
    noise = np.random.default_rng(0).normal(0, 0.01, (60, 28))
    layout = lay_out(np.c_[noise, embedding])
    assert layout.pca_share > 0.99
    assert purity(layout.pca, kind) == purity(embedding, kind)
    assert purity(layout.tsne, kind) > 0.9


@settings(max_examples=15)
@given(seed=st.integers(0, 1000), n=st.integers(1, 9), d=st.integers(1, 4))
def test_few_units_have_a_defined_result(seed, n, d):
    embedding = np.random.default_rng(seed).normal(0, 1, (n, d)).astype(np.float32)
    layout = lay_out(embedding)
    assert np.isnan(layout.tsne).all() == (n < 5)
    assert np.isfinite(layout.tsne).all() == (n >= 5)
    assert np.isfinite(layout.pca).all()
    if d <= 2:
        from_all = np.linalg.norm(embedding[:, None] - embedding, axis=2)
        in_pca = np.linalg.norm(layout.pca[:, None] - layout.pca, axis=2)
        np.testing.assert_allclose(in_pca, from_all, atol=1e-5)


@pytest.mark.parametrize("bad", [np.zeros((0, 3)), np.zeros((3, 0)), np.full((3, 2), np.nan)])
def test_embeddings_that_are_none_are_refused(bad):
    with pytest.raises(InputError, match="embeddings of"):
        lay_out(bad)


def test_tables_keep_their_contracts(tmp_path):
    embedding, averages, recording, _ = planted()
    frame, average = tables(embedding, averages, recording)
    shuffled = frame[["e3", "unit_id", "e7", "e0", "e1", "recording", "e2", "e4", "e5", "e6"]]
    np.testing.assert_array_equal(embedding_of(shuffled), embedding)
    write_table(tmp_path / "e.parquet", "unit_embedding", shuffled)
    units = {"first": pd.DataFrame({"unit_id": [0, 4], "firing_rate_hz": [2.0, 3.5]})}
    read = read_table(tmp_path / "e.parquet", "unit_embedding")
    unit_map, scores = map_units(read, average, units, n_permutations=50)
    write_table(tmp_path / "m.parquet", "unit_map", unit_map)
    write_table(tmp_path / "s.parquet", "map_scores", scores)
    assert list(unit_map["firing_rate_hz"].dropna()) == [2.0, 3.5]
    assert unit_map["unit_id"].tolist() == frame["unit_id"].tolist()
    by_name = scores.set_index("score")
    assert by_name["value"].between(0, 1).all()
    expected = by_hand(embedding, averages, 5)
    assert by_name.loc["neighbour_similarity", "value"] == pytest.approx(expected)
    again = map_units(read, average, units, n_permutations=50)
    pd.testing.assert_frame_equal(again[0], unit_map)
    pd.testing.assert_frame_equal(again[1], scores)


def test_dimensions_go_by_number_not_by_name():
    frame = pd.DataFrame({f"e{i}": [float(i)] for i in (10, 2, 1)} | {"epoch": [5.0]})
    np.testing.assert_array_equal(embedding_of(frame), [[1.0, 2.0, 10.0]])
    with pytest.raises(InputError, match="no embedding among columns"):
        embedding_of(frame[["epoch"]])


def test_a_unit_may_stand_once():
    frame, average = tables(*planted()[:3])
    with pytest.raises(InputError, match="recording 'first': unit 4 stands twice"):
        map_units(pd.concat([frame, frame.iloc[2:3]]), average)
    wrong = pd.DataFrame(frame.assign(e0=np.nan))
    with pytest.raises(InputError, match="60 of them not finite"):
        map_units(wrong, average)


@pytest.mark.parametrize("settings", [{"n_neighbours": 0}, {"n_permutations": 0}])
def test_settings_out_of_range_are_refused(settings):
    frame, average = tables(*planted()[:3])
    with pytest.raises(InputError, match="1 or more"):
        map_units(frame, average, **settings)

"""Labels of bins: by bins' centres, from classes, quantiles, angles and signals."""

import meaning_samples as samples
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikesieve.latents.conditions import NONE, bins_inside, conditions_table
from spikesieve.latents.labelling import (
    coarse_labels,
    held_at,
    labels_of,
    mean_in_bins,
)
from spikesieve.recording import read_table, write_table

NO_SIGNALS = pd.DataFrame({"time_s": [], "name": [], "value": []})


def table_of(intervals, signals=NO_SIGNALS, n_bins=100, bin_s=0.1, **settings):
    split = np.array(["train"] * (n_bins // 2) + ["test"] * (n_bins - n_bins // 2), dtype=object)
    time_s = bin_s * np.arange(n_bins)
    chosen = samples.SETTINGS | {"min_repeats": 1} | settings
    return conditions_table(intervals, signals, time_s, split, bin_s=bin_s, settings=chosen)


def shown(*rows, **columns):
    table = pd.DataFrame(rows, columns=["start_s", "stop_s", "name"])
    return table.assign(**columns)


spans = st.lists(st.tuples(st.floats(0, 9), st.floats(0.01, 3)), min_size=1, max_size=8)


@given(spans)
def test_a_bin_belongs_to_an_interval_by_its_centre(spans):
    intervals = pd.DataFrame([(a, a + b) for a, b in spans], columns=["start_s", "stop_s"])
    centre = 0.05 + 0.1 * np.arange(100)
    found = set(zip(*map(list, bins_inside(intervals, centre)), strict=True))
    expected = {
        (b, row)
        for b, c in enumerate(centre)
        for row, (start, stop) in enumerate(intervals.itertuples(index=False))
        if start <= c < stop
    }
    assert found == expected


def test_kinds_of_intervals_are_told_apart_and_from_nothing():
    table = table_of(shown((0, 1, "a"), (2, 3, "b"), (0.5, 0.6, "invalid")))
    stimulus = table[table["variable"] == "stimulus"]
    assert stimulus["label"].value_counts().to_dict() == {NONE: 80, "a": 10, "b": 10}
    assert stimulus.loc[stimulus["label"] == NONE, "event"].nunique() == 2  # between, and after
    assert stimulus.sort_values("order")["label"].unique().tolist() == ["a", "b", NONE]


def test_a_condition_is_known_inside_its_intervals_only():
    table = table_of(shown((0, 1, "a"), (2, 3, "a"), (4, 5, "b"), frame=[7.0, 8.0, np.nan]))
    frame = table[table["variable"] == "frame"]
    assert frame["bin"].tolist() == [*range(10), *range(20, 30)]
    assert frame["label"].tolist() == ["7"] * 10 + ["8"] * 10
    assert frame["value"].isna().all()
    assert (frame["kind"] == "class").all()


def test_columns_of_several_kinds_are_variables_of_each():
    rows = [(i, i + 0.5, "ab"[i % 2]) for i in range(8)]
    table = table_of(shown(*rows, contrast=[0, 0, 1, 1, 0, 0, 1, 1.0]))
    assert {"a contrast", "b contrast"} <= set(table["variable"])
    assert "contrast" not in set(table["variable"])


def test_what_is_one_or_left_out_is_no_variable():
    rows = [(i, i + 0.5, "a") for i in range(8)]
    table = table_of(shown(*rows, same=1.0, trial_id=range(8), text=[str(i) for i in range(8)]))
    assert set(table["variable"]) == {"stimulus", "text"}
    assert set(table_of(shown(*rows, text=list("abcdefgh")), min_repeats=3)["variable"]) == {
        "stimulus"
    }
    assert table_of(pd.DataFrame({"start_s": [], "stop_s": [], "name": []})).empty


def test_angles_are_the_same_again_after_their_period():
    rows = [(i, i + 0.5, "a") for i in range(8)]
    angle = [0.0, 90, 180, 270] * 2
    orientation = table_of(shown(*rows, orientation=[0.0, 90, 45, 135] * 2))
    directions = table_of(shown(*rows, orientation=angle))
    mine = directions[directions["variable"] == "orientation"]
    assert mine["label"].unique().tolist() == ["0°", "90°", "180°", "270°"]  # motion: 360
    mine = orientation[orientation["variable"] == "orientation"]
    assert mine["kind"].unique().tolist() == ["angle"]
    assert mine["value"].unique().tolist() == [0, 90, 45, 135]


def test_joint_variables_are_pairs():
    rows = [(i, i + 0.5, "a") for i in range(8)]
    x, y = [-10.0, 10] * 4, [0.0, 0, 5, 5] * 2
    table = table_of(shown(*rows, x=x, y=y))
    position = table[table["variable"] == "position"]
    assert sorted(position["label"].unique()) == ["-10, 0", "-10, 5", "10, 0", "10, 5"]
    coarse = coarse_labels(pd.Series([1.0, 2, 3, 4, 5, 6]), 3)
    assert coarse.tolist() == ["1 to 2", "1 to 2", "3 to 4", "3 to 4", "5 to 6", "5 to 6"]
    assert coarse_labels(pd.Series([1.0, 2]), 3).tolist() == [1, 2]


def test_quantile_edges_come_from_the_bins_that_choose():
    """Later bins, ten times as large, all fall into the last one."""
    value = pd.Series(np.concatenate([np.arange(100.0), 1000 + np.arange(100)]))
    learnt = np.arange(200) < 100
    table = labels_of("speed", value, learnt, samples.SETTINGS)
    counts = table["label"].value_counts()
    assert counts.loc[table["label"].iloc[-1]] == 100 + 25
    assert (counts[:-1] == 25).all() or (counts[1:] == 25).all()
    assert table["kind"].unique().tolist() == ["value"]


@given(st.lists(st.floats(-5, 5, width=32), min_size=40, max_size=80), st.integers(2, 6))
def test_quantile_bins_hold_their_values(values, quantiles):
    value = pd.Series(values)
    settings = samples.SETTINGS | {"quantiles": quantiles, "max_classes": 2}
    table = labels_of("speed", value, np.ones(len(value), bool), settings)
    if table is None or table["kind"].iloc[0] == "class":
        return
    by_label = value.groupby(table["order"].to_numpy()).agg(["min", "max"])
    assert (by_label["max"].to_numpy()[:-1] <= by_label["min"].to_numpy()[1:]).all()
    assert table["order"].nunique() <= quantiles


def test_a_signal_counts_until_its_next_sample():
    """Lamps change at odd moments; a bin holds the mean of what was on."""
    when, value = np.array([0.05, 0.25, 0.4]), np.array([1.0, 3.0, 0.0])
    edges = 0.1 * np.arange(7)
    mean = mean_in_bins(when, value, edges)
    # The first bin is half covered; the third half 1, half 3.
    assert mean[:5] == pytest.approx([1, 1, 2, 3, 0], abs=1e-6)
    assert held_at(when, value, np.array([0.0, 0.05, 0.3])).tolist()[1:] == [1, 3]
    assert np.isnan(held_at(when, value, np.array([0.0]))[0])
    assert np.isnan(mean_in_bins(when, value, np.array([9.0, 9.1])))[0]  # long gone


def test_a_mean_of_samples_is_their_mean():
    rng = np.random.default_rng(0)
    when = np.arange(1000) * 0.01
    value = rng.standard_normal(1000)
    mean = mean_in_bins(when, value, 0.1 * np.arange(101))
    assert mean == pytest.approx(value.reshape(100, 10).mean(axis=1), abs=1e-5)


def test_angles_are_averaged_on_the_circle():
    when = np.arange(10) * 0.1
    mean = mean_in_bins(when, np.array([350.0, 10] * 5), np.array([0.0, 1.0]), period=360)
    assert min(mean[0], 360 - mean[0]) == pytest.approx(0, abs=1e-3)


def test_continuous_headings_fall_into_sectors():
    rng = np.random.default_rng(0)
    value = pd.Series(rng.uniform(0, 360, 400))
    table = labels_of("heading", value, np.ones(400, bool), samples.SETTINGS)
    assert table["kind"].unique().tolist() == ["angle"]
    assert (table["order"] == (value // 45).astype(int)).all()


def test_signals_of_few_values_are_classes():
    rows = [(0.1 * i, "lamp", float(i % 20 > 9)) for i in range(100)]
    signals = pd.DataFrame(rows, columns=["time_s", "name", "value"])
    table = table_of(pd.DataFrame({"start_s": [], "stop_s": [], "name": []}), signals)
    assert table["label"].unique().tolist() == ["0", "1"]
    assert table["event"].nunique() == 10  # runs


def test_the_table_keeps_its_contract(tmp_path):
    table = table_of(samples.intervals(), samples.signals(), 6000, 0.05, min_repeats=3)
    assert {"stimulus", "frame", "orientation", "speed"} == set(table["variable"])
    write_table(tmp_path / "c.parquet", "conditions", table)
    pd.testing.assert_frame_equal(
        read_table(tmp_path / "c.parquet", "conditions"), table, check_dtype=False
    )
    write_table(tmp_path / "none.parquet", "conditions", table_of(samples.intervals().iloc[:0]))
    assert read_table(tmp_path / "none.parquet", "conditions").empty

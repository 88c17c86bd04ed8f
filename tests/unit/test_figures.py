"""The figures: what is drawn is what the CSV says, nothing is missing, everything can be read."""

import matplotlib.axis
import matplotlib.text
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from matplotlib.figure import Figure

from spikesieve.code_digest import import_closure
from spikesieve.evaluation import score_reconstruction
from spikesieve.figures.counts import counts_table, draw_counts, summarise
from spikesieve.figures.overview import (
    MAX_UNITS,
    WINDOW_S,
    chosen_window,
    draw_overview,
    overview_table,
    shown_units,
)
from spikesieve.figures.reconstruction import draw_reconstruction, reconstruction_table
from spikesieve.figures.sae_training import draw_sae_training, sae_training_table
from spikesieve.figures.style import (
    COLUMNS,
    facts,
    header,
    part,
    rows,
    save_figure,
)
from spikesieve.figures.unit_quality import draw_unit_quality, unit_quality_table
from spikesieve.ingest.writing import long_signal, no_intervals, no_signals
from spikesieve.recording import table_schema, write_table
from spikesieve.spikes import Spikes, write_spikes

DURATION_S = 120.0
SETTINGS = {
    "quality": ["good"],
    "isi_threshold_ms": 2.0,
    "isi_method": "ratio",
    "max_isi_violations": 0.1,
    "min_firing_rate_hz": 0.5,
    "max_firing_rate_hz": None,
    "min_presence_ratio": None,
}


def make_units(n=30, *, isi=True, depth=True, probes=("A", "B")):
    """Units of which 0 is silent, 1 and 2 are contaminated, 2 is no good unit either."""
    rng = np.random.default_rng(0)
    rate = 10 ** rng.uniform(-0.2, 1.3, n)
    rate[0] = 0
    violations = np.where(rng.random(n) < 0.5, 0.0, 10 ** rng.uniform(-3, -1.1, n))
    violations[:3] = [np.nan, 0.4, 3.0]
    reasons = [""] * n
    reasons[0] = "low_firing_rate"
    if isi:
        reasons[:3] = [
            "isi_violations, low_firing_rate",
            "isi_violations",
            "quality, isi_violations",
        ]
    return pd.DataFrame(
        {
            "unit_id": np.arange(n, dtype=np.int32) * 3,
            "quality": ["good", "good", "mua"] + ["good"] * (n - 3),
            "region": None,
            "probe": [probes[i % len(probes)] for i in range(n)] if probes else None,
            "depth_um": rng.uniform(0, 3000, n) if depth else np.nan,
            "n_spikes": (rate * DURATION_S).astype(int),
            "firing_rate_hz": rate,
            "isi_violations": violations if isi else np.nan,
            "isi_violations_ratio": violations if isi else np.nan,
            "isi_violations_fraction": np.nan,
            "presence_ratio": np.r_[0.0, rng.uniform(0.5, 1, n - 1).round(1)],
            "kept": [r == "" for r in reasons],
            "dropped_because": reasons,
        }
    )


def make_spikes(path, units):
    rng = np.random.default_rng(1)
    ids = np.repeat(units["unit_id"].to_numpy(), units["n_spikes"])
    time_s = rng.uniform(0, DURATION_S, len(ids))
    order = np.argsort(time_s)
    spikes = Spikes(time_s[order], ids[order])
    write_spikes(
        path,
        [spikes],
        unit_ids=units["unit_id"].to_numpy(),
        duration_s=DURATION_S,
        recording="x",
        source="x",
    )
    return spikes


def make_intervals(*spans):
    return pd.DataFrame(spans, columns=["start_s", "stop_s", "name"])


def about(source="kilosort", duration_s=DURATION_S):
    return {"recording": "rec", "source": source, "duration_s": duration_s}


@pytest.fixture
def overview(tmp_path):
    units = make_units()
    spikes = make_spikes(tmp_path / "spikes.parquet", units)
    time_s = np.arange(0, DURATION_S, 0.1)
    table = overview_table(
        about(),
        units,
        make_intervals(
            (50.0, 52.0, "flash"), (55.0, 60.0, "a_stimulus_with_a_very_long_name_indeed")
        ),
        long_signal("running_speed", time_s, np.sin(time_s)),
        tmp_path / "spikes.parquet",
        isi_threshold_ms=2.0,
    )
    return table, units, spikes


@pytest.fixture
def counted_overview(tmp_path):
    units = make_units(isi=False, depth=False, probes=())
    counts = np.random.default_rng(2).poisson(0.4, (1200, len(units)))
    columns = dict(zip(units["unit_id"].astype(str), counts.T, strict=True))
    binned = pd.DataFrame({"time_s": np.arange(1200) * 0.1, **columns})
    write_table(tmp_path / "binned.parquet", "binned", binned)
    arguments = (units, no_intervals(), no_signals(), tmp_path / "binned.parquet")
    return overview_table(about("counts"), *arguments, isi_threshold_ms=2.0), units, counts


def write_counts(path, counts, bin_s, split, rows_per_group=100):
    units = [str(u) for u in range(counts.shape[1])]
    schema = table_schema("counts", dict.fromkeys(units, pa.uint16()))
    columns = [np.arange(len(counts)) * bin_s, pa.array(split), *counts.astype(np.uint16).T]
    pq.write_table(pa.table(columns, schema=schema), path, row_group_size=rows_per_group)
    return path


@pytest.fixture
def counted(tmp_path):
    rng = np.random.default_rng(3)
    fine = rng.poisson(rng.uniform(0.02, 0.6, 12), (1000, 12))
    fine[300:350] = 60  # lies in the invalid stretch and must not count
    split = np.array(["train"] * 700 + ["gap"] * 50 + ["test"] * 250, dtype=object)
    split[300:350] = "invalid"
    wide = fine.reshape(500, 2, -1).sum(axis=1)
    paths = {
        10.0: write_counts(tmp_path / "10ms.parquet", fine, 0.01, split),
        20.0: write_counts(tmp_path / "20ms.parquet", wide, 0.02, split[::2]),
    }
    return paths, fine, split


def make_metrics(method, model, seed, r2, n_bins=200):
    """Metrics of a run; unit 0 is constant in the test bins and has no R2."""
    r2 = np.r_[np.nan, r2]
    cosine = np.random.default_rng(seed).uniform(0.3, 1, n_bins)
    values = {
        "r2": r2,
        "cosine_unit": np.clip(r2, 0, 1),
        "cosine_bin": cosine,
        "r2_median": [np.nanmedian(r2)],
        "cosine_unit_median": [np.nanmedian(np.clip(r2, 0, 1))],
        "cosine_bin_median": [np.median(cosine)],
    }
    test = pd.concat([pd.DataFrame({"metric": m, "value": v}) for m, v in values.items()])
    counter = test.groupby("metric").cumcount()
    test["unit_id"] = counter.where(test["metric"].isin(["r2", "cosine_unit"]))
    train = test.assign(value=1.0)  # what is drawn must not come from here
    both = pd.concat([test.assign(split="test"), train.assign(split="train")], ignore_index=True)
    return both.assign(method=method, model=model, seed=seed).astype({"unit_id": "Int32"})


@pytest.fixture
def metrics():
    rng = np.random.default_rng(4)
    return [
        make_metrics("mean", "mean", 0, rng.uniform(-0.1, 0, 40)),
        make_metrics("pca", "pca32", 0, rng.uniform(0.3, 0.6, 40)),
        make_metrics("sae", "batch_topk", 0, np.r_[-7.0, -3.0, rng.uniform(0.1, 0.3, 38)]),
        make_metrics("sae", "batch_topk", 1, rng.uniform(0.1, 0.3, 40)),
    ]


@pytest.fixture
def histories():
    step = np.arange(0, 1000, 10)
    return {
        seed: pd.DataFrame(
            {
                "step": step,
                "loss": 0.2 + np.exp(-step / 100) + 0.01 * seed,
                "aux_loss": 0.1,
                "l0": 8.0,
                "live_fraction": 0.9,
                "learning_rate": 0.005,
                "wall_s": step / 10,
            }
        )
        for seed in (0, 1)
    }


@pytest.fixture(
    params=["overview", "counted_overview", "unit_quality", "counts", "reconstruction", "training"]
)
def drawing(request, counted, metrics, histories):
    """A drawing table and the function that draws it, of every figure."""
    if request.param.endswith("overview"):
        return request.getfixturevalue(request.param)[0], draw_overview
    return {
        "unit_quality": (unit_quality_table("rec", make_units(), SETTINGS), draw_unit_quality),
        "counts": (counts_table("rec", counted[0], 10.0), draw_counts),
        "reconstruction": (reconstruction_table("rec", metrics), draw_reconstruction),
        "training": (sae_training_table("rec", histories), draw_sae_training),
    }[request.param]


def read_csv(path):
    """Read a figure's CSV with the types of a drawing table."""
    texts = {c: kind for c, kind in COLUMNS.items() if kind is str}
    numbers = {c: [""] for c in COLUMNS if c not in texts}
    return pd.read_csv(path, dtype=texts, keep_default_na=False, na_values=numbers).astype(COLUMNS)


def said(ax):
    """Return the sentences inside a panel, each on one line."""
    return [t.get_text().replace("\n", " ") for t in ax.texts]


def assert_readable(figure):
    """Every text is large enough, inside the figure, and touches no other; no panel is blank."""
    figure.draw_without_rendering()
    page = figure.bbox
    hidden, boxes = _hidden_ticks(figure), []
    for text in figure.findobj(matplotlib.text.Text):
        box = text.get_window_extent()
        if not text.get_visible() or not text.get_text().strip() or id(text) in hidden:
            continue
        assert text.get_fontsize() >= 6.5, text.get_text()
        assert page.x0 <= box.x0 and box.x1 <= page.x1, f"{text.get_text()!r} leaves the page"
        assert page.y0 <= box.y0 and box.y1 <= page.y1, f"{text.get_text()!r} leaves the page"
        boxes.append((text.get_text(), box))
    for i, (name, box) in enumerate(boxes):
        for other_name, other in boxes[:i]:
            overlap_x = min(box.x1, other.x1) - max(box.x0, other.x0)
            overlap_y = min(box.y1, other.y1) - max(box.y0, other.y0)
            touching = overlap_x > 1 and overlap_y > 2  # a text's box is taller than its letters
            assert not touching, f"{name!r} lies on {other_name!r}"
    for ax in figure.axes:
        assert ax.has_data() or said(ax), f"panel {ax.get_title(loc='left')!r} is empty"


def _hidden_ticks(figure):
    """Return the ids of labels of ticks beyond an axis's ends, which are not drawn."""
    hidden = set()
    for axis in figure.findobj(matplotlib.axis.Axis):
        drawn = {id(tick) for tick in axis._update_ticks()}
        ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
        hidden |= {id(b) for t in ticks if id(t) not in drawn for b in (t.label1, t.label2)}
    return hidden


def test_every_figure_can_be_read(drawing):
    table, draw = drawing
    assert_readable(draw(table))


def test_the_csv_draws_the_same_picture(drawing, tmp_path):
    table, draw = drawing
    save_figure(draw(table), table, tmp_path / "a.b")
    again = read_csv(tmp_path / "a.b.csv")
    pd.testing.assert_frame_equal(again, table, check_exact=True)
    save_figure(draw(again), again, tmp_path / "second")
    for suffix in (".png", ".pdf", ".csv"):
        first, second = ((tmp_path / f"{n}{suffix}").read_bytes() for n in ("a.b", "second"))
        assert first == second, suffix
    assert b"CreationDate" not in (tmp_path / "a.b.pdf").read_bytes()


def test_a_figure_that_cannot_be_saved_leaves_nothing(tmp_path):
    class Broken(Figure):
        def savefig(self, path, **options):
            path.write_bytes(b"half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        save_figure(Broken(), rows("panel", "a"), tmp_path / "figure")
    assert [*tmp_path.iterdir()] == []


def test_rows_take_single_values_and_columns():
    table = rows("p", "s", [1, 2], 3.0)
    assert table[["x", "y"]].to_numpy().tolist() == [[1, 3], [2, 3]]
    assert [*table] == [*COLUMNS]
    assert header(facts(n=3, name="a b")) == {"n": "3", "name": "a b"}
    assert part(table, "other").empty


def test_an_edit_of_a_figure_changes_that_figure_only(root):
    """A digest is of all that a script imports (see test_code_digest.py)."""
    scripts = sorted((root / "workflow" / "scripts").glob("*.py"))
    closures = {script.stem: import_closure(script, root / "src") for script in scripts}
    figures = [name for name in closures if name.startswith("figure_")]
    assert len(figures) >= 20
    for name in figures:
        module = f"spikesieve.figures.{name.removeprefix('figure_')}"
        assert [other for other, closure in closures.items() if module in closure] == [name]


class TestOverview:
    def test_the_raster_holds_the_spikes_of_kept_units_in_the_window(self, overview):
        table, units, (time_s, unit_id) = overview
        start, stop = (float(header(table)[k]) for k in ("start_s", "stop_s"))
        assert stop - start == WINDOW_S
        kept = np.isin(unit_id, units.loc[units["kept"], "unit_id"])
        inside = kept & (time_s >= start) & (time_s < stop)
        raster = part(table, "raster")
        assert raster["x"].tolist() == time_s[inside].tolist()
        assert raster["series"].astype(int).tolist() == unit_id[inside].tolist()
        order = shown_units(units)["unit_id"].to_numpy()
        assert order[raster["y"].astype(int)].tolist() == unit_id[inside].tolist()

    def test_units_are_ordered_by_probe_and_depth(self, overview):
        table, units, _ = overview
        shown = shown_units(units)
        assert shown["probe"].is_monotonic_increasing
        assert shown.groupby("probe")["depth_um"].apply(lambda d: d.is_monotonic_increasing).all()
        probes = part(table, "probe")
        assert probes["x_stop"].max() == len(shown) == units["kept"].sum()

    def test_of_many_units_a_spread_is_shown(self):
        units = make_units(500)
        shown = shown_units(units)
        assert len(shown) == MAX_UNITS == shown["unit_id"].nunique()
        assert shown["kept"].all()

    def test_intervals_between_spikes_land_in_their_bin(self, tmp_path):
        units = make_units(4).assign(kept=[False, False, False, True])
        units["n_spikes"] = [0, 0, 0, 2400]
        time_s = np.arange(2400) * 0.05 + 0.001
        write_spikes(
            tmp_path / "s.parquet",
            [Spikes(time_s, np.full(2400, 9))],
            unit_ids=units["unit_id"].to_numpy(),
            duration_s=DURATION_S,
            recording="x",
            source="x",
        )
        arguments = (units, no_intervals(), no_signals(), tmp_path / "s.parquet")
        table = overview_table(about(), *arguments, isi_threshold_ms=2.0)
        isi = part(table, "isi")
        full = isi[isi["y"] > 0]
        assert set(full["series"]) == {"kept"}
        assert full["y"].sum() == pytest.approx(1)
        assert ((full["x"] < 50.1) & (full["x_stop"] > 49.9)).all()
        assert full["label"].iloc[0] == "2,399"
        assert_readable(draw_overview(table))

    def test_rates_and_drops_count_every_unit(self, overview):
        table, units, _ = overview
        rates = part(table, "rate")
        assert rates["y"].sum() + int(header(table)["n_silent"]) == len(units)
        drops = part(table, "drops").set_index("series")["y"].to_dict()
        assert drops == {"kept": 27, "ISI violations": 3, "low firing rate": 1, "quality": 1}

    def test_counts_are_drawn_where_there_are_no_spikes(self, counted_overview):
        table, units, counts = counted_overview
        assert part(table, "raster").empty and part(table, "isi").empty
        about = header(table)
        start, stop = (round(float(about[k]) * 10) for k in ("start_s", "stop_s"))
        kept = counts[start:stop, units["kept"]]
        cells = part(table, "cells")
        assert cells["label"].astype(int).sum() == kept.sum()
        shares = part(table, "counts", "kept")
        assert shares["y"].iloc[0] == pytest.approx((counts[:, units["kept"]] == 0).mean())
        assert about["bin_ms"] == "100" and about["order"] == "id"

    @pytest.mark.parametrize(
        ("intervals", "expected"),
        [
            ((), (487.5, 512.5)),
            (((499.0, 501.0, "a"),), (487.5, 512.5)),
            (((100.0, 101.0, "a"), (700.0, 701.0, "a")), (687.5, 712.5)),
            (((5.0, 6.0, "a"), (700.0, 701.0, "invalid")), (0.0, 25.0)),
        ],
    )
    def test_the_window_is_the_middle_or_near_stimuli(self, intervals, expected):
        assert chosen_window(1000.0, make_intervals(*intervals)) == expected

    def test_a_short_recording_is_shown_whole(self):
        assert chosen_window(3.0, make_intervals()) == (0.0, 3.0)

    def test_gapless_presentations_join_and_visible_gaps_stay(self, tmp_path):
        units = make_units()
        make_spikes(tmp_path / "s.parquet", units)
        spans = [(50 + 0.25 * i, 50.25 + 0.25 * i, "gabor") for i in range(20)]
        spans += [(60.0, 60.5, "flash"), (61.0, 61.5, "flash")]
        arguments = (units, make_intervals(*spans), no_signals(), tmp_path / "s.parquet")
        lanes = part(overview_table(about(), *arguments, isi_threshold_ms=2.0), "intervals")
        spans = lanes[["series", "x", "x_stop"]].to_numpy().tolist()
        assert spans == [["gabor", 50, 55], ["flash", 60, 60.5], ["flash", 61, 61.5]]
        assert lanes["label"].iloc[0] == "gabor (n = 20)"

    def test_a_signal_kept_only_where_it_changes_reaches_the_window(self, tmp_path):
        units = make_units()
        make_spikes(tmp_path / "s.parquet", units)
        led = long_signal("led", [0.0, 1.0, 60.0, 110.0], [0, 1, 0, 1])
        arguments = (units, no_intervals(), led, tmp_path / "s.parquet")
        signal = part(overview_table(about(), *arguments, isi_threshold_ms=2.0), "signal")
        assert signal[["x", "y"]].to_numpy().tolist() == [[47.5, 1], [60, 0]]

    def test_many_probes_of_one_unit_can_be_read(self, tmp_path):
        names = [f"microwire-electrode-{i}" for i in range(80)]
        units = make_units(80, probes=names)
        make_spikes(tmp_path / "s.parquet", units)
        arguments = (units, no_intervals(), no_signals(), tmp_path / "s.parquet")
        assert_readable(draw_overview(overview_table(about(), *arguments, isi_threshold_ms=2.0)))

    @pytest.mark.parametrize(
        ("times_s", "raster", "rates", "intervals"),
        [
            (
                [],
                ["No spike of the units shown in this window"],
                ["No unit has a spike"],
                ["No unit has two spikes here"],
            ),
            ([60.0], [], [], ["No unit has two spikes here"]),
            ([1.0, 2.0], ["No spike of the units shown in this window"], [], ["2 ms "]),
        ],
    )
    def test_spikes_that_are_missing_are_said(self, tmp_path, times_s, raster, rates, intervals):
        units = make_units(4).iloc[3:]
        units = units.assign(n_spikes=len(times_s), firing_rate_hz=len(times_s) / DURATION_S)
        write_spikes(
            tmp_path / "s.parquet",
            [Spikes(np.array(times_s), np.full(len(times_s), 9, np.int32))],
            unit_ids=units["unit_id"].to_numpy(),
            duration_s=DURATION_S,
            recording="x",
            source="x",
        )
        arguments = (units, no_intervals(), no_signals(), tmp_path / "s.parquet")
        table = overview_table(about(), *arguments, isi_threshold_ms=2.0)
        figure = draw_overview(table)
        assert [said(ax) for ax in figure.axes[:3]] == [raster, rates, intervals]
        assert_readable(figure)
        save_figure(figure, table, tmp_path / "figure")

    @pytest.mark.parametrize("n_bins", [1, 2, 1200])
    @pytest.mark.parametrize("level", [0, 2])
    def test_counts_of_few_bins_or_without_spikes(self, tmp_path, n_bins, level):
        units = make_units(3).iloc[:2].assign(kept=True, firing_rate_hz=level / 0.1)
        columns = {str(u): np.full(n_bins, level) for u in units["unit_id"]}
        binned = pd.DataFrame({"time_s": np.arange(n_bins) * 0.1, **columns})
        write_table(tmp_path / "binned.parquet", "binned", binned)
        arguments = (units, no_intervals(), no_signals(), tmp_path / "binned.parquet")
        recording = about("counts", duration_s=0.1 * n_bins)
        figure = draw_overview(overview_table(recording, *arguments, isi_threshold_ms=2.0))
        activity, rates = figure.axes[:2]
        missing = "No spike of the units shown in this window"
        assert activity.get_title(loc="left").startswith("$\\bf{a}$  Counts in bins of 100 ms")
        assert said(activity) == ([] if level else [missing])
        assert said(rates) == ([] if level else ["No unit has a spike"])
        seen = (activity.images[0].get_array() == level).sum(axis=1)
        assert seen.min() >= min(n_bins, WINDOW_S / 0.1)
        assert_readable(figure)


class TestUnitQuality:
    def test_toll_and_thresholds_are_those_of_the_filter(self):
        table = unit_quality_table("rec", make_units(), SETTINGS)
        toll = part(table, "toll")
        failing = toll[toll["series"] == "failing"].set_index("label")["y"].to_dict()
        only = toll[toll["series"] == "failing only this"].set_index("label")["y"].to_dict()
        assert failing == {"ISI violations": 3, "low firing rate": 1, "quality": 1}
        assert only == {"ISI violations": 1, "low firing rate": 0, "quality": 0}
        limits = part(table, "threshold").set_index("series")["label"].to_dict()
        assert limits == {"isi_violations": "≤ 0.1", "firing_rate_hz": "≥ 0.5"}

    def test_units_without_violations_are_drawn_at_a_marked_zero(self):
        units = make_units()
        table = unit_quality_table("rec", units, SETTINGS)
        assert (part(table, "left")["y"] == 0).any()
        ax = draw_unit_quality(table).axes[0]
        drawn = np.concatenate([c.get_offsets() for c in ax.collections])
        assert len(drawn) == (units["n_spikes"] > 0).sum()
        assert np.isfinite(drawn).all() and (drawn[:, 1] > ax.get_ylim()[0]).all()
        assert "0" in [t.get_text() for t in ax.get_yticklabels()]

    @pytest.mark.parametrize("depth", [True, False])
    @pytest.mark.parametrize("isi", [True, False])
    def test_every_kind_of_source_fills_its_panels(self, isi, depth):
        table = unit_quality_table("rec", make_units(isi=isi, depth=depth), SETTINGS)
        about = header(table)
        assert ("isi_violations" in about.values()) == isi
        assert ("depth_um" in about.values()) == depth
        assert_readable(draw_unit_quality(table))

    def test_rates_within_a_decade_can_be_read(self):
        units = make_units().assign(isi_violations=0.0)
        units["firing_rate_hz"] = units["firing_rate_hz"].clip(0.3, 4)
        assert_readable(draw_unit_quality(unit_quality_table("rec", units, SETTINGS)))

    def test_no_violation_at_all_and_nothing_dropped(self):
        units = make_units().iloc[3:].assign(isi_violations=0.0)
        table = unit_quality_table("rec", units, SETTINGS)
        figure = draw_unit_quality(table)
        assert_readable(figure)
        assert len(np.concatenate([c.get_offsets() for c in figure.axes[0].collections])) == 27

    def test_units_without_a_spike_are_said(self):
        units = make_units().assign(n_spikes=0, firing_rate_hz=0.0, isi_violations=np.nan)
        figure = draw_unit_quality(unit_quality_table("rec", units, SETTINGS))
        left, _, right = figure.axes
        assert said(left) == said(right) == ["No unit has a spike"]
        assert "30 without a spike not shown" in left.get_title(loc="left")
        assert_readable(figure)


class TestCounts:
    def test_shares_and_means_leave_invalid_bins_out(self, counted):
        paths, fine, split = counted
        summary = summarise(paths[10.0])
        valid = fine[split != "invalid"]
        np.testing.assert_allclose(summary.zero_share, (valid == 0).mean(axis=0))
        np.testing.assert_allclose(summary.mean, valid.mean(axis=0))
        table = counts_table("rec", paths, 10.0)
        medians = part(table, "mean_count", "median").set_index("x")["y"]
        assert medians[10.0] == pytest.approx(np.median(valid.mean(axis=0)))
        assert medians[20.0] == pytest.approx(2 * medians[10.0])
        assert header(table)["n_valid_bins"] == "950"

    def test_splits_are_drawn_where_they_lie(self, counted):
        runs = part(counts_table("rec", counted[0], 10.0), "split")
        assert runs["series"].tolist() == ["train", "invalid", "train", "gap", "test"]
        np.testing.assert_allclose(runs["x"], [0, 3, 3.5, 7, 7.5])
        np.testing.assert_allclose(runs["x_stop"], [3, 3.5, 7, 7.5, 10])
        assert runs["label"].astype(int).sum() == 1000

    def test_the_distribution_is_a_share_of_bins(self, counted):
        paths, fine, split = counted
        table = counts_table("rec", paths, 10.0)
        pooled = part(table, "distribution", "pooled")
        above = float(header(table)["share_above"])
        assert pooled["y"].sum() + above == pytest.approx(1, abs=1e-3)
        assert pooled["y"].iloc[0] == pytest.approx((fine[split != "invalid"] == 0).mean())

    def test_a_single_width_shows_units_against_poisson(self, counted):
        table = counts_table("rec", {10.0: counted[0][10.0]}, 10.0)
        figure = draw_counts(table)
        assert_readable(figure)
        scatter = figure.axes[0].collections[0].get_offsets()
        np.testing.assert_allclose(scatter, part(table, "scatter")[["x", "y"]])

    @pytest.mark.parametrize("n_silent", [2, 12])
    def test_silent_units_are_counted_beside_the_logarithmic_axis(
        self, counted, tmp_path, n_silent
    ):
        _, fine, split = counted
        fine[:, :n_silent] = 0
        path = write_counts(tmp_path / "silent.parquet", fine, 0.01, split)
        figure = draw_counts(counts_table("rec", {10.0: path}, 10.0))
        sparsity = figure.axes[0]
        assert f"({n_silent} without a spike not shown)" in sparsity.get_title(loc="left")
        assert said(sparsity) == (["No unit has a spike in a valid bin"] if n_silent == 12 else [])
        assert_readable(figure)

    def test_a_silent_recording_at_several_widths_has_means_of_zero(self, counted, tmp_path):
        _, fine, split = counted
        path = write_counts(tmp_path / "silent.parquet", fine * 0, 0.01, split)
        figure = draw_counts(counts_table("rec", {10.0: path, 20.0: path}, 10.0))
        assert figure.axes[1].lines[0].get_ydata().tolist() == [0, 0]
        assert figure.axes[1].get_yscale() == "linear"
        assert_readable(figure)


class TestReconstruction:
    def test_the_winner_is_named_even_when_it_is_simple(self, metrics):
        table = reconstruction_table("rec", metrics)
        title = draw_reconstruction(table).get_suptitle().replace("\n", " ")
        best = np.nanmedian(metrics[1].query("split == 'test' and metric == 'r2'")["value"])
        assert f"pca32 has the highest median R² ({best:.2f})" in title
        assert "held-out test" in title

    def test_units_without_a_score_are_left_out(self, metrics):
        table = reconstruction_table("rec", metrics)
        assert header(table)["n_r2"] == "40" and header(table)["n_cosine_bin"] == "200"
        names = ["mean", "pca32", "batch_topk seed 0", "batch_topk seed 1"]
        assert part(table, "r2")["series"].value_counts().to_dict() == dict.fromkeys(names, 40)
        assert part(table, "chance")["series"].tolist() == ["mean"]
        drawn = part(table, "r2", "pca32")["y"].tolist()
        assert (
            drawn
            == metrics[1].query("split == 'test' and metric == 'r2'")["value"].dropna().tolist()
        )

    def test_units_below_the_panel_are_counted_there(self, metrics):
        figure = draw_reconstruction(reconstruction_table("rec", metrics))
        assert [t.get_text() for t in figure.axes[0].texts] == ["2 below"]

    @pytest.mark.parametrize("n_seeds", [2, 7, 27])
    def test_many_runs_stand_clear_of_each_other(self, metrics, n_seeds):
        bad = metrics[3].copy()
        bad.loc[(bad["metric"] == "r2") & (bad["unit_id"] < 35), "value"] = -1.0
        seeds = [bad.assign(seed=seed) for seed in range(n_seeds)]
        figure = draw_reconstruction(reconstruction_table("rec", [*metrics[:2], *seeds]))
        assert_readable(figure)
        notes = [t.get_text().removesuffix(" below") for t in figure.axes[0].texts]
        assert len(notes) >= n_seeds
        assert len(set(notes[-n_seeds:])) == 1
        names = [t.get_text() for t in figure.axes[-1].get_xticklabels()]
        assert len(names) == 2 + n_seeds
        colours = {tuple(c.get_facecolor()[0]) for c in figure.axes[1].collections}
        assert len(colours) == 3  # the seeds of a model share theirs

    def test_without_a_test_split_validation_is_judged_and_named(self, metrics):
        without = [m.replace({"split": {"test": "validation"}}) for m in metrics]
        without = [m[m["metric"] != "cosine_bin"] for m in without]
        figure = draw_reconstruction(reconstruction_table("rec", without))
        assert "held-out validation" in figure.get_suptitle()
        assert said(figure.axes[2]) == ["Not computed for validation bins"]
        assert_readable(figure)

    def test_a_recording_all_in_training_is_judged_on_it(self, metrics):
        trained = [m[(m["split"] == "train") & (m["metric"] != "cosine_bin")] for m in metrics]
        figure = draw_reconstruction(reconstruction_table("rec", trained))
        assert "training (not held out)" in figure.get_suptitle()
        assert [bool(ax.collections) for ax in figure.axes] == [True, True, False]
        assert said(figure.axes[2]) == ["Not computed for train bins"]

    @pytest.mark.parametrize(
        ("level", "sentences", "numbers"),
        [
            (
                0,
                [
                    "No unit varies in these bins",
                    "No unit has a spike in these bins",
                    "No bin holds a spike",
                ],
                [0, 0, 0],
            ),
            (3, ["No unit varies in these bins"], [0, 4, 9]),
        ],
    )
    def test_a_score_that_no_unit_has_is_said(self, tmp_path, level, sentences, numbers):
        counts = np.full((9, 4), level)
        ids, bins = np.arange(4, dtype=np.int32), np.arange(9)
        scores = score_reconstruction(counts, counts + 0.5, unit_ids=ids, bins=bins)
        run = scores.assign(method="mean", model="mean", seed=0, split="test")
        table = reconstruction_table("rec", [run])
        figure = draw_reconstruction(table)
        assert "no unit varies in these bins" in figure.get_suptitle()
        assert [s for ax in figure.axes for s in said(ax)] == sentences
        titles = [ax.get_title(loc="left") for ax in figure.axes]
        assert [int(t.split("n = ")[1]) for t in titles] == numbers
        assert_readable(figure)
        save_figure(figure, table, tmp_path / "figure")


def test_training_curves_are_those_of_the_history(histories):
    table = sae_training_table("rec", histories)
    line = part(table, "loss", "seed 1")
    assert line["y"].tolist() == histories[1]["loss"].tolist()
    assert header(table)["n_steps"] == "991"
    figure = draw_sae_training(table)
    assert len(figure.axes[0].lines) == 2


def test_a_loss_of_zero_is_drawn_on_an_axis_from_zero(histories):
    silent = {0: histories[0].assign(loss=0.0, l0=0.0)}
    figure = draw_sae_training(sae_training_table("rec", silent))
    assert figure.axes[0].get_ylim() == (0, 1)

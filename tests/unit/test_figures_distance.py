"""Figures of the spike-distance engine: what is drawn is what the tables say."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr, wilcoxon
from test_figures import assert_readable, read_csv, said

from spikesieve.distance.scores import schreiber_similarity, score_table
from spikesieve.errors import InputError
from spikesieve.figures import distance_methods, distance_sizes
from spikesieve.figures.distance_counts import distance_counts_table, draw_distance_counts
from spikesieve.figures.distance_inference import (
    distance_inference_table,
    draw_distance_inference,
)
from spikesieve.figures.distance_methods import METHODS, mean_interval, ordered, unit_scores
from spikesieve.figures.distance_pairs import distance_pairs_table, draw_distance_pairs
from spikesieve.figures.distance_rollout import distance_rollout_table, draw_distance_rollout
from spikesieve.figures.distance_scores import distance_scores_table, draw_distance_scores
from spikesieve.figures.distance_sizes import distance_sizes_table, draw_distance_sizes
from spikesieve.figures.distance_training import distance_training_table, draw_distance_training
from spikesieve.figures.distance_trains import shown_methods
from spikesieve.figures.style import header, part

POISSON = tuple(f"poisson_{n}" for n in (5, 10, 20, 40, 80, 160))
#: All that may be configured, in a simulated retina.
EVERY = tuple(ordered([*METHODS, *POISSON]))

BIN_S = 0.001
N_BINS, FIRST = 6000, 300


def trains(n_units=8, seed=0, rate_hz=12.0):
    """Return true counts (unit, bin)."""
    rng = np.random.default_rng(seed)
    rates = rng.uniform(0.3, 1.7, (n_units, 1)) * rate_hz
    return rng.poisson(rates * BIN_S, (n_units, N_BINS)).astype(np.uint8)


def guess(truth, keep, seed=1):
    """Return a share of the true spikes, and as many others as are missing."""
    rng = np.random.default_rng(seed)
    kept = truth * (rng.random(truth.shape) < keep)
    lost = (truth.sum(axis=1, keepdims=True) - kept.sum(axis=1, keepdims=True)) / truth.shape[1]
    return (kept + (rng.random(truth.shape) < lost)).astype(np.uint8)


def methods_of(truth, names=tuple(METHODS)):
    share = dict(zip(METHODS, (0.8, 0.7, 0.6, 0.7, 0.4, 0.6, 0.2, 0.0, 0.3), strict=True))
    found = {name: guess(truth, share.get(name, 0.5), seed=7) for name in names}
    return found | ({"none": np.zeros_like(truth)} if "none" in names else {})


def scored(truth, predicted, *, model="small", seed=0):
    ids = np.arange(10, 10 + len(truth))
    about = {"recording": "rec", "model": model, "seed": seed, "bin_s": BIN_S}
    return [score_table(truth, p, ids, method=m, **about) for m, p in predicted.items()]


def spikes(counts):
    unit, bins = np.nonzero(counts)
    row = np.repeat(np.arange(len(unit)), counts[unit, bins])
    return pd.DataFrame({"unit_id": 10 + unit[row], "bin": FIRST + bins[row]})


def inferred(predicted):
    return pd.concat([spikes(p).assign(method=m) for m, p in predicted.items()], ignore_index=True)


SPAN = {"bin_s": BIN_S, "first_bin": FIRST, "n_bins": N_BINS}


def window(methods=("em", "exact", "joint"), n_left=97):
    true = np.array([20, 50, 62, 101])
    near = np.abs(np.arange(128)[:, None] - true).min(axis=1)
    distance = np.where(near == 0, 0.25, near).astype(float)
    found = {m: np.array([20, 51, 101]) for m in methods}
    left = np.arange(n_left)[::-1]
    table = pd.DataFrame({"n_spikes": left, "energy": 20.0 + (left - 2.0) ** 2})
    scale = {"unit": "unit 7", "bin_s": BIN_S, "prefix": 32, "max_distance": 198}
    return ("rec", distance + 1, distance, true, found, table), scale


def history(seed=0, heads=("distance", "counts", "hazard"), n=120):
    rng, step = np.random.default_rng(seed), np.arange(n) * 10
    table = pd.DataFrame({"step": step, "learning_rate": 1e-3, "wall_s": step * 0.1})
    validated = np.arange(n) % 20 == 19
    for head in heads:
        table[f"loss_{head}"] = 0.3 + np.exp(-step / 200) + rng.normal(0, 0.02, n)
        late = 0.4 + np.exp(-step / 200) + step / 5000
        table[f"validation_loss_{head}"] = np.where(validated, late, np.nan)
    for kind in ("loss", "validation_loss"):
        table[kind] = table[[f"{kind}_{head}" for head in heads]].sum(axis=1, skipna=False)
    return table


def sizes(n_models=4, n_seeds=3, agree=True):
    rng = np.random.default_rng(0)
    found = []
    for size in range(n_models):
        for seed in range(n_seeds):
            better = size if agree else -size
            run = (f"model_{size}", 20_000 * 4**size, seed, 1 - 0.1 * size + 0.01 * rng.random())
            found.append((*run, "schreiber", 5.0, 0.2 + 0.1 * better + 0.01 * rng.random()))
            found.append((*run, "van_rossum", 10.0, 9 - better + 0.1 * rng.random()))
            found.append((*run, "schreiber", 10.0, 77.0))  # of another scale: not drawn
    names = ["model", "n_parameters", "seed", "validation_loss", "metric", "scale_ms", "value"]
    return pd.DataFrame(found, columns=names)


@pytest.fixture(scope="module")
def truth():
    return trains()


@pytest.fixture(scope="module")
def scores(truth):
    return scored(truth, methods_of(truth))


@pytest.fixture(scope="module")
def many_scores(truth):
    return scored(truth, methods_of(truth, EVERY))


def drawing(name, scores, truth):
    """Return the drawing table of a figure, and the function that draws it."""
    if name in ("rollout", "counts"):
        make, draw = {
            "rollout": (distance_rollout_table, draw_distance_rollout),
            "counts": (distance_counts_table, draw_distance_counts),
        }[name]
        return make("rec", spikes(truth), inferred(methods_of(truth)), **SPAN), draw
    if name == "inference":
        args, scale = window()
        return distance_inference_table(*args, **scale), draw_distance_inference
    if name == "training":
        runs = {f"shared seed {s}": history(s) for s in range(3)}
        return distance_training_table("rec", runs), draw_distance_training
    return {
        "scores": (distance_scores_table("rec", scores), draw_distance_scores),
        "pairs": (distance_pairs_table("rec", scores), draw_distance_pairs),
        "sizes": (distance_sizes_table("rec", sizes()), draw_distance_sizes),
    }[name]


NAMES = ("scores", "pairs", "rollout", "counts", "inference", "training", "sizes")


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_can_be_read_and_its_csv_holds_all_of_it(scores, truth, name, tmp_path):
    table, draw = drawing(name, scores, truth)
    assert_readable(draw(table))
    table.to_csv(tmp_path / "figure.csv", index=False)
    again = read_csv(tmp_path / "figure.csv")
    pd.testing.assert_frame_equal(again, table, check_exact=True)


@pytest.mark.parametrize("name", ["scores", "pairs", "rollout", "counts"])
def test_every_figure_holds_all_methods_at_once(many_scores, truth, name):
    found = inferred(methods_of(truth, EVERY))
    table, draw = {
        "scores": lambda: (distance_scores_table("rec", many_scores), draw_distance_scores),
        "pairs": lambda: (distance_pairs_table("rec", many_scores), draw_distance_pairs),
        "rollout": lambda: (
            distance_rollout_table("rec", spikes(truth), found, methods=EVERY, **SPAN),
            draw_distance_rollout,
        ),
        "counts": lambda: (
            distance_counts_table("rec", spikes(truth), found, methods=EVERY, **SPAN),
            draw_distance_counts,
        ),
    }[name]()
    shown = part(table, "method")["series"].tolist()
    assert shown == [name for name in EVERY if name in shown]
    assert len(shown) >= len(EVERY) - 1  # pairs: all but the reference
    assert_readable(draw(table))


class TestMethods:
    def test_all_can_be_told_apart(self):
        """By colour alone, and by marker and dash alone."""
        found = distance_methods.looks(EVERY)
        assert len(found) == len(EVERY) == 15
        for keys in (("color",), ("marker", "linestyle")):
            assert len({tuple(str(look[k]) for k in keys) for look in found.values()}) == len(EVERY)
        assert distance_methods.looks(EVERY[::-1]) == found
        assert all(distance_methods.looks([name])[name] == found[name] for name in EVERY)

    def test_spans_of_poisson(self):
        order = ordered(["none", *POISSON[::-1], "sampled"])
        assert order == ["sampled", *POISSON, "none"]
        assert distance_methods.pretty("poisson_80") == "Poisson, 80 bins"
        assert distance_methods.pretty("poisson_1, large") == "Poisson, 1 bin (large)"
        models = distance_methods.looks(["poisson_80, large", "poisson_80, small", "poisson_7"])
        large, small, other = models.values()
        assert large["color"] == small["color"] != other["color"]
        assert large["linestyle"] != small["linestyle"]

    def test_each_has_one_colour_wherever_it_stands(self):
        everywhere = distance_methods.looks(list(METHODS))
        assert len({look["color"] for look in everywhere.values()}) == len(METHODS)
        for name, look in everywhere.items():
            assert distance_methods.looks([name])[name]["color"] == look["color"]

    def test_models_of_one_method_share_its_colour_and_differ_in_dash(self):
        found = distance_methods.looks(["em, large", "em, small", "new"])
        assert found["em, large"]["color"] == found["em, small"]["color"]
        assert found["em, large"]["linestyle"] != found["em, small"]["linestyle"]
        assert found["new"]["color"] not in {c for _, c, _ in METHODS.values()}

    def test_order(self):
        assert ordered(["new", "none", "em", "joint", "em"]) == ["joint", "em", "none", "new"]

    def test_only_units_with_true_spikes_that_every_method_scores(self, truth):
        truth = truth.copy()
        truth[2] = 0
        tables = scored(truth, methods_of(truth, ["em", "none"]))
        tables[0] = tables[0][tables[0]["unit_id"] != 13]
        units = unit_scores(tables)
        assert set(units["unit_id"]) == {10, 11, 14, 15, 16, 17}
        correlation = units[(units["metric"] == "correlation") & (units["name"] == "none")]
        assert (correlation["value"] == 0).all() and len(correlation) == 30

    def test_seeds_are_averaged_and_models_told_apart(self, truth):
        a, b = (scored(truth, {"em": guess(truth, 0.5, s)}, seed=s)[0] for s in (0, 1))
        other = scored(truth, {"em": guess(truth, 0.2)}, model="large")[0]
        units = unit_scores([a, b, other])
        assert set(units["name"]) == {"em, small", "em, large"}
        wide = distance_methods.scores_at(units, "schreiber", 5)
        by_seed = [
            t[(t["metric"] == "schreiber") & (t["scale_ms"] == 5)].set_index("unit_id")["value"]
            for t in (a, b)
        ]
        expected = (by_seed[0] + by_seed[1]) / 2
        assert wide["em, small"].to_numpy() == pytest.approx(expected.to_numpy())

    def test_interval_covers_the_mean_95_times_in_100(self):
        """Of 40 normal units; the bootstrap's is a little too narrow."""
        rng = np.random.default_rng(0)
        ends = np.array([mean_interval(rng.normal(3, 2, 40))[1:] for _ in range(300)])
        covered = np.mean((ends[:, 0] <= 3) & (ends[:, 1] >= 3))
        assert 0.90 <= covered <= 0.98

    def test_interval_of_few(self):
        assert np.isnan(mean_interval(np.array([np.nan]))).all()
        mean, *ends = mean_interval(np.array([2.0, np.nan]))
        assert mean == 2 and np.isnan(ends).all()


class TestScores:
    def test_lines_are_means_over_units(self, scores):
        table = distance_scores_table("rec", scores)
        joined = pd.concat(scores)
        for metric, scale in (("schreiber", 5), ("van_rossum_relative", 10), ("correlation", 50)):
            rows = joined[(joined["metric"] == metric) & (joined["scale_ms"] == scale)]
            line = part(table, metric, "em")
            drawn = line.loc[line["x"] == scale, "y"].item()
            assert drawn == pytest.approx(rows.loc[rows["method"] == "em", "value"].mean())
            low, high = (
                part(table, f"{metric} {end}", "em").set_index("x").loc[scale, "y"]
                for end in ("low", "high")
            )
            assert low < drawn < high
        ratios = part(table, "count_ratio", "joint")
        expected = joined[(joined["metric"] == "count_ratio") & (joined["method"] == "joint")]
        assert ratios["y"].tolist() == pytest.approx(expected["value"].tolist())
        assert header(table)["n_units"] == "8"

    def test_the_title_names_the_best_that_is_no_control(self, scores, truth):
        title = draw_distance_scores(distance_scores_table("rec", scores)).get_suptitle()
        assert "highest for joint" in title.replace("\n", " ")
        assert "test bins, 8 units" in title.replace("\n", " ")
        only = scored(truth, {"em": truth, "true_rate": truth})
        title = draw_distance_scores(distance_scores_table("rec", only)).get_suptitle()
        assert "of em (1.00, count ratio 1.00, 100 % of what the true rate gives)" in title.replace(
            "\n", " "
        )

    def test_ratios_beyond_the_edge_stay_on_the_panel(self, truth):
        few = truth[:2] * 0
        few[:, :20] = 1
        table = distance_scores_table("rec", scored(few, {"em": few, "sampled": truth[:2] + few}))
        assert part(table, "count_ratio", "sampled")["y"].min() > 2
        figure = draw_distance_scores(table)
        assert figure.axes[3].get_xlim()[1] < 2.2
        assert_readable(figure)

    @pytest.mark.parametrize("case", ["one unit", "one method", "no truth", "all unknown", "new"])
    def test_little_to_draw(self, truth, case):
        names = {"one method": ["em"], "new": ["em", "a_method_that_nobody_knows"]}
        some = truth[: 1 if case == "one unit" else 4] * (case != "no truth")
        tables = scored(some, methods_of(some, names.get(case, ["em", "none", "joint"])))
        if case == "all unknown":
            tables = [t.assign(value=np.nan) for t in tables]
        for table, draw in (
            (distance_scores_table("rec", tables), draw_distance_scores),
            (distance_pairs_table("rec", tables), draw_distance_pairs),
        ):
            figure = draw(table)
            assert_readable(figure)
            if case in ("no truth", "all unknown"):
                assert all(said(ax) for ax in figure.axes)

    def test_shares_of_what_the_true_rate_gives(self, scores, truth):
        table = distance_scores_table("rec", scores)
        share = part(table, "share")
        assert set(share["series"]) == set(METHODS) - {"true_rate"}
        joined = pd.concat(scores)
        for metric, scale, label in (
            ("schreiber", 5, "Schreiber, 5 ms"),
            ("correlation", 100, "correlation, 100 ms"),
        ):
            chosen = joined[(joined["metric"] == metric) & (joined["scale_ms"] == scale)]
            wide = chosen.pivot_table("value", "unit_id", "method", dropna=False).fillna(0)
            wide = wide[wide["true_rate"] >= 0.05]
            drawn = share[(share["label"] == label)].set_index("series")["x"]
            assert drawn["em"] == pytest.approx((wide["em"] / wide["true_rate"]).mean())
            assert drawn["none"] == 0
            assert part(table, "share units", label)["x"].item() == len(wide)
        figure = draw_distance_scores(table)
        best = share.loc[(share["label"] == "Schreiber, 5 ms") & (share["series"] == "joint"), "x"]
        said = f", {100 * best.item():.0f} % of what the true rate gives)"
        assert said in figure.get_suptitle().replace("\n", " ")
        assert len(figure.axes) == 5

    @pytest.mark.parametrize("without", ["a true rate", "a score of it"])
    def test_no_shares(self, truth, without):
        rate = {"a true rate": {}, "a score of it": {"true_rate": 0 * truth}}[without]
        tables = scored(truth, {"em": truth} | rate)
        table = distance_scores_table("rec", tables)
        assert part(table, "share").empty
        figure = draw_distance_scores(table)
        assert len(figure.axes) == 4 and "true rate" not in figure.get_suptitle()
        assert_readable(figure)


class TestPairs:
    def test_gains_are_positive_where_the_reference_is_better(self, truth):
        tables = scored(truth, {"em": truth, "sampled": guess(truth, 0.3)})
        table = distance_pairs_table("rec", tables)
        for metric, scale, sign in (("schreiber", 5, 1), ("van_rossum", 10, -1)):
            values = [
                t[(t["metric"] == metric) & (t["scale_ms"] == scale)]["value"].to_numpy()
                for t in tables
            ]
            gain = np.sort(sign * (values[0] - values[1]))
            points = part(table, metric, "sampled")
            assert points["x"].tolist() == pytest.approx(gain.tolist())
            assert (points["x"] > 0).all()
            assert part(table, f"{metric} better")["label"].tolist() == ["8/8"]
            assert part(table, f"{metric} median")["x"].item() == pytest.approx(np.median(gain))
            assert part(table, f"{metric} p")["x"].item() == pytest.approx(wilcoxon(gain).pvalue)

    def test_another_reference(self, scores):
        table = distance_pairs_table("rec", scores, reference="cumulative")
        assert "cumulative" not in set(part(table, "method")["series"])
        against = part(table, "schreiber median", "joint")["x"].item()
        back = distance_pairs_table("rec", scores)
        assert against == pytest.approx(-part(back, "schreiber median", "cumulative")["x"].item())
        with pytest.raises(InputError, match="no scores of 'emm'"):
            distance_pairs_table("rec", scores, reference="emm")

    @pytest.mark.parametrize("shared", ["default", "a_model_with_a_name_that_is_very_long"])
    def test_mean_count_ratios_stand_beside_the_names(self, truth, shared):
        models = {shared: guess(truth, 0.8), "one a unit": truth * (np.arange(N_BINS) % 2 == 0)}
        tables = [scored(truth, {"joint": p}, model=m)[0] for m, p in models.items()]
        table = distance_pairs_table("rec", tables, reference=f"joint, {shared}")
        joined = pd.concat(tables)
        ratio = joined[joined["metric"] == "count_ratio"].groupby("model")["value"].mean()
        drawn = part(table, "count_ratio", "joint, one a unit")["x"].item()
        assert drawn == pytest.approx(ratio["one a unit"])
        figure = draw_distance_pairs(table)
        assert_readable(figure)
        (label,) = [text.get_text() for text in figure.axes[0].get_yticklabels()]
        assert label == f"joint (one a unit, {drawn:.2f})"
        assert f"{ratio[shared]:.2f}) over the" in figure.axes[0].get_xlabel().replace("\n", " ")

    def test_a_method_against_itself_does_not_differ(self, truth):
        same = guess(truth, 0.5)
        table = distance_pairs_table("rec", scored(truth, {"em": same, "exact": same}))
        assert part(table, "schreiber p")["x"].item() == 1
        assert part(table, "schreiber better")["label"].item() == "0/8"
        assert_readable(draw_distance_pairs(table))

    def test_differences_to_controls_do_not_stretch_the_axis(self, truth):
        em = guess(truth, 0.9)
        close = em.copy()
        close[:, :300] = 0
        tables = scored(truth, {"em": em, "exact": close, "none": 0 * truth})
        figure = draw_distance_pairs(distance_pairs_table("rec", tables))
        left, right = figure.axes[0].get_xlim()
        assert right < 0.5
        points = np.concatenate(
            [c.get_offsets()[:, 0] for c in figure.axes[0].collections if len(c.get_offsets())]
        )
        assert points.min() >= left and points.max() <= right


class TestRollout:
    def test_units_stand_at_the_quartiles_of_the_first_method(self, truth):
        found = methods_of(truth, ["em", "sampled"])
        table = distance_rollout_table("rec", spikes(truth), inferred(found), **SPAN)
        all_units = sorted(
            schreiber_similarity(t, f, sigma_s=0.005, bin_s=BIN_S)
            for t, f in zip(truth, found["em"], strict=True)
        )
        units = part(table, "unit")
        assert units["x"].tolist() == pytest.approx(
            [all_units[round(q * 7)] for q in (0.25, 0.5, 0.75)]
        )
        assert header(table)["first"] == "em"

    def test_the_first_that_is_named_chooses_the_units_and_has_its_rate_drawn(self, truth):
        found = inferred(methods_of(truth))
        methods = ["sampled", "em", "joint", "exact", "none"]
        table = distance_rollout_table("rec", spikes(truth), found, methods=methods, **SPAN)
        alone = distance_rollout_table("rec", spikes(truth), found, methods=["sampled"], **SPAN)
        assert part(table, "unit")["label"].tolist() == part(alone, "unit")["label"].tolist()
        assert set(part(table, "0 rate")["series"]) == {"truth", "sampled", "joint", "em"}
        assert part(table, "method")["series"].tolist() == [
            "joint",
            "em",
            "exact",
            "sampled",
            "none",
        ]
        assert_readable(draw_distance_rollout(table))
        silent = distance_rollout_table("rec", spikes(truth), found, methods=["none"], **SPAN)
        assert_readable(draw_distance_rollout(silent))

    def test_methods_that_placed_no_spike_are_shown(self, truth):
        found = inferred({"em": truth, "true_rate": truth})
        assert shown_methods(["none", "em"], found) == ["none", "em", "true_rate"]
        assert shown_methods(["none", "em"], found[found["method"] == "em"]) == ["none", "em"]
        assert shown_methods(None, found) is None

    def test_spikes_and_rates_are_those_of_the_window(self, truth):
        found = methods_of(truth, ["em", "none"])
        table = distance_rollout_table(
            "rec", spikes(truth), inferred(found), methods=["em", "none"], seconds=1.5, **SPAN
        )
        start = round(float(header(table)["start_s"]) / BIN_S)
        for number, label in enumerate(part(table, "unit")["label"]):
            unit = int(label.split()[1].rstrip(",")) - 10
            drawn = part(table, f"{number} spikes", "em")["x"].to_numpy()
            shown = found["em"][unit, start : start + 1500]
            assert drawn == pytest.approx((np.flatnonzero(shown) + 0.5) * BIN_S)
            rate = part(table, f"{number} rate", "truth")
            expected = truth[unit, start : start + 1500].sum()
            assert rate["y"].mean() * 1.5 == pytest.approx(expected, rel=0.2, abs=1.5)
        assert part(table, "0 spikes", "none").empty
        assert_readable(draw_distance_rollout(table))

    def test_the_window_is_the_busiest_of_the_shown_units(self):
        truth = trains(3, rate_hz=1.0)
        truth[:, 4000:5000] = trains(3, rate_hz=40.0)[:, :1000]
        table = distance_rollout_table(
            "rec", spikes(truth), inferred({"em": truth}), seconds=1.0, **SPAN
        )
        assert float(header(table)["start_s"]) == 4.0

    @pytest.mark.parametrize("case", ["one unit", "one method", "no method", "no truth", "short"])
    def test_little_to_draw(self, truth, case):
        some = truth[: 1 if case == "one unit" else 5] * (case != "no truth")
        found = inferred(methods_of(some, ["em", "joint"][: 1 if case == "one method" else 2]))
        found = found[:0] if case == "no method" else found
        span = SPAN | {"n_bins": 700} if case == "short" else SPAN
        for table, draw in (
            (distance_rollout_table("rec", spikes(some), found, **span), draw_distance_rollout),
            (distance_counts_table("rec", spikes(some), found, **span), draw_distance_counts),
        ):
            assert_readable(draw(table))

    def test_an_empty_span_is_refused(self, truth):
        with pytest.raises(InputError, match="span of 0 bins"):
            distance_rollout_table(
                "rec", spikes(truth), spikes(truth).assign(method="em"), **SPAN | {"n_bins": 0}
            )


class TestCounts:
    def test_every_pair_of_counts_is_counted_once(self, truth):
        found = methods_of(truth, ["em", "sampled"])
        table = distance_counts_table("rec", spikes(truth), inferred(found), **SPAN)
        wide = {n: c.reshape(8, 60, 100).sum(axis=2) for n, c in (("truth", truth), *found.items())}
        for name in found:
            pairs = part(table, "pairs", name)
            times = pairs["label"].astype(int)
            assert times.sum() == 8 * 60
            both = (wide["truth"] == 1) & (wide[name] == 2)
            assert times[(pairs["x"] == 1) & (pairs["y"] == 2)].sum() == both.sum()
            x, y = wide["truth"].ravel().astype(float), wide[name].ravel()
            assert part(table, "r", name)["x"].item() == pytest.approx(np.corrcoef(x, y)[0, 1])
            r2 = 1 - ((x - y) ** 2).sum() / ((x - x.mean()) ** 2).sum()
            assert part(table, "r2", name)["x"].item() == pytest.approx(r2)
            each = [np.corrcoef(a, b)[0, 1] for a, b in zip(wide["truth"], wide[name], strict=True)]
            assert part(table, "unit r", name)["x"].item() == pytest.approx(np.median(each))

    def test_spikes_outside_of_the_span_are_left_out(self, truth):
        extra = pd.DataFrame({"unit_id": [10, 10, 99], "bin": [FIRST - 1, FIRST + N_BINS, FIRST]})
        tables = [
            distance_counts_table("rec", spikes(truth), found.assign(method="em"), **SPAN)
            for found in (spikes(truth), pd.concat([spikes(truth), extra]))
        ]
        pd.testing.assert_frame_equal(*tables)
        assert part(tables[0], "r")["x"].item() == pytest.approx(1)

    def test_a_method_without_spikes_is_shown_when_named(self, truth):
        table = distance_counts_table(
            "rec", spikes(truth), spikes(truth).assign(method="em"), methods=["none", "em"], **SPAN
        )
        assert part(table, "method")["series"].tolist() == ["em", "none"]
        assert part(table, "r", "none")["x"].item() == 0
        assert part(table, "r2", "none")["x"].item() < 0
        assert_readable(draw_distance_counts(table))


class TestInference:
    def test_the_implied_distance_is_that_of_the_greedy_spikes(self):
        args, scale = window()
        table = distance_inference_table(*args, **scale)
        implied = part(table, "distance", "implied")
        for place, distance in ((20, 0.25), (35, 15), (36, 15), (75, 24), (127, 26)):
            assert implied["y"].iloc[place] == pytest.approx(distance * BIN_S * 1000)
        assert implied["x"].iloc[32] == pytest.approx(0.5)  # the bin that starts now
        assert part(table, "train", "truth")["x"].item() == 3  # of 4, one is in the prefix
        assert part(table, "spikes", "em")["x"].tolist() == pytest.approx([-11.5, 19.5, 69.5])
        assert part(table, "energy")["y"].tolist() == args[-1]["energy"].tolist()
        title = draw_distance_inference(table).get_suptitle()
        assert "3 true spikes" in title and "em 2" in title

    @pytest.mark.parametrize("case", ["no method", "no elimination", "unknown", "no spike", "all"])
    def test_little_to_draw(self, case):
        methods = {"no method": (), "all": EVERY}.get(case, ("em",))
        (name, predicted, true, bins, found, table), scale = window(methods)
        table = table[:0] if case == "no elimination" else table
        predicted = predicted * (np.nan if case == "unknown" else 1)
        table = table.assign(energy=np.nan) if case == "unknown" else table
        if case == "no spike":
            bins, found = bins[:0], {"em": bins[:0]}
            true = np.full(128, 198.0)
        drawn = distance_inference_table(name, predicted, true, bins, found, table, **scale)
        if case == "no spike":
            assert part(drawn, "distance", "implied")["y"].tolist() == pytest.approx([198.0] * 128)
        figure = draw_distance_inference(drawn)
        assert_readable(figure)
        lacks = "No elimination was recorded" in [s for ax in figure.axes for s in said(ax)]
        assert lacks == (case in ("no elimination", "unknown"))

    @pytest.mark.parametrize("bad", [-1, 128])
    def test_spikes_outside_of_the_window(self, bad):
        (*args, found, table), scale = window()
        with pytest.raises(InputError, match="window of 128 predicted bins"):
            distance_inference_table(*args, found | {"em": np.array([3, bad])}, table, **scale)


class TestTraining:
    def test_a_panel_a_head_and_points_where_it_was_validated(self):
        runs = {"a": history(0), "b": history(1, heads=("distance",))}
        table = distance_training_table("rec", runs)
        assert part(table, "panel")["series"].tolist() == [
            "all heads",
            "distance",
            "counts",
            "hazard",
        ]
        points = part(table, "distance validation", "a")
        known = runs["a"].dropna(subset="validation_loss_distance")
        assert points["x"].tolist() == known["step"].tolist()
        assert points["y"].tolist() == known["validation_loss_distance"].tolist()
        best = part(table, "distance best", "a")
        assert best["y"].item() == known["validation_loss_distance"].min()
        assert part(table, "counts", "b").empty

    def test_training_losses_are_averaged_without_changing_their_mean(self):
        table = distance_training_table("rec", {"a": history()})
        line = part(table, "all heads", "a")
        assert len(line) == 60
        assert line["y"].mean() == pytest.approx(history()["loss"].mean())

    @pytest.mark.parametrize("case", ["one head", "one row", "never validated", "empty", "many"])
    def test_little_or_much_to_draw(self, case):
        table = history(heads=("distance",) if case == "one head" else ("distance", "hazard"))
        table = {"one row": table[:1], "empty": table[:0]}.get(case, table)
        if case == "never validated":
            table = table.drop(columns=[c for c in table if c.startswith("validation")])
        runs = {f"run {i}": table for i in range(9 if case == "many" else 1)}
        drawn = distance_training_table("rec", runs)
        assert_readable(draw_distance_training(drawn))
        if case == "one head":
            assert part(drawn, "panel")["series"].tolist() == ["distance"]


class TestSizes:
    def test_of_few_runs_all_orders_count(self):
        """Perfect order of three runs is one of two in six; of seven, hardly ever luck."""
        for n, expected in ((3, 2 / 6), (7, 2 / 5040)):
            loss = pd.Series(np.arange(n, dtype=float))
            rho, p = distance_sizes._spearman(loss, -loss)
            assert (rho, p) == pytest.approx((-1, expected))

    def test_points_and_rho_are_those_of_the_runs(self):
        runs = sizes()
        table = distance_sizes_table("rec", runs)
        for metric, scale in (("schreiber", 5), ("van_rossum", 10)):
            mine = runs[(runs["metric"] == metric) & (runs["scale_ms"] == scale)]
            assert sorted(part(table, metric)["y"]) == pytest.approx(sorted(mine["value"]))
            expected = spearmanr(mine["validation_loss"], mine["value"])
            rho = part(table, "rho", metric)
            assert rho["x"].item() == pytest.approx(expected.statistic)
            assert rho["y"].item() == pytest.approx(expected.pvalue)
        assert part(table, "validation_loss mean")["x"].tolist() == [2e4, 8e4, 32e4, 128e4]

    def test_rows_of_units_are_averaged(self):
        runs = sizes().drop(columns="scale_ms")
        runs = runs[runs["value"] != 77]
        shifted = [
            runs.assign(unit_id=u, value=runs["value"] + d) for u, d in ((1, 0.5), (2, -0.5))
        ]
        pd.testing.assert_frame_equal(
            distance_sizes_table("rec", pd.concat(shifted)), distance_sizes_table("rec", runs)
        )

    @pytest.mark.parametrize("agree", [True, False])
    def test_the_title_says_whether_loss_and_spikes_agree(self, agree):
        figure = draw_distance_sizes(distance_sizes_table("rec", sizes(agree=agree)))
        title = figure.get_suptitle().replace("\n", " ")
        assert ("model 3 has the lowest validation loss and the best" in title) == agree
        assert ("best Schreiber similarity: model 0" in title) != agree

    @pytest.mark.parametrize("case", ["one run", "unknown", "no scores", "many", "constant"])
    def test_little_or_much_to_draw(self, case):
        runs = {"one run": sizes(1, 1), "many": sizes(9, 2)}.get(case, sizes())
        if case == "unknown":
            runs = runs.assign(value=np.nan, validation_loss=np.nan)
        if case == "constant":
            runs = runs.assign(value=0.5)
        table = distance_sizes_table("rec", runs[: 0 if case == "no scores" else None])
        assert_readable(draw_distance_sizes(table))

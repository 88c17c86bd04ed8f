"""Figures of dictionaries and of methods compared: what is drawn is what the tables say."""

import numpy as np
import pandas as pd
import pytest
from test_figures import assert_readable, read_csv, said

from spikesieve.figures import methods
from spikesieve.figures.cosmoothing import cosmoothing_table, draw_cosmoothing
from spikesieve.figures.recovery import draw_recovery, recovery_table
from spikesieve.figures.recovery_benchmark import (
    TARGETS,
    draw_recovery_benchmark,
    recovery_benchmark_table,
)
from spikesieve.figures.sae_density import draw_sae_density, sae_density_table
from spikesieve.figures.sae_levels import draw_sae_levels, sae_levels_table
from spikesieve.figures.sae_stability import KINDS, draw_sae_stability, sae_stability_table
from spikesieve.figures.sae_sweep import draw_sae_sweep, sae_sweep_table
from spikesieve.figures.sae_training import draw_sae_training, sae_training_table
from spikesieve.figures.style import header, part, save_figure

SPLITS = ("train", "validation", "test")
LEVELS = {"default": [(32, 8), (64, 8), (128, 8)], "mini": [(256, 8), (512, 16), (1024, 24)]}
SCORES = ("recall", "precision", "f1", "mean_abs_r", "auroc")
METHODS = ("sae", "mini", "pca", "nmf", "factor_analysis", "pca_smoothed", "nmf_smoothed")


def metric(name, values, *, split="test", latent=None, unit_id=None):
    values = np.atleast_1d(values).astype(float)
    frame = pd.DataFrame({"metric": name, "value": values, "split": split})
    return frame.assign(latent=latent, unit_id=unit_id)


def named(parts, method, model, seed):
    joined = pd.concat(parts, ignore_index=True)
    return joined.assign(recording="rec", method=method, model=model, seed=seed)


def sae_run(model="default", seed=0, *, n=128, k=8, n_dead=5, n_dense=2, levels=(), splits=SPLITS):
    """Metrics of a run: its latents' densities, and what its levels reach."""
    rng = np.random.default_rng(seed)
    density = rng.lognormal(np.log(k / n), 1, n).clip(0.001, 0.5)
    density[:n_dead], density[n_dead : n_dead + n_dense] = 0, 0.8
    parts = []
    for split in splits:
        parts.append(metric("density", density, split=split, latent=np.arange(n)))
        parts.append(metric("l0", k * (1.3 if split == "test" else 1.0), split=split))
        for number, (_, level_k) in enumerate(levels, 1):
            values = {"r2_mean": 0.1 * number + 0.01 * seed, "l0": level_k, "live_fraction": 0.9}
            parts += [metric(f"level{number}_{m}", v, split=split) for m, v in values.items()]
    return named(parts, "sae", model, seed)


def stability_run(method="sae", model="default", seeds=(0, 1), n=100, level=0.8, stable=None):
    rng = np.random.default_rng(len(method))
    runs = []
    for seed in seeds:
        values = rng.uniform(level - 0.1, level + 0.1, n)
        share = np.mean(values >= 0.7) if stable is None else stable + 0.01 * seed
        parts = [metric("stability", values, latent=np.arange(n)), metric("stable_fraction", share)]
        runs.append(named(parts, method, model, seed))
    return pd.concat(runs, ignore_index=True)


def method_run(method, model, seed=0, level=0.3, n_units=30):
    rng = np.random.default_rng(seed)
    parts = [metric(name, level) for name in SCORES]
    for name in ("cosmoothing_r2", "cosmoothing_bits"):
        values = rng.normal(level, 0.1, n_units)
        parts.append(metric(name, values, unit_id=np.arange(n_units)))
        parts.append(metric(f"{name}_mean", values.mean()))
    return named(parts, method, model, seed)


@pytest.fixture
def method_runs():
    return [
        method_run("sae", "default", 0, 0.5),
        method_run("sae", "default", 1, 0.6),
        method_run("sae", "mini", 0, 0.2),
        method_run("pca", "pca32", 0, 0.4),
        method_run("pca", "pca32_smoothed", 0, 0.45),
        method_run("nmf", "nmf32", 0, -3.0),
    ]


@pytest.fixture
def scores():
    rows = []
    for seed in range(5):
        for rank, method in enumerate(METHODS):
            for tier in "ABCD":
                value = 1 - 0.1 * rank - 0.01 * seed
                rows += [(tier, method, seed, name, value) for name in SCORES]
                rows.append((tier, method, seed, "dead_fraction", 0.02 + 0.1 * (tier == "B")))
            rows += [("C", method, seed, f"recall_{x}", 0.6) for x in ("parents", "children")]
            rows += [
                ("E", method, seed, "stable_share", 0.002),
                ("E", method, seed, "recall", None),
                ("E", method, seed, "dead_fraction", 0.0),
            ]
    return pd.DataFrame(rows, columns=["tier", "method", "seed", "metric", "value"])


@pytest.fixture
def trials():
    grid = [(n, k, m) for n in (32, 64, 128) for k in (2, 4, 8) for m in (0.0, 0.3)]
    table = pd.DataFrame(grid, columns=["n_latents", "k", "masked_share"])
    best = (table == [64, 4, 0.3]).all(axis=1)
    return table.assign(
        tau=1.0, pattern_bits=0.1 + 0.1 * best, r2=0.05 * table["k"], stability=0.5, chosen=best
    )


@pytest.fixture
def histories():
    step = np.arange(0, 1000, 10)
    return {
        seed: pd.DataFrame(
            {
                "step": step,
                "loss": 0.2 + np.exp(-step / 100),
                "l0": 24.0,
                **{f"loss_level{n}": 0.5 - 0.1 * n + np.exp(-step / 100) for n in (1, 2, 3)},
                **{f"l0_level{n}": 8.0 * n for n in (1, 2, 3)},
                "live_fraction": 0.9,
                "gradient_norm": 0.01 + np.exp(-step / 50),
                "validation_cosmoothing": np.where(step % 100 == 0, step / 5000, np.nan),
                "learning_rate": 0.005,
            }
        )
        for seed in (0, 1)
    }


PHASES = {0: (200, 600), 1: (300, 800)}
PARAMETERS = ["n_latents", "k", "masked_share", "tau"]


@pytest.fixture(
    params=[
        "training",
        "density",
        "levels",
        "stability",
        "recovery",
        "recovery_benchmark",
        "cosmoothing",
        "sweep",
        "sweep_of_one",
    ]
)
def drawing(request, histories, method_runs, scores, trials):
    """A drawing table and the function that draws it, of every figure."""
    nested = [sae_run(m, s, levels=LEVELS[m]) for m in LEVELS for s in (0, 1)]
    stable = [stability_run(method, m) for m in LEVELS for method in KINDS]
    one = trials[(trials["n_latents"] == 64) & (trials["masked_share"] == 0.3)]
    return {
        "training": (sae_training_table("rec", histories, PHASES), draw_sae_training),
        "density": (sae_density_table("rec", nested, {"default": 8, "mini": 24}), draw_sae_density),
        "levels": (sae_levels_table("rec", nested, LEVELS), draw_sae_levels),
        "stability": (sae_stability_table("rec", stable), draw_sae_stability),
        "recovery": (recovery_table("rec", method_runs), draw_recovery),
        "recovery_benchmark": (recovery_benchmark_table(scores), draw_recovery_benchmark),
        "cosmoothing": (cosmoothing_table("rec", method_runs), draw_cosmoothing),
        "sweep": (sae_sweep_table("rec", trials, PARAMETERS), draw_sae_sweep),
        "sweep_of_one": (sae_sweep_table("rec", one, PARAMETERS), draw_sae_sweep),
    }[request.param]


def test_every_figure_can_be_read(drawing):
    table, draw = drawing
    assert_readable(draw(table))


def test_the_csv_draws_the_same_picture(drawing, tmp_path):
    table, draw = drawing
    save_figure(draw(table), table, tmp_path / "first")
    again = read_csv(tmp_path / "first.csv")
    pd.testing.assert_frame_equal(again, table, check_exact=True)
    save_figure(draw(again), again, tmp_path / "second")
    for suffix in (".png", ".pdf", ".csv"):
        first, second = ((tmp_path / f"{n}{suffix}").read_bytes() for n in ("first", "second"))
        assert first == second, suffix


class TestTraining:
    def test_each_level_and_seed_has_its_line(self, histories):
        table = sae_training_table("rec", histories)
        levels = part(table, "loss_level")
        assert levels["series"].nunique() == 6
        line = levels[levels["series"] == "level 2 seed 1"]
        assert line["y"].tolist() == histories[1]["loss_level2"].tolist()
        assert part(table, "l0").empty  # the last level says it
        assert len(part(table, "validation_cosmoothing", "seed 0")) == 10

    def test_phases_are_shaded_between_the_means_and_marked_for_each_seed(self, histories):
        table = sae_training_table("rec", histories, PHASES)
        spans = part(table, "phase")
        assert spans["x"].tolist() == [0, 250, 700]
        assert spans["x_stop"].tolist() == [250, 700, 990]
        assert part(table, "boundary", "seed 1")["x"].tolist() == [300, 800]

    def test_a_training_without_phases_is_not_shaded(self, histories):
        table = sae_training_table("rec", histories, {0: (None, None), 1: (300, None)})
        assert part(table, "phase").empty
        assert part(table, "boundary")["x"].tolist() == [300]
        assert_readable(draw_sae_training(table))

    @pytest.mark.parametrize("n_seeds", [1, 6, 8])
    def test_any_number_of_seeds(self, histories, n_seeds):
        table = sae_training_table("rec", dict.fromkeys(range(n_seeds), histories[0]), PHASES)
        assert_readable(draw_sae_training(table))

    def test_one_row_a_loss_below_zero_and_no_validation(self, histories):
        short = histories[0].iloc[:1].assign(validation_cosmoothing=np.nan, loss=-3.0)
        figure = draw_sae_training(sae_training_table("rec", {0: short}))
        assert figure.axes[0].get_ylim()[0] < -3
        assert_readable(figure)


class TestDensity:
    def test_every_latent_is_counted_once(self):
        table = sae_density_table("rec", [sae_run(n=200, n_dead=7, n_dense=3)], {"default": 8})
        assert part(table, "histogram")["y"].sum() == 193
        assert part(table, "dead")["y"].tolist() == [7]
        assert part(table, "dense")["y"].tolist() == [3]
        assert (np.diff(part(table, "rank")["y"]) <= 0).all()
        assert header(table)["split"] == "test"
        said_there = [t.get_text() for t in draw_sae_density(table).axes[1].texts]
        assert said_there == ["7 dead, 3 dense of 200"]

    def test_a_latent_that_is_always_active_is_in_the_last_bin(self):
        run = sae_run(n=10, n_dead=0, n_dense=0)
        run.loc[(run["metric"] == "density") & (run["latent"] == 0), "value"] = 1.0
        bars = part(sae_density_table("rec", [run], {}), "histogram")
        assert bars["y"].sum() == 10
        assert bars["x_stop"].max() == pytest.approx(1)
        assert bars["y"].iloc[-1] == 1

    def test_use_is_held_against_the_budget(self):
        runs = [sae_run(seed=s) for s in (0, 1)]
        table = sae_density_table("rec", runs, {"default": 8})
        l0 = part(table, "l0", "default seed 1")
        assert dict(zip(l0["label"], l0["y"], strict=True)) == pytest.approx(
            {"train": 8, "validation": 8, "test": 10.4}
        )
        assert part(table, "nominal")["y"].tolist() == [8]
        assert part(sae_density_table("rec", runs, {"default": 0}), "nominal").empty

    @pytest.mark.parametrize("change", [{"n_dead": 20}, {"n_dead": 19, "n_dense": 0}])
    def test_a_dictionary_that_is_all_but_dead(self, change):
        figure = draw_sae_density(
            sae_density_table("rec", [sae_run(n=20, **change)], {"default": 4})
        )
        assert_readable(figure)
        dead = "No latent is active in these bins"
        assert (dead in said(figure.axes[1])) == (change["n_dead"] == 20)

    def test_many_latents_and_training_bins_only(self):
        runs = [sae_run("a_model_with_a_long_name", n=8192, splits=["train"])]
        table = sae_density_table("rec", runs, {"a_model_with_a_long_name": 8})
        assert len(part(table, "rank")) <= 400
        figure = draw_sae_density(table)
        assert figure.axes[0].get_title(loc="left").endswith("Density in training bins")
        assert_readable(figure)


class TestLevels:
    def test_points_are_those_of_the_metrics(self):
        runs = [sae_run(seed=s, levels=LEVELS["default"]) for s in (0, 1)]
        table = sae_levels_table("rec", runs, LEVELS)
        points = part(table, "r2_mean", "default test")
        assert points["x"].tolist() == [32, 64, 128] * 2
        assert points["y"].tolist() == pytest.approx([0.1, 0.2, 0.3, 0.11, 0.21, 0.31])
        assert part(table, "nominal")["series"].unique().tolist() == ["default"]
        assert header(table)["held_out"] == "test"

    def test_models_without_levels_are_said(self):
        figure = draw_sae_levels(sae_levels_table("rec", [sae_run()], {"default": [(128, 8)]}))
        assert [said(ax) for ax in figure.axes] == [["No model has levels"]] * 3
        assert_readable(figure)

    def test_one_level_in_training_bins_without_a_budget(self):
        run = sae_run(levels=[(64, 0)], splits=["train"])
        table = sae_levels_table("rec", [run], {"default": [(64, 0)]})
        figure = draw_sae_levels(table)
        assert "training bins" in figure.get_suptitle()
        assert part(table, "nominal").empty
        assert_readable(figure)


class TestStability:
    def test_distributions_are_of_all_latents_and_stable_ones_those_of_the_dictionary(self):
        runs = stability_run(level=0.9, n=1000, stable=0.25)
        runs.loc[runs["latent"] < 100, "value"] = 0.0
        table = sae_stability_table("rec", [runs])
        # Most of these |r| are above 0.7, of few active bins: the judged share is what counts.
        assert part(table, "share")["y"].tolist() == [0.25, 0.26]
        assert part(table, "share mean")["y"].tolist() == [pytest.approx(0.255)]
        assert "26% of the latents" in draw_sae_stability(table).get_suptitle()
        shares = part(table, "distribution")["label"].str.removeprefix("share ").astype(float)
        assert shares.sum() == pytest.approx(1, abs=1e-3)
        assert shares.iloc[0] == pytest.approx(0.1)
        assert part(table, "median")["label"].tolist() == ["2000"]

    def test_the_title_holds_a_model_against_its_own_nulls(self):
        runs = [stability_run("sae", level=0.85), stability_run("sae_shifted", level=0.2)]
        runs.append(stability_run("sae_shifted", "mini", level=0.9))
        title = draw_sae_stability(sae_stability_table("rec", runs)).get_suptitle()
        assert "100% of the latents of default are stable, of its nulls at most 0%" in title

    def test_without_a_second_seed_it_says_so(self):
        figure = draw_sae_stability(sae_stability_table("rec", [sae_run()]))
        assert all(said(ax)[0].startswith("No stability") for ax in figure.axes)
        assert_readable(figure)

    @pytest.mark.parametrize("n_models", [1, 5])
    def test_few_and_many_models(self, n_models):
        runs = [stability_run(k, f"model_{i}") for i in range(n_models) for k in KINDS]
        assert_readable(draw_sae_stability(sae_stability_table("rec", runs)))

    def test_dead_latents_and_unknown_values_count_as_not_stable(self):
        runs = stability_run(level=0.8).assign(value=np.nan)
        table = sae_stability_table("rec", [runs])
        assert part(table, "share mean")["y"].tolist() == [0]
        assert_readable(draw_sae_stability(table))


class TestMethods:
    def test_names(self, method_runs):
        names = methods.method_names(method_runs)
        assert names == ["default", "default", "mini", "pca", "pca_smoothed", "nmf"]
        sizes = [method_run("pca", "pca8"), method_run("pca", "pca32")]
        assert methods.method_names(sizes) == ["pca8", "pca32"]
        assert methods.pretty("pca8") == "PCA8" and methods.pretty("factor_analysis") == (
            "factor analysis"
        )

    def test_raw_and_smoothed_share_a_line(self, method_runs):
        table = recovery_table("rec", method_runs)
        assert part(table, "method")["series"].tolist() == ["default", "mini", "pca", "nmf"]
        raw, smoothed = (part(table, "recall", n)["y"].iloc[0] for n in ("pca", "pca_smoothed"))
        assert raw < 2 < smoothed
        assert (part(table, "method")["label"] == "ours").tolist() == [True, True, False, False]


class TestRecovery:
    def test_points_are_seeds_and_the_mean_is_theirs(self, method_runs):
        table = recovery_table("rec", method_runs)
        assert part(table, "f1", "default")["x"].tolist() == [0.5, 0.6]
        assert part(table, "f1 mean", "default")["x"].tolist() == [pytest.approx(0.55)]
        assert "default finds them best (F1\xa00.55)" in draw_recovery(table).get_suptitle()

    def test_scores_of_other_splits_are_not_drawn(self, method_runs):
        both = [pd.concat([m, m.assign(split="train", value=1.0)]) for m in method_runs]
        pd.testing.assert_frame_equal(
            recovery_table("rec", both), recovery_table("rec", method_runs)
        )

    def test_a_recording_without_scores(self, method_runs):
        unknown = [m.assign(value=np.nan) for m in method_runs]
        figure = draw_recovery(recovery_table("rec", unknown))
        assert [said(ax) for ax in figure.axes] == [["Not scored"]] * 5
        assert_readable(figure)


class TestBenchmark:
    def test_every_target_has_its_line_and_is_judged(self, scores):
        table = recovery_benchmark_table(scores)
        assert len(part(table, "target")) == len(TARGETS)
        # A, B and D reach theirs; parents and children (0.6) don't; E stays below its own, and
        # so do dead latents but for those of B.
        assert "SAE reaches 8 of 11 targets" in draw_recovery_benchmark(table).get_suptitle()
        assert part(table, "A recall", "mini")["x"].tolist() == pytest.approx(
            [0.9, 0.89, 0.88, 0.87, 0.86]
        )
        assert part(table, "E recall").empty and part(table, "E dead_fraction").empty

    def test_one_tier_one_seed_one_method(self, scores):
        for tier in "AE":
            few = scores[(scores["tier"] == tier) & (scores["seed"] == 0)]
            figure = draw_recovery_benchmark(recovery_benchmark_table(few[few["method"] == "sae"]))
            assert_readable(figure)

    def test_a_null_that_finds_things_misses_its_target(self, scores):
        few = scores[scores["tier"] == "E"].assign(value=0.5)
        title = draw_recovery_benchmark(recovery_benchmark_table(few)).get_suptitle()
        assert "reaches 0 of 1 targets" in title


class TestCosmoothing:
    def test_boxes_are_of_units_and_points_of_seeds(self, method_runs):
        table = cosmoothing_table("rec", method_runs)
        units = pd.concat(method_runs[:2]).query("metric == 'cosmoothing_r2'")
        by_unit = units.groupby("unit_id")["value"].mean()
        box = part(table, "cosmoothing_r2 units", "default")
        assert box["x"].tolist() == by_unit.quantile([0.05, 0.25, 0.5, 0.75, 0.95]).tolist()
        assert len(part(table, "cosmoothing_r2", "default")) == 2
        assert header(table)["n_cosmoothing_bits"] == "30"
        assert "default is best" in draw_cosmoothing(table).get_suptitle()

    def test_what_lies_below_the_panel_is_marked_and_told(self, method_runs):
        figure = draw_cosmoothing(cosmoothing_table("rec", method_runs))
        assert any(text.startswith("◂ -3.0") for text in said(figure.axes[0]))
        assert figure.axes[0].get_xlim()[0] > -0.6

    def test_units_that_cannot_be_scored(self, method_runs):
        unknown = [m.assign(value=np.nan) for m in method_runs]
        figure = draw_cosmoothing(cosmoothing_table("rec", unknown))
        assert [said(ax) for ax in figure.axes] == [["No unit could be scored"]] * 2
        assert_readable(figure)


class TestSweep:
    def test_a_line_joins_trials_that_differ_in_one_setting_and_the_chosen_is_ringed(self, trials):
        table = sae_sweep_table("rec", trials, PARAMETERS)
        assert part(table, "axis", "k")["label"].tolist() == ["2", "4", "8"]
        assert part(table, "axis", "tau").empty  # not varied
        lines = part(table, "r2").groupby("series")["y"].apply(list)
        assert sum(name.startswith("k ") for name in lines.index) == 6
        assert all(y == pytest.approx([0.1, 0.2, 0.4]) for y in lines.filter(like="k "))
        ringed = part(table, "pattern_bits").query("label == 'True'")
        assert ringed["y"].tolist() == [0.2] * 3  # once in the column of each setting
        mark = part(table, "chosen").iloc[0]
        assert mark["label"] == "n_latents 64, k 4, masked_share 0.3"

    def test_trials_of_one_setting_after_the_other(self, trials):
        first = trials[(trials["n_latents"] == 64) & (trials["masked_share"] == 0.3)]
        then = trials[(trials["n_latents"] == 64) & (trials["k"] == 4)]
        few = pd.concat([first, then]).drop_duplicates()
        table = sae_sweep_table("rec", few, PARAMETERS)
        assert (
            len(part(table, "pattern_bits", "k 0")) + len(part(table, "pattern_bits", "k 1")) == 3
        )
        assert set(part(table, "axis")["series"]) == {"k", "masked_share"}
        assert_readable(draw_sae_sweep(table))

    def test_a_single_trial_and_nothing_varied(self, trials):
        assert_readable(
            draw_sae_sweep(sae_sweep_table("rec", trials[trials["chosen"]], PARAMETERS))
        )

    def test_trials_without_a_value_and_none_chosen(self, trials):
        unknown = trials.assign(pattern_bits=np.nan, chosen=False)
        unknown.loc[unknown["k"] == 2, "r2"] = np.nan
        figure = draw_sae_sweep(sae_sweep_table("rec", unknown, PARAMETERS))
        assert "none chosen" in figure.get_suptitle()
        assert "No trial has a value" in said(figure.axes[0])
        assert_readable(figure)

    def test_values_without_a_number_come_last(self, trials):
        mixed = trials.assign(tau=[None, 2.0, 10.0] * 6, k=4, masked_share=0.0)
        table = sae_sweep_table("rec", mixed, ["tau", "n_latents"])
        assert part(table, "axis", "tau")["label"].tolist() == ["2", "10", "none"]

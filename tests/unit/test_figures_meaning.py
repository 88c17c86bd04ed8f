"""Figures of meaning: what is drawn is what the tables say, and all of it can be read."""

import meaning_samples as samples
import numpy as np
import pandas as pd
import pytest
from test_figures import assert_readable, read_csv, said

from spikesieve.figures.decoding import decoding_drawing_table, draw_decoding
from spikesieve.figures.feature_gallery import draw_feature_gallery, feature_gallery_table
from spikesieve.figures.method_comparison import draw_method_comparison, method_comparison_table
from spikesieve.figures.style import header, part, save_figure
from spikesieve.latents.conditions import conditions_table
from spikesieve.latents.meaning import meaning_tables


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Tables of an autoencoder (two seeds), of PCA, and of raw counts."""
    folder = tmp_path_factory.mktemp("figures")
    time_s = samples.BIN_S * np.arange(samples.N_BINS)
    made = samples.intervals(), samples.signals(), time_s, samples.splits()
    conditions = conditions_table(*made, bin_s=samples.BIN_S, settings=samples.SETTINGS)
    activations = samples.latents(conditions)
    other = samples.latents(conditions, seed=1)
    other[:, :3] = activations[:, :3]
    counts = samples.counts_of(activations)
    mixed = activations @ np.linalg.qr(np.random.default_rng(0).standard_normal((8, 8)))[0]
    samples.write_run(folder / "default/seed0", activations)
    samples.write_run(folder / "default/seed1", other, seed=1)
    samples.write_run(folder / "pca/seed0", mixed, method="pca", model="pca8")
    samples.write_run(folder / "raw/seed0", counts, method="raw", model="raw")
    found = {}
    for model, seeds in {"default": 2, "pca": 1, "raw": 1}.items():
        found[model] = meaning_tables(
            samples.count_table(counts),
            conditions,
            samples.units(),
            [folder / f"{model}/seed{seed}" for seed in range(seeds)],
            recording="rec",
            model=model,
            gap_s=1.0,
            settings=samples.SETTINGS,
        )
    return found


def all_of(tables, name):
    return [of[name] for of in tables.values()]


def redrawn(draw, table, tmp_path):
    """Save, read the numbers back, draw again: the same picture."""
    figure = draw(table)
    assert_readable(figure)
    save_figure(draw(table), table, tmp_path / "one")
    save_figure(draw(read_csv(tmp_path / "one.csv")), table, tmp_path / "two")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    return figure


def gallery(tables, **changed):
    names = ("summary", "tuning", "triggered", "sources")
    return feature_gallery_table("rec", **{n: tables["default"][n] for n in names} | changed)


def test_the_gallery_shows_named_latents_first(tables, tmp_path):
    table = gallery(tables)
    captions = part(table, "latent")["label"].tolist()
    verdicts, names = zip(*(caption.split("|")[1:3] for caption in captions), strict=True)
    assert {"frame = 1", "orientation = 45°"} <= set(names[:3])
    assert sum(name.startswith("speed = ") for name in names[:3]) == 1
    assert verdicts == ("",) * 3 + ("no name",) * 3
    tuned = part(table, "tuning", "0")
    source = tables["default"]["tuning"].query("seed == 0 and latent == 0 and variable == 'frame'")
    assert tuned["y"].tolist() == pytest.approx(source["mean"].tolist())
    units = part(table, "unit", "0")
    assert set(units["label"].iloc[:2]) == {"10 VISp", "18"}
    redrawn(draw_feature_gallery, table, tmp_path)


def test_positions_are_drawn_as_a_map(tables, tmp_path):
    """Pairs of numbers on a grid become an image, the second number upwards."""
    summary = tables["default"]["summary"].query("seed == 0").head(1).copy()
    summary[["variable", "label", "name", "named"]] = [
        "position",
        "10, 20",
        "position = 10, 20",
        True,
    ]
    labels = [f"{x}, {y}" for x in (-10, 0, 10) for y in (-20, 0, 20)]
    tuning = pd.DataFrame(
        {
            "seed": 0,
            "latent": 0,
            "variable": "position",
            "label": labels,
            "order": np.arange(9),
            "mean": np.arange(9.0),
            "sem": 0.1,
        }
    )
    table = gallery(tables, summary=summary, tuning=tuning)
    figure = redrawn(draw_feature_gallery, table, tmp_path)
    image = figure.axes[0].images[0].get_array()
    assert np.asarray(image).tolist() == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]


def test_the_ranges_of_a_coarse_map_can_be_read(tables, tmp_path):
    edges = ("-40 to -20", "-10 to 10", "20 to 40")
    labels = [f"{x}, {y}" for x in edges for y in edges]
    summary = tables["default"]["summary"].copy()
    summary.loc[0, ["variable", "named", "name"]] = ["position", True, "position"]
    about = {"recording": "rec", "model": "default", "seed": 0, "latent": 0, "sem": 0.1}
    tuning = pd.DataFrame({"variable": "position", "label": labels, "mean": np.arange(9.0)})
    tuning = tuning.assign(order=np.arange(9), **about)
    table = gallery(tables, summary=summary, tuning=tuning)
    figure = redrawn(draw_feature_gallery, table, tmp_path)
    ax = next(ax for ax in figure.axes if ax.images)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["-40", "-10", "20"]
    assert [t.get_text() for t in ax.get_yticklabels()] == list(edges)


def test_a_gallery_without_conditions_shows_units(tables, tmp_path):
    summary = tables["default"]["summary"].copy()
    summary[["variable", "label", "name", "named"]] = [None, None, "", False]
    none = {name: tables["default"][name].iloc[:0] for name in ("tuning", "triggered")}
    figure = redrawn(draw_feature_gallery, gallery(tables, summary=summary, **none), tmp_path)
    assert "No label is known to go with it" in said(figure.axes[0])
    silent = summary.assign(dead=True)
    assert_readable(draw_feature_gallery(gallery(tables, summary=silent, **none)))


def test_decoding_draws_scores_and_differences(tables, tmp_path):
    table = decoding_drawing_table("rec", all_of(tables, "decoding"), all_of(tables, "confusion"))
    variables = part(table, "variable")
    assert set(variables["series"]) == {"stimulus", "frame", "orientation", "speed"}
    number = variables["series"].tolist().index("frame")
    points = part(table, f"all {number}", "default")
    source = pd.concat(all_of(tables, "decoding")).query(
        "fold.isna() and of == 'all' and variable == 'frame' and model == 'default'"
    )
    assert points["x"].tolist() == pytest.approx(source["value"].tolist())
    assert "raw" not in set(part(table, f"difference {number}")["series"])
    cells = part(table, "confusion")
    by_true = cells.assign(share=cells["label"].astype(float)).groupby("series")["share"].sum()
    assert by_true.to_numpy() == pytest.approx(np.ones(len(by_true)), abs=1e-3)
    redrawn(draw_decoding, table, tmp_path)


def test_nothing_to_decode_is_said(tables):
    none = [table.iloc[:0] for table in all_of(tables, "decoding")]
    figure = draw_decoding(decoding_drawing_table("rec", none, none))
    assert "Nothing is known" in said(figure.axes[0])[0]


def test_methods_are_compared_by_their_best_latents(tables, tmp_path):
    features, summaries = all_of(tables, "features"), all_of(tables, "summary")
    null = tables["default"]["features"].assign(named=False)
    table = method_comparison_table("rec", features, summaries, [null])
    variables = part(table, "variable")["series"].tolist()
    number = variables.index("orientation")
    mean = part(table, f"auroc {number} mean", "pca")["x"].item()
    mine = tables["pca"]["features"].query("chosen_by == 'label' and variable == 'orientation'")
    assert mean == pytest.approx(mine["auroc"].median())
    assert part(table, "named n", "default")["label"].item().startswith("6 of 16")
    assert part(table, "named null")["x"].tolist() == [0]
    redrawn(draw_method_comparison, table, tmp_path)


def test_smoothed_methods_share_a_line_with_their_own(tables, tmp_path):
    """PCA on smoothed counts stands beside PCA, in both figures."""
    smoothed = {n: t.assign(model="pca_smoothed") for n, t in tables["pca"].items()}
    both = tables | {"pca_smoothed": smoothed}
    found = decoding_drawing_table("rec", all_of(both, "decoding"), all_of(both, "confusion"))
    compared = method_comparison_table("rec", all_of(both, "features"), all_of(both, "summary"))
    for table, panel in ((found, "all 0"), (compared, "auroc 0")):
        assert part(table, "method")["series"].tolist() == ["default", "pca", "raw"]
        y = [part(table, panel, name)["y"].item() for name in ("pca", "pca_smoothed")]
        assert y == pytest.approx([0.81, 1.19])
    for table, panel in ((found, "chance 0"), (compared, "chance 0")):
        assert part(table, panel, "pca_smoothed")["y"].item() == pytest.approx(1.19)
    assert_readable(draw_decoding(found))
    assert_readable(draw_method_comparison(compared))


def test_methods_without_labels_are_named_all_the_same(tables):
    features = [table.iloc[:0] for table in all_of(tables, "features")]
    summaries = [t.assign(named=False) for t in all_of(tables, "summary")]
    table = method_comparison_table("rec", features, summaries)
    figure = draw_method_comparison(table)
    assert_readable(figure)
    assert "Nothing is known" in said(figure.axes[0])[0]
    assert header(table)["recording"] == "rec"

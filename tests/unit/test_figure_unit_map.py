"""The static figure of a unit map: what is drawn is what the tables say, and can be read."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from map_samples import small_map
from test_figures import assert_readable, read_csv, said

from spikesieve.figures.style import part, save_figure
from spikesieve.figures.unit_map import draw_unit_map, unit_map_table
from spikesieve.recording import read_table, write_table

MAPS = {
    "two": {},
    "one": {"names": ("only",)},
    "three units": {"n_units": 3},
    "one unit": {"n_units": 1},
    "silent": {"silent": range(24)},
    "many": {"n_units": 300, "names": [f"recording_{i}" for i in range(30)]},
    "long names": {
        "names": [f"a_recording_with_a_long_name_indeed_and_more_{i}" for i in range(9)]
    },
}


@pytest.fixture(scope="module")
def maps():
    return {name: small_map(**settings) for name, settings in MAPS.items()}


@pytest.mark.parametrize("name", MAPS)
def test_it_can_be_read_and_drawn_from_its_csv(maps, name, tmp_path):
    table = unit_map_table("rec", *maps[name][:2])
    assert_readable(draw_unit_map(table))
    save_figure(draw_unit_map(table), table, tmp_path / "first")
    again = read_csv(tmp_path / "first.csv")
    pd.testing.assert_frame_equal(again, table, check_exact=True)
    save_figure(draw_unit_map(again), again, tmp_path / "second")
    for suffix in (".png", ".pdf", ".csv"):
        first, second = ((tmp_path / f"{n}{suffix}").read_bytes() for n in ("first", "second"))
        assert first == second, suffix


def test_every_unit_is_drawn_where_the_table_says(maps):
    unit_map, scores, _ = maps["two"]
    axes = draw_unit_map(unit_map_table("rec", unit_map, scores)).axes
    for ax, layout in zip(axes, ("tsne", "pca"), strict=False):
        for points, (_, own) in zip(
            ax.collections, unit_map.groupby("recording", sort=False), strict=True
        ):
            expected = own[[f"x_{layout}", f"y_{layout}"]].to_numpy()
            np.testing.assert_array_equal(points.get_offsets(), expected)


def test_scores_stand_beside_their_chance(maps):
    unit_map, scores, _ = maps["two"]
    table = unit_map_table("rec", unit_map, scores)
    for score in scores[scores["score"] != "pca_share"].itertuples():
        assert part(table, "score", score.score)["x"].tolist() == [score.value]
        span = part(table, "chance span", score.score)
        assert (span["x"].item(), span["x_stop"].item()) == (score.chance_low, score.chance_high)
    figure = draw_unit_map(table)
    value = scores.set_index("score").loc["neighbour_similarity", "value"]
    assert f"correlate at {value:.2f} (chance" in figure.get_suptitle()
    assert any("permuted within" in text for text in said(figure.axes[2]))


def test_one_recording_has_no_score_within_it_and_says_why_none_is_given_away(maps):
    table = unit_map_table("rec", *maps["one"][:2])
    assert part(table, "score")["series"].tolist() == ["neighbour_similarity"]
    texts = said(draw_unit_map(table).axes[2])
    assert any("none: there is one recording" in text for text in texts)


def test_few_units_say_that_there_is_no_tsne(maps):
    figure = draw_unit_map(unit_map_table("rec", *maps["three units"][:2]))
    assert any("No t-SNE: it needs 5 units" in text for text in said(figure.axes[0]))
    assert len(said(figure.axes[1])) == 0
    title = draw_unit_map(unit_map_table("rec", *maps["one unit"][:2])).get_suptitle()
    assert "map of 1 unit by embedding" in title


def test_recordings_look_different(maps):
    figure = draw_unit_map(unit_map_table("rec", *maps["many"][:2]))
    looks = {
        (tuple(points.get_facecolor()[0]), points.get_paths()[0].vertices.tobytes())
        for points in figure.axes[1].collections
    }
    assert len(looks) == 24
    assert "and 18 more" in " ".join(t.get_text() for t in figure.legends[0].get_texts())


def test_the_stages_make_map_figure_and_page(root, tmp_path):
    """As the workflow does: embeddings and averages in, map, scores, figure and page out."""
    unit_map, _, averages = small_map()
    ids = unit_map[["recording", "unit_id"]]
    embedding = ids.assign(e0=unit_map["x_pca"], e1=unit_map["y_pca"])
    write_table(tmp_path / "embedding.parquet", "unit_embedding", embedding)
    paths = []
    for name, own in averages.groupby("recording"):
        paths.append(tmp_path / f"{name}.parquet")
        write_table(paths[-1], "stimulus_average", own)

    def stage(script, *arguments):
        command = [sys.executable, root / "workflow/scripts" / script, *arguments]
        subprocess.run(command, check=True, cwd=tmp_path, capture_output=True, text=True)

    tables = ["--unit-map", "map.parquet", "--scores", "scores.parquet"]
    stage("unit_map.py", "embedding.parquet", *paths, *tables, "--n-permutations", "20")
    both = ["map.parquet", "scores.parquet"]
    stage("figure_unit_map.py", *both, "--picture", "map.png", "--recording", "rec")
    stage("page_unit_map.py", *both, *paths, "--page", "map.html")
    found = read_table(tmp_path / "map.parquet", "unit_map")
    pd.testing.assert_frame_equal(found[["recording", "unit_id"]], ids, check_dtype=False)
    assert read_table(tmp_path / "scores.parquet", "map_scores")["value"].notna().all()
    assert {p.suffix for p in tmp_path.glob("map.*")} >= {".png", ".pdf", ".csv", ".html"}

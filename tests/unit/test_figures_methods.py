"""Figures of benchmarks of methods: what is drawn is what the tables say."""

import numpy as np
import pandas as pd
import pytest
from test_figures import assert_readable, read_csv

from spikesieve.baselines.scaling import COMMON, METHODS, SIZES, scaling_counts, time_method
from spikesieve.errors import InputError
from spikesieve.figures.lfads_benchmark import draw_lfads_benchmark, lfads_benchmark_table
from spikesieve.figures.methods import pretty
from spikesieve.figures.scaling import draw_scaling, scaling_table
from spikesieve.figures.style import part, save_figure


def costs():
    """Return a table as benchmark_methods.py writes it."""
    rows = []
    for number, method in enumerate(METHODS):
        grid = {tuple((COMMON | {a: v}).items()) for a, vs in SIZES.items() for v in vs}
        for size in map(dict, sorted(grid)):
            seconds = (number + 1) * size["bins"] * size["units"] / 1e6
            rows.append({"method": method, **size, "seconds": seconds, "peak_mb": 300 + seconds})
    return pd.DataFrame(rows)


def lorenz():
    rng = np.random.default_rng(0)
    bins = np.arange(100)
    example = []
    for what, names in (("coordinate", "xyz"), ("rate", ["3", "17", "42"])):
        for n, name in enumerate(names):
            true = 1 + np.sin(bins / 9 + n)
            values = {"bin": bins, "true": true, "found": true + 0.1 * rng.normal(size=100)}
            example.append(pd.DataFrame({"what": what, "of": name, **values}))
    kinds = {"rate": 0.94, "rate, smoothed counts": 0.4}
    scores = [
        pd.DataFrame({"what": k, "of": range(60), "r2": v - 0.3 * rng.random(60) * (v < 0.9)})
        for k, v in kinds.items()
    ]
    scores.append(pd.DataFrame({"what": "coordinate", "of": list("xyz"), "r2": [0.97, 0.96, 0.98]}))
    step = np.arange(50, 1501, 50)
    loss = {"likelihood": 0.4 + 5 / step, "validation_loss": 0.41 + 5 / step}
    return pd.concat(scores), pd.concat(example), pd.DataFrame({"step": step, **loss})


@pytest.fixture(params=["scaling", "lfads"], scope="module")
def drawing(request):
    if request.param == "scaling":
        return scaling_table(costs()), draw_scaling
    return lfads_benchmark_table(*lorenz()), draw_lfads_benchmark


def test_every_figure_can_be_read(drawing):
    table, draw = drawing
    assert_readable(draw(table))


def test_the_csv_draws_the_same_picture(drawing, tmp_path):
    table, draw = drawing
    save_figure(draw(table), table, tmp_path / "a")
    save_figure(draw(read_csv(tmp_path / "a.csv")), table, tmp_path / "b")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_lines_are_of_one_common_size():
    table = scaling_table(costs())
    for axis, sizes in SIZES.items():
        for method in METHODS:
            line = part(table, f"seconds {axis}", method)
            assert line["x"].tolist() == list(sizes)
            slope = np.diff(np.log(line["y"])) / np.diff(np.log(line["x"]))
            np.testing.assert_allclose(slope, 1)
    assert part(table, "header").set_index("series")["label"].to_dict() == {
        "bins": "4000",
        "units": "80",
    }


def test_means_of_the_lorenz_benchmark_are_those_of_its_scores():
    scores, example, history = lorenz()
    table = lfads_benchmark_table(scores, example, history)
    means = part(table, "r2 mean").set_index("series")["y"]
    for what, one in scores.groupby("what"):
        assert means[what] == pytest.approx(one["r2"].mean())
    assert len(part(table, "r2", "rate")) == 60
    assert (
        part(table, "rate 17", "true")["y"].tolist() == example.query("of == '17'")["true"].tolist()
    )


def test_methods_of_the_benchmark_have_names_to_read():
    names = [pretty(method) for method in METHODS]
    assert names[-4:] == ["CEBRA-Time", "sliceTCA", "LFADS", "SAE"]
    assert not any("_" in name for name in names)


def test_counts_of_the_benchmark_are_of_the_size_asked_for():
    counts = scaling_counts(2001, 40)
    assert counts.shape == (2001, 40)
    assert 0.2 < counts.mean() < 1
    np.testing.assert_array_equal(counts, scaling_counts(2001, 40))


@pytest.mark.parametrize("method", ["pca", "nmf_frobenius"])
def test_a_method_is_timed(method):
    assert time_method(method, 400, 20) > 0


def test_a_method_that_is_not_there():
    with pytest.raises(InputError, match="did you mean 'pca'"):
        time_method("pcaa", 400, 20)

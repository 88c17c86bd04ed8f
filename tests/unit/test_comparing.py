"""Methods in one table: medians, paired differences that are known, and a page that says them."""

import re

import numpy as np
import pandas as pd
import pytest

from spikesieve.latents.comparing import COLUMNS, comparison_table
from spikesieve.latents.paired import LEAST_PAIRS, paired_difference
from spikesieve.pages.comparison import comparison_page, verdict

MINUS = "\N{MINUS SIGN}"
LABELS = [f"p{i}" for i in range(8)]
#: How much more than raw counts each method's latents and decoders score, everywhere.
GAIN = {"default": 0.05, "pca": -0.1, "raw": 0.0}
RNG = np.random.default_rng(0)
LEVEL, BLOCK = RNG.uniform(0.6, 0.8, len(LABELS)), RNG.uniform(0.2, 0.6, 10)


def features(model, seeds=(0,), variable="position"):
    table = pd.concat(
        pd.DataFrame({"label": LABELS, "auroc": LEVEL + GAIN[model], "seed": seed})
        for seed in seeds
    )
    return table.assign(model=model, variable=variable, chosen_by="label", chance_auroc=0.55)


def decoding(model):
    weight = np.full(10, 0.1)
    blocks = pd.DataFrame({"fold": range(10), "value": BLOCK + GAIN[model], "weight": weight})
    whole = pd.DataFrame({"fold": [None], "value": [BLOCK.mean() + GAIN[model]], "weight": [1.0]})
    every = pd.concat([whole, blocks]).assign(of="all", latent=None)
    best = whole.assign(of="single", latent=3, value=0.21)
    table = pd.concat([every, best]).assign(seed=0, model=model, variable="position")
    return table.assign(score="balanced_accuracy", chance=0.1, chance_high=0.15)


def summary(model, method=None):
    table = pd.DataFrame({"latent": range(4), "dead": [False, False, False, True]})
    named = table["latent"] < (2 if model == "default" else 0)
    names = np.where(named, [f"position = {label}" for label in LABELS[:4]], "")
    more = {"model": model, "method": method or model, "seed": 0, "stability": [0.9, 0.8, 0.7, 0.1]}
    return table.assign(named=named, name=names, auroc=[0.7, 0.9, 0.6, 0.5], **more)


def costs():
    rows = [("sae", "default", 60.0), ("pca", "pca8", 2.0), ("sae", "mini", 5.0)]
    table = pd.DataFrame(rows, columns=["method", "model", "seconds"])
    null = table.assign(null="shifted", seconds=1000.0)
    return pd.concat([table.assign(null="none"), null]).assign(peak_mb=500.0)


@pytest.fixture
def table():
    models = ("default", "raw", "pca")
    return comparison_table(
        [features(m, seeds=(0, 1) if m == "default" else (0,)) for m in models],
        [summary(m, "sae" if m == "default" else None) for m in models],
        [decoding(m) for m in models],
        costs(),
        recording="rec",
        ours="default",
    )


def test_scores_costs_and_names_of_each_method(table):
    assert table.columns.tolist() == list(COLUMNS)
    assert table["model"].tolist() == ["default", "raw", "pca"]
    one = table.set_index("model")
    assert one["single_auroc"].tolist() == pytest.approx(
        np.median(LEVEL) + np.array([0.05, 0, -0.1])
    )
    assert one["decoded"].tolist() == pytest.approx(BLOCK.mean() + np.array([0.05, 0, -0.1]))
    assert (one["decoded_best"] == 0.21).all()
    assert one.loc["default", ["seconds", "n_active", "n_named"]].tolist() == [60, 3, 2]
    assert one.loc["pca", "seconds"] == 2
    assert np.isnan(one.loc["raw", "seconds"])  # raw counts cost nothing that was measured
    assert one.loc["default", "stability"] == 0.8  # of active latents
    assert one.loc["default", "best_features"] == "position = p1; position = p0"
    assert one.loc["pca", "best_features"] == ""


@pytest.mark.parametrize("kind", ["single", "decoded"])
def test_differences_are_paired(table, kind):
    """Labels and blocks differ much, methods always by the same: the interval is a point."""
    one = table.set_index("model")
    for end in ("", "_low", "_high"):
        raw, ours = one[f"{kind}_than_raw{end}"], one[f"{kind}_than_ours{end}"]
        assert raw[["default", "pca"]].tolist() == pytest.approx([0.05, -0.1])
        assert ours[["raw", "pca"]].tolist() == pytest.approx([-0.05, -0.15])
        assert np.isnan([raw["raw"], ours["default"]]).all()


def test_unsure_differences_hold_zero_and_few_pairs_have_no_interval():
    noise = RNG.uniform(0, 1, 20)
    scores = pd.DataFrame(
        {"name": ["ours"] * 10 + ["raw"] * 10, "fold": [*range(10)] * 2, "value": noise}
    ).assign(weight=1.0)
    middle, low, high = paired_difference(scores, "ours", "raw", "fold")
    assert low < middle < high
    assert low < 0 < high
    assert paired_difference(scores, "ours", "gone", "fold") is None
    apart = scores.assign(fold=range(20))
    assert paired_difference(apart, "ours", "raw", "fold") is None
    few = scores[scores["fold"] < LEAST_PAIRS - 1]
    middle, low, high = paired_difference(few, "ours", "raw", "fold")
    assert np.isfinite(middle)
    assert np.isnan([low, high]).all()


def test_weights_count():
    scores = pd.DataFrame(
        {
            "name": ["ours", "ours", "raw", "raw"],
            "fold": [0, 1, 0, 1],
            "value": [1.0, 0.0, 0.0, 0.0],
            "weight": [0.9, 0.1, 0.9, 0.1],
        }
    )
    assert paired_difference(scores, "ours", "raw", "fold")[0] == pytest.approx(0.9)


def test_the_page_says_it(table):
    page = comparison_page(table, recording="rec", ours="default")
    plain = re.sub(r"<[^>]+>", " ", page)
    assert "position (8 labels)" in plain
    assert "+0.05 [+0.05, +0.05]" in plain
    assert f"{MINUS}0.10 [{MINUS}0.10, {MINUS}0.10]" in plain
    assert "position = p1; position = p0" in plain
    assert "Single latents: default is best" in plain
    assert page.count('class="ours"') == 2  # once among methods, once among scores
    assert "nan" not in plain.lower()


def test_a_verdict_tells_where_ours_is_worse(table):
    worse = table.assign(single_auroc=[0.5, 0.9, 0.7])
    worse.loc[0, [f"single_than_raw{end}" for end in ("", "_low", "_high")]] = -0.4, -0.5, -0.3
    said = verdict(worse, "default")
    assert "raw counts is best (0.90), default reaches 0.50" in said
    assert f"less than raw counts ({MINUS}0.40 [" in said


def test_what_is_not_known_is_a_dash_not_a_number():
    """A recording without labels, and a variable that is never decoded."""
    nothing = comparison_table([], [], [], costs(), recording="rec", ours="default")
    assert nothing.empty
    assert "Nothing is known" in comparison_page(nothing, recording="rec", ours="default")
    models = ("default", "raw")
    some = comparison_table(
        [features(m) for m in models],
        [summary(m) for m in models],
        [decoding(m).iloc[:0] for m in models],
        costs(),
        recording="rec",
        ours="default",
    )
    page = comparison_page(some, recording="rec", ours="default")
    assert "not decoded" in page
    assert "All latents: " not in page


def test_names_are_escaped():
    evil = features("raw", variable="<script>alert(1)</script>")
    table = comparison_table(
        [evil], [summary("raw")], [decoding("raw").iloc[:0]], costs(), recording="r", ours="raw"
    )
    page = comparison_page(table, recording="<b>r</b>", ours="raw")
    assert "<script>alert" not in page
    assert "<b>r</b>" not in page

"""The page of features as a file: small, whole, escaped, and true to the tables."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from dashboard_samples import BIN_S, HOSTILE, VARIABLES, bare_tables, sample_firing, sample_tables
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from map_samples import small_map

from spikesieve.errors import InputError
from spikesieve.pages.dashboard import page as page_module
from spikesieve.pages.dashboard.activations import (
    Activations,
    by_latent,
    encoded_activations,
    histograms,
    pooled,
)
from spikesieve.pages.dashboard.contents import Detail, Firing, contents
from spikesieve.pages.dashboard.moments import (
    BINS_AROUND,
    counts_around,
    spikes_around,
    strongest_units,
    top_moments,
)
from spikesieve.pages.dashboard.packing import LARGEST_16, NONE_16, pack, sixteen_bits, unpack
from spikesieve.pages.dashboard.page import dashboard_page
from spikesieve.pages.document import LARGEST_BYTES
from spikesieve.pages.unit_map import unit_map_page
from spikesieve.spikes import SpikeTrains

FULL = Detail(bins_together=1, n_moments=6)


@st.composite
def some_latents(draw):
    """A ``latents`` table of up to 5 latents, in any order of rows."""
    pairs = draw(st.sets(st.tuples(st.integers(0, 40_000), st.integers(0, 4)), max_size=40))
    values = draw(
        st.lists(
            st.floats(-5, 5, width=32).filter(lambda v: abs(v) > 0.01),
            min_size=len(pairs),
            max_size=len(pairs),
        )
    )
    frame = pd.DataFrame(sorted(pairs), columns=["bin", "latent"], dtype=np.int64)
    return frame.assign(activation=np.array(values, np.float32))


def decoded(encoded):
    """What store.js makes of encoded activations: of each latent, bins and values."""
    step, found = encoded["step"].tolist(), []
    most = 127 if encoded["share"].dtype == np.int8 else 255
    for latent in range(len(encoded["scale"])):
        at, bin_, bins = int(encoded["byte"][latent]), -1, []
        first, last = encoded["start"][latent : latent + 2]
        for _ in range(first, last):
            jump, shift = 0, 0
            while True:
                jump |= (step[at] & 127) << shift
                shift, at = shift + 7, at + 1
                if step[at - 1] < 128:
                    break
            bin_ += jump
            bins.append(bin_)
        share = encoded["share"][first:last].astype(float) / most
        found.append((bins, share * encoded["scale"][latent]))
    return found


@given(some_latents(), st.permutations(range(6)))
def test_activations_read_back(frame, ids):
    rows = by_latent(frame.sample(frac=1, random_state=0), np.array(ids))
    for latent, (bins, values) in zip(ids, decoded(encoded_activations(rows)), strict=True):
        own = frame[frame["latent"] == latent].sort_values("bin")
        assert bins == own["bin"].tolist()
        largest = own["activation"].abs().max() if len(own) else 0
        np.testing.assert_allclose(values, own["activation"], atol=largest / 127 + 1e-6)
        assert (np.sign(values) == np.sign(own["activation"])).all()


@given(some_latents(), st.integers(1, 300))
def test_pooling_keeps_the_strongest_of_each_group(frame, width):
    rows = pooled(by_latent(frame, np.arange(5)), width)
    group = frame.assign(bin=frame["bin"] // width, size=frame["activation"].abs())
    best = group.sort_values("size").groupby(["latent", "bin"])["size"].last()
    assert rows.n_latents == 5
    np.testing.assert_array_equal(
        np.diff(rows.start), best.groupby("latent").size().reindex(range(5), fill_value=0)
    )
    np.testing.assert_array_equal(rows.bin, best.index.get_level_values("bin"))
    np.testing.assert_array_equal(np.abs(rows.activation), best)


@given(some_latents())
def test_histograms_hold_every_active_bin(frame):
    found = histograms(by_latent(frame, np.arange(5)))
    n = frame.groupby("latent").size().reindex(range(5), fill_value=0)
    np.testing.assert_array_equal(found["count"].sum(axis=1), n)


@settings(max_examples=50)
@given(arrays.arrays(np.float64, (3, 4, 2), elements=st.floats(-1e6, 1e6) | st.just(np.nan)))
def test_sixteen_bits_are_close(values):
    whole, scale = sixteen_bits(values)
    back = np.where(whole == NONE_16, np.nan, whole / LARGEST_16 * scale[:, None, None])
    assert (np.isnan(back) == np.isnan(values)).all()
    allowed = np.broadcast_to(scale[:, None, None] / 60_000, back.shape)
    there = ~np.isnan(values)
    assert (np.abs(back - values)[there] <= allowed[there]).all()


def test_content_reads_back():
    kinds = [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.float32, np.float64]
    arrays_ = [np.arange(n, dtype=kind) for n, kind in enumerate(kinds)]
    content = {"words": [HOSTILE, "é", None], "inner": {"arrays": arrays_}, "type": "u1"}
    back = unpack(pack(content))
    assert back["words"] == content["words"]
    for one, other in zip(arrays_, back["inner"]["arrays"], strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match="int64"):
        pack({"x": np.arange(3)})
    with pytest.raises(ValueError, match="JSON compliant"):
        pack({"x": float("nan")})


def test_top_moments_are_the_strongest_and_apart():
    frame = pd.DataFrame({"bin": [50, 51, 60, 61, 90, 20], "latent": 0})
    frame["activation"] = np.array([3.0, -4.0, 3.5, 2.0, 1.0, 1.0], np.float32)
    found = top_moments(by_latent(frame, np.array([0, 1])), 4)
    # 60 is 9 bins from 51 and so left out; 61 is 10 away, too.
    np.testing.assert_array_equal(found, [[51, 20, 90, -1], [-1, -1, -1, -1]])


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_spikes_around_moments_are_those_in_the_window(seed):
    rng = np.random.default_rng(seed)
    n = rng.integers(0, 60, 4)
    trains = SpikeTrains(
        np.concatenate([np.sort(rng.uniform(0, 3, k)) for k in n]),
        np.concatenate([[0], np.cumsum(n)]),
    )
    moments = rng.integers(-1, 60, (3, 2))
    units = rng.integers(-1, 4, (3, 5))
    found = spikes_around(moments, units, trains, BIN_S)
    number, at = found["n"].reshape(3, 2, 5), np.split(found["at"], np.cumsum(found["n"])[:-1])
    window = (2 * BINS_AROUND + 1) * BIN_S
    for place, (latent, moment, row) in enumerate(np.ndindex(3, 2, 5)):
        own, unit = moments[latent, moment], units[latent, row]
        expected = np.empty(0)
        if own >= 0 and unit >= 0:
            start = (own - BINS_AROUND) * BIN_S
            train = trains.of(int(unit))
            expected = train[(train >= start) & (train < start + window)] - start
        assert number[latent, moment, row] == len(expected)
        np.testing.assert_allclose(at[place] / 255 * window, expected, atol=window / 255)


def test_counts_around_moments_are_those_of_the_bins():
    counts = np.arange(600, dtype=np.uint16).reshape(200, 3)
    found = counts_around(np.array([[40, 3, -1]]), np.array([[2, -1]]), counts)
    assert found.shape == (1, 3, 2, 21)
    np.testing.assert_array_equal(found[0, 0, 0], counts[30:51, 2])
    np.testing.assert_array_equal(found[0, 1, 0, :7], 0)  # before the recording
    np.testing.assert_array_equal(found[0, 1, 0, 7:], counts[:14, 2])
    assert not found[0, 2].any()
    assert not found[0, :, 1].any()
    high = counts_around(np.array([[150]]), np.array([[0]]), counts)
    assert (high == 255).all()


def test_strongest_units_come_first():
    weight = np.array([[0.1, -3.0, np.nan, 2.0], [0.0, np.nan, 0.0, 0.0]])
    np.testing.assert_array_equal(strongest_units(weight, 3), [[1, 3, 0], [-1, -1, -1]])


@pytest.fixture(scope="module")
def sample():
    tables, codes = sample_tables(n_latents=36, n_bins=2400, per_bin=4)
    return tables, codes, contents(tables, sample_firing(n_bins=2400), FULL, BIN_S)


def test_lanes_tell_what_each_bin_held(sample):
    tables, codes, content = sample
    lanes = {lane["name"]: lane for lane in content["lanes"]}
    assert list(lanes) == ["stimulus", *VARIABLES, "split"]
    for name, code in codes.items():
        assert lanes[name]["labels"] == VARIABLES[name][1]
        np.testing.assert_array_equal(lanes[name]["code"], code + 1)
    split = np.array(["", *lanes["split"]["labels"]], dtype=object)[lanes["split"]["code"]]
    np.testing.assert_array_equal(split, tables.split)
    stimulus = lanes["stimulus"]["code"]
    np.testing.assert_array_equal(stimulus[[0, 589, 590, 600, 1189]], [1, 1, 0, 2, 2])


def test_intervals_need_no_lane_where_conditions_tell_them(sample):
    tables, _, _ = sample
    told = tables.conditions.assign(variable="stimulus").drop_duplicates("bin")
    content = contents(tables._replace(conditions=told), sample_firing(n_bins=2400), FULL, BIN_S)
    assert [lane["name"] for lane in content["lanes"]] == ["stimulus", "split"]


def test_tuning_and_triggered_averages_are_the_tables(sample):
    tables, _, content = sample
    for curve in content["tuning"]:
        shape = (36, len(curve["labels"]), 2)
        line = curve["line"].reshape(shape) / LARGEST_16 * curve["scale"][:, None, None]
        own = tables.tuning[tables.tuning["variable"] == curve["name"]]
        expected = own.sort_values(["latent", "order"])[["mean", "sem"]].to_numpy()
        np.testing.assert_allclose(line.reshape(-1, 2), expected, atol=1e-4)
    found = content["triggered"]
    line = found["line"].reshape(-1, len(found["lags"]), 2) / LARGEST_16
    line *= found["scale"][:, None, None]
    every = tables.triggered.set_index(["latent", "variable", "label"])
    for latent in range(36):
        rows = range(*found["start"][latent : latent + 2])
        assert len(rows) == len(tables.triggered.query("latent == @latent")["label"].unique())
        for row in rows:
            own = every.loc[(latent, found["variable"][row], found["label"][row])]
            np.testing.assert_allclose(line[row], own[["mean", "sem"]], atol=1e-4)
            assert found["n"][row] == own["n_events"].iloc[0]
        assert (
            found["label"][rows[0]]
            == tables.summary["label"].fillna(found["label"][rows[0]])[latent]
        )


def test_units_and_companions_are_the_largest_of_the_tables(sample):
    tables, _, content = sample
    units = content["units"]
    for latent in (0, 17):
        own = tables.sources[tables.sources["latent"] == latent]
        best = own.sort_values("weight", key=lambda w: -w.abs()).head(units["places"])
        rows = slice(latent * units["places"], (latent + 1) * units["places"])
        unit = units["unit"].ravel()[rows]
        assert [units["id"][u] for u in unit] == best["unit_id"].tolist()
        assert [units["region"][u] for u in unit] == best["region"].tolist()
        np.testing.assert_allclose(units["weight"].ravel()[rows], best["weight"], rtol=1e-6)
        np.testing.assert_allclose(units["ablation"].ravel()[rows], best["ablation"], rtol=1e-6)
    company = content["companions"]
    rows = range(*company["start"][1:3])
    assert company["other"][rows[0]] == 0
    assert company["parent"][rows[0]]
    jaccard = [company["jaccard"][row] for row in rows[1:]]
    assert jaccard == sorted(jaccard, reverse=True)


def small_page(**changes):
    tables, _ = sample_tables(n_latents=12, n_bins=1200)
    given = {"title": "<i>title</i>", "bin_s": BIN_S} | changes
    return dashboard_page(tables, sample_firing(n_bins=1200), **given)


def test_text_is_escaped_and_nothing_is_fetched():
    page = small_page(unit_map=unit_map_page(*small_map(8), title="x"))
    assert page.count("<script") == page.count("</script>") == 2
    for tag in ("<img", "<i>", "<iframe"):
        assert tag not in page
    assert page.count("&lt;i&gt;title&lt;/i&gt;") == 2
    assert set(re.findall(r"https?://[^\"' )]*", page)) == {"https://github.com/leeoniya/uPlot"}
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert policy.count("sha256-") == 4  # script and style, of the page and of the map inside
    assert "Permission is hereby granted" in page  # uPlot's licence


def test_the_same_tables_give_the_same_page():
    assert small_page() == small_page()


def test_less_detail_makes_a_page_that_is_small_enough(monkeypatch):
    whole = len(small_page())
    script = len(page_module._page({}, "x", None))
    limit = script + int(0.9 * (whole - script))
    monkeypatch.setattr(page_module, "LARGEST_BYTES", limit)
    found = small_page()
    assert len(found) < limit
    data = json.loads(re.search(r'id="data">(.*?)</script>', found)[1])
    assert unpack(data["content"])["moments"]["n"] < FULL.n_moments
    monkeypatch.setattr(page_module, "LARGEST_BYTES", script)
    with pytest.raises(InputError, match="least detail"):
        small_page()


def test_a_run_as_large_as_they_come_fits():
    tables, _ = sample_tables(n_latents=1024, n_bins=100_000, per_bin=6)
    page = dashboard_page(tables, sample_firing(n_bins=100_000, rate_hz=2), title="x", bin_s=BIN_S)
    assert 2e6 < len(page.encode()) < LARGEST_BYTES


def test_no_latent_is_an_error():
    tables, _ = sample_tables(n_latents=12, n_bins=1200)
    empty = tables._replace(summary=tables.summary.iloc[:0])
    with pytest.raises(InputError, match="no latent"):
        dashboard_page(empty, sample_firing(n_bins=1200), title="x", bin_s=BIN_S)


def test_tables_with_nothing_in_them_still_make_a_page():
    firing = Firing(np.arange(2), counts=np.zeros((1200, 2), np.uint8))
    content = contents(bare_tables(), firing, FULL, BIN_S)
    assert content["units"]["id"] == content["tuning"] == content["triggered"]["label"] == []
    assert [lane["name"] for lane in content["lanes"]] == ["split"]
    assert len(content["latents"]["latent"]) == 12


def test_negative_activations_keep_their_sign():
    tables, _ = sample_tables(n_latents=8, n_bins=1200, negative=True)
    rows = by_latent(tables.latents, np.arange(8))
    assert isinstance(rows, Activations)
    encoded = encoded_activations(rows)
    assert encoded["share"].dtype == np.int8
    assert (encoded["share"] < 0).any()

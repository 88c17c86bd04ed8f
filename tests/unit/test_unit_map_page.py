"""The page of a unit map as a file: small, whole, and with everything escaped."""

import base64
import json
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from map_samples import CHANNELS, HOSTILE, small_map

from spikesieve.errors import InputError
from spikesieve.pages.document import LARGEST_BYTES, document, script_json, write_page
from spikesieve.pages.unit_map import SHAPES, channel_looks, unit_map_page


def data_of(page):
    content = re.search(r'<script type="application/json" id="data">(.*?)</script>', page)[1]
    return json.loads(content)


def lines_of(data, n_channels):
    whole = np.frombuffer(base64.b64decode(data["lines"]), "<i2").astype(float)
    whole[whole == -32768] = np.nan
    lines = whole.reshape(len(data["unit"]), n_channels, -1) / 32767
    return lines * np.array(data["scale"])[:, None, None]


@settings(max_examples=50)
@given(st.dictionaries(st.text(max_size=9), st.lists(st.text(max_size=9), max_size=3), max_size=3))
def test_json_in_a_page_ends_no_script_and_reads_back(content):
    inside = script_json(content | {"</script><!--": "<script>&"})
    assert not set("<>&") & set(inside)
    assert json.loads(inside) == content | {"</script><!--": "<script>&"}


def test_text_is_escaped_everywhere():
    tables = small_map(8, ("first", HOSTILE), channels=["a<b>nm", "</script>", "c", "d"])
    tables[1].loc[0, "score"] = "<b>score</b>"
    page = unit_map_page(*tables, title="<i>title</i>")
    assert page.count("<script") == page.count("</script>") == 2
    for tag in ("<img", "<b>", "<i>"):
        assert tag not in page
    assert page.count("&lt;i&gt;title&lt;/i&gt;") == 2
    assert [r["name"] for r in data_of(page)["recordings"]] == ["first", HOSTILE]


def test_the_page_names_no_address():
    page = unit_map_page(*small_map(8), title="x")
    assert set(re.findall(r"https?://[^\"' )]*", page)) == {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'" in page


@pytest.mark.parametrize(("n_lags", "width"), [(100, 1), (250, 1), (251, 2), (600, 3)])
def test_lines_hold_the_averages(n_lags, width):
    tables = small_map(6, n_lags=n_lags, silent=[4])
    page = unit_map_page(*tables, title="x")
    data = data_of(page)
    found = lines_of(data, 4)
    assert data["lag"][0] == pytest.approx((width - 1) / 2)
    assert (f"means of {width} lags" in page) == (width > 1)
    every = tables[2].set_index(["unit_id", "channel"])["value"]
    for place, unit in enumerate(data["unit"]):
        for number, channel in enumerate(CHANNELS):
            own = every.loc[(unit, channel)].reset_index(drop=True)
            mean = own.groupby(np.arange(n_lags) // width).mean()
            np.testing.assert_allclose(found[place, number], mean, atol=1e-4)
    assert np.isnan(found[4]).all()
    assert len(data["lag"]) <= 250


def test_thousands_of_units_fit_into_a_page(tmp_path):
    n_units, n_lags = 3000, 200
    unit_map = pd.DataFrame({"recording": "a", "unit_id": np.arange(n_units, dtype=np.int32)})
    unit_map[["firing_rate_hz", "x_tsne", "y_tsne", "x_pca", "y_pca"]] = np.pi
    size = 4 * n_lags
    averages = pd.DataFrame(
        {
            "recording": pd.Categorical.from_codes(np.zeros(n_units * size, np.int8), ["a"]),
            "unit_id": np.repeat(unit_map["unit_id"].to_numpy(), size),
            "channel": pd.Categorical.from_codes(np.arange(n_units * size) // n_lags % 4, CHANNELS),
            "lag_ms": np.tile(np.arange(n_lags) * 1.008, 4 * n_units),
            "value": np.float32(1.5),
        }
    )
    _, scores, _ = small_map(6)
    write_page(tmp_path / "x.html", unit_map_page(unit_map, scores, averages, title="x"))
    assert 3e6 < (tmp_path / "x.html").stat().st_size < LARGEST_BYTES


def test_a_page_too_large_is_refused_and_not_written(tmp_path):
    page = document("x", "y" * LARGEST_BYTES, {}, style="", script="")
    with pytest.raises(InputError, match=r"10\.0 MB"):
        write_page(tmp_path / "x.html", page)
    assert not (tmp_path / "x.html").exists()


def test_the_same_map_gives_the_same_page():
    one, other = (unit_map_page(*small_map(8), title="x") for _ in range(2))
    assert one == other


def test_recordings_and_channels_look_different():
    unit_map, scores, averages = small_map(24, [f"r{i}" for i in range(24)])
    data = data_of(unit_map_page(unit_map, scores, averages, title="x"))
    looks = {(r["colour"], r["shape"]) for r in data["recordings"]}
    assert len(looks) == 24
    assert {shape for _, shape in looks} == set(SHAPES)
    led = channel_looks(CHANNELS)
    assert len({c["colour"] for c in led}) == len({c["dash"] for c in led}) == 4
    plain = channel_looks(["luminance", "year 1630nm", "led_900nm", "365 nm"])
    assert len({c["colour"] for c in plain}) == 4
    red, green, blue, violet = ([int(c["colour"][i : i + 2], 16) for i in (1, 3, 5)] for c in led)
    assert red.index(max(red)) == 0
    assert green.index(max(green)) == 1
    assert blue.index(max(blue)) == violet.index(max(violet)) == 2


def test_a_score_that_is_none_says_why():
    page = unit_map_page(*small_map(12, ("only",)), title="x")
    assert "none: there is one recording" in page
    assert "nan" not in page.split('id="data"')[0].lower()

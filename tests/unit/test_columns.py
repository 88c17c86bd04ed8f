"""What the columns of a source's tables mean: the same for every source."""

import numpy as np
import pandas as pd
import pytest

from spikesieve.ingest.columns import NO_REGION, as_text, conditions, known_text
from spikesieve.ingest.writing import source_columns


@pytest.mark.parametrize("word", ["", " ", "null", "None", "NONE", "nan", "N/A", "n/a"])
def test_a_condition_that_does_not_apply_is_missing(word):
    frame = conditions(pd.DataFrame({"angle": ["45", word, "0.5"], "side": [" left", word, "b"]}))
    assert frame["angle"].isna().tolist() == [False, True, False]
    assert frame["angle"].dropna().tolist() == [45.0, 0.5]
    assert frame["side"].fillna("-").tolist() == ["left", "-", "b"]


def test_numbers_stay_what_they_are():
    frame = pd.DataFrame({"whole": [1, 2], "large": np.array([2**64 - 1, 0], dtype="u8")})
    frame["text"], frame["flag"] = (
        ["12345678901234567", None],
        pd.Series([True, None], dtype=object),
    )
    out = conditions(frame.assign(real=[0.5, np.nan]))
    assert out["whole"].tolist() == [1, 2]
    assert out["large"].tolist() == [2**64 - 1, 0]
    assert out["text"][0] == 12345678901234567
    assert out["flag"].dtype == "boolean"
    assert out["flag"].isna().tolist() == [False, True]
    assert out["real"].isna().tolist() == [False, True]


def test_anything_becomes_text():
    values = [np.array([1.5, 2.0]), [1, 2], {"a": 1}, b"a\xff", None, 3]
    texts = as_text(pd.Series(values, dtype=object))
    assert texts.fillna("-").tolist() == ["[1.5, 2.0]", "[1, 2]", "{'a': 1}", "a\\xff", "-", "3"]


def test_regions_that_say_nothing_are_missing():
    regions = known_text(pd.Series(["V1", "Unknown", "none", " n/a", None]), NO_REGION)
    assert regions.fillna("-").tolist() == ["V1", "-", "-", "-", "-"]


def test_a_source_column_never_hides_another():
    frame = pd.DataFrame({"n_spikes": [1], "source_n_spikes": [2], "depth_um": [3], "snr": [4]})
    renamed = source_columns(frame, also=["depth_um"])
    assert renamed.iloc[0].to_dict() == {
        "source_source_n_spikes": 1,
        "source_n_spikes": 2,
        "source_depth_um": 3,
        "snr": 4,
    }

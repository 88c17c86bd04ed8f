import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikesieve.errors import ContractError
from spikesieve.recording import (
    CONTRACTS,
    SCHEMA_VERSION,
    read_recording_json,
    read_table,
    table_schema,
    write_recording_json,
    write_table,
)


def intervals(**columns):
    base = {"start_s": [0.0, 1.0], "stop_s": [0.5, 2.0], "name": ["grating", "image"]}
    return pd.DataFrame(base | columns)


@given(
    st.lists(st.tuples(st.floats(0, 50), st.floats(0.001, 50), st.text(max_size=5)), max_size=8),
    st.booleans(),
)
def test_saving_and_loading_is_identity(tmp_path_factory, rows, extra):
    frame = pd.DataFrame(
        {
            "start_s": [start for start, _, _ in rows],
            "stop_s": [start + length for start, length, _ in rows],
            "name": pd.array([name for _, _, name in rows], dtype="string"),
        }
    ).astype({"start_s": float, "stop_s": float})
    if extra:
        frame["orientation"] = np.arange(len(frame)) * 45.0
    path = tmp_path_factory.mktemp("t") / "intervals.parquet"
    write_table(path, "intervals", frame)
    back = read_table(path, "intervals")
    pd.testing.assert_frame_equal(back, frame, check_dtype=False)


def test_mixed_columns_of_the_source_are_kept_as_text(tmp_path):
    path = tmp_path / "intervals.parquet"
    write_table(path, "intervals", intervals(frame=[1, "null"], contrast=[None, 0.5]))
    back = read_table(path, "intervals")
    assert back["frame"].tolist() == ["1", "null"]
    assert back["contrast"].iloc[1] == 0.5


@pytest.mark.parametrize("nothing", [None, np.nan, pd.NA])
def test_missing_cells_of_mixed_columns_stay_missing(tmp_path, nothing):
    path = tmp_path / "intervals.parquet"
    mixed = pd.Series([1, nothing, "null"], dtype=object)
    three = pd.DataFrame({"start_s": [0.0, 1, 2], "stop_s": [1.0, 2, 3], "name": "a"})
    write_table(path, "intervals", three.assign(frame=mixed))
    back = read_table(path, "intervals")["frame"]
    assert back.isna().tolist() == [False, True, False]
    assert back[0] == "1"


@pytest.mark.parametrize(
    ("frame", "problem"),
    [
        (intervals(stop_s=[0.5, 1.0]), "row 1: start_s is not before stop_s"),
        (intervals(start_s=[-1.0, 1.0]), "row 0: start_s is negative"),
        (intervals(start_s=[np.nan, 1.0]), "row 0: start_s is not before"),
        (intervals().drop(columns="name"), r"lacks columns \['name'\]"),
    ],
)
def test_a_table_that_breaks_its_contract_is_not_written(tmp_path, frame, problem):
    with pytest.raises(ContractError, match=problem):
        write_table(tmp_path / "intervals.parquet", "intervals", frame)
    assert [*tmp_path.iterdir()] == []


def test_tables_without_room_for_more_refuse_more(tmp_path):
    frame = pd.DataFrame({"bin": [0], "latent": [0], "activation": [1.0], "mood": [1]})
    with pytest.raises(ContractError, match="unknown columns"):
        write_table(tmp_path / "latents.parquet", "latents", frame)


def write_raw(path, name, version):
    stamp = {"spikesieve": json.dumps({"table": name, "version": version})}
    columns = {c: pa.array([], t) for c, t in CONTRACTS[name].items()}
    pq.write_table(pa.table(columns).replace_schema_metadata(stamp), path)


def test_the_schema_version_is_in_the_file_and_a_newer_one_is_refused(tmp_path):
    path = tmp_path / "latents.parquet"
    write_raw(path, "latents", SCHEMA_VERSION + 1)
    with pytest.raises(ContractError, match="newer than this code's.*update spikesieve"):
        read_table(path, "latents")
    write_raw(path, "latents", SCHEMA_VERSION)
    assert read_table(path, "latents").empty
    stamp = json.loads(table_schema("latents").metadata[b"spikesieve"])
    assert stamp == {"table": "latents", "version": SCHEMA_VERSION}


def test_another_table_or_another_file_is_refused(tmp_path):
    path = tmp_path / "t.parquet"
    write_raw(path, "latents", SCHEMA_VERSION)
    with pytest.raises(ContractError, match="holds table 'latents', not 'units'"):
        read_table(path, "units")
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(ContractError, match="not a table written by spikesieve"):
        read_table(path, "units")
    path.write_text("no parquet")
    with pytest.raises(ContractError, match="not a readable Parquet file"):
        read_table(path, "units")


def test_recording_json_round_trips_and_checks(tmp_path):
    path = tmp_path / "recording.json"
    fields = {
        "recording": "a",
        "source": "nwb",
        "duration_s": 1.5,
        "sampling_rate_hz": None,
        "subject": None,
        "inputs": {"a.nwb": "0" * 64},
        "notes": [],
    }
    write_recording_json(path, **fields)
    assert read_recording_json(path) == fields | {"schema_version": SCHEMA_VERSION}
    with pytest.raises(ContractError, match="duration_s"):
        write_recording_json(path, **{k: v for k, v in fields.items() if k != "duration_s"})
    path.write_text("{")
    with pytest.raises(ContractError, match="unreadable"):
        read_recording_json(path)


def test_flipped_bytes_anywhere_are_noticed_or_harmless(tmp_path):
    """The footer carries no checksum: a flip there is either refused or changes nothing read."""
    path = tmp_path / "intervals.parquet"
    write_table(path, "intervals", intervals())
    content, whole = path.read_bytes(), read_table(path, "intervals")
    rng = np.random.default_rng(0)
    refused = 0
    for place in rng.integers(0, len(content), 200):
        flipped = bytearray(content)
        flipped[place] ^= 1 << rng.integers(8)
        path.write_bytes(flipped)
        try:
            back = read_table(path, "intervals")
        except ContractError:
            refused += 1
        else:
            shared = back[[c for c in whole if c in back]]
            pd.testing.assert_frame_equal(shared, whole, check_dtype=False)
    assert refused > 50

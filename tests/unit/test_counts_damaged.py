"""The counts source with broken files and odd cells: read whole, or refused by name."""

import io
import zipfile

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spikesieve.errors import InputError
from spikesieve.ingest.counts import read_counts
from spikesieve.ingest.writing import write_recording
from spikesieve.recording import read_recording_json, read_table

N_BINS = 20
COUNTS = np.random.default_rng(0).poisson(1, (N_BINS, 3)).astype(np.uint8)


@pytest.fixture
def path(tmp_path):
    np.save(tmp_path / "c.npy", COUNTS)
    return tmp_path / "c.npy"


def read(path, **options):
    return read_counts(path, recording="r", bin_ms=50, **options)


def units_of(path, frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Return the units written and the notes, of a unit table that lacks only ids and quality."""
    table, folder = path.parent / "u.parquet", path.parent / "out"
    frame.assign(unit_id=[0, 1, 2], quality="good").to_parquet(table)
    write_recording(folder, read(path, units=table))
    notes = read_recording_json(folder / "recording.json")["notes"]
    return read_table(folder / "sorted_units.parquet", "sorted_units"), " ".join(notes)


# ------------------------------------------------------------------------------- odd tables


@pytest.mark.parametrize(
    ("cells", "text"),
    [
        ([np.arange(2.0)] * 3, "[0.0, 1.0]"),
        ([[1, 2], None, [3]], "[1, 2]"),
        ([{"a": 1}] * 3, "{'a': 1}"),
        ([b"a\xff", b"b", b"c"], "a\\xff"),
    ],
)
def test_lists_and_bytes_in_a_unit_table_become_text(path, cells, text):
    units, notes = units_of(path, pd.DataFrame({"odd": cells, "snr": [1.0, 2.0, 3.0]}))
    assert units["odd"][0] == text
    assert units["snr"].tolist() == [1.0, 2.0, 3.0]
    assert "became text: odd." in notes


def test_columns_that_would_get_one_name_are_both_kept(path):
    units, _ = units_of(path, pd.DataFrame({"n_spikes": [9] * 3, "source_n_spikes": [8] * 3}))
    assert units["source_source_n_spikes"].tolist() == [9, 9, 9]
    assert units["source_n_spikes"].tolist() == [8, 8, 8]


def test_a_depth_in_words_is_kept_as_the_source_wrote_it(path):
    units, notes = units_of(path, pd.DataFrame({"depth_um": ["10 um", "20", "x"]}))
    assert units["depth_um"].isna().all()
    assert units["source_depth_um"].tolist() == ["10 um", "20", "x"]
    assert "kept as source_depth_um" in notes


@pytest.mark.parametrize("column", ["region", "brain_area", "area", "ecephys_structure_acronym"])
def test_regions_are_read_as_from_nwb(path, column):
    units, _ = units_of(path, pd.DataFrame({column: ["V1", "unknown", "N/A"]}))
    assert units["region"].fillna("-").tolist() == ["V1", "-", "-"]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_flag_a_bin_with_a_gap_is_a_signal(path, suffix):
    flag = pd.Series(np.arange(N_BINS) % 2 == 0, dtype="boolean")
    flag[3] = pd.NA
    frame = pd.DataFrame({"running": flag, "speed": np.arange(N_BINS)})
    table = path.with_name(f"b{suffix}")
    frame.to_csv(table, index=False) if suffix == ".csv" else frame.to_parquet(table)
    signals = read(path, bins=table).signals
    values = signals.loc[signals["name"] == "running", "value"].to_numpy()
    expected = np.where(np.arange(N_BINS) == 3, np.nan, np.arange(N_BINS) % 2 == 0)
    np.testing.assert_array_equal(values, expected)
    assert set(signals["name"]) == {"running", "speed"}


def test_a_table_that_lost_rows_still_goes_bin_by_bin(path):
    frame = pd.DataFrame({"name": [f"bin {i}" for i in range(2 * N_BINS)]})
    frame.iloc[::2].to_parquet(path.with_name("b.parquet"))
    intervals = read(path, bins=path.with_name("b.parquet")).intervals
    assert intervals["name"].tolist() == [f"bin {2 * i}" for i in range(N_BINS)]


# ------------------------------------------------------------------------------ broken files


def whole_files() -> dict[str, bytes]:
    """Return small files of every format and role that can be read."""
    names = ("npy", "npz", "parquet", "csv", "units.csv", "units.parquet")
    names += ("intervals.csv", "intervals.parquet", "bins.csv", "bins.parquet")
    files = {name: io.BytesIO() for name in names}
    np.save(files["npy"], COUNTS)
    np.savez(files["npz"], counts=COUNTS)
    tables = {
        "": pd.DataFrame(COUNTS, columns=["0", "1", "2"]),
        "units.": pd.DataFrame({"unit_id": range(3), "quality": "good", "depth_um": [1.0, 2, 3]}),
        "intervals.": pd.DataFrame({"start_s": [0.0, 0.5], "stop_s": [0.5, 1.0], "name": "a"}),
        "bins.": pd.DataFrame({"speed": range(N_BINS), "side": ["a", "b"] * (N_BINS // 2)}),
    }
    for kind, table in tables.items():
        table.to_csv(files[f"{kind}csv"], index=False)
        table.to_parquet(files[f"{kind}parquet"])
    return {name: file.getvalue() for name, file in files.items()}


WHOLE = whole_files()


def read_file(path, name: str, content: bytes):
    file = path.with_name(f"x.{name}")
    file.write_bytes(content)
    role = name.partition(".")[0]
    return read(path, **{role: file}) if role in ("units", "intervals", "bins") else read(file)


@pytest.mark.parametrize("name", WHOLE)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_damaged_bytes_are_read_or_refused(path, name, data):
    content = bytearray(WHOLE[name])
    place = st.integers(0, min(len(content), 4096) - 1) | st.integers(0, len(content) - 1)
    for at, byte in data.draw(st.lists(st.tuples(place, st.integers(0, 255)), max_size=6)):
        content[at] = byte
    keep = data.draw(st.just(len(content)) | st.integers(0, len(content)))
    try:
        source = read_file(path, name, bytes(content[:keep]))
    except InputError as error:
        assert "recording 'r'" in str(error)
        assert str(path.parent) in str(error)
        return
    assert len(source.binned) > 0


def test_whole_files_are_read(path):
    for name, content in WHOLE.items():
        assert read_file(path, name, content).duration_s == 1.0


def encrypted() -> bytes:
    """Return an npz whose member says that it is encrypted."""
    content = bytearray(WHOLE["npz"])
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + offset] |= 1
    return bytes(content)


def compressed_oddly() -> bytes:
    """Return an npz whose member was packed by a method that nobody knows."""
    content = bytearray(WHOLE["npz"])
    for mark, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        content[content.index(mark) + offset] = 77
    return bytes(content)


def mislabelled() -> bytes:
    """Return a parquet table whose note for pandas has a wrong key."""
    table, file = pq.read_table(io.BytesIO(WHOLE["units.parquet"])), io.BytesIO()
    pandas = table.schema.metadata[b"pandas"].replace(b"numpy_type", b"numpy_typo")
    pq.write_table(table.replace_schema_metadata({b"pandas": pandas}), file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("npy", WHOLE["npy"].replace(b"}", b"("), "TokenError|SyntaxError|ValueError"),
        ("npz", encrypted(), "RuntimeError.*encrypted"),
        ("npz", compressed_oddly(), "NotImplementedError"),
        ("csv", b"0,1\n1,\xff\n", "UnicodeDecodeError|holds"),
        ("units.parquet", mislabelled(), "KeyError.*numpy_type"),
        ("units.parquet", WHOLE["units.parquet"].replace(b"good", b"g\xffod"), "ArrowInvalid"),
        ("units.csv", b"unit_id\n\xff\n", "UnicodeDecodeError"),
    ],
)
def test_broken_files_are_refused_by_name(path, name, content, problem):
    assert content != WHOLE[name]
    with pytest.raises(InputError, match=rf"recording 'r': .*x\.{name}: .*({problem}).*Fix: "):
        read_file(path, name, content)


def test_an_npz_may_not_be_any_zip(path):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("counts.npy", b"no array")
    with pytest.raises(InputError, match="x.npz: "):
        read_file(path, "npz", file.getvalue())

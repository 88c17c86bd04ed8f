"""Damaged or hostile Kilosort folders are refused by name, and nothing of them is run."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from kilosort_folder import (
    RATE_HZ,
    ingest,
    make_folder,
    notes_of,
)

from spikesieve.errors import InputError
from spikesieve.ingest.kilosort import read_kilosort
from spikesieve.ingest.kilosort_labels import label_clusters, read_cluster_tables
from spikesieve.ingest.kilosort_params import read_params
from spikesieve.recording import QUALITIES


@pytest.fixture
def folder(tmp_path) -> Path:
    """Return a small curated folder: 4 clusters over 20 s, cluster 7 merged from 7 and 8."""
    return make_folder(tmp_path / "sorted")


def refuses(folder: Path, match: str, **options) -> None:
    """Assert that ingest raises ``InputError`` that names the recording, leaving nothing."""
    out = folder.parent / "out"
    with pytest.raises(InputError, match=match) as caught:
        ingest(folder, out, **options)
    assert "recording 'r'" in str(caught.value)
    assert not out.exists() or not list(out.iterdir())


# ---------------------------------------------------------------- damaged folders


def replace(name: str, change):
    """Return a damage: array ``name`` becomes ``change(array)``."""

    def damage(folder: Path) -> None:
        np.save(folder / f"{name}.npy", change(np.load(folder / f"{name}.npy")))

    return damage


def at(index: int, value):
    def change(array):
        array[index] = value
        return array

    return change


def without(*names: str):
    return lambda folder: [(folder / n).unlink() for n in names]


def text(name: str, content: str | bytes):
    content = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(content)


def cut(name: str, keep: int):
    return lambda folder: os.truncate(folder / name, keep)


def pickled(folder: Path) -> None:
    np.save(folder / "spike_times.npy", np.array([{"a": 1}] * 3, dtype=object), allow_pickle=True)


DAMAGES = {
    "no times": (without("spike_times.npy"), "spike_times.npy: missing"),
    "no clusters": (without("spike_clusters.npy", "spike_templates.npy"), "clusters.npy: missing"),
    "unequal": (replace("spike_clusters", lambda a: a[:-1]), "4000 entries.* 3999"),
    "unequal templates": (replace("spike_templates", lambda a: a[:-1]), "3999 entries"),
    "no spikes": (
        lambda f: [replace(n, lambda a: a[:0])(f) for n in ("spike_times", "spike_clusters")],
        "no spike",
    ),
    "two columns": (replace("spike_times", lambda a: a.reshape(-1, 2)), "one column"),
    "float": (replace("spike_times", lambda a: a / RATE_HZ), "float64.*samples, not seconds"),
    "nan": (replace("spike_times", lambda a: np.where(a > 9, a, np.nan)), "float64"),
    "negative": (replace("spike_times", at(0, -5)), "spike 0 is at the negative sample -5"),
    "wrapped": (replace("spike_times", lambda a: at(3, 2**64 - 5)(a.astype("u8"))), "sample -5"),
    "absurd": (replace("spike_times", at(-1, 2**60)), "below 2.53"),
    "unsorted": (replace("spike_times", at(100, 0)), "earlier than the spike before"),
    "last unsorted": (replace("spike_times", at(-1, 5)), "earlier than the spike before"),
    "truncated": (cut("spike_times.npy", 5000), "spike_times.npy: not a readable .npy"),
    "header cut": (cut("spike_clusters.npy", 40), "not a readable .npy"),
    "empty file": (cut("spike_times.npy", 0), "not a readable .npy"),
    "pickled": (pickled, "not a readable .npy file.*not pickled"),
    "not npy": (text("spike_times.npy", "1 2 3"), "not a readable .npy"),
    "float clusters": (replace("spike_clusters", lambda a: a.astype(float)), "holds float64"),
    "negative cluster": (replace("spike_clusters", at(9, -1)), "unit ids out of range"),
    "huge cluster": (
        replace("spike_clusters", lambda a: at(9, 2**40)(a.astype("i8"))),
        "unit ids out of range",
    ),
    "template unknown": (replace("spike_templates", at(9, 9)), "template 9.*0 to 8"),
    "templates flat": (replace("templates", lambda a: a[0]), r"allowed|\(templates, samples"),
    "fewer channels": (replace("channel_positions", lambda a: a[:2]), "channels 0 to 3"),
    "positions cut": (
        lambda f: np.save(f / "spike_positions.npy", np.zeros((7, 2))),
        r"\(7, 2\) where there are 4000 spikes",
    ),
    "id twice": (
        text("cluster_group.tsv", "cluster_id\tgroup\n2\tgood\n2\tmua\n"),
        "2 stands twice",
    ),
    "ids no integers": (text("cluster_group.tsv", "cluster_id\tgroup\n2.5\tgood\n"), "'2.5'"),
    "ids words": (text("cluster_group.tsv", "cluster_id\tgroup\nx\tgood\n"), "row 0: 'x'"),
    "ids negative": (text("cluster_group.tsv", "cluster_id\tgroup\n-1\tgood\n"), "'-1'"),
    "ids empty": (text("cluster_group.tsv", "cluster_id\tgroup\n\tgood\n"), "whole numbers"),
    "label": (
        text("cluster_group.tsv", "cluster_id\tgroup\n2\texcellent\n"),
        "excellent.*good, mua, noise, unsorted",
    ),
    "KSLabel": (text("cluster_KSLabel.tsv", "cluster_id\tKSLabel\n2\t1\n"), "KSLabel.*'1'"),
    "no id column": (text("cluster_group.tsv", "cluster\tgroup\n2\tgood\n"), "without a column"),
    "ragged": (text("cluster_group.tsv", "cluster_id\tgroup\n2\tgood\t7\t8\n"), "not a readable"),
    "empty table": (text("cluster_group.tsv", ""), "not a readable table"),
    "latin-1": (
        text("cluster_group.tsv", b"cluster_id\tgroup\n2\tg\xe4\n"),
        "not a readable table",
    ),
    "no params": (without("params.py"), "params.py: missing"),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_damaged_folder_is_refused(folder, case):
    damage, message = DAMAGES[case]
    damage(folder)
    refuses(folder, message)


def test_spike_beyond_the_end_is_refused(folder):
    refuses(folder, "at or beyond the recording's end.*duration_s", duration_s=10.0)


def test_missing_folder_and_file_for_folder(tmp_path):
    refuses(tmp_path / "nowhere", "no such folder")
    (tmp_path / "file").touch()
    refuses(tmp_path / "file", "not a folder")


# ---------------------------------------------------------------- params.py is text


HOSTILE = {
    "system": "import os\nos.system('touch {mark}')\n",
    "import": "__import__('os').system('touch {mark}')\nsample_rate = 30000\n",
    "rate by call": "sample_rate = float(__import__('os').system('touch {mark}') or 3e4)\n",
    "rate by walrus": "x = (sample_rate := open('{mark}', 'w').write('x'))\n",
    "rate rebound": "sample_rate = 30000\nsample_rate = open('{mark}', 'w').write('1')\n",
    "rate in a branch": "sample_rate = 30000\nif open('{mark}', 'w'):\n    sample_rate = 1\n",
    "rate scaled": "sample_rate = 30000\nsample_rate *= open('{mark}', 'w').write('1')\n",
    "decorator": "@print\nclass sample_rate:\n    open('{mark}', 'w')\n",
    "nested": "sample_rate = " + "[" * 5000 + "]" * 5000,
    "deep sign": "sample_rate = " + "-" * 50_000 + "1",
    "deep sum": "sample_rate = " + "1+" * 30_000 + "1",
    "huge": "sample_rate = " + "9" * 100_000,
    "many digits": "sample_rate = " + "9" * 5000,
    "hex": "sample_rate = 0x" + "f" * 50_000,
    "nul": "sample_rate = 3\0",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_params_never_run(folder, tmp_path, case):
    mark = tmp_path / "executed"
    (folder / "params.py").write_text(HOSTILE[case].replace("{mark}", str(mark)))
    if case == "import":  # a plain rate beside it: read, and the rest noted
        ingest(folder, tmp_path / "out")
        assert "no literal assignment; ignored, not executed" in notes_of(tmp_path / "out")
    else:
        refuses(folder, "params.py")
    assert not mark.exists()


@pytest.mark.parametrize("rate", ["0", "-30000", "'30000'", "True", "None", "1e400", "[3]", "2e9"])
def test_senseless_rate_is_refused(folder, rate):
    (folder / "params.py").write_text(f"sample_rate = {rate}")
    refuses(folder, "sample_rate is .*Allowed: 1 to 10,000,000 Hz")


def test_missing_rate_and_foreign_bytes_are_refused(folder):
    (folder / "params.py").write_text("dtype = 'int16'\n")
    refuses(folder, "no sample_rate")
    (folder / "params.py").write_bytes(b"sample_rate = 30000 # \xff")
    refuses(folder, "not UTF-8")


def test_windows_paths_and_types_are_understood(folder):
    text = "dat_path = r'C:\\data\\x.bin'\nsample_rate: float = 25000\n'''a word'''\n"
    (folder / "params.py").write_text(text)
    params = read_params(folder / "params.py", recording="r")
    assert (params.sampling_rate_hz, params.notes) == (25000.0, [])
    assert params.values["dat_path"] == "C:\\data\\x.bin"


PARAMS_PIECES = (
    *("sample_rate", "dat_path", "n_channels_dat", "dtype", "offset", "30000", "'raw.bin'"),
    *(" = ", "\n", "(", ")", "[", "]", "{", "}", ":", ",", "-", "**", "\t", "'", "#", "\\"),
    *("1e999", "nan", "lambda: 0", "import os", "'int16'", "0x" + "f" * 5000, "'\\0'", "'a' * 9"),
)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example("sample_rate = 30000\ndat_path = 'raw.bin'\noffset = -0x" + "f" * 5000)
@example("sample_rate = 30000\ndat_path = ['raw.bin', '\\0']")
@given(
    st.lists(st.sampled_from(PARAMS_PIECES), max_size=20).map("".join)
    | st.text(max_size=60)
    | st.binary()
)
def test_any_params_are_read_or_refused(folder, content):
    (folder / "raw.bin").touch()
    prefix = b"" if isinstance(content, bytes) else b"sample_rate = 30000\n"
    content = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    (folder / "params.py").write_bytes(prefix + content)
    try:
        source = read_kilosort(folder, recording="r")
    except InputError:
        return
    assert 1 <= source.sampling_rate_hz <= 1e7


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.binary(max_size=60)
    | st.text("\t\n,\"0123456789.- agrou'", max_size=60).map(
        lambda t: ("cluster_id\tgroup\n" + t).encode()
    )
)
def test_any_table_is_read_or_refused(folder, content):
    (folder / "cluster_group.tsv").write_bytes(content)
    try:
        frame = read_cluster_tables(folder, recording="r").frame
    except InputError:
        return
    assert {0, 2, 3, 8} <= set(frame.index)
    assert set(label_clusters(frame)["quality"]) <= set(QUALITIES)

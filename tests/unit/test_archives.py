"""Archives and pickles from elsewhere: what is read, and what is refused before it can harm."""

import builtins
import gzip
import io
import pickle
import sys
import tarfile

import numpy as np
import pandas as pd
import pytest

from spikesieve.errors import InputError
from spikesieve.ingest.archives import read_archive
from spikesieve.ingest.pickles import load_pickle


def member(name, **fields):
    info = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(info, key, value)
    return info


def make_archive(path, files=None, others=()):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in (files or {}).items():
            archive.addfile(member(name, size=len(content)), io.BytesIO(content))
        for info in others:
            archive.addfile(info)
    return path


def test_wanted_files_are_read_and_all_are_listed(tmp_path):
    files = {"./folder/a.txt": b"one", "folder/b.txt": b"two"}
    path = make_archive(tmp_path / "a.tar.gz", files, [member("./folder", type=tarfile.DIRTYPE)])
    archive = read_archive(path, {"a.txt", "missing.txt"})
    assert archive.contents == {"a.txt": b"one"}
    assert archive.names == ["./folder/a.txt", "folder/b.txt"]


@pytest.mark.parametrize("name", ["../evil.txt", "a/../../evil.txt", "/etc/evil.txt"])
def test_paths_that_lead_out_are_refused(tmp_path, name):
    path = make_archive(tmp_path / "a.tar.gz", {"a.txt": b"fine", name: b"evil"})
    with pytest.raises(InputError, match=r"recording 'r'.*evil.txt' leads out of the archive"):
        read_archive(path, {"a.txt"}, recording="r")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_are_refused(tmp_path, kind):
    info = member("a.txt", type=kind, linkname="/etc/passwd")
    path = make_archive(tmp_path / "a.tar.gz", others=[info])
    with pytest.raises(InputError, match="link, a device"):
        read_archive(path, {"a.txt"})


def test_a_file_that_stands_twice_is_refused(tmp_path):
    path = make_archive(tmp_path / "a.tar.gz", {"x/a.txt": b"1", "y/a.txt": b"2"})
    with pytest.raises(InputError, match=r"two files are called 'a.txt'"):
        read_archive(path, {"a.txt"})


def test_bombs_are_refused(tmp_path):
    path = make_archive(tmp_path / "a.tar.gz", {f"{i}.txt": bytes(20_000) for i in range(20)})
    assert path.stat().st_size < 5_000
    assert len(read_archive(path, set()).names) == 20
    with pytest.raises(InputError, match="unpacks to more than 100000 bytes"):
        read_archive(path, set(), max_bytes=100_000)
    with pytest.raises(InputError, match="more than 19 members"):
        read_archive(path, set(), max_members=19)


def test_zeros_behind_the_archive_count_too(tmp_path):
    path = make_archive(tmp_path / "a.tar.gz", {"a.txt": b"1"})
    with path.open("ab") as file:
        file.write(gzip.compress(bytes(10_000_000)))
    with pytest.raises(InputError, match="unpacks to more than 1000000 bytes"):
        read_archive(path, set(), max_bytes=1_000_000)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.999])
def test_truncated_archives_are_refused(tmp_path, share):
    content = np.random.default_rng(0).bytes(50_000)
    path = make_archive(tmp_path / "a.tar.gz", {"a.bin": content})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match=r"no readable tar.gz .*cut short"):
        read_archive(path, {"a.bin"})


def test_other_formats_and_absent_files_are_refused(tmp_path):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(InputError, match=r"no readable tar.gz"):
        read_archive(path, set())
    with pytest.raises(InputError, match=r"no readable tar.gz"):
        read_archive(tmp_path / "absent.tar.gz", set())


class Touch:
    """Unpickling it would create a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return builtins.open, (str(self.path), "w")


def test_a_class_off_the_list_is_named_and_never_run(tmp_path):
    touched = tmp_path / "touched"
    content = pickle.dumps({"fine": np.arange(3), "evil": Touch(touched)})
    with pytest.raises(InputError, match=r"recording 'r': x.pickle: .* asks for _?io\.open"):
        load_pickle(content, recording="r", path="x.pickle")
    assert not touched.exists()
    pickle.loads(content)["evil"].close()
    assert touched.exists()  # the pickle does harm where nobody refuses it


def test_a_module_off_the_list_is_never_imported(tmp_path, monkeypatch):
    (tmp_path / "hostile_module.py").write_text(
        "from pathlib import Path\nPath(__file__).with_name('touched').touch()\nrun = print\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"asks for hostile_module\.run"):
        load_pickle(b"chostile_module\nrun\n(tR.")
    assert "hostile_module" not in sys.modules
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    "asked",
    [
        "os system",
        "numpy loadtxt",
        "pandas read_csv",
        "builtins eval",
        "numpy.ma dtype",
        "pandas io",
    ],
)
def test_names_beside_the_allowed_ones_are_refused(asked):
    module, name = asked.split()
    with pytest.raises(InputError, match=rf"asks for {module}\.{name}"):
        load_pickle(f"c{module}\n{name}\n.".encode())


def test_dotted_names_are_no_way_around_the_list():
    # protocol 4 reads attributes of attributes: numpy.ndarray.tofile would be one
    payload = b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93."
    with pytest.raises(InputError, match=r"asks for numpy\.ndarray\.tofile"):
        load_pickle(payload)


OLD_NAMES = {
    b"numpy._core": b"numpy.core",
    b"cpandas\nDataFrame": b"cpandas.core.frame\nDataFrame",
    b"cpandas\nIndex": b"cpandas.core.indexes.base\nIndex",
    b"cpandas\nMultiIndex": b"cpandas.core.indexes.multi\nMultiIndex",
    b"cnumpy.ma\nMaskedArray": b"cnumpy.ma.core\nMaskedArray",
}


@pytest.mark.parametrize("old", [False, True])
def test_tables_of_arrays_pass_under_old_and_new_names(old):
    index = pd.MultiIndex.from_arrays(
        [pd.Index([3, 5]), pd.Index(["a", "b"], dtype=object)], names=["cell", "recording"]
    )
    masked = np.ma.masked_array([1, 2, 3], [0, 0, 1])
    table = pd.DataFrame({"rate": [1.5, 2.5]}, index=index)
    table.columns = table.columns.astype(object)
    table["spikes"] = pd.Series([masked, masked], index=index, dtype=object)
    content = pickle.dumps(table, protocol=3 if old else 5)
    for new_name, old_name in OLD_NAMES.items() if old else ():
        assert new_name in content
        content = content.replace(new_name, old_name)
    read = load_pickle(content)
    np.testing.assert_array_equal(read["spikes"].iloc[0].compressed(), [1, 2])
    pd.testing.assert_series_equal(read["rate"], table["rate"])


def test_damaged_pickles_are_refused():
    content = pickle.dumps(np.arange(100))
    for broken in (b"", content[:40], content[:-5], b"nonsense"):
        with pytest.raises(InputError, match="damaged pickle"):
            load_pickle(broken)

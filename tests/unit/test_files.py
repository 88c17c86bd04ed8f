import json

import pytest

from spikesieve.files import atomic_path, sha256, write_json


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "new" / "table.csv"
    with pytest.raises(RuntimeError, match="half way"), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("half way")
    assert [*target.parent.iterdir()] == []
    with atomic_path(target) as temporary:
        assert temporary.suffix == ".csv"
        temporary.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert [*target.parent.iterdir()] == [target]


def test_an_old_file_survives_a_failed_rewrite(tmp_path):
    target = tmp_path / "a.json"
    write_json(target, {"x": 1})
    with pytest.raises(ValueError, match="JSON"):
        write_json(target, {"x": float("nan")})
    assert json.loads(target.read_text()) == {"x": 1}


def test_what_a_killed_run_left_is_overwritten(tmp_path):
    target = tmp_path / "table.csv"
    with atomic_path(target) as temporary:
        name = temporary.name
        temporary.write_text("x")
    (tmp_path / name).write_text("half of an earlier run")
    with atomic_path(target) as temporary:
        temporary.write_text("whole")
    assert [*tmp_path.iterdir()] == [target]


def test_sha256_is_the_known_one(tmp_path):
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256(path) == known

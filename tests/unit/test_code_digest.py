import pytest

from spikesieve.code_digest import code_digest

FILES = {
    "src/spikesieve/__init__.py": '"""Package."""\n',
    "src/spikesieve/a.py": "from spikesieve.b import f\n\n\ndef g(x):\n    return f(x) + 1\n",
    "src/spikesieve/b.py": 'def f(x):\n    """Double."""\n    return 2 * x\n',
    "src/spikesieve/deep/__init__.py": "",
    "src/spikesieve/deep/c.py": "def h():\n    return 1\n",
    "src/spikesieve/unused.py": "x = 1\n",
    "script.py": (
        "import spikesieve.a\n\n\ndef main():\n    from spikesieve.deep import c\n    c.h()\n"
    ),
}


def digest_with(folder, **changes):
    """Digest a fresh copy, as every new run of Snakemake would see it."""
    for name, content in (FILES | changes).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return code_digest(folder / "script.py", folder / "src")


@pytest.fixture
def digest(tmp_path_factory):
    return lambda **changes: digest_with(tmp_path_factory.mktemp("d"), **changes)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("src/spikesieve/b.py", "2 * x", "3 * x"),
        ("src/spikesieve/a.py", "+ 1", "+ 2"),
        ("src/spikesieve/deep/c.py", "return 1", "return 2"),
        ("src/spikesieve/deep/__init__.py", "", "y = 1\n"),
        ("script.py", "c.h()", "c.h() + 1"),
    ],
)
def test_logic_anywhere_in_the_closure_counts(digest, file, old, new):
    assert digest(**{file: FILES[file].replace(old, new)}) != digest()


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("src/spikesieve/b.py", '"""Double."""', '"""Twice as much."""'),
        ("src/spikesieve/b.py", "    return", "    # why\n    return"),
        ("src/spikesieve/b.py", "2 * x", "2*x"),
        ("src/spikesieve/unused.py", "1", "2"),
        ("src/spikesieve/__init__.py", "Package", "The package"),
    ],
)
def test_words_and_layout_and_strangers_do_not(digest, file, old, new):
    assert digest(**{file: FILES[file].replace(old, new)}) == digest()


def test_what_a_page_runs_counts(digest):
    for script in ("src/spikesieve/deep/c.js", "src/spikesieve/deep/of_package.js"):
        one = digest(**{script: "f()"})
        assert one != digest()
        assert digest(**{script: "f()"}) == one
        assert digest(**{script: "g()"}) != one
    for other in ("src/spikesieve/unused.js", "src/spikesieve/other/of_package.js"):
        assert digest(**{other: "f()"}) == digest()


def test_the_place_of_the_files_does_not_count(tmp_path):
    assert digest_with(tmp_path / "one place") == digest_with(tmp_path / "other")

"""The download rules, without the network: AllenSDK's cache filled beforehand, a local server."""

import functools
import http.server
import json
import threading

import pandas as pd
import pytest
from make_cache import make_cache
from workflow_runner import TINY, copy_project, snakemake

pytestmark = pytest.mark.data

SESSION = "732592105"
ARCHIVE_SHA256 = "26814f23f8f320be599bb065b24e68b76fc2ee03cdf75e0148dc9ae3b460bceb"


@pytest.mark.allensdk
def test_a_session_id_becomes_a_recording(tmp_path, data, allensdk_python):
    row = {"recording": "allen", "source": "allen", "path": SESSION}
    project = copy_project(tmp_path / "a project", TINY | {"recordings": [row]})
    session = data / f"nwb/allen_layout/session_{SESSION}.nwb"
    make_cache(project / "results/downloads/allen/cache", [session])
    (project / ".venv-allensdk/bin").mkdir(parents=True)
    wrapper = project / ".venv-allensdk/bin/python"
    wrapper.write_text(f'#!/bin/sh\nexec "{allensdk_python}" "$@"\n')
    wrapper.chmod(0o755)
    (project / ".venv-allensdk/.ready").touch()
    target = "results/recordings/allen/units.parquet"
    snakemake(project, target)
    downloaded = project / f"results/downloads/allen/session_{SESSION}.nwb"
    assert downloaded.read_bytes() == session.read_bytes()
    assert len(pd.read_parquet(project / target)) == 40
    assert "Nothing to be done" in snakemake(project, target).stdout


@pytest.fixture
def server(data):
    """Yield the address of a server of the retina archive."""
    folder = str(data / "retina")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/chicken_2021_08_17.tar.gz"
        running.shutdown()


def test_a_url_with_its_checksum_becomes_a_recording(tmp_path, server):
    row = {"recording": "chicken", "source": "retina", "path": server, "sha256": ARCHIVE_SHA256}
    project = copy_project(tmp_path / "p", TINY | {"recordings": [row]})
    target = "results/recordings/chicken/recording.json"
    snakemake(project, target)
    assert json.loads((project / target).read_text())["duration_s"] > 900


def test_a_wrong_checksum_leaves_no_file(tmp_path, server):
    row = {"recording": "chicken", "source": "retina", "path": server, "sha256": "0" * 64}
    project = copy_project(tmp_path / "p", TINY | {"recordings": [row]})
    result = snakemake(project, "results/recordings/chicken/recording.json", check=False)
    assert result.returncode != 0
    assert ARCHIVE_SHA256 in result.stdout
    assert [*project.glob("results/downloads/retina/*")] == []
